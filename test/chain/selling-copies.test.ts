/** One credential sent many times: at once and later, to two gateways of one ledger, for other requests and over other wires. */
import { once } from 'node:events'
import { request as send, type IncomingMessage } from 'node:http'
import { text as textIn } from 'node:stream/consumers'
import type { PaymentPayload } from '@x402/core/types'
import { describe, expect, it } from 'vitest'
import { carried, useWaysToPay, type WayToPay } from '../support/payments.ts'
import { chatWire, OPERATOR_TOKEN, openShop, order, salesOf, untilAnswered, wires, type OrderOptions, type Wire } from '../support/shop.ts'
import { script, words } from '../support/tempo-shop.ts'

const { ways } = useWaysToPay()
const said = words.join('')

/** Another body, wire, price and model than those that were paid for. */
const others: readonly (readonly [what: string, wire: Wire, options: OrderOptions])[] = [
  ['another question', chatWire, { text: 'and now?' }],
  ['a stream of it', chatWire, { stream: true }],
  ['a cheaper one', { ...chatWire, body: (stream, text) => ({ ...chatWire.body(stream, text), max_tokens: 5 }) }, {}],
  ['a dearer one', { ...chatWire, body: (stream, text) => ({ ...chatWire.body(stream, text), max_tokens: 90 }) }, {}],
  ['another model', { ...chatWire, body: (stream, text) => ({ ...chatWire.body(stream, text), model: 'demo/echo:cost' }) }, {}],
  ['other bytes', { ...chatWire, body: (stream, text) => ({ ...chatWire.body(stream, text), user: 'x' }) }, {}],
  ...wires.slice(1).map((wire) => [wire.name, wire, {}] as const),
]

describe.each(ways)('a payment by $name', ({ network, carriage, open, createPayer }) => {
  it('is served once and charged once, wherever and for whatever it is sent', async () => {
    const { world, upstream } = await open(async (request) => {
      await new Promise((resolve) => setTimeout(resolve, 50))
      return script(request)
    })
    const shops = [await openShop(world), await openShop(world)]
    const [{ url }, { url: other }] = shops as [(typeof shops)[0], (typeof shops)[0]]
    const headers = carried(carriage, JSON.stringify(await (await createPayer()).sign(url, chatWire)))
    const send = (at: string, wire: Wire, options: OrderOptions = {}) => order(fetch, at, wire, { ...options, headers })
    const copies = await Promise.all([
      ...[url, other, url, other, url, other].map((at) => send(at, chatWire)),
      ...others.flatMap(([, wire, options]) => [url, other].map((at) => send(at, wire, options))),
    ])
    const [paid, ...more] = copies.filter(({ status }) => status === 200)
    expect([chatWire.textOf(paid?.text ?? '{}'), upstream.requests.length]).toEqual([said, 1])
    expect(more.map(({ text }) => text)).toEqual(more.map(() => paid?.text))
    expect(copies.filter(({ status }) => ![200, 402, 409, 422].includes(status))).toEqual([])

    for (const at of [url, other]) {
      const again = await untilAnswered(() => send(at, chatWire))
      expect([again.status, again.text]).toEqual([200, paid?.text])
      for (const [what, wire, options] of others) {
        const { status, text } = await send(at, wire, options)
        expect([what, [402, 422].includes(status), text.includes('today')]).toEqual([what, true, false])
      }
    }
    expect(upstream.requests).toHaveLength(1)
    const [sale, ...sales] = await salesOf(world)
    expect([sales, sale]).toMatchObject([[], { state: 'settled' }])
    await shops[0]?.engine.routeplane.cashier?.payOut()
    expect(await network().chain.balanceOf(network().asset.address, world.payTo)).toBe(sale?.amountSettled)
  })
})

const [exact, first, challenge] = ['x402 exact', 'x402 v1 exact', 'evm/charge'].map((name) => ways.find((way) => way.name === name)) as [
  WayToPay,
  WayToPay,
  WayToPay,
]

/** A request with a header more than once, as `fetch` does not send it. */
async function sendRaw(url: string, headers: readonly string[]): Promise<{ readonly status: number; readonly text: string }> {
  const { pathname, host, port } = new URL(url + chatWire.path(false))
  const body = JSON.stringify(chatWire.body(false, 'how are you?'))
  const sent = send({ port, path: pathname, method: 'POST', headers: ['host', host, 'content-type', 'application/json', ...headers] })
  sent.end(body)
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  return { status: response.statusCode ?? 0, text: await textIn(response) }
}

describe('payments beside each other', () => {
  it('are refused together, and each is worth what it was', async () => {
    const { world, upstream } = await exact.open(script)
    const { url } = await openShop(world)
    const sign = async ({ createPayer, carriage }: WayToPay, payment?: object) =>
      carried(carriage, JSON.stringify(payment ?? (await (await createPayer()).sign(url, chatWire))))
    const signed = (await (await exact.createPayer()).sign(url, chatWire)) as PaymentPayload
    const own = { x402Version: 1, scheme: 'exact', network: 'base-sepolia', payload: signed.payload }
    const [second, sameOfFirst] = [await sign(exact, signed), await sign(first, own)]
    const [other, charge, more] = [await sign(first), await sign(challenge), await sign(challenge)]
    const both: readonly Record<string, string>[] = [
      { ...second, ...sameOfFirst },
      { ...second, ...other },
      { ...second, ...charge },
      { ...other, ...charge },
      { ...charge, 'payment-authorization': more['authorization'] ?? '' },
      { ...charge, 'payment-authorization': charge['authorization'] ?? '' },
    ]
    for (const headers of both) {
      const { status, text } = await order(fetch, url, chatWire, { headers })
      expect([Object.keys(headers), status, text.includes('invalid_payment')]).toEqual([Object.keys(headers), 400, true])
    }
    const { 'payment-signature': payment = '' } = second
    const twice = await sendRaw(url, ['payment-signature', payment, 'payment-signature', payment])
    expect([twice.status, twice.text.includes('invalid_payment')]).toEqual([400, true])
    expect([upstream.requests.length, await salesOf(world)]).toEqual([0, []])

    // The first of several stands, wherever they are read.
    const { authorization = '' } = charge
    const taken = await sendRaw(url, ['authorization', authorization, 'authorization', more['authorization'] ?? ''])
    expect([taken.status, chatWire.textOf(taken.text)]).toEqual([200, said])
    for (const headers of [second, other]) expect((await order(fetch, url, chatWire, { headers })).status).toBe(200)
    expect((await salesOf(world)).map(({ state }) => state)).toEqual(['settled', 'settled', 'settled'])
  })

  it('and beside a key, or where nothing is sold, cost nothing', async () => {
    const { world } = await exact.open(script)
    const { url } = await openShop(world)
    const signed = await (await exact.createPayer()).sign(url, chatWire)
    const headers = { ...carried(exact.carriage, JSON.stringify(signed)), authorization: `Bearer ${OPERATOR_TOKEN}` }
    expect((await order(fetch, url, chatWire, { headers })).status).toBe(200)
    const { authorization: _own, ...payment } = headers
    for (const path of ['/.well-known/x402', '/openapi.json', '/llms.txt'])
      expect((await fetch(url + path, { headers: payment })).status).toBe(200)
    expect(await salesOf(world)).toEqual([])
    expect((await order(fetch, url, chatWire, { headers: payment })).status).toBe(200)
    expect((await salesOf(world)).map(({ state }) => state)).toEqual(['settled'])
  })
})
