/** The transport against real sockets: every way an upstream can fail, and what may be said of the request then. */
import { gzipSync } from 'node:zlib'
import type { Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { RouteplaneError } from '../../src/errors.ts'
import { createTransport, type ClosableTransport, type TransportConfig } from '../../src/gateway/transport.ts'
import type { HttpCall, HttpResponse, TransportOptions } from '../../src/lib/http-call.ts'
import { freePort, startRawUpstream, startUpstream, type Script, type Upstream } from '../support/upstream.ts'

const open: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close()
})

function transportOf(config: Partial<TransportConfig> = {}): ClosableTransport {
  const transport = createTransport({ allowLoopback: true, ...config })
  open.push(transport)
  return transport
}

async function upstreamOf(script: Script): Promise<Upstream> {
  const upstream = await startUpstream(script)
  open.push(upstream)
  return upstream
}

async function rawOf(answer: (socket: Socket) => void | Promise<void>): Promise<Upstream> {
  const upstream = await startRawUpstream(answer)
  open.push(upstream)
  return upstream
}

const post = (url: string): HttpCall => ({
  method: 'POST',
  url,
  headers: { 'content-type': 'application/json' },
  body: Buffer.from('{"a":1}'),
})

const options = (extra: Partial<TransportOptions> = {}): TransportOptions => ({ signal: new AbortController().signal, ...extra })

async function readAll(response: HttpResponse): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of response.body) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

async function failureOf(work: Promise<unknown>): Promise<RouteplaneError> {
  const outcome: unknown = await work.then(
    () => 'no failure',
    (error: unknown) => error,
  )
  expect(outcome).toBeInstanceOf(RouteplaneError)
  return outcome as RouteplaneError
}

const failed = (code: string, details: Record<string, unknown>): unknown =>
  expect.objectContaining({ code, details: expect.objectContaining(details) as unknown })

describe('an exchange that goes well', () => {
  it('sends method, path, headers and body, and asks for no compression', async () => {
    const upstream = await upstreamOf({ json: { ok: true }, headers: { 'x-b': ['1', '2'] } })
    const response = await transportOf()(
      { ...post(`${upstream.url}/v1/x?y=1`), headers: { 'X-A': 'b', 'Accept-Encoding': 'br', Host: 'evil' } },
      options(),
    )
    expect(response.status).toBe(200)
    expect(response.headers['x-b']).toEqual(['1', '2'])
    expect(JSON.parse(await readAll(response))).toEqual({ ok: true })
    const [seen] = upstream.requests
    expect(seen).toMatchObject({ method: 'POST', path: '/v1/x?y=1', json: { a: 1 } })
    expect(seen?.headers).toMatchObject({
      'x-a': 'b',
      'accept-encoding': 'identity',
      host: `127.0.0.1:${upstream.port}`,
      'content-length': '7',
    })
  })

  it('uses a connection again, also when the reader stopped at the last event', async () => {
    const upstream = await upstreamOf({ stream: ['data: 1\n\n', 'data: [DONE]\n\n'] })
    const transport = transportOf()
    for (let round = 0; round < 3; round++) {
      const response = await transport(post(upstream.url), options())
      for await (const chunk of response.body) if (Buffer.from(chunk).includes('[DONE]')) break
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    expect(upstream.connections()).toBe(1)
  })

  it('gives all that one read of the socket brought as one item', async () => {
    const frames = Array.from({ length: 50 }, (_, at) => `data: ${at}\n\n`)
    const chunked = frames.map((frame) => `${Buffer.byteLength(frame).toString(16)}\r\n${frame}\r\n`).join('')
    const upstream = await rawOf((socket) => {
      socket.end(`HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n${chunked}0\r\n\r\n`)
    })
    const response = await transportOf()(post(upstream.url), options())
    const items: string[] = []
    for await (const chunk of response.body) items.push(Buffer.from(chunk).toString())
    expect(items.join('')).toBe(frames.join(''))
    expect(items.length).toBeLessThan(5)
  })

  it('passes 304 and answers without a body', async () => {
    const upstream = await upstreamOf({ status: 304, body: '' })
    const response = await transportOf()({ method: 'GET', url: upstream.url, headers: {} }, options())
    expect([response.status, await readAll(response)]).toEqual([304, ''])
  })

  it('slows the upstream down when the reader is slow, without calling that a stall', async () => {
    const block = 'x'.repeat(1024 * 1024)
    const upstream = await upstreamOf({ stream: Array.from({ length: 20 }, () => block) })
    const transport = transportOf({ timeouts: { idleMs: 150 } })
    const response = await transport(post(upstream.url), options())
    const iterator = response.body[Symbol.asyncIterator]()
    let total = 0
    for (let round = 0; ; round++) {
      const item = await iterator.next()
      if (item.done === true) break
      expect(item.value.length).toBeLessThan(2 * 1024 * 1024)
      total += item.value.length
      if (round < 2) await new Promise((resolve) => setTimeout(resolve, 400))
    }
    expect(total).toBe(20 * block.length)
  })

  it.each(['gzip', 'x-gzip'])('inflates %s that nobody asked for', async (coding) => {
    const upstream = await upstreamOf({
      body: gzipSync('data: hello\n\n'),
      headers: { 'content-encoding': coding, 'content-type': 'text/event-stream' },
    })
    const response = await transportOf()(post(upstream.url), options())
    expect(response.headers['content-encoding']).toBeUndefined()
    expect(await readAll(response)).toBe('data: hello\n\n')
  })

  it('takes 200 cookies in the head', async () => {
    const upstream = await upstreamOf({
      json: 1,
      headers: { 'set-cookie': Array.from({ length: 200 }, (_, at) => `c${at}=${'v'.repeat(40)}`) },
    })
    const response = await transportOf()(post(upstream.url), options())
    expect(await readAll(response)).toBe('1')
  })
})

describe('a call that never leaves', () => {
  it('says so when nothing listens', async () => {
    const port = await freePort()
    expect(await failureOf(transportOf()(post(`http://127.0.0.1:${port}`), options()))).toEqual(
      failed('upstream_unreachable', { phase: 'connect', sent: false }),
    )
  })

  it('says so when the name has no address', async () => {
    const lookup = (): Promise<never> => Promise.reject(Object.assign(new Error('getaddrinfo'), { code: 'ENOTFOUND' }))
    expect(await failureOf(transportOf({ lookup })(post('https://nowhere.example'), options()))).toEqual(
      failed('upstream_unreachable', { phase: 'dns', sent: false }),
    )
    const empty = transportOf({ lookup: () => Promise.resolve([]) })
    expect(await failureOf(empty(post('https://nowhere.example'), options()))).toEqual(
      failed('upstream_unreachable', { phase: 'dns', sent: false }),
    )
  })

  it('says so when the TLS handshake fails', async () => {
    const upstream = await upstreamOf({ json: 1 })
    expect(await failureOf(transportOf()(post(`https://127.0.0.1:${upstream.port}`), options()))).toEqual(
      failed('upstream_unreachable', { phase: 'tls', sent: false }),
    )
    expect(upstream.requests).toEqual([])
  })

  it('says so when connecting takes too long', async () => {
    const upstream = await rawOf(() => {})
    const transport = transportOf({ timeouts: { connectMs: 50 } })
    const failure = await failureOf(transport(post(`https://127.0.0.1:${upstream.port}`), options()))
    expect(failure).toEqual(failed('upstream_timeout', { phase: 'connect', sent: false }))
  })

  it.each([
    ['a private literal', 'https://10.0.0.1/v1', 'private_address'],
    ['the metadata address', 'https://169.254.169.254/latest', 'private_address'],
    ['an integer spelling of loopback', 'http://2130706433/', 'private_address'],
    ['a private IPv6 literal', 'https://[fd00::1]/', 'private_address'],
    ['loopback', 'http://127.0.0.1:1/', 'private_address'],
    ['localhost', 'http://localhost:1/', 'private_address'],
    ['plain http to the world', 'http://example.com/', 'upstream_unreachable'],
    ['a user name', 'https://user:pass@example.com/', 'upstream_unreachable'],
    ['another scheme', 'data:text/plain,hello', 'upstream_unreachable'],
    ['no URL', 'example.com', 'upstream_unreachable'],
  ])('refuses %s', async (_, url, code) => {
    const failure = await failureOf(transportOf({ allowLoopback: false })(post(url), options()))
    expect(failure).toEqual(failed(code, { sent: false }))
    expect(JSON.stringify(failure)).not.toContain('pass')
  })

  it.each([['10.1.2.3'], ['127.0.0.1'], ['::ffff:192.168.0.1']])(
    'refuses a name that resolves to %s, alone or among public addresses',
    async (address) => {
      for (const found of [[address], ['8.8.8.8', address]]) {
        const transport = transportOf({
          allowLoopback: false,
          lookup: () => Promise.resolve(found.map((one) => ({ address: one, family: one.includes(':') ? 6 : 4 }))),
        })
        expect(await failureOf(transport(post('https://rebind.example'), options()))).toEqual(failed('private_address', { sent: false }))
      }
    },
  )

  it('refuses a name that resolves to a private network also where loopback is allowed', async () => {
    const transport = transportOf({ lookup: () => Promise.resolve([{ address: '192.168.1.1', family: 4 }]) })
    expect(await failureOf(transport(post('https://lan.example'), options()))).toEqual(failed('private_address', { sent: false }))
  })

  it('does not start when it is cancelled already', async () => {
    const upstream = await upstreamOf({ json: 1 })
    expect(await failureOf(transportOf()(post(upstream.url), options({ signal: AbortSignal.abort() })))).toEqual(
      failed('cancelled', { sent: false }),
    )
    expect(upstream.requests).toEqual([])
  })
})

describe('an answer that does not come', () => {
  it('is upstream_unreachable when the connection closes', async () => {
    const upstream = await upstreamOf({ hangUp: true } as Script)
    expect(await failureOf(transportOf()(post(upstream.url), options()))).toEqual(
      failed('upstream_unreachable', { phase: 'head', sent: true }),
    )
  })

  it('is upstream_timeout when nothing is said', async () => {
    const upstream = await rawOf(() => {})
    const transport = transportOf({ timeouts: { firstByteMs: 60 } })
    expect(await failureOf(transport(post(upstream.url), options()))).toEqual(
      failed('upstream_timeout', { phase: 'first_byte', sent: true }),
    )
  })

  it('is upstream_timeout when the head drips', async () => {
    const upstream = await rawOf(async (socket) => {
      for (const character of `HTTP/1.1 200 OK\r\nx-long: ${'a'.repeat(500)}`) {
        if (socket.destroyed) return
        socket.write(character)
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
    })
    const transport = transportOf({ timeouts: { firstByteMs: 150 } })
    expect(await failureOf(transport(post(upstream.url), options()))).toEqual(
      failed('upstream_timeout', { phase: 'first_byte', sent: true }),
    )
  })

  it('is redirect_refused when the upstream points elsewhere', async () => {
    const upstream = await upstreamOf({ status: 302, headers: { location: 'https://evil.example/?key=secret' }, body: '' })
    const failure = await failureOf(transportOf()(post(upstream.url), options()))
    expect(failure).toEqual(failed('redirect_refused', { status: 302, sent: true }))
    expect(failure.message).not.toContain('evil')
  })

  it.each([
    ['a head beyond its limit', `HTTP/1.1 200 OK\r\n${'x-bomb: y\r\n'.repeat(20_000)}\r\n`, 'response_too_large'],
    ['one endless header', `HTTP/1.1 200 OK\r\nx: ${'y'.repeat(200_000)}\r\n\r\n`, 'response_too_large'],
    ['status 000', 'HTTP/1.1 000 Nothing\r\ncontent-length: 0\r\n\r\n', 'upstream_error'],
    ['two lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{} ', 'upstream_error'],
    ['no HTTP at all', 'SSH-2.0-OpenSSH_9.2\r\n\r\n', 'upstream_error'],
    [
      'a length and chunks',
      'HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n',
      'upstream_error',
    ],
    ['an unknown coding', 'HTTP/1.1 200 OK\r\ncontent-encoding: zip\r\ncontent-length: 2\r\n\r\n{}', 'upstream_error'],
  ])('is refused for %s', async (_, bytes, code) => {
    const upstream = await rawOf((socket) => {
      socket.write(bytes)
    })
    expect(await failureOf(transportOf()(post(upstream.url), options()))).toEqual(failed(code, { sent: true }))
  })
})

describe('an answer that breaks off', () => {
  const head = 'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n'

  it.each([
    ['its length promises more', `${head}content-length: 100\r\n\r\ndata: 1\n\n`],
    ['its last chunk is missing', `${head}transfer-encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n`],
    ['a chunk size is broken', `${head}transfer-encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\nZZ\r\n`],
  ])('gives what came and then stream_incomplete when %s', async (_, bytes) => {
    const upstream = await rawOf((socket) => {
      socket.end(bytes)
    })
    const response = await transportOf()(post(upstream.url), options())
    const seen: string[] = []
    const failure = await failureOf(
      (async () => {
        for await (const chunk of response.body) seen.push(Buffer.from(chunk).toString())
      })(),
    )
    expect(failure).toEqual(failed('stream_incomplete', { phase: 'body', sent: true }))
    expect(seen.join('')).toBe('data: 1\n\n')
  })

  it('is stream_incomplete on a reset', async () => {
    const upstream = await upstreamOf({ stream: ['data: 1\n\n', { ms: 20 }, 'cut'] })
    const response = await transportOf()(post(upstream.url), options())
    expect(await failureOf(readAll(response))).toEqual(failed('stream_incomplete', { sent: true }))
  })

  it('is idle_timeout on a stall', async () => {
    const upstream = await upstreamOf({ stream: ['data: 1\n\n', 'stall'] })
    const response = await transportOf({ timeouts: { idleMs: 80 } })(post(upstream.url), options())
    expect(await failureOf(readAll(response))).toEqual(failed('idle_timeout', { phase: 'idle', sent: true }))
    await upstream.requests[0]?.closed
  })

  it('is idle_timeout on a drip that never ends a line', async () => {
    const upstream = await upstreamOf({ stream: [{ drip: 'x'.repeat(10_000), everyMs: 10 }] })
    const response = await transportOf({ timeouts: { idleMs: 100 }, minBytesPerSecond: 500 })(post(upstream.url), options())
    expect(await failureOf(readAll(response))).toEqual(failed('idle_timeout', { phase: 'rate', sent: true }))
    await upstream.requests[0]?.closed
  })

  it('is upstream_timeout when an event stream begins with a head and nothing else', async () => {
    const upstream = await upstreamOf({ stream: ['stall'] })
    const response = await transportOf({ timeouts: { firstByteMs: 80, idleMs: 60_000 } })(post(upstream.url), options())
    expect(await failureOf(readAll(response))).toEqual(failed('upstream_timeout', { phase: 'first_byte', sent: true }))
  })

  it('waits as long as comments keep coming before the first event', async () => {
    const pings = Array.from({ length: 10 }, () => [': ping\n\n', { ms: 60 }] as const).flat()
    const upstream = await upstreamOf({ stream: [...pings, 'data: 1\n\n'] })
    const response = await transportOf({ timeouts: { firstByteMs: 300, idleMs: 60_000 } })(post(upstream.url), options())
    expect(await readAll(response)).toContain('data: 1')
  })

  it('does not take comments for a first byte', async () => {
    const upstream = await upstreamOf({ stream: [': ping\n\n', 'stall'] })
    const response = await transportOf({ timeouts: { firstByteMs: 80, idleMs: 60_000 } })(post(upstream.url), options())
    expect(await failureOf(readAll(response))).toEqual(failed('upstream_timeout', { phase: 'first_byte' }))
  })

  it('is response_too_large beyond the limit, announced or not', async () => {
    const announced = await upstreamOf({ body: 'x'.repeat(2000), headers: { 'content-length': '2000' } })
    expect(await failureOf(transportOf()(post(announced.url), options({ maxBytes: 1000 })))).toEqual(
      failed('response_too_large', { sent: true }),
    )
    const streamed = await upstreamOf({ stream: ['x'.repeat(600), { ms: 10 }, 'x'.repeat(600), 'stall'] })
    const response = await transportOf({ maxBytes: 1000 })(post(streamed.url), options())
    expect(await failureOf(readAll(response))).toEqual(failed('response_too_large', { sent: true }))
    await streamed.requests[0]?.closed
  })

  it('bounds what a compressed body inflates to, and refuses one that is broken', async () => {
    const bomb = await upstreamOf({ body: gzipSync(Buffer.alloc(50 << 20)), headers: { 'content-encoding': 'gzip' } })
    const transport = transportOf()
    expect(await failureOf(readAll(await transport(post(bomb.url), options({ maxBytes: 1 << 20 }))))).toEqual(
      failed('response_too_large', {}),
    )
    const broken = await upstreamOf({ body: 'not gzip', headers: { 'content-encoding': 'gzip' } })
    expect(await failureOf(readAll(await transport(post(broken.url), options())))).toEqual(failed('stream_incomplete', {}))
  })
})

describe('a reader who goes', () => {
  it('aborts the upstream by leaving the loop', async () => {
    const upstream = await upstreamOf({ stream: ['data: 1\n\n', 'stall'] })
    const response = await transportOf()(post(upstream.url), options())
    for await (const _ of response.body) break
    await upstream.requests[0]?.closed
  })

  it('aborts the upstream by signal, with the reason it was given', async () => {
    const upstream = await upstreamOf({ stream: ['data: 1\n\n', 'stall'] })
    const abort = new AbortController()
    const response = await transportOf()(post(upstream.url), options({ signal: abort.signal }))
    const iterator = response.body[Symbol.asyncIterator]()
    await iterator.next()
    const next = iterator.next()
    abort.abort(new RouteplaneError('upstream_timeout', 'the deadline of the request has passed'))
    expect(await failureOf(next)).toMatchObject({ code: 'upstream_timeout', message: 'the deadline of the request has passed' })
    await upstream.requests[0]?.closed
  })

  it('aborts by signal while waiting for the head', async () => {
    const upstream = await upstreamOf({ delayMs: 60_000, json: 1 })
    const abort = new AbortController()
    const call = transportOf()(post(upstream.url), options({ signal: abort.signal }))
    setTimeout(() => abort.abort(), 30)
    expect(await failureOf(call)).toEqual(failed('cancelled', { sent: true }))
  })
})
