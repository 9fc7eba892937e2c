/** Addresses of Solana and the accounts that are derived from them, by examples that the network itself gives. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { solanaAssets, solanaNetworks } from '../../../../contracts-abi/solana.ts'
import { isOnCurve, isSolanaAddress, tokenAccountOf } from '../../../../src/chain/solana/address.ts'
import { decodeBase58, encodeBase58 } from '../../../../src/lib/base58.ts'
import { hasSolanaClient } from '../../../../src/payment/scheme/solana-transaction.ts'
import { SolanaKey } from '../../../../src/wallet/solana/key.ts'

describe('base58', () => {
  it('gives back what was written', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        expect(decodeBase58(encodeBase58(bytes))).toEqual(bytes)
      }),
    )
  })

  it.each(['0OIl', 'a b', 'ä', '1'.repeat(129)])('refuses %s', (text) => {
    expect(decodeBase58(text)).toBeUndefined()
  })
})

describe('an address', () => {
  it.each(solanaAssets.map(({ address }) => address))('%s is one', (address) => {
    expect(isSolanaAddress(address)).toBe(true)
  })

  it.each([
    '',
    '1'.repeat(32),
    '0x209693Bc6afc0C5328bA36FaF03C514EF312287C',
    'EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt',
    `1${solanaAssets[0]?.address}`,
  ])('%s is none', (text) => {
    expect(isSolanaAddress(text)).toBe(false)
  })

  it('of a key is on the curve, and the account derived from it is not', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (seed) => {
        const { address } = new SolanaKey(seed)
        const account = tokenAccountOf(address, solanaAssets[0]?.address ?? '')
        expect([address, account].map((each) => isOnCurve(decodeBase58(each) ?? new Uint8Array()))).toEqual([true, false])
      }),
      { numRuns: 20 },
    )
  })
})

describe('what is known of Solana', () => {
  it('has a token for each network, named by its genesis', () => {
    expect(solanaAssets.map(({ network }) => network)).toEqual(solanaNetworks.map(({ network }) => network))
  })

  it('is paid with a package that may be missing', () => {
    expect([hasSolanaClient(), hasSolanaClient('@x402/svm-of-nobody/exact/client')]).toEqual([true, false])
  })
})
