/** The official clients of the Responses wire read what we encode, and we read what they send. */
import { createOpenAI } from '@ai-sdk/openai'
import { generateText, stepCountIs, streamText, tool } from 'ai'
import fc from 'fast-check'
import OpenAI from 'openai'
import { zodTextFormat } from 'openai/helpers/zod'
import type { Response, ResponseInputItem } from 'openai/resources/responses/responses'
import { afterEach, describe, expect, it } from 'vitest'
import * as z from 'zod'
import type { CompletionPart, FinishReason } from '../../src/completion/part.ts'
import { RouteplaneError } from '../../src/errors.ts'
import { unwrapCarrier } from '../../src/protocol/carrier.ts'
import { responses } from '../../src/protocol/responses/index.ts'
import { wireOf } from '../support/wire.ts'
import { answer } from '../unit/protocol/responses/answers.ts'
import { serveResponses, type ResponsesServer, type Script } from './responses-server.ts'
import { collectEvents, oneByOne } from '../support/parts.ts'

let server: ResponsesServer | undefined

afterEach(async () => {
  await server?.close()
  server = undefined
})

async function clientOf(script: Script): Promise<OpenAI> {
  server = await serveResponses(script)
  return new OpenAI({ apiKey: 'k', baseURL: server.baseUrl, maxRetries: 0 })
}

const start: CompletionPart = { type: 'start', id: '', model: 'north-2' }
const say = (text: string, block = 0): CompletionPart[] => [
  { type: 'text-start', block, candidate: 0 },
  ...[...text].map((character): CompletionPart => ({ type: 'text-delta', block, text: character })),
  { type: 'text-end', block },
]
const call = (id: string, name: string, input: string, block: number, freeform = false): CompletionPart[] => [
  { type: 'tool-input-start', block, candidate: 0, id, name, freeform },
  { type: 'tool-input-delta', block, text: input.slice(0, 3) },
  { type: 'tool-input-delta', block, text: input.slice(3) },
  { type: 'tool-input-end', block },
]
const think = (text: string, block: number): CompletionPart[] => [
  { type: 'reasoning-start', block, candidate: 0, form: 'full' },
  { type: 'reasoning-delta', block, text },
  { type: 'reasoning-end', block, carriers: [{ wire: 'messages', provider: 'acme', kind: 'signature', value: 'SIG' }] },
]
const end = (reason: FinishReason = 'stop'): CompletionPart => ({
  type: 'finish',
  finishes: [{ candidate: 0, reason }],
  usage: { inputTokens: 30, outputTokens: 12, cacheReadTokens: 4, reasoningTokens: 3, origin: 'provider' },
})

describe('the openai client', () => {
  it('accumulates every answer to what its terminal event says', async () => {
    const request = responses.caller.decodeRequest(wireOf({ model: 'm', input: 'hi' }))
    const context = { requestId: 'req_1', model: 'm', nowSeconds: 5, request }
    await fc.assert(
      fc.asyncProperty(answer, async (parts) => {
        const events = (await collectEvents(responses.caller.encodeStream(oneByOne(parts), context))).join('')
        const headers = { 'content-type': 'text/event-stream' }
        const client = new OpenAI({
          apiKey: 'k',
          fetch: () => Promise.resolve(new globalThis.Response(events, { headers })),
          maxRetries: 0,
        })
        const seen: Response[] = []
        const stream = client.responses.stream({ model: 'm', input: 'hi' })
        stream.on('response.completed', ({ response }) => seen.push(response))
        const final = await stream.finalResponse()
        expect(final.status).toBe('completed')
        const texts = parts.flatMap((part) => (part.type === 'text-delta' ? [...part.text] : []))
        expect([...final.output_text].toSorted()).toEqual(texts.toSorted())
        expect(final.output.length).toBe(seen[0]?.output.length)
      }),
      { numRuns: 60 },
    )
  })

  it('reads text, streamed and whole, with its usage', async () => {
    const client = await clientOf(() => [start, ...say('Grüße 👋🏽'), end()])
    const whole = await client.responses.create({ model: 'm', input: 'hi' })
    expect(whole).toMatchObject({ output_text: 'Grüße 👋🏽', status: 'completed', model: 'north-2', object: 'response' })
    expect(whole.usage).toEqual({
      input_tokens: 30,
      input_tokens_details: { cached_tokens: 4 },
      output_tokens: 12,
      output_tokens_details: { reasoning_tokens: 3 },
      total_tokens: 42,
    })
    let text = ''
    for await (const event of await client.responses.create({ model: 'm', input: 'hi', stream: true })) {
      if (event.type === 'response.output_text.delta') text += event.delta
    }
    expect(text).toBe('Grüße 👋🏽')
  })

  it('goes round with functions, free-form tools and thoughts', async () => {
    const client = await clientOf((request) => {
      const results = request.turns.flatMap(({ parts }) => parts.filter(({ type }) => type === 'tool-result'))
      if (results.length === 2) return [start, ...say('It is 12°.'), end()]
      return [
        start,
        ...think('Look it up.', 0),
        ...call('toolu_1', 'weather', '{"city":"Bonn"}', 1),
        ...call('toolu_2', 'patch', '+a"b\n', 2, true),
        end('tool_calls'),
      ]
    })
    const tools = [
      { type: 'function', name: 'weather', parameters: { type: 'object', properties: {} }, strict: false },
      { type: 'custom', name: 'patch', format: { type: 'grammar', syntax: 'regex', definition: '.+' } },
    ] as const
    const input: ResponseInputItem[] = [{ role: 'user', content: 'weather?' }]
    const first = await client.responses.stream({ model: 'm', input, tools: [...tools], store: false }).finalResponse()
    expect(first.output.map(({ type }) => type)).toEqual(['reasoning', 'function_call', 'custom_tool_call'])
    input.push(...(first.output as ResponseInputItem[]))
    for (const item of first.output) {
      if (item.type === 'function_call') input.push({ type: 'function_call_output', call_id: item.call_id, output: '12' })
      if (item.type === 'custom_tool_call') input.push({ type: 'custom_tool_call_output', call_id: item.call_id, output: 'ok' })
    }
    const second = await client.responses.stream({ model: 'm', input, tools: [...tools], store: false }).finalResponse()
    expect(second.output_text).toBe('It is 12°.')
    const history = responses.caller.decodeRequest(server?.requests[1] ?? wireOf({})).turns
    expect(history[1]?.parts).toMatchObject([
      { type: 'reasoning', text: ['Look it up.'], carriers: [{ wire: 'messages', provider: 'acme', value: 'SIG' }] },
      { type: 'tool-call', id: 'toolu_1', name: 'weather', arguments: { value: { city: 'Bonn' } } },
      { type: 'tool-call', id: 'toolu_2', name: 'patch', arguments: { kind: 'text', text: '+a"b\n' } },
    ])
  })

  it('parses structured answers, streamed and whole', async () => {
    const client = await clientOf((request) => {
      expect(request.output).toMatchObject({ kind: 'schema', name: 'city', strict: true })
      return [start, ...say('{"name":"Bonn"}'), end()]
    })
    const text = { format: zodTextFormat(z.object({ name: z.string() }), 'city') }
    expect((await client.responses.parse({ model: 'm', input: 'x', text })).output_parsed).toEqual({ name: 'Bonn' })
    expect((await client.responses.stream({ model: 'm', input: 'x', text }).finalResponse()).output_parsed).toEqual({ name: 'Bonn' })
  })

  it('sees refusals, answers cut short, and failures for what they are', async () => {
    const scripts: Readonly<Record<string, CompletionPart[]>> = {
      refuse: [start, { type: 'refusal-delta', candidate: 0, text: 'No.' }, end('refusal')],
      cut: [start, ...say('Half'), end('length')],
      filter: [start, end('content_filter')],
      fail: [start, ...say('Half'), { type: 'error', error: new RouteplaneError('upstream_error', 'gone') }],
    }
    const client = await clientOf(({ turns }) => {
      const [part] = turns[0]?.parts ?? []
      return scripts[part?.type === 'text' ? part.text : ''] ?? []
    })
    const ask = (input: string) => client.responses.stream({ model: 'm', input }).finalResponse()
    const refused = await ask('refuse')
    expect(refused.output[0]).toMatchObject({ type: 'message', content: [{ type: 'refusal', refusal: 'No.' }] })
    expect(await ask('cut')).toMatchObject({
      status: 'incomplete',
      incomplete_details: { reason: 'max_output_tokens' },
      output_text: 'Half',
    })
    expect(await ask('filter')).toMatchObject({ status: 'incomplete', incomplete_details: { reason: 'content_filter' } })
    expect(await ask('fail')).toMatchObject({ status: 'failed', error: { code: 'server_error' } })
    await expect(client.responses.create({ model: 'm', input: 'fail' })).rejects.toMatchObject({ status: 502, code: 'upstream_error' })
    await expect(client.responses.create({ model: 'm', input: 'x', background: true })).rejects.toMatchObject({
      status: 400,
      param: 'background',
    })
  })

  it('throws at an error event in either belief about its shape', async () => {
    const { event } = responses.caller.encodeError(new RouteplaneError('upstream_timeout', 'too late'), 'req_1')
    const headers = { 'content-type': 'text/event-stream' }
    const client = new OpenAI({ apiKey: 'k', fetch: () => Promise.resolve(new globalThis.Response(event, { headers })), maxRetries: 0 })
    const iterate = async (): Promise<void> => {
      for await (const _ of await client.responses.create({ model: 'm', input: 'x', stream: true }));
    }
    await expect(iterate()).rejects.toMatchObject({ message: expect.stringContaining('too late') as string })
    await expect(client.responses.stream({ model: 'm', input: 'x' }).finalResponse()).rejects.toThrow()
  })

  it('goes on from a stored response, looks at it, and deletes it', async () => {
    const client = await clientOf((request) => [start, ...say(`${request.turns.length} turns`), end()])
    const first = await client.responses.create({ model: 'm', input: 'one' })
    const second = await client.responses.stream({ model: 'm', input: 'two', previous_response_id: first.id }).finalResponse()
    expect(second.output_text).toBe('3 turns')
    const third = await client.responses.create({ model: 'm', input: 'three', previous_response_id: second.id, instructions: 'Be brief.' })
    expect(third.output_text).toBe('5 turns')
    expect(await client.responses.retrieve(second.id)).toMatchObject({ id: second.id, output_text: '3 turns', store: true })
    const listed = await client.responses.inputItems.list(third.id, { order: 'asc', limit: 2 })
    expect(listed.data).toMatchObject([{ role: 'user', content: 'one' }, { role: 'assistant' }])
    await client.responses.delete(second.id)
    await expect(client.responses.retrieve(second.id)).rejects.toMatchObject({ status: 404 })
    const lost = client.responses.create({ model: 'm', input: 'four', previous_response_id: second.id })
    await expect(lost).rejects.toMatchObject({ status: 404, code: 'previous_response_not_found', param: 'previous_response_id' })
    const unstored = await client.responses.create({ model: 'm', input: 'one', store: false })
    expect(unstored.id).not.toBe(first.id)
    await expect(client.responses.retrieve(unstored.id)).rejects.toMatchObject({ status: 404 })
  })

  it('counts input tokens', async () => {
    const client = await clientOf(() => [])
    const counted = await client.responses.inputTokens.count({ model: 'm', input: 'hello there' })
    expect(counted.object).toBe('response.input_tokens')
    expect(counted.input_tokens).toBeGreaterThan(0)
  })
})

describe('the ai client', () => {
  const weather = tool({ description: 'd', inputSchema: z.object({ city: z.string() }), execute: ({ city }) => `12 in ${city}` })
  const script: Script = (request) =>
    request.turns.some(({ role }) => role === 'tool')
      ? [start, ...say('It is 12.'), end()]
      : [start, ...think('Look it up.', 0), ...call('call_1', 'weather', '{"city":"Bonn"}', 1), end('tool_calls')]

  it('goes round with a tool, streamed and whole', async () => {
    server = await serveResponses(script)
    const model = createOpenAI({ apiKey: 'k', baseURL: server.baseUrl }).responses('m')
    const options = { model, prompt: 'weather?', tools: { weather }, stopWhen: stepCountIs(3), maxRetries: 0 }
    const whole = await generateText(options)
    expect(whole.text).toBe('It is 12.')
    expect(whole.steps[0]).toMatchObject({
      reasoningText: 'Look it up.',
      finishReason: 'tool-calls',
      toolCalls: [{ input: { city: 'Bonn' } }],
    })
    const streamed = streamText(options)
    expect(await streamed.text).toBe('It is 12.')
    expect((await streamed.steps)[0]).toMatchObject({ reasoningText: 'Look it up.', finishReason: 'tool-calls' })
    expect((await streamed.usage).inputTokens).toBe(30)
  })

  it('sends a sealed thought back as it was', async () => {
    server = await serveResponses(script)
    const model = createOpenAI({ apiKey: 'k', baseURL: server.baseUrl }).responses('m')
    const providerOptions = { openai: { store: false, include: ['reasoning.encrypted_content'] } }
    await generateText({ model, prompt: 'weather?', tools: { weather }, stopWhen: stepCountIs(3), maxRetries: 0, providerOptions })
    const { input } = server.requests[1]?.json ?? {}
    const sealed = (input as readonly { readonly type?: string; readonly encrypted_content?: string }[]).find(
      ({ type }) => type === 'reasoning',
    )
    expect(unwrapCarrier(sealed?.encrypted_content ?? '')).toMatchObject({ wire: 'messages', provider: 'acme', value: 'SIG' })
  })
})
