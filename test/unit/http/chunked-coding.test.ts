import fc from 'fast-check'
import { expect, it } from 'vitest'
import { chunkOf, LAST_CHUNK } from '../../../src/http/chunked-coding.ts'

/** Reads a chunked body as RFC 9112, section 7.1.3, says. */
function decode(coded: Buffer): Buffer {
  const pieces: Buffer[] = []
  for (let rest = coded; ;) {
    const end = rest.indexOf('\r\n')
    const size = Number.parseInt(rest.subarray(0, end).toString('latin1'), 16)
    if (size === 0) return Buffer.concat(pieces)
    pieces.push(rest.subarray(end + 2, end + 2 + size))
    expect(rest.subarray(end + 2 + size, end + 4 + size).toString('latin1')).toBe('\r\n')
    rest = rest.subarray(end + 4 + size)
  }
}

it('is read back as what was written, text and bytes alike', () => {
  const piece = fc.oneof(fc.string({ unit: 'grapheme', minLength: 1 }), fc.uint8Array({ minLength: 1, maxLength: 300 }))
  fc.assert(
    fc.property(fc.array(piece), (pieces) => {
      const coded = Buffer.concat([...pieces.map(chunkOf), Buffer.from(LAST_CHUNK)])
      expect(decode(coded).equals(Buffer.concat(pieces.map((each) => Buffer.from(each as string))))).toBe(true)
    }),
  )
})
