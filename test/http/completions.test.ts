/** How answers reach the caller: whole and streamed, native and translated, and what happens when either side breaks. */
import type { CancelSignal } from '../../src/lib/cancel.ts'
import { once } from 'node:events'
import { connect } from 'node:net'
import OpenAI from 'openai'
import { afterEach, describe, expect, it } from 'vitest'
import type { CompletionPart } from '../../src/completion/part.ts'
import { RouteplaneError } from '../../src/errors.ts'
import type { Completion, GatewayCall } from '../../src/gateway/call.ts'
import type { HttpServer, ServeOptions } from '../../src/http/serve.ts'
import { parseUsd } from '../../src/money.ts'
import {
  TOKEN,
  codeOf,
  completionOf,
  deferred,
  nativeJson,
  nativeStream,
  rawRequest,
  scripted,
  sendRaw,
  serve,
  textParts,
} from './support.ts'
import { verifies } from '../support/verifies.ts'
import { oneByOne } from '../support/parts.ts'

const servers: HttpServer[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close()
})

async function start(complete: (call: GatewayCall) => Promise<Completion>, options: Partial<ServeOptions> = {}): Promise<HttpServer> {
  const server = await serve(scripted(complete), { drainMs: 200, ...options })
  servers.push(server)
  return server
}

const openai = (server: HttpServer, path = '/v1') => new OpenAI({ baseURL: `${server.url}${path}`, apiKey: TOKEN })
const ask = { model: 'acme/one', messages: [{ role: 'user' as const, content: 'hi' }] }
const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }
const send = (server: HttpServer, body: unknown, path = '/v1/chat/completions') =>
  fetch(`${server.url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
const CHAT = {
  id: 'x',
  object: 'chat.completion',
  created: 1,
  model: 'one',
  choices: [{ index: 0, finish_reason: 'stop', message: { content: 'hello' } }],
}
const event = (value: unknown) => Buffer.from(`data: ${JSON.stringify(value)}\n\n`)
const delta = (content: string) => event({ id: 'c', object: 'chat.completion.chunk', choices: [{ index: 0, delta: { content } }] })
const DONE = Buffer.from('data: [DONE]\n\n')

describe('an official SDK', () => {
  it('reads a native answer, with and without /v1 in its base URL', async () => {
    const server = await start(async () => nativeJson(CHAT))
    for (const path of ['/v1', '']) {
      const answer = await openai(server, path).chat.completions.create(ask)
      expect(answer.choices[0]?.message.content).toBe('hello')
      expect(answer._request_id).toMatch(/^req_/)
    }
  })

  it('reads a translated answer, whole and streamed', async () => {
    const server = await start(async () => completionOf({ lane: 'translate', parts: textParts('hel', 'lo') }))
    expect((await openai(server).chat.completions.create(ask)).choices[0]?.message.content).toBe('hello')
    let text = ''
    for await (const chunk of await openai(server).chat.completions.create({ ...ask, stream: true }))
      text += chunk.choices[0]?.delta.content ?? ''
    expect(text).toBe('hello')
  })

  it('reads a native stream byte for byte, however it was cut', async () => {
    const bytes = Buffer.concat([delta('né'), delta('t'), DONE])
    const cuts = async function* () {
      for (const byte of bytes) yield Uint8Array.of(byte)
    }
    const server = await start(async () => nativeStream(cuts()))
    let text = ''
    for await (const chunk of await openai(server).chat.completions.create({ ...ask, stream: true }))
      text += chunk.choices[0]?.delta.content ?? ''
    expect(text).toBe('nét')
    expect(Buffer.from(await (await send(server, { ...ask, stream: true })).arrayBuffer())).toEqual(bytes)
  })

  it('does not repeat a request whose payment may have gone out', async () => {
    let tries = 0
    const server = await start(async () => {
      tries++
      throw new RouteplaneError('upstream_timeout', 'no answer', { money: 'signed', hint: 'Look at the receipt.' })
    })
    const thrown = await openai(server)
      .chat.completions.create(ask)
      .catch((error: unknown) => error)
    expect(thrown).toBeInstanceOf(OpenAI.APIError)
    expect((thrown as InstanceType<typeof OpenAI.APIError>).status).toBe(424)
    expect(tries).toBe(1)
  })

  it.each([
    ['does not repeat what was tried at every provider', { retryAfterMs: undefined, tries: 1, headers: [null, 'false'] }],
    ['comes back when it is told to, as it would to a vendor', { retryAfterMs: 15, tries: 3, headers: ['1', null] }],
  ] as const)('%s', async (_name, { retryAfterMs, ...wanted }) => {
    verifies('listing.error.429')
    let tries = 0
    const server = await start(async () => {
      tries++
      throw new RouteplaneError('upstream_rate_limited', 'all busy', {
        ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
        details: { attempts: [{ provider: 'a' }, { held: 7n }] },
      })
    })
    await expect(openai(server).chat.completions.create(ask)).rejects.toMatchObject({ status: 429 })
    expect(tries).toBe(wanted.tries)
    const answer = await send(server, ask)
    expect(answer.status).toBe(429)
    expect([answer.headers.get('retry-after'), answer.headers.get('x-should-retry')]).toEqual(wanted.headers)
  })

  it('gets an error of an answer that broke off, in the middle of its loop', async () => {
    const broken = async function* () {
      yield delta('a')
      throw new RouteplaneError('stream_incomplete', 'the upstream broke off', { money: 'settled' })
    }
    const server = await start(async () => nativeStream(broken()))
    const loop = async () => {
      for await (const chunk of await openai(server).chat.completions.create({ ...ask, stream: true }))
        expect(chunk.choices[0]?.delta.content).toBe('a')
    }
    await expect(loop()).rejects.toThrow('the upstream broke off')
  })
})

describe('the headers of an answer', () => {
  it('say what became of the request', async () => {
    const head = {
      receiptId: 'att_9',
      mode: 'x402',
      attempts: 2,
      costUsd: parseUsd('0.00031'),
      losses: [
        { path: 'seed', feature: 'seed', action: 'omitted' as const, how: 'left out' },
        { path: 'stop', feature: 'stop', action: 'approximated' as const, how: 'cut here' },
      ],
      warnings: ['retires soon'],
    }
    const server = await start(async () => nativeJson(CHAT, head))
    const got = Object.fromEntries((await send(server, ask)).headers)
    expect(got).toMatchObject({
      'cache-control': 'no-store',
      'content-type': 'application/json',
      'x-routeplane-request-id': 'req_1',
      'x-routeplane-provider': 'acme',
      'x-routeplane-model': 'acme/one',
      'x-routeplane-attempts': '2',
      'x-routeplane-cost-usd': '0.00031',
      'x-routeplane-payment-mode': 'x402',
      'x-routeplane-receipt': 'att_9',
      'x-routeplane-loss': '2; seed, stop',
      'x-routeplane-warning': 'retires soon',
    })
  })

  it('cannot be broken by what a provider calls itself', async () => {
    const server = await start(async () => nativeJson(CHAT, { provider: 'a\r\nx-evil: 1\u0000', warnings: ['naïve 模型 \u{1f600}'] }))
    const answer = await send(server, ask)
    expect(answer.headers.get('x-evil')).toBeNull()
    expect(answer.headers.get('x-routeplane-provider')).toBe('a x-evil: 1')
    expect(answer.headers.get('x-routeplane-warning')).toBe('naïve ?? ??')
  })

  it('leave out a cost that is not known', async () => {
    const server = await start(async () => nativeJson(CHAT))
    expect((await send(server, ask)).headers.has('x-routeplane-cost-usd')).toBe(false)
  })
})

describe('a whole answer', () => {
  it('has a length, and an error of the fold is an ordinary error answer', async () => {
    const server = await start(async () => nativeJson(CHAT))
    expect((await send(server, ask)).headers.get('content-length')).toBe(String(JSON.stringify(CHAT).length))
    const parts = async function* (): AsyncIterable<CompletionPart> {
      yield { type: 'error', error: new RouteplaneError('upstream_bad_stream', 'nonsense') }
    }
    const failing = await start(async () => completionOf({ lane: 'translate', parts: oneByOne(parts()) }))
    const answer = await send(failing, ask)
    expect([answer.status, codeOf(await answer.text())]).toEqual([502, 'upstream_bad_stream'])
  })

  it('hides what an unexpected throw says', async () => {
    const server = await start(async () => {
      throw new TypeError('key sk-secretsecret is undefined')
    })
    const answer = await send(server, ask)
    const text = await answer.text()
    expect([answer.status, codeOf(text)]).toEqual([500, 'internal'])
    expect(text).not.toContain('secret')
  })
})

describe('silence', () => {
  const SILENT = { keepAliveMs: 30 }

  it('before the answer is filled with comments, and a late error becomes an event', async () => {
    const gate = deferred<Completion>()
    const server = await start(() => gate.promise, SILENT)
    const answer = await send(server, { ...ask, stream: true })
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'text/event-stream; charset=utf-8'])
    expect(answer.headers.get('x-routeplane-request-id')).toMatch(/^req_/)
    const reader = (answer.body as ReadableStream<Uint8Array>).getReader()
    expect(Buffer.from((await reader.read()).value ?? []).toString()).toMatch(/^(: keep-alive\n\n)+$/)
    gate.reject(new RouteplaneError('upstream_timeout', 'too slow'))
    let rest = ''
    for (let read = await reader.read(); !read.done; read = await reader.read()) rest += Buffer.from(read.value).toString()
    expect(rest).toMatch(/data: \{"error".*"code":"upstream_timeout".*\}\n\n$/)
  })

  it('between events is filled, inside an event is not', async () => {
    const gates = [deferred(), deferred()] as const
    const pausing = async function* () {
      yield delta('a')
      await gates[0].promise
      yield delta('b').subarray(0, 20)
      await gates[1].promise
      yield delta('b').subarray(20)
      yield DONE
    }
    const server = await start(async () => nativeStream(pausing()), SILENT)
    const answer = await send(server, { ...ask, stream: true })
    const reader = (answer.body as ReadableStream<Uint8Array>).getReader()
    let text = ''
    const readUntil = async (pattern: RegExp) => {
      while (!pattern.test(text)) text += Buffer.from((await reader.read()).value ?? []).toString()
    }
    await readUntil(/: keep-alive\n\n$/)
    gates[0].resolve()
    await readUntil(new RegExp(`${delta('b').subarray(0, 20).toString()}$`))
    // Several intervals pass while half an event stands there.
    await new Promise((resolve) => setTimeout(resolve, 120))
    gates[1].resolve()
    await readUntil(/\[DONE\]\n\n$/)
    expect(text.replaceAll(': keep-alive\n\n', '')).toBe(Buffer.concat([delta('a'), delta('b'), DONE]).toString())
  })

  it('is left alone where a comment could not stand', async () => {
    const gate = deferred<Completion>()
    const server = await start(() => gate.promise, SILENT)
    const answers = [send(server, ask), send(server, {}, '/v1beta/models/a/b:streamGenerateContent')]
    await new Promise((resolve) => setTimeout(resolve, 120))
    gate.resolve(nativeJson(CHAT))
    for (const answer of answers) expect(await (await answer).json()).toEqual(CHAT)
  })
})

describe('a caller', () => {
  it('who goes away aborts the upstream', async () => {
    const aborted = deferred<unknown>()
    const left = deferred()
    const endless = async function* (signal: CancelSignal) {
      try {
        while (!signal.aborted) {
          yield delta('a')
          await new Promise((resolve) => setTimeout(resolve, 5))
        }
      } finally {
        left.resolve()
      }
    }
    const server = await start(async ({ signal }) => {
      signal.addEventListener('abort', () => aborted.resolve(signal.reason))
      return nativeStream(endless(signal))
    })
    const stop = new AbortController()
    const answer = await fetch(`${server.url}/v1/chat/completions`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ ...ask, stream: true }),
      signal: stop.signal,
    })
    await (answer.body as ReadableStream).getReader().read()
    stop.abort()
    expect(await aborted.promise).toMatchObject({ code: 'cancelled' })
    await left.promise
  })

  it('who goes away before the answer aborts it too', async () => {
    const asked = deferred()
    const aborted = deferred()
    const server = await start(({ signal }) => {
      asked.resolve()
      return new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          aborted.resolve()
          reject(signal.reason as Error)
        })
      })
    })
    const socket = connect(server.port, '127.0.0.1')
    socket.write(rawRequest('POST /v1/chat/completions', { host: 'localhost', ...headers }, JSON.stringify(ask)))
    await asked.promise
    socket.destroy()
    await aborted.promise
  })

  it('who reads slowly slows the upstream down, and gets every byte', async () => {
    const BLOCK = Buffer.alloc(64 * 1024, 'a')
    const TOTAL = 400
    let produced = 0
    const blocks = async function* () {
      for (; produced < TOTAL; produced++) yield BLOCK
    }
    const server = await start(async () => nativeStream(blocks()))
    const socket = connect(server.port, '127.0.0.1')
    socket.write(rawRequest('POST /v1/chat/completions', { host: 'localhost', ...headers }, JSON.stringify({ ...ask, stream: true })))
    await once(socket, 'readable')
    // Nobody reads: production must come to rest once the buffers between are full.
    let before = -1
    while (before !== produced) {
      before = produced
      await new Promise((resolve) => setTimeout(resolve, 60))
    }
    expect(produced).toBeLessThan(TOTAL)
    let size = 0
    for await (const chunk of socket) size += (chunk as Buffer).length
    expect(produced).toBe(TOTAL)
    expect(size).toBeGreaterThan(TOTAL * BLOCK.length)
  })

  it('who never reads is given up', async () => {
    const aborted = deferred()
    const blocks = async function* () {
      for (;;) yield Buffer.alloc(1 << 20, 'a')
    }
    const server = await start(
      async ({ signal }) => {
        signal.addEventListener('abort', () => aborted.resolve())
        return nativeStream(blocks())
      },
      { stallMs: 50 },
    )
    const socket = connect(server.port, '127.0.0.1')
    socket.on('error', () => {})
    socket.write(rawRequest('POST /v1/chat/completions', { host: 'localhost', ...headers }, JSON.stringify({ ...ask, stream: true })))
    await aborted.promise
    socket.destroy()
  })
})

it('cuts the connection when an answer that is no event stream breaks off', async () => {
  const broken = async function* () {
    yield Buffer.from('[{"a":1},')
    throw new RouteplaneError('stream_incomplete', 'gone')
  }
  const server = await start(async () =>
    completionOf({ lane: 'native', status: 200, headers: { 'content-type': 'application/json' }, body: broken() }),
  )
  const answer = await sendRaw(
    server.port,
    rawRequest('POST /v1beta/models/a:streamGenerateContent', { host: 'localhost', ...headers }, '{}'),
  )
  expect(answer.status).toBe(200)
  expect(answer.all).not.toMatch(/0\r\n\r\n$/)
})

it('hands the wire a path without escapes, and the query as it came', async () => {
  const calls: GatewayCall[] = []
  const server = await start(async (call) => {
    calls.push(call)
    return nativeJson(CHAT)
  })
  await send(server, {}, '/v1beta/models/acme/one%3Acost:streamGenerateContent?alt=sse&x=%2F')
  expect(calls[0]?.wire?.request.path).toBe('/v1beta/models/acme/one:cost:streamGenerateContent')
  expect([...(calls[0]?.wire?.request.query ?? [])]).toEqual([
    ['alt', 'sse'],
    ['x', '/'],
  ])
})
