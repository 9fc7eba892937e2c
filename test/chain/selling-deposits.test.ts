/** Channels of x402 whose payer is dishonest: filled with money that is there once, emptied, or signed for by what changes its mind. */
import type { PaymentPayload, PaymentRequired } from '@x402/core/types'
import { wrapFetchWithPayment } from '@x402/fetch'
import { encodeFunctionData, erc20Abi, zeroAddress } from 'viem'
import type { PrivateKeyAccount } from 'viem/accounts'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { batchSettlementTypes } from '../../contracts-abi/batch-settlement.ts'
import { channelDomain, withdrawalCall, type ChannelConfig } from '../../src/chain/channel-id.ts'
import { installChannelContracts } from '../../src/demo/channel-contracts.ts'
import { transact } from '../../src/demo/install-contract.ts'
import type { Atomic } from '../../src/money.ts'
import { passTime } from '../support/engine.ts'
import { readLedger } from '../support/read-ledger.ts'
import { randomHex, useDemoNetwork } from '../support/chain.ts'
import { carried, carriages, channelClient, ON_BASE, requiredOf } from '../support/payments.ts'
import {
  chatWire,
  createBuyer,
  openShop,
  order,
  payingFetch,
  salesOf,
  startFacilitator,
  writeKeyedShop,
  type OrderOptions,
  type ShopOptions,
  type ShopWorld,
} from '../support/shop.ts'
import { spoken, words } from '../support/tempo-shop.ts'

const current = useDemoNetwork()
beforeAll(() => installChannelContracts(current().anvil.rpc))

async function openStall(options: Partial<ShopOptions> = {}) {
  const { world, upstream } = await writeKeyedShop(current(), spoken(words), { charge: ON_BASE, ...options })
  return { ...(await openShop(world)), upstream }
}

const balanceOf = (owner: `0x${string}`) => current().chain.balanceOf(current().asset.address, owner)

/** A new channel of the account's, and what would be sent for a stream out of it. */
async function signDeposit(account: PrivateKeyAccount, url: string) {
  const client = channelClient(account, current().rpcUrl, { salt: randomHex(32) })
  const payment = await client.createPaymentPayload(await requiredOf(url, chatWire, { stream: true }))
  const { deposit } = payment.payload as { readonly deposit: { readonly amount: string } }
  return { amount: BigInt(deposit.amount) as Atomic, send: () => sendStream(url, payment) }
}

const sendStream = (url: string, payment: PaymentPayload) =>
  order(fetch, url, chatWire, { stream: true, headers: carried(carriages.x402, JSON.stringify(payment)) })

async function sendAs(from: `0x${string}`, to: `0x${string}`, data: `0x${string}`): Promise<void> {
  const { rpc } = current().anvil
  await rpc('anvil_setBalance', [from, '0xde0b6b3a7640000'])
  await rpc('anvil_impersonateAccount', [from])
  await transact(rpc, { from, to, data, gas: '0x100000' })
}

const spend = async (account: PrivateKeyAccount) => {
  const args = [randomHex(20), await balanceOf(account.address)] as const
  await sendAs(account.address, current().asset.address, encodeFunctionData({ abi: erc20Abi, functionName: 'transfer', args }))
}

describe('a payer whose money is enough for one deposit', () => {
  it('reads one answer, though he fills eight channels at once', async () => {
    const { url, world, upstream } = await openStall()
    const { amount } = await signDeposit(await createBuyer(current()), url)
    const buyer = await createBuyer(current(), amount)
    const deposits = await Promise.all(Array.from({ length: 8 }, () => signDeposit(buyer, url)))
    const answers = await Promise.all(deposits.map(({ send }) => send()))
    const served = answers.filter(({ status }) => status === 200)
    expect([served.length, served[0]?.text.includes('[DONE]'), upstream.requests.length]).toEqual([1, true, 1])
    expect(answers.filter(({ status, headers }) => status !== 200 && !(status === 402 && headers.has('payment-required')))).toEqual([])
    expect((await salesOf(world)).map(({ state }) => state)).toEqual(['settled'])
  })

  it('cannot spend it by another scheme beside', async () => {
    const { url, world, upstream } = await openStall()
    const { amount } = await signDeposit(await createBuyer(current()), url)
    const buyer = await createBuyer(current(), amount)
    const { send } = await signDeposit(buyer, url)
    const pay = payingFetch(buyer, ['exact'])
    const answers = await Promise.all([send(), order(pay, url, chatWire, { stream: true }), order(pay, url, chatWire, { stream: true })])
    const served = answers.filter(({ status }) => status === 200)
    expect(served.map(({ text }) => text.includes('[DONE]'))).toEqual(served.map(() => true))
    expect((await salesOf(world)).map(({ state }) => state)).toEqual(served.map(() => 'settled'))
    expect(upstream.requests).toHaveLength(served.length)
  })
})

describe('a payer who moves the money of his deposit before it is collected', () => {
  it('has had one answer without its end, and buys by no channel until he is forgotten', async () => {
    let isMoving = true
    const buyer = await createBuyer(current())
    const facilitator = await startFacilitator(current(), (client) => ({
      ...client,
      async settle(payload, requirements) {
        if (isMoving) await spend(buyer)
        return client.settle(payload, requirements)
      },
    }))
    const { url, world, upstream } = await openStall({ facilitator })
    const [first, ...more] = await Promise.all(Array.from({ length: 3 }, () => signDeposit(buyer, url)))
    const cheated = await first?.send()
    expect([cheated?.text.includes('how'), cheated?.text.includes('[DONE]')]).toEqual([true, false])
    await current().mint(buyer.address, 5_000_000n as Atomic)
    for (const { send } of more) {
      const refused = await send()
      expect([refused.status, refused.text.includes('unpaid_before'), upstream.requests.length]).toEqual([402, true, 1])
    }
    isMoving = false
    const paid = await order(payingFetch(buyer), url, chatWire, { stream: true })
    expect([paid.status, paid.text.includes('[DONE]')]).toEqual([200, true])
    expect((await salesOf(world)).map(({ state }) => state)).toEqual(['settled', 'refused'])
  })
})

type Voucher = { readonly channelId: `0x${string}`; readonly maxClaimableAmount: string; readonly signature: `0x${string}` }
type Paid = { readonly channelConfig: ChannelConfig; readonly voucher: Voucher }

/** A payer with a channel that he has bought out of once. */
async function openChannel(url: string) {
  const account = await createBuyer(current())
  const client = channelClient(account, current().rpcUrl)
  const payments: PaymentPayload[] = []
  client.onAfterPaymentCreation(({ paymentPayload }) => Promise.resolve(void payments.push(paymentPayload)))
  const pay = wrapFetchWithPayment(fetch, client) as typeof fetch
  const buy = (options: OrderOptions = {}) => order(pay, url, chatWire, options)
  expect((await buy({ text: 'one' })).status).toBe(200)
  const first = payments[0]?.payload as Paid
  /** A voucher of any amount for any offer. */
  const promise = async (maxClaimable: bigint, { accepts, resource }: PaymentRequired): Promise<PaymentPayload> => {
    const { Voucher } = batchSettlementTypes
    const { channelConfig } = first
    const { channelId } = first.voucher
    const signature = await account.signTypedData({
      domain: channelDomain(current().network),
      types: { Voucher },
      primaryType: 'Voucher',
      message: { channelId, maxClaimableAmount: maxClaimable },
    })
    const voucher = { channelId, maxClaimableAmount: maxClaimable.toString(), signature }
    const [accepted] = accepts.filter(({ scheme }) => scheme === 'batch-settlement') as [PaymentPayload['accepted']]
    return { x402Version: 2, resource: resource as never, accepted, payload: { type: 'voucher', channelConfig, voucher } }
  }
  return { account, buy, first, promise }
}

const settledOf = async (world: ShopWorld) => (await salesOf(world)).reduce((sum, { amountSettled }) => sum + (amountSettled ?? 0n), 0n)

describe('the vouchers of one channel', () => {
  it('buy one answer at a time, each worth what it adds, whether they are equal, lower or higher', async () => {
    const { url, world, upstream, engine } = await openStall()
    const other = await openShop(world)
    const { first, promise } = await openChannel(url)
    const charged = await settledOf(world)
    const texts = ['a', 'b', 'c', 'd', 'e', 'f']
    const asked = await Promise.all(texts.map((text) => requiredOf(url, chatWire, { text, stream: true })))
    const price = BigInt(asked[0]?.accepts.find(({ scheme }) => scheme === 'batch-settlement')?.amount ?? '0')
    const next = charged + price
    const amounts = [next, next, next + 1n, next + price, BigInt(first.voucher.maxClaimableAmount), charged]
    const vouchers = await Promise.all(asked.map((required, at) => promise(amounts[at] ?? 0n, required)))
    const answers = await Promise.all(
      vouchers.map((payment, at) =>
        order(fetch, at % 2 === 0 ? url : other.url, chatWire, {
          stream: true,
          text: texts[at] ?? '',
          headers: carried(carriages.x402, JSON.stringify(payment)),
        }),
      ),
    )
    const served = answers.filter(({ status }) => status === 200)
    expect(answers.filter(({ status }) => ![200, 402, 409, 422].includes(status))).toEqual([])
    expect([served.length, served[0]?.text.includes('[DONE]'), upstream.requests.length]).toEqual([1, true, 2])
    expect((await salesOf(world)).map(({ state }) => state)).toEqual(['settled', 'settled'])
    await engine.routeplane.cashier?.payOut()
    expect(await balanceOf(world.payTo)).toBe(await settledOf(world))
  })

  it('give nothing back that the payer takes for himself: a refund is not sold', async () => {
    const { url, world, upstream } = await openStall()
    const { promise } = await openChannel(url)
    const voucher = await promise(await settledOf(world), await requiredOf(url, chatWire, { stream: true }))
    const before = await readLedger(world, ({ sales }) => sales.channels.list('0x'))
    const { status, text } = await sendStream(url, { ...voucher, payload: { ...voucher.payload, type: 'refund', amount: '1' } })
    expect([status, text.includes('invalid_payment'), upstream.requests.length]).toEqual([400, true, 1])
    expect(await readLedger(world, ({ sales }) => sales.channels.list('0x'))).toEqual(before)
  })

  it('are signed by a key that is named, for what a contract signs may be good now and not when it is claimed', async () => {
    const { url, upstream, world } = await openStall()
    const client = channelClient(await createBuyer(current()), current().rpcUrl, { payerAuthorizer: zeroAddress })
    const payment = await client.createPaymentPayload(await requiredOf(url, chatWire, { stream: true }))
    const { status, text, headers } = await sendStream(url, payment)
    expect([status, text.includes('payerAuthorizer'), headers.has('payment-required')]).toEqual([402, true, true])
    expect([upstream.requests.length, await salesOf(world)]).toEqual([0, []])
  })
})

/** Has the seller look at the chain again, as he does after some minutes. */
async function forgetLook({ ledgerPath }: ShopWorld, { channelId }: Voucher): Promise<void> {
  await readLedger({ ledgerPath }, async ({ sales }) => {
    await sales.channels.update(channelId.toLowerCase(), (text) => ({
      text: JSON.stringify({ ...(JSON.parse(text ?? '{}') as object), onchainSyncedAt: 0 }),
      hasEnded: false,
    }))
  })
}

/** Asks the contract for all that is there, or takes it. */
async function withdraw(account: PrivateKeyAccount, { channelConfig, voucher }: Paid, step: 'begin' | 'finish'): Promise<void> {
  const { balance, claimed } = await current().chain.channel(voucher.channelId)
  const { to, data } = await withdrawalCall(channelConfig, step, balance - claimed)
  await sendAs(account.address, to, data)
}

/** For the chain, which goes back to where it was when the test has finished: its clients go by their own clocks. */
async function passDelay(): Promise<void> {
  const { rpc } = current().anvil
  const before = await rpc('evm_snapshot')
  onTestFinished(async () => void (await rpc('evm_revert', [before])))
  await passTime(current(), 3_600)
}

describe('a payer who takes his channel back', () => {
  it('buys nothing out of it from then on, and pays for what he has bought', async () => {
    const { url, world, upstream, engine } = await openStall()
    const { account, buy, first } = await openChannel(url)
    await withdraw(account, first, 'begin')
    await forgetLook(world, first.voucher)
    for (const text of ['two', 'three']) {
      const refused = await buy({ text })
      expect([refused.status, refused.text.includes('taking it back'), upstream.requests.length]).toEqual([402, true, 1])
    }
    expect(await engine.routeplane.cashier?.payOut()).toBe(1)
    expect(await balanceOf(world.payTo)).toBe(await settledOf(world))
  })

  it('and has it, keeps nobody else from being claimed from', async () => {
    const { url, world, engine } = await openStall()
    const { account, first } = await openChannel(url)
    const { first: honest } = await openChannel(url)
    await withdraw(account, first, 'begin')
    await passDelay()
    await withdraw(account, first, 'finish')
    expect(await engine.routeplane.cashier?.payOut()).toBe(1)
    const [own] = (await salesOf(world)).filter(({ payer }) => payer === honest.channelConfig.payer)
    expect(await balanceOf(world.payTo)).toBe(own?.amountSettled)
    expect(engine.logged.filter((line) => line.includes('could not be claimed'))).toHaveLength(1)
  })
})
