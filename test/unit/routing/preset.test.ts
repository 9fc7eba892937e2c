/** Presets: the request wins, and nothing a preset says can widen it. */
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Usd } from '../../../src/money.ts'
import type { Extensions, ProviderRules } from '../../../src/protocol/extensions.ts'
import { checkPreset, createPresetStore, mergePreset, type Preset } from '../../../src/routing/preset.ts'

const ids = fc.option(fc.subarray(['a', 'b', 'c', 'd']), { nil: undefined })
const cap = fc.option(
  fc.bigInt(1n, 100n).map((amount) => amount as Usd),
  { nil: undefined },
)

function stated<Fields extends object>(fields: Fields): Partial<{ [Name in keyof Fields]: Exclude<Fields[Name], undefined> }> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never
}

const anyRules: fc.Arbitrary<ProviderRules> = fc
  .record({
    only: ids,
    ignore: ids,
    order: ids,
    sort: fc.constantFrom(undefined, 'cost', 'latency'),
    allowFallbacks: fc.constantFrom(undefined, false),
  })
  .map(stated)
const anyExtensions: fc.Arbitrary<Extensions> = fc
  .record({
    provider: fc.option(anyRules, { nil: undefined }),
    maxCostUsd: cap,
    models: fc.constantFrom(undefined, ['own']),
    paymentPrefer: fc.constantFrom(undefined, ['byok']),
  })
  .map(stated)
const anyPreset: fc.Arbitrary<Preset> = fc
  .record({
    name: fc.constant('p'),
    maxCostUsd: cap,
    models: fc.constantFrom(undefined, ['one', 'two']),
    paymentPrefer: fc.constantFrom(undefined, ['x402']),
    routing: fc.option(fc.record({ only: ids, ignore: ids, order: ids, sort: fc.constantFrom(undefined, 'throughput') }).map(stated), {
      nil: undefined,
    }),
  })
  .map((fields) => stated(fields) as Preset)

const isAllowed = (rules: ProviderRules | undefined, id: string) =>
  (rules?.only?.includes(id) ?? true) && !(rules?.ignore?.includes(id) ?? false)

describe('mergePreset', () => {
  it('never adds a provider and never raises a cap', () => {
    fc.assert(
      fc.property(anyExtensions, anyPreset, (extensions, preset) => {
        const merged = mergePreset(extensions, preset)
        const added = ['a', 'b', 'c', 'd'].filter((id) => isAllowed(merged.provider, id) && !isAllowed(extensions.provider, id))
        const limits = [extensions.maxCostUsd, preset.maxCostUsd].filter((limit) => limit !== undefined)
        expect(added).toEqual([])
        expect(limits.filter((limit) => merged.maxCostUsd === undefined || merged.maxCostUsd > limit)).toEqual([])
      }),
    )
  })

  it('leaves every key the request has as it was', () => {
    fc.assert(
      fc.property(anyExtensions, anyPreset, (extensions, preset) => {
        const merged = mergePreset(extensions, preset)
        const { provider = {}, maxCostUsd: _, ...own } = extensions
        const { only: _only, ignore: _ignore, ...ownRules } = provider
        expect(merged).toMatchObject({ ...own, provider: ownRules })
      }),
    )
  })

  it('says the same when it is laid over twice', () => {
    fc.assert(
      fc.property(anyExtensions, anyPreset, (extensions, preset) => {
        const once = mergePreset(extensions, preset)
        expect(mergePreset(once, preset)).toEqual(once)
      }),
    )
  })

  it('fills what the request left out', () => {
    const preset: Preset = {
      name: 'p',
      models: ['a', 'b'],
      paymentPrefer: ['x402'],
      maxCostUsd: 5n as Usd,
      routing: { sort: 'cost', only: ['x'] },
    }
    expect(mergePreset({}, preset)).toEqual({
      provider: { sort: 'cost', only: ['x'] },
      models: ['a', 'b'],
      paymentPrefer: ['x402'],
      maxCostUsd: 5n,
    })
  })

  it('keeps its list of models aside when the request names a model', () => {
    const preset: Preset = { name: 'p', models: ['a', 'b'] }
    expect(mergePreset({}, preset, 'openai/gpt-4o').models).toBeUndefined()
    expect(mergePreset({ models: ['c'] }, preset, 'openai/gpt-4o').models).toEqual(['c'])
    expect(mergePreset({}, preset, '').models).toEqual(['a', 'b'])
  })
})

describe('checkPreset', () => {
  it.each<[string, Preset]>([
    ['an empty name', { name: '' }],
    ['a name with a slash', { name: 'a/b' }],
    ['a name of 65 letters', { name: 'a'.repeat(65) }],
    ['a parameter that is the model', { name: 'a', params: { model: 'x' } }],
    ['a parameter that is the list of models', { name: 'a', params: { models: [] } }],
    ['a parameter that is the messages', { name: 'a', params: { messages: [] } }],
    ['a parameter that is the stream', { name: 'a', params: { stream: true } }],
    ['another preset as its model', { name: 'a', model: '@b' }],
    ['another preset in its list', { name: 'a', models: ['x', '@b'] }],
    ['an empty list', { name: 'a', models: [] }],
    ['nine models', { name: 'a', models: Array.from({ length: 9 }, (_, index) => `m${index}`) }],
    ['an unknown order', { name: 'a', routing: { sort: 'best' } }],
    ['an order that chooses supply', { name: 'a', routing: { sort: 'discount' } }],
    ['an unknown mode', { name: 'a', paymentPrefer: ['free'] }],
  ])('refuses %s', (_, preset) => {
    expect(() => checkPreset(preset)).toThrow(expect.objectContaining({ code: 'invalid_request' }) as Error)
  })

  it('takes parameters that only look like an object’s own', () => {
    expect(() =>
      checkPreset({ name: 'a', params: { temperature: 0.2 }, routing: { sort: 'price' }, paymentPrefer: ['x402', 'byok'] }),
    ).not.toThrow()
  })
})

describe('the store', () => {
  it('lists by name, replaces, and keeps what it had when a preset is refused', () => {
    const store = createPresetStore([{ name: 'b' }, { name: 'a' }])
    store.set({ name: 'b', model: 'x' })
    expect(() => store.set({ name: 'a', model: '@x' })).toThrow('may not name a preset')
    expect(store.list()).toEqual([{ name: 'a' }, { name: 'b', model: 'x' }])
    expect(store.get('constructor')).toBeUndefined()
  })
})
