/** Takes the usage-only event out of a forwarded stream, for callers who did not ask for it. */
import { isRecord, tryParseJson } from '../../lib/json.ts'
import { createSseDecoder } from '../../lib/sse.ts'
import type { ByteFilter } from '../protocol.ts'

const LF = 0x0a
const CR = 0x0d
const EMPTY = new Uint8Array(0)

/** Held back beyond this, an event is no usage event: it is let through as it comes. */
const MAX_EVENT_BYTES = 64 * 1024

/**
 * Creates the filter. Everything but that one event passes byte for byte, and all that a read completes passes in one piece;
 * only the unfinished event at its end waits, which no client could read yet.
 */
export function createUsageFilter(): ByteFilter {
  let held: Buffer = Buffer.alloc(0)
  let isPassing = false

  return {
    push: (chunk) => {
      const bytes = held.length === 0 ? asBuffer(chunk) : Buffer.concat([held, chunk])
      const end = endOfEvents(bytes)
      if (end === 0 && (isPassing || bytes.length > MAX_EVENT_BYTES)) {
        isPassing = true
        const ready = bytes.length - trailingBreaks(bytes)
        held = bytes.subarray(ready)
        return bytes.subarray(0, ready)
      }
      const whole = bytes.subarray(0, end)
      held = bytes.subarray(end)
      const passed = isPassing ? afterFirst(whole) : without(whole)
      if (end > 0) isPassing = false
      return passed
    },
    end: () => {
      const rest = held
      held = Buffer.alloc(0)
      return isUsageOnly(rest) ? EMPTY : rest
    },
  }
}

function asBuffer(chunk: Uint8Array): Buffer {
  return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
}

/** Line breaks at the end may be half of the blank line that ends the event. */
function trailingBreaks(bytes: Buffer): number {
  let count = 0
  while (count < 3 && (bytes.at(-1 - count) === LF || bytes.at(-1 - count) === CR)) count++
  return count
}

/** The rest of an event whose beginning has passed passes too. */
function afterFirst(bytes: Buffer): Buffer {
  const first = nextBoundary(bytes, 0, true)
  return first === undefined ? bytes : Buffer.concat([bytes.subarray(0, first), without(bytes.subarray(first))])
}

function without(bytes: Buffer): Buffer {
  if (!bytes.includes('"usage"')) return bytes
  const kept: Buffer[] = []
  let from = 0
  let start = 0
  for (let end = nextBoundary(bytes, 0, true); end !== undefined; end = nextBoundary(bytes, end, true)) {
    if (isUsageOnly(bytes.subarray(start, end))) {
      kept.push(bytes.subarray(from, start))
      from = end
    }
    start = end
  }
  if (from === 0) return bytes
  return Buffer.concat([...kept, bytes.subarray(from)])
}

/** @see https://platform.openai.com/docs/api-reference/chat/create#chat_create-stream_options: `choices` is empty there. */
function isUsageOnly(event: Buffer): boolean {
  if (!event.includes('"usage"')) return false
  const decoder = createSseDecoder()
  const [item] = [...decoder.push(event), ...decoder.end()].filter((one) => 'data' in one)
  const chunk = item === undefined ? undefined : tryParseJson(item.data)
  if (!isRecord(chunk) || !isRecord(chunk['usage']) || 'error' in chunk) return false
  const { choices } = chunk
  return choices === undefined || (Array.isArray(choices) && choices.length === 0)
}

/** Index after the last event that is whole. */
function endOfEvents(bytes: Buffer): number {
  if (!bytes.includes(CR)) {
    const last = bytes.lastIndexOf('\n\n')
    return last === -1 ? 0 : last + 2
  }
  let end = 0
  for (let next = nextBoundary(bytes, 0, false); next !== undefined; next = nextBoundary(bytes, next, false)) end = next
  return end
}

/**
 * Index after the first blank line at or after `from`. A CR at the very end may be half of a CRLF: it decides nothing, unless
 * the bytes are known to end with an event.
 *
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
 */
function nextBoundary(bytes: Buffer, from: number, isWhole: boolean): number | undefined {
  let isLineEmpty = false
  for (let at = from; at < bytes.length; at++) {
    const byte = bytes[at]
    if (byte !== LF && byte !== CR) {
      isLineEmpty = false
      continue
    }
    const isPair = byte === CR && bytes[at + 1] === LF
    if (byte === CR && at + 1 === bytes.length && !isWhole) return undefined
    if (isPair) at++
    if (isLineEmpty) return at + 1
    isLineEmpty = true
  }
  return undefined
}
