/** Payments over the Machine Payments Protocol, to sellers of its official server package, method by method. */
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { evmCharge, tempoCharge, type MppMethod } from '../../src/demo/mpp-method.ts'
import { startMppProvider, type MppProvider } from '../../src/demo/mpp-provider.ts'
import { startDemoNetwork } from '../../src/demo/network.ts'
import { startTempoNetwork } from '../../src/demo/tempo-network.ts'
import { systemClock } from '../../src/lib/clock.ts'
import type { Atomic } from '../../src/money.ts'
import { reconcile, type Reconciliation } from '../../src/payment/reconcile.ts'
import { startRelay, type Passed, type RelayOptions } from '../gateway/relay.ts'
import { randomHex } from '../support/chain.ts'
import {
  ask,
  closedBooks,
  expectBalanced,
  expectUntouched,
  openEngine,
  paidOf,
  passTime,
  question,
  readBooks,
  writeWorld,
  type SellerEntry,
  type World,
  type WorldNetwork,
  type WorldOptions,
} from '../support/engine.ts'
import { rewriteRequests } from '../support/offers.ts'
import { readLedger } from '../support/read-ledger.ts'
import { textOf } from '../support/x402-buyer.ts'

/** A network with the way in which sellers on it are paid. */
type Rail = { readonly network: WorldNetwork; method(payTo: `0x${string}`): Promise<MppMethod>; stop(): Promise<void> }
type RailKind = { readonly name: string; open(): Promise<Rail> }

async function openBase(): Promise<Rail> {
  const network = await startDemoNetwork()
  const { asset, facilitator } = network
  return { network, method: async (payTo) => evmCharge({ asset, payTo, facilitator: facilitator.client }), stop: network.stop }
}

async function openTempo(sponsored: boolean): Promise<Rail> {
  const network = await startTempoNetwork()
  return { network, method: (payTo) => tempoCharge({ network, payTo, sponsored }), stop: network.stop }
}

const kinds: readonly RailKind[] = [
  { name: 'evm/charge', open: openBase },
  { name: 'tempo/charge', open: () => openTempo(false) },
]

/** Call at the top of a describe. */
function useRail({ open }: RailKind): () => Rail {
  let rail: Rail | undefined
  beforeAll(async () => {
    rail = await open()
  })
  afterAll(() => rail?.stop())
  return () => {
    if (rail === undefined) throw new Error('the rail is only there inside tests and hooks')
    return rail
  }
}

/** One whose time a test may let run. */
async function openOwn({ open }: RailKind): Promise<Rail> {
  const rail = await open()
  onTestFinished(() => rail.stop())
  return rail
}

const prices = { prompt: '0.000001', completion: '0.000005' }
const said = 'first heard: how are you today?'

type Start = RelayOptions & { readonly faults?: { failAfterPayment?: number }; readonly world?: Partial<WorldOptions> }
type Stage = {
  readonly seller: MppProvider
  readonly relay: Awaited<ReturnType<typeof startRelay>>
  readonly network: WorldNetwork
} & Awaited<ReturnType<typeof openWorld>>

async function openWorld(network: WorldNetwork, sellers: readonly SellerEntry[], options: Partial<WorldOptions>) {
  const world = await writeWorld(network, { sellers, perRequestUsd: '0.05', ...options })
  const engine = await openEngine(world)
  return { world, engine, url: await engine.serve() }
}

async function start(rail: Rail, { faults = {}, world = {}, ...relayOptions }: Start = {}): Promise<Stage> {
  const seller = await startMppProvider({ id: 'first', prices, methods: [await rail.method(randomHex(20))], faults })
  onTestFinished(() => seller.stop())
  const relay = await startRelay({ ...seller, mode: 'mpp' }, relayOptions)
  return { seller, relay, network: rail.network, ...(await openWorld(rail.network, [relay], world)) }
}

/** The books beside the chain, as the product compares them. */
function reconciled(world: World): Promise<Reconciliation> {
  const { chain, asset } = world.network
  return readLedger(world, (ledger) => reconcile({ ledger, chain, asset, payer: world.payer, fromBlock: 0n, resolved: 0 }))
}

describe.each(kinds)('$name', (kind) => {
  const rail = useRail(kind)

  it.each([false, true])('is paid once and has a receipt that the chain confirms (stream: %s)', async (stream) => {
    const { seller, world, engine, url, network } = await start(rail())
    const reply = await ask(url, { ...question, stream })
    expect([reply.status, textOf(reply.text), reply.error]).toEqual([200, said, undefined])
    const books = await closedBooks(world)
    expectBalanced(books)
    const [row] = books.rows
    expect([row?.state, row?.mode, row?.payment?.protocol, seller.counters.handlerRuns]).toEqual(['settled', 'mpp', 'mpp', 1])
    const earned = await network.chain.balanceOf(network.asset.address, seller.payTo)
    expect(earned > 0n && earned <= paidOf(books)).toBe(true)
    expect(reply.headers.get('x-routeplane-receipt')).toBe(row?.id)
    expect(await engine.routeplane.receipts.verify(row?.id ?? '')).toMatchObject({ verified: true })
    const compared = await engine.routeplane.receipts.reconcileAll({ network: network.asset.network })
    const paidIn = compared.find(({ asset }) => asset === network.asset.symbol)
    expect(paidIn?.result).toMatchObject({ differences: [], ledgerUsd: paidIn?.result?.chainUsd })
    expect(paidIn?.result?.ledgerUsd).toBeGreaterThan(0n)
    await engine.close()
    const { ledgerUsd, chainUsd, differences } = await reconciled(world)
    expect([differences, chainUsd]).toEqual([[], ledgerUsd])
  })

  it('is not paid again when its credential is shown again', async () => {
    const { seller, relay, world, url } = await start(rail())
    await ask(url)
    const [credential = ''] = relay.credentials
    const paid = relay.requests.find(({ headers }) => headers.authorization === credential)
    const again = await fetch(`${seller.baseUrl}/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: credential },
      body: paid?.body.toString() ?? '',
    })
    expect(again.status).toBe(402)
    const books = await closedBooks(world)
    expect([seller.counters.handlerRuns, books.transfers.length]).toEqual([1, 1])
    expectBalanced(books)
  })

  it('is paid by eight callers at once, each once', async () => {
    const { world, url, seller } = await start(rail())
    const replies = await Promise.all(
      Array.from({ length: 8 }, (_, at) => ask(url, { ...question, messages: [{ role: 'user', content: `${at}` }] })),
    )
    expect(replies.map(({ status }) => status)).toEqual(replies.map(() => 200))
    const books = await closedBooks(world)
    expect([books.transfers.length, seller.counters.handlerRuns]).toEqual([8, 8])
    expectBalanced(books)
  })

  it('that stumbles before it settles is shown the same credential again', async () => {
    const { relay, world, url } = await start(rail(), { instead: (_, paid) => (paid === 1 ? { status: 503, json: {} } : undefined) })
    const reply = await ask(url)
    expect([reply.status, textOf(reply.text), relay.credentials.length, new Set(relay.credentials).size]).toEqual([200, said, 2, 1])
    expectBalanced(await closedBooks(world))
  })

  it('that takes the money and then fails has been paid, which is said as it is', async () => {
    const { relay, world, url } = await start(rail(), { faults: { failAfterPayment: 500 } })
    const reply = await ask(url)
    expect([reply.status, reply.error?.code, reply.error?.money]).toEqual([424, 'answer_lost', 'settled'])
    const books = await closedBooks(world)
    expect([books.rows.map(({ state }) => state), new Set(relay.credentials).size]).toEqual([['settled'], 1])
    expectBalanced(books)
  })

  it('that loses its answer on the way has been paid, and is not asked anew', async () => {
    const { relay, world, url } = await start(rail(), { tamper: (answer, _, paid) => (paid === 1 ? { hangUp: true } : answer) })
    const reply = await ask(url)
    expect([reply.status, reply.error?.code, reply.error?.money]).toEqual([424, 'answer_lost', 'settled'])
    const books = await closedBooks(world)
    expect([new Set(relay.credentials).size, books.transfers.length]).toEqual([1, 1])
    expectBalanced(books)
  })

  it('that is cut in the middle of a stream has been paid', async () => {
    const cut = (answer: Passed) => ({ ...answer, stream: [answer.body.slice(0, answer.body.length / 2), 'cut' as const] })
    const { world, url } = await start(rail(), { tamper: (answer, _, paid) => (paid > 0 ? cut(answer) : answer) })
    const reply = await ask(url, { ...question, stream: true })
    expect(reply.text).toContain('first')
    const books = await closedBooks(world)
    expect(books.rows.map(({ state }) => state)).toEqual(['settled'])
    expectBalanced(books)
  })

  it('that answers with a receipt of its own making is believed nothing', async () => {
    const receipt = { method: 'evm', status: 'success', timestamp: '2026-01-01T00:00:00Z', reference: randomHex(32) }
    const answer = { choices: [{ index: 0, message: { role: 'assistant', content: 'free' }, finish_reason: 'stop' }] }
    const headers = { 'payment-receipt': Buffer.from(JSON.stringify(receipt)).toString('base64url') }
    const { world, url, network } = await start(await openOwn(kind), {
      instead: (_, paid) => (paid > 0 ? { headers, json: { id: 'x', object: 'chat.completion', ...answer } } : undefined),
    })
    expect((await ask(url)).status).toBe(200)
    expect((await readBooks(world)).open.length).toBe(1)
    await passTime(network, 400)
    const books = await closedBooks(world)
    expect([books.rows.map(({ state }) => state), books.transfers]).toEqual([['released'], []])
  })

  it('that always asks again has one credential, which is dead when its time is over', async () => {
    const { relay, world, url, network } = await start(await openOwn(kind), {
      tamper: (answer, _, paid) => (paid > 0 ? (first ?? answer) : (first = answer)),
    })
    let first: Passed | undefined
    const reply = await ask(url)
    expect([reply.status, reply.error?.code, reply.error?.money]).toEqual([424, 'answer_lost', 'settled'])
    expect(relay.credentials.length).toBe(1)
    await passTime(network, 400)
    expectBalanced(await closedBooks(world))
  })

  it('is not paid by a wallet that has too little', async () => {
    const { world, url } = await start(rail(), { world: { funds: 1n as Atomic } })
    const reply = await ask(url)
    expect([reply.status, reply.error?.code, reply.error?.money]).toEqual([403, 'insufficient_funds', 'untouched'])
    expectUntouched(await readBooks(world))
  })
})

type Request = Record<string, unknown> & { readonly amount: string; readonly methodDetails: Record<string, unknown> }
type Change = (request: Request, payer: string) => Record<string, unknown>

const detail = (request: Request, more: Record<string, unknown>) => ({ methodDetails: { ...request.methodDetails, ...more } })
const times = ({ amount }: Request, factor: bigint) => ({ amount: (BigInt(amount) * factor).toString() })

const wrong: readonly (readonly [what: string, code: string, status: number, change: Change])[] = [
  ['another payee', 'payee_mismatch', 502, () => ({ recipient: randomHex(20) })],
  ['nobody as the payee', 'bad_payee', 502, () => ({ recipient: `0x${'0'.repeat(40)}` })],
  ['our own wallet as the payee', 'bad_payee', 502, (_, payer) => ({ recipient: payer })],
  ['a token of its own', 'unknown_asset', 502, () => ({ currency: '0x000000000000000000000000000000000000dEaD' })],
  ['a chain nobody knows', 'unknown_network', 502, (request) => detail(request, { chainId: 31_337 })],
  ['real money', 'unknown_asset', 502, (request) => detail(request, { chainId: 8_453 })],
  ['no chain', 'unknown_network', 502, (request) => detail(request, { chainId: undefined })],
  ['a chain in text', 'unknown_network', 502, (request) => detail(request, { chainId: '84532' })],
  ['a price a hundred times the listed one', 'price_mismatch', 502, (request) => times(request, 100n)],
  ['a price above the cap', 'price_above_cap', 403, () => ({ amount: '50001' })],
  ['a price above the cap that its words make small', 'price_above_cap', 403, () => ({ amount: '100000000', description: 'only $0.01' })],
  ['an amount in units of 18 decimals', 'price_above_cap', 403, (request) => times(request, 10n ** 12n)],
  ['an amount in the form 1e6', 'bad_challenge', 502, () => ({ amount: '1e6' })],
  ['an amount below zero', 'bad_challenge', 502, () => ({ amount: '-1' })],
  ['an amount as a number', 'bad_challenge', 502, () => ({ amount: 1_000 })],
  ['other decimals', 'bad_challenge', 502, (request) => detail(request, { decimals: 18 })],
  [
    'a share for somebody else',
    'unsupported_scheme',
    502,
    (request) => detail(request, { splits: [{ amount: '1', recipient: randomHex(20) }] }),
  ],
]

describe.each(kinds)('$name with', (kind) => {
  const rail = useRail(kind)

  it.each(wrong)('%s is refused as %s', async (_, code, status, change) => {
    let payer = ''
    const { seller, world, url } = await start(rail(), {
      tamper: (answer) => rewriteRequests(answer, (request) => change(request as Request, payer)),
    })
    payer = world.payer
    const reply = await ask(url)
    expect([reply.status, reply.error?.code, reply.error?.money]).toEqual([status, code, 'untouched'])
    expectUntouched(await readBooks(world))
    expect(seller.counters.handlerRuns).toBe(0)
  })

  it.each<[string, string, (header: string) => string]>([
    ['an end that is over', 'challenge_expired', (header) => header.replace(/expires="[^"]+"/, 'expires="2020-01-01T00:00:00Z"')],
    ['a text without an end', 'bad_challenge', () => 'Payment id="abc'],
    ['no JSON for its request', 'bad_challenge', (header) => header.replaceAll(/request="[^"]+"/g, 'request="%%%"')],
    ['an end that is no time', 'bad_challenge', (header) => header.replace(/expires="[^"]+"/, 'expires="soon"')],
    ['a body that is not ours', 'bad_challenge', (header) => `${header}, digest="sha-256=${'A'.repeat(43)}="`],
    ['no Payment challenge', 'bad_challenge', () => 'Bearer realm="api"'],
    ['a method nobody knows', 'unsupported_scheme', (header) => header.replaceAll(/method="\w+"/g, 'method="stripe"')],
  ])('%s is refused as %s', async (_, code, change) => {
    const { world, url } = await start(rail(), {
      tamper: (answer) => ({ ...answer, headers: { 'www-authenticate': change(String(answer.headers['www-authenticate'])) } }),
    })
    const reply = await ask(url)
    expect([reply.status, reply.error?.code, reply.error?.money]).toEqual([502, code, 'untouched'])
    expectUntouched(await readBooks(world))
  })
})

describe('tempo/charge with the fee paid by the seller', () => {
  const rail = useRail({ name: 'sponsored', open: () => openTempo(true) })

  it.each([false, true])('costs the wallet its price and nothing more (stream: %s)', async (stream) => {
    const { seller, world, url, network } = await start(rail())
    expect((await ask(url, { ...question, stream })).status).toBe(200)
    const books = await closedBooks(world)
    expectBalanced(books)
    expect(await network.chain.balanceOf(network.asset.address, seller.payTo)).toBe(paidOf(books))
  })
})

describe('a seller of several methods', () => {
  const base = useRail(kinds[0] as RailKind)
  const tempo = useRail(kinds[1] as RailKind)

  it('is paid by the one that the wallet can pay, whatever their order', async () => {
    const payTo = randomHex(20)
    const methods = [await tempo().method(payTo), await base().method(payTo)]
    const seller = await startMppProvider({ id: 'first', prices, methods })
    onTestFinished(() => seller.stop())
    const { world, url } = await openWorld(base().network, [{ ...seller, mode: 'mpp' }], {})
    expect((await ask(url)).status).toBe(200)
    const books = await closedBooks(world)
    expect(books.rows.map(({ payment }) => [payment?.scheme, payment?.network])).toEqual([['evm/charge', base().network.network]])
    expectBalanced(books)
  })

  it('that gives every call the same challenge is paid for it once', async () => {
    let kept: Passed | undefined
    const { seller, world, url } = await start(base(), { tamper: (answer) => (answer.status === 402 ? (kept ??= answer) : answer) })
    expect((await ask(url)).status).toBe(200)
    const again = await ask(url)
    expect([again.status, again.error?.code, again.error?.money]).toEqual([502, 'bad_challenge', 'untouched'])
    const books = await closedBooks(world)
    expect([books.transfers.length, seller.counters.handlerRuns]).toEqual([1, 1])
    expectBalanced(books)
  })

  it('has a challenge that names no end paid within five minutes of our clock', async () => {
    const endless = (header: string) => header.replace(/, expires="[^"]+"/, '')
    const { world, url } = await start(base(), {
      tamper: (answer) => ({
        ...answer,
        headers: { ...answer.headers, 'www-authenticate': endless(String(answer.headers['www-authenticate'])) },
      }),
    })
    await ask(url)
    const [row] = (await readBooks(world)).rows
    const seconds = Number(row?.payment?.validBeforeSeconds ?? 0n) - systemClock.now() / 1_000
    expect(seconds > 0 && seconds <= 300).toBe(true)
  })
})
