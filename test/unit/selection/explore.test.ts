/** Exploration can be repeated from a request's id, costs hardly more, and touches nobody who asked for something else. */
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Usd } from '../../../src/money.ts'
import type { HealthView } from '../../../src/selection/axis.ts'
import { drawOf, explore } from '../../../src/selection/explore.ts'
import { rank } from '../../../src/selection/rank.ts'
import { endpoint } from '../registry/fixture.ts'

type Given = { readonly id: string; readonly usd?: bigint | undefined; readonly byok?: boolean } & Partial<HealthView>

function ranked(given: readonly Given[]) {
  const candidates = given.map(({ id, usd, byok = false, ...health }) => ({
    endpoint: endpoint(id, 'm'),
    expectedUsd: usd as Usd | undefined,
    boundUsd: undefined,
    byok,
    health: { uptime: undefined, countedRequests: 0, ttftMs: undefined, throughput: undefined, ...health },
  }))
  return rank(candidates, { by: 'balanced', byokFirst: true })
}

const firstOf = (list: ReturnType<typeof ranked>) => list[0]?.candidate.endpoint.provider.id
const known = { uptime: 1, countedRequests: 50 }

describe('explore', () => {
  it('draws a share that follows from the id alone', () => {
    const ids = Array.from({ length: 20_000 }, (_, at) => `req_${at.toString(36).padStart(12, '0')}`)
    const drawn = ids.filter((id) => drawOf(id) < 0.02)
    expect(drawn.length).toBeGreaterThan(300)
    expect(drawn.length).toBeLessThan(500)
    expect(ids.filter((id) => drawOf(id) < 0.02)).toEqual(drawn)
  })

  it.each<[string, readonly Given[], string]>([
    [
      'the least measured of those that cost as much',
      [
        { id: 'a', usd: 100n, ...known },
        { id: 'b', usd: 110n, countedRequests: 3 },
        { id: 'c', usd: 110n },
      ],
      'c',
    ],
    [
      'nobody dearer by more than a tenth',
      [
        { id: 'a', usd: 100n, ...known },
        { id: 'b', usd: 111n },
      ],
      'a',
    ],
    ['nobody whose price is unknown', [{ id: 'a', usd: 100n, ...known }, { id: 'b' }], 'a'],
    [
      'nobody while the winner itself is hardly known',
      [
        { id: 'a', usd: 100n, uptime: 1, countedRequests: 19 },
        { id: 'b', usd: 100n },
      ],
      'a',
    ],
    [
      'nobody who is paid another way',
      [
        { id: 'a', usd: 100n, byok: true, ...known },
        { id: 'b', usd: 100n },
      ],
      'a',
    ],
    [
      'nobody who fails',
      [
        { id: 'a', usd: 100n, ...known },
        { id: 'b', usd: 100n, uptime: 0.5, countedRequests: 25 },
      ],
      'a',
    ],
    [
      'nobody better known than the winner',
      [
        { id: 'a', usd: 90n, ...known },
        { id: 'b', usd: 99n, uptime: 1, countedRequests: 60 },
      ],
      'a',
    ],
  ])('tries %s', (_, given, first) => {
    expect(firstOf(explore(ranked(given), 1, 'req_1'))).toBe(first)
    expect(firstOf(explore(ranked(given), 0, 'req_1'))).toBe(firstOf(ranked(given)))
  })

  it('law: keeps everybody, and costs at most a tenth more', () => {
    const anyGiven = fc.uniqueArray(
      fc.record({
        id: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
        usd: fc.bigInt(1n, 300n),
        countedRequests: fc.nat(60),
        byok: fc.boolean(),
      }),
      { selector: ({ id }) => id, minLength: 1 },
    )
    fc.assert(
      fc.property(anyGiven, fc.string(), fc.double({ min: 0, max: 1, noNaN: true }), (given, id, share) => {
        const before = ranked(given)
        const after = explore(before, share, id)
        expect(new Set(after)).toEqual(new Set(before))
        const [was, is] = [before[0]?.candidate.expectedUsd ?? 0n, after[0]?.candidate.expectedUsd ?? 0n]
        expect(is * 10n <= was * 11n).toBe(true)
        expect(after[0]?.candidate.byok).toBe(before[0]?.candidate.byok)
        expect(explore(before, share, id)).toEqual(after)
      }),
    )
  })
})
