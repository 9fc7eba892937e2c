/** Plans: in the order given, each way once, never longer than allowed. */
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { PaymentModeName } from '../../../src/registry/endpoint.ts'
import type { EligibleCandidate } from '../../../src/routing/eligible.ts'
import { planAttempts } from '../../../src/routing/plan.ts'
import { endpoint } from '../registry/fixture.ts'

function candidate(id: string, modes: readonly PaymentModeName[] = ['byok']): EligibleCandidate {
  return {
    endpoint: endpoint(id, 'm'),
    expectedUsd: undefined,
    boundUsd: undefined,
    byok: modes[0] === 'byok',
    modes,
    health: { uptime: undefined, countedRequests: 0, ttftMs: undefined, throughput: undefined },
  }
}

const shown = (lists: readonly (readonly EligibleCandidate[])[], max = 99) =>
  planAttempts(lists, max).map(({ candidate: each, mode }) => `${each.endpoint.provider.id} ${mode}`)

describe('planAttempts', () => {
  it('walks models, then their endpoints as ranked, then the modes of one', () => {
    expect(shown([[candidate('b', ['byok', 'x402']), candidate('a')], [candidate('c', ['x402'])]])).toEqual([
      'b byok',
      'b x402',
      'a byok',
      'c x402',
    ])
  })

  it('tries nothing twice, also when two models lead to one endpoint', () => {
    expect(shown([[candidate('a')], [candidate('a'), candidate('b')]])).toEqual(['a byok', 'b byok'])
  })

  it('is never longer than allowed, and a shorter one begins like the longer', () => {
    const anyList = fc.array(
      fc
        .record({ id: fc.constantFrom('a', 'b', 'c', 'd'), modes: fc.subarray<PaymentModeName>(['byok', 'x402', 'mpp']) })
        .map(({ id, modes }) => candidate(id, modes)),
      { maxLength: 5 },
    )
    fc.assert(
      fc.property(fc.array(anyList, { maxLength: 4 }), fc.nat({ max: 9 }), (lists, max) => {
        const plan = shown(lists, max)
        expect(plan.length).toBeLessThanOrEqual(max)
        expect(new Set(plan).size).toBe(plan.length)
        expect(shown(lists).slice(0, max)).toEqual(plan)
      }),
    )
  })
})
