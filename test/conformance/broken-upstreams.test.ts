/** Providers that fail, in every way and on every wire: before content the next one answers, after it the caller gets one error. */
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { protocols } from '../../src/protocol/index.ts'
import type { Protocol, ProtocolId } from '../../src/protocol/protocol.ts'
import { collect, from, summarise } from '../support/fixtures.ts'
import { startGateway, type PlayedGateway } from '../support/gateway.ts'
import { says } from '../support/played-wire.ts'
import { sse, startRawUpstream, startUpstream, type Answer, type Upstream } from '../support/upstream.ts'
import { paths } from './matrix-rows.ts'
import { wireOf } from './matrix-table.ts'
import { collectParts, oneByOne } from '../support/parts.ts'

const user = [{ role: 'user', content: 'hi' }]

/** A streaming request of each wire; Google's model is in its path. */
const bodies: Readonly<Record<ProtocolId, Readonly<Record<string, unknown>>>> = {
  chat_completions: { model: 'm', stream: true, messages: user },
  responses: { model: 'm', stream: true, input: 'hi', store: false },
  messages: { model: 'm', stream: true, max_tokens: 9, messages: user },
  generate_content: { contents: [{ role: 'user', parts: [{ text: 'hi' }] }] },
}
const pathOf = (wire: ProtocolId): string => (wire === 'generate_content' ? '/v1beta/models/m:streamGenerateContent?alt=sse' : paths[wire])

/** The events of an answer in a wire's own form. */
async function written({ id, caller }: Protocol): Promise<readonly string[]> {
  const wire = wireOf(id, bodies[id], pathOf(id).split('?')[0])
  const request = caller.decodeRequest({ ...wire, query: new URLSearchParams('alt=sse') })
  return collect(
    caller.encodeStream(oneByOne(says('One answer of several words.')), { requestId: 'r', model: 'm', nowSeconds: 1, request }),
  )
}

type Broken = { readonly wire: Protocol; readonly events: readonly string[]; readonly begun: string }

const errors: Readonly<Record<ProtocolId, unknown>> = {
  chat_completions: { error: { message: 'broken', type: 'server_error', code: 'server_error' } },
  responses: { type: 'error', code: 'server_error', message: 'broken', param: null, sequence_number: 1 },
  messages: { type: 'error', error: { type: 'api_error', message: 'broken' } },
  generate_content: { error: { code: 503, message: 'broken', status: 'UNAVAILABLE' } },
}

/** What comes before any content; the request can go to the next provider. */
const early: Readonly<Record<string, (broken: Broken) => Answer>> = {
  'an end before anything': () => ({ stream: [] }),
  'comments and then the end': () => ({ stream: [': wait\n\n', ': wait\n\n'] }),
  'an error event': ({ wire }) => ({ stream: [sse(errors[wire.id])] }),
  'an error in an answer of 200': ({ wire }) => ({ json: errors[wire.id] }),
  'a page': () => ({ body: '<html>Welcome</html>', headers: { 'content-type': 'text/html' } }),
  'data that is no JSON': () => ({ stream: ['data: {nope\n\n'] }),
  'data nested too deep': () => ({ stream: [`data: ${'['.repeat(5_000)}\n\n`] }),
  'one endless line': () => ({ stream: Array.from({ length: 17 }, () => 'x'.repeat(1 << 20)) }),
  'events under the type of JSON': ({ events }) => ({ body: events.join(''), headers: { 'content-type': 'application/json' } }),
  'no answer': () => ({ hangUp: true }),
  'the status 500': () => ({ status: 500, json: { error: { message: 'broken' } } }),
  'the status 503 with a page': () => ({ status: 503, body: '<html>' }),
  'the status 429': () => ({ status: 429, headers: { 'retry-after': '7' }, json: { error: { message: 'slow down' } } }),
  'the status 401': () => ({ status: 401, json: { error: { message: 'who are you' } } }),
  'the status 404': () => ({ status: 404, json: { error: { message: 'no such model' } } }),
  'a redirect': () => ({ status: 302, headers: { location: 'http://127.0.0.1:1/' }, body: '' }),
}

/** What comes after some content. */
const late: Readonly<Record<string, (broken: Broken) => Answer>> = {
  'an end': ({ begun }) => ({ stream: [begun] }),
  'a cut': ({ begun }) => ({ stream: [begun, { ms: 20 }, 'cut'] }),
  'an end inside an event': ({ begun }) => ({ stream: [begun, 'event: x\ndata: {"id": "ha'] }),
  'a cut inside an event': ({ begun }) => ({ stream: [begun, 'event: x\ndata: {"id": "ha', { ms: 20 }, 'cut'] }),
  'an error event': ({ begun, wire }) => ({ stream: [begun, sse(errors[wire.id])] }),
}

/** What is no failure at all. */
const harmless: Readonly<Record<string, (broken: Broken) => Answer>> = {
  'comments for a while': ({ events }) => ({ stream: [': wait\n\n', { ms: 20 }, ': wait\n\n', ...events] }),
  'a compressed stream that nobody asked for': ({ events }) => ({
    body: gzipSync(events.join('')),
    headers: { 'content-encoding': 'gzip', 'content-type': 'text/event-stream' },
  }),
  'fields with control characters': ({ events }) => ({ stream: ['id: a\u0000b\nretry: x\n\n', ...events] }),
  'two hundred cookies': ({ events }) => ({ stream: events, headers: { 'set-cookie': Array.from({ length: 200 }, (_, at) => `c=${at}`) } }),
  'a type that says nothing': ({ events }) => ({
    body: `\ufeff${events.join('')}`,
    headers: { 'content-type': 'text/plain; charset=utf-8' },
  }),
  'a type in capitals': ({ events }) => ({ body: events.join(''), headers: { 'content-type': 'Text/Event-Stream; Charset=UTF-8' } }),
}

let current: Answer = { stream: [] }
let gateway: PlayedGateway
const upstreams: Upstream[] = []
const good = new Map<ProtocolId, Upstream>()
const brokenOf = new Map<ProtocolId, Broken>()
const idOf = (kind: string, wire: ProtocolId): string => `${kind}-${wire.replace('_', '-')}`

beforeAll(async () => {
  const bad = await startUpstream(() => current)
  upstreams.push(bad)
  const providers = []
  for (const wire of protocols) {
    const events = await written(wire)
    const half = events.findIndex((event) => event.includes('One ans'))
    brokenOf.set(wire.id, { wire, events, begun: events.slice(0, half + 1).join('') })
    const upstream = await startUpstream({ stream: events })
    upstreams.push(upstream)
    good.set(wire.id, upstream)
    providers.push({ id: idOf('bad', wire.id), baseUrl: `${bad.url}/v1`, wires: [wire.id] })
    providers.push({ id: idOf('good', wire.id), baseUrl: `${upstream.url}/v1`, wires: [wire.id] })
  }
  gateway = await startGateway(providers)
})

afterAll(async () => {
  await gateway.close()
  await Promise.all(upstreams.map((upstream) => upstream.close()))
})

let asked = 0

type Seen = { readonly answer: ReturnType<typeof summarise>; readonly attempts: string | null; readonly goodOnes: number }

/** Asks the broken provider, and would be as glad of the good one. */
async function ask(caller: Protocol, upstream: ProtocolId, answer: Answer): Promise<Seen> {
  current = answer
  const before = good.get(upstream)?.requests.length ?? 0
  // A model of its own: what a provider did before must not keep it from being asked.
  const model = `model-${asked++}`
  const models = [`${idOf('bad', upstream)}:${model}`, `${idOf('good', upstream)}:${model}`]
  const response = await fetch(gateway.url + pathOf(caller.id), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...bodies[caller.id], models }),
  })
  const bytes = new Uint8Array(await response.arrayBuffer())
  expect([response.status, Buffer.from(bytes).toString().slice(0, 300)]).toEqual([200, expect.anything()])
  return {
    answer: summarise(await collectParts(caller.upstream.decodeStream(from([bytes])))),
    attempts: response.headers.get('x-routeplane-attempts'),
    goodOnes: (good.get(upstream)?.requests.length ?? 0) - before,
  }
}

function brokenAt(upstream: ProtocolId): Broken {
  const broken = brokenOf.get(upstream)
  if (broken === undefined) throw new Error(`nothing is played for ${upstream}`)
  return broken
}

const TEXT = 'One answer of several words.'
const cells = protocols.flatMap((upstream, at) =>
  // Its own wire and one other: the wires of callers are tried against each other elsewhere.
  [upstream, protocols[(at + 1) % protocols.length] ?? upstream].map((caller) => [upstream.id, caller.id, caller] as const),
)

describe.each(cells)('a provider of %s, for a caller of %s:', (upstream, _callerId, caller) => {
  it.each(Object.entries(early))('after %s the next one answers', async (_name, make) => {
    const { answer, attempts, goodOnes } = await ask(caller, upstream, make(brokenAt(upstream)))
    expect({ text: answer.text, attempts, goodOnes }).toEqual({ text: TEXT, attempts: '2', goodOnes: 1 })
  })

  it.each(Object.entries(late))('%s in the middle is one error, and nobody else is asked', async (_name, make) => {
    const { answer, attempts, goodOnes } = await ask(caller, upstream, make(brokenAt(upstream)))
    expect({ error: answer.error, attempts, goodOnes }).toEqual({ error: 'upstream_error', attempts: '1', goodOnes: 0 })
  })

  it.each(Object.entries(harmless))('%s is no failure', async (_name, make) => {
    const { answer, attempts, goodOnes } = await ask(caller, upstream, make(brokenAt(upstream)))
    expect({ text: answer.text, attempts, goodOnes }).toEqual({ text: TEXT, attempts: '1', goodOnes: 0 })
  })
})

describe.each(cells)('a provider of %s, for a caller of %s who asks for all at once,', (upstream, callerId, caller) => {
  it.each<readonly [string, Answer['headers']]>([
    ['in a stream', {}],
    ['in a stream of bytes', { 'content-type': 'application/octet-stream' }],
  ])('answers %s', async (_name, headers) => {
    current = { body: brokenAt(upstream).events.join(''), headers: { 'content-type': 'text/event-stream', ...headers } }
    const response = await fetch(gateway.url + paths[callerId], {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...bodies[callerId], stream: undefined, models: [`${idOf('bad', upstream)}:model-${asked++}`] }),
    })
    const { candidates } = caller.upstream.decodeResult(await response.json())
    expect(candidates[0]?.content).toMatchObject([{ type: 'text', text: TEXT }])
  })
})

describe('an answer that no HTTP library would send', () => {
  it.each([
    ['of the status 000', 'HTTP/1.1 000 Nothing\r\n\r\n'],
    ['of two lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}'],
    ['that is no HTTP', 'SSH-2.0-OpenSSH_9.2\r\n'],
    ['with a header that goes on for ever', `HTTP/1.1 200 OK\r\nx: ${'y'.repeat(200_000)}`],
  ])('%s is left for the next provider', async (_name, bytes) => {
    const raw = await startRawUpstream((socket) => void socket.end(bytes))
    const sane = await startUpstream({ stream: brokenAt('messages').events })
    const alone = await startGateway([
      { id: 'raw', baseUrl: `${raw.url}/v1`, wires: ['messages'] },
      { id: 'sane', baseUrl: `${sane.url}/v1`, wires: ['messages'] },
    ])
    const response = await fetch(`${alone.url}/v1/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...bodies.messages, models: ['raw:m', 'sane:m'] }),
    })
    expect([response.status, response.headers.get('x-routeplane-attempts')]).toEqual([200, '2'])
    await response.text()
    await alone.close()
    await Promise.all([raw.close(), sane.close()])
  })
})
