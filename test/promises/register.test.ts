/** What a provider who registers was promised: its manifest and models document decide what is listed, sent, priced and shown. */
import { describe, expect, it, onTestFinished } from 'vitest'
import { createTransport } from '../../src/gateway/transport.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { silentLog } from '../../src/lib/log.ts'
import { createCanonicalIndex } from '../../src/registry/canonical.ts'
import { createCatalog } from '../../src/registry/catalog.ts'
import { parseManifest } from '../../src/registry/manifest.ts'
import { readModelsDocument } from '../../src/registry/models-document.ts'
import { createPoller } from '../../src/registry/poll.ts'
import { ask, type TestEngine } from '../support/engine.ts'
import { verifies } from '../support/verifies.ts'
import type { Upstream } from '../support/upstream.ts'
import { failed, modelsAsked, open, said, source, stillClock } from './world.ts'

const PRICES = { prompt: '0.000003', completion: '0.000015' }
const hello = (model: string) => ({ model, messages: [{ role: 'user', content: 'hello' }], max_tokens: 8 })

/** A provider that publishes its models document next to its endpoint. */
const shop = (rows: (round: number) => readonly unknown[] | undefined) => {
  const rounds = { count: 0 }
  return source(({ method }) => {
    if (method === 'POST') return said('hi')
    const data = rows(rounds.count++)
    return data === undefined ? failed(503) : { json: { data } }
  })
}

const manifest = (id: string, { url }: Pick<Upstream, 'url'>, more = 'payment: { modes: [byok] }') =>
  `id: ${id}\nname: The ${id}\nendpoint: ${url}/v1\nprotocol: openai\nmodels_url: ${url}/v1/models\n${more}\n`

async function openShop(row: Readonly<Record<string, unknown>>, more = 'payment: { modes: [byok] }') {
  const upstream = await shop(() => [{ id: 'example/one', pricing: PRICES, ...row }])
  const registry = { 'providers/shop.yaml': manifest('shop', upstream, more) }
  return { upstream, engine: await open({ registry, variables: { SHOP_API_KEY: 'sk-shop' } }) }
}

const listed = ({ routeplane }: TestEngine) => routeplane.catalog.models().map(({ id }) => id)

describe('a manifest', () => {
  it('says which protocol its endpoint speaks, and where people find its makers', async () => {
    verifies('register.manifest.protocol', 'register.manifest.homepage', 'register.manifest.name')
    const text = (protocol: string) =>
      `id: shop\nname: The Shop\nendpoint: https://shop.dev/v1\nprotocol: ${protocol}\nhomepage: https://shop.dev\n`
    const [openai, anthropic] = await Promise.all(['openai', 'anthropic'].map((protocol) => parseManifest(text(protocol))))
    expect(openai?.provider).toMatchObject({
      name: 'The Shop',
      homepage: 'https://shop.dev/',
      protocols: [{ protocols: ['chat_completions'] }],
    })
    expect(anthropic?.provider.protocols).toEqual([{ glob: '*', protocols: ['messages'] }])
  })

  it('that lies in the registry makes its models listed and routed to, at the endpoint it gives and with the user’s own key', async () => {
    verifies('register.format.openai', 'register.flow.discoverable', 'register.manifest.endpoint', 'register.manifest.models_url')
    verifies('register.models.id', 'register.pay.byok', 'sources.one_registry', 'registry.consume.path')
    const { upstream, engine } = await openShop({})
    expect(listed(engine)).toEqual(['example/one'])
    const reply = await ask(engine.url, hello('example/one'))
    expect([reply.status, reply.headers.get('x-routeplane-provider'), reply.headers.get('x-routeplane-payment-mode')]).toEqual([
      200,
      'shop',
      'byok',
    ])
    const [asked] = upstream.requests.filter(({ method }) => method === 'POST')
    expect([asked?.path, asked?.headers.authorization, modelsAsked(upstream)]).toEqual([
      '/v1/chat/completions',
      'Bearer sk-shop',
      ['example/one'],
    ])
    expect(upstream.requests.find(({ method }) => method === 'GET')?.path).toBe('/v1/models')
  })

  it('that is suspended or removed is not routed to, and nobody else has to change', async () => {
    verifies('register.update.removed', 'register.score.delisted', 'models.stable_id', 'registry.consume.update')
    const one = await shop(() => [{ id: 'example/one', pricing: PRICES }])
    const two = await shop(() => [{ id: 'example/one', pricing: { prompt: '0.000001', completion: '0.000001' } }])
    const files = (status: string) => ({ 'providers/one.yaml': manifest('one', one), 'providers/two.yaml': manifest('two', two, status) })
    const variables = { ONE_API_KEY: 'k1', TWO_API_KEY: 'k2' }
    const servedBy = async (registry: Readonly<Record<string, string>>) => {
      const engine = await open({ registry, variables })
      return (await ask(engine.url, hello('example/one:cost'))).headers.get('x-routeplane-provider')
    }
    const all = files('weight: 1')
    expect(await servedBy(all)).toBe('two')
    expect(await servedBy(files('status: suspended'))).toBe('one')
    expect(await servedBy({ 'providers/one.yaml': all['providers/one.yaml'] })).toBe('one')
  })
})

describe('a models document', () => {
  it('is shown to callers as it stands, prices as decimal strings', async () => {
    verifies('register.models.name', 'register.models.created', 'register.models.input_modalities', 'register.models.output_modalities')
    verifies('register.models.context_length', 'register.models.max_output_length', 'register.pricing.strings')
    verifies('listing.price.prompt', 'listing.price.completion', 'listing.spec.context', 'listing.spec.max_output', 'listing.spec.modality')
    const tiers = [
      { ...PRICES, input_cache_read: '0.0000003' },
      { prompt: '0.000006', completion: '0.00003', min_context: 200_000 },
    ]
    const { engine } = await openShop({
      name: 'Example: One',
      created: 1_704_067_200,
      context_length: 1_000_000,
      max_output_length: 128_000,
      quantization: 'fp8',
      input_modalities: ['text', 'image'],
      output_modalities: ['text'],
      pricing: tiers,
      supported_features: ['tools', 'json_mode'],
    })
    const card = (await (await fetch(`${engine.url}/v1/models/example/one`)).json()) as Record<string, unknown>
    expect(card).toMatchObject({
      id: 'example/one',
      name: 'Example: One',
      created: 1_704_067_200,
      context_length: 1_000_000,
      max_output_length: 128_000,
      pricing: { prompt: '0.000003', completion: '0.000015', input_cache_read: '0.0000003' },
      input_modalities: ['text', 'image'],
      output_modalities: ['text'],
      supported_features: ['tools', 'json_mode'],
      providers: [{ model: 'example/one', quantization: 'fp8', pricing: [{}, { prompt: '0.000006', min_context: 200_000 }] }],
    })
    expect(JSON.stringify(card)).not.toMatch(/"prompt":\d/)
  })

  it('stages a model with is_ready false, and a model that does not say is ready', async () => {
    verifies('register.models.is_ready_false', 'register.models.is_ready_default')
    const upstream = await shop(() => [
      { id: 'example/silent', pricing: PRICES },
      { id: 'example/staged', pricing: PRICES, is_ready: false },
    ])
    const registry = { 'providers/shop.yaml': manifest('shop', upstream) }
    const engine = await open({ registry, variables: { SHOP_API_KEY: 'k' } })
    expect(listed(engine)).toEqual(['example/silent'])
    expect(engine.routeplane.catalog.models({ includeHidden: true })).toHaveLength(2)
    expect((await ask(engine.url, hello('example/silent'))).status).toBe(200)
    expect((await ask(engine.url, hello('example/staged'))).error).toMatchObject({ code: 'no_eligible_endpoint' })
    expect(modelsAsked(upstream)).toEqual(['example/silent'])
  })

  it('warns of a model that will go, and after its day it is not routed to unless it is pinned', async () => {
    verifies('register.deprecation.warning', 'register.deprecation.date', 'register.deprecation.hidden')
    const leaving = await openShop({ deprecation_date: '2999-12-31' })
    const reply = await ask(leaving.engine.url, hello('example/one'))
    expect([reply.status, reply.headers.get('x-routeplane-warning')]).toEqual([200, 'example/one is deprecated on 2999-12-31'])

    const gone = await openShop({ deprecation_date: '2020-01-01' })
    expect([listed(leaving.engine), listed(gone.engine)]).toEqual([['example/one'], []])
    expect((await ask(gone.engine.url, hello('example/one'))).error).toMatchObject({ code: 'no_eligible_endpoint' })
    expect((await ask(gone.engine.url, hello('shop:example/one'))).status).toBe(200)
  })
})

describe('the vocabulary of a models document', () => {
  const read = (row: Readonly<Record<string, unknown>>) => {
    const document = readModelsDocument({ data: [{ id: 'a', pricing: PRICES, ...row }] }, { requirePricing: true })
    if ('reason' in document) throw new Error(document.reason)
    return { row: document.rows[0], ignored: document.ignored.map(({ field }) => field) }
  }

  it.each(['int4', 'int8', 'fp4', 'fp6', 'fp8', 'fp16', 'bf16', 'fp32'])('has the quantization %s', (quantization) => {
    verifies('register.models.quantization')
    expect(read({ quantization })).toMatchObject({ row: { quantization }, ignored: [] })
    expect(read({ quantization: `${quantization}x` })).toMatchObject({ row: { quantization: undefined }, ignored: ['quantization'] })
  })

  it('has twelve sampling parameters and six features', () => {
    verifies('register.models.sampling_parameters', 'register.models.features')
    const sampling = ['temperature', 'top_p', 'top_k', 'min_p', 'top_a', 'frequency_penalty', 'presence_penalty', 'repetition_penalty']
    const all = [...sampling, 'stop', 'seed', 'max_tokens', 'logit_bias']
    const can = ['tools', 'json_mode', 'structured_outputs', 'logprobs', 'web_search', 'reasoning']
    const { row, ignored } = read({ supported_sampling_parameters: [...all, 'mood'], supported_features: [...can, 'telepathy'] })
    expect(row?.samplingParameters?.toSorted()).toEqual(all.toSorted())
    expect(row?.features?.toSorted()).toEqual(can.toSorted())
    expect(ignored).toEqual(['supported_features', 'supported_sampling_parameters'])
  })
})

describe('a change', () => {
  it('of a price in the registry holds for the next request once the folder is replaced', async () => {
    verifies('register.update.prices')
    const upstream = await source(said('hi'))
    const file = (price: string) =>
      `name: shop\napi_base: ${upstream.url}/v1\nmodels: [{ id: maker/m, pricing: { input_tokens: { no_cache: ${price} }, output_tokens: { text: 1 } } }]\n`
    const boundWith = async (price: string) => {
      const { url } = await open({ registry: { 'providers/shop.yaml': file(price) }, variables: { SHOP_API_KEY: 'k' } })
      const card = (await (await fetch(`${url}/v1/models/maker/m`)).json()) as { readonly pricing: { readonly prompt: string } }
      const capped = await ask(url, { ...hello('maker/m'), routeplane: { max_cost_usd: '0.001' } })
      return [card.pricing.prompt, capped.status]
    }
    expect(await boundWith('0.27')).toEqual(['0.00000027', 200])
    expect(await boundWith('270')).toEqual(['0.00027', 403])
  })

  it('to is_ready false takes a model offline at the next poll, and true brings it back', async () => {
    verifies('register.update.offline')
    const upstream = await shop((round) => [{ id: 'example/one', pricing: PRICES, is_ready: round !== 1 }])
    const { provider, models } = await parseManifest(manifest('shop', upstream), { allowLoopback: true })
    const catalog = createCatalog({ canonical: createCanonicalIndex([]), registry: [{ provider, models }], config: [] })
    const transport = createTransport({ allowLoopback: true })
    onTestFinished(() => transport.close())
    const sources = { definitions: catalog.definitions, onDocuments: catalog.setDocuments, transport }
    const poller = createPoller({ ...sources, clock: systemClock, log: silentLog })
    const isReady = async () => {
      await poller.refresh()
      return catalog.snapshot().models.get('example/one')?.endpoints[0]?.isReady
    }
    expect([await isReady(), await isReady(), await isReady()]).toEqual([true, false, true])
  })
})

/** The uptime of one endpoint after `good` successes and then whatever `last` does. */
async function uptimeAfter(last: (url: string) => Promise<unknown>, script: Parameters<typeof source>[0]) {
  const upstream = await source((request, count) =>
    count < 3 ? said('fine') : typeof script === 'function' ? script(request, count) : script,
  )
  const config = { providers: { a: { api_base: upstream.url, models: [{ id: 'maker/m' }] } } }
  const engine = await open({ config, clock: stillClock() })
  for (let each = 0; each < 3; each++) expect((await ask(engine.url, hello('maker/m'))).status).toBe(200)
  await last(engine.url)
  return engine.routeplane.catalog.model('maker/m')?.uptime
}

const once = (url: string) => ask(url, hello('maker/m'))

describe('uptime, three successes and then', () => {
  it.each([401, 402, 404, 500, 502, 503])('%i: three of four', async (status) => {
    verifies('register.uptime.formula', 'register.routing.monitor')
    verifies('register.uptime.against.401', 'register.uptime.against.402', 'register.uptime.against.404', 'register.uptime.against.5xx')
    expect(await uptimeAfter(once, failed(status))).toBe(0.75)
  })

  it.each([400, 413, 429])('%i: three of three', async (status) => {
    verifies('register.uptime.not.400', 'register.uptime.not.413', 'register.uptime.not.429')
    expect(await uptimeAfter(once, failed(status))).toBe(1)
  })

  it('403: three of three', async () => {
    expect(await uptimeAfter(once, failed(403))).toBe(1)
  })

  it('a whole answer that ends with an error: three of four', async () => {
    verifies('register.uptime.against.error_finish')
    const choices = [{ index: 0, message: { role: 'assistant', content: 'hm' }, finish_reason: 'error' }]
    expect(await uptimeAfter(once, said('', { choices }))).toBe(0.75)
  })
})
