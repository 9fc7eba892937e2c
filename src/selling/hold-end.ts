/** Lets a paid answer pass and holds back its end until it is paid; decides what becomes of it when its caller leaves. */
import type { CompletionPart } from '../completion/part.ts'

export type Holding<T> = {
  /** Cuts an item where the end of the answer begins; `undefined` halves are empty. */
  split(item: T): readonly [now: T | undefined, later: T | undefined]
  /** Called when the source has ended. The end is given out once it resolves, and not at all when it throws. */
  paid(): Promise<void>
  /** Called instead when the caller leaves before the source has ended. */
  left(rest: AsyncIterator<T>): Promise<void>
}

/** What comes before the end, the first part above all, never waits for anything. */
export async function* holdEnd<T>(source: AsyncIterable<T>, { split, paid, left }: Holding<T>): AsyncGenerator<T> {
  const rest = source[Symbol.asyncIterator]()
  const held: T[] = []
  let isReading = true
  try {
    for (let step = await rest.next(); step.done !== true; step = await rest.next()) {
      const [now, later] = held.length > 0 ? [undefined, step.value] : split(step.value)
      if (later !== undefined) held.push(later)
      if (now !== undefined) yield now
    }
    isReading = false
    await paid()
    yield* held
  } catch (error) {
    isReading = false
    throw error
  } finally {
    if (isReading) await left(rest)
  }
}

/** The neutral stream ends with its finish. */
export function splitParts(
  parts: readonly CompletionPart[],
): readonly [readonly CompletionPart[] | undefined, readonly CompletionPart[] | undefined] {
  const at = parts.findIndex(({ type }) => type === 'finish')
  if (at === -1) return [parts, undefined]
  return at === 0 ? [undefined, parts] : [parts.slice(0, at), parts.slice(at)]
}

/** Cuts a chunk of events before the line with which its wire ends a stream; wires without one end with the connection. Byte for byte but for a provider's receipts. */
export function splitAt(endLine: RegExp | undefined): (chunk: Uint8Array) => readonly [Uint8Array | undefined, Uint8Array | undefined] {
  return (given) => {
    const text = latin1(given)
    const chunk = text.includes(RECEIPT) ? Buffer.from(text.replace(RECEIPTS, ''), 'latin1') : given
    const at = endLine === undefined ? -1 : latin1(chunk).search(endLine)
    if (chunk.length === 0) return [undefined, undefined]
    if (at === -1) return [chunk, undefined]
    return at === 0 ? [undefined, chunk] : [chunk.subarray(0, at), chunk.subarray(at)]
  }
}

/** A provider's proof of our own payment, in a comment: none of the caller's business, who looks there for his. */
const RECEIPT = 'payment-re'
const RECEIPTS = /^: (?:payment-receipt|(?:x-)?payment-response) [^\n]*\n\n?/gm

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
}

/** Reads on to the end when nobody listens any more: what has been paid for stays to be fetched. */
export async function drain<T>(rest: AsyncIterator<T>): Promise<void> {
  for (let step = await rest.next(); step.done !== true; step = await rest.next());
}
