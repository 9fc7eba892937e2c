/** The transport on real sockets: every way an upstream can fail after the call has left. */
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { RouteplaneError } from '../../src/errors.ts'
import { createBench, failed, failureOf, options, post, readAll } from '../support/transport.ts'
import { type Script } from '../support/upstream.ts'

const { transportOf, upstreamOf, rawOf } = createBench()

describe('an interim answer that nobody has asked for', () => {
  const final = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}'
  const goOn = 'HTTP/1.1 100 Continue\r\n\r\n'

  it.each([
    ['100', [goOn, final]],
    ['100, with the final one in the same packet', [goOn + final]],
    ['100 with fields, twice', [`HTTP/1.1 100 Continue\r\nx-a: b\r\n\r\n${goOn}`, final]],
    ['100 without a phrase, in pieces', ['HTTP/1.1 100 \r\n', '\r\n', final]],
    ['102 and 103', [`HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n${final}`]],
  ])('is read over: %s', async (_name, pieces) => {
    const upstream = await rawOf(async (socket) => {
      for (const piece of pieces) {
        socket.write(piece)
        await new Promise((resolve) => setImmediate(resolve))
      }
    })
    const response = await transportOf()(post(upstream.url), options())
    expect([response.status, await readAll(response)]).toEqual([200, '{}'])
  })

  it('is told from a body that begins with its words', async () => {
    const body = 'HTTP/1.1 100 Continue is what the model says'
    const upstream = await rawOf(async (socket) => {
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n`)
      await new Promise((resolve) => setTimeout(resolve, 20))
      socket.write(body)
    })
    const response = await transportOf()(post(upstream.url), options())
    expect(await readAll(response)).toBe(body)
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
    const abort = new AbortController()
    const upstream = await upstreamOf(() => {
      abort.abort()
      return { delayMs: 60_000, json: 1 }
    })
    const call = transportOf()(post(upstream.url), options({ signal: abort.signal }))
    expect(await failureOf(call)).toEqual(failed('cancelled', { sent: true }))
  })
})
