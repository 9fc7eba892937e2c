/** The catalog: joined sources, polled documents, and snapshots that never change once given out. */
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createCanonicalIndex } from '../../../src/registry/canonical.ts'
import { createCatalog } from '../../../src/registry/catalog.ts'
import { endpointKey } from '../../../src/registry/endpoint.ts'
import { definition, flatPricing, PAYEE, row } from './fixture.ts'
import { verifies } from '../../support/verifies.ts'

const canonical = createCanonicalIndex([
  {
    id: 'openai/gpt-4o',
    name: 'GPT-4o',
    inputModalities: ['text', 'image'],
    outputModalities: ['text'],
    maxInputTokens: 128_000,
    maxOutputTokens: 16_384,
    aliases: ['gpt-4o'],
  },
])

function catalogOf(...registry: ReturnType<typeof definition>[]) {
  return createCatalog({ canonical, registry, config: [] })
}

function keys(endpoints: readonly Parameters<typeof endpointKey>[0][] | undefined): readonly string[] {
  return (endpoints ?? []).map(endpointKey)
}

const make = (source: 'config' | 'registry') =>
  catalogOf(definition('b', ['x'], { source }))
    .snapshot()
    .models.get('x')?.endpoints[0]

describe('a snapshot', () => {
  it('gathers everybody who serves a model, whatever they call it', () => {
    verifies('models.aggregate')
    const { models, byUpstreamModel, byProvider } = catalogOf(
      definition('b', ['gpt-4o', 'other']),
      definition('a', ['openai/gpt-4o']),
      definition('c', [row('prod-7', { canonicalId: 'openai/gpt-4o' })]),
    ).snapshot()
    expect(keys(models.get('openai/gpt-4o')?.endpoints)).toEqual(['a:openai/gpt-4o', 'b:gpt-4o', 'c:prod-7'])
    expect(keys(models.get('other')?.endpoints)).toEqual(['b:other'])
    expect(keys(byUpstreamModel.get('gpt-4o'))).toEqual(['b:gpt-4o'])
    expect(keys(byProvider.get('c')?.get('openai/gpt-4o'))).toEqual(['c:prod-7'])
    expect(keys(byProvider.get('c')?.get('prod-7'))).toEqual(['c:prod-7'])
  })

  it('fills an endpoint from the canonical model where its provider is silent', () => {
    const silent = { upstreamModel: 'gpt-4o' }
    const served = catalogOf(definition('b', [silent]))
      .snapshot()
      .models.get('openai/gpt-4o')?.endpoints[0]
    expect(served).toMatchObject({
      name: 'GPT-4o',
      contextLength: 128_000,
      maxOutputTokens: 16_384,
      inputModalities: ['text', 'image'],
      isReady: true,
    })
    expect(served?.pricing).toBeUndefined()
    expect(served?.features).toBeUndefined()
  })

  it('assumes nothing but text of a stranger who does not say, and anything of the user’s own server', () => {
    expect(make('registry')?.inputModalities).toEqual(['text'])
    expect(make('config')?.inputModalities).toContain('image')
  })

  it('is the same whatever order the sources come in', () => {
    const all = [definition('a', ['x', 'y']), definition('b', ['y']), definition('c', ['x'])]
    fc.assert(
      fc.property(fc.shuffledSubarray(all, { minLength: 3 }), (shuffled) => {
        expect(catalogOf(...shuffled).snapshot()).toEqual(catalogOf(...all).snapshot())
      }),
    )
  })

  it('does not change under whoever holds it', () => {
    const catalog = catalogOf(definition('a', ['x']))
    const held = catalog.snapshot()
    catalog.setDocuments(new Map([['a', [row('y')]]]))
    expect([...held.models.keys()]).toEqual(['x'])
    expect([...catalog.snapshot().models.keys()]).toEqual(['x', 'y'])
    expect(catalog.snapshot().version).toBe(held.version + 1)
  })

  it('law: is of one round of documents and of no other, by whatever way it is read, however the rounds fall', () => {
    const providers = ['a', 'b', 'c']
    const rounds = fc.array(fc.subarray(providers, { minLength: 1 }), { minLength: 1, maxLength: 8 })
    fc.assert(
      fc.property(rounds, (polled) => {
        const catalog = catalogOf(...providers.map((id) => definition(id, ['x', 'y'])))
        const priceOf = (round: number) => flatPricing(`0.${round + 1}`)
        const latest = new Map(providers.map((id) => [id, flatPricing('0.000001')]))
        const held = polled.map((ids, round) => {
          const rows = [row('x', { pricing: priceOf(round) }), row('y', { pricing: priceOf(round) })]
          catalog.setDocuments(new Map(ids.map((id) => [id, rows])))
          for (const id of ids) latest.set(id, priceOf(round))
          return { snapshot: catalog.snapshot(), expected: new Map(latest) }
        })
        for (const { snapshot, expected } of held) {
          for (const model of ['x', 'y']) {
            const endpoints = snapshot.models.get(model)?.endpoints ?? []
            expect(endpoints.map(({ provider, pricing }) => [provider.id, pricing])).toEqual([...expected])
            expect(snapshot.byUpstreamModel.get(model)).toEqual(endpoints)
            expect(providers.flatMap((id) => snapshot.byProvider.get(id)?.get(model) ?? [])).toEqual(endpoints)
          }
        }
      }),
      { numRuns: 50 },
    )
  })
})

const url = (path: string) => ({ modelsUrl: `https://a.dev/${path}` })

describe('polled documents', () => {
  it('count where they speak and leave the rest of the file', () => {
    const listed = row('prod-7', { canonicalId: 'openai/gpt-4o', features: ['tools'], pricing: flatPricing('0.1') })
    const catalog = catalogOf(definition('a', [listed]))
    catalog.setDocuments(new Map([['a', [{ upstreamModel: 'prod-7', pricing: flatPricing('0.2'), isReady: false, features: undefined }]]]))
    expect(catalog.snapshot().models.get('openai/gpt-4o')?.endpoints).toMatchObject([
      { upstreamModel: 'prod-7', features: ['tools'], isReady: false, pricing: flatPricing('0.2') },
    ])
  })

  it('are kept over a reload unless the provider went or moved', () => {
    const catalog = catalogOf(definition('a', [], url('1')), definition('b', [], url('1')), definition('c', [], url('1')))
    catalog.setDocuments(new Map(['a', 'b', 'c'].map((id) => [id, [row(`${id}-model`)]])))
    catalog.reload({ canonical, registry: [definition('a', [], url('1')), definition('b', [], url('2'))], config: [] })
    expect([...catalog.snapshot().models.keys()]).toEqual(['a-model'])
  })
})

describe('config and registry', () => {
  const listed = definition('a', ['x'], {
    payment: { modes: ['x402'], x402: { payTo: PAYEE, networks: [], assets: [], schemes: [], maxPriceSlackPermille: 1000n } },
  })

  it('let the user’s own provider take the place of a listed one, borrowing at most its models', () => {
    const own = definition('a', [], { source: 'config', baseUrl: 'http://127.0.0.1:1' })
    const snapshot = createCatalog({ canonical, registry: [listed], config: [own] }).snapshot()
    expect(snapshot.providers.get('a')).toBe(own.provider)
    expect(snapshot.models.get('x')?.endpoints[0]?.provider.payment).toEqual({ modes: ['byok'] })
  })

  it('do not mix models when the user lists his own', () => {
    const snapshot = createCatalog({ canonical, registry: [listed], config: [definition('a', ['y'], { source: 'config' })] }).snapshot()
    expect([...snapshot.models.keys()]).toEqual(['y'])
  })
})
