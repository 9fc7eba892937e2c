/** A paid answer over MCP that nobody waits for any more: at most one payment, and the books know of it. */
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { expect, it, onTestFinished } from 'vitest'
import { deferred } from '../http/support.ts'
import { call, eras, initialize, startProcess, type Process } from '../mcp/client.ts'
import { useDemoNetwork } from '../support/chain.ts'
import { closedBooks, expectBalanced, openEngine, writeWorld } from '../support/engine.ts'
import { programOf } from '../support/program.ts'

const current = useDemoNetwork()
const prices = { prompt: '0.000001', completion: '0.000005' }
const input = { model: 'demo/echo', prompt: 'how are you?', max_output_tokens: 20 }

/** A world with one seller, who waits with the signature in his hand. */
async function startWorld() {
  const [signed, released] = [deferred(), deferred()]
  const beforeSettle = () => {
    signed.resolve()
    return released.promise
  }
  const seller = await current().startProvider({ id: 'slow', prices, faults: { beforeSettle } })
  const world = await writeWorld(current(), { sellers: [seller] })
  return { world, seller, signed: signed.promise, release: () => released.resolve() }
}

async function expectOnePayment({ world }: Awaited<ReturnType<typeof startWorld>>): Promise<void> {
  const engine = await openEngine(world)
  await engine.routeplane.receipts.reconcile({ fromBlock: 0n })
  await engine.close()
  const books = await closedBooks(world)
  expect(books.rows.map(({ state }) => state)).toEqual(['settled'])
  expectBalanced(books)
}

const endings: readonly (readonly [how: string, code: number, end: (server: Process) => unknown])[] = [
  ['is told to end', 0, ({ child }) => child.kill('SIGTERM')],
  ['has its input closed', 0, ({ child }) => child.stdin.end()],
  [
    'has its output closed',
    0,
    (server) => {
      server.child.stdout.destroy()
      server.send(call(2, 'list_models', {}))
    },
  ],
  [
    'is told twice to end',
    130,
    ({ child }) => {
      // Both are there when it goes on, however slow the machine is.
      for (const signal of ['SIGSTOP', 'SIGINT', 'SIGTERM', 'SIGCONT'] as const) child.kill(signal)
    },
  ],
]

it.each(endings)('the process %s between signature and answer', async (_, code, end) => {
  const slow = await startWorld()
  const server = startProcess([programOf('src/bin/routeplane-mcp.ts'), '-c', slow.world.file], {
    PATH: process.env['PATH'],
    ...slow.world.variables,
  })
  onTestFinished(() => void server.child.kill('SIGKILL'))
  await initialize(server)
  server.send(call(1, 'complete', input))
  await slow.signed
  end(server)
  expect(await server.ended, server.stderr()).toBe(code)
  for (const line of server.stdout) expect(JSON.parse(line)).toMatchObject({ jsonrpc: '2.0' })
  slow.release()
  await settled(slow.seller.counters)
  await expectOnePayment(slow)
})

it.each(eras)('the client cancels after the signature, on %s', async (era) => {
  const slow = await startWorld()
  const engine = await openEngine(slow.world)
  const client = new Client(
    { name: 'agent', version: '1' },
    { versionNegotiation: { mode: era === '2026-07-28' ? { pin: era } : 'legacy' } },
  )
  await client.connect(new StreamableHTTPClientTransport(new URL(`${await engine.serve()}/mcp`)))
  const gone = new AbortController()
  const cancelled = client.callTool({ name: 'complete', arguments: input }, { signal: gone.signal })
  const rejected = expect(cancelled).rejects.toThrow()
  await slow.signed
  gone.abort()
  await rejected
  slow.release()
  await settled(slow.seller.counters)
  await client.close()
  await engine.close()
  await expectOnePayment(slow)
})

async function settled(counters: { readonly paid: number }): Promise<void> {
  while (counters.paid === 0) await new Promise((resolve) => setTimeout(resolve, 10))
}
