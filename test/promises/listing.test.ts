/** The gateway held to the checklist it holds providers to: parameters, errors, responses, limits and odd inputs. */
import { createEnvironment } from '../../src/config/environment.ts'
import OpenAI from 'openai'
import { describe, expect, it } from 'vitest'
import { configFrom } from '../../src/config/load.ts'
import { parseCanonical } from '../../src/registry/canonical.ts'
import { ask } from '../support/engine.ts'
import { verifies } from '../support/verifies.ts'
import { chunk, ending, failed, open, said, source, stillClock } from './world.ts'

const hello = (more: object = {}) => ({ model: 'maker/m', messages: [{ role: 'user', content: 'hello' }], ...more })

/** An engine in front of one source with one model. */
async function listed(script: Parameters<typeof source>[0] = said('hi'), model: Readonly<Record<string, unknown>> = {}) {
  const upstream = await source(script)
  const engine = await open({ config: { providers: { a: { api_base: upstream.url, models: [{ id: 'maker/m', ...model }] } } } })
  return { upstream, engine, last: () => upstream.requests.at(-1)?.json }
}

describe('a parameter', () => {
  const tool = { name: 'clock', description: 'Tells the time.', parameters: { type: 'object', properties: { zone: { type: 'string' } } } }
  it.each<[string, object]>([
    ['model and messages', hello({ messages: ['system', 'user', 'assistant', 'user'].map((role) => ({ role, content: `as ${role}` })) })],
    ['max_tokens', hello({ max_tokens: 7 })],
    ['temperature at its ends', hello({ temperature: 0 })],
    ['temperature at its ends', hello({ temperature: 2 })],
    ['top_p', hello({ top_p: 0.3 })],
    ['top_k', hello({ top_k: 40 })],
    ['penalties at their lower ends', hello({ frequency_penalty: -2, presence_penalty: -2 })],
    ['penalties at their upper ends', hello({ frequency_penalty: 2, presence_penalty: 2 })],
    ['stop as text', hello({ stop: 'END' })],
    ['stop as a list', hello({ stop: ['END', '\n\n'] })],
    ['tools', hello({ tools: [{ type: 'function', function: tool }], tool_choice: 'auto' })],
    ['functions in the old spelling', hello({ functions: [tool], function_call: 'auto' })],
    ['a JSON mode', hello({ response_format: { type: 'json_object' } })],
    ['a JSON schema', hello({ response_format: { type: 'json_schema', json_schema: { name: 'x', schema: { type: 'object' } } } })],
  ])('%s reaches the provider as it was written', async (_, body) => {
    verifies('listing.parameter.model', 'listing.parameter.messages', 'listing.parameter.max_tokens', 'listing.parameter.temperature')
    verifies(
      'listing.parameter.top_p',
      'listing.parameter.top_k',
      'listing.parameter.frequency_penalty',
      'listing.parameter.presence_penalty',
    )
    verifies('listing.parameter.stop', 'listing.parameter.tools', 'listing.parameter.response_format', 'listing.test.parameters')
    const { engine, last } = await listed()
    expect((await ask(engine.url, body)).status).toBe(200)
    expect(last()).toEqual(body)
  })

  it('that the model does not have keeps its provider out', async () => {
    verifies('listing.parameter.tools', 'listing.parameter.response_format', 'listing.capability.tools', 'listing.capability.json')
    verifies('listing.capability.vision')
    const { engine, upstream } = await listed(said('hi'), { supported_features: ['reasoning'], input_modalities: ['text'] })
    const picture = [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } }] }]
    const asking = [{ tools: [{ type: 'function', function: tool }] }, { response_format: { type: 'json_object' } }, { messages: picture }]
    for (const more of asking) expect((await ask(engine.url, hello(more))).error?.code).toBe('no_eligible_endpoint')
    expect((await ask(engine.url, hello({ stream: false }))).status).toBe(200)
    expect(upstream.requests).toHaveLength(1)
  })

  it('stream chooses between one object and events, and max_tokens bounds what may be paid', async () => {
    verifies('listing.parameter.stream', 'listing.response.streaming', 'listing.parameter.max_tokens')
    const { engine } = await listed(({ json }) =>
      (json as { readonly stream?: boolean }).stream === true ? { stream: [chunk('hi'), ending] } : said('hi'),
    )
    const [whole, events] = [await ask(engine.url, hello({ stream: false })), await ask(engine.url, hello({ stream: true }))]
    expect([whole.headers.get('content-type'), JSON.parse(whole.text)]).toMatchObject(['application/json', { object: 'chat.completion' }])
    expect(events.headers.get('content-type')).toContain('text/event-stream')
    expect(events.text).toMatch(/^data: \{.*"chat\.completion\.chunk".*\n\n[^]*data: \[DONE\]\n\n$/)

    const priced = await listed(said('hi'), { pricing: { prompt: '0', completion: '0.001' } })
    const capped = (max_tokens: number) => ask(priced.engine.url, hello({ max_tokens, routeplane: { max_cost_usd: '0.01' } }))
    expect([(await capped(10)).status, (await capped(11)).status]).toEqual([200, 403])
  })
})

describe('an error', () => {
  it.each([
    [{ model: 'maker/none' }, 404],
    [{ messages: 'hello' }, 400],
    [{ messages: [] }, 400],
    [{ max_tokens: 0 }, 400],
    [{ max_tokens: 'ten' }, 400],
    [{ temperature: 'hot' }, 400],
    [{ stream: 'yes' }, 400],
    [{ tools: {} }, 400],
  ])('for %o has status %i, says what is wrong in words, and costs nobody a request', async (more, status) => {
    verifies('listing.error.status', 'listing.error.message', 'listing.error.400', 'listing.edge.invalid', 'listing.test.errors')
    const { engine, upstream } = await listed()
    const reply = await ask(engine.url, hello(more))
    expect([reply.status, upstream.requests.length]).toEqual([status, 0])
    expect(reply.error?.message).toContain(Object.keys(more)[0] === 'model' ? 'maker/none' : Object.keys(more)[0])
  })

  it.each([
    [400, 400],
    [401, 502],
    [404, 502],
    [413, 413],
    [429, 429],
    [500, 502],
  ])('%i of the only provider is %i to the caller, in its own words', async (status, told) => {
    verifies('listing.error.status', 'listing.error.message', 'listing.error.429', 'listing.test.errors')
    const { engine } = await listed(failed(status))
    const reply = await ask(engine.url, hello())
    expect([reply.status, reply.error?.message]).toEqual([told, expect.stringContaining(`scripted ${status}`)])
  })
})

describe('an answer', () => {
  it.each(['stop', 'length', 'tool_calls'])('that ended by %s says so, with its tokens, as the SDK expects it', async (finish_reason) => {
    verifies('listing.response.structure', 'listing.response.usage', 'listing.response.finish_reason', 'listing.test.basic')
    const message = { role: 'assistant', content: 'hi', refusal: null }
    const { engine } = await listed(said('', { choices: [{ index: 0, message, finish_reason, logprobs: null }] }))
    const client = new OpenAI({ baseURL: `${engine.url}/v1`, apiKey: 'local', maxRetries: 0 })
    const answer = await client.chat.completions.create({ model: 'maker/m', messages: [{ role: 'user', content: 'hello' }] })
    expect(answer).toMatchObject({ object: 'chat.completion', choices: [{ index: 0, finish_reason, message: { content: 'hi' } }] })
    expect(answer.usage).toEqual({ prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 })
  })
})

describe('a declared rate limit', () => {
  it('is kept to: what does not fit goes elsewhere, or is told when to come back, and the provider never sees it', async () => {
    verifies('listing.rate.rpm', 'listing.test.rate_limits', 'listing.load.limits')
    const [a, b] = [await source(said('a')), await source(said('b'))]
    const file = (id: string, url: string, more: string) =>
      `name: ${id}\napi_base: ${url}\n${more}\nmodels: [{ id: maker/m, pricing: { input_tokens: { no_cache: 1 }, output_tokens: { text: 1 } } }]\n`
    const registry = { 'providers/a.yaml': file('a', a.url, 'rpm: 3'), 'providers/b.yaml': file('b', b.url, '') }
    const engine = await open({ registry, variables: { A_API_KEY: 'k', B_API_KEY: 'k' }, clock: stillClock() })
    const replies = await Promise.all(Array.from({ length: 20 }, () => ask(engine.url, hello({ max_tokens: 4 }))))
    expect(replies.map(({ status }) => status)).toEqual(replies.map(() => 200))
    expect([a.requests.length, b.requests.length]).toEqual([3, 17])
    const pinned = await ask(engine.url, hello({ model: 'a:maker/m', max_tokens: 4 }))
    expect([pinned.status === 200, a.requests.length]).toEqual([false, 3])
  })
})

describe('a key', () => {
  it('is changed without touching the listing', async () => {
    verifies('listing.auth.rotation')
    const upstream = await source(said('hi'))
    const text = `name: shop\napi_base: ${upstream.url}\nmodels: [{ id: maker/m, pricing: { input_tokens: { no_cache: 1 }, output_tokens: { text: 1 } } }]\n`
    for (const key of ['sk-old', 'sk-new']) {
      const engine = await open({ registry: { 'providers/shop.yaml': text }, variables: { SHOP_API_KEY: key } })
      expect((await ask(engine.url, hello({ max_tokens: 4 }))).status).toBe(200)
    }
    expect(upstream.requests.map(({ headers }) => headers.authorization)).toEqual(['Bearer sk-old', 'Bearer sk-new'])
  })
})

describe('a prompt', () => {
  it('near the context limit works, and one beyond it is refused with the limit', async () => {
    verifies('listing.edge.long')
    const { engine, upstream } = await listed(said('hi'), { context_length: 2_000 })
    const long = (words: number) => ask(engine.url, hello({ max_tokens: 10, messages: [{ role: 'user', content: 'tide '.repeat(words) }] }))
    expect((await long(1_000)).status).toBe(200)
    const beyond = await long(10_000)
    expect([beyond.status, beyond.error?.message]).toEqual([422, expect.stringContaining('2000')])
    expect(upstream.requests).toHaveLength(1)
  })

  it.each(['', ' ', 'a', '\u0000', '\u{1f469}\u200d\u{1f680} naïve שלום 模型', '\ud800', '"\\\n\t</script>', '\u202eevil\u2066'])(
    'of %j arrives to the byte',
    async (content) => {
      verifies('listing.edge.unicode', 'listing.edge.empty')
      const { engine, upstream } = await listed(({ json }) => said((json as { messages: [{ content: string }] }).messages[0].content))
      const body = hello({ messages: [{ role: 'user', content }] })
      const reply = await ask(engine.url, body)
      expect(upstream.requests[0]?.body.toString()).toBe(JSON.stringify(body))
      expect((JSON.parse(reply.text) as { choices: [{ message: { content: string } }] }).choices[0].message.content).toBe(content)
    },
  )

  it('among a hundred at once gets its own answer', async () => {
    verifies('listing.edge.concurrent', 'listing.load.quality')
    const { engine } = await listed(async ({ json }, count) => ({
      ...said(`heard ${(json as { messages: [{ content: string }] }).messages[0].content}`),
      delayMs: (count * 7) % 40,
    }))
    const heard = await Promise.all(
      Array.from({ length: 100 }, async (_, at) => {
        const { text } = await ask(engine.url, hello({ messages: [{ role: 'user', content: `number ${at}` }] }))
        return (JSON.parse(text) as { choices: [{ message: { content: string } }] }).choices[0].message.content
      }),
    )
    expect(heard).toEqual(heard.map((_, at) => `heard number ${at}`))
  })
})

describe('a listing', () => {
  it('that is staged is known and not routed to, and goes live by one word', async () => {
    verifies('listing.endpoint.staging', 'listing.process.staging', 'listing.process.launch')
    const upstream = await source(said('hi'))
    const withStatus = (status: string) =>
      open({ config: { providers: { a: { api_base: upstream.url, status, models: [{ id: 'maker/m' }] } } } })
    const staged = await withStatus('staging')
    expect((await ask(staged.url, hello())).error?.code).toBe('no_eligible_endpoint')
    expect(staged.routeplane.catalog.model('maker/m')?.endpoints).toHaveLength(1)
    expect(upstream.requests).toHaveLength(0)
    expect((await ask((await withStatus('active')).url, hello())).status).toBe(200)
  })

  it('has a display name, a release date and a description where its maker says so', () => {
    verifies('listing.model.name', 'listing.model.version', 'listing.docs.description')
    const row = 'id: maker/m, name: "Maker: M", description: Small and quick., release_date: 2026-03-01'
    const { models } = parseCanonical(`models: [{ ${row}, input_modalities: text, output_modalities: text }]\n`)
    expect(models.get('maker/m')).toMatchObject({ name: 'Maker: M', description: 'Small and quick.', releaseDate: '2026-03-01' })
  })

  it('is refused when it leads to a plain http address', () => {
    verifies('listing.endpoint.https')
    const environment = createEnvironment({}, '/h', '/w')
    const from = (api_base: string) => () => configFrom({ providers: { a: { api_base } } }, environment)
    expect(from('http://api.example.com')).toThrow(/https/)
    expect(from('https://api.example.com')).not.toThrow()
    expect(from('http://127.0.0.1:9')).not.toThrow()
  })
})
