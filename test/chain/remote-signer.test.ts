/** A wallet whose key lives behind JSON-RPC: anvil signs for its own accounts; what is not signed right is never sent. */
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Atomic } from '../../src/money.ts'
import { useDemoNetwork } from '../support/chain.ts'
import { ask, closedBooks, expectBalanced, expectUntouched, openEngine, readBooks, writeWorld } from '../support/engine.ts'
import { startUpstream, type Script } from '../support/upstream.ts'

const current = useDemoNetwork()
/** The first account of anvil's published mnemonic, which it signs for. */
const account = '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266'

async function signedWorld(url: string, address: string = account) {
  const seller = await current().startProvider({ id: 'thrift', prices: { prompt: '0.000001', completion: '0.000005' } })
  const world = await writeWorld(current(), { sellers: [seller], wallet: `signer: { url: "${url}", address: "${address}" }` })
  await current().mint(account, 10_000_000n as Atomic)
  return { ...world, payer: account as `0x${string}` }
}

it('pays with signatures of a key that it has never seen', async () => {
  const world = await signedWorld(current().rpcUrl, account.toLowerCase())
  const engine = await openEngine(world)
  const url = await engine.serve()
  for (const stream of [false, true]) {
    const { model, messages, max_tokens } = { model: 'demo/echo:cost', messages: [{ role: 'user', content: 'hi' }], max_tokens: 20 }
    expect((await ask(url, { model, messages, max_tokens, stream })).status).toBe(200)
  }
  const books = await closedBooks(world)
  expectBalanced(books)
  expect(books.rows.map(({ state, payment }) => [state, payment?.payer])).toEqual(books.rows.map(() => ['settled', account]))
  expect((await engine.routeplane.status()).wallet?.address).toBe(account)
})

describe('a signer', () => {
  const rpc = (result: unknown): Script => ({ json: { jsonrpc: '2.0', id: 1, result } })
  const cases: readonly (readonly [string, Script])[] = [
    ['that refuses', { json: { jsonrpc: '2.0', id: 1, error: { code: 4001, message: 'secret-in-words' } } }],
    ['that answers with another key', rpc(`0x${'11'.repeat(32)}${'22'.repeat(32)}1b`)],
    ['that answers with half a signature', rpc('0x1234')],
    ['that answers with nothing', rpc(null)],
    ['that fails', { status: 500, json: {} }],
    ['that hangs up', { hangUp: true }],
  ]
  it.each(cases)('%s is said to have failed, and nothing was paid', async (_, script) => {
    const signer = await startUpstream(script)
    onTestFinished(() => signer.close())
    const world = await signedWorld(`${signer.url}/secret-path`)
    const before = (await readBooks(world)).transfers.length
    const engine = await openEngine(world)
    const reply = await ask(await engine.serve())
    expect([reply.status, reply.error?.code, reply.error?.money]).toEqual([503, 'wallet_locked', 'untouched'])
    expect(reply.error?.message).toContain('the remote signer')
    expect(signer.requests).toHaveLength(1)
    const { rows, transfers } = await closedBooks(world)
    expect([rows.map(({ state }) => state), transfers.length]).toEqual([['released'], before])
    expect([...engine.logged, reply.text].join('\n')).not.toMatch(/secret-path|secret-in-words/)
  })

  it('that says it is somebody else is refused before anything is sent', async () => {
    const world = await signedWorld(current().rpcUrl, '0x70997970C51812dc3A010C7d01b50e0d17dc79C8')
    const engine = await openEngine(world)
    const reply = await ask(await engine.serve())
    expect(reply.error?.code).toBe('insufficient_funds')
    expectUntouched(await readBooks({ ...world, payer: '0x70997970C51812dc3A010C7d01b50e0d17dc79C8' }))
  })
})
