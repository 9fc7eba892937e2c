/** What the compliance suite of Open Responses asks of a server over HTTP, asked of the gateway before providers of every wire. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { protocols } from '../../src/protocol/index.ts'
import { isRecord } from '../../src/lib/json.ts'
import { collect, from } from '../support/fixtures.ts'
import { createSseDecoder } from '../../src/lib/sse.ts'
import { startGateway, type PlayedGateway } from '../support/gateway.ts'
import { calls, playWire, says, type PlayedWire } from '../support/played-wire.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

let gateway: PlayedGateway
let compactor: Upstream
const played: PlayedWire[] = []
const providerOf = (wire: string): string => `played-${wire.replace('_', '-')}`

beforeAll(async () => {
  const providers = await Promise.all(
    protocols.map(async (protocol) => {
      const wire = await playWire(protocol, ({ tools }) =>
        tools.length > 0 ? calls(['get_weather', { location: 'San Francisco, CA' }]) : says('Good day to you.'),
      )
      played.push(wire)
      return { id: providerOf(protocol.id), baseUrl: wire.baseUrl, wires: [protocol.id] }
    }),
  )
  compactor = await startUpstream({ json: compaction })
  gateway = await startGateway([...providers, { id: 'compactor', baseUrl: `${compactor.url}/v1`, wires: ['responses'] }])
})

afterAll(async () => {
  await gateway.close()
  await Promise.all([...played.map(({ upstream }) => upstream.close()), compactor.close()])
})

const usage = z.object({
  input_tokens: z.int(),
  output_tokens: z.int(),
  total_tokens: z.int(),
  input_tokens_details: z.object({ cached_tokens: z.int() }),
  output_tokens_details: z.object({ reasoning_tokens: z.int() }),
})

const item = z.union([
  z.looseObject({
    type: z.literal('message'),
    id: z.string(),
    status: z.enum(['in_progress', 'completed', 'incomplete']),
    role: z.literal('assistant'),
    content: z.array(
      z.looseObject({
        type: z.literal('output_text'),
        text: z.string(),
        annotations: z.array(z.unknown()),
        logprobs: z.array(z.unknown()),
      }),
    ),
  }),
  z.looseObject({
    type: z.literal('function_call'),
    id: z.string(),
    call_id: z.string(),
    name: z.string(),
    arguments: z.string(),
    status: z.enum(['in_progress', 'completed', 'incomplete']),
  }),
])

/** Every member must be there; OpenAI itself leaves some out. @see https://www.openresponses.org/openapi/openapi.json */
const response = z.looseObject({
  id: z.string().min(1),
  object: z.literal('response'),
  created_at: z.int(),
  completed_at: z.int().nullable(),
  status: z.string(),
  incomplete_details: z.object({ reason: z.string() }).nullable(),
  model: z.string(),
  previous_response_id: z.string().nullable(),
  instructions: z.string().nullable(),
  output: z.array(item),
  error: z.object({ code: z.string(), message: z.string() }).nullable(),
  tools: z.array(z.looseObject({ type: z.string() })),
  tool_choice: z.union([z.string(), z.looseObject({ type: z.string() })]),
  truncation: z.enum(['auto', 'disabled']),
  parallel_tool_calls: z.boolean(),
  text: z.looseObject({ format: z.looseObject({ type: z.string() }) }),
  top_p: z.number(),
  presence_penalty: z.number(),
  frequency_penalty: z.number(),
  top_logprobs: z.int(),
  temperature: z.number(),
  reasoning: z.looseObject({ effort: z.string().nullable(), summary: z.string().nullable() }).nullable(),
  usage: usage.nullable(),
  max_output_tokens: z.int().nullable(),
  max_tool_calls: z.int().nullable(),
  store: z.boolean(),
  background: z.boolean(),
  service_tier: z.string(),
  metadata: z.record(z.string(), z.string()),
  safety_identifier: z.string().nullable(),
  prompt_cache_key: z.string().nullable(),
})

type Asked = Readonly<Record<string, unknown>>

const say = (role: string, content: unknown) => ({ type: 'message', role, content })
const weather = {
  type: 'function',
  name: 'get_weather',
  description: 'Tells the weather of a place',
  parameters: { type: 'object', properties: { location: { type: 'string', description: 'City and state' } }, required: ['location'] },
}
const picture = {
  type: 'input_image',
  image_url: 'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
}

const requests: readonly (readonly [string, Asked, string])[] = [
  ['a plain question', { input: [say('user', 'Say hello.')] }, 'message'],
  ['a system message', { input: [say('system', 'Speak like a sailor.'), say('user', 'Say hello.')] }, 'message'],
  ['a function', { input: [say('user', 'What is the weather in San Francisco?')], tools: [weather] }, 'function_call'],
  ['a picture', { input: [say('user', [{ type: 'input_text', text: 'What is this?' }, picture])] }, 'message'],
  ['several turns', { input: [say('user', 'I am Ann.'), say('assistant', 'Hello Ann.'), say('user', 'Who am I?')] }, 'message'],
]

function ask(wire: string, body: Asked, path = '/v1/responses'): Promise<Response> {
  return fetch(gateway.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: 'Bearer any' },
    body: JSON.stringify({ model: `${wire}:m`, ...body }),
  })
}

async function eventsOf(answered: Response): Promise<readonly Asked[]> {
  const decoder = createSseDecoder(1_000_000)
  const bytes = Buffer.concat(await collect(from([new Uint8Array(await answered.arrayBuffer())])))
  return [...decoder.push(bytes), ...decoder.end()].flatMap((found) => ('data' in found ? [JSON.parse(found.data) as Asked] : []))
}

describe.each(protocols.map(({ id }) => [id, providerOf(id)] as const))('before a provider of %s', (_wire, provider) => {
  it.each(requests)('%s is answered whole', async (_name, body, kind) => {
    const answered = await ask(provider, body)
    expect(answered.status).toBe(200)
    const whole = response.parse(await answered.json())
    expect(whole.status).toBe('completed')
    expect(whole.output.map(({ type }) => type)).toContain(kind)
  })

  it.each(requests)('%s is answered in events, of which the last has the whole answer', async (_name, body, kind) => {
    const events = await eventsOf(await ask(provider, { ...body, stream: true }))
    expect(events.map(({ sequence_number }) => sequence_number)).toEqual(events.map((_, at) => at))
    const types = events.map(({ type }) => type)
    expect(types[0]).toBe('response.created')
    const last = events.at(-1)
    expect(last?.['type']).toBe('response.completed')
    expect(response.parse(last?.['response']).output.map(({ type }) => type)).toContain(kind)
    const begun = events.filter(({ type, item: of }) => type === 'response.output_item.added' && isRecord(of) && of['type'] === kind)
    const done = events.filter(({ type, item: of }) => type === 'response.output_item.done' && isRecord(of) && of['type'] === kind)
    expect([begun.length, done.length]).toEqual([1, 1])
    const steps =
      kind === 'message'
        ? ['response.output_text.delta', 'response.output_text.done']
        : ['response.function_call_arguments.delta', 'response.function_call_arguments.done']
    expect(types).toEqual(expect.arrayContaining(steps))
  })
})

const compaction = {
  id: 'resp_1',
  object: 'response.compaction',
  created_at: 1_760_000_000,
  output: [say('user', [{ type: 'input_text', text: 'I am Ann.' }]), { type: 'compaction', id: 'cmp_1', encrypted_content: 'sealed' }],
  usage: {
    input_tokens: 9,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: 3,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: 12,
  },
}

describe('a conversation', () => {
  const body = { input: [say('user', 'I am Ann.'), say('assistant', 'Hello Ann.')] }

  it('is compacted by a provider of this wire', async () => {
    const answered = await ask('compactor', body, '/v1/responses/compact')
    expect([answered.status, await answered.json()]).toEqual([200, compaction])
    expect(compactor.requests.at(-1)).toMatchObject({ path: '/v1/responses/compact', json: { model: 'm', ...body } })
  })

  it.each([
    ['a provider of another wire', providerOf('messages'), body, 'only a provider of the Responses wire'],
    ['as a stream', 'compactor', { ...body, stream: true }, 'stream'],
    ['without a model', 'compactor', { ...body, model: undefined }, 'model is missing'],
  ])('is not compacted by %s', async (_name, provider, given, told) => {
    const answered = await ask(provider, given, '/v1/responses/compact')
    expect(answered.status).toBe(400)
    expect(await answered.json()).toMatchObject({
      error: { type: 'invalid_request_error', message: expect.stringContaining(told) as unknown },
    })
  })
})
