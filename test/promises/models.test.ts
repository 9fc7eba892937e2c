/** What a caller was promised of models: one id over many providers, variants for one request, fallbacks, presets. */
import { describe, expect, it } from 'vitest'
import { ask } from '../support/engine.ts'
import type { Script } from '../support/upstream.ts'
import { verifies } from '../support/verifies.ts'
import { commandLine, failed, modelsAsked, open, said, source } from './world.ts'

const hello = (model: string, more: object = {}) => ({ model, messages: [{ role: 'user', content: 'hello' }], max_tokens: 8, ...more })

type Shop = { readonly script?: Script; readonly models: readonly Readonly<Record<string, unknown>>[]; readonly key?: string }

/** One source for each entry, all known to one engine. */
async function shops(entries: Readonly<Record<string, Shop>>, more: Readonly<Record<string, unknown>> = {}) {
  const started = await Promise.all(
    Object.entries(entries).map(async ([id, { script = said(`from ${id}`), models, key }]) => {
      const upstream = await source(script)
      return [id, upstream, { api_base: `${upstream.url}/v1`, models, ...(key === undefined ? {} : { api_key: key }) }] as const
    }),
  )
  const providers = Object.fromEntries(started.map(([id, , block]) => [id, block]))
  const engine = await open({ config: { providers, ...more } })
  return { engine, upstreams: Object.fromEntries(started.map(([id, upstream]) => [id, upstream])) }
}

const by = async ({ url }: { readonly url: string }, body: object) => {
  const { status, headers, error } = await ask(url, body)
  return status === 200 ? headers.get('x-routeplane-provider') : error?.code
}

const dear = { prompt: '0.00001', completion: '0.00001' }
const cheap = { prompt: '0.000001', completion: '0.000001' }

describe('a model', () => {
  it('is one id over all who serve it, and the best-ranked of them gets the request', async () => {
    verifies(
      'models.aggregate',
      'models.selection.best',
      'models.selection.balanced',
      'models.variant.cost',
      'models.protocol.chat_completions',
    )
    const { engine, upstreams } = await shops({
      a: { models: [{ id: 'maker/m', provider_model_id: 'm-large', pricing: dear }] },
      b: { models: [{ id: 'maker/m', provider_model_id: 'prod-7', pricing: cheap }] },
    })
    expect(engine.routeplane.catalog.models().map(({ id, endpoints }) => [id, endpoints.length])).toEqual([['maker/m', 2]])
    expect([await by(engine, hello('maker/m')), await by(engine, hello('maker/m:cost'))]).toEqual(['b', 'b'])
    expect([modelsAsked(upstreams['a']!), modelsAsked(upstreams['b']!)]).toEqual([[], ['prod-7', 'prod-7']])
  })

  it('that is exhausted gives way to the next one that the caller listed', async () => {
    verifies('models.fallback.model', 'models.fallback.provider')
    const { engine, upstreams } = await shops({
      a: { script: failed(503), models: [{ id: 'maker/first' }] },
      b: { script: failed(529), models: [{ id: 'maker/first' }] },
      c: { models: [{ id: 'maker/second' }] },
    })
    const reply = await ask(engine.url, { ...hello('maker/first'), models: ['maker/first', 'maker/second'] })
    expect([reply.status, reply.headers.get('x-routeplane-model'), reply.headers.get('x-routeplane-attempts')]).toEqual([
      200,
      'maker/second',
      '3',
    ])
    expect(Object.values(upstreams).map(({ requests }) => requests.length)).toEqual([1, 1, 1])
  })

  it('is not taken elsewhere for a fault of the caller’s own', async () => {
    verifies('models.fallback.provider')
    const models = [{ id: 'maker/m' }]
    const { engine, upstreams } = await shops({ a: { script: failed(400), models }, b: { script: failed(400), models } })
    expect((await ask(engine.url, hello('maker/m'))).status).toBe(400)
    expect(Object.values(upstreams).reduce((sum, { requests }) => sum + requests.length, 0)).toBe(1)
  })
})

describe('a variant', () => {
  it('re-ranks one request along its axis, and the next one without it is balanced again', async () => {
    verifies('models.variant.cost', 'models.variant.one_request', 'models.variant.bare')
    const { engine } = await shops({
      own: { models: [{ id: 'maker/m', pricing: dear }], key: 'k' },
      other: { models: [{ id: 'maker/m', pricing: cheap }], key: 'k' },
      // Its price is low but nobody knows how low: by cost it comes last.
      silent: { models: [{ id: 'maker/m' }] },
    })
    const order = async (model: string) => {
      const { out } = await commandLine().run('route', model, '-c', engine.file, '--format', 'json')
      const { attempts } = JSON.parse(out) as { readonly attempts: readonly { readonly endpoint: string }[] }
      return attempts.map(({ endpoint }) => endpoint.split(':')[0])
    }
    const balanced = await order('maker/m')
    expect(await order('maker/m:cost')).toEqual(['other', 'own', 'silent'])
    expect(await order('maker/m')).toEqual(balanced)
    expect(await order('maker/m:balanced')).toEqual(balanced)
    expect(balanced.toSorted()).toEqual(['other', 'own', 'silent'])
  })

  it.each(['', ':cost', ':latency', ':throughput'])(
    '"%s" lets in nobody who may not answer, and pays with nothing the caller has not',
    async (suffix) => {
      verifies('models.variant.eligibility', 'models.variant.authorization')
      const { engine, upstreams } = await shops({
        staged: { models: [{ id: 'maker/m', pricing: { prompt: '0', completion: '0' }, is_ready: false }] },
        ignored: { models: [{ id: 'maker/m', pricing: { prompt: '0', completion: '0' } }] },
        dear: { models: [{ id: 'maker/m', pricing: { prompt: '1', completion: '1' } }] },
        served: { models: [{ id: 'maker/m', pricing: cheap }] },
      })
      const rules = { provider: { ignore: ['ignored'] }, routeplane: { max_cost_usd: '0.01' } }
      expect(await by(engine, { ...hello(`maker/m${suffix}`), ...rules })).toBe('served')
      expect(await by(engine, { ...hello(`maker/m${suffix}`), provider: { only: ['ignored'], ignore: ['ignored'] } })).toBe(
        'no_eligible_endpoint',
      )
      expect(Object.entries(upstreams).map(([id, { requests }]) => [id, requests.length])).toEqual([
        ['staged', 0],
        ['ignored', 0],
        ['dear', 0],
        ['served', 1],
      ])
    },
  )
})

describe('a preset', () => {
  it('is a named configuration that can be used again and again, and that the request may narrow', async () => {
    verifies('models.preset')
    const models = [{ id: 'maker/m', pricing: cheap }]
    const presets = { careful: { model: 'maker/m', routing: { only: ['b'] }, max_cost_usd: '0.01' } }
    const { engine } = await shops({ a: { models }, b: { models: [...models, { id: 'maker/other', pricing: dear }] } }, { presets })
    for (let each = 0; each < 3; each++) expect(await by(engine, hello('@careful'))).toBe('b')
    expect(await by(engine, hello('maker/m', { preset: 'careful' }))).toBe('b')
    expect((await ask(engine.url, hello('@careful/maker/other'))).headers.get('x-routeplane-model')).toBe('maker/other')
    expect(await by(engine, hello('@careful', { routeplane: { max_cost_usd: '0.000001' } }))).not.toBe('b')
    expect(await by(engine, hello('@nobody'))).toBe('unknown_preset')
  })
})

describe('a user’s own', () => {
  it('account is used with his key', async () => {
    verifies('models.byok', 'sources.aggregator', 'register.pay.byok')
    const { engine, upstreams } = await shops({ hub: { models: [{ id: 'maker/m' }], key: 'sk-mine' } })
    const reply = await ask(engine.url, hello('maker/m'))
    expect([reply.headers.get('x-routeplane-payment-mode'), upstreams['hub']?.requests[0]?.headers.authorization]).toEqual([
      'byok',
      'Bearer sk-mine',
    ])
    expect(await engine.routeplane.receipts.list({})).toEqual([])
  })

  it('server needs no key', async () => {
    verifies('models.local', 'sources.self_hosted')
    const { engine, upstreams } = await shops({ gpu: { models: [{ id: 'llama3:8b' }] } })
    expect(await by(engine, hello('llama3:8b'))).toBe('gpu')
    expect(upstreams['gpu']?.requests[0]?.headers.authorization).toBeUndefined()
  })
})

describe('the managed provider', () => {
  it('and the full catalog can be listed with prices', async () => {
    verifies('models.managed')
    const file = (id: string, kind: string, price: string) =>
      `name: ${id}\napi_base: https://${id}.dev\nkind: ${kind}\nmodels: [{ id: open/model, pricing: { input_tokens: { no_cache: ${price} }, output_tokens: { text: ${price} } } }]\n`
    const registry = {
      'canonical.yaml': 'models: [{ id: open/model, name: Open, input_modalities: text, output_modalities: text, open_weights: true }]\n',
      'providers/house.yaml': file('house', 'managed', '0.75'),
      'providers/other.yaml': file('other', 'third_party', '1'),
    }
    const { file: config } = await open({ registry })
    const { run } = commandLine()
    expect((await run('models', 'list', '--provider', 'house', '-c', config)).out).toContain('$0.75')
    const { out } = await run('models', 'show', 'open/model', '-c', config)
    expect(out).toMatch(/house:open\/model +\$0\.75/)
    expect(out).toMatch(/other:open\/model +\$1\.00/)
  })
})
