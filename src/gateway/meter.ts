/** Watches an answer go by and reads usage, finish and failure off it, without touching it. */
import type { CompletionPart, PartStream } from '../completion/part.ts'
import type { Usage } from '../completion/usage.ts'
import { mapStream } from '../lib/stream.ts'
import type { ByteFilter, StreamTap, TapReport } from '../protocol/protocol.ts'

/** Read once the answer has ended or was left. */
export type Meter = {
  /** Milliseconds from sending to the first content. */
  ttftMs(): number
  read(): TapReport
}

/** A forwarded stream under a tap. */
export type Tapped = {
  /** The upstream's bytes; fails with `stream_incomplete` when it ends without its terminal event. */
  readonly body: AsyncIterable<Uint8Array>
  /** Whether content the caller would see has passed. */
  hasContent(): boolean
  report(): TapReport
}

/**
 * Lets a tap read a copy of each chunk as it passes.
 *
 * @param filter - Lets whole events pass, without what we asked the upstream for and the caller did not.
 */
export function tapStream(source: AsyncIterable<Uint8Array>, tap: StreamTap, filter?: ByteFilter): Tapped {
  const reading: Reading = { tap, hasContent: false, report: undefined }
  return { body: pass(source, reading, filter), hasContent: () => reading.hasContent, report: () => reportOf(reading) }
}

type Reading = { readonly tap: StreamTap; hasContent: boolean; report: TapReport | undefined }

async function* pass(source: AsyncIterable<Uint8Array>, reading: Reading, filter: ByteFilter | undefined): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) {
    if (reading.tap.push(chunk)) reading.hasContent = true
    const kept = filter === undefined ? chunk : filter.push(chunk)
    if (kept.length > 0) yield kept
  }
  const { error } = reportOf(reading)
  // Half an event is nothing to its reader, and the error that follows must not be taken for its other half.
  if (error !== undefined && error.code === 'stream_incomplete') throw error
  const rest = filter?.end()
  if (rest !== undefined && rest.length > 0) yield rest
}

function reportOf(reading: Reading): TapReport {
  return (reading.report ??= reading.tap.end())
}

/** Reads usage, finish and error off passing parts. */
export function meterParts(stream: PartStream, ttftMs: number): { parts: PartStream; meter: Meter } {
  let usage: Usage | undefined
  let model: string | undefined
  let finishReason: string | undefined
  let error: TapReport['error']
  let deliveredCharacters = 0
  const look = (part: CompletionPart) => {
    if (part.type === 'start') model = part.model
    else if (
      part.type === 'text-delta' ||
      part.type === 'reasoning-delta' ||
      part.type === 'tool-input-delta' ||
      part.type === 'refusal-delta'
    ) {
      deliveredCharacters += part.text.length
    } else if (part.type === 'usage') usage = part.usage
    else if (part.type === 'finish') {
      usage = part.usage ?? usage
      finishReason = part.finishes[0]?.reason
    } else if (part.type === 'error') error = part.error
  }
  return {
    parts: mapStream(stream, (parts) => {
      for (const part of parts) look(part)
      return parts
    }),
    meter: {
      ttftMs: () => ttftMs,
      read: () => ({
        usage,
        deliveredCharacters,
        ...(model === undefined ? {} : { model }),
        ...(finishReason === undefined ? {} : { finishReason }),
        ...(error === undefined ? {} : { error }),
      }),
    },
  }
}
