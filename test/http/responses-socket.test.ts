/** WebSocket mode of the Responses wire, by OpenAI's own client and by hand; and offers to upgrade that nobody takes up. */
import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import OpenAI from 'openai'
import { ResponsesWS } from 'openai/resources/responses/ws'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { WebSocket } from 'ws'
import { RouteplaneError } from '../../src/errors.ts'
import { protocols } from '../../src/protocol/index.ts'
import { startGateway, type PlayedGateway } from '../support/gateway.ts'
import { playWire, says, type PlayedWire } from '../support/played-wire.ts'
import { TOKEN, nativeJson, scripted, sendRaw, serve } from './support.ts'

let gateway: PlayedGateway
const played = new Map<string, PlayedWire>()
/** What the upstreams were asked, newest last, as texts of the user. */
const heard: string[][] = []

beforeAll(async () => {
  for (const protocol of protocols.filter(({ id }) => id === 'responses' || id === 'chat_completions')) {
    const wire = await playWire(protocol, ({ model, turns }) => {
      heard.push(turns.flatMap(({ parts }) => parts.flatMap((part) => (part.type === 'text' ? [part.text] : []))))
      if (model === 'fails') throw new RouteplaneError('upstream_error', 'not now')
      return says(`answer ${heard.length}`)
    })
    played.set(protocol.id, wire)
  }
  gateway = await startGateway([...played].map(([id, { baseUrl }]) => ({ id: id.replace('_', '-'), baseUrl, wires: [id as 'responses'] })))
})
afterAll(async () => {
  await gateway.close()
  await Promise.all([...played.values()].map(({ upstream }) => upstream.close()))
})

type Event = Readonly<Record<string, unknown>> & { readonly type: string }
type Talk = { readonly socket: WebSocket; turn(body: object): Promise<readonly Event[]> }

async function talk(url = gateway.url, headers: Readonly<Record<string, string>> = {}, path = '/v1/responses'): Promise<Talk> {
  const socket = new WebSocket(url.replace('http', 'ws') + path, { headers })
  onTestFinished(() => socket.terminate())
  const events: Event[] = []
  let told: () => void = () => {}
  socket.on('message', (data: Buffer) => {
    events.push(JSON.parse(data.toString()) as Event)
    told()
  })
  await once(socket, 'open')
  return {
    socket,
    async turn(body) {
      events.length = 0
      socket.send(JSON.stringify({ type: 'response.create', ...body }))
      while (!/^(?:response\.(?:completed|incomplete|failed)|error)$/.test(events.at(-1)?.type ?? '')) {
        await new Promise<void>((resolve) => (told = resolve))
      }
      return [...events]
    },
  }
}

const responseOf = (events: readonly Event[]) => events.at(-1)?.['response'] as { id: string; status: string; output: unknown[] }
const errorOf = (events: readonly Event[]) => events.at(-1)?.['error'] as { code: string; message: string; param?: string }

describe.each(['responses', 'chat-completions'])('before an upstream of %s', (provider) => {
  const model = `${provider}:any`

  it('answers one turn after the other with the events of a stream', async () => {
    const { turn } = await talk()
    for (let round = 0; round < 2; round++) {
      const events = await turn({ model, store: false, input: `turn ${round}` })
      expect(events[0]?.type).toBe('response.created')
      expect(events.map((event) => event['sequence_number'])).toEqual(events.map((_, at) => at))
      expect(responseOf(events)).toMatchObject({ status: 'completed' })
    }
  })

  it('goes on from the last answer by its id, though it is kept nowhere else', async () => {
    const { turn } = await talk()
    const first = responseOf(await turn({ model, store: false, input: 'one' }))
    await turn({ model, store: false, previous_response_id: first.id, input: 'two' })
    expect(heard.at(-1)).toEqual(['one', expect.stringContaining('answer'), 'two'])
    const elsewhere = await talk()
    expect(errorOf(await elsewhere.turn({ model, previous_response_id: first.id, input: 'x' })).code).toBe('previous_response_not_found')
  })

  it('prepares a turn without asking anybody', async () => {
    const { turn } = await talk()
    const before = heard.length
    const warm = responseOf(await turn({ model, store: false, generate: false, input: 'prepare' }))
    expect([heard.length, warm.status, warm.output]).toEqual([before, 'completed', []])
    await turn({ model, store: false, previous_response_id: warm.id, input: 'now' })
    expect(heard.at(-1)).toEqual(['prepare', 'now'])
  })

  it('forgets an answer from which going on has failed', async () => {
    const { turn } = await talk()
    const { id } = responseOf(await turn({ model, store: false, input: 'one' }))
    const output = { type: 'function_call_output', call_id: 'call_nobody_made', output: 'x' }
    expect(errorOf(await turn({ model, store: false, previous_response_id: id, input: [output] })).code).toBe('invalid_request')
    expect(errorOf(await turn({ model, store: false, previous_response_id: id, input: 'x' })).code).toBe('previous_response_not_found')
  })
})

it('knows no answer before the last when it is kept nowhere else', async () => {
  const { turn } = await talk()
  const model = 'chat-completions:any'
  const first = responseOf(await turn({ model, store: false, input: 'one' }))
  await turn({ model, store: false, previous_response_id: first.id, input: 'two' })
  const lost = await turn({ model, store: false, previous_response_id: first.id, input: 'again' })
  expect(errorOf(lost)).toMatchObject({ code: 'previous_response_not_found', param: 'previous_response_id' })
  const kept = responseOf(await turn({ model, input: 'keep' }))
  await turn({ model, input: 'between' })
  expect(responseOf(await turn({ model, previous_response_id: kept.id, input: 'again' })).status).toBe('completed')
})

it('is spoken by the official client', async () => {
  const socket = new ResponsesWS(new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'k' }))
  onTestFinished(() => socket.close())
  const seen: string[] = []
  const done = new Promise<void>((resolve, reject) => {
    socket.on('error', reject)
    socket.on('event', (event) => {
      seen.push(event.type)
      if (event.type === 'response.completed') resolve()
    })
  })
  socket.send({ type: 'response.create', model: 'chat-completions:any', input: 'hi' })
  await done
  expect(seen).toEqual(expect.arrayContaining(['response.created', 'response.output_text.delta', 'response.completed']))
})

describe('what is wrong with a turn', () => {
  it.each([
    ['no JSON', '{', 'invalid_json'],
    ['no object', '[]', 'invalid_request'],
    ['another event', '{"type":"session.update"}', 'invalid_request'],
    ['no model', '{"type":"response.create","input":"x"}', 'invalid_request'],
    ['a key twice', '{"type":"response.create","model":"a","model":"b"}', 'duplicate_key'],
    ['an unknown model', '{"type":"response.create","model":"nobody/none","input":"x"}', 'model_not_found'],
    ['background', '{"type":"response.create","model":"responses:any","input":"x","background":true}', 'unsupported_parameter'],
  ])('%s is an error, and the connection goes on', async (_, text, code) => {
    const { socket, turn } = await talk()
    const told = once(socket, 'message')
    socket.send(text)
    const [data] = (await told) as [Buffer]
    expect(JSON.parse(data.toString())).toMatchObject({ type: 'error', status: code === 'model_not_found' ? 404 : 400, error: { code } })
    expect(responseOf(await turn({ model: 'responses:any', input: 'x' })).status).toBe('completed')
  })

  it('a failing provider is an error with the status that a request would get', async () => {
    const { turn } = await talk()
    const [event] = await turn({ model: 'responses:fails', input: 'x' })
    expect(event).toMatchObject({ type: 'error', status: 502, error: { code: 'upstream_error' } })
  })
})

describe('who may come', () => {
  const gate = scripted(async () => nativeJson({}))
  const open = async () => {
    const server = await serve(gate, { protocols })
    onTestFinished(() => server.close())
    return server
  }
  const statusOf = async (port: number, headers: Readonly<Record<string, string>>, path = '/v1/responses') => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, { headers })
    socket.on('error', () => {})
    const [, answer] = (await once(socket, 'unexpected-response')) as [unknown, { statusCode: number }]
    return answer.statusCode
  }

  it('nobody without the token, from another origin, or to another path', async () => {
    const { port } = await open()
    const authorization = `Bearer ${TOKEN}`
    expect(await statusOf(port, {})).toBe(401)
    expect(await statusOf(port, { authorization: 'Bearer wrong' })).toBe(401)
    expect(await statusOf(port, { authorization, origin: 'https://evil.example' })).toBe(403)
    expect(await statusOf(port, { authorization, host: 'evil.example' })).toBe(403)
    expect(await statusOf(port, { authorization }, '/v1/chat/completions')).toBe(405)
    expect(await statusOf(port, { authorization }, '/v1/nothing')).toBe(404)
    const { socket } = await talk(`http://127.0.0.1:${port}`, { authorization })
    expect(socket.readyState).toBe(WebSocket.OPEN)
  })
})

describe('an offer that nobody takes up', () => {
  it('of HTTP/2 is answered as if it had not been made, the body and the next request included', async () => {
    const { port } = new URL(gateway.url)
    const body = JSON.stringify({ model: 'chat-completions:any', messages: [{ role: 'user', content: 'hi' }] })
    const offer = 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n'
    const post = `POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n${offer}Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
    const answer = await sendRaw(
      Number(port),
      `${post}GET /health HTTP/1.1\r\nHost: localhost\r\n${offer.replace('Upgrade,', 'close, Upgrade,')}\r\n`,
    )
    expect(answer.all.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(2)
    expect(answer.all).toContain('answer')
  })

  it('keeps the guards: a second Host, a foreign one, too many fields', async () => {
    const port = Number(new URL(gateway.url).port)
    const offer = 'Connection: Upgrade\r\nUpgrade: websocket\r\n'
    const ask = (fields: string) => sendRaw(port, `GET /v1/responses HTTP/1.1\r\n${fields}${offer}\r\n`)
    expect((await ask('Host: localhost\r\nHost: evil.example\r\n')).status).toBe(400)
    expect((await ask('Host: evil.example\r\n')).status).toBe(403)
    expect((await ask(`Host: localhost\r\n${Array.from({ length: 120 }, (_, at) => `A${at}: b\r\n`).join('')}`)).status).toBe(431)
  })

  it('of a handshake without a key is refused by the handshake', async () => {
    const call = httpRequest(`${gateway.url}/v1/responses`, { headers: { connection: 'Upgrade', upgrade: 'websocket' } })
    call.end()
    const [answer] = (await once(call, 'response')) as [{ statusCode: number; resume(): void }]
    answer.resume()
    expect(answer.statusCode).toBe(400)
  })
})

it('a caller who leaves takes his upstream request along, and a gateway that closes says so', async () => {
  let left: () => void = () => {}
  const aborted = new Promise<void>((resolve) => (left = resolve))
  let asked: () => void = () => {}
  const began = new Promise<void>((resolve) => (asked = resolve))
  const server = await serve(
    scripted(
      ({ signal }) =>
        new Promise((_, reject) => {
          signal.addEventListener('abort', () => {
            left()
            reject(signal.reason as Error)
          })
          asked()
        }),
    ),
    { protocols },
  )
  const headers = { authorization: `Bearer ${TOKEN}` }
  const { socket } = await talk(server.url, headers)
  socket.send(JSON.stringify({ type: 'response.create', model: 'a', input: 'x' }))
  await began
  socket.terminate()
  await aborted
  const idle = await talk(server.url, headers)
  const closed = once(idle.socket, 'close')
  await server.close()
  expect((await closed)[0]).toBe(1001)
})
