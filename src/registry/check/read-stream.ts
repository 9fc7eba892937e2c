/** Reads one streamed answer with its times, its comments and what its events meant. */
import type { CompletionPart } from '../../completion/part.ts'
import type { Usage } from '../../completion/usage.ts'
import { toRouteplaneError } from '../../errors.ts'
import type { Clock } from '../../lib/clock.ts'
import { headerOf, readBody, type HttpCall, type HttpHeaders, type Transport } from '../../lib/http-call.ts'
import { createSseDecoder } from '../../lib/sse.ts'
import type { Protocol } from '../../protocol/protocol.ts'

export type Streamed = {
  readonly kind: 'streamed'
  readonly status: number
  readonly headers: HttpHeaders
  readonly contentType: string
  readonly text: string
  /** The body of an answer that was no stream. */
  readonly body: string
  /** From sending to the first content; `undefined` when none came. */
  readonly ttftMs: number | undefined
  readonly ms: number
  readonly events: number
  /** Events that held content. */
  readonly pieces: number
  /** Keep-alives. */
  readonly comments: number
  /** The longest time without a byte before the first content. */
  readonly silenceMs: number
  readonly usage: Usage | undefined
  readonly finish: string | undefined
  readonly model: string | undefined
  readonly problem?: string
}

export type StreamReading = {
  readonly transport: Transport
  readonly clock: Clock
  readonly protocol: Protocol
  readonly totalMs: number
  readonly maxBytes: number
}

/** Never throws: what went wrong is in the answer. */
export async function readStream(call: HttpCall, reading: StreamReading): Promise<Streamed> {
  const { transport, clock, protocol, totalMs, maxBytes } = reading
  const startedAt = clock.monotonic()
  const seen = { events: 0, comments: 0, silenceMs: 0, lastAt: startedAt, isQuiet: true }
  const told = {
    text: '',
    pieces: 0,
    ttftMs: undefined as number | undefined,
    usage: undefined as Usage | undefined,
    finish: undefined as string | undefined,
    model: undefined as string | undefined,
  }
  const close = (status: number, headers: HttpHeaders, body: string, problem?: string): Streamed => ({
    kind: 'streamed',
    status,
    headers,
    contentType: headerOf(headers, 'content-type') ?? '',
    body,
    ...told,
    ms: Math.round(clock.monotonic() - startedAt),
    events: seen.events,
    comments: seen.comments,
    silenceMs: Math.round(seen.silenceMs),
    ...(problem === undefined ? {} : { problem }),
  })
  try {
    const response = await transport(call, { signal: AbortSignal.timeout(totalMs), maxBytes })
    const { status, headers } = response
    if (status < 200 || status >= 300) return close(status, headers, await readBody(response, maxBytes))
    if (headerOf(headers, 'content-type')?.includes('text/event-stream') !== true) {
      return close(status, headers, await readBody(response, maxBytes), 'the answer is no event stream')
    }
    let problem: string | undefined
    for await (const parts of protocol.upstream.decodeStream(watch(response.body, seen, clock))) {
      for (const part of parts) {
        const failure = note(part, told)
        problem ??= failure
      }
      if (told.ttftMs === undefined && told.text !== '') told.ttftMs = Math.round(clock.monotonic() - startedAt)
      seen.isQuiet = told.ttftMs === undefined
    }
    return close(status, headers, '', problem)
  } catch (thrown) {
    const isSlow = thrown instanceof Error && thrown.name === 'TimeoutError'
    return close(0, {}, '', isSlow ? `no end in ${totalMs} ms` : toRouteplaneError(thrown).message)
  }
}

type Watched = { events: number; comments: number; silenceMs: number; lastAt: number; isQuiet: boolean }

/** Counts events and comments on a copy of the bytes, and the silences between them. */
async function* watch(bytes: AsyncIterable<Uint8Array>, seen: Watched, clock: Clock): AsyncGenerator<Uint8Array> {
  const decoder = createSseDecoder()
  for await (const chunk of bytes) {
    const now = clock.monotonic()
    if (seen.isQuiet) seen.silenceMs = Math.max(seen.silenceMs, now - seen.lastAt)
    seen.lastAt = now
    for (const item of decoder.push(chunk)) {
      if ('comment' in item) seen.comments++
      else seen.events++
    }
    yield chunk
  }
}

type Told = { pieces: number; text: string; usage: Usage | undefined; finish: string | undefined; model: string | undefined }

/** @returns what is wrong, when the part says so. */
function note(part: CompletionPart, told: Told): string | undefined {
  switch (part.type) {
    case 'start':
      told.model = part.model
      return undefined
    case 'text-delta':
    case 'reasoning-delta':
    case 'tool-input-delta':
      told.text += part.text
      told.pieces++
      return undefined
    case 'usage':
      told.usage = part.usage
      return undefined
    case 'finish':
      told.usage = part.usage ?? told.usage
      told.finish = part.finishes[0]?.reason
      return undefined
    case 'error':
      return part.error.message
    default:
      return undefined
  }
}
