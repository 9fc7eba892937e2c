/** Declared rate limits: what fits, when the next fits, and that no minute ever holds more than it may. */
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { RateLimit } from '../../../src/registry/endpoint.ts'
import { createRateLimits } from '../../../src/routing/rate-limit.ts'
import { endpoint } from '../registry/fixture.ts'
import { verifies } from '../../support/verifies.ts'

function setup(...rateLimits: readonly RateLimit[]) {
  const time = { now: 0 }
  const limits = createRateLimits({ now: () => time.now })
  const at = (model = 'maker/m', provider = 'a') => endpoint(provider, model, {}, { rateLimits })
  return { time, limits, at }
}

describe('rate limits', () => {
  it('let everything through where none is declared', () => {
    const { limits, at } = setup()
    limits.take(at(), 1e9)
    expect(limits.limitedUntil(at(), 1e9)).toBeUndefined()
  })

  it('count requests, and say when the next one fits', () => {
    verifies('listing.rate.rpm')
    const { time, limits, at } = setup({ glob: '*', requestsPerMinute: 2 })
    limits.take(at(), 1)
    limits.take(at(), 1)
    expect(limits.limitedUntil(at(), 1)).toBe(30_000)
    time.now = 30_000
    expect(limits.limitedUntil(at(), 1)).toBeUndefined()
  })

  it('count tokens, and let a request larger than a minute go when the bucket is full', () => {
    verifies('listing.rate.tpm')
    const { time, limits, at } = setup({ glob: 'maker/*', tokensPerMinute: 1000 })
    limits.take(at(), 700)
    expect(limits.limitedUntil(at(), 300)).toBeUndefined()
    expect(limits.limitedUntil(at(), 400)).toBe(6_000)
    expect(limits.limitedUntil(at(), 5_000)).toBe(42_000)
    time.now = 42_000
    expect(limits.limitedUntil(at(), 5_000)).toBeUndefined()
  })

  it('keep models and providers apart, and count every rule that covers a model', () => {
    const { limits, at } = setup({ glob: 'maker/m', requestsPerMinute: 1 }, { glob: '*', requestsPerMinute: 3 })
    limits.take(at(), 1)
    expect(limits.limitedUntil(at(), 1)).toBe(60_000)
    expect(limits.limitedUntil(at('maker/other'), 1)).toBeUndefined()
    expect(limits.limitedUntil(at('maker/m', 'b'), 1)).toBeUndefined()
    limits.take(at('maker/other'), 1)
    limits.take(at('maker/other'), 1)
    expect(limits.limitedUntil(at('maker/other'), 1)).toBe(20_000)
  })

  it('never let through more than two minutes’ worth in any minute, and always something again', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), fc.array(fc.nat({ max: 20_000 }), { maxLength: 80 }), (perMinute, waits) => {
        const { time, limits, at } = setup({ glob: '*', requestsPerMinute: perMinute })
        const sent: number[] = []
        for (const wait of waits) {
          time.now += wait
          if (limits.limitedUntil(at(), 1) !== undefined) continue
          limits.take(at(), 1)
          sent.push(time.now)
        }
        for (const from of sent)
          expect(sent.filter((when) => when >= from && when < from + 60_000).length).toBeLessThanOrEqual(2 * perMinute)
        time.now += 60_001
        expect(limits.limitedUntil(at(), 1)).toBeUndefined()
      }),
    )
  })
})
