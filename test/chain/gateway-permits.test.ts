/** Paying over Permit2, before the official packages: `exact` moves all of it, `upto` what was delivered, and only the chain says which. */
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { approvePermits, installPermitContracts } from '../../src/demo/permit-contracts.ts'
import { startPermitProvider, type PermitFaults, type PermitProvider } from '../../src/demo/permit-provider.ts'
import { parseUsd, ZERO_USD, type Atomic } from '../../src/money.ts'
import { randomHex, useDemoNetwork } from '../support/chain.ts'
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
  rewriteConfig,
  writeWorld,
  type TestEngine,
  type World,
} from '../support/engine.ts'
import { verifies } from '../support/verifies.ts'
import { textOf } from '../support/x402-buyer.ts'

const current = useDemoNetwork()
beforeAll(() => installPermitContracts(current().anvil.rpc))

type Scheme = PermitProvider['schemes'][number]
const schemes: readonly Scheme[] = ['exact', 'upto']
const dear = { prompt: '0.000001', completion: '0.000005' }

type Shop = {
  readonly seller: PermitProvider
  readonly world: World
  readonly url: string
  readonly logged: readonly string[]
  readonly engine: TestEngine
  verify(id: string): Promise<boolean>
}
type ShopOptions = {
  readonly faults?: PermitFaults
  readonly approved?: bigint
  readonly funds?: bigint
  readonly lines?: readonly string[]
}

async function open(scheme: Scheme, { faults = {}, approved = 1_000_000n, funds, lines = [] }: ShopOptions = {}): Promise<Shop> {
  const { asset, facilitator, anvil } = current()
  const seller = await startPermitProvider({
    ...{
      id: `by-${scheme}`,
      scheme: scheme as 'exact' | 'upto',
      prices: dear,
      payTo: randomHex(20),
      facilitator: facilitator.client,
      asset,
      faults,
    },
  })
  onTestFinished(() => seller.stop())
  const world = await writeWorld(current(), { sellers: [seller], ...(funds === undefined ? {} : { funds: funds as Atomic }) })
  await rewriteConfig(world, lines)
  if (approved > 0n) await approvePermits(anvil.rpc, asset.address, world.payer, approved)
  const engine = await openEngine(world)
  const verify = async (id: string) => (await engine.routeplane.receipts.verify(id)).verified
  return { seller, world, url: await engine.serve(), logged: engine.logged, engine, verify }
}

describe.each(schemes)('%s over Permit2', (scheme) => {
  it.each([false, true])('is paid once, with a receipt that the chain confirms (stream: %s)', async (stream) => {
    verifies('card.pay.x402', 'card.receipt.verified')
    const { world, url, seller, verify } = await open(scheme)
    const reply = await ask(url, { ...question, stream })
    expect([reply.status, textOf(reply.text), reply.error]).toEqual([200, `by-${scheme} heard: how are you today?`, undefined])
    const books = await closedBooks(world)
    expectBalanced(books)
    const [row] = books.rows
    expect([row?.state, row?.payment?.scheme, books.transfers.length, seller.counters.answered]).toEqual(['settled', scheme, 1, 1])
    const { amountAuthorized = 0n, amountSettled = 0n } = row?.payment ?? {}
    expect(scheme === 'exact' ? amountSettled === amountAuthorized : amountSettled < amountAuthorized).toBe(true)
    expect(await current().chain.balanceOf(current().asset.address, seller.payTo)).toBe(amountSettled)
    expect(await verify(row?.id ?? '')).toBe(true)
  })

  it('is proven payment by payment when one payee is paid many times', async () => {
    const { world, url } = await open(scheme)
    await Promise.all(Array.from({ length: 4 }, () => ask(url)))
    const books = await closedBooks(world)
    expect([books.transfers.length, books.rows.filter(({ state }) => state === 'settled').length]).toEqual([4, 4])
    expectBalanced(books)
  })

  it.each<[string, ShopOptions, string]>([
    ['without an allowance', { approved: 0n }, 'insufficient_funds'],
    ['with too small an allowance', { approved: 3n }, 'insufficient_funds'],
    ['without enough money', { funds: 3n }, 'insufficient_funds'],
    ['that the user does not allow', { lines: ['payment: { schemes: [batch-settlement] }'] }, 'no_eligible_endpoint'],
    ['to another payee', { faults: { mutateChallenge: ([offer]) => [{ ...offer!, payTo: randomHex(20) }] } }, 'payee_mismatch'],
    ['in another token', { faults: { mutateChallenge: ([offer]) => [{ ...offer!, asset: randomHex(20) }] } }, 'unknown_asset'],
    ['on another network', { faults: { mutateChallenge: ([offer]) => [{ ...offer!, network: 'eip155:1' }] } }, 'unknown_asset'],
    [
      'at a hundred times the price',
      { faults: { mutateChallenge: ([offer]) => [{ ...offer!, amount: `${offer!.amount}00` }] } },
      'price_mismatch',
    ],
    ['above the cap', { faults: { mutateChallenge: ([offer]) => [{ ...offer!, amount: '20001' }] } }, 'price_above_cap'],
  ])('signs nothing %s', async (_, options, code) => {
    const { world, url, seller } = await open(scheme, options)
    expect((await ask(url)).error).toMatchObject({ code, money: 'untouched' })
    expectUntouched(await readBooks(world))
    expect(seller.counters.answered).toBe(0)
  })

  it.each<[string, PermitFaults]>([
    ['answers 400 after he took it', { failAfter: 400 }],
    ['hangs up after he took it', { hangUp: true }],
    ['says that he has not got it', { mutateReceipt: (receipt) => ({ ...receipt, success: false, errorReason: 'never came' }) }],
  ])('is known to be paid when the seller %s', async (_, faults) => {
    const { world, url } = await open(scheme, { faults })
    const reply = await ask(url)
    expect([reply.error?.code, reply.error?.money]).toEqual(['answer_lost', 'settled'])
    const books = await closedBooks(world)
    expect([books.rows[0]?.state, books.transfers.length]).toEqual(['settled', 1])
    expectBalanced(books)
  })

  it('is not believed to be paid elsewhere because the seller names another transaction', async () => {
    const { world, url } = await open(scheme, {
      faults: { mutateReceipt: (receipt) => ({ ...receipt, transaction: `0x${'ab'.repeat(32)}` }) },
    })
    expect((await ask(url)).status).toBe(200)
    expectBalanced(await closedBooks(world))
  })
})

describe('the allowance of Permit2', () => {
  it('is set by a transaction of the wallet, seen in its status, and what a provider is then paid out of', async () => {
    const { world, url, engine } = await open('exact', { approved: 0n })
    const { allowances, status } = engine.routeplane
    const wish = { amountUsd: parseUsd('0.5') }
    const before = await ask(url)
    expect(before.error).toMatchObject({ code: 'insufficient_funds', money: 'untouched' })
    expect(before.text).toContain('routeplane wallet approve <amount> --network eip155:84532 --token USDC')

    const quote = await allowances.quote(wish)
    expect(quote).toMatchObject({ asset: 'USDC', owner: world.payer, nowUsd: 0n, thenUsd: parseUsd('0.5'), coinsWei: 0n })
    await expect(allowances.approve(wish, quote)).rejects.toMatchObject({ code: 'insufficient_funds' })
    await current().anvil.rpc('anvil_setBalance', [world.payer, '0xde0b6b3a7640000'])
    await expect(allowances.approve(wish, { mostWei: 1n })).rejects.toMatchObject({ details: { rule: 'fee_above_grant' } })
    await allowances.approve(wish, quote)
    expect((await status()).wallet?.permit2Usd).toBe(parseUsd('0.5'))
    expect((await ask(url)).status).toBe(200)

    await allowances.approve({ amountUsd: ZERO_USD }, await allowances.quote({ amountUsd: ZERO_USD }))
    expect((await status()).wallet?.permit2Usd).toBe(0n)
    expectBalanced(await closedBooks(world))
  })

  it.each([
    ['on a network that it does not pay on', { network: 'eip155:8453' }, 'unknown_network'],
    ['on a network nobody knows', { network: 'eip155:31337' }, 'unknown_network'],
    ['of a token nobody knows', { token: 'DOGE' }, 'unknown_asset'],
    ['of a token that Permit2 cannot move', { network: 'eip155:42431' }, 'unknown_asset'],
  ])('is not set %s', async (_, wish, code) => {
    const { engine } = await open('exact', { approved: 0n })
    await expect(engine.routeplane.allowances.quote({ amountUsd: parseUsd('1'), ...wish })).rejects.toMatchObject({ code })
  })

  it('that the seller misses is named, with what to do about it', async () => {
    const { url, seller, world } = await open('exact', { faults: { failWith: 412 } })
    const reply = await ask(url)
    expect(reply.error).toMatchObject({ code: 'payment_outcome_unknown', money: 'unknown' })
    expect(reply.text).toContain('routeplane wallet approve')
    expect([seller.counters.requests, (await readBooks(world)).open.length]).toEqual([2, 1])
  })
})

describe('a ceiling', () => {
  it.each<[string, object]>([
    ['without', { facilitatorAddress: undefined }],
    ['with a wrong name for', { facilitatorAddress: '0xevil' }],
    ['with nobody as', { facilitatorAddress: `0x${'0'.repeat(40)}` }],
  ])('is not signed %s the facilitator that may settle it', async (_, more) => {
    const { world, url } = await open('upto', {
      faults: { mutateChallenge: (offers) => offers.map(({ extra, ...offer }) => ({ ...offer, extra: { ...extra, ...more } })) },
    })
    expect((await ask(url)).error).toMatchObject({ code: 'bad_challenge', money: 'untouched' })
    expectUntouched(await readBooks(world))
  })

  it('is paid by what the chain shows, and a seller who says that it took more is told on', async () => {
    const { world, url, logged } = await open('upto', { faults: { mutateReceipt: (receipt) => ({ ...receipt, amount: '1000000' }) } })
    expect((await ask(url)).status).toBe(200)
    const books = await closedBooks(world)
    const { amountAuthorized = 0n, amountSettled = 0n } = books.rows[0]?.payment ?? {}
    expect(amountSettled < amountAuthorized).toBe(true)
    expectBalanced(books)
    expect(logged.some((line) => line.includes('provider says that it took more than was signed'))).toBe(true)
  })
})

// Last: the chain's clock only moves forward, and it is then past every signature of ours.
describe('a permit that nobody cashed', () => {
  it('is money until its deadline, though a seller calls nothing a settlement, and then it is free', async () => {
    verifies('card.pay.unknown_outcome')
    const failing = await Promise.all(schemes.map((scheme) => open(scheme, { faults: { failWith: 400 } })))
    const idle = await open('upto', { faults: { charge: 0n } })
    for (const { url } of failing) expect((await ask(url)).error).toMatchObject({ code: 'payment_outcome_unknown', money: 'unknown' })
    expect((await ask(idle.url)).status).toBe(200)
    const shops = [...failing, idle]
    for (const { world } of shops) expect((await readBooks(world)).open.length).toBe(1)
    await passTime(current(), 400)
    for (const { world } of shops) {
      const books = await closedBooks(world)
      expect([books.rows.map(({ state, reason }) => [state, reason]), paidOf(books)]).toEqual([
        [['released', 'expired unused on chain']],
        0n,
      ])
      expectBalanced(books)
    }
  })
})
