/** Lets the events of a forwarded stream pass when they are whole, changed or as they are. */
import type { ByteFilter } from './protocol.ts'

const LF = 0x0a
const CR = 0x0d

/** Held back beyond this, an event is let through as it comes. */
const MAX_EVENT_BYTES = 64 * 1024

/**
 * Creates a filter. All that a read completes passes in one piece; only the unfinished event at its end waits, which no client
 * could read yet, and which must not stand before the error of a stream that broke off.
 *
 * @param change - Is given whole events, and gives what of them passes. An event too long to wait for passes as it is.
 */
export function createEventFilter(change: (events: Buffer) => Buffer = (events) => events): ByteFilter {
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
      const passed = isPassing ? afterFirst(whole, change) : change(whole)
      if (end > 0) isPassing = false
      return passed
    },
    end: () => {
      const rest = held
      held = Buffer.alloc(0)
      return isPassing ? rest : change(rest)
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
function afterFirst(bytes: Buffer, change: (events: Buffer) => Buffer): Buffer {
  const first = nextBoundary(bytes, 0, true)
  return first === undefined ? bytes : Buffer.concat([bytes.subarray(0, first), change(bytes.subarray(first))])
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
export function nextBoundary(bytes: Buffer, from: number, isWhole: boolean): number | undefined {
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
