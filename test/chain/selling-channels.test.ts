/** Callers who open a channel with the gateway: one deposit, then vouchers, each call charged for what was delivered. */
import { toClientEvmSigner } from '@x402/evm'
import { BatchSettlementEvmScheme } from '@x402/evm/batch-settlement/client'
import { x402Client } from '@x402/core/client'
import { wrapFetchWithPayment } from '@x402/fetch'
import { createPublicClient, http } from 'viem'
import { beforeAll, expect, it } from 'vitest'
import { installChannelContracts } from '../../src/demo/channel-contracts.ts'
import { useDemoNetwork } from '../support/chain.ts'
import { chatWire, createBuyer, openShop, order, salesOf, writeShop } from '../support/shop.ts'

const current = useDemoNetwork()
beforeAll(() => installChannelContracts(current().anvil.rpc))

const balanceOf = (owner: `0x${string}`) => current().chain.balanceOf(current().asset.address, owner)

function inChannels(buyer: Awaited<ReturnType<typeof createBuyer>>): typeof fetch {
  const reader = createPublicClient({ transport: http(current().rpcUrl) })
  const scheme = new BatchSettlementEvmScheme(toClientEvmSigner(buyer, reader), { depositPolicy: { depositMultiplier: 20 } })
  const client = new x402Client((_version, offers) => {
    const [offer] = offers.filter((each) => each.scheme === 'batch-settlement')
    if (offer === undefined) throw new Error('no channel is offered')
    return offer
  }).register('eip155:*', scheme)
  return wrapFetchWithPayment(fetch, client) as typeof fetch
}

it('a channel pays for many calls with one transfer, and is paid out when its vouchers are claimed', async () => {
  const provider = await current().startProvider({ id: 'thrift', prices: { prompt: '0.00001', completion: '0.00005' } })
  const world = await writeShop(current(), { sellers: [provider] })
  const { url, engine } = await openShop(world)
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
  const provider = await current().startProvider({ id: 'brook', prices: { prompt: '0.00001', completion: '0.00005' } })
  const world = await writeShop(current(), { sellers: [provider] })
  const { url } = await openShop(world)
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
