/** Callers who open a channel with the gateway: one deposit, then vouchers, each call charged for what was delivered. */
import { wrapFetchWithPayment } from '@x402/fetch'
import type { PrivateKeyAccount } from 'viem/accounts'
import { beforeAll, expect, it } from 'vitest'
import { installChannelContracts } from '../../src/demo/channel-contracts.ts'
import { useDemoNetwork } from '../support/chain.ts'
import { channelClient } from '../support/payments.ts'
import { chatWire, createBuyer, order, salesOf, startShop } from '../support/shop.ts'

const current = useDemoNetwork()
beforeAll(() => installChannelContracts(current().anvil.rpc))

const balanceOf = (owner: `0x${string}`) => current().chain.balanceOf(current().asset.address, owner)

const inChannels = (buyer: PrivateKeyAccount) => wrapFetchWithPayment(fetch, channelClient(buyer, current().rpcUrl)) as typeof fetch

it('a channel pays for many calls with one transfer, and is paid out when its vouchers are claimed', async () => {
  const { url, engine, world } = await startShop(current())
  const buyer = await createBuyer(current())
  const before = await balanceOf(buyer.address)
  const send = inChannels(buyer)

  for (const stream of [false, false, true, false]) {
    const answer = await order(send, url, chatWire, { stream })
    expect([answer.status, chatWire.textOf(answer.text)]).toEqual([200, 'thrift heard: how are you?'])
    expect(answer.receipt?.success).toBe(true)
  }
  const sales = await salesOf(world)
  expect(sales.map(({ state, scheme: id }) => [state, id])).toEqual(sales.map(() => ['settled', 'batch-settlement']))
  // Charged for what was delivered, below what was agreed to.
  expect(sales.every(({ amountSettled = 0n, amountOffered }) => amountSettled > 0n && amountSettled < amountOffered)).toBe(true)
  expect(sales.filter(({ transaction }) => transaction !== undefined).length).toBe(1)
  expect(await balanceOf(buyer.address)).toBeLessThan(before)
  expect(await balanceOf(world.payTo)).toBe(0n)

  expect(await engine.routeplane.cashier?.payOut()).toBe(1)
  expect(await balanceOf(world.payTo)).toBe(sales.reduce((sum, { amountSettled }) => sum + (amountSettled ?? 0n), 0n))
})

it('streams of one price pay one after another, though their payer hears what each came to after its headers', async () => {
  const { url, world } = await startShop(current())
  const send = inChannels(await createBuyer(current()))
  for (const content of ['one of six', 'two of six', 'ten of six']) {
    const body = JSON.stringify({ model: 'demo/echo', stream: true, max_tokens: 20, messages: [{ role: 'user', content }] })
    const answer = await send(`${url}/v1/chat/completions`, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
    const text = await answer.text()
    expect([answer.status, text.includes('[DONE]')], text.slice(0, 300)).toEqual([200, true])
  }
  const sales = await salesOf(world)
  expect(sales.map(({ state }) => state)).toEqual(['settled', 'settled', 'settled'])
  expect(new Set(sales.map(({ amountOffered }) => amountOffered)).size).toBe(1)
})
