/** Paying over channels with the whole gateway: the seller is the official packages', and the chain is the judge. */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { batchSettlementAddress } from '../../contracts-abi/batch-settlement.ts'
import { transact } from '../../src/demo/install-contract.ts'
import type { ChannelRow } from '../../src/ledger/channel.ts'
import { addUsd, parseUsd } from '../../src/money.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { channelsOf, openTrade, useChannelMarket } from '../support/channel-market.ts'
import { ask, closedBooks, expectBalanced, expectUntouched, passTime, question, readBooks, type World } from '../support/engine.ts'
import { readLedger } from '../support/read-ledger.ts'
import { verifies } from '../support/verifies.ts'

const market = useChannelMarket()

const channelQuestion = { ...question, max_tokens: 20 }

const vouchersIn = (rows: Awaited<ReturnType<typeof readBooks>>['rows']) => rows.filter(({ payment }) => payment?.proof === 'voucher')
const depositsIn = (rows: Awaited<ReturnType<typeof readBooks>>['rows']) => rows.filter(({ payment }) => payment?.proof === 'eip3009')

it('pays ten calls with one deposit, each at what was delivered, and the budget counts the deposit', async () => {
  verifies('card.pay.once')
  const { seller, world, engine, url } = await openTrade(market())
  for (let call = 0; call < 10; call++) expect(await ask(url, channelQuestion)).toMatchObject({ status: 200 })
  await engine.close()

  const books = await readBooks(world)
  expectBalanced(books)
  expect(books.transfers).toHaveLength(1)
  const [channel] = await channelsOf(world)
  const charged = vouchersIn(books.rows).map(({ state, payment }) => [state, payment?.amountSettled ?? 0n] as const)
  expect(charged).toHaveLength(10)
  expect(charged.every(([state]) => state === 'settled')).toBe(true)
  expect(channel?.charged).toBe(charged.reduce((sum, [, amount]) => sum + amount, 0n))
  expect(channel?.deposited).toBe(books.transfers[0]?.amount)

  await seller.claims.claimAndSettle()
  const { chain, asset } = market().network
  expect(await chain.balanceOf(asset.address, seller.payTo)).toBe(channel?.charged)
  const { deposited } = channel as ChannelRow
  expect(await spentOf(world)).toBe(addUsd(...depositsIn(books.rows).map(({ heldUsd }) => heldUsd)))
  expect(await chain.balanceOf(asset.address, batchSettlementAddress)).toBeGreaterThanOrEqual(deposited - (channel?.charged ?? 0n))
})

/** What the day's budget of everybody has spent. */
function spentOf(world: World): Promise<bigint> {
  return readLedger(world, async ({ attempts }) => {
    const day = new Date(systemClock.now()).toISOString().slice(0, 10)
    const [standing] = await attempts.budgets([{ scope: 'all', window: `day:${day}`, cap: parseUsd('1') }])
    return standing?.spent ?? 0n
  })
}

it('learns by sending the same voucher again that a lost answer was charged, and does not pay for it twice', async () => {
  verifies('card.pay.unknown_outcome')
  const { seller, world, engine, url } = await openTrade(market())
  await ask(url, channelQuestion)
  seller.faults.afterSettle = 'drop-connection'
  const lost = await ask(url, channelQuestion)
  expect(lost.error).toMatchObject({ code: 'answer_lost', money: 'settled' })
  delete seller.faults.afterSettle
  expect(await ask(url, channelQuestion)).toMatchObject({ status: 200 })
  await engine.close()
  const books = await readBooks(world)
  expectBalanced(books)
  const [channel] = await channelsOf(world)
  expect(books.open.filter(({ payment }) => payment?.proof === 'voucher')).toEqual([])
  expect(vouchersIn(books.rows)).toHaveLength(3)
  expect(vouchersIn(books.rows).reduce((sum, { payment }) => sum + (payment?.amountSettled ?? 0n), 0n)).toBe(channel?.charged)
  await seller.claims.claimAndSettle()
  expect(await market().network.chain.balanceOf(market().network.asset.address, seller.payTo)).toBe(channel?.charged)
})

it('pays on when the seller has forgotten the channel', async () => {
  const { seller, world, engine, url } = await openTrade(market())
  await ask(url, channelQuestion)
  seller.forget()
  await sleep(10)
  expect(await ask(url, channelQuestion)).toMatchObject({ status: 200 })
  await engine.close()
  expect((await readBooks(world)).transfers).toHaveLength(1)
})

it('counts a charge above the promise in full and signs nothing more for that channel', async () => {
  const { seller, world, engine, url } = await openTrade(market())
  seller.faults.mutateReceipt = (receipt) => ({ ...receipt, extra: { ...receipt.extra, chargedAmount: '999999999' } })
  expect(await ask(url, channelQuestion)).toMatchObject({ status: 200 })
  delete seller.faults.mutateReceipt
  const [channel] = await channelsOf(world)
  expect(channel).toMatchObject({ state: 'distrusted', charged: channel?.signed })
  await engine.close()
})

it('lets callers who come together pay over channels of their own, as many as the config allows', async () => {
  const { world, engine, url } = await openTrade(market(), { lines: [] })
  const replies = await Promise.all(Array.from({ length: 6 }, () => ask(url, channelQuestion)))
  expect(replies.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200, 200])
  const books = await closedBooks(world)
  await engine.close()
  expectBalanced(books)
  const channels = await channelsOf(world)
  expect(channels.length).toBeLessThanOrEqual(4)
  expect(books.transfers).toHaveLength(channels.length)
})

it('gives back by refund what was not charged, to the chain, the channel and the budget', async () => {
  const { seller, world, engine, url } = await openTrade(market())
  for (let call = 0; call < 3; call++) await ask(url, channelQuestion)
  // Of the last answer we never learn what it cost: closing brings it to light.
  seller.faults.mutateReceipt = (receipt) => ({ ...receipt, extra: {} })
  expect(await ask(url, channelQuestion)).toMatchObject({ status: 200 })
  delete seller.faults.mutateReceipt
  const [before] = await engine.routeplane.channels.list()
  const closed = await engine.routeplane.channels.close(before?.id ?? '')
  expect(closed).toMatchObject({ state: 'closed', returned: closed.deposited - closed.charged })
  await seller.claims.settle()
  const { chain, asset } = market().network
  expect(await chain.balanceOf(asset.address, seller.payTo)).toBe(closed.charged)
  expect(await chain.balanceOf(asset.address, world.payer)).toBe(10_000_000n - closed.charged)
  const books = await closedBooks(world)
  expect(vouchersIn(books.rows).reduce((sum, { payment }) => sum + (payment?.amountSettled ?? 0n), 0n)).toBe(closed.charged)
  expect(await spentOf(world)).toBe(closed.charged * 10n ** 12n)
  const [reconciled] = await engine.routeplane.receipts.reconcileAll({})
  expect(reconciled?.result?.differences).toEqual([])
  const { id, state, charged, returned } = closed
  expect(reconciled?.channels).toMatchObject([{ channel: { id, state, charged, returned }, claimed: charged, left: 0n }])
  expect(reconciled?.channels?.[0]?.problem).toBeUndefined()
  expect(await ask(url, channelQuestion)).toMatchObject({ status: 200 })
  await engine.close()
})

it('refuses channels that nobody should fill, before anything is signed', async () => {
  const { seller, world, engine, url } = await openTrade(market())
  const bad: readonly (readonly [Record<string, unknown>, string])[] = [
    [{ receiverAuthorizer: undefined }, 'bad_challenge'],
    [{ receiverAuthorizer: `0x${'0'.repeat(40)}` }, 'bad_challenge'],
    [{ withdrawDelay: 60 }, 'bad_challenge'],
    [{ withdrawDelay: 2_592_000 }, 'bad_challenge'],
    [{ withdrawDelay: '900' }, 'bad_challenge'],
  ]
  for (const [extra, code] of bad) {
    seller.faults.mutateChallenge = (offers) => offers.map((offer) => ({ ...offer, extra: { ...offer.extra, ...extra } }))
    expect((await ask(url, channelQuestion)).error).toMatchObject({ code, money: 'untouched' })
  }
  await engine.close()
  const books = await readBooks(world)
  expectUntouched(books)
  expect(await channelsOf(world)).toEqual([])
})

it.each<[string, (charged: bigint, promised: bigint) => readonly [charged: bigint, signed: bigint]]>([
  ['above all that we ever promised', () => [1_000n, 1_100n]],
  ['within our voucher, without our signature', (charged, promised) => [charged + 1n, charged + promised]],
])('believes no charge %s', async (_, sayOf) => {
  const { seller, world, engine, url } = await openTrade(market())
  await ask(url, channelQuestion)
  const [before] = await channelsOf(world)
  const [first] = vouchersIn((await readBooks(world)).rows)
  const [said, signed] = sayOf(before?.charged ?? 0n, first?.payment?.amountAuthorized ?? 0n)
  seller.faults.refuse = 'invalid_batch_settlement_evm_cumulative_amount_mismatch'
  seller.faults.mutateChallenge = (offers) =>
    offers.map((offer) => ({
      ...offer,
      extra: {
        ...offer.extra,
        channelState: { channelId: before?.id, chargedCumulativeAmount: `${said}` },
        voucherState: { signedMaxClaimable: `${signed}`, signature: `0x${'11'.repeat(65)}` },
      },
    }))
  expect((await ask(url, channelQuestion)).error).toMatchObject({ money: 'unknown' })
  expect(await channelsOf(world)).toMatchObject([{ state: 'distrusted', charged: before?.charged }])
  await engine.close()
})

it('reports the seller that claims more than it has said', async () => {
  verifies('card.receipt.verified')
  const { seller, engine, url } = await openTrade(market())
  seller.faults.mutateReceipt = (receipt) => ({ ...receipt, extra: { chargedAmount: '1' } })
  expect(await ask(url, channelQuestion)).toMatchObject({ status: 200 })
  await seller.claims.claim()
  const [reconciled] = await engine.routeplane.receipts.reconcileAll({})
  expect(reconciled?.channels).toMatchObject([
    { channel: { state: 'distrusted', charged: 1n }, claimed: 55n, problem: 'its seller has claimed more than was charged' },
  ])
  await engine.close()
})

// Last, because it lets the chain's clock run ahead of ours.
it('says how to take the money back alone, and sees it come', async () => {
  const { seller, world, engine, url } = await openTrade(market())
  await ask(url, channelQuestion)
  const [channel] = await engine.routeplane.channels.list()
  const id = channel?.id ?? ''
  await seller.claims.claimAndSettle()
  await seller.stop()
  await expect(engine.routeplane.channels.close(id)).rejects.toMatchObject({ code: 'upstream_unreachable' })

  const { calls } = await engine.routeplane.channels.withdrawal(id)
  await sendAs(world, calls.begin)
  const begun = await engine.routeplane.channels.withdrawal(id)
  expect(begun.channel).toMatchObject({ state: 'withdrawing' })
  const [meanwhile] = await engine.routeplane.receipts.reconcileAll({})
  const { deposited, charged } = begun.channel
  expect(meanwhile?.channels).toMatchObject([{ claimed: charged, left: deposited - charged }])
  await passTime(market().network, 901)
  await sendAs(world, begun.calls.finish)
  const after = await engine.routeplane.channels.withdrawal(id)
  expect(after.channel).toMatchObject({ state: 'closed', returned: after.channel.deposited - after.channel.charged })
  const { chain, asset } = market().network
  expect(await chain.balanceOf(asset.address, world.payer)).toBe(10_000_000n - after.channel.charged)
  await engine.close()
})

/** Sends a transaction from the payer's account, as its owner would with any wallet. */
async function sendAs({ network, payer }: World, call: { readonly to: string; readonly data: string }): Promise<void> {
  const { rpc } = network.anvil
  await rpc('anvil_setBalance', [payer, '0xde0b6b3a7640000'])
  await rpc('anvil_impersonateAccount', [payer])
  await transact(rpc, { from: payer, to: call.to, data: call.data, gas: '0x100000' })
}
