/** Anthropic's own SDKs, of both API versions, against the HTTP surface: requests, answers, streams, loops and errors. */
import Anthropic from '@anthropic-ai/sdk'
import Anthropic2023 from 'anthropic-sdk-2023'
import { afterEach, describe, expect, it } from 'vitest'
import { foldParts, unfoldResult } from '../../src/completion/fold.ts'
import type { CompletionPart } from '../../src/completion/part.ts'
import type { CompletionRequest } from '../../src/completion/request.ts'
import { RouteplaneError } from '../../src/errors.ts'
import type { Completion, GatewayCall } from '../../src/gateway/call.ts'
import type { HttpServer } from '../../src/http/serve.ts'
import { decodeStream as decodeChat } from '../../src/protocol/chat-completions/stream.ts'
import { messages } from '../../src/protocol/messages/index.ts'
import { completionOf, nativeJson, nativeStream, scripted, serve, TOKEN } from '../http/support.ts'
import { corpusFiles } from '../support/fixtures.ts'
import { sse } from '../support/upstream.ts'
import { bytes, everything, frame, usage } from '../unit/protocol/messages/support.ts'
import { oneByOne } from '../support/parts.ts'

const servers: HttpServer[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close()
})

async function start(complete: (call: GatewayCall) => Promise<Completion>): Promise<HttpServer> {
  const server = await serve(scripted(complete), { protocols: [messages], foldParts, drainMs: 200 })
  servers.push(server)
  return server
}

const answers = (...parts: readonly CompletionPart[]) => completionOf({ lane: 'translate', parts: oneByOne(parts) })
const hello: readonly CompletionPart[] = [
  { type: 'start', id: 'c1', model: 'gpt' },
  { type: 'reasoning-start', block: 0, candidate: 0, form: 'full' },
  { type: 'reasoning-delta', block: 0, text: 'Hm. ' },
  { type: 'reasoning-delta', block: 0, text: 'Yes.' },
  { type: 'reasoning-end', block: 0, carriers: [] },
  { type: 'text-start', block: 1, candidate: 0 },
  { type: 'text-delta', block: 1, text: 'hel' },
  { type: 'text-delta', block: 1, text: 'lo' },
  { type: 'text-end', block: 1 },
  { type: 'finish', finishes: [{ candidate: 0, reason: 'stop' }], usage: { ...usage(20, 4), cacheReadTokens: 15 } },
]
const calls: readonly CompletionPart[] = [
  { type: 'start', id: 'c1', model: 'gpt' },
  { type: 'tool-input-start', block: 0, candidate: 0, id: 'call:1', name: 'add', freeform: false },
  { type: 'tool-input-start', block: 1, candidate: 0, id: 'call:2', name: 'add', freeform: false },
  { type: 'tool-input-delta', block: 1, text: '{"a":' },
  { type: 'tool-input-delta', block: 0, text: '{"a":1}' },
  { type: 'tool-input-delta', block: 1, text: '2}' },
  { type: 'tool-input-end', block: 0 },
  { type: 'tool-input-end', block: 1 },
  { type: 'finish', finishes: [{ candidate: 0, reason: 'tool_calls' }], usage: usage(9, 9) },
]

const ask = { model: 'a/b', max_tokens: 1024, messages: [{ role: 'user' as const, content: 'hi' }] }
const add = { name: 'add', input_schema: { type: 'object' as const, properties: { a: { type: 'number' } } } }

/** Both SDKs have the members used here; the older one sends its key in a header of its own, the newer one as a bearer. */
const clients = [
  ['1.10 (2026-10-21)', (url: string, apiKey = TOKEN) => new Anthropic({ apiKey, baseURL: url, maxRetries: 0 })],
  [
    '0.137 (2023-06-01)',
    (url: string, apiKey = TOKEN) => new Anthropic2023({ apiKey, baseURL: url, maxRetries: 0 }) as object as Anthropic,
  ],
] as const

describe.each(clients)('the SDK %s', (name, connect) => {
  it('reads a translated answer, whole', async () => {
    const { url } = await start(async () => answers(...hello))
    const answer = await connect(url).messages.create(ask)
    expect(answer.content).toMatchObject([
      { type: 'thinking', thinking: 'Hm. Yes.', signature: expect.stringMatching(/./) },
      { type: 'text', text: 'hello' },
    ])
    expect(answer).toMatchObject({ stop_reason: 'end_turn', usage: { input_tokens: 5, cache_read_input_tokens: 15, output_tokens: 4 } })
    expect(answer._request_id).toMatch(/^req_/)
  })

  it('reads a translated stream, with its helper and one event after another', async () => {
    const { url } = await start(async () => answers(...hello))
    const helped = connect(url).messages.stream(ask)
    const texts: string[] = []
    helped.on('text', (text) => void texts.push(text))
    const message = await helped.finalMessage()
    expect(texts).toEqual(['hel', 'lo'])
    expect(message.content).toMatchObject([
      { type: 'thinking', thinking: 'Hm. Yes.' },
      { type: 'text', text: 'hello' },
    ])
    expect(message).toMatchObject({ stop_reason: 'end_turn', usage: { input_tokens: 5, cache_read_input_tokens: 15, output_tokens: 4 } })

    const seen: string[] = []
    for await (const event of await connect(url).messages.create({ ...ask, stream: true })) seen.push(event.type)
    expect(seen[0]).toBe('message_start')
    expect(seen.at(-1)).toBe('message_stop')
  })

  it('puts interleaved calls together, and gives their results back to whoever asked', async () => {
    const asked: CompletionRequest[] = []
    const { url } = await start(async (call) => {
      asked.push(call.decode())
      return answers(...(asked.length === 1 ? calls : hello))
    })
    const client = connect(url)
    const first = await client.messages.stream({ ...ask, tools: [add] }).finalMessage()
    expect(first.stop_reason).toBe('tool_use')
    const used = first.content.filter((block) => block.type === 'tool_use')
    expect(used.map(({ input }) => input)).toEqual([{ a: 1 }, { a: 2 }])

    const results = used.map(({ id }) => ({ type: 'tool_result' as const, tool_use_id: id, content: 'ok' }))
    await client.messages.create({
      ...ask,
      tools: [add],
      messages: [...ask.messages, { role: 'assistant', content: first.content }, { role: 'user', content: results }],
    })
    const [, assistant, tools] = asked[1]?.turns ?? []
    expect(assistant?.parts.map((part) => part.type === 'tool-call' && part.id)).toEqual(used.map(({ id }) => id))
    expect(tools?.parts.map((part) => part.type === 'tool-result' && part.callId)).toEqual(used.map(({ id }) => id))
  })

  it('reads what an upstream of Chat Completions streams', async () => {
    const chunk = (delta: unknown, finish: string | null = null) => ({
      id: 'c',
      object: 'chat.completion.chunk',
      created: 1,
      model: 'm',
      choices: [{ index: 0, delta, finish_reason: finish }],
    })
    const call = (index: number, id: string, text: string) => ({
      tool_calls: [{ index, id, type: 'function', function: { name: 'add', arguments: text } }],
    })
    const upstream = sse(
      chunk({ role: 'assistant', reasoning_content: 'think' }),
      chunk({ content: 'I call' }),
      chunk(call(0, 'call_a', '{"a"')),
      chunk(call(1, 'call_b', '{"a":2}')),
      chunk({ tool_calls: [{ index: 0, function: { arguments: ':1}' } }] }),
      chunk({}, 'tool_calls'),
      { id: 'c', choices: [], usage: { prompt_tokens: 7, completion_tokens: 5, total_tokens: 12 } },
      '[DONE]',
    )
    const { url } = await start(async () => completionOf({ lane: 'translate', parts: decodeChat(bytes(upstream)) }))
    const message = await connect(url)
      .messages.stream({ ...ask, tools: [add] })
      .finalMessage()
    expect(message.content).toMatchObject([
      { type: 'thinking', thinking: 'think' },
      { type: 'text', text: 'I call' },
      { type: 'tool_use', id: 'call_a', input: { a: 1 } },
      { type: 'tool_use', id: 'call_b', input: { a: 2 } },
    ])
    expect(message.usage).toMatchObject({ input_tokens: 7, output_tokens: 5 })
  })

  it('reads the native lane byte for byte, whole and streamed', async () => {
    const whole = {
      id: 'msg_1',
      type: 'message',
      role: 'assistant',
      model: 'x',
      content: [{ type: 'text', text: 'hi', new: 1 }],
      stop_reason: 'end_turn',
      usage: { input_tokens: 1, output_tokens: 1 },
    }
    const { url } = await start(async ({ read }) => (read.needs.stream ? nativeStream(bytes(frame(everything))) : nativeJson(whole)))
    expect(await connect(url).messages.create(ask)).toMatchObject(whole)
    const message = await connect(url).messages.stream(ask).finalMessage()
    expect(message.content.map(({ type }) => type)).toEqual([
      'thinking',
      'redacted_thinking',
      'text',
      'server_tool_use',
      'web_search_tool_result',
      'tool_use',
      'tool_use',
    ])
  })

  it('throws the error that the gateway means, before the first byte and after it', async () => {
    const failing = await start(async () => {
      throw new RouteplaneError('budget_exceeded', 'the cap is reached')
    })
    await expect(connect(failing.url).messages.create(ask)).rejects.toMatchObject({
      status: 403,
      error: {
        type: 'error',
        error: { type: 'permission_error', message: 'the cap is reached', details: { error_code: 'budget_exceeded' } },
      },
    })

    const error = new RouteplaneError('upstream_rate_limited', 'too many')
    const breaking = await start(async () => answers(...hello.slice(0, 7), { type: 'error', error }))
    const helped = connect(breaking.url).messages.stream(ask)
    await expect(helped.finalMessage()).rejects.toThrow('too many')
    const events = await connect(breaking.url).messages.create({ ...ask, stream: true })
    const iterate = async () => {
      for await (const event of events) expect(event.type).not.toBe('message_stop')
    }
    await expect(iterate()).rejects.toThrow('too many')
  })

  it('is refused in its own words when its request is wrong', async () => {
    const { url } = await start(async () => answers(...hello))
    const wrong = { ...ask, messages: [{ role: 'assistant' as const, content: 'x' }] }
    await expect(connect(url).messages.create(wrong)).rejects.toMatchObject({
      status: 400,
      error: { error: { type: 'invalid_request_error' } },
    })
    await expect(connect(url, 'wrong').messages.create(ask)).rejects.toMatchObject({
      status: 401,
      error: { error: { type: 'authentication_error' } },
    })
  })

  it('sends its betas, its version and its query, and all of them arrive', async () => {
    const asked: GatewayCall[] = []
    const { url } = await start(async (call) => {
      asked.push(call)
      return answers(...hello)
    })
    await connect(url).beta.messages.create({ ...ask, betas: ['effort-2025-11-24', 'context-management-2025-06-27'] })
    const wire = asked[0]?.wire?.request
    if (wire === undefined) throw new Error('nothing was asked')
    const { headers, path } = messages.upstream.forward(wire, { model: 'm', stream: false })
    expect(headers['anthropic-version']).toBe(name.startsWith('1.') ? '2026-10-21' : '2023-06-01')
    expect(headers['anthropic-beta']).toBe('effort-2025-11-24,context-management-2025-06-27')
    expect(path).toBe(name.startsWith('1.') ? '/messages' : '/messages?beta=true')
    expect(Object.keys(headers)).not.toContain('x-api-key')
    expect(Object.keys(headers)).not.toContain('authorization')
  })

  it('reads every recorded stream after it was taken apart and written anew', async () => {
    for (const { text } of corpusFiles('anthropic-messages', 'stream')) {
      const framed = text.startsWith('event:')
        ? text
        : frame(
            text
              .trim()
              .split('\n')
              .map((line) => JSON.parse(line) as Record<string, unknown>),
          )
      const { url } = await start(async () => completionOf({ lane: 'translate', parts: messages.upstream.decodeStream(bytes(framed)) }))
      const message = await connect(url).messages.stream(ask).finalMessage()
      const expected = await foldParts(messages.upstream.decodeStream(bytes(framed)))
      const said = expected.candidates[0]?.content.flatMap((part) => (part.type === 'text' ? [part.text] : []))
      expect(message.content.flatMap((block) => (block.type === 'text' ? [block.text] : []))).toEqual(said)
      expect(message.usage.output_tokens).toBe(expected.usage?.outputTokens)
    }
  })

  it('reads every recorded answer after it was taken apart and written anew', async () => {
    for (const { text } of corpusFiles('anthropic-messages', 'response')) {
      const result = messages.upstream.decodeResult(JSON.parse(text))
      const { url } = await start(async () => answers(...unfoldResult(result)))
      const message = await connect(url).messages.create(ask)
      const kinds = (content: readonly { readonly type: string }[]) => content.map(({ type }) => type).toSorted()
      expect(kinds(message.content)).toEqual(kinds((JSON.parse(text) as { content: { type: string }[] }).content))
    }
  })
})

describe('what Claude Code sends', () => {
  const session = {
    model: 'a/b',
    max_tokens: 128_000,
    stream: true,
    thinking: { type: 'adaptive', display: 'omitted' },
    context_management: { edits: [{ type: 'clear_thinking_20251015', keep: 'all' }] },
    output_config: { effort: 'medium' },
    metadata: { user_id: '{"device_id":"d","session_id":"s"}' },
    system: [
      { type: 'text', text: 'x-anthropic-billing-header: cc_version=9.9; cc_entrypoint=sdk-cli;' },
      { type: 'text', text: 'You are an agent.', cache_control: { type: 'ephemeral' } },
      { type: 'text', text: 'Work with the user.', cache_control: { type: 'ephemeral' } },
    ],
    messages: [
      {
        role: 'user',
        content: [
          { type: 'text', text: 'Reminder.' },
          { type: 'text', text: 'say hi' },
        ],
      },
      { role: 'system', content: '# Environment', output_config: { effort: 'medium' } },
      {
        role: 'assistant',
        content: [
          { type: 'thinking', thinking: '', signature: 'SIG==' },
          { type: 'text', text: 'ok' },
          { type: 'tool_use', id: 'toolu_01', name: 'Bash', input: { command: 'echo hi' } },
        ],
      },
      {
        role: 'user',
        content: [{ type: 'tool_result', tool_use_id: 'toolu_01', content: 'hi', is_error: false, cache_control: { type: 'ephemeral' } }],
      },
    ],
    tools: [
      {
        name: 'Bash',
        description: 'Runs a command.',
        input_schema: {
          $schema: 'https://json-schema.org/draft/2020-12/schema',
          type: 'object',
          properties: { command: { type: 'string' }, timeout: { type: 'integer', exclusiveMinimum: 0 } },
          required: ['command'],
          additionalProperties: false,
        },
      },
      { name: 'Later', description: 'Not yet.', input_schema: { type: 'object', properties: {} }, defer_loading: true },
    ],
  }
  const headers = {
    authorization: `Bearer ${TOKEN}`,
    'content-type': 'application/json',
    'anthropic-version': '2023-06-01',
    'anthropic-beta': 'claude-code-20250219,interleaved-thinking-2025-05-14,context-management-2025-06-27',
    'x-claude-code-session-id': 's',
  }
  const send = (server: HttpServer, body: unknown = session) =>
    fetch(`${server.url}/v1/messages?beta=true`, { method: 'POST', headers, body: JSON.stringify(body) })

  it('is understood whole, with hints for losses and nothing that is refused', async () => {
    const asked: GatewayCall[] = []
    const server = await start(async (call) => {
      asked.push(call)
      return answers(...hello)
    })
    const answer = await send(server)
    expect(answer.status).toBe(200)
    expect(await answer.text()).toContain('event: message_stop')
    const request = asked[0]?.decode()
    expect(request?.turns.map(({ role }) => role)).toEqual(['user', 'system', 'assistant', 'tool'])
    expect(request?.system.map(({ text }) => text)).toEqual(['You are an agent.', 'Work with the user.'])
    expect(request).toMatchObject({
      reasoning: { adaptive: true, effort: 'medium', display: 'omitted' },
      state: {},
      maxOutputTokens: 128_000,
    })
    expect(request?.unknown.map(({ path }) => path)).toEqual(['messages[1].output_config', 'tools[1].defer_loading', 'system[0]'])
    expect(asked[0]?.read.needs.features).toEqual(['tools'])
  })

  it('goes on to its own vendor as it came, but for the model', async () => {
    const asked: GatewayCall[] = []
    const server = await start(async (call) => {
      asked.push(call)
      return answers(...hello)
    })
    await (await send(server)).text()
    const wire = asked[0]?.wire?.request
    if (wire === undefined) throw new Error('nothing was asked')
    const { body, path, headers: forwarded } = messages.upstream.forward(wire, { model: 'claude-x', stream: true })
    expect(Buffer.from(body).toString()).toBe(JSON.stringify({ ...session, model: 'claude-x' }))
    expect(path).toBe('/messages?beta=true')
    expect(forwarded).toMatchObject({ 'anthropic-beta': headers['anthropic-beta'], 'anthropic-version': '2023-06-01' })
    expect(forwarded).not.toHaveProperty('x-claude-code-session-id')
  })

  it('gets the words it shortens its context by', async () => {
    const error = new RouteplaneError(
      'invalid_request',
      "the upstream answered 400: This model's maximum context length is 128000 tokens. However, you requested 130000 tokens.",
      {
        details: { status: 400, upstreamCode: 'context_length_exceeded' },
      },
    )
    const server = await start(async () => {
      throw error
    })
    const answer = await send(server)
    expect(answer.status).toBe(400)
    expect(await answer.json()).toMatchObject({
      error: { type: 'invalid_request_error', message: 'prompt is too long: 130000 tokens > 128000 maximum' },
    })
  })
})
