/** The helpers of the official SDKs (tool runners, parsers, chats) through a whole gateway, before providers of every wire. */
import { createAnthropic } from '@ai-sdk/anthropic'
import { createGoogleGenerativeAI } from '@ai-sdk/google'
import { createOpenAI } from '@ai-sdk/openai'
import Anthropic from '@anthropic-ai/sdk'
import { betaZodTool } from '@anthropic-ai/sdk/helpers/beta/zod'
import { zodOutputFormat } from '@anthropic-ai/sdk/helpers/zod'
import { GoogleGenAI, type FunctionCall, type Part } from '@google/genai'
import { generateText, Output, stepCountIs, streamText, tool, type LanguageModel } from 'ai'
import Anthropic2023 from 'anthropic-sdk-2023'
import { betaZodTool as betaZodTool2023 } from 'anthropic-sdk-2023/helpers/beta/zod'
import OpenAI from 'openai'
import { zodFunction, zodResponseFormat, zodTextFormat } from 'openai/helpers/zod'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { CompletionRequest } from '../../src/completion/request.ts'
import { protocols } from '../../src/protocol/index.ts'
import type { ProtocolId } from '../../src/protocol/protocol.ts'
import { startGateway, type PlayedGateway } from '../support/gateway.ts'
import { calls, playWire, says, type PlayedWire } from '../support/played-wire.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import { verifies } from '../support/verifies.ts'

const CITIES = ['Bonn', 'Oslo'] as const
const answer = z.object({ city: z.string(), degrees: z.number() })
const ANSWER = { city: 'Bonn', degrees: 12 }
const QUESTION = 'Is it cold in Bonn and in Oslo?'
const city = z.object({ city: z.string() })
const PICTURE = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='
const DOCUMENT = Buffer.from('%PDF-1.4\n%%EOF\n').toString('base64')

let gateway: PlayedGateway
/** Never answers. */
let slow: Upstream
/** Fails with the status that the model's name has. */
let broken: Upstream
const played: PlayedWire[] = []
/** What the provider understood, request by request. */
const understood: CompletionRequest[] = []
const providerOf = (wire: ProtocolId): string => `played-${wire.replace('_', '-')}`

beforeAll(async () => {
  // It warns of every model that it does not know, and it knows none of these.
  Object.assign(globalThis, { AI_SDK_LOG_WARNINGS: false })
  const providers = await Promise.all(
    protocols.map(async (protocol) => {
      const wire = await playWire(protocol, (request) => {
        understood.push(request)
        const hasResults = request.turns.some(({ parts }) => parts.some(({ type }) => type === 'tool-result'))
        if (isAskedByTool(request)) return calls(['json', ANSWER])
        if (request.tools.length > 0 && !hasResults) return calls(...CITIES.map((name) => ['weather', { city: name }] as const))
        return says(request.output.kind === 'schema' ? JSON.stringify(ANSWER) : 'It is cold.')
      })
      played.push(wire)
      return { id: providerOf(protocol.id), baseUrl: wire.baseUrl, wires: [protocol.id] }
    }),
  )
  slow = await startUpstream(({ json }) => ({
    stream: ['stall'],
    headers: { 'content-type': (json as { stream?: boolean }).stream === true ? 'text/event-stream' : 'application/json' },
  }))
  broken = await startUpstream(({ json }) => ({
    status: Number(/\d{3}/.exec(String((json as { model?: unknown }).model))?.[0]),
    headers: { 'retry-after-ms': '1' },
    json: { error: { message: 'broken' } },
  }))
  const failing = [
    { id: 'slow', baseUrl: `${slow.url}/v1`, wires: ['chat_completions' as const] },
    { id: 'broken', baseUrl: `${broken.url}/v1`, wires: ['chat_completions' as const] },
  ]
  gateway = await startGateway([...providers, ...failing])
})

beforeEach(() => {
  understood.length = 0
})

afterAll(async () => {
  await gateway.close()
  await Promise.all([...played.map(({ upstream }) => upstream.close()), slow.close(), broken.close()])
})

/** Of models that it does not know, the AI SDK wants a schema's answer as the arguments of a tool of this name. */
function isAskedByTool({ tools }: CompletionRequest): boolean {
  return tools.some((offered) => offered.type === 'function' && offered.name === 'json')
}

const openai = (url: string): OpenAI => new OpenAI({ baseURL: `${url}/v1`, apiKey: 'k', maxRetries: 2 })
const anthropic = (url: string): Anthropic => new Anthropic({ baseURL: url, apiKey: 'k', maxRetries: 2 })
const anthropic2023 = (url: string): Anthropic2023 => new Anthropic2023({ baseURL: url, apiKey: 'k', maxRetries: 2 })
const google = (url: string): GoogleGenAI => new GoogleGenAI({ apiKey: 'k', httpOptions: { baseUrl: url } })

/** What a helper did: the cities it was called for, and what it says in the end. */
type Told = { readonly asked: readonly string[]; readonly text: string }
type Loop = (url: string, model: string) => Promise<Told>

const weatherOf =
  (asked: string[]) =>
  ({ city: name }: { readonly city: string }): string => {
    asked.push(name)
    return `${name}: 3 degrees`
  }

async function runTools(url: string, model: string, isStreamed: boolean): Promise<Told> {
  const asked: string[] = []
  const weather = zodFunction({ name: 'weather', description: 'Tells the weather', parameters: city, function: weatherOf(asked) })
  const body = { model, messages: [{ role: 'user' as const, content: QUESTION }], tools: [weather] }
  const { completions } = openai(url).chat
  const runner = isStreamed ? completions.runTools({ ...body, stream: true }) : completions.runTools(body)
  return { asked, text: (await runner.finalContent()) ?? '' }
}

async function toolRunner(client: Anthropic, model: string, isStreamed: boolean): Promise<Told> {
  const asked: string[] = []
  const weather = betaZodTool({ name: 'weather', description: 'Tells the weather', inputSchema: city, run: weatherOf(asked) })
  const body = { model, max_tokens: 500, messages: [{ role: 'user' as const, content: QUESTION }], tools: [weather] }
  const runner = isStreamed ? client.beta.messages.toolRunner({ ...body, stream: true }) : client.beta.messages.toolRunner(body)
  const { content } = await runner.runUntilDone()
  return { asked, text: content.map((block) => (block.type === 'text' ? block.text : '')).join('') }
}

async function automaticCalls(url: string, model: string, isStreamed: boolean): Promise<Told> {
  const asked: string[] = []
  const weather = weatherOf(asked)
  const callable = {
    tool: () => Promise.resolve({ functionDeclarations: [{ name: 'weather', parametersJsonSchema: z.toJSONSchema(city) }] }),
    callTool: (found: FunctionCall[]): Promise<Part[]> =>
      Promise.resolve(
        found.map(({ id, name, args }) => ({
          functionResponse: { name: name ?? '', response: { output: weather(city.parse(args)) }, ...(id === undefined ? {} : { id }) },
        })),
      ),
  }
  const chat = google(url).chats.create({ model, config: { tools: [callable] } })
  if (!isStreamed) return { asked, text: (await chat.sendMessage({ message: QUESTION })).text ?? '' }
  let text = ''
  for await (const chunk of await chat.sendMessageStream({ message: QUESTION })) text += chunk.text ?? ''
  return { asked, text }
}

const aiModels: Readonly<Record<string, (url: string, model: string) => LanguageModel>> = {
  'ai, openai chat': (url, model) => createOpenAI({ baseURL: `${url}/v1`, apiKey: 'k' }).chat(model),
  'ai, openai responses': (url, model) => createOpenAI({ baseURL: `${url}/v1`, apiKey: 'k' }).responses(model),
  'ai, anthropic': (url, model) => createAnthropic({ baseURL: `${url}/v1`, apiKey: 'k' })(model),
  'ai, google': (url, model) => createGoogleGenerativeAI({ baseURL: `${url}/v1beta`, apiKey: 'k' })(model),
}

async function aiSteps(model: LanguageModel, isStreamed: boolean): Promise<Told> {
  const asked: string[] = []
  const weather = tool({ description: 'Tells the weather', inputSchema: city, execute: weatherOf(asked) })
  const options = { model, prompt: QUESTION, tools: { weather }, stopWhen: stepCountIs(3) }
  return { asked, text: isStreamed ? await streamText(options).text : (await generateText(options)).text }
}

const loops: readonly (readonly [string, Loop])[] = [false, true].flatMap((isStreamed) =>
  (
    [
      ['openai runTools', (url, model) => runTools(url, model, isStreamed)],
      ['anthropic 1.10 toolRunner', (url, model) => toolRunner(anthropic(url), model, isStreamed)],
      ['google chat with callable tools', (url, model) => automaticCalls(url, model, isStreamed)],
      ...Object.entries(aiModels).map(([name, modelOf]): [string, Loop] => [
        name,
        (url, model) => aiSteps(modelOf(url, model), isStreamed),
      ]),
    ] as const satisfies readonly (readonly [string, Loop])[]
  ).map(([name, run]) => [`${name}${isStreamed ? ', streamed' : ''}`, run] as const),
)

async function toolRunner2023(url: string, model: string): Promise<Told> {
  const asked: string[] = []
  const weather = betaZodTool2023({ name: 'weather', description: 'Tells the weather', inputSchema: city, run: weatherOf(asked) })
  const body = { model, max_tokens: 500, temperature: 0.5, messages: [{ role: 'user' as const, content: QUESTION }], tools: [weather] }
  const { content } = await anthropic2023(url).beta.messages.toolRunner(body).runUntilDone()
  return { asked, text: content.map((block) => (block.type === 'text' ? block.text : '')).join('') }
}

const BY_TOOL = 'ai, anthropic, Output.object'

const structured: readonly (readonly [string, (url: string, model: string) => Promise<unknown>])[] = [
  [
    'openai chat.completions.parse',
    async (url, model) => {
      const format = zodResponseFormat(answer, 'answer')
      const body = { model, messages: [{ role: 'user' as const, content: QUESTION }], response_format: format }
      return (await openai(url).chat.completions.parse(body)).choices[0]?.message.parsed
    },
  ],
  [
    'openai responses.parse',
    async (url, model) =>
      (await openai(url).responses.parse({ model, input: QUESTION, text: { format: zodTextFormat(answer, 'answer') } })).output_parsed,
  ],
  [
    'anthropic messages.parse',
    async (url, model) => {
      const body = { model, max_tokens: 500, messages: [{ role: 'user' as const, content: QUESTION }] }
      return (await anthropic(url).messages.parse({ ...body, output_config: { format: zodOutputFormat(answer) } })).parsed_output
    },
  ],
  [
    'google responseJsonSchema',
    async (url, model) => {
      const config = { responseMimeType: 'application/json', responseJsonSchema: z.toJSONSchema(answer) }
      return JSON.parse((await google(url).models.generateContent({ model, contents: QUESTION, config })).text ?? '') as unknown
    },
  ],
  ...Object.entries(aiModels).map(
    ([name, modelOf]) =>
      [
        `${name}, Output.object`,
        async (url: string, model: string) =>
          (await generateText({ model: modelOf(url, model), prompt: QUESTION, output: Output.object({ schema: answer }) }))
            .output as unknown,
      ] as const,
  ),
]

const media: readonly (readonly [string, (url: string, model: string) => Promise<string | null | undefined>])[] = [
  [
    'openai chat',
    async (url, model) => {
      const content: OpenAI.ChatCompletionContentPart[] = [
        { type: 'text', text: QUESTION },
        { type: 'image_url', image_url: { url: `data:image/png;base64,${PICTURE}` } },
        { type: 'file', file: { filename: 'a.pdf', file_data: `data:application/pdf;base64,${DOCUMENT}` } },
      ]
      return (await openai(url).chat.completions.create({ model, messages: [{ role: 'user', content }] })).choices[0]?.message.content
    },
  ],
  [
    'openai responses',
    async (url, model) => {
      const content: OpenAI.Responses.ResponseInputContent[] = [
        { type: 'input_text', text: QUESTION },
        { type: 'input_image', image_url: `data:image/png;base64,${PICTURE}`, detail: 'auto' },
        { type: 'input_file', filename: 'a.pdf', file_data: `data:application/pdf;base64,${DOCUMENT}` },
      ]
      return (await openai(url).responses.create({ model, input: [{ role: 'user', content }] })).output_text
    },
  ],
  [
    'anthropic',
    async (url, model) => {
      const content: Anthropic.ContentBlockParam[] = [
        { type: 'text', text: QUESTION },
        { type: 'image', source: { type: 'base64', media_type: 'image/png', data: PICTURE } },
        { type: 'document', source: { type: 'base64', media_type: 'application/pdf', data: DOCUMENT } },
      ]
      const said = await anthropic(url).messages.create({ model, max_tokens: 500, messages: [{ role: 'user', content }] })
      return said.content.map((block) => (block.type === 'text' ? block.text : '')).join('')
    },
  ],
  [
    'google',
    async (url, model) => {
      const parts = [
        { text: QUESTION },
        { inlineData: { mimeType: 'image/png', data: PICTURE } },
        { inlineData: { mimeType: 'application/pdf', data: DOCUMENT } },
      ]
      return (await google(url).models.generateContent({ model, contents: [{ role: 'user', parts }] })).text
    },
  ],
]

describe.each(protocols.map(({ id }) => id))('before a provider of %s', (wire) => {
  const model = `${providerOf(wire)}:north/star-2`

  it.each([...loops, ['anthropic 0.137 toolRunner', toolRunner2023] as const])(
    '%s calls both tools and tells the end',
    async (_name, run) => {
      verifies('models.protocol.own_sdk')
      expect(await run(gateway.url, model)).toEqual({ asked: [...CITIES], text: 'It is cold.' })
      const results = understood.at(-1)?.turns.flatMap(({ parts }) => parts.flatMap((part) => (part.type === 'tool-result' ? [part] : [])))
      expect(JSON.stringify(results)).toMatch(/Bonn: 3 degrees.*Oslo: 3 degrees/)
      expect(understood.map(({ stream }) => stream)).toHaveLength(2)
    },
  )

  it.each(structured)('%s reads an answer of its schema', async (name, run) => {
    expect(await run(gateway.url, model)).toEqual(ANSWER)
    expect(understood.map((request) => isAskedByTool(request) || request.output.kind)).toEqual([name === BY_TOOL || 'schema'])
  })

  it.each(media)('%s shows a picture and a document', async (_name, run) => {
    expect(await run(gateway.url, model)).toBe('It is cold.')
    const parts = understood[0]?.turns.flatMap(({ parts: each }) => each) ?? []
    expect(
      parts.flatMap((part) =>
        'source' in part && part.source.kind === 'inline' ? [[part.type, part.source.mimeType, part.source.base64]] : [],
      ),
    ).toEqual([
      ['image', 'image/png', PICTURE],
      ['file', 'application/pdf', DOCUMENT],
    ])
  })
})

describe('an SDK that gives up', () => {
  const asks: readonly (readonly [string, (url: string, model: string, signal: AbortSignal) => Promise<unknown>])[] = [
    [
      'openai chat',
      (url, model, signal) =>
        openai(url)
          .chat.completions.stream({ model, messages: [{ role: 'user', content: QUESTION }] }, { signal })
          .finalContent(),
    ],
    ['openai responses', (url, model, signal) => openai(url).responses.create({ model, input: QUESTION, stream: true }, { signal })],
    [
      'anthropic',
      (url, model, signal) =>
        anthropic(url)
          .messages.stream({ model, max_tokens: 9, messages: [{ role: 'user', content: QUESTION }] }, { signal })
          .finalMessage(),
    ],
    ['google', (url, model, abortSignal) => google(url).models.generateContent({ model, contents: QUESTION, config: { abortSignal } })],
    ...Object.entries(aiModels).map(
      ([name, modelOf]) =>
        [
          name,
          (url: string, model: string, abortSignal: AbortSignal) =>
            generateText({ model: modelOf(url, model), prompt: QUESTION, abortSignal }),
        ] as const,
    ),
  ]

  it.each(asks)('%s takes its upstream request with it', async (_name, ask) => {
    const abort = new AbortController()
    const before = slow.requests.length
    const refused = expect(ask(gateway.url, 'slow:m', abort.signal)).rejects.toThrow()
    await expect.poll(() => slow.requests.length).toBe(before + 1)
    abort.abort()
    await refused
    await slow.requests[before]?.closed
  })
})

describe('an SDK that retries', () => {
  const asks: readonly (readonly [string, (url: string, model: string) => Promise<unknown>])[] = [
    ['openai chat', (url, model) => openai(url).chat.completions.create({ model, messages: [{ role: 'user', content: QUESTION }] })],
    ['openai responses', (url, model) => openai(url).responses.create({ model, input: QUESTION })],
    [
      'anthropic 1.10',
      (url, model) => anthropic(url).messages.create({ model, max_tokens: 9, messages: [{ role: 'user', content: QUESTION }] }),
    ],
    [
      'anthropic 0.137',
      (url, model) => anthropic2023(url).messages.create({ model, max_tokens: 9, messages: [{ role: 'user', content: QUESTION }] }),
    ],
  ]

  it.each(asks)('%s does not ask again what the gateway has tried', async (_name, ask) => {
    const before = broken.requests.length
    await expect(ask(gateway.url, `broken:model-500-${before}`)).rejects.toMatchObject({ status: 502 })
    expect(broken.requests).toHaveLength(before + 1)
  })

  it.each(asks)('%s comes back to a provider that has too much to do', async (_name, ask) => {
    const before = broken.requests.length
    await expect(ask(gateway.url, `broken:model-503-${before}`)).rejects.toMatchObject({ status: expect.toBeOneOf([502, 529]) as unknown })
    expect(broken.requests).toHaveLength(before + 3)
  })
})
