/** A price that was asked for beforehand is the price that is asked: to the letter of a request, or within bounds of tokens. */
import { readFile, writeFile } from 'node:fs/promises'
import { decodePaymentRequiredHeader } from '@x402/core/http'
import { validate } from 'mppx/discovery'
import { Validator } from '@seriousme/openapi-schema-validator'
import { expect, it } from 'vitest'
import { QUOTE_HEADER } from '../../src/selling/quoting.ts'
import { useDemoNetwork } from '../support/chain.ts'
import {
  chatWire,
  createBuyer,
  openShop,
  order,
  payingFetch,
  salesOf,
  wires,
  writeKeyedShop,
  type ShopOptions,
  type ShopWorld,
  type Wire,
} from '../support/shop.ts'

const current = useDemoNetwork()

const whole = {
  json: {
    id: 'c',
    object: 'chat.completion',
    created: 1,
    model: 'echo',
    choices: [{ index: 0, message: { role: 'assistant', content: 'well' }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 3, completion_tokens: 1, total_tokens: 4 },
  },
}

type Quote = {
  readonly quote_id: string
  readonly price: string
  readonly expires_at: string
  readonly offers: readonly { readonly protocol: string; readonly scheme: string; readonly amount: string; readonly charged: string }[]
}

const writeShop = (options: Partial<ShopOptions> = {}) => writeKeyedShop(current(), whole, { charge: ['margin: "0.5"'], ...options })

async function quoteOf(url: string, wire: Wire, text = 'how are you?'): Promise<Quote> {
  const body = { model: 'demo/echo', ...wire.body(false, text) }
  const response = await post(`${url}/v1/quote?protocol=${wire.name}`, body)
  expect(response.status).toBe(200)
  return (await response.json()) as Quote
}

const post = (url: string, body: object) =>
  fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })

const asked = (headers: Headers) => decodePaymentRequiredHeader(headers.get('payment-required') ?? '').accepts[0]?.amount
const exactly = ({ offers }: Quote) => offers.find(({ scheme }) => scheme === 'exact')?.amount

/** The same gateway after its prices have changed, as another process on the same ledger. */
async function openChanged(world: ShopWorld, completion: string) {
  await writeFile(world.file, (await readFile(world.file, 'utf8')).replace(/completion: "[^"]+"/, `completion: "${completion}"`))
  return openShop(world)
}

it.each(wires)('a quote of a whole request of $name is what the request is asked, after the price has changed too', async (wire) => {
  const { world, upstream } = await writeShop()
  const { url } = await openShop(world)
  const quote = await quoteOf(url, wire)
  expect(quote.offers.map(({ protocol, scheme, charged }) => [protocol, scheme, charged])).toEqual([
    ['x402', 'batch-settlement', 'at most'],
    ['x402', 'upto', 'at most'],
    ['x402', 'exact', 'exactly'],
    ['mpp', 'evm/charge', 'exactly'],
  ])
  const dearer = await openChanged(world, '0.0001')
  for (const stream of [false, true]) {
    const unpaid = await order(fetch, dearer.url, wire, { stream })
    expect([unpaid.status, asked(unpaid.headers)]).toEqual([402, exactly(quote)])
  }
  // Another request is asked today's price.
  const other = await order(fetch, dearer.url, wire, { text: 'how are we?' })
  expect(BigInt(asked(other.headers) ?? '0')).toBeGreaterThan(BigInt(exactly(quote) ?? '0'))
  expect(upstream.requests).toEqual([])
})

it('is kept at the cost of the margin, and at no more', async () => {
  const { world } = await writeShop()
  const { url } = await openShop(world)
  const quote = await quoteOf(url, chatWire)
  const buyer = await createBuyer(current())
  const dearer = await openChanged(world, '0.00006')
  const kept = await order(payingFetch(buyer), dearer.url, chatWire)
  expect([kept.status, (await salesOf(world))[0]?.amountOffered.toString()]).toEqual([200, exactly(quote)])
  // No provider is paid more than the caller pays: refused, and nothing is taken.
  const ruinous = await openChanged(world, '0.0004')
  const before = await current().chain.balanceOf(current().asset.address, buyer.address)
  const refused = await order(payingFetch(buyer), ruinous.url, chatWire)
  expect([refused.status, refused.text.includes('price_above_cap')]).toEqual([403, true])
  expect(await current().chain.balanceOf(current().asset.address, buyer.address)).toBe(before)
})

it('of bounds binds every request within them that names it, and no other', async () => {
  const { world } = await writeShop()
  const { url } = await openShop(world)
  const response = await fetch(`${url}/v1/quote?model=demo/echo&input_tokens=1000&output_tokens=20`)
  const quote = (await response.json()) as Quote
  expect(response.status).toBe(200)
  // 1,000 tokens in and 20 out at our prices, and half of it on top.
  expect(quote.price).toBe('0.0165')
  expect(await (await post(`${url}/v1/quote`, { model: 'demo/echo', input_tokens: 1000, output_tokens: 20 })).json()).toEqual(quote)
  const named = { headers: { [QUOTE_HEADER]: quote.quote_id } }
  expect(asked((await order(fetch, url, chatWire, named)).headers)).toBe('16500')
  expect(asked((await order(fetch, url, chatWire)).headers)).not.toBe('16500')
  const paid = await order(payingFetch(await createBuyer(current())), url, chatWire, named)
  expect([paid.status, (await salesOf(world))[0]?.amountOffered]).toEqual([200, 16_500n])
  for (const headers of [{ [QUOTE_HEADER]: 'quote_none' }, named.headers]) {
    const unfit = await order(fetch, url, chatWire, { headers, text: headers === named.headers ? 'how '.repeat(2_000) : 'how' })
    expect([unfit.status, unfit.text.includes('invalid_quote')]).toEqual([400, true])
  }
})

it.each([
  ['no model', {}, 400],
  ['an unknown model', { model: 'no/such', input_tokens: 1 }, 404],
  ['no bound', { model: 'demo/echo' }, 400],
  ['a bound that is none', { model: 'demo/echo', input_tokens: -1 }, 400],
  ['more than it sells at once', { model: 'demo/echo', input_tokens: 100_000 }, 403],
  ['a request that nobody could read', { model: 'demo/echo', messages: 'hello' }, 400],
])('is refused for %s', async (_name, body, status) => {
  const { world } = await writeShop()
  const { url } = await openShop(world)
  expect((await post(`${url}/v1/quote`, body)).status).toBe(status)
})

it('agrees with the prices of the list and with the discovery pages', async () => {
  const { world } = await writeShop({ charge: ['margin: "0.5"', 'prices: { demo/other: "0.03" }'] })
  const { url } = await openShop(world)
  const { data } = (await (await fetch(`${url}/v1/models`)).json()) as { data: readonly Record<string, unknown>[] }
  expect(data[0]).toMatchObject({ pricing: { completion: '0.00005' }, sale_pricing: { prompt: '0.000015', completion: '0.000075' } })
  const document = (await (await fetch(`${url}/openapi.json`)).json()) as Parameters<typeof validate>[0] & {
    paths: Record<string, { post?: { 'x-payment-info'?: object; responses: object } }>
  }
  expect(validate(document)).toEqual([])
  expect(await new Validator().validate({ ...document })).toMatchObject({ valid: true })
  const { resources } = (await (await fetch(`${url}/.well-known/x402`)).json()) as { resources: readonly string[] }
  const priced = Object.entries(document.paths).filter(([, { post: operation }]) => operation?.['x-payment-info'] !== undefined)
  expect(priced.map(([path]) => url + path).toSorted()).toEqual(resources.toSorted())
  const { address: currency } = current().asset
  for (const [, { post: operation }] of priced)
    expect(operation).toMatchObject({
      'x-payment-info': {
        price: { mode: 'dynamic', currency: 'USD', max: '0.03' },
        protocols: [{ x402: {} }, { mpp: { method: 'evm', intent: 'charge', currency } }],
        offers: [{ method: 'evm', intent: 'charge', currency, amount: null }],
      },
    })
  const page = await (await fetch(`${url}/llms.txt`)).text()
  expect([page.includes('/v1/quote'), page.includes('evm/charge (MPP)'), page.includes('exact (x402)')]).toEqual([true, true, true])
})
