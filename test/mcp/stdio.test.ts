/** The process around the protocol: purity of stdout, input that is no protocol, and every way to end. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type Process, call, initialize, startProcess } from './client.ts'
import { verifies } from '../support/verifies.ts'

const started: Process[] = []
afterEach(async () => {
  for (const server of started.splice(0)) {
    server.child.kill('SIGKILL')
    await server.ended
  }
})

function start(): Process {
  const server = startProcess()
  started.push(server)
  return server
}

async function open(): Promise<Process> {
  const server = start()
  await initialize(server)
  return server
}

const HANG = { model: 'acme/hang', prompt: 'x' }

describe('stdout', () => {
  it('carries only JSON-RPC, while dependencies print', async () => {
    verifies('card.mcp.stdout')
    const server = await open()
    server.send(call(1, 'complete', { model: 'acme/a', prompt: 'x' }))
    await server.answer(1)
    server.child.stdin.end()
    expect(await server.ended).toBe(0)
    for (const line of server.stdout) expect(JSON.parse(line)).toMatchObject({ jsonrpc: '2.0' })
    for (const line of ['while it loads', 'printed', 'while it works', 'not even through the console'])
      expect(server.stderr()).toContain(line)
  })

  it('has progress before the result and none without a token', async () => {
    const server = await open()
    const input = { model: 'acme/long', prompt: 'x' }
    server.send(call(1, 'complete', input, { _meta: { progressToken: 'p' } }))
    await server.answer(1)
    server.send(call(2, 'complete', input))
    await server.answer(2)
    const messages = server.stdout
      .slice(1)
      .map((line) => JSON.parse(line) as { readonly id?: number; readonly params?: Record<string, unknown> })
    expect(messages.map(({ id, params }) => id ?? params?.message)).toEqual([
      'attempt 1: acme/long at acme, paid by x402',
      'held up to $0.01 of the budget',
      'signed a payment of $0.0005 to 0x02',
      '500 characters of the answer',
      '1000 characters of the answer',
      '1500 characters of the answer',
      1,
      2,
    ])
    expect(messages.slice(0, 6).map(({ params }) => [params?.progressToken, params?.progress])).toEqual(
      [1, 2, 3, 4, 5, 6].map((at) => ['p', at]),
    )
  })
})

describe('input', () => {
  // One process takes all of it: surviving the one before is half of each case.
  const shared: { server?: Process } = {}
  beforeAll(async () => {
    shared.server = startProcess()
    await initialize(shared.server)
  })
  afterAll(async () => {
    shared.server?.child.kill('SIGKILL')
    await shared.server?.ended
  })
  const survivor = () => shared.server as Process

  it('that is no message gets no answer and does no harm', async () => {
    const server = survivor()
    const before = server.stdout.length
    for (const line of [
      '',
      'hello',
      '42',
      '{',
      '[{"jsonrpc":"2.0","id":5,"method":"ping"}]',
      '{"jsonrpc":"2.0","id":{},"method":"ping"}',
      '{"id":1}',
      '\u0000',
    ]) {
      server.send(line)
    }
    server.send({ jsonrpc: '2.0', id: 'alive', method: 'ping' })
    expect(await server.answer('alive')).toMatchObject({ result: {} })
    expect(server.stdout).toHaveLength(before + 1)
  })

  it.each(['evil/x', '__proto__', 'resources/subscribe', 'constructor'])('with the method %s is not found', async (method) => {
    const server = survivor()
    server.send({ jsonrpc: '2.0', id: `m:${method}`, method, params: { uri: 'routeplane://receipts/..%2f..%2fetc%2fpasswd' } })
    expect(await server.answer(`m:${method}`)).toMatchObject({ error: { code: -32601 } })
  })

  it.each(['__proto__', 'nosuch', 'constructor', ''])('with the tool "%s" is refused', async (name) => {
    const server = survivor()
    server.send(call(`t:${name}`, name, {}))
    expect(await server.answer(`t:${name}`)).toMatchObject({ error: { code: -32602 } })
  })

  it('with odd arguments is refused', async () => {
    const server = survivor()
    server.send({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'complete' } })
    expect(await server.answer(1)).toMatchObject({ result: { isError: true, structuredContent: { code: 'invalid_request' } } })
    server.send(call(2, 'complete', []))
    expect(await server.answer(2)).toMatchObject({ error: { code: -32602 } })
    for (const [id, name, field] of [
      [3, 'complete', 'a'],
      [4, 'set_preset', 'params'],
    ] as const) {
      const deep = `${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}`
      server.send(
        `{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":{"name":"${name}","arguments":{"name":"x","${field}":${deep}}}}`,
      )
      expect(await server.answer(id)).toMatchObject({ result: { isError: true, structuredContent: { code: 'invalid_request' } } })
    }
  })

  it.each([
    ['without end', () => 'x'.repeat(20_000_000)],
    ['with a call of twelve megabytes', () => JSON.stringify(call(1, 'complete', { model: 'acme/a', prompt: 'a'.repeat(12_000_000) }))],
  ])('of one line %s stops the process with a reason', async (_name, write) => {
    const server = await open()
    server.send(write())
    expect(await server.ended).toBe(1)
    expect(server.stderr()).toContain('mcp line too long')
    expect(server.stderr()).toContain('gateway closed')
  })

  it('of a long line within the bound is read', async () => {
    const server = await open()
    server.send(call(1, 'complete', { model: 'acme/a', prompt: 'a'.repeat(8_000_000) }))
    expect(await server.answer(1)).toMatchObject({ result: { isError: true, structuredContent: { code: 'invalid_request' } } })
  })
})

describe('an end during a paid answer', () => {
  const endings: readonly (readonly [string, (server: Process) => unknown])[] = [
    ['SIGTERM', (server) => server.child.kill('SIGTERM')],
    ['SIGINT', (server) => server.child.kill('SIGINT')],
    ['the end of stdin', (server) => server.child.stdin.end()],
  ]
  it.each(endings)('by %s waits for the payment to be recorded', async (_title, end) => {
    const server = await open()
    server.send(call(1, 'complete', HANG))
    await server.said('hanging')
    end(server)
    expect(await server.ended).toBe(0)
    const stderr = server.stderr()
    expect(stderr.indexOf('payment recorded')).toBeGreaterThan(-1)
    expect(stderr.indexOf('gateway closed')).toBeGreaterThan(stderr.indexOf('payment recorded'))
  })

  it('by a closed stdout is an ordinary end', async () => {
    const server = await open()
    server.child.stdout.destroy()
    server.send(call(1, 'complete', { model: 'acme/a', prompt: 'x' }))
    server.send(call(2, 'complete', HANG))
    expect(await server.ended).toBe(0)
    expect(server.stderr()).toContain('gateway closed')
    expect(server.stderr()).not.toContain('Error: write EPIPE')
  })

  it('by a cancel notification aborts the call and nothing else', async () => {
    const server = await open()
    server.send(call(1, 'complete', HANG))
    await server.said('hanging')
    server.send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1, reason: 'enough' } })
    await server.said('payment recorded')
    server.send(call(2, 'list_models', {}))
    await server.answer(2)
    expect(server.stdout.some((line) => line.includes('"id":1,'))).toBe(false)
  })
})
