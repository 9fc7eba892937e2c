/** Payments over time: final once their block is safe, taken back when a reorganisation removes it, shown for what they are. */
import Database from 'libsql'
import { expect, it } from 'vitest'
import { recheckSettled } from '../../src/payment/recheck.ts'
import { formatOwner } from '../../src/ledger/owner.ts'
import { openSqliteLedger } from '../../src/ledger/sqlite/open.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { silentLog } from '../../src/lib/log.ts'
import { commandLine } from '../promises/world.ts'
import { useDemoNetwork } from '../support/chain.ts'
import { ask, closedBooks, expectBalanced, openEngine, passTime, readBooks, writeWorld, type World } from '../support/engine.ts'

const current = useDemoNetwork()
const prices = { prompt: '0.000001', completion: '0.000005' }
const mine = (blocks: number) => current().anvil.rpc('anvil_mine', [blocks])

/** One round of what the gateway does in the background. */
async function lookAgain(world: World) {
  const owner = formatOwner({ host: 'rechecker', pid: process.pid, startMs: systemClock.now() })
  const ledger = await openSqliteLedger({ path: world.ledgerPath, owner, clock: systemClock, log: silentLog })
  const followed: string[] = []
  try {
    const deps = { ledger, chainOf: () => current().chain, clock: systemClock, log: silentLog }
    return { report: await recheckSettled({ ...deps, resolver: { follow: (id) => void followed.push(id) } }), followed }
  } finally {
    await ledger.close()
  }
}

async function paidWorld(): Promise<World> {
  const seller = await current().startProvider({ id: 'thrift', prices, maxTimeoutSeconds: 60 })
  const world = await writeWorld(current(), { sellers: [seller] })
  const engine = await openEngine(world)
  expect((await ask(await engine.serve())).status).toBe(200)
  await closedBooks(world)
  await engine.close()
  return world
}

it('a payment is confirmed, then final once its block is safe, and the books stay equal', async () => {
  const world = await paidWorld()
  expect((await lookAgain(world)).report).toEqual({ final: 0, moved: 0, reopened: 0 })
  expect((await readBooks(world)).rows[0]?.payment?.finality).toBe('confirmed')
  await mine(64)
  expect((await lookAgain(world)).report).toEqual({ final: 1, moved: 0, reopened: 0 })
  expect((await lookAgain(world)).report).toEqual({ final: 0, moved: 0, reopened: 0 })
  const books = await readBooks(world)
  expect(books.rows[0]?.payment?.finality).toBe('final')
  expectBalanced(books)
})

it('a statement adds up what a provider was paid, and an edit of the ledger shows', async () => {
  const world = await paidWorld()
  const { run } = commandLine({ variables: world.variables })
  const { rows, transfers } = await readBooks(world)
  const month = new Date(rows[0]?.createdAt ?? 0).toISOString().slice(0, 7)
  const statement = await run('receipts', 'statement', 'thrift', '--month', month, '--format', 'json', '-c', world.file)
  const value = JSON.parse(statement.out) as { payments: number; totals: { amount: string }[]; receipts: { transaction: string }[] }
  expect(value).toMatchObject({
    payments: 1,
    totals: [{ amount: String(transfers[0]?.amount) }],
    receipts: [{ transaction: transfers[0]?.transaction }],
  })
  expect((await run('receipts', 'statement', 'thrift', '-c', world.file)).out).toContain('in 1 payment')
  expect((await run('receipts', 'statement', 'nobody', '-c', world.file)).out).toContain('$0.00 in 0 payments')
  expect(await run('receipts', 'statement', 'thrift', '--month', '2026', '-c', world.file)).toMatchObject({ code: 2 })

  expect(await run('ledger', 'verify', '-c', world.file)).toMatchObject({ code: 0 })
  const raw = new Database(world.ledgerPath)
  raw.prepare("UPDATE attempts SET settled_usd = '1' WHERE id = ?").run([rows[0]?.id])
  raw.close()
  const broken = await run('ledger', 'verify', '-c', world.file)
  expect([broken.code, broken.out]).toEqual([1, expect.stringContaining('does not stand where its last event left it')])
})

it('a payment whose block was reorganised away is money at large again, and void once it has expired', async () => {
  await mine(3)
  const world = await paidWorld()
  const { number } = await current().chain.latestBlock()
  const [row] = (await readBooks(world)).rows
  const depth = Number(number - (row?.payment?.blockNumber ?? 0n)) + 1
  await current().anvil.rpc('anvil_reorg', [depth, []])
  await mine(64)
  const { report, followed } = await lookAgain(world)
  expect([report, followed]).toEqual([{ final: 0, moved: 0, reopened: 1 }, [row?.id]])
  const after = await readBooks(world)
  expect(after.transfers).toEqual([])
  expect(after.rows[0]).toMatchObject({ state: 'unknown', heldUsd: row?.payment?.settledUsd })
  expect(after.rows[0]?.payment).not.toHaveProperty('transaction')
  expect(after.journal).toEqual({ ok: true })

  const { run } = commandLine({ variables: world.variables })
  expect((await run('receipts', 'list', '-c', world.file)).out).toMatch(/ pending +up to /)
  await passTime(current(), 400)
  expect((await run('reconcile', '-c', world.file)).out).toContain('Ledger and chain agree.')
  expect((await run('receipts', 'list', '-c', world.file)).out).toMatch(/ void +\$0\.00/)
})
