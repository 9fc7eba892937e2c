/** What no client library would send, to the whole gateway: every wire answers in its own envelope, and asks no provider. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isRecord, tryParseJson } from '../../src/lib/json.ts'
import { type PlayedGateway, startGateway } from '../support/gateway.ts'
import { type Upstream, startUpstream } from '../support/upstream.ts'
import { type RawAnswer, rawRequest, sendRaw } from './support.ts'

const many = <Item>(count: number, make: (name: string) => Item) => Array.from({ length: count }, (_, at) => make(`tool_${at}`))

const WIRES = [
  {
    wire: 'chat completions',
    path: '/v1/chat/completions',
    rest: { model: 'acme/one', messages: [{ role: 'user', content: 'hello' }] },
    counts: ['temperature', 'top_p', 'max_tokens', 'max_completion_tokens', 'n', 'seed', 'presence_penalty', 'top_logprobs'],
    tools: (count: number) => ({ tools: many(count, (name) => ({ type: 'function', function: { name, parameters: {} } })) }),
    within: (member: string) => member,
  },
  {
    wire: 'responses',
    path: '/v1/responses',
    rest: { model: 'acme/one', input: 'hello' },
    counts: ['temperature', 'top_p', 'max_output_tokens', 'top_logprobs'],
    tools: (count: number) => ({ tools: many(count, (name) => ({ type: 'function', name, parameters: {} })) }),
    within: (member: string) => member,
  },
  {
    wire: 'messages',
    path: '/v1/messages',
    rest: { model: 'acme/one', max_tokens: 9, messages: [{ role: 'user', content: 'hello' }] },
    counts: ['temperature', 'top_p', 'top_k', 'max_tokens'],
    tools: (count: number) => ({ tools: many(count, (name) => ({ name, input_schema: { type: 'object' } })) }),
    within: (member: string) => member,
  },
  {
    wire: 'generate content',
    path: '/v1beta/models/acme/one:generateContent',
    rest: { contents: [{ role: 'user', parts: [{ text: 'hello' }] }] },
    counts: ['temperature', 'topP', 'topK', 'maxOutputTokens', 'candidateCount', 'seed', 'presencePenalty'],
    tools: (count: number) => ({ tools: [{ functionDeclarations: many(count, (name) => ({ name })) }] }),
    within: (member: string) => `"generationConfig":{${member}}`,
  },
] as const
type Wire = (typeof WIRES)[number]

const running: { gateway?: PlayedGateway; upstream?: Upstream } = {}
beforeAll(async () => {
  const message = { role: 'assistant', content: 'ok' }
  running.upstream = await startUpstream({
    json: { id: 'c', object: 'chat.completion', created: 1, model: 'one', choices: [{ index: 0, finish_reason: 'stop', message }] },
  })
  const models = ['{ id: acme/one, pricing: { prompt: "0", completion: "0" } }']
  running.gateway = await startGateway([
    { id: 'acme', baseUrl: running.upstream.url, wires: ['chat_completions'], models, apiKey: 'sk-of-the-provider' },
  ])
})
afterAll(async () => {
  await running.gateway?.close()
  await running.upstream?.close()
})

const port = () => Number(new URL(running.gateway?.url ?? '').port)
const asked = () => running.upstream?.requests.length
const head = ({ path }: Wire, more: Readonly<Record<string, string>> = {}) =>
  rawRequest(`POST ${path}`, { host: 'localhost', 'content-type': 'application/json', ...more })

function send(wire: Wire, body: Uint8Array | string): Promise<RawAnswer> {
  const bytes = Buffer.from(body)
  return sendRaw(port(), Buffer.concat([Buffer.from(head(wire, { 'content-length': String(bytes.length) })), bytes]))
}

/** The wire's own request, without a member, and with some JSON text at its end. */
function request({ rest }: Wire, more = '', without = ''): string {
  const members = Object.entries(rest).filter(([name]) => name !== without)
  const texts = [...members.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`), more]
  return `{${texts.filter((text) => text !== '').join(',')}}`
}

/** The part of an error that says what it is, by the shape that the wire's clients read. */
function kindOf({ wire }: Wire, { body }: RawAnswer): unknown {
  const json = tryParseJson(body)
  const error = isRecord(json) && isRecord(json.error) ? json.error : {}
  expect(typeof error.message).toBe('string')
  if (wire === 'messages') return isRecord(json) && json.type === 'error' ? error.type : undefined
  return wire === 'generate content' ? error.status : error.type
}

const KINDS: Readonly<Record<Wire['wire'], string>> = {
  'chat completions': 'invalid_request_error',
  responses: 'invalid_request_error',
  messages: 'invalid_request_error',
  'generate content': 'INVALID_ARGUMENT',
}

async function refuses(wire: Wire, answer: Promise<RawAnswer>, what: string): Promise<void> {
  const before = asked()
  const given = await answer
  expect([what, given.status, kindOf(wire, given)]).toEqual([what, 400, KINDS[wire.wire]])
  expect(given.body.length, what).toBeLessThan(2_000)
  expect(given.all, what).not.toMatch(/sk-of-the-provider|\n {4}at |\.ts:\d/)
  expect(asked(), what).toBe(before)
}

describe.each(WIRES)('$wire', (wire) => {
  it('answers its own request, also one that comes a byte at a time with fields behind it', async () => {
    expect((await send(wire, request(wire))).status).toBe(200)
    const pieces = [...request(wire)].map((character) => `1\r\n${character}\r\n`).join('')
    const chunked = `${head(wire, { 'transfer-encoding': 'chunked' })}${pieces}0\r\ncontent-type: text/plain\r\n\r\n`
    expect((await sendRaw(port(), chunked)).status).toBe(200)
  })

  it('refuses text that is not one JSON object in UTF-8', async () => {
    const good = request(wire)
    const bodies = {
      'a mark of byte order': `\ufeff${good}`,
      'UTF-16': Buffer.from(good, 'utf16le'),
      'UTF-16 with its mark': Buffer.from(`\ufeff${good}`, 'utf16le'),
      'something behind it': `${good} x`,
      'two of them': good + good,
      'a NUL behind it': `${good}\0`,
      'a comment': `/**/${good}`,
      'a bare control character': request(wire, '"x":"\u0001"'),
      'depth where nobody looks': request(wire, `"x":${'['.repeat(10_000)}${']'.repeat(10_000)}`),
      'one name in two spellings': request(wire, '"x\\u0079":1,"\\u0078y":2'),
      'one name, a megabyte long, twice': request(wire, `"${'n'.repeat(1_000_000)}":1,"${'n'.repeat(1_000_000)}":2`),
    }
    for (const [what, body] of Object.entries(bodies)) await refuses(wire, send(wire, body), what)
  })

  it('takes many tools, and refuses more than anybody takes', async () => {
    expect((await send(wire, JSON.stringify({ ...wire.rest, ...wire.tools(1_000) }))).status).toBe(200)
    const before = asked()
    const { status, body } = await send(wire, JSON.stringify({ ...wire.rest, ...wire.tools(10_000) }))
    expect([status, asked()]).toEqual([413, before])
    expect(body).toContain('10000 tools')
  })

  it.each(wire.counts)('takes no other kind of value for %s', async (name) => {
    for (const value of ['true', '[]', '[1]', '{}', '"many"', '"NaN"', 'NaN', '1e400', '-1e400']) {
      await refuses(wire, send(wire, request(wire, wire.within(`"${name}":${value}`), name)), `${name}: ${value}`)
    }
  })

  it('is not led astray by names that every object has', async () => {
    for (const more of [
      '"__proto__":{"model":"evil/one","stream":true}',
      '"constructor":{"prototype":{"x":1}}',
      '"toString":5',
      '"\\ud800":1',
    ]) {
      const answer = await send(wire, request(wire, more))
      expect([more, answer.status]).toEqual([more, 200])
      expect(running.upstream?.requests.at(-1)?.json).toMatchObject({ model: 'acme/one' })
    }
  })

  it('says what broke when a body breaks off', async () => {
    const bodies = ['ZZ\r\n{}\r\n0\r\n\r\n', '-1\r\n{}\r\n', 'FFFFFFFFFFFFFFFFF\r\n{}', `2;${'x'.repeat(20_000)}\r\n{}\r\n0\r\n\r\n`]
    for (const body of bodies)
      await refuses(wire, sendRaw(port(), `${head(wire, { 'transfer-encoding': 'chunked' })}${body}`), body.slice(0, 20))
  })

  it('refuses an address in its own words', async () => {
    for (const host of ['evil.example', 'localhost.']) {
      const answer = await sendRaw(port(), rawRequest(`POST ${wire.path}`, { host, 'content-type': 'application/json' }, request(wire)))
      expect([answer.status, typeof kindOf(wire, answer)]).toEqual([403, 'string'])
    }
    const target = sendRaw(port(), rawRequest(`POST ${wire.path}/%2e%2e/x`, { host: 'localhost' }, '{}'))
    await refuses(wire, target, 'dots')
  })

  it('does not mind what it is told to expect', async () => {
    const body = request(wire)
    const answer = await sendRaw(port(), head(wire, { expect: 'the-impossible', 'content-length': String(body.length) }) + body)
    expect(answer.status).toBe(200)
  })
})
