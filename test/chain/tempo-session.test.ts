/** Sessions on a Tempo network that plays the real one: one opening, vouchers as the answers come, to the official server package. */
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { allowReserve, startSessionProvider, type SessionFaults } from '../../src/demo/session-provider.ts'
import { startTempoNetwork, type TempoNetwork } from '../../src/demo/tempo-network.ts'
import { reconcile, type Reconciliation } from '../../src/payment/reconcile.ts'
import { ask, closedBooks, openEngine, passTime, question, readBooks, writeWorld, type Books, type World } from '../support/engine.ts'
import { readLedger } from '../support/read-ledger.ts'
import { verifies } from '../support/verifies.ts'
import { startChild } from './children/start.ts'
import { textOf } from '../support/x402-buyer.ts'

let network: TempoNetwork
beforeAll(async () => {
  network = await startTempoNetwork()
})
afterAll(() => network.stop())

const prices = { prompt: '0.000001', completion: '0.000005' }
/** A few whole answers use up a channel that may hold five cents. */
const dearPrices = { prompt: '0.0001', completion: '0.0005' }
const said = 'first heard: how are you today?'
const TOKENS = 6n
const PER_TOKEN = 5n
const streamed = { ...question, stream: true }

async function start(faults: SessionFaults = {}, { dear = false } = {}) {
  const seller = await startSessionProvider({ id: 'first', network, prices: dear ? dearPrices : prices, faults })
  onTestFinished(() => seller.stop())
  const channels = dear ? { channels: '{ max_deposit_usd: "0.05", per_provider: 2 }' } : {}
  const world = await writeWorld(network, { sellers: [seller], perRequestUsd: '0.05', ...channels })
  await allowReserve(network, world.payer)
  const engine = await openEngine(world)
  return { seller, world, engine, url: await engine.serve() }
}

const vouchersIn = ({ rows }: Books) => rows.filter(({ payment }) => payment?.proof === 'voucher')
const chargedIn = (books: Books) => vouchersIn(books).reduce((sum, { payment }) => sum + (payment?.amountSettled ?? 0n), 0n)
const actionOf = (credential: string) =>
  (JSON.parse(Buffer.from(credential.slice('Payment '.length), 'base64url').toString()) as { payload: { action: string } }).payload.action

it.each([true, false])('is opened, paid for what was given, and closed with the rest given back (stream: %s)', async (stream) => {
  const { seller, world, engine, url } = await start()
  const reply = await ask(url, { ...question, stream })
  expect([reply.status, textOf(reply.text), reply.error]).toEqual([200, said, undefined])
  expect(reply.text).not.toContain('payment-')
  const books = await closedBooks(world)
  if (stream) expect(chargedIn(books)).toBe(TOKENS * PER_TOKEN)
  const [channel] = await engine.routeplane.channels.list()
  expect(channel).toMatchObject({ state: 'open', charged: chargedIn(books) })
  const before = await network.chain.balanceOf(network.asset.address, world.payer)
  const closed = await engine.routeplane.channels.close(channel?.id ?? '')
  expect(closed).toMatchObject({ state: 'closed', charged: chargedIn(books), returned: closed.deposited - closed.charged })
  expect(await network.chain.balanceOf(network.asset.address, world.payer)).toBe(before + closed.returned)
  await engine.close()
  // One to open it, one to close it.
  expect(seller.counters.transactions).toBe(2)
  const { ledgerUsd, chainUsd, differences } = await reconciled(world, books)
  expect([differences, chainUsd]).toEqual([[], ledgerUsd])
})

it('opens no channel that may not hold the call and the fee of the network, and says what both come to', async () => {
  const seller = await startSessionProvider({ id: 'first', network, prices })
  onTestFinished(() => seller.stop())
  const world = await writeWorld(network, { sellers: [seller], perRequestUsd: '0.05', channels: '{ max_deposit_usd: "0.002" }' })
  const engine = await openEngine(world)
  const { error } = await ask(await engine.serve(), streamed)
  expect(error).toMatchObject({ code: 'price_above_cap', money: 'untouched' })
  expect(error?.message).toMatch(/takes up to \$0\.00\d+ with the fee of Tempo.*; payment\.channels\.max_deposit_usd allows \$0\.002/)
  expect((await closedBooks(world)).rows.map(({ state }) => state)).toEqual(['released'])
  await engine.close()
})

it('needs one opening for ten calls, and is shown no credential twice', async () => {
  const { seller, world, engine, url } = await start()
  for (let call = 0; call < 10; call++) expect(textOf((await ask(url, streamed)).text)).toBe(said)
  const books = await closedBooks(world)
  await engine.close()
  expect([seller.counters.transactions, chargedIn(books), vouchersIn(books).length]).toEqual([1, 10n * TOKENS * PER_TOKEN, 10])
  expect(seller.credentials.filter((credential) => actionOf(credential) === 'open')).toHaveLength(1)
  const [opening = ''] = seller.credentials
  const again = await fetch(`${seller.baseUrl}/chat/completions`, { method: 'POST', headers: { authorization: opening }, body: '{}' })
  expect([again.ok, seller.counters.transactions]).toEqual([false, 1])
})

const demandOf = (event: string) => JSON.parse(event.slice(event.indexOf('{'))) as Record<string, string>
const changed = (change: (demand: Record<string, string>) => Record<string, string>) => (event: string) =>
  event.startsWith('event: payment-need-voucher')
    ? `event: payment-need-voucher\ndata: ${JSON.stringify({ ...demandOf(event), ...change(demandOf(event)) })}\n\n`
    : event

it.each<[string, (demand: Record<string, string>) => Record<string, string>, string]>([
  ['asks for more than the call may cost', () => ({ requiredCumulative: '900000' }), 'open'],
  ['asks for nothing', () => ({ requiredCumulative: '0' }), 'distrusted'],
  ['asks for another channel', () => ({ channelId: `0x${'11'.repeat(32)}` }), 'distrusted'],
  ['has more than we signed', ({ requiredCumulative = '' }) => ({ acceptedCumulative: `${requiredCumulative}0` }), 'distrusted'],
  ['asks for no number', () => ({ requiredCumulative: '1e3' }), 'distrusted'],
])('is paid nothing more when the seller %s', async (_, change, state) => {
  const { seller, world, engine, url } = await start({ mutateEvent: changed(change) })
  const reply = await ask(url, streamed)
  expect(reply.text).toContain('payment_rejected')
  const books = await closedBooks(world)
  // The first unit was promised, and nothing after it.
  expect([chargedIn(books), seller.counters.vouchers]).toEqual([PER_TOKEN, 0])
  expect(await engine.routeplane.channels.list()).toMatchObject([{ state, signed: PER_TOKEN }])
  await engine.close()
})

it('counts a stream that was cut in full, and goes on with the same channel', async () => {
  const { seller, world, engine, url } = await start({ cutAfter: 6 })
  expect((await ask(url, streamed)).text).toContain('first')
  const [cut] = await engine.routeplane.channels.list()
  expect([cut?.charged, (cut?.charged ?? 0n) >= 4n * PER_TOKEN]).toEqual([cut?.signed, true])
  delete seller.faults.cutAfter
  expect(textOf((await ask(url, streamed)).text)).toBe(said)
  const books = await closedBooks(world)
  expect([seller.counters.transactions, vouchersIn(books).map(({ state }) => state)[0]]).toEqual([1, 'settled'])
  const closed = await engine.routeplane.channels.close(cut?.id ?? '')
  expect(closed.state).toBe('closed')
  await engine.close()
})

it('closes a channel whose seller took money for an answer that was lost, and counts what the chain shows', async () => {
  const { seller, world, engine, url } = await start({ failAfterCharge: 403 })
  expect((await ask(url, question)).error).toMatchObject({ code: 'payment_outcome_unknown', money: 'unknown' })
  const [channel] = await engine.routeplane.channels.list()
  expect(channel).toMatchObject({ state: 'open', charged: 0n })
  const closed = await engine.routeplane.channels.close(channel?.id ?? '')
  const books = await closedBooks(world)
  expect([closed.state, closed.deposited - closed.returned]).toEqual(['closed', chargedIn(books)])
  expect(chargedIn(books)).toBeGreaterThan(0n)
  expect(seller.counters.transactions).toBe(2)
  await engine.close()
})

it('pays on from the channel of a process that was killed in the middle of its stream', async () => {
  verifies('card.pay.once', 'card.pay.unknown_outcome')
  const { seller, world, engine } = await start()
  await engine.close()
  const child = startChild('crash.ts', world, '1', 'stream')
  let tokens = 0
  seller.faults.beforeToken = async () => {
    if (++tokens !== 3) return
    child.process.kill('SIGKILL')
    await child.ended
  }
  await child.ended
  delete seller.faults.beforeToken
  const heir = await openEngine(world)
  expect(textOf((await ask(await heir.serve(), streamed)).text)).toBe(said)
  const [channel, ...others] = await heir.routeplane.channels.list()
  expect(others).toEqual([])
  const closed = await heir.routeplane.channels.close(channel?.id ?? '')
  const books = await closedBooks(world)
  await heir.close()
  // The stream that broke off is counted in full, and what its seller did not take of that went into the next.
  expect([chargedIn(books), vouchersIn(books).length, books.open]).toEqual([closed.charged, 2, []])
  expect([closed.signed >= closed.charged, closed.deposited - closed.returned <= closed.charged]).toEqual([true, true])
  const { ledgerUsd, chainUsd, differences } = await reconciled(world, books)
  expect([differences, chainUsd]).toEqual([[], ledgerUsd])
})

it('uses no channel of which the seller says that it is gone', async () => {
  const { seller, world, engine, url } = await start()
  await ask(url, streamed)
  await closedBooks(world)
  let paid = 0
  seller.faults.instead = (credential) => (credential !== null && ++paid > 0 ? 410 : undefined)
  expect((await ask(url, streamed)).error).toMatchObject({ money: 'unknown' })
  expect([await engine.routeplane.channels.list(), paid]).toMatchObject([[{ state: 'distrusted' }], 1])
  await engine.close()
})

it('refuses offers of channels that nobody should open, before anything is signed', async () => {
  const { seller, world, engine, url } = await start()
  for (const details of [
    { escrowContract: `0x${'22'.repeat(20)}` },
    { sessionProtocol: 'v1' },
    { feePayer: true },
    { operator: 'somebody' },
    { minVoucherDelta: '1000000' },
  ]) {
    seller.faults.details = details
    expect((await ask(url, streamed)).error).toMatchObject({ code: 'bad_challenge', money: 'untouched' })
  }
  await engine.close()
  expect((await readBooks(world)).rows.every(({ state, payment }) => state === 'released' && payment === undefined)).toBe(true)
})

const spend = async (url: string, calls: number) => {
  for (let call = 0; call < calls; call++) {
    const { error, text } = await ask(url, question)
    expect([error, error === undefined ? textOf(text) : '']).toEqual([undefined, said])
  }
}
const countOf = ({ credentials }: { readonly credentials: readonly string[] }, action: string) =>
  credentials.filter((credential) => actionOf(credential) === action).length

it.each<[string, SessionFaults]>([
  ['', {}],
  ['though the answer to it is lost', { afterManagement: 500 }],
])('adds to the channel that is used up %s', async (_, faults) => {
  verifies('card.pay.once')
  const { seller, world, engine, url } = await start(faults, { dear: true })
  await spend(url, 6)
  const books = await closedBooks(world)
  const topUps = countOf(seller, 'topUp')
  expect([countOf(seller, 'open'), topUps >= 1, seller.counters.transactions]).toEqual([1, true, 1 + topUps])
  const [channel, ...others] = await engine.routeplane.channels.list()
  expect(others).toEqual([])
  expect(channel).toMatchObject({ state: 'open', charged: chargedIn(books), depositing: 0n })
  expect((await network.chain.channel(channel?.id ?? '0x')).balance).toBe(channel?.deposited)
  const topUp = books.rows.find(({ payment }) => payment?.proof === 'tempo-call')
  expect(await engine.routeplane.receipts.verify(topUp?.id ?? '')).toMatchObject({ verified: true })
  const closed = await engine.routeplane.channels.close(channel?.id ?? '')
  expect(closed.returned).toBe(closed.deposited - closed.charged)
  await engine.close()
  const { ledgerUsd, chainUsd, differences } = await reconciled(world, books)
  expect([differences, chainUsd]).toEqual([[], ledgerUsd])
})

it('pays a seller that takes no top-up from another channel, and has nothing more at large when the time of the first is over', async () => {
  const { seller, world, engine, url } = await start({}, { dear: true })
  seller.faults.instead = (credential) => (credential !== null && actionOf(credential) === 'topUp' ? 400 : undefined)
  let refused: unknown
  while (refused === undefined) refused = (await ask(url, question)).error
  expect(refused).toMatchObject({ code: 'overloaded', money: 'untouched' })
  await spend(url, 1)
  expect([countOf(seller, 'open'), countOf(seller, 'topUp')]).toEqual([2, 1])
  await passTime(network, 30)
  const books = await closedBooks(world)
  expect(books.rows.find(({ payment }) => payment?.proof === 'tempo-call')?.state).toBe('released')
  expect((await engine.routeplane.channels.list()).map(({ depositing }) => depositing)).toEqual([0n, 0n])
  await engine.close()
  const { ledgerUsd, chainUsd, differences } = await reconciled(world, books)
  expect([differences, chainUsd]).toEqual([[], ledgerUsd])
})

it('knows of the top-up of a process that was killed while its seller had it', async () => {
  verifies('card.pay.once', 'card.pay.unknown_outcome')
  const { seller, world, engine, url } = await start({}, { dear: true })
  await spend(url, 4)
  await closedBooks(world)
  await engine.close()
  const child = startChild('crash.ts', world, '1', 'whole')
  seller.faults.instead = (credential) => {
    if (credential === null || actionOf(credential) !== 'topUp') return undefined
    child.process.kill('SIGKILL')
    return undefined
  }
  await child.ended
  const heir = await openEngine(world)
  await spend(await heir.serve(), 2)
  await passTime(network, 30)
  const books = await closedBooks(world)
  const [first] = await heir.routeplane.channels.list()
  expect((await network.chain.channel(first?.id ?? '0x')).balance).toBe(first?.deposited)
  await heir.close()
  const { ledgerUsd, chainUsd, differences } = await reconciled(world, books)
  expect([differences, chainUsd]).toEqual([[], ledgerUsd])
})

/** The books beside the chain, as the product compares them, from the opening's block on. */
function reconciled(world: World, { rows }: Books): Promise<Reconciliation> {
  const fromBlock = rows.find(({ payment }) => payment?.proof === 'tempo-opening')?.payment?.blockNumber ?? 0n
  const { chain, asset } = network
  return readLedger(world, (ledger) => reconcile({ ledger, chain, asset, payer: world.payer, fromBlock, resolved: 0 }))
}
