/** What must never reach the gateway: hostile addresses, foreign origins, wrong tokens, unreadable bodies. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { GatewayCall } from '../../src/gateway/call.ts'
import type { HttpServer } from '../../src/http/serve.ts'
import { TOKEN, codeOf, nativeJson, rawRequest, scripted, sendRaw, serve } from './support.ts'
import { verifies } from '../support/verifies.ts'

const calls: GatewayCall[] = []
const running: { server?: HttpServer } = {}

beforeAll(async () => {
  running.server = await serve(
    scripted(async (call) => {
      calls.push(call)
      return nativeJson({ ok: true })
    }),
    { maxBodyBytes: 4_000_000 },
  )
})
afterAll(() => running.server?.close())

const port = () => running.server?.port ?? 0
const GOOD = { host: 'localhost', authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }
const post = (body: string | Uint8Array, headers: Record<string, string> = {}, path = '/v1/chat/completions') =>
  fetch(`http://127.0.0.1:${port()}${path}`, { method: 'POST', headers: { ...GOOD, ...headers }, body })

async function refused(answer: Promise<Response>): Promise<readonly [number, unknown]> {
  const before = calls.length
  const response = await answer
  const code = codeOf(await response.text())
  expect(calls.length, 'the gateway was not called').toBe(before)
  return [response.status, code]
}

describe('the address of a request', () => {
  const get = (headers: Record<string, string>, target = 'GET /v1/models') =>
    sendRaw(port(), rawRequest(target, { authorization: GOOD.authorization, ...headers }))

  it.each(['localhost', 'LOCALHOST:4356', '127.0.0.1:1', '[::1]:4356'])('takes the loopback name %s', async (host) => {
    expect((await get({ host })).status).toBe(200)
  })

  it.each(['evil.example', 'localhost.evil.com', '127.0.0.1.nip.io', 'localhost@evil.com', 'localhost:99999999', 'localhost.', ' '])(
    'refuses the host "%s"',
    async (host) => {
      verifies('card.gateway.loopback_guard')
      const answer = await get({ host })
      expect([answer.status, codeOf(answer.body)]).toEqual([403, 'host_forbidden'])
    },
  )

  it('refuses two Host headers, whatever their order and case', async () => {
    for (const order of [
      'Host: localhost\r\nhost: evil.example',
      'host: evil.example\r\nHOST: localhost',
      'Host: localhost\r\nHost: localhost',
    ]) {
      const answer = await sendRaw(port(), `GET /v1/models HTTP/1.1\r\n${order}\r\nauthorization: ${GOOD.authorization}\r\n\r\n`)
      expect([answer.status, codeOf(answer.body)]).toEqual([400, 'duplicate_host'])
    }
  })

  it('refuses a request without a Host, in HTTP/1.1 and in HTTP/1.0', async () => {
    const answer = await sendRaw(port(), 'POST /v1/chat/completions HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}')
    expect([answer.status, codeOf(answer.body)]).toEqual([400, 'http_parse'])
    expect((await sendRaw(port(), `GET /v1/models HTTP/1.0\r\nauthorization: ${GOOD.authorization}\r\n\r\n`)).status).toBe(403)
  })

  it.each([
    'GET http://evil/x',
    'GET http://localhost/v1/models',
    'GET /v1/../health',
    'GET /v1/%2e%2e/health',
    'GET /v1/models/a%2f..%2fb',
    'GET /v1/models/%00',
    'GET /v1/models/%252e',
    'GET /v1/models/%c0%af',
    'GET /v1/models/%zz',
    'GET /v1\\models',
    'POST /v1beta/models/a%2fb:generateContent',
    'POST /v1beta/models/a%252fb:generateContent',
  ])('refuses the target of %s', async (line) => {
    const answer = await sendRaw(port(), rawRequest(line, GOOD, line.startsWith('POST') ? '{}' : ''))
    expect(answer.status).toBe(400)
    expect(String(codeOf(answer.body)).toLowerCase()).toBe('bad_target')
  })

  it('answers OPTIONS * and unknown methods with 405 and what is allowed', async () => {
    const star = await sendRaw(port(), rawRequest('OPTIONS *', { host: 'localhost' }))
    expect([star.status, codeOf(star.body)]).toEqual([405, 'method_not_allowed'])
    expect(star.headers).toMatch(/allow: GET, HEAD, POST/i)
    const get = await sendRaw(port(), rawRequest('GET /v1/chat/completions', GOOD))
    expect([get.status, codeOf(get.body)]).toEqual([405, 'method_not_allowed'])
    expect(get.headers).toMatch(/allow: POST/i)
    const remove = await sendRaw(port(), rawRequest('DELETE /v1/models', GOOD))
    expect(remove.status).toBe(405)
    expect(remove.headers).toMatch(/allow: GET, HEAD/i)
  })

  it('answers an unknown path with JSON', async () => {
    const response = await fetch(`http://127.0.0.1:${port()}/v1/nothing`, { headers: { authorization: GOOD.authorization } })
    expect([response.status, codeOf(await response.text())]).toEqual([404, 'not_found'])
  })

  it('tells who has a version in his base URL to leave it out', async () => {
    const response = await post('{}', {}, '/v1/v1/messages')
    expect(response.status).toBe(404)
    expect(await response.json()).toMatchObject({ error: { code: 'not_found', hint: expect.stringContaining('without /v1') } })
  })
})

describe('what the parser refuses', () => {
  it.each([
    ['two content lengths', 'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{} '],
    ['length and chunks at once', 'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['a negative length', 'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n'],
    ['a NUL in the path', 'GET /v1/\u0000x HTTP/1.1\r\nHost: localhost\r\n\r\n'],
    ['a folded header', 'GET / HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b\r\n\r\n'],
    ['TLS', '\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00fc\u0003\u0003'],
  ])('%s: 400 as JSON', async (_title, bytes) => {
    const answer = await sendRaw(port(), Buffer.from(bytes, 'latin1'))
    expect([answer.status, codeOf(answer.body)]).toEqual([400, 'http_parse'])
  })

  it.each([
    'POST /v1/chat/completions',
    'GET /v1/chat/completions',
    'POST /',
    'GET /',
    'POST /v1/models',
    'GET /v1/models',
    'POST /nowhere',
  ])('a bad chunk size ends %s without reaching the gateway', async (line) => {
    const before = calls.length
    const head = `${line} HTTP/1.1\r\nHost: localhost\r\nauthorization: ${GOOD.authorization}\r\ncontent-type: application/json\r\n`
    for (const body of ['ZZ\r\n{}\r\n0\r\n\r\n', `2;${'x'.repeat(20_000)}\r\n{}\r\n0\r\n\r\n`]) {
      const answer = await sendRaw(port(), `${head}transfer-encoding: chunked\r\n\r\n${body}`)
      expect([answer.status, codeOf(answer.body)]).toEqual([400, 'http_parse'])
    }
    expect(calls.length).toBe(before)
  })

  it('a header line, a path, and a number of headers beyond the bounds: 431', async () => {
    const long = await sendRaw(port(), rawRequest('GET /', { host: 'localhost', x: 'a'.repeat(20_000) }))
    expect([long.status, codeOf(long.body)]).toEqual([431, 'header_too_large'])
    const path = await sendRaw(port(), rawRequest(`GET /v1/${'a'.repeat(20_000)}`, { host: 'localhost' }))
    expect([path.status, codeOf(path.body)]).toEqual([431, 'header_too_large'])
    const fields = (count: number) => Object.fromEntries(Array.from({ length: count }, (_unused, index) => [`a${index}`, 'b']))
    // With Host and Connection one more than the guard takes.
    const counted = await sendRaw(port(), rawRequest('GET /health', { host: 'localhost', ...fields(99) }))
    expect([counted.status, codeOf(counted.body)]).toEqual([431, 'too_many_headers'])
    // From Node 22 on the parser itself refuses more than the guard wants to see.
    expect((await sendRaw(port(), rawRequest('GET /health', { host: 'localhost', ...fields(1_500) }))).status).toBe(431)
    // A Host hidden behind the last header that Node keeps must not slip through.
    const hidden = `GET /health HTTP/1.1\r\nHost: localhost\r\n${'x: y\r\n'.repeat(120)}Host: evil.example\r\n\r\n`
    expect((await sendRaw(port(), hidden)).status).toBe(431)
  })
})

describe('where a request comes from', () => {
  const BODY = '{"model":"acme/one"}'

  it.each([
    'https://evil.example',
    'null',
    'http://localhost:1',
    'http://localhost.evil.com',
    'file://',
    'http://127.0.0.1@evil.example',
    '',
  ])('refuses the origin "%s"', async (origin) => {
    verifies('card.gateway.loopback_guard')
    const before = calls.length
    const answer = await sendRaw(port(), rawRequest('POST /v1/chat/completions', { ...GOOD, host: `localhost:${port()}`, origin }, BODY))
    expect([answer.status, codeOf(answer.body)]).toEqual([403, 'origin_forbidden'])
    expect(calls.length).toBe(before)
  })

  it('takes its own origin, and callers that send none', async () => {
    for (const headers of [
      {},
      { origin: `http://localhost:${port()}` },
      { origin: `http://127.0.0.1:${port()}`, 'sec-fetch-site': 'same-origin' },
    ]) {
      const answer = await sendRaw(
        port(),
        rawRequest('POST /v1/chat/completions', { ...GOOD, host: `localhost:${port()}`, ...headers }, BODY),
      )
      expect(answer.status).toBe(200)
    }
  })

  it('refuses what a browser marks as cross-site', async () => {
    verifies('card.gateway.loopback_guard')
    const answer = await sendRaw(port(), rawRequest('GET /health', { host: 'localhost', 'sec-fetch-site': 'cross-site' }))
    expect([answer.status, codeOf(answer.body)]).toEqual([403, 'origin_forbidden'])
  })
})

describe('the token', () => {
  it.each([
    {},
    { authorization: 'Bearer sk-wrong-secret-123' },
    { authorization: `Basic ${TOKEN}` },
    { 'x-api-key': `${TOKEN}x` },
    { authorization: '' },
  ])('refuses %o', async (headers) => {
    verifies('card.gateway.token', 'listing.error.401')
    const answer = await sendRaw(
      port(),
      rawRequest('POST /v1/chat/completions', { host: 'localhost', 'content-type': 'application/json', ...headers }, '{"model":"a"}'),
    )
    expect([answer.status, codeOf(answer.body)]).toEqual([401, 'unauthorized'])
    expect(answer.headers).toMatch(/www-authenticate: Bearer/i)
    expect(answer.all).not.toContain('sk-wrong-secret-123')
  })

  it('is taken wherever an SDK puts its key', async () => {
    for (const headers of [{ authorization: `bearer ${TOKEN}` }, { 'x-api-key': TOKEN }, { 'x-goog-api-key': TOKEN }]) {
      expect((await fetch(`http://127.0.0.1:${port()}/v1/models`, { headers: headers as Record<string, string> })).status).toBe(200)
    }
  })

  it('is not asked for by the two paths that say nothing', async () => {
    for (const path of ['/', '/health']) {
      expect((await fetch(`http://127.0.0.1:${port()}${path}`)).status).toBe(200)
      expect((await fetch(`http://127.0.0.1:${port()}${path}`, { method: 'HEAD' })).status).toBe(200)
    }
    for (const path of ['/v1/status', '/v1/receipts', '/v1/models', '/nothing']) {
      expect((await fetch(`http://127.0.0.1:${port()}${path}`)).status).toBe(401)
    }
  })
})

describe('the body', () => {
  it.each([
    ['nothing', '', [400, 'invalid_json']],
    ['a bare NaN', '{"model":"a","temperature":NaN}', [400, 'invalid_json']],
    ['a byte order mark', '\ufeff{"model":"a"}', [400, 'invalid_json']],
    ['half an object', '{"model":"a"', [400, 'invalid_json']],
    ['an array', '[]', [400, 'invalid_request']],
    ['null', 'null', [400, 'invalid_request']],
    ['a number', '42', [400, 'invalid_request']],
    ['a deep array', `${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}`, [400, 'nesting_too_deep']],
    ['two models', '{"model":"cheap/a","max_cost_usd":"1","model":"dear/b"}', [400, 'duplicate_key']],
    ['two models, one escaped', '{"model":"cheap/a","mod\\u0065l":"dear/b"}', [400, 'duplicate_key']],
    ['two caps', '{"model":"a","routeplane":{"max_cost_usd":"1","max_cost_usd":"9"}}', [400, 'duplicate_key']],
    ['a great many members', `{${Array.from({ length: 100_000 }, (_, at) => `"k${at}":0`).join()}}`, [413, 'body_too_large']],
    ['a great many values', `{"messages":[${'{},'.repeat(1_000_000)}{}]}`, [413, 'body_too_large']],
    ['no model', '{"messages":[]}', [400, 'invalid_request']],
  ] as const)('refuses %s', async (_title, body, expected) => {
    verifies('listing.error.400', 'listing.edge.invalid')
    expect(await refused(post(body))).toEqual(expected)
  })

  it('refuses bytes that are not UTF-8', async () => {
    expect(await refused(post(Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d)))).toEqual([400, 'invalid_json'])
  })

  it.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data',
    'application/json; charset=utf-16',
    'application/jsonp',
  ])('refuses the media type %s', async (type) => {
    verifies('card.gateway.loopback_guard')
    expect(await refused(post('{"model":"a"}', { 'content-type': type }))).toEqual([415, 'unsupported_media_type'])
  })

  it.each(['/v1/files', '/v1/audio/transcriptions'])('in any form is not found at %s, where nothing is', async (path) => {
    const form = new FormData()
    form.set('file', new File(['abc'], 'a.txt'))
    const headers = { authorization: GOOD.authorization }
    const answer = fetch(`http://127.0.0.1:${port()}${path}`, { method: 'POST', headers, body: form })
    expect(await refused(answer)).toEqual([404, 'not_found'])
  })

  it.each(['/v1/responses/resp_1/cancel', '/responses/resp_1/cancel'])('need not be there at %s', async (path) => {
    const answer = fetch(`http://127.0.0.1:${port()}${path}`, { method: 'POST', headers: { authorization: GOOD.authorization } })
    expect(await refused(answer)).toEqual([404, 'response_not_found'])
  })

  it('refuses a compressed body without inflating it', async () => {
    expect(await refused(post(gzipSync(Buffer.alloc(1 << 20)), { 'content-encoding': 'gzip' }))).toEqual([415, 'unsupported_encoding'])
  })

  it('refuses a body beyond the bound by its announced length, and by counting when there is none', async () => {
    const announced = rawRequest('POST /v1/chat/completions', { ...GOOD, 'content-length': '5000000' })
    const answer = await sendRaw(port(), announced)
    expect([answer.status, codeOf(answer.body)]).toEqual([413, 'body_too_large'])
    const chunk = `100000\r\n${'a'.repeat(0x100000)}\r\n`
    // With Host and Connection one more than the guard takes.
    const counted = await sendRaw(
      port(),
      `${rawRequest('POST /v1/chat/completions', { ...GOOD, 'transfer-encoding': 'chunked' })}${chunk.repeat(5)}0\r\n\r\n`,
    )
    expect([counted.status, codeOf(counted.body)]).toEqual([413, 'body_too_large'])
  })

  it.each<readonly [number, string, Readonly<Record<string, string>>, string]>([
    [401, 'unauthorized', { authorization: 'Bearer wrong' }, '/v1/chat/completions'],
    [404, 'not_found', {}, '/v1/nothing'],
    [413, 'body_too_large', {}, '/v1/chat/completions'],
    [415, 'unsupported_media_type', { 'content-type': 'text/plain' }, '/v1/chat/completions'],
  ])('answers %i %s to who is still sending, and lets him finish', async (status, code, headers, path) => {
    const head = rawRequest(`POST ${path}`, { ...GOOD, ...headers, 'content-length': '6000000' })
    const socket = connect(port(), '127.0.0.1', () => socket.write(head))
    let answer = ''
    while (!answer.endsWith('}')) answer += String((await once(socket, 'data'))[0])
    const [line = '', ...rest] = answer.split('\r\n')
    expect([Number(line.split(' ')[1]), codeOf(rest.at(-1) ?? '')]).toEqual([status, code])
    // Whoever is cut off here sees a broken pipe, and not the answer.
    for (let sent = 0; sent < 6; sent++) if (!socket.write('x'.repeat(1_000_000))) await once(socket, 'drain')
    await once(socket, 'end')
    socket.destroy()
  })

  it('keeps a lone surrogate and a charset as they are', async () => {
    const before = calls.length
    const response = await post('{"model":"a","messages":[{"content":"\\ud800"}]}', { 'content-type': 'application/json; charset=UTF-8' })
    expect(response.status).toBe(200)
    const { wire } = calls[before] as GatewayCall
    expect(Buffer.from(wire?.request.body ?? []).toString()).toContain('\\ud800')
  })

  it('keeps the gateway token away from what is passed on', async () => {
    const before = calls.length
    await post('{"model":"a"}', { 'x-api-key': TOKEN, 'x-kept': 'yes', cookie: 'a=b' })
    const headers = (calls[before] as GatewayCall).wire?.request.headers
    expect(headers?.['x-kept']).toBe('yes')
    expect(JSON.stringify(headers)).not.toContain(TOKEN)
    expect(headers?.cookie).toBeUndefined()
  })
})

it('answers a hundred pipelined requests in order on one socket', async () => {
  const request = `GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n`
  const answer = await sendRaw(port(), request.repeat(99) + rawRequest('GET /health', { host: 'localhost' }))
  expect(answer.all.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(100)
})

it('speaks the envelope of the wire whose path was called, even before the route', async () => {
  const answer = await sendRaw(
    port(),
    rawRequest('POST /v1beta/models/a:generateContent', { host: 'localhost', 'content-type': 'application/json' }, '{}'),
  )
  expect([answer.status, codeOf(answer.body)]).toEqual([401, 'UNAUTHORIZED'])
})
