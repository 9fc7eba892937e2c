/** The transport on real sockets: exchanges that go well, and calls that never leave. */
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { createBench, failed, failureOf, options, post, readAll } from '../support/transport.ts'
import { freePort } from '../support/upstream.ts'

const { transportOf, upstreamOf, rawOf } = createBench()

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
