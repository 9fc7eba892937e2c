/** Sends a check's questions to the endpoint itself and keeps what came back, measured and decoded. */
import type { CompletionResult } from '../../completion/result.ts'
import type { Usage } from '../../completion/usage.ts'
import { toRouteplaneError } from '../../errors.ts'
import type { Clock } from '../../lib/clock.ts'
import { readBytes, retryAfterOf, type HttpHeaders, type Transport } from '../../lib/http-call.ts'
import { tryParseJson } from '../../lib/json.ts'
import type { Protocol } from '../../protocol/protocol.ts'
import type { Endpoint } from '../endpoint.ts'
import type { Pace } from './pace.ts'
import { needsOf, requestOf, SHORT_ANSWER_TOKENS, type Question } from './question.ts'
import type { Spending } from './spending.ts'
import { readStream, type Streamed } from './read-stream.ts'

export type Answered = {
  readonly kind: 'answered'
  /** 0 when there was none: `problem` says why. */
  readonly status: number
  readonly headers: HttpHeaders
  readonly text: string
  readonly json: unknown
  /** From sending to the last byte. */
  readonly ms: number
  /** Of a 2xx that the wire's decoder could read. */
  readonly result?: CompletionResult
  /** What was wrong with the exchange or the answer, in words. */
  readonly problem?: string
  /** Bytes of the body that was sent. */
  readonly sentBytes: number
}

/** Not sent, with the reason. */
export type Skipped = { readonly kind: 'skipped'; readonly reason: string }

export type AskOptions = {
  /** `'wrong'` shows a key that cannot be right, `'none'` shows nothing. */
  readonly key?: 'own' | 'wrong' | 'none'
  /** Changes the encoded body: for requests no encoder would make. */
  readonly change?: (body: Record<string, unknown>) => unknown
  /** Sends this text instead of a body. */
  readonly raw?: string
  /** Whether a declared rate limit is waited for; off for rows that are about it. */
  readonly paced?: boolean
}

export type Probe = {
  ask(question: Question, options?: AskOptions): Promise<Answered | Skipped>
  stream(question: Question): Promise<Streamed | Skipped>
  /** The body a question becomes on this wire. @throws RouteplaneError when the wire cannot say it. */
  encode(question: Question): unknown
  /** Everything that was answered, in the order it was. */
  readonly seen: readonly Answered[]
  /** The most a question can cost is taken against this. */
  readonly spending: Spending
}

export type ProbeOptions = {
  readonly endpoint: Endpoint
  readonly protocol: Protocol
  readonly transport: Transport
  readonly clock: Clock
  readonly spending: Spending
  readonly pace: Pace
  /** Headers that show a key. */
  readonly authorize: (key: string) => Readonly<Record<string, string>>
  readonly extraHeaders: Readonly<Record<string, string>>
  readonly key: string | undefined
  /** Why nothing can be asked with a good answer: no key, or every answer must be paid for. */
  readonly blocked: string | undefined
  readonly seen: Answered[]
}

const MAX_BYTES = 8 * 1024 * 1024
const TOTAL_MS = 120_000
/** How long a 429 is waited out, once. */
const MAX_WAIT_MS = 30_000
/** When a provider says that it is busy, and not for how long. */
const USUAL_WAIT_MS = 1_000
/** Has the shape of no provider's keys. */
const WRONG_KEY = 'routeplane-check-this-key-is-wrong'

export function createProbe(options: ProbeOptions): Probe {
  const ask = async (question: Question, asked: AskOptions = {}): Promise<Answered | Skipped> => {
    const own = (asked.key ?? 'own') === 'own'
    if (own && options.blocked !== undefined) return { kind: 'skipped', reason: options.blocked }
    const prepared = prepare(question, false, asked, options)
    if ('kind' in prepared) return prepared
    const settle = own ? options.spending.reserve(prepared.needs, prepared.maxOutputTokens) : () => {}
    if (typeof settle === 'string') return { kind: 'skipped', reason: settle }
    const isPaced = asked.paced ?? true
    if (isPaced) await options.pace.take()
    let answered = await exchange(prepared, options)
    options.seen.push(answered)
    if (answered.status === 429 && isPaced) {
      await options.clock.sleep(Math.min(retryAfterOf(answered.headers, options.clock.now()) ?? USUAL_WAIT_MS, MAX_WAIT_MS))
      answered = await exchange(prepared, options)
      options.seen.push(answered)
    }
    settle(usedBy(answered))
    return answered
  }
  return {
    ask,
    async stream(question) {
      if (options.blocked !== undefined) return { kind: 'skipped', reason: options.blocked }
      const prepared = prepare(question, true, {}, options)
      if ('kind' in prepared) return prepared
      const settle = options.spending.reserve(prepared.needs, prepared.maxOutputTokens)
      if (typeof settle === 'string') return { kind: 'skipped', reason: settle }
      await options.pace.take()
      const streamed = await readStream(prepared.call, { ...options, totalMs: TOTAL_MS, maxBytes: MAX_BYTES })
      settle(streamed.status >= 300 ? 'nothing' : streamed.usage)
      return streamed
    },
    encode: (question) => encodeBody(question, false, options).body,
    seen: options.seen,
    spending: options.spending,
  }
}

/** What was refused is not charged; what broke may have been. */
function usedBy({ status, result }: Answered): Usage | 'nothing' | undefined {
  return status >= 300 ? 'nothing' : result?.usage
}

type Prepared = {
  readonly call: Parameters<Transport>[0] & { readonly body: Uint8Array }
  readonly needs: ReturnType<typeof needsOf>
  readonly maxOutputTokens: number
}

function encodeBody(question: Question, stream: boolean, { endpoint, protocol }: ProbeOptions) {
  const request = requestOf(question, endpoint.upstreamModel, stream)
  const limit = endpoint.maxOutputTokens === undefined ? {} : { maxOutputTokens: endpoint.maxOutputTokens }
  return { request, ...protocol.upstream.encodeRequest(request, { model: endpoint.upstreamModel, stream, ...limit }) }
}

function prepare(question: Question, stream: boolean, asked: AskOptions, options: ProbeOptions): Prepared | Skipped {
  try {
    const { request, path, body } = encodeBody(question, stream, options)
    const changed = asked.change === undefined ? body : asked.change(body)
    const bytes = new TextEncoder().encode(asked.raw ?? JSON.stringify(changed))
    const headers = {
      ...options.extraHeaders,
      ...keyHeaders(asked.key ?? 'own', options),
      'content-type': 'application/json',
      accept: stream ? 'text/event-stream' : 'application/json',
    }
    return {
      call: { method: 'POST', url: options.endpoint.provider.baseUrl + path, headers, body: bytes },
      needs: needsOf(request, bytes.byteLength),
      maxOutputTokens: request.maxOutputTokens ?? SHORT_ANSWER_TOKENS,
    }
  } catch (thrown) {
    return { kind: 'skipped', reason: `${options.protocol.id} cannot say it: ${toRouteplaneError(thrown).message}` }
  }
}

function keyHeaders(which: 'own' | 'wrong' | 'none', { authorize, key }: ProbeOptions): Readonly<Record<string, string>> {
  if (which === 'wrong') return authorize(WRONG_KEY)
  return which === 'none' || key === undefined ? {} : authorize(key)
}

async function exchange({ call }: Prepared, { transport, clock, protocol }: ProbeOptions): Promise<Answered> {
  const startedAt = clock.monotonic()
  const elapsed = () => Math.round(clock.monotonic() - startedAt)
  const sentBytes = call.body.byteLength
  try {
    const response = await transport(call, { signal: AbortSignal.timeout(TOTAL_MS), maxBytes: MAX_BYTES })
    const bytes = await readBytes(response, MAX_BYTES)
    const text = decodeText(bytes)
    const base = { kind: 'answered', status: response.status, headers: response.headers, ms: elapsed(), sentBytes } as const
    if (text === undefined) return { ...base, text: '', json: undefined, problem: 'the body is not UTF-8' }
    const json = tryParseJson(text)
    if (response.status < 200 || response.status >= 300) return { ...base, text, json }
    return { ...base, text, json, ...decodeAnswer(json, protocol) }
  } catch (thrown) {
    const problem =
      thrown instanceof Error && thrown.name === 'TimeoutError' ? `no answer in ${TOTAL_MS} ms` : toRouteplaneError(thrown).message
    return { kind: 'answered', status: 0, headers: {}, text: '', json: undefined, ms: elapsed(), problem, sentBytes }
  }
}

function decodeText(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return undefined
  }
}

function decodeAnswer(json: unknown, protocol: Protocol): Pick<Answered, 'result' | 'problem'> {
  if (json === undefined) return { problem: 'the body is not JSON' }
  try {
    return { result: protocol.upstream.decodeResult(json) }
  } catch (thrown) {
    return { problem: toRouteplaneError(thrown).message }
  }
}
