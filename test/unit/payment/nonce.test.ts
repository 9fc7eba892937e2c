/** The nonce of an attempt: the same for the same attempt for ever, and another for any other. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { deriveNonce } from '../../../src/payment/nonce.ts'

const attempt = fc.record({
  salt: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  id: fc.string({ minLength: 1, maxLength: 40 }).filter((text) => !text.includes('\n')),
  payee: fc.uint8Array({ minLength: 20, maxLength: 20 }).map((bytes) => `0x${Buffer.from(bytes).toString('hex')}`),
  amount: fc.bigInt({ min: 1n, max: 2n ** 96n }),
})
const nonceOf = ({ salt, id, payee, amount }: { salt: Uint8Array; id: string; payee: string; amount: bigint }) =>
  deriveNonce(salt, id, payee, amount)

it('is 32 bytes, and the same however the payee is spelt', () => {
  fc.assert(
    fc.property(attempt, (own) => {
      expect(nonceOf(own)).toMatch(/^0x[0-9a-f]{64}$/)
      expect(nonceOf({ ...own, payee: own.payee.toUpperCase().replace('0X', '0x') })).toBe(nonceOf(own))
    }),
  )
})

it('differs as soon as anything about the attempt does', () => {
  fc.assert(
    fc.property(attempt, attempt, (one, other) => {
      const same = (key: 'id' | 'payee' | 'amount') => one[key] === other[key]
      for (const key of ['id', 'payee', 'amount'] as const) {
        if (!same(key)) expect(nonceOf({ ...one, [key]: other[key] })).not.toBe(nonceOf(one))
      }
      if (Buffer.compare(one.salt, other.salt) !== 0) expect(nonceOf({ ...one, salt: other.salt })).not.toBe(nonceOf(one))
    }),
  )
})
