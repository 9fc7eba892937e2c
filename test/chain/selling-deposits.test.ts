/** Channels of x402 whose payer is dishonest: filled with money that is there once, emptied, or signed for by what changes its mind. */
import type { PaymentPayload } from '@x402/core/types'
import { encodeFunctionData, erc20Abi } from 'viem'
import type { PrivateKeyAccount } from 'viem/accounts'
import { beforeAll, describe, expect, it } from 'vitest'
import { installChannelContracts } from '../../src/demo/channel-contracts.ts'
import { transact } from '../../src/demo/install-contract.ts'
import type { Atomic } from '../../src/money.ts'
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
  type ShopOptions,
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
