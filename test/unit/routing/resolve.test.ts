/** From a string to endpoints: the order of meanings, pins that hold, and names that lead nowhere. */
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { RouteplaneError } from '../../../src/errors.ts'
import { createCanonicalIndex, type CanonicalModel } from '../../../src/registry/canonical.ts'
import { createCatalog } from '../../../src/registry/catalog.ts'
import { endpointKey } from '../../../src/registry/endpoint.ts'
import { resolveModel, type ResolveSources } from '../../../src/routing/resolve.ts'
import type { VirtualModel } from '../../../src/routing/virtual-model.ts'
import { variants } from '../../../src/selection/variant.ts'
import { definition, row } from '../registry/fixture.ts'
import { verifies } from '../../support/verifies.ts'

function canonicalModel(id: string, more: Partial<CanonicalModel> = {}): CanonicalModel {
  return { id, name: id, inputModalities: ['text'], outputModalities: ['text'], aliases: [], ...more }
}

const canonical = createCanonicalIndex([
  canonicalModel('openai/gpt-4o', { aliases: ['gpt-4o'] }),
  canonicalModel('meta/llama-3', { openWeights: true }),
  canonicalModel('maker/closed', { openWeights: false }),
])

const catalog = createCatalog({
  canonical,
  registry: [
    definition('openrouter', ['openai/gpt-4o', 'openai/gpt-4o:free', 'meta/llama-3', 'maker/closed']),
    definition('openai', [row('gpt-4o')]),
    definition('managed', ['meta/llama-3', 'maker/closed'], { kind: 'managed' }),
    definition('ollama', ['llama3:8b'], { source: 'config' }),
    definition('vllm', ['Qwen/Qwen2.5-7B', 'llama3:8b'], { source: 'config' }),
    definition('open', [], { source: 'config' }),
    definition('cost', ['cheap']),
  ],
  config: [],
})

const virtual = (name: string, strategy: VirtualModel['strategy'], ...endpoints: readonly (readonly [string, string])[]): VirtualModel => ({
  name,
  strategy,
  endpoints: endpoints.map(([provider, model]) => ({ provider, model })),
})

const sources: ResolveSources = {
  snapshot: catalog.snapshot(),
  virtualModels: new Map(
    [
      virtual('mine', 'priority', ['ollama', 'llama3:8b'], ['openrouter', 'meta/llama-3']),
      virtual('half', 'balanced', ['ollama', 'gone'], ['openrouter', 'meta/llama-3'], ['openrouter', 'meta/llama-3']),
      virtual('lost', 'priority', ['ollama', 'gone'], ['nobody', 'x']),
      virtual('meta/llama-3', 'priority', ['ollama', 'llama3:8b']),
    ].map((each) => [each.name, each]),
  ),
  openProviders: new Set(['open']),
}

const keysOf = (text: string) => resolveModel(text, sources).endpoints.map(endpointKey)

function failure(text: string): RouteplaneError {
  try {
    resolveModel(text, sources)
  } catch (error) {
    return error as RouteplaneError
  }
  throw new Error(`${text} was resolved`)
}

describe('a variant', () => {
  it('law: never says who may serve, unless it is discount, which leaves only managed supply', () => {
    const names = [
      'openai/gpt-4o',
      'gpt-4o',
      'meta/llama-3',
      'maker/closed',
      'llama3:8b',
      'ollama:llama3:8b',
      'openrouter:openai/gpt-4o',
      'mine',
      'half',
    ]
    fc.assert(
      fc.property(fc.constantFrom(...names), fc.constantFrom(...variants), (name, variant) => {
        const plain = resolveModel(name, sources)
        if (variant !== 'discount') {
          expect(resolveModel(`${name}:${variant}`, sources)).toMatchObject({ endpoints: plain.endpoints, pinned: plain.pinned, variant })
          return
        }
        const managed = plain.endpoints.filter(({ provider, modelId }) => provider.kind === 'managed' && modelId === 'meta/llama-3')
        if (managed.length === 0) expect(failure(`${name}:discount`).code).toBe('model_not_found')
        else expect(resolveModel(`${name}:discount`, sources).endpoints).toEqual(managed)
      }),
    )
  })
})

describe('what a name means', () => {
  it.each([
    ['openai/gpt-4o', ['openai:gpt-4o', 'openrouter:openai/gpt-4o']],
    ['gpt-4o', ['openai:gpt-4o', 'openrouter:openai/gpt-4o']],
    ['openai/gpt-4o:cost', ['openai:gpt-4o', 'openrouter:openai/gpt-4o']],
    ['llama3:8b', ['ollama:llama3:8b', 'vllm:llama3:8b']],
    ['llama3:8b:latency', ['ollama:llama3:8b', 'vllm:llama3:8b']],
    ['Qwen/Qwen2.5-7B', ['vllm:Qwen/Qwen2.5-7B']],
    ['openrouter:openai/gpt-4o', ['openrouter:openai/gpt-4o']],
    ['openrouter:gpt-4o', ['openrouter:openai/gpt-4o']],
    ['openai:openai/gpt-4o', ['openai:gpt-4o']],
    ['openrouter:openai/gpt-4o:free', ['openrouter:openai/gpt-4o:free']],
    ['ollama:llama3:8b', ['ollama:llama3:8b']],
    ['cost:cheap', ['cost:cheap']],
    ['open:any/thing:7b', ['open:any/thing:7b']],
    ['mine', ['ollama:llama3:8b', 'openrouter:meta/llama-3']],
    ['half', ['openrouter:meta/llama-3']],
  ])('%s is served by %j', (text, keys) => {
    expect(keysOf(text)).toEqual(keys)
  })

  it('puts a name of the user’s own before a canonical one', () => {
    expect(resolveModel('meta/llama-3', sources)).toMatchObject({ model: 'meta/llama-3', ordered: true })
    expect(keysOf('meta/llama-3')).toEqual(['ollama:llama3:8b'])
  })

  it('keeps the order of a priority list and lets the ranking decide in a balanced one', () => {
    expect([resolveModel('mine', sources).ordered, resolveModel('half', sources).ordered]).toEqual([true, false])
  })

  it('never lets a pinned request leave its provider', () => {
    verifies('sources.model.pinned')
    expect(resolveModel('openrouter:openai/gpt-4o', sources).pinned).toBe(true)
    expect(failure('openai:meta/llama-3').code).toBe('model_not_found')
    expect(failure('ollama:openai/gpt-4o').code).toBe('model_not_found')
  })

  it('knows of an unlisted model what is generally known, and does not doubt the rest', () => {
    const [unlisted] = resolveModel('open:anything', sources).endpoints
    expect(unlisted).toMatchObject({ pricing: undefined, features: undefined, isReady: true })
    expect(unlisted?.inputModalities).toContain('image')
    expect(resolveModel('open:gpt-4o', sources).endpoints[0]).toMatchObject({
      modelId: 'openai/gpt-4o',
      upstreamModel: 'gpt-4o',
      inputModalities: ['text'],
    })
  })
})

describe('a name that leads nowhere', () => {
  it.each([
    ['nope/none', 'model_not_found'],
    ['constructor', 'model_not_found'],
    ['hasownproperty', 'model_not_found'],
    ['toString:cost', 'invalid_model_id'],
    ['OpenAI/GPT-4o', 'invalid_model_id'],
    ['__proto__', 'invalid_model_id'],
    ['openai/gpt-4o:cost:latency', 'unknown_variant'],
    ['gpt-4o:turbo', 'unknown_variant'],
    ['mine:free', 'unknown_variant'],
    ['openai:gpt-4o:free', 'unknown_variant'],
    ['nope:free', 'model_not_found'],
    ['lost', 'model_not_found'],
    ['@fast', 'invalid_model_id'],
  ])('%s is %s', (text, code) => {
    expect(failure(text).code).toBe(code)
  })

  it('is not one that some provider lists with its colon and all', () => {
    expect(keysOf('openai/gpt-4o:free')).toEqual(['openrouter:openai/gpt-4o:free'])
  })

  it('never turns a suffix nobody lists into the paid model without it', () => {
    const plain = {
      ...sources,
      snapshot: createCatalog({ canonical, registry: [definition('openai', ['openai/gpt-4o'])], config: [] }).snapshot(),
    }
    expect(() => resolveModel('openai/gpt-4o:free', plain)).toThrow(expect.objectContaining({ code: 'unknown_variant' }) as Error)
  })

  it('names the three nearest ids, of the pinned provider when there is one', () => {
    expect(failure('openai/gtp-4o').details['nearest']).toContain('openai/gpt-4o')
    expect(failure('openrouter:openai/gpt-4').details['nearest']).toEqual(['openrouter:openai/gpt-4o', 'openrouter:openai/gpt-4o:free'])
    expect(failure('zzzzzzzzzzzzzzzz').hint).toContain('models list')
  })
})

describe(':discount', () => {
  it('pins to managed supply of open weights', () => {
    verifies('models.discount.pin')
    const target = resolveModel('openrouter:meta/llama-3', sources)
    expect(target.endpoints).toHaveLength(1)
    const plain = { ...sources, virtualModels: new Map<string, VirtualModel>() }
    const discounted = resolveModel('meta/llama-3:discount', plain)
    expect(discounted.endpoints.map(endpointKey)).toEqual(['managed:meta/llama-3'])
    expect(discounted.pinned).toBe(true)
  })

  it.each([
    ['maker/closed:discount', 'open-weight'],
    ['openai/gpt-4o:discount', 'managed supply'],
  ])('%s has none, with the reason', (text, why) => {
    expect(failure(text).code).toBe('model_not_found')
    expect(failure(text).message).toContain(why)
  })
})
