/** Four protocols in, four out: each vendor's own SDK, unchanged, is answered by a provider of every protocol. */
import Anthropic from '@anthropic-ai/sdk'
import { GoogleGenAI } from '@google/genai'
import OpenAI from 'openai'
import { describe, expect, it } from 'vitest'
import { protocols } from '../../src/protocol/index.ts'
import { verifies } from '../support/verifies.ts'
import { sayInAnyWire, wireOfPath, type Wire } from './any-wire.ts'
import { open, source } from './world.ts'

const TEXT = 'Tide is high: né 模型'
const wires = ['chat_completions', 'responses', 'messages', 'generate_content'] as const satisfies readonly Wire[]

type Heard = { readonly text: string; readonly tokens: readonly (number | undefined)[] }
type Sdk = { whole(model: string): Promise<Heard>; streamed(model: string): Promise<Heard> }

/** Each SDK as its README shows it, with nothing changed but the address. */
const sdks: Readonly<Record<Wire, (url: string) => Sdk>> = {
  chat_completions: (url) => {
    const { completions } = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'local', maxRetries: 0 }).chat
    const ask = (model: string) => ({ model, messages: [{ role: 'user' as const, content: 'hello' }] })
    const heard = ({ choices, usage }: OpenAI.ChatCompletion): Heard => ({
      text: choices[0]?.message.content ?? '',
      tokens: [usage?.prompt_tokens, usage?.completion_tokens],
    })
    return {
      whole: async (model) => heard(await completions.create(ask(model))),
      streamed: async (model) =>
        heard(await completions.stream({ ...ask(model), stream_options: { include_usage: true } }).finalChatCompletion()),
    }
  },
  responses: (url) => {
    const { responses } = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'local', maxRetries: 0 })
    const heard = ({ output_text, usage }: Pick<OpenAI.Responses.Response, 'output_text' | 'usage'>): Heard => ({
      text: output_text,
      tokens: [usage?.input_tokens, usage?.output_tokens],
    })
    return {
      whole: async (model) => heard(await responses.create({ model, input: 'hello' })),
      streamed: async (model) => heard(await responses.stream({ model, input: 'hello' }).finalResponse()),
    }
  },
  messages: (url) => {
    const { messages } = new Anthropic({ baseURL: url, apiKey: 'local', maxRetries: 0 })
    const ask = (model: string) => ({ model, max_tokens: 64, messages: [{ role: 'user' as const, content: 'hello' }] })
    const heard = ({ content, usage }: Anthropic.Message): Heard => ({
      text: content.map((block) => (block.type === 'text' ? block.text : '')).join(''),
      tokens: [usage.input_tokens, usage.output_tokens],
    })
    return {
      whole: async (model) => heard(await messages.create(ask(model))),
      streamed: async (model) => heard(await messages.stream(ask(model)).finalMessage()),
    }
  },
  generate_content: (url) => {
    const { models } = new GoogleGenAI({ apiKey: 'local', httpOptions: { baseUrl: url } })
    return {
      whole: async (model) => {
        const { text, usageMetadata } = await models.generateContent({ model, contents: 'hello' })
        return { text: text ?? '', tokens: [usageMetadata?.promptTokenCount, usageMetadata?.candidatesTokenCount] }
      },
      streamed: async (model) => {
        let text = ''
        let tokens: Heard['tokens'] = []
        for await (const { text: piece, usageMetadata } of await models.generateContentStream({ model, contents: 'hello' })) {
          text += piece ?? ''
          if (usageMetadata !== undefined) tokens = [usageMetadata.promptTokenCount, usageMetadata.candidatesTokenCount]
        }
        return { text, tokens }
      },
    }
  },
}

/** One engine in front of a source that is known four times, once in each wire. */
async function start() {
  const upstream = await source(sayInAnyWire(TEXT))
  const models = [{ id: 'maker/m', max_output_length: 64 }]
  const provider = (wire: Wire) => [wire.replaceAll('_', '-'), { api_base: `${upstream.url}/${wire}`, api_protocol: wire, models }] as const
  return { upstream, engine: await open({ config: { providers: Object.fromEntries(wires.map(provider)) } }) }
}

it('the wires tried here are all there are', () => {
  expect(protocols.map(({ id }) => id)).toEqual(wires)
})

describe.each(wires)('the SDK of %s', (caller) => {
  it.each(wires)('is answered by a provider of %s, whole and streamed, with the tokens it used', async (wire) => {
    verifies('card.gateway.four_protocols', 'models.protocol.chat_completions', 'models.protocol.responses', 'models.protocol.messages')
    verifies('models.protocol.generate_content', 'models.protocol.own_sdk', 'models.protocol.across', 'listing.compat.translation')
    verifies('listing.compat.sdks', 'listing.response.streaming')
    const { upstream, engine } = await start()
    const sdk = sdks[caller](engine.url)
    const model = `${wire.replaceAll('_', '-')}:maker/m`
    const expected = { text: TEXT, tokens: [10, 5] }
    expect(await sdk.whole(model)).toEqual(expected)
    expect(await sdk.streamed(model)).toEqual(expected)
    expect(upstream.requests.map(({ path }) => wireOfPath(path))).toEqual([wire, wire])
  })
})

describe('a manifest of an endpoint', () => {
  it.each(['openai', 'anthropic'])(
    'that speaks %s is routed to in that wire, with the key where that vendor wants it',
    async (protocol) => {
      verifies('register.format.openai', 'register.format.anthropic', 'register.manifest.protocol', 'listing.auth.location')
      const upstream = await source((request) =>
        request.method === 'GET'
          ? { json: { data: [{ id: 'maker/m', max_output_length: 64, pricing: { prompt: '0.000001', completion: '0.000001' } }] } }
          : sayInAnyWire(TEXT)(request),
      )
      const lines = [`id: shop`, `endpoint: ${upstream.url}/v1`, `protocol: ${protocol}`, `models_url: ${upstream.url}/v1/models`]
      const registry = { 'providers/shop.yaml': `${lines.join('\n')}\npayment: { modes: [byok] }\n` }
      const engine = await open({ registry, variables: { SHOP_API_KEY: 'sk-shop' } })
      expect(await sdks.chat_completions(engine.url).whole('maker/m')).toEqual({ text: TEXT, tokens: [10, 5] })
      const asked = upstream.requests.find(({ method }) => method === 'POST')
      const expected = { openai: ['chat_completions', 'Bearer sk-shop', undefined], anthropic: ['messages', undefined, 'sk-shop'] }
      expect([wireOfPath(asked?.path ?? ''), asked?.headers.authorization, asked?.headers['x-api-key']]).toEqual(
        expected[protocol as keyof typeof expected],
      )
    },
  )
})
