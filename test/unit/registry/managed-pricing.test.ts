/** Managed supply of open models: a share of the official price, exact, and never a guess. */
import { describe, expect, it } from 'vitest'
import { formatUsd, parseUsd } from '../../../src/money.ts'
import { createCanonicalIndex, type CanonicalModel } from '../../../src/registry/canonical.ts'
import { createCatalog } from '../../../src/registry/catalog.ts'
import { shareOf } from '../../../src/registry/managed-pricing.ts'
import { resolveModel } from '../../../src/routing/resolve.ts'
import { verifies } from '../../support/verifies.ts'
import { definition, flatPricing, row } from './fixture.ts'

const model = (id: string, more: Partial<CanonicalModel> = {}): CanonicalModel => ({
  id,
  name: id,
  inputModalities: ['text'],
  outputModalities: ['text'],
  openWeights: true,
  officialPricing: flatPricing('0.000001', '0.000004'),
  aliases: [],
  ...more,
})

const canonical = createCanonicalIndex([
  model('meta/open'),
  model('meta/half'),
  model('maker/closed', { openWeights: false }),
  model('maker/unpriced', { officialPricing: undefined }),
])

function snapshotOf() {
  const models = ['meta/open', 'meta/half', 'maker/closed', 'maker/unpriced'].map((id) => row(id, { pricing: undefined }))
  const registry = [
    definition('routeplane', [...models, row('meta/stated', { canonicalId: 'meta/open' })], { kind: 'managed' }),
    definition('other', [row('meta/open', { pricing: undefined })]),
  ]
  const managed = { standard: 750n, models: new Map([['meta/half', 500n]]) }
  return createCatalog({ canonical, registry, config: [], managed }).snapshot()
}

const sources = (accountShare?: bigint) => ({
  snapshot: snapshotOf(),
  virtualModels: new Map(),
  openProviders: new Set<string>(),
  accountShare,
})
const promptOf = (text: string, share?: bigint) => {
  const prompt = resolveModel(text, sources(share)).endpoints[0]?.pricing?.tiers[0].prompt
  return prompt === undefined ? undefined : formatUsd(prompt)
}

describe('managed supply', () => {
  it('costs 25 percent less than the official price of an open model, without being asked', () => {
    verifies('models.open.discount')
    expect(promptOf('routeplane:meta/open')).toBe('0.00000075')
    expect(promptOf('routeplane:meta/half')).toBe('0.0000005')
  })

  it('has no price where it is closed, where nobody says the official one, or where it states its own', () => {
    expect(promptOf('routeplane:maker/closed')).toBeUndefined()
    expect(promptOf('routeplane:maker/unpriced')).toBeUndefined()
    expect(promptOf('routeplane:meta/stated')).toBe('0.000001')
    expect(promptOf('other:meta/open')).toBeUndefined()
  })

  it('applies the discount of an account where :discount stands, and only there', () => {
    verifies('models.discount.account')
    expect(promptOf('meta/half:discount', 400n)).toBe('0.0000004')
    expect(promptOf('routeplane:meta/half', 400n)).toBe('0.0000005')
    expect(promptOf('meta/half:discount')).toBe('0.0000005')
  })

  it('rounds up what cannot be said exactly', () => {
    const odd = { tiers: [{ ...flatPricing('0').tiers[0], prompt: parseUsd('0.000000000000000001') }] } as const
    expect(shareOf(odd, 750n).tiers[0].prompt).toBe(1n)
  })
})
