/** MCP over HTTP: both revisions through the official client, sessions, and what never reaches a tool. */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { createLog } from '../../src/lib/log.ts'
import { rawRequest, sendRaw, TOKEN } from '../http/support.ts'
import { verifies } from '../support/verifies.ts'
import { eras } from './client.ts'
import { type McpServed, messageOf, serveMcp } from './http-server.ts'

const opened: McpServed[] = []
const open = async (...given: Parameters<typeof serveMcp>) => {
  const served = await serveMcp(...given)
  opened.push(served)
  return served
}
afterEach(async () => void (await Promise.all(opened.splice(0).map((served) => served.close()))))

describe.each(eras)('the official client on %s', (era) => {
  it('lists, calls, reads and is helped, as over standard input', async () => {
    verifies('card.mcp.http')
    const client = await (await open()).connect(era)
    const { tools } = await client.listTools()
    expect(tools.map(({ name }) => name)).toEqual(['list_models', 'complete', 'set_preset'])
    const { structuredContent, content } = await client.callTool({ name: 'complete', arguments: { model: 'acme/a', prompt: 'Hello' } })
    expect(structuredContent).toMatchObject({ paid_usd: '0.0004', receipt_id: 'att_1' })
    expect(content).toMatchObject([{ type: 'text' }, { type: 'resource_link', uri: 'routeplane://receipts/att_1' }])
    const [receipt] = (await client.readResource({ uri: 'routeplane://receipts/att_1' })).contents
    expect(JSON.parse((receipt as { text: string }).text)).toMatchObject({ id: 'att_1', object: 'receipt' })
    await client.close()
  })

  it('reports progress that only grows', async () => {
    const client = await (await open()).connect(era)
    const seen: number[] = []
    await client.callTool(
      { name: 'complete', arguments: { model: 'acme/long', prompt: 'x' } },
      { onprogress: ({ progress }) => seen.push(progress) },
    )
    expect(seen.length).toBeGreaterThan(3)
    expect(seen).toEqual([...new Set(seen)].toSorted((one, other) => one - other))
    await client.close()
  })

  it('cancels a call, whose payment is recorded before the server has closed', async () => {
    const lines: string[] = []
    const served = await open(
      {},
      createLog(
        'debug',
        (line) => lines.push(line),
        () => 0,
      ),
    )
    const client = await served.connect(era)
    const gone = new AbortController()
    let hasBegun: () => void = () => {}
    const begun = new Promise<void>((resolve) => (hasBegun = resolve))
    const call = client.callTool(
      { name: 'complete', arguments: { model: 'acme/hang', prompt: 'x' } },
      { signal: gone.signal, onprogress: () => hasBegun() },
    )
    await begun
    gone.abort()
    await expect(call).rejects.toThrow()
    expect((await client.callTool({ name: 'list_models', arguments: {} })).isError).not.toBe(true)
    await client.close()
  })
})

it('can activate a preset for a session, and says that it cannot where there is none', async () => {
  const served = await open()
  const input = { name: 'mine', model: 'acme/b', activate: true }
  const withSession = await served.connect('2025-11-25')
  expect((await withSession.callTool({ name: 'set_preset', arguments: input })).structuredContent).toMatchObject({ active: true })
  const { structuredContent } = await withSession.callTool({ name: 'complete', arguments: { prompt: 'x' } })
  expect(structuredContent).toMatchObject({ model: '@mine' })
  const without = await served.connect('2026-07-28')
  const refused = await without.callTool({ name: 'set_preset', arguments: input })
  expect(refused).toMatchObject({
    isError: true,
    structuredContent: { code: 'invalid_request', hint: expect.stringContaining('@mine') as string },
  })
  await Promise.all([withSession.close(), without.close()])
})

const rpc = (method: string, params?: object, id: unknown = 5) => ({
  jsonrpc: '2.0',
  id,
  method,
  ...(params === undefined ? {} : { params }),
})
const initialize = rpc('initialize', { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'raw', version: '1' } })

describe('sessions', () => {
  it('are refused above the limit and make room when they have rested, or are ended', async () => {
    let now = 0
    const clock = { now: () => now, monotonic: () => now, sleep: (ms: number, signal?: AbortSignal) => sleep(ms, undefined, { signal }) }
    const served = await open({ maxSessions: 2, idleMs: 1_000, clock })
    const first = await served.post(initialize)
    expect(first.status).toBe(200)
    expect((await served.post(initialize)).status).toBe(200)
    const refused = await served.post(initialize)
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '60'])
    now = 2_000
    expect((await served.post(initialize)).status).toBe(200)
    const gone = await served.post(rpc('tools/list'), { 'mcp-session-id': String(first.headers.get('mcp-session-id')) })
    expect([gone.status, await messageOf(gone)]).toMatchObject([404, { error: { code: -32001 } }])
  })

  it('end by DELETE', async () => {
    const served = await open()
    const id = String((await served.post(initialize)).headers.get('mcp-session-id'))
    const headers = { authorization: `Bearer ${TOKEN}`, 'mcp-session-id': id }
    expect((await fetch(served.url, { method: 'DELETE', headers })).status).toBe(200)
    expect((await served.post(rpc('tools/list'), { 'mcp-session-id': id })).status).toBe(404)
  })

  it('give a client whose stream broke what it has missed, and nothing of others', async () => {
    const served = await open()
    const session = await served.post(initialize)
    const headers = {
      authorization: `Bearer ${TOKEN}`,
      'mcp-session-id': String(session.headers.get('mcp-session-id')),
      'mcp-protocol-version': '2025-11-25',
    }
    const answered = await (
      await served.post(rpc('tools/call', { name: 'complete', arguments: { model: 'acme/a', prompt: 'x' } }), headers)
    ).text()
    const [priming] = /^id: (\d+)$/m.exec(answered)?.slice(1) ?? []
    const listen = (each: Record<string, string>) =>
      fetch(served.url, {
        headers: { ...each, accept: 'text/event-stream', 'last-event-id': String(priming) },
        signal: AbortSignal.timeout(10_000),
      })
    const again = (await listen(headers)).body?.getReader()
    const { value } = (await again?.read()) ?? {}
    expect(Buffer.from(value ?? []).toString()).toContain('"receipt_id":"att_1"')
    await again?.cancel()
    const other = String((await served.post(initialize)).headers.get('mcp-session-id'))
    expect((await listen({ ...headers, 'mcp-session-id': other })).status).toBe(400)
  })
})

describe('input', () => {
  const shared: { served?: McpServed } = {}
  beforeAll(async () => {
    shared.served = await serveMcp()
  })
  afterAll(() => shared.served?.close())
  const served = () => shared.served as McpServed
  const modern = (method: string, params: object = {}, headers: Record<string, string> = {}) => {
    const _meta = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28', 'io.modelcontextprotocol/clientCapabilities': {} }
    return served().post(rpc(method, { _meta, ...params }), { 'mcp-protocol-version': '2026-07-28', 'mcp-method': method, ...headers })
  }

  it.each<[string, Record<string, string>, number, string]>([
    ['a foreign Host', { host: 'evil.example' }, 403, 'host_forbidden'],
    ['a foreign Origin', { origin: 'https://evil.example' }, 403, 'origin_forbidden'],
    ['the Origin null', { origin: 'null' }, 403, 'origin_forbidden'],
    ['no token', { authorization: '' }, 401, 'unauthorized'],
    ['a wrong token, before the media type is looked at', { authorization: 'Bearer x', 'content-type': 'text/plain' }, 401, 'unauthorized'],
    ['text/plain', { 'content-type': 'text/plain' }, 415, 'unsupported_media_type'],
  ])('with %s is refused in the words of JSON-RPC', async (_name, headers, status, code) => {
    const fields = { host: `127.0.0.1:${served().port}`, authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json', ...headers }
    const answer = await sendRaw(served().port, rawRequest('POST /mcp', fields, JSON.stringify(rpc('tools/list'))))
    expect([answer.status, JSON.parse(answer.body)]).toMatchObject([
      status,
      { jsonrpc: '2.0', id: null, error: { code: -32000, data: { code } } },
    ])
  })

  it('without a token is told where tokens come from', async () => {
    const { headers } = await served().post(rpc('tools/list'), { authorization: '' })
    const pointer = /resource_metadata="([^"]+)"/.exec(headers.get('www-authenticate') ?? '')?.[1]
    const metadata = await (await fetch(String(pointer))).json()
    expect(metadata).toEqual({ resource: served().url, resource_name: 'Routeplane', bearer_methods_supported: ['header'] })
  })

  it.each<[string, string, number, number]>([
    ['that is no JSON', '{"jsonrpc":', 400, -32700],
    ['that is nested deep', `${'['.repeat(200)}${']'.repeat(200)}`, 400, -32600],
    ['with a member twice', '{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}', 400, -32600],
    ['of five megabytes', JSON.stringify(rpc('tools/list', { pad: 'x'.repeat(5_000_000) })), 413, -32000],
    ['that is a number', '42', 400, -32600],
    ['without a method', '{"jsonrpc":"2.0","id":1}', 400, -32600],
  ])('%s is refused', async (_name, body, status, code) => {
    const answer = await served().post(body)
    expect([answer.status, await messageOf(answer)]).toMatchObject([status, { error: { code } }])
  })

  it.each<[string, object, number]>([
    ['an unknown method', rpc('evil/x'), -32601],
    ['the method __proto__', rpc('__proto__'), -32601],
    ['an unknown tool', rpc('tools/call', { name: 'nosuch', arguments: {} }), -32602],
    ['the tool __proto__', rpc('tools/call', { name: '__proto__', arguments: {} }), -32602],
    ['arguments that are a list', rpc('tools/call', { name: 'complete', arguments: [] }), -32602],
    ['a receipt that climbs', rpc('resources/read', { uri: 'routeplane://receipts/..%2f..%2fetc%2fpasswd' }), -32602],
    ['a receipt that is not there', rpc('resources/read', { uri: 'routeplane://receipts/att_404' }), -32602],
    ['a resource of another scheme', rpc('resources/read', { uri: 'file:///etc/passwd' }), -32602],
    ['a model that is not there', rpc('resources/read', { uri: 'routeplane://models/no/such%ff' }), -32602],
  ])('with %s is an error of the protocol', async (_name, message, code) => {
    const answer = await served().post(message)
    expect(await messageOf(answer)).toMatchObject({ id: 5, error: { code } })
  })

  it.each<[string, Record<string, string>, number]>([
    ['an unknown session', { 'mcp-session-id': 'nope' }, 404],
    ['a version of 1999', { 'mcp-protocol-version': '1999-01-01' }, 400],
    ['no wish for events', { accept: 'application/json' }, 406],
  ])('with %s is refused', async (_name, headers, status) => {
    expect((await served().post(rpc('tools/list'), headers)).status).toBe(status)
  })

  it('of the 2026 revision must say the same in headers and body', async () => {
    expect(await messageOf(await modern('tools/list'))).toMatchObject({ result: { tools: expect.any(Array) as unknown[] } })
    const mismatch = await modern('tools/list', {}, { 'mcp-method': 'TOOLS/LIST' })
    expect([mismatch.status, await messageOf(mismatch)]).toMatchObject([400, { error: { code: -32020 } }])
    const nameless = await modern('tools/call', { name: 'list_models', arguments: {} })
    expect([nameless.status, await messageOf(nameless)]).toMatchObject([400, { error: { code: -32020 } }])
    const _meta = { 'io.modelcontextprotocol/protocolVersion': '2030-01-01', 'io.modelcontextprotocol/clientCapabilities': {} }
    const future = await modern('tools/list', { _meta }, { 'mcp-protocol-version': '2030-01-01' })
    expect([future.status, await messageOf(future)]).toMatchObject([400, { error: { code: -32022 } }])
  })

  it('answers a request without a session, and other methods with the ones it takes', async () => {
    expect(await messageOf(await served().post(rpc('tools/list')))).toMatchObject({ result: { tools: expect.any(Array) as unknown[] } })
    const put = await fetch(served().url, { method: 'PUT', headers: { authorization: `Bearer ${TOKEN}` } })
    expect([put.status, put.headers.get('allow')]).toEqual([405, 'GET, POST, DELETE'])
  })
})
