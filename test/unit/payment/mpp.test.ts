/** What paying over MPP may cost besides the price: the fee of Tempo, and only where nothing else can be paid. */
import { describe, expect, it } from 'vitest'
import { ZERO_USD } from '../../../src/money.ts'
import { mpp } from '../../../src/payment/mpp.ts'
import { mppTermsOf, type MppFields } from '../../../src/registry/mpp-terms.ts'
import { PAYEE } from './fixture.ts'

const TESTNETS = ['eip155:84532', 'eip155:42431']
const overheadOf = (fields: MppFields, networks = TESTNETS) => mpp.overheadOf?.(mppTermsOf(fields, PAYEE, 1000n), networks)

describe('the overhead of MPP', () => {
  it.each<[string, MppFields, readonly string[], boolean]>([
    ['tempo alone', { methods: ['tempo'] }, TESTNETS, true],
    ['evm alone', { methods: ['evm'] }, TESTNETS, false],
    ['both, with a wallet on both', {}, TESTNETS, false],
    ['both, with a wallet on Tempo alone', {}, ['eip155:42431'], true],
    ['tempo, with a wallet on Base', { methods: ['tempo'] }, ['eip155:8453'], false],
  ])('of %s', (_, fields, networks, isHeld) => {
    expect((overheadOf(fields, [...networks]) ?? ZERO_USD) > 0n).toBe(isHeld)
  })
})
