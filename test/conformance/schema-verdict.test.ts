/** Answers that break the schema they were asked for are reported, whichever wires are between, and change nothing else. */
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { CompletionPart } from '../../src/completion/part.ts'
import { protocols } from '../../src/protocol/index.ts'
import type { ProtocolId } from '../../src/protocol/protocol.ts'
import { startGateway, type PlayedGateway } from '../support/gateway.ts'
import { calls, playWire, says, type PlayedWire } from '../support/played-wire.ts'

/** What each model says, by its name. */
const answers: Readonly<Record<string, readonly CompletionPart[]>> = {
  fits: says('{"degrees":12}'),
  breaks: says('{"degrees":"warm"}'),
  'no-json': says('It is warm.'),
  cut: says('{"degrees":', 'length'),
  call: calls(['weather', { city: 'Bonn' }]),
}
const schema = { type: 'object', properties: { degrees: { type: 'number' } }, required: ['degrees'], additionalProperties: false }

let gateway: PlayedGateway
const played: PlayedWire[] = []
const providerOf = (wire: ProtocolId): string => `played-${wire.replace('_', '-')}`

beforeAll(async () => {
  const providers = await Promise.all(
    protocols.map(async (protocol) => {
      const wire = await playWire(protocol, ({ model }) => answers[model] ?? [])
      played.push(wire)
      return { id: providerOf(protocol.id), baseUrl: wire.baseUrl, wires: [protocol.id] }
    }),
  )
  gateway = await startGateway(providers)
})

afterAll(async () => {
  await gateway.close()
  await Promise.all(played.map(({ upstream }) => upstream.close()))
})

/** How each wire asks for a schema. */
const bodies: Readonly<Record<ProtocolId, (model: string, stream: boolean) => readonly [string, unknown]>> = {
  chat_completions: (model, stream) => {
    const response_format = { type: 'json_schema', json_schema: { name: 'answer', schema, strict: true } }
    return ['/v1/chat/completions', { model, stream, messages: [{ role: 'user', content: 'hi' }], response_format }]
  },
  responses: (model, stream) => {
    const text = { format: { type: 'json_schema', name: 'answer', schema, strict: true } }
    return ['/v1/responses', { model, stream, input: 'hi', text }]
  },
  messages: (model, stream) => {
    const output_config = { format: { type: 'json_schema', schema } }
    return ['/v1/messages', { model, stream, max_tokens: 99, messages: [{ role: 'user', content: 'hi' }], output_config }]
  },
  generate_content: (model, stream) => {
    const generationConfig = { responseMimeType: 'application/json', responseJsonSchema: schema }
    const call = stream ? 'streamGenerateContent?alt=sse' : 'generateContent'
    return [`/v1beta/models/${model}:${call}`, { contents: [{ role: 'user', parts: [{ text: 'hi' }] }], generationConfig }]
  },
}

async function ask(caller: ProtocolId, model: string, stream: boolean): Promise<{ readonly header: string | null; readonly text: string }> {
  const [path, body] = bodies[caller](model, stream)
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(gateway.url + path, { method: 'POST', headers, body: JSON.stringify(body) })
  expect(response.status).toBe(200)
  return { header: response.headers.get('x-routeplane-schema'), text: await response.text() }
}

const COMMENT = ': x-routeplane-schema: violated\n\n'
const pairs = protocols.flatMap((caller) => protocols.filter(({ id }) => id !== caller.id).map(({ id }) => [caller.id, id] as const))

describe.each(pairs)('from %s to %s', (caller, upstream) => {
  const model = (name: string): string => `${providerOf(upstream)}:${name}`

  it.each(['breaks', 'no-json'])('an answer that %s is reported', async (name) => {
    expect((await ask(caller, model(name), false)).header).toBe('violated')
    expect((await ask(caller, model(name), true)).text.endsWith(COMMENT)).toBe(true)
  })

  it.each(['fits', 'cut'])('an answer that %s is not', async (name) => {
    expect((await ask(caller, model(name), false)).header).toBeNull()
    expect((await ask(caller, model(name), true)).text).not.toContain(COMMENT)
  })
})

describe('an SDK', () => {
  const client = () => new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'k', maxRetries: 0 })
  const model = `${providerOf('messages')}:breaks`

  it('reads a reported stream as any other', async () => {
    const text = { format: { type: 'json_schema', name: 'answer', schema, strict: true } } as const
    expect((await client().responses.stream({ model, input: 'hi', text }).finalResponse()).output_text).toBe('{"degrees":"warm"}')
  })

  it('that asked for any JSON gets told of none', async () => {
    const asked = client().chat.completions.create({
      model: `${providerOf('responses')}:no-json`,
      messages: [{ role: 'user', content: 'JSON please' }],
      response_format: { type: 'json_object' },
    })
    const { response, data } = await asked.withResponse()
    expect([response.headers.get('x-routeplane-schema'), data.choices[0]?.message.content]).toEqual(['violated', 'It is warm.'])
  })
})
