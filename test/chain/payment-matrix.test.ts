/** Every scheme against everything that a provider does wrong: what the caller hears, what became of the payment, and the books beside the chain. */

// That a signature is worth nothing the second time: wallet.test.ts for exact, mpp.test.ts for evm/charge, tempo.test.ts for
// tempo/charge, tempo-session.test.ts for sessions.

import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it, onTestFinished } from 'vitest'
import { parseUsd, type Atomic } from '../../src/money.ts'
import { startRelay, type Passed, type RelayOptions } from '../gateway/relay.ts'
import { randomHex } from '../support/chain.ts'
import {
  ask,
  closedBooks,
  expectBalanced,
  openEngine,
  paidOf,
  passTime,
  question,
  readBooks,
  writeWorld,
  type Books,
  type Reply,
  type SellerEntry,
  type World,
} from '../support/engine.ts'
import { changeOffers, type OfferChange, type OfferWire } from '../support/offers.ts'
import { rails, type Ground, type Rail, type RailFaults, type SchemeName } from '../support/rails.ts'
import type { Answer } from '../support/upstream.ts'
import { verifies } from '../support/verifies.ts'

const CAP = parseUsd('0.05')
const FUNDS = 10_000_000n as Atomic

type Cell = {
  readonly fault: string
  readonly isStream?: true
  /** Between payer and seller. */
  readonly relay?: (wire: OfferWire) => RelayOptions
  /** At the seller itself; of a metered seller, in place of the relay. */
  readonly seller?: RailFaults
  /** What the caller hears, and what became of the payment in the end. */
  readonly outcome: string
  /** Where it is another, or why the scheme has no such cell. */
  readonly but?: Partial<Record<SchemeName, string>>
}

const soon = { 'retry-after': '0' }
const busy: Answer = { status: 503, headers: soon, json: {} }
const offers = (change: OfferChange) => (wire: OfferWire) => ({ tamper: (answer: Passed) => changeOffers(wire, answer, change) })
/** Changes what was answered to a payment that the seller took. */
const paidFor = (change: (answer: Passed, wire: OfferWire) => Answer) => (wire: OfferWire) => ({
  tamper: (answer: Passed, _: unknown, paid: number) => (paid > 0 && answer.status === 200 ? change(answer, wire) : answer),
})
const eventsOf = ({ body }: Passed) => body.split(/(?<=\n\n)/)
const cut = (count: (events: readonly string[]) => number) =>
  paidFor((answer) => {
    const events = eventsOf(answer)
    return { headers: answer.headers, stream: [...events.slice(0, count(events)), 'cut'] }
  })

const receiptHeader = { 'x402-2': 'payment-response', 'x402-1': 'x-payment-response', mpp: 'payment-receipt' } as const

/** The seller's word on a settlement, which proves nothing. */
function receipt(wire: OfferWire, success: boolean, errorReason = 'it never came'): Record<string, string> {
  const [transaction, network] = [randomHex(32), 'eip155:84532']
  const said =
    wire === 'mpp'
      ? { method: 'evm', status: success ? 'success' : 'failed', timestamp: '2026-01-01T00:00:00Z', reference: transaction }
      : { success, transaction, network, ...(success ? { extra: { chargedAmount: '5' } } : { errorReason }) }
  return { [receiptHeader[wire]]: Buffer.from(JSON.stringify(said)).toString(wire === 'mpp' ? 'base64url' : 'base64') }
}

const free = {
  id: 'x',
  object: 'chat.completion',
  choices: [{ index: 0, message: { role: 'assistant', content: 'free' }, finish_reason: 'stop' }],
}
const noDomain = 'what is signed has no domain that an offer could name'
const noPending = 'the protocol has no word for it'

const x402Schemes = rails.filter(({ wire }) => wire !== 'mpp').map(({ scheme }) => scheme)
/** What a voucher came to is its seller's to say, who says it last; then it is told by the channel. */
const untilTold = 'payment_outcome_unknown unknown, settled'
const untilSaid = 'stream_incomplete unknown, settled'

const cells: readonly Cell[] = [
  { fault: 'none', outcome: 'ok, settled' },
  { fault: 'none, streamed', isStream: true, outcome: 'ok, settled' },
  { fault: 'wrong payee', relay: offers({ payTo: `0x${'ab'.repeat(20)}` }), outcome: 'payee_mismatch untouched, released' },
  { fault: 'wrong asset', relay: offers({ asset: `0x${'cd'.repeat(20)}` }), outcome: 'unknown_asset untouched, released' },
  { fault: 'wrong chain', relay: offers({ network: 'eip155:8453' }), outcome: 'unknown_asset untouched, released' },
  {
    fault: 'wrong domain',
    relay: offers({ domainName: 'Dai' }),
    outcome: 'bad_challenge untouched, released',
    but: { 'evm/charge': noDomain, 'tempo/charge': noDomain, 'tempo/session': noDomain },
  },
  { fault: 'amount times 100', relay: offers({ amount: (amount) => amount * 100n }), outcome: 'price_mismatch untouched, released' },
  { fault: 'amount above the cap', relay: offers({ amount: () => 50_001n }), outcome: 'price_above_cap untouched, released' },
  {
    fault: 'an offer that is over',
    relay: offers({ isOver: true }),
    outcome: 'challenge_expired untouched, released',
    but: Object.fromEntries(x402Schemes.map((scheme) => [scheme, 'bad_challenge untouched, released'])),
  },
  {
    fault: 'fails before it settles, once',
    relay: () => ({ instead: (_, paid) => (paid === 1 ? busy : undefined) }),
    outcome: 'ok, settled',
  },
  {
    fault: 'fails before it settles, always',
    relay: () => ({ instead: (_, paid) => (paid > 0 ? busy : undefined) }),
    outcome: 'payment_outcome_unknown unknown, released',
  },
  {
    fault: 'fails after it settled, always',
    relay: paidFor((answer) => ({ ...answer, status: 500, headers: { ...answer.headers, ...soon } })),
    outcome: 'answer_lost settled, settled',
    but: { 'tempo/session': untilTold },
  },
  {
    fault: 'answer lost once it settled',
    relay: () => ({ tamper: (answer, _, paid) => (answer.status !== 200 ? answer : paid === 1 ? { hangUp: true } : busy) }),
    outcome: 'answer_lost settled, settled',
    but: { 'tempo/session': untilTold },
  },
  {
    fault: 'stream cut before its first event',
    isStream: true,
    relay: cut(() => 0),
    seller: { cutAfter: 0 },
    outcome: 'stream_incomplete paid, settled',
    but: { 'batch-settlement': untilSaid },
  },
  {
    fault: 'stream cut before its first token',
    isStream: true,
    relay: cut(() => 1),
    seller: { cutAfter: 1 },
    outcome: 'stream_incomplete paid, settled',
    but: { 'batch-settlement': untilSaid },
  },
  {
    fault: 'stream cut in the middle',
    isStream: true,
    relay: cut(() => 3),
    seller: { cutAfter: 5 },
    outcome: 'stream_incomplete paid, settled',
  },
  {
    fault: 'stream cut before its end',
    isStream: true,
    relay: cut(({ length }) => length - 2),
    seller: { cutAfter: 8 },
    outcome: 'stream_incomplete paid, settled',
  },
  {
    fault: 'stream ends without [DONE]',
    isStream: true,
    relay: paidFor((answer) => ({ headers: answer.headers, stream: eventsOf(answer).filter((event) => !event.includes('[DONE]')) })),
    seller: { mutateEvent: (event) => (event.includes('[DONE]') ? ': bye\n\n' : event) },
    outcome: 'ok, settled',
  },
  {
    fault: 'late settlement',
    seller: { lateMs: 400 },
    relay: () => ({ instead: () => sleep(100).then(() => undefined as never) }),
    outcome: 'ok, settled',
  },
  {
    fault: 'pending settlement',
    relay: (wire) => ({
      instead: (_, paid) =>
        paid === 1 ? { status: 402, headers: { ...receipt(wire, false, 'settlement_pending'), ...soon }, json: {} } : undefined,
    }),
    outcome: 'ok, settled',
    but: { 'evm/charge': noPending, 'tempo/charge': noPending, 'tempo/session': noPending },
  },
  {
    fault: 'says that it is paid, and is not',
    relay: (wire) => ({ instead: (_, paid) => (paid > 0 ? { headers: receipt(wire, true), json: free } : undefined) }),
    outcome: 'ok, released',
  },
  {
    fault: 'says that it is not paid, and is',
    relay: (wire) => {
      let challenge: Passed | undefined
      return {
        tamper: (answer, _, paid) => {
          if (paid === 0) challenge = answer
          if (paid === 0 || answer.status !== 200 || challenge === undefined) return answer
          return { ...challenge, headers: { ...challenge.headers, ...receipt(wire, false) } }
        },
      }
    },
    outcome: 'answer_lost settled, settled',
    but: { 'batch-settlement': untilTold, 'tempo/session': untilTold },
  },
]

const idOf = (cell: Cell) => cell.fault.replaceAll(/\W+/g, '-').toLowerCase()
const reasons = [noDomain, noPending]
const outcomeOf = (cell: Cell, scheme: SchemeName) => cell.but?.[scheme] ?? cell.outcome
const cellsOf = (scheme: SchemeName) => cells.filter((cell) => !reasons.includes(outcomeOf(cell, scheme)))

/** Starts what a cell is about; once `over`, everybody is honest, so that channels can be closed. */
async function startCell(cell: Cell, rail: Rail, ground: Ground, over: () => boolean): Promise<SellerEntry> {
  const seller = await ground.startSeller(idOf(cell), cell.seller)
  onTestFinished(() => seller.stop())
  if (rail.metered === true && cell.isStream === true) return seller
  const { instead, tamper } = cell.relay?.(rail.wire) ?? {}
  return startRelay(seller, {
    instead: (request, paid) => (over() ? undefined : instead?.(request, paid)),
    tamper: (answer, request, paid) => (over() ? answer : (tamper?.(answer, request, paid) ?? answer)),
  })
}

/** In the middle of a stream nobody knows yet whether the block has come. */
function heard({ error }: Reply, isStream: boolean): string {
  if (error === undefined) return 'ok'
  return `${error.code} ${isStream && ['signed', 'settled'].includes(error.money) ? 'paid' : error.money}`
}

const isDeposit = ({ requestId }: Books['rows'][number]) => requestId.endsWith('-deposit')

/** Whatever the caller was told of his money is so. */
function expectTold(reply: Reply, rows: Books['rows']): void {
  const states = rows.filter((row) => !isDeposit(row)).map(({ state }) => state)
  if (reply.error?.money === 'untouched') expect(states).toEqual(states.map(() => 'released'))
  if (reply.error?.money === 'settled') expect(states).toEqual(['settled'])
  if (reply.error?.money === 'unknown') expect(states).toEqual(['unknown'])
}

/** Asks the sellers what nobody has told, lets every signature die, and opens the books again as the next process would. */
async function endAll(world: World, engine: Awaited<ReturnType<typeof openEngine>>): Promise<{ books: Books; returned: bigint }> {
  const { channels } = engine.routeplane
  const untold = new Set((await readBooks(world)).open.map(({ payment }) => payment?.particulars?.['channel']))
  for (const { id } of (await channels.list()).filter(({ id, deposited }) => untold.has(id) && deposited > 0n)) await channels.close(id)
  await engine.close()
  await passTime(world.network, 400)
  const heir = await openEngine(world)
  const books = await closedBooks(world)
  const returned = (await heir.routeplane.channels.list()).reduce((sum, channel) => sum + channel.returned, 0n)
  await heir.close()
  return { books, returned }
}

it.each(rails)('$scheme', { timeout: 60_000 }, async (rail) => {
  verifies('card.pay.once', 'card.cap.request', 'card.cap.before_signing', 'card.pay.unknown_outcome', 'card.pay.payee')
  const ground = await rail.open()
  onTestFinished(() => ground.network.stop())
  let isOver = false
  const own = cellsOf(rail.scheme)
  const sellers: SellerEntry[] = []
  for (const cell of own) sellers.push(await startCell(cell, rail, ground, () => isOver))
  const world = await writeWorld(ground.network, { sellers, perRequestUsd: '0.05', perDayUsd: '9', funds: FUNDS })
  await ground.prepare(world.payer)
  const before = (await readBooks(world)).transfers.map(({ transaction }) => transaction)
  const funded = await ground.network.chain.balanceOf(ground.network.asset.address, world.payer)
  const engine = await openEngine(world)
  const url = await engine.serve()

  const told: string[] = []
  for (const cell of own) {
    const provider = idOf(cell)
    const body = { ...question, model: 'demo/echo', provider: { only: [provider] }, stream: cell.isStream === true }
    const reply = await ask(url, body)
    if (reply.error !== undefined)
      expectTold(
        reply,
        (await readBooks(world)).rows.filter((row) => row.provider === provider),
      )
    told.push(heard(reply, cell.isStream === true))
  }
  isOver = true
  const { books: all, returned } = await endAll(world, engine)
  const books = { ...all, transfers: all.transfers.filter(({ transaction }) => !before.includes(transaction)) }
  const ends = own.map((cell, at) => {
    const rows = books.rows.filter(({ provider }) => provider === idOf(cell))
    const signed = rows.filter((row) => !isDeposit(row)).reduce((sum, { heldUsd }) => sum + heldUsd, 0n)
    expect(signed <= CAP).toBe(true)
    const states = (deposits: boolean) => rows.filter((row) => isDeposit(row) === deposits).map(({ state }) => state)
    expect(states(true).length).toBeLessThanOrEqual(1)
    return [cell.fault, `${told[at]}, ${states(false).join(' and ')}`]
  })
  expect(Object.fromEntries(ends)).toEqual(Object.fromEntries(own.map((cell) => [cell.fault, outcomeOf(cell, rail.scheme)])))
  expectBalanced(books)
  expect(await ground.network.chain.balanceOf(ground.network.asset.address, world.payer)).toBe(funded - paidOf(books) + returned)
  await expectNothingFromThePoor(rail, ground, sellers)
})

/** A wallet without the money signs nothing, whatever its caps allow. */
async function expectNothingFromThePoor(rail: Rail, ground: Ground, sellers: readonly SellerEntry[]): Promise<void> {
  const world = await writeWorld(ground.network, { sellers: sellers.slice(0, 1), perRequestUsd: '0.05', funds: 3n as Atomic })
  // What a session's payer does beforehand costs a fee, which is more than that.
  if (rail.metered !== true) await ground.prepare(world.payer)
  const before = await ground.network.chain.balanceOf(ground.network.asset.address, world.payer)
  const engine = await openEngine(world)
  const { error } = await ask(await engine.serve(), { ...question, model: 'demo/echo' })
  await engine.close()
  expect(error).toMatchObject({ code: 'insufficient_funds', money: 'untouched' })
  const { rows } = await readBooks(world)
  expect(rows.map(({ state, payment }) => [state, payment])).toEqual([['released', undefined]])
  expect(await ground.network.chain.balanceOf(ground.network.asset.address, world.payer)).toBe(before)
}
