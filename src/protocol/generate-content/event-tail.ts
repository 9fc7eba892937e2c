/** Keeps the last events of a stream of events, whole, without reading them. */

/** Bytes kept beside what the last events need. */
const TAIL_BYTES = 64 * 1024

export type EventTail = {
  push(chunk: Uint8Array): void
  /** Gives what was kept, from the beginning of an event on, and how many bytes came before it. */
  end(): { readonly bytes: Buffer; readonly skipped: number }
}

/** A piece of the stream, and how many blank lines end in it. */
type Piece = { readonly chunk: Uint8Array; readonly boundaries: number }

/**
 * Creates a tail. What is dropped is always followed by two ends of events: between them stands the last whole one, and
 * after them at most an unfinished one.
 */
export function createEventTail(): EventTail {
  const pieces: Piece[] = []
  let bytes = 0
  let boundaries = 0
  let skipped = 0
  let last = ''
  return {
    push: (chunk) => {
      const text = last + Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength).toString('latin1')
      const found = countBoundaries(text, last.length)
      last = text.slice(-3)
      pieces.push({ chunk, boundaries: found })
      bytes += chunk.length
      boundaries += found
      for (let first = pieces[0]; first !== undefined && mayDrop(first, bytes, boundaries); first = pieces[0]) {
        pieces.shift()
        bytes -= first.chunk.length
        boundaries -= first.boundaries
        skipped += first.chunk.length
      }
    },
    end: () => {
      const kept = Buffer.concat(pieces.map(({ chunk }) => chunk))
      const from = skipped === 0 ? 0 : afterFirstEvent(kept)
      return { bytes: kept.subarray(from), skipped: skipped + from }
    },
  }
}

function mayDrop(first: Piece, bytes: number, boundaries: number): boolean {
  return bytes - first.chunk.length >= TAIL_BYTES && boundaries - first.boundaries >= 2
}

/** Blank lines that end after `from`: what is before has been counted. */
function countBoundaries(text: string, from: number): number {
  let count = 0
  for (const match of text.matchAll(/\r\n\r\n|\n\n|\r\r/g)) if (match.index + match[0].length > from) count++
  return count
}

/** What is left of the event in whose middle the tail begins is not read. */
function afterFirstEvent(bytes: Buffer): number {
  const found = /\r\n\r\n|\n\n|\r\r/.exec(bytes.toString('latin1'))
  return found === null ? bytes.length : found.index + found[0].length
}
