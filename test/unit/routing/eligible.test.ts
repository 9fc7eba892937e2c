/** Who may and can serve: every reason why not, caps, and the last endpoint that is tried all the same. */
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseUsd, ZERO_USD, type Usd } from '../../../src/money.ts'
import { endpointKey, type Endpoint, type PaymentModeName } from '../../../src/registry/endpoint.ts'
import { sift, type Sieve } from '../../../src/routing/eligible.ts'
import { parseModelRef } from '../../../src/routing/model-ref.ts'
import type { RefusalReason } from '../../../src/routing/plan.ts'
import type { Target } from '../../../src/routing/resolve.ts'
import { endpoint, flatPricing, needs } from '../registry/fixture.ts'
import { verifies } from '../../support/verifies.ts'

function target(endpoints: readonly Endpoint[], more: Partial<Target> = {}): Target {
  return { ref: parseModelRef('m', () => false), model: 'm', endpoints, pinned: false, ordered: false, variant: undefined, ...more }
}

function sieve(more: Partial<Sieve> = {}): Sieve {
  return {
    needs: needs(),
    rules: {},
    capUsd: parseUsd('0.5'),
    capIsOwn: false,
    prefer: ['byok', 'x402'],
    hideDeprecated: true,
    today: () => '2026-11-20',
    offer: () => ({ available: true, overheadUsd: ZERO_USD }),
    health: () => ({ uptime: undefined, countedRequests: 0, ttftMs: undefined, throughput: undefined }),
    coolingUntil: () => undefined,
    ...more,
  }
}

/** The reason an endpoint is refused, or the modes that can pay it. */
function verdict(
  made: Endpoint,
  more: Partial<Sieve> = {},
  ofTarget: Partial<Target> = {},
): RefusalReason | readonly PaymentModeName[] | undefined {
  const { eligible, refused } = sift(target([made], ofTarget), sieve(more))
  expect(eligible.length + refused.length).toBe(1)
  return refused[0]?.reason ?? eligible[0]?.modes
}

describe('an endpoint is out', () => {
  it.each<[string, Endpoint, Partial<Sieve>, RefusalReason]>([
    ['when its provider is suspended', endpoint('a', 'm', {}, { status: 'suspended' }), {}, 'not_active'],
    ['when its provider is staging', endpoint('a', 'm', {}, { status: 'staging' }), {}, 'not_active'],
    ['when it is not ready', endpoint('a', 'm', { isReady: false }), {}, 'not_ready'],
    ['after the day it retires', endpoint('a', 'm', { deprecationDate: '2026-11-19' }), {}, 'deprecated'],
    ['when others are asked for', endpoint('a', 'm'), { rules: { only: ['b'] } }, 'excluded'],
    ['when nobody is asked for', endpoint('a', 'm'), { rules: { only: [] } }, 'excluded'],
    ['when it is ignored', endpoint('a', 'm'), { rules: { ignore: ['a'] } }, 'excluded'],
    [
      'when it is not in the order and there are no fallbacks',
      endpoint('a', 'm'),
      { rules: { order: ['b'], allowFallbacks: false } },
      'excluded',
    ],
    ['when its numbers are too small', endpoint('a', 'm', { quantization: 'int4' }), { rules: { quantizations: ['fp8'] } }, 'quantization'],
    ['when its numbers are unknown', endpoint('a', 'm'), { rules: { quantizations: ['fp8'] } }, 'quantization'],
    ['without the feature', endpoint('a', 'm', { features: ['json_mode'] }), { needs: needs({ features: ['tools'] }) }, 'feature'],
    ['without the input', endpoint('a', 'm'), { needs: needs({ inputModalities: ['text', 'image'] }) }, 'modality'],
    ['without the output', endpoint('a', 'm'), { needs: needs({ outputModalities: ['audio'] }) }, 'modality'],
    [
      'without a demanded parameter',
      endpoint('a', 'm', { samplingParameters: ['seed'] }),
      { needs: needs({ samplingParameters: ['top_k'] }), rules: { requireParameters: true } },
      'parameter',
    ],
    [
      'when it keeps silent on a demanded parameter',
      endpoint('a', 'm'),
      { needs: needs({ samplingParameters: ['top_k'] }), rules: { requireParameters: true } },
      'parameter',
    ],
    [
      'when the request cannot be said in its wire',
      endpoint('a', 'm'),
      { untranslatable: () => 'stored responses stay with their provider' },
      'translation',
    ],
    ['when the input is too long', endpoint('a', 'm', { contextLength: 249 }), {}, 'context'],
    ['while it is out of its rate limit', endpoint('a', 'm'), { limitedUntil: () => 1 }, 'rate_limited'],
    ['when no mode can pay', endpoint('a', 'm'), { offer: () => ({ available: false, reason: 'no key' }) }, 'payment'],
    ['when no mode is wanted', endpoint('a', 'm'), { prefer: [] }, 'payment'],
    [
      'when it is dearer per token than allowed',
      endpoint('a', 'm'),
      { rules: { maxPrice: { prompt: parseUsd('0.0000009') } } },
      'max_price',
    ],
    [
      'when its price is not known and one is demanded',
      endpoint('a', 'm', { pricing: undefined }),
      { rules: { maxPrice: { prompt: parseUsd('1') } } },
      'max_price',
    ],
    [
      'when its image price is not known and images are sent',
      endpoint('a', 'm', { inputModalities: ['text', 'image'] }),
      { needs: needs({ images: 1 }), rules: { maxPrice: { image: parseUsd('1') } } },
      'max_price',
    ],
  ])('%s', (_, made, more, reason) => {
    expect(verdict(made, more)).toBe(reason)
  })

  it('when a tier it could reach is dearer than allowed', () => {
    const [base] = flatPricing('0.000001').tiers
    const [above] = flatPricing('0.000005').tiers
    const made = endpoint('a', 'm', { pricing: { tiers: [base, { ...above, fromInputTokens: 1000 }] } })
    const rules = { maxPrice: { prompt: parseUsd('0.000002') } }
    expect(verdict(made, { rules })).toBe('max_price')
    expect(verdict(made, { rules, needs: needs({ maxInputTokens: 999 }) })).toEqual(['byok', 'x402'])
  })
})

describe('an endpoint stays in', () => {
  it.each<[string, Endpoint, Partial<Sieve>, Partial<Target>]>([
    ['on the day it retires', endpoint('a', 'm', { deprecationDate: '2026-11-20' }), {}, {}],
    ['retired, when it is pinned', endpoint('a', 'm', { deprecationDate: '2020-01-01' }), {}, { pinned: true }],
    ['retired, when nothing is hidden', endpoint('a', 'm', { deprecationDate: '2020-01-01' }), { hideDeprecated: false }, {}],
    ['when it does not say which features it has', endpoint('a', 'm'), { needs: needs({ features: ['tools'] }) }, {}],
    [
      'without a parameter nobody demands',
      endpoint('a', 'm', { samplingParameters: [] }),
      { needs: needs({ samplingParameters: ['top_k'] }) },
      {},
    ],
    ['at exactly its limits', endpoint('a', 'm', { contextLength: 250, maxOutputTokens: 100 }), {}, {}],
    [
      'when only the bound of the input is too long',
      endpoint('a', 'm', { contextLength: 300 }),
      { needs: needs({ maxInputTokens: 999 }) },
      {},
    ],
    ['without a fee in its list', endpoint('a', 'm'), { rules: { maxPrice: { request: ZERO_USD, prompt: parseUsd('0.000001') } } }, {}],
    ['without an image price when no image is sent', endpoint('a', 'm'), { rules: { maxPrice: { image: ZERO_USD } } }, {}],
    ['in the order, without fallbacks', endpoint('a', 'm'), { rules: { order: ['a'], allowFallbacks: false } }, {}],
  ])('%s', (_, made, more, ofTarget) => {
    expect(verdict(made, more, ofTarget)).toEqual(['byok', 'x402'])
  })
})

describe('the cap', () => {
  // 1000 input and 100 output tokens at most: 0.0011 dollars.
  const exact = parseUsd('0.0011')
  const x402: Partial<Sieve> = { prefer: ['x402'] }

  it('is compared with the most the request can cost, the payment’s own fee included', () => {
    expect(verdict(endpoint('a', 'm'), { ...x402, capUsd: exact })).toEqual(['x402'])
    expect(verdict(endpoint('a', 'm'), { ...x402, capUsd: (exact - 1n) as Usd })).toBe('price_above_cap')
    expect(verdict(endpoint('a', 'm'), { ...x402, capUsd: exact, offer: offering(1n as Usd) })).toBe('price_above_cap')
  })

  it('cannot hold what has no known price', () => {
    verifies('card.cap.unknown_price')
    expect(verdict(endpoint('a', 'm', { pricing: undefined }), x402)).toBe('price_unknown')
    expect(verdict(endpoint('a', 'm', { contextLength: undefined, maxOutputTokens: undefined }), { ...x402, needs: unlimited() })).toBe(
      'price_unknown',
    )
  })

  it('takes the endpoint’s own limit, then its context, where the caller sets none', () => {
    expect(verdict(endpoint('a', 'm'), unlimitedUnder('0.002'))).toEqual(['x402'])
    expect(verdict(endpoint('a', 'm'), unlimitedUnder('0.00199'))).toBe('price_above_cap')
    expect(verdict(endpoint('a', 'm', { maxOutputTokens: undefined }), unlimitedUnder('0.101'))).toEqual(['x402'])
    expect(verdict(endpoint('a', 'm', { maxOutputTokens: undefined }), unlimitedUnder('0.1009'))).toBe('price_above_cap')
  })

  it('binds the caller’s own key only when the caller set it', () => {
    const unknown = endpoint('a', 'm', { pricing: undefined })
    expect(verdict(unknown, { prefer: ['byok'] })).toEqual(['byok'])
    expect(verdict(unknown, { prefer: ['byok'], capIsOwn: true })).toBe('price_unknown')
    expect(verdict(endpoint('a', 'm'), { prefer: ['byok'], capIsOwn: true, capUsd: 1n as Usd })).toBe('price_above_cap')
  })

  it('leaves out a mode alone, and keeps another that fits', () => {
    expect(verdict(endpoint('a', 'm'), { offer: dearX402(parseUsd('1')), prefer: ['x402', 'byok'], capIsOwn: true })).toEqual(['byok'])
  })

  it('never lets in by money what its bound exceeds', () => {
    const amount = fc.bigInt(0n, 10n ** 13n).map((value) => value as Usd)
    const anyDeal = fc.record({
      prompt: amount,
      completion: amount,
      capUsd: amount,
      overheadUsd: amount,
      maxInputTokens: fc.nat({ max: 3000 }),
    })
    fc.assert(
      fc.property(anyDeal, ({ prompt, completion, capUsd, overheadUsd, maxInputTokens }) => {
        const [base] = flatPricing('0').tiers
        const made = endpoint('a', 'm', { pricing: { tiers: [{ ...base, prompt, completion }] } })
        const most = prompt * BigInt(maxInputTokens) + completion * 100n + overheadUsd
        const result = verdict(made, { ...x402, capUsd, offer: offering(overheadUsd), needs: needs({ maxInputTokens }) })
        expect(result).toEqual(most <= capUsd ? ['x402'] : 'price_above_cap')
      }),
    )
  })
})

describe('modes', () => {
  it('are tried in the order of payment.prefer, and unlisted ones never', () => {
    verifies('register.pay.combined')
    expect(verdict(endpoint('a', 'm'), { prefer: ['x402', 'byok'] })).toEqual(['x402', 'byok'])
    expect(verdict(endpoint('a', 'm'), { prefer: ['byok'] })).toEqual(['byok'])
  })

  it('make a candidate the caller’s own when his key comes first', () => {
    expect([candidateFor(['byok', 'x402'])?.byok, candidateFor(['x402', 'byok'])?.byok]).toEqual([true, false])
  })

  it('add the first one’s fee to the expected cost', () => {
    const offer = dearX402(7n as Usd)
    const [byX402, byKey] = [candidateFor(['x402', 'byok'], offer)?.expectedUsd, candidateFor(['byok', 'x402'], offer)?.expectedUsd]
    expect((byX402 ?? 0n) - (byKey ?? 0n)).toBe(7n)
  })
})

describe('cooling down', () => {
  const all = [endpoint('a', 'm'), endpoint('b', 'm'), endpoint('c', 'm')]
  const ids = (more: Partial<Sieve>) => sift(target(all), sieve(more)).eligible.map((each) => each.endpoint.provider.id)

  it('puts an endpoint out while another is there', () => {
    expect(ids({ coolingUntil: untilOf({ a: 5000 }) })).toEqual(['b', 'c'])
    expect(sift(target(all), sieve({ coolingUntil: untilOf({ a: 5000 }) })).refused).toMatchObject([
      { endpoint: 'a:m', reason: 'cooling_down', retryAt: 5000 },
    ])
  })

  it('never puts out the last one: who is back soonest is tried', () => {
    expect(ids({ coolingUntil: untilOf({ a: 3, b: 2, c: 9 }) })).toEqual(['b'])
  })

  it('does not try who said when to come back', () => {
    const limited = { coolingUntil: untilOf({ a: 3, b: 2, c: 9 }), limitedUntil: untilOf({ b: 2, c: 9 }) }
    expect(ids(limited)).toEqual(['a'])
    expect(ids({ limitedUntil: untilOf({ a: 1, b: 2, c: Infinity }) })).toEqual([])
    expect(sift(target(all), sieve({ limitedUntil: untilOf({ a: 1, b: 2, c: Infinity }) })).refused.map(({ retryAt }) => retryAt)).toEqual([
      1,
      2,
      Infinity,
    ])
  })
})

it('keeps or refuses every endpoint, whatever the variant', () => {
  verifies('models.variant.eligibility')
  const anyEndpoint = fc.record({
    isReady: fc.boolean(),
    pricing: fc.constantFrom(undefined, flatPricing('0.000001'), flatPricing('1')),
    deprecationDate: fc.constantFrom(undefined, '2020-01-01', '2027-01-01'),
    features: fc.constantFrom(undefined, ['tools' as const], []),
  })
  const variant = fc.constantFrom(undefined, 'balanced' as const, 'cost' as const, 'latency' as const, 'throughput' as const)
  fc.assert(
    fc.property(fc.array(anyEndpoint, { maxLength: 6 }), variant, (rows, wanted) => {
      const endpoints = rows.map((row, index) => endpoint(`p${index}`, 'm', row))
      const sifted = (of: Target['variant']) =>
        sift(target(endpoints, { variant: of }), sieve({ needs: needs({ features: ['tools'] }), prefer: ['x402'] }))
      const { eligible, refused } = sifted(wanted)
      expect([...eligible.map((each) => endpointKey(each.endpoint)), ...refused.map((each) => each.endpoint)].toSorted()).toEqual(
        endpoints.map(endpointKey).toSorted(),
      )
      expect(sifted(undefined)).toEqual({ eligible, refused })
    }),
  )
})

function unlimited() {
  const { maxOutputTokens: _, ...rest } = needs()
  return rest
}

function unlimitedUnder(capUsd: string): Partial<Sieve> {
  return { prefer: ['x402'], needs: unlimited(), capUsd: parseUsd(capUsd) }
}

function offering(overheadUsd: Usd): Sieve['offer'] {
  return () => ({ available: true, overheadUsd })
}

function dearX402(overheadUsd: Usd): Sieve['offer'] {
  return (mode) => ({ available: true, overheadUsd: mode === 'x402' ? overheadUsd : ZERO_USD })
}

function candidateFor(prefer: readonly PaymentModeName[], offer: Sieve['offer'] = offering(ZERO_USD)) {
  return sift(target([endpoint('a', 'm')]), sieve({ prefer, offer })).eligible[0]
}

function untilOf(times: Readonly<Record<string, number>>) {
  return (made: Endpoint) => times[made.provider.id]
}
