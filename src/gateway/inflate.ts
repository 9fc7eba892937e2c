/** Inflates the body of an upstream that compresses although it was asked not to, within the exchange's byte limit. */
import { Readable } from 'node:stream'
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib'
import { RouteplaneError } from '../errors.ts'

const inflaters = new Map([
  ['gzip', createGunzip],
  ['x-gzip', createGunzip],
  ['deflate', createInflate],
  ['br', createBrotliDecompress],
])

/** Tells whether {@link inflate} knows a content coding (RFC 9110, section 8.4.1). */
export function canInflate(coding: string): boolean {
  return inflaters.has(coding.toLowerCase())
}

/**
 * Yields the body as the upstream meant it; leaving the loop leaves the source's too.
 *
 * @throws {@link RouteplaneError} `response_too_large` beyond `maxBytes` inflated bytes, `stream_incomplete` for a body that is not
 *   what its coding says, and whatever the source throws.
 */
export async function* inflate(
  body: AsyncIterable<Uint8Array>,
  coding: string,
  maxBytes: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  const create = inflaters.get(coding.toLowerCase())
  if (create === undefined) throw new RouteplaneError('upstream_error', 'the upstream used a content coding that was not asked for')
  const source = Readable.from(body, { objectMode: false })
  const inflated = create()
  source.on('error', (error) => inflated.destroy(error))
  let total = 0
  try {
    for await (const chunk of source.pipe(inflated) as AsyncIterable<Uint8Array>) {
      total += chunk.length
      if (total > maxBytes) throw tooLarge(maxBytes)
      yield chunk
    }
  } catch (error) {
    if (error instanceof RouteplaneError) throw error
    throw new RouteplaneError('stream_incomplete', 'the compressed body of the answer is broken', {
      details: { phase: 'body', sent: true },
      cause: error,
    })
  } finally {
    source.destroy()
    inflated.destroy()
  }
}

/** The one wording for a body beyond its limit. */
export function tooLarge(maxBytes: number): RouteplaneError {
  return new RouteplaneError('response_too_large', `the answer is larger than ${maxBytes} bytes`, {
    details: { maxBytes, phase: 'body', sent: true },
  })
}
