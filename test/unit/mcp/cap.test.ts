/** Caps that models write: a number and its text mean the same exact amount, and nothing else means any. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { parseCap } from '../../../src/mcp/schema.ts'

it('reads a number as the decimal that it prints as', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 10 ** 12 }), fc.integer({ min: 0, max: 6 }), (digits, places) => {
      const scale = 10n ** BigInt(18 - places)
      const text = (BigInt(digits) * scale).toString().padStart(19, '0')
      const decimal = `${text.slice(0, -18)}.${text.slice(-18)}`
      expect(parseCap(decimal)).toBe(BigInt(digits) * scale)
      expect(parseCap(Number(decimal))).toBe(BigInt(digits) * scale)
    }),
  )
})

it('refuses every text that is not a plain decimal, and never throws anything else', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string({ maxLength: 40 }), fc.double()), (value) => {
      try {
        expect(parseCap(value)).toBeGreaterThanOrEqual(0n)
        expect(String(value)).toMatch(/^\d{1,30}(\.\d{1,18})?$/)
      } catch (error) {
        if (error instanceof Error && error.name === 'AssertionError') throw error
        expect(error).toMatchObject({ code: 'invalid_max_cost', money: 'untouched' })
      }
    }),
    { numRuns: 500 },
  )
})
