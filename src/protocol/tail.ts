/** Keeps the end of a stream of events while it passes. */

export type Tail = {
  push(chunk: Uint8Array): void
  /** Gives what was kept, from the beginning of an event, and how many bytes before it were not. */
  end(): { readonly bytes: Uint8Array; readonly skipped: number }
}

/** Bytes that the cheap tail holds. */
const MAX_BYTES = 64 * 1024

/** Events that it gives in any case, as far as it holds them. */
const GIVEN_EVENTS = 4

/** What the other always keeps: the few events before the last say nothing that it does not, but cost nothing. */
const MIN_BYTES = 16 * 1024

const BLANK_LINES = ['\n\n', '\r\n\r\n', '\r\r'] as const

/** The longest blank line less one byte may stand at the end of the chunk before. */
const OVERLAP = 3

/** The terminal event, a `[DONE]` or comment that some servers send after it, and the end itself. */
const KEPT_STARTS = 4

/**
 * Creates the cheap tail, which looks at nothing that passes: for streams whose last few events are short. It holds references to
 * at most {@link MAX_BYTES} (and one chunk more).
 *
 * @param givenBytes - What it gives of them, unless the last few events are longer: every stream pays for what is read.
 */
export function createByteTail(givenBytes: number = MAX_BYTES): Tail {
  const chunks: Uint8Array[] = []
  let kept = 0
  let skipped = 0
  return {
    push: (chunk) => {
      chunks.push(chunk)
      kept += chunk.length
      for (let first = chunks[0]; first !== undefined && chunks.length > 1; first = chunks[0]) {
        if (kept - first.length < MAX_BYTES) break
        chunks.shift()
        kept -= first.length
        skipped += first.length
      }
    },
    end: () => {
      const bytes = Buffer.concat(chunks)
      const from = Math.max(0, Math.min(bytes.length - givenBytes, beforeLastEvents(bytes)))
      const start = skipped + from === 0 ? 0 : from + afterFirstEvent(bytes.subarray(from))
      return { bytes: bytes.subarray(start), skipped: skipped + start }
    },
  }
}

/** Index of the blank line in front of the last few events; 0 when there are not so many. */
function beforeLastEvents(bytes: Buffer): number {
  const blanks = bytes.includes('\r') ? BLANK_LINES : ['\n\n']
  let at = bytes.length
  for (let found = 0; found <= GIVEN_EVENTS && at > 0; found++) {
    at = Math.max(0, ...blanks.map((blank) => bytes.lastIndexOf(blank, at - 1)))
  }
  return at
}

/**
 * Creates a tail with the last event whole, however long it is; it holds references to the chunks it is given.
 *
 * @param maxBytes - An event beyond this is cut at its head.
 */
export function createEventTail(maxBytes: number): Tail {
  const chunks: Uint8Array[] = []
  let kept = 0
  let skipped = 0
  /** Where the last few events begin, in bytes from the first push. */
  let starts: readonly number[] = [0]
  let overlap = Buffer.alloc(0)

  const findStarts = (chunk: Uint8Array): void => {
    const seen = Buffer.concat([overlap, chunk])
    const base = skipped + kept - overlap.length
    const last = starts.at(-1) ?? 0
    const found = BLANK_LINES.flatMap((blank) => endsOf(seen, blank)).map((end) => base + end)
    const news = found.filter((start) => start > last).toSorted((a, b) => a - b)
    starts = [...starts, ...news].slice(-KEPT_STARTS)
    overlap = seen.subarray(Math.max(0, seen.length - OVERLAP))
  }
  return {
    push: (chunk) => {
      findStarts(chunk)
      chunks.push(chunk)
      kept += chunk.length
      for (let first = chunks[0]; first !== undefined && chunks.length > 1; first = chunks[0]) {
        const left = kept - first.length
        const isNeeded = left < MIN_BYTES || skipped + first.length > (starts[0] ?? 0)
        if (isNeeded && left <= maxBytes) break
        chunks.shift()
        kept = left
        skipped += first.length
      }
    },
    end: () => {
      const bytes = Buffer.concat(chunks)
      if (skipped === 0) return { bytes, skipped }
      const start = starts.find((each) => each >= skipped) ?? skipped + afterFirstEvent(bytes)
      return { bytes: bytes.subarray(start - skipped), skipped: start }
    },
  }
}

function endsOf(bytes: Buffer, blank: string): readonly number[] {
  const ends: number[] = []
  for (let at = bytes.indexOf(blank); at !== -1; at = bytes.indexOf(blank, at + blank.length)) ends.push(at + blank.length)
  return ends
}

/** What is left of the event in whose middle the bytes begin is not read. */
function afterFirstEvent(bytes: Buffer): number {
  const ends = BLANK_LINES.map((blank) => ({ blank, at: bytes.indexOf(blank) })).filter(({ at }) => at !== -1)
  return ends.length === 0 ? bytes.length : Math.min(...ends.map(({ at, blank }) => at + blank.length))
}
