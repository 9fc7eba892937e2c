/** Callers without an account buy completions with official clients: paid once, answered once, whatever happens. */
import { describe, expect, it } from 'vitest'
import { x402Client } from '@x402/core/client'
import { decodePaymentRequiredHeader, x402HTTPClient } from '@x402/core/http'
import { ExactEvmSchemeV1 } from '@x402/evm/exact/v1/client'
import type { DemoProviderOptions } from '../../src/demo/network.ts'
import { useDemoNetwork } from '../support/chain.ts'
import { closedBooks, expectBalanced, paidOf, rewriteConfig } from '../support/engine.ts'
import {
  OPERATOR_TOKEN,
  chatWire,
  createBuyer,
  openShop,
  order,
  payingFetch,
  salesOf,
  signFor,
  wires,
  writeShop,
  type ShopOptions,
  startShop,
} from '../support/shop.ts'

const current = useDemoNetwork()

const openStall = (options: Partial<ShopOptions> = {}, seller: Partial<DemoProviderOptions> = {}) =>
  startShop(current(), { charge: ['margin: "0.5"'], ...options }, seller)

const balanceOf = (owner: `0x${string}`) => current().chain.balanceOf(current().asset.address, owner)

describe('a caller without an account', () => {
  it.each(wires.flatMap((wire) => [false, true].map((stream) => [wire.name, stream, wire] as const)))(
    'pays for %s (stream: %s) with the official client',
    async (_name, stream, wire) => {
      const { url, world } = await openStall()
      const buyer = await createBuyer(current())
      const before = await balanceOf(buyer.address)
      const answer = await order(payingFetch(buyer), url, wire, { stream })
      expect([answer.status, wire.textOf(answer.text)]).toEqual([200, 'thrift heard: how are you?'])
      const [sale, ...others] = await salesOf(world)
      expect(others).toEqual([])
      expect(sale).toMatchObject({ state: 'settled', scheme: 'exact', isBusy: false, payer: buyer.address, model: 'demo/echo' })
      expect(await balanceOf(buyer.address)).toBe(before - (sale?.amountSettled ?? 0n))
      expect(await balanceOf(world.payTo)).toBe(sale?.amountSettled)
      expect(answer.receipt).toMatchObject({ success: true, transaction: sale?.transaction, payer: buyer.address })
      expect(answer.headers.get('cache-control')).toBe('private, no-store')
      const receipt = (await (await fetch(`${url}/v1/receipts/${answer.headers.get('x-routeplane-sale')}`)).json()) as object
      expect(receipt).toMatchObject({ direction: 'in', state: 'settled', payment: { transaction: sale?.transaction } })
      expect(JSON.stringify(receipt)).not.toContain('spent')
      const books = await closedBooks(world)
      expectBalanced(books)
      // What was earned covers what was spent, at the margin that was asked for.
      expect((sale?.amountSettled ?? 0n) * 2n).toBeGreaterThanOrEqual(paidOf(books) * 3n)
      expect(books.rows.map(({ requestId }) => requestId)).toEqual([sale?.requestId])
    },
  )

  it.each<[string, string, number, string | undefined]>([
    ['below', '0.0005', 403, 'approval_required'],
    ['at', '0.02', 200, undefined],
  ])(
    'is never asked to pay for what somebody would have to agree to first (threshold %s what it costs)',
    async (_, above, status, code) => {
      const provider = await current().startProvider({ id: 'thrift', prices: { prompt: '0.00001', completion: '0.00005' } })
      const files = await writeShop(current(), { sellers: [provider], charge: ['margin: "0.5"'] })
      await rewriteConfig(files, [`budget: { per_request_usd: "0.02", per_day_usd: "1", approve_above_usd: "${above}" }`])
      const { url, world, engine } = await openShop({ ...files })
      const buyer = await createBuyer(current())
      const before = await balanceOf(buyer.address)
      const answer = await order(payingFetch(buyer), url, chatWire)
      expect([answer.status, code === undefined || answer.text.includes(code)]).toEqual([status, true])
      if (code === undefined) return
      expect(await balanceOf(buyer.address)).toBe(before)
      expect([await salesOf(world), await engine.routeplane.approvals.list(), provider.counters.requests]).toEqual([[], [], 0])
    },
  )

  it('is asked once, before any provider is, in words that clients of both versions understand', async () => {
    const { url, provider } = await openStall()
    const response = await fetch(url + chatWire.path(false), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(chatWire.body(false, 'hello')),
    })
    expect(response.status).toBe(402)
    const required = decodePaymentRequiredHeader(response.headers.get('payment-required') ?? '')
    const body = (await response.json()) as { x402Version: number; accepts: { maxAmountRequired: string; network: string }[] }
    expect(body.x402Version).toBe(1)
    expect(body.accepts.map(({ network }) => network)).toEqual(['base-sepolia'])
    expect(new Set([...required.accepts.map(({ amount }) => amount), ...body.accepts.map((offer) => offer.maxAmountRequired)]).size).toBe(1)
    expect(response.headers.get('cache-control')).toContain('no-store')
    expect(provider.counters.requests).toBe(0)
  })

  it('pays by the body of the 402 when he knows version 1 alone', async () => {
    const { url, world } = await openStall()
    const buyer = await createBuyer(current())
    const client = new x402HTTPClient(new x402Client().registerV1('base-sepolia', new ExactEvmSchemeV1(buyer)))
    for (const stream of [false, true]) {
      const asked = await fetch(url + chatWire.path(stream), {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(chatWire.body(stream, 'how are you?')),
      })
      const required = client.getPaymentRequiredResponse(() => null, await asked.json())
      const headers = client.encodePaymentSignatureHeader(await client.createPaymentPayload(required))
      expect(Object.keys(headers)).toEqual(['X-PAYMENT'])
      const answer = await order(fetch, url, chatWire, { stream, headers })
      expect([answer.status, chatWire.textOf(answer.text)]).toEqual([200, 'thrift heard: how are you?'])
      expect(answer.receipt).toMatchObject({ success: true, network: 'base-sepolia', payer: buyer.address })
    }
    const sales = await salesOf(world)
    expect(sales.map(({ state, protocol }) => [state, protocol])).toEqual([
      ['settled', 'x402-1'],
      ['settled', 'x402-1'],
    ])
    expect(await balanceOf(world.payTo)).toBe(sales.reduce((sum, { amountSettled }) => sum + (amountSettled ?? 0n), 0n))
  })

  it('who is the operator pays nothing', async () => {
    const { url, world } = await openStall()
    const answer = await order(fetch, url, chatWire, { headers: { authorization: `Bearer ${OPERATOR_TOKEN}` } })
    expect([answer.status, await salesOf(world)]).toEqual([200, []])
  })

  it('reaches what is sold and nothing else', async () => {
    const { url } = await openStall()
    const statuses = await Promise.all(
      ['/v1/models', '/v1/receipts', '/v1/status', '/v1/responses/resp_1'].map(async (path) => (await fetch(url + path)).status),
    )
    expect(statuses).toEqual([200, 401, 401, 401])
  })

  it('is answered each time when he pays six times at once, all settled from one account of the seller', async () => {
    const { url, world, provider } = await openStall()
    const buyer = await createBuyer(current())
    const payments = await Promise.all(Array.from({ length: 6 }, () => signFor(buyer, url, chatWire)))
    const replies = await Promise.all(payments.map(({ headers }) => order(fetch, url, chatWire, { headers })))
    expect(replies.map(({ status }) => status)).toEqual(payments.map(() => 200))
    const transactions = replies.map(({ receipt }) => receipt?.transaction)
    expect([new Set(transactions).size, transactions.includes(undefined)]).toEqual([6, false])
    expect([provider.counters.handlerRuns, (await salesOf(world)).length]).toEqual([6, 6])
  })

  it('gets one answer for one payment, however many copies he sends', async () => {
    const { url, world, provider } = await openStall()
    const buyer = await createBuyer(current())
    const { headers } = await signFor(buyer, url, chatWire)
    const copies = await Promise.all([1, 2, 3, 4].map(() => order(fetch, url, chatWire, { headers })))
    expect(copies.map(({ status }) => status).toSorted()).toEqual([200, 409, 409, 409])
    expect(copies.find(({ status }) => status === 409)?.headers.get('retry-after')).toBe('1')
    const again = await order(fetch, url, chatWire, { headers })
    expect([again.status, again.text]).toEqual([200, copies.find(({ status }) => status === 200)?.text])
    expect(again.receipt).toEqual(copies.find(({ status }) => status === 200)?.receipt)
    expect([provider.counters.handlerRuns, (await salesOf(world)).length]).toEqual([1, 1])
  })
})
