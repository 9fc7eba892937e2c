/** Callers who open a channel with the gateway: one deposit, then vouchers, each call charged for what was delivered. */
import { decodePaymentRequiredHeader } from '@x402/core/http'
import type { PaymentPayload } from '@x402/core/types'
import { wrapFetchWithPayment } from '@x402/fetch'
import type { PrivateKeyAccount } from 'viem/accounts'
import { beforeAll, expect, it } from 'vitest'
import { installChannelContracts } from '../../src/demo/channel-contracts.ts'
import { useDemoNetwork } from '../support/chain.ts'
import { channelClient } from '../support/payments.ts'
import { chatWire, createBuyer, openShop, order, salesOf, startShop, writeKeyedShop } from '../support/shop.ts'
import { script } from '../support/tempo-shop.ts'

const current = useDemoNetwork()
beforeAll(() => installChannelContracts(current().anvil.rpc))

const balanceOf = (owner: `0x${string}`) => current().chain.balanceOf(current().asset.address, owner)

const inChannels = (buyer: PrivateKeyAccount, send: typeof fetch = fetch) =>
  wrapFetchWithPayment(send, channelClient(buyer, current().rpcUrl)) as typeof fetch

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

it("a voucher whose call failed stays its payer's: nobody is shown it who is wrong about the channel, and so nobody spends it", async () => {
  let isDown = false
  const down = { status: 500, json: { error: { message: 'no' } } }
  const { upstream, world } = await writeKeyedShop(current(), (request) => (isDown ? down : script(request)))
  const { url } = await openShop(world)
  const sent: PaymentPayload[] = []
  const send = inChannels(await createBuyer(current()), (input, init) => {
    const header = new Headers(input instanceof Request ? input.headers : init?.headers).get('payment-signature')
    if (header !== null) sent.push(JSON.parse(Buffer.from(header, 'base64').toString()) as PaymentPayload)
    return fetch(input, init)
  })
  expect((await order(send, url, chatWire)).status).toBe(200)
  const [{ payload: first } = { payload: {} }] = sent
  isDown = true
  expect((await order(send, url, chatWire)).status).toBe(502)
  isDown = false
  const failed = sent.at(-1)?.payload['voucher'] as { readonly maxClaimableAmount: string; readonly signature: string }

  // The first voucher is public once it is claimed, and so is what its channel is made of.
  const { channelConfig, voucher } = first as { readonly channelConfig: object; readonly voucher: { readonly channelId: string } }
  const tryWith = async (shown: object) => {
    const asked = await order(fetch, url, chatWire, { text: 'how are we?' })
    const accepted = decodePaymentRequiredHeader(asked.headers.get('payment-required') ?? '').accepts.find(
      ({ scheme }) => scheme === 'batch-settlement',
    )
    const payload = { x402Version: 2, accepted, payload: { type: 'voucher', channelConfig, voucher: { ...voucher, ...shown } } }
    const headers = { 'payment-signature': Buffer.from(JSON.stringify(payload)).toString('base64') }
    return order(fetch, url, chatWire, { text: 'how are we?', headers })
  }
  const corrected = await tryWith({})
  const said = Buffer.from(corrected.headers.get('payment-required') ?? '', 'base64').toString()
  expect([corrected.status, said.includes('voucherState'), said.includes(failed.signature)]).toEqual([402, true, false])
  const signature = /"voucherState":\{[^}]*"signature":"(0x[0-9a-f]+)"/.exec(said)?.[1]
  const { maxClaimableAmount } = failed
  expect((await tryWith({ maxClaimableAmount, signature })).status).toBe(402)
  expect(upstream.requests).toHaveLength(2)
  expect((await order(send, url, chatWire)).status).toBe(200)
  expect((await salesOf(world)).map(({ state }) => state)).toEqual(['settled', 'settled'])
})
