/** Laws of ranking: total, deterministic, monotone in cost, and never about who may serve. */
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Usd } from '../../../src/money.ts'
import { endpointKey } from '../../../src/registry/endpoint.ts'
import type { Candidate, HealthView } from '../../../src/selection/axis.ts'
import { axes, balancedWeights } from '../../../src/selection/index.ts'
import { rank, type RankOptions } from '../../../src/selection/rank.ts'
import { endpoint } from '../registry/fixture.ts'
import { verifies } from '../../support/verifies.ts'

function candidate(
  id: string,
  more: Partial<Omit<Candidate, 'health'>> & { readonly health?: Partial<HealthView>; readonly weight?: number } = {},
): Candidate {
  const { health, weight, ...rest } = more
  return {
    endpoint: endpoint(id, 'm', {}, weight === undefined ? {} : { weight }),
    expectedUsd: 100n as Usd,
    boundUsd: undefined,
    byok: false,
    ...rest,
    health: { uptime: undefined, countedRequests: 0, ttftMs: undefined, throughput: undefined, ...health },
  }
}

function orderOf(candidates: readonly Candidate[], options: Partial<RankOptions> = {}): readonly string[] {
  return rank(candidates, { by: 'balanced', byokFirst: true, ...options }).map(({ candidate: each }) => each.endpoint.provider.id)
}

const measure = (max: number) => fc.option(fc.nat({ max }), { nil: undefined })
const anyCandidates = fc.uniqueArray(fc.integer({ min: 0, max: 30 }), { minLength: 1, maxLength: 7 }).chain((ids) =>
  fc.tuple(
    ...ids.map((id) =>
      fc
        .record({
          expectedUsd: fc.option(fc.bigInt(0n, 50n), { nil: undefined }),
          uptime: fc.option(
            fc.integer({ min: 0, max: 10 }).map((tenths) => tenths / 10),
            { nil: undefined },
          ),
          countedRequests: fc.nat({ max: 40 }),
          ttftMs: measure(5),
          throughput: measure(5),
          errorRate: measure(2),
          byok: fc.boolean(),
        })
        .map(({ expectedUsd, byok, ...health }) => candidate(`p${id}`, { expectedUsd: expectedUsd as Usd | undefined, byok, health })),
    ),
  ),
)
const anyOptions: fc.Arbitrary<RankOptions> = fc.record({
  by: fc.constantFrom('balanced' as const, 'cost' as const, 'latency' as const, 'throughput' as const),
  byokFirst: fc.boolean(),
})

describe('rank', () => {
  it('keeps everybody, whatever the order: a variant is never about who may serve', () => {
    verifies('models.variant.eligibility')
    fc.assert(
      fc.property(anyCandidates, anyOptions, (candidates, options) => {
        const ranked = rank(candidates, options)
        expect(ranked.map((each) => endpointKey(each.candidate.endpoint)).toSorted()).toEqual(
          candidates.map((each) => endpointKey(each.endpoint)).toSorted(),
        )
        expect(ranked.map((each) => each.rank)).toEqual(candidates.map((_, index) => index + 1))
      }),
    )
  })

  it('is the same for the same candidates in any order', () => {
    fc.assert(
      fc.property(
        anyCandidates.chain((all) => fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length }))),
        anyOptions,
        ([all, shuffled], options) => {
          expect(orderOf(shuffled, options)).toEqual(orderOf(all, options))
        },
      ),
    )
  })

  it('never ranks an endpoint worse for becoming cheaper', () => {
    fc.assert(
      fc.property(
        anyCandidates,
        fc.nat(),
        fc.bigInt(0n, 50n),
        fc.constantFrom('cost' as const, 'balanced' as const),
        (all, pick, price, by) => {
          const index = pick % all.length
          const chosen = all[index] as Candidate
          fc.pre(chosen.expectedUsd !== undefined && price <= chosen.expectedUsd)
          const cheaper = all.with(index, { ...chosen, expectedUsd: price as Usd })
          const place = (candidates: readonly Candidate[]) => orderOf(candidates, { by }).indexOf(chosen.endpoint.provider.id)
          expect(place(cheaper)).toBeLessThanOrEqual(place(all))
        },
      ),
      { numRuns: 3000 },
    )
  })

  it('scores somebody who is alone like two of his kind', () => {
    fc.assert(
      fc.property(anyCandidates, anyOptions, ([some], options) => {
        const one = some as Candidate
        const [first, second] = rank([one, one], options)
        expect(rank([one], options)).toEqual([first])
        expect(second).toEqual({ ...first, rank: 2 })
      }),
    )
  })

  it('scores between nothing and one, with one for whoever is best in everything', () => {
    fc.assert(
      fc.property(anyCandidates, (candidates) => {
        for (const { score } of rank(candidates, { by: 'balanced', byokFirst: false })) {
          expect(score).toBeGreaterThanOrEqual(0)
          expect(score).toBeLessThanOrEqual(1 + 1e-12)
        }
      }),
    )
    const best = candidate('best', { expectedUsd: 1n as Usd, health: { uptime: 1, ttftMs: 1, throughput: 9 } })
    const other = candidate('other', { expectedUsd: 2n as Usd, health: { uptime: 0.9, ttftMs: 2, throughput: 3 } })
    expect(rank([other, best], { by: 'balanced', byokFirst: false })[0]).toMatchObject({ candidate: best, rank: 1, score: 1 })
  })

  it('weighs the axes as published', () => {
    verifies('models.selection.balanced')
    const terms = rank(
      [
        candidate('a', { expectedUsd: 100n as Usd, health: { uptime: 1, ttftMs: 100, throughput: 50 } }),
        candidate('b', { expectedUsd: 200n as Usd, health: { uptime: 0.9, ttftMs: 400, throughput: 100 } }),
      ],
      { by: 'balanced', byokFirst: false },
    )
    expect(terms.map(({ score }) => score?.toFixed(6))).toEqual(['0.925000', '0.645000'])
    expect(terms[1]?.terms).toEqual({ cost: 0.5, latency: 0.25, throughput: 1, uptime: 0.9 })
    expect(Object.values(balancedWeights).reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1)
  })

  it('takes the median for what has not been measured: a newcomer is neither first nor last', () => {
    const all = [
      candidate('fast', { health: { ttftMs: 100 } }),
      candidate('middle', { health: { ttftMs: 200 } }),
      candidate('slow', { health: { ttftMs: 900 } }),
      candidate('new'),
    ]
    expect(orderOf(all)).toEqual(['fast', 'middle', 'new', 'slow'])
  })

  it.each([
    ['cost', { expectedUsd: 1n as Usd }, { expectedUsd: 2n as Usd }],
    ['latency', { health: { ttftMs: 1 } }, { health: { ttftMs: 2 } }],
    ['throughput', { health: { throughput: 2 } }, { health: { throughput: 1 } }],
    ['cost', { health: { uptime: 0.99 } }, { health: { uptime: 0.98 } }],
    ['cost', { health: { errorRate: 0.1 } }, { health: { errorRate: 0.2 } }],
    ['latency', { health: { ttftMs: 1, throughput: 2 } }, { health: { ttftMs: 1, throughput: 1 } }],
    ['latency', { health: { ttftMs: 1, uptime: 1 } }, { health: { ttftMs: 1, uptime: 0.9 } }],
    ['throughput', { health: { throughput: 1, ttftMs: 1 } }, { health: { throughput: 1, ttftMs: 2 } }],
    ['throughput', { health: { throughput: 1, uptime: 1 } }, { health: { throughput: 1, uptime: 0.9 } }],
    ['cost', {}, { expectedUsd: undefined }],
    ['latency', { health: { ttftMs: 9000 } }, {}],
  ] as const)('by %s puts %o before %o', (by, first, second) => {
    expect(orderOf([candidate('a', second), candidate('z', first)], { by })).toEqual(['z', 'a'])
  })

  it('ends every tie by the endpoint’s key', () => {
    expect(orderOf([candidate('b'), candidate('a'), candidate('c')])).toEqual(['a', 'b', 'c'])
  })

  it.each(['balanced', 'cost', 'latency', 'throughput'] as const)('puts an unhealthy endpoint behind every healthy one by %s', (by) => {
    verifies('register.score.deprioritized')
    const bad = candidate('a', {
      expectedUsd: 1n as Usd,
      byok: true,
      health: { uptime: 0.79, countedRequests: 20, ttftMs: 1, throughput: 99 },
    })
    const good = candidate('b', { health: { uptime: 0.8, countedRequests: 20, ttftMs: 50, throughput: 1 } })
    expect(orderOf([bad, good], { by })).toEqual(['b', 'a'])
    const young = { ...bad, health: { ...bad.health, countedRequests: 19.9 } }
    expect(orderOf([young, good], { by })).toEqual(['a', 'b'])
  })

  it('puts a provider the caller has a key for first, unless payment is preferred', () => {
    const own = candidate('z', { byok: true, expectedUsd: 900n as Usd })
    expect(orderOf([candidate('a'), own], { by: 'cost' })).toEqual(['z', 'a'])
    expect(orderOf([candidate('a'), own], { by: 'cost', byokFirst: false })).toEqual(['a', 'z'])
  })

  it('puts a free endpoint first by cost and still tells the paid ones apart', () => {
    const all = [
      candidate('dear', { expectedUsd: 9n as Usd }),
      candidate('cheap', { expectedUsd: 3n as Usd }),
      candidate('free', { expectedUsd: 0n as Usd }),
    ]
    expect(orderOf(all)).toEqual(['free', 'cheap', 'dear'])
  })

  it('scales the balanced score by the provider’s weight', () => {
    expect(orderOf([candidate('a', { weight: 0.5 }), candidate('b')])).toEqual(['b', 'a'])
  })

  it('has ties for every axis that lead nowhere unknown', () => {
    const known = [...axes.map((axis) => axis.id), 'errorRate']
    for (const axis of axes) for (const tie of axis.ties) expect(known).toContain(tie)
  })
})
