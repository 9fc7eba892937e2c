/** One credential sent many times: at once and later, to two gateways of one ledger, for other requests and over other wires. */
import { describe, expect, it } from 'vitest'
import { carried, useWaysToPay } from '../support/payments.ts'
import { chatWire, openShop, order, salesOf, untilAnswered, wires, type OrderOptions, type Wire } from '../support/shop.ts'
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
