/** What goes wrong between a caller who pays, the gateway, its facilitator and its provider: nobody pays twice, nobody eats free. */
import { encodePaymentSignatureHeader } from '@x402/core/http'
import type { PaymentPayload } from '@x402/core/types'
import { ExactEvmScheme } from '@x402/evm/exact/client'
import { describe, expect, it, onTestFinished } from 'vitest'
import { useDemoNetwork } from '../support/chain.ts'
import type { Script, Step } from '../support/upstream.ts'
import {
  chatWire,
  createBuyer,
  openShop,
  order,
  salesOf,
  signFor,
  startFacilitator,
  untilAnswered,
  writeKeyedShop,
  type ShopOptions,
  type ShopWorld,
} from '../support/shop.ts'

const current = useDemoNetwork()

const chunk = (text: string) =>
  `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'echo', choices: [{ index: 0, delta: { role: 'assistant', content: text }, finish_reason: null }] })}\n\n`
const finish = `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'echo', choices: [{ index: 0, delta: {}, finish_reason: 'stop' }], usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 } })}\n\ndata: [DONE]\n\n`
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

const writeKeyed = (script: Script, options: Partial<ShopOptions> = {}) => writeKeyedShop(current(), script, options)
const transfers = async ({ payTo }: ShopWorld) => current().chain.balanceOf(current().asset.address, payTo)

describe('a payment', () => {
  it('made for one request buys no other, neither before nor after it was used', async () => {
    const { upstream, world } = await writeKeyed(whole)
    const { url } = await openShop(world)
    const buyer = await createBuyer(current())
    const { headers } = await signFor(buyer, url, chatWire)
    const other = await order(fetch, url, chatWire, { headers, text: 'something longer' })
    expect([other.status, other.headers.has('payment-required'), upstream.requests.length]).toEqual([402, true, 0])
    expect((await order(fetch, url, chatWire, { headers })).status).toBe(200)
    const late = await order(fetch, url, chatWire, { headers, text: 'something longer' })
    expect([late.status, late.text.includes('payment_already_used'), upstream.requests.length]).toEqual([422, true, 1])
  })

  it.each([
    ['payTo', '0x00000000000000000000000000000000DeaDBeef'],
    ['amount', '1'],
    ['asset', '0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913'],
    ['network', 'eip155:8453'],
    ['maxTimeoutSeconds', 86_400],
    ['extra', { name: 'USDC', version: '2' }],
    ['extra', undefined],
    ['extra', null],
  ])('that changes %s of its offer is not taken', async (name, value) => {
    const { upstream, world } = await writeKeyed(whole)
    const { url } = await openShop(world)
    const { headers } = await signFor(await createBuyer(current()), url, chatWire)
    const payload = JSON.parse(Buffer.from(Object.values(headers)[0] ?? '', 'base64').toString()) as PaymentPayload
    const changed = encodePaymentSignatureHeader({ ...payload, accepted: { ...payload.accepted, [name]: value } })
    const answer = await order(fetch, url, chatWire, { headers: { 'payment-signature': changed } })
    expect([answer.status, answer.headers.has('payment-required'), upstream.requests.length]).toEqual([402, true, 0])
    expect(await transfers(world)).toBe(0n)
  })

  it.each(['!!!', '', Buffer.from('{}').toString('base64'), Buffer.from('[1').toString('base64'), 'A'.repeat(9_000)])(
    'that cannot be read is refused as such (%#)',
    async (header) => {
      const { upstream, world } = await writeKeyed(whole)
      const { url } = await openShop(world)
      const answer = await order(fetch, url, chatWire, { headers: { 'payment-signature': header } })
      expect([answer.status, answer.text.includes('invalid_payment'), upstream.requests.length]).toEqual([400, true, 0])
    },
  )

  it('costs nothing when the provider fails before the first part, and is good for another try', async () => {
    const { world } = await writeKeyed((_request, count) => (count === 0 ? { status: 500, json: { error: { message: 'no' } } } : whole))
    const { url } = await openShop(world)
    const { headers } = await signFor(await createBuyer(current()), url, chatWire)
    expect((await order(fetch, url, chatWire, { headers })).status).toBe(502)
    expect([await transfers(world), (await salesOf(world))[0]?.state]).toEqual([0n, 'void'])
    expect((await order(fetch, url, chatWire, { headers })).status).toBe(200)
    expect((await salesOf(world)).map(({ state }) => state)).toEqual(['settled'])
  })

  it('that would not live to see its answer is collected before, and is a credit when the provider fails then', async () => {
    const { upstream, world } = await writeKeyed(async (_request, count) => {
      if (count > 0) return whole
      while ((await transfers(world)) === 0n) await new Promise((resolve) => setTimeout(resolve, 50))
      return { status: 500, json: { error: { message: 'no' } } }
    })
    const { url } = await openShop(world)
    const buyer = await createBuyer(current())
    const { required } = await signFor(buyer, url, chatWire)
    const accepted = required.accepts.find(({ scheme }) => scheme === 'exact')
    if (accepted === undefined) throw new Error('exact is not offered')
    const { payload } = await new ExactEvmScheme(buyer).createPaymentPayload(2, { ...accepted, maxTimeoutSeconds: 13 })
    const signed = encodePaymentSignatureHeader({ x402Version: 2, resource: required.resource, accepted, payload })
    const headers = { 'payment-signature': signed }
    const first = await order(fetch, url, chatWire, { headers })
    expect([first.status, first.text.includes('answered without another')]).toEqual([502, true])
    const paid = await transfers(world)
    const second = await untilAnswered(() => order(fetch, url, chatWire, { headers }))
    expect([second.status, chatWire.textOf(second.text), second.receipt?.success]).toEqual([200, 'well', true])
    expect([paid > 0n, await transfers(world), upstream.requests.length]).toEqual([true, paid, 2])
    expect((await salesOf(world)).map(({ state, tries }) => [state, tries])).toEqual([['settled', 2]])
  })

  it('is owed another try when the provider breaks off', async () => {
    const broken: readonly Step[] = [chunk('we'), 'cut']
    const { upstream, world } = await writeKeyed((_request, count) => ({ stream: count === 0 ? broken : [chunk('well'), finish] }))
    const { url } = await openShop(world)
    const { headers } = await signFor(await createBuyer(current()), url, chatWire, { stream: true })
    const first = await order(fetch, url, chatWire, { headers, stream: true })
    expect(first.text).toContain('stream_incomplete')
    const paid = await transfers(world)
    const second = await order(fetch, url, chatWire, { headers, stream: true })
    expect([chatWire.textOf(second.text), second.receipt?.success]).toEqual(['well', true])
    expect([paid > 0n, await transfers(world), upstream.requests.length]).toEqual([true, paid, 2])
  })
})

describe('a stream', () => {
  it('begins before its payment is settled, and ends after', async () => {
    const { world } = await writeKeyed({ stream: [chunk('well'), finish] })
    const { url } = await openShop(world)
    const { headers } = await signFor(await createBuyer(current()), url, chatWire, { stream: true })
    const { rpc } = current().anvil
    await rpc('evm_setAutomine', [false])
    onTestFinished(async () => void (await rpc('evm_setAutomine', [true])))
    const response = await fetch(url + chatWire.path(true), {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(chatWire.body(true, 'how are you?')),
    })
    const reader = response.body?.getReader()
    const first = Buffer.from((await reader?.read())?.value ?? []).toString()
    // No block has been mined since: the first part cannot have waited for one.
    expect([first.includes('well'), first.includes('[DONE]'), await transfers(world)]).toEqual([true, false, 0n])
    await rpc('evm_setAutomine', [true])
    await rpc('evm_mine')
    let rest = ''
    for (let step = await reader?.read(); step?.done === false; step = await reader?.read()) rest += Buffer.from(step.value).toString()
    expect(rest).toContain('[DONE]')
    expect(rest).toMatch(/^: payment-response \S+$/m)
    expect(await transfers(world)).toBeGreaterThan(0n)
  })

  it('that its caller leaves is paid, made to its end, and there to be fetched', async () => {
    let goOn = (): void => {}
    const until = new Promise<void>((resolve) => {
      goOn = resolve
    })
    const { upstream, world } = await writeKeyed({ stream: [chunk('we'), { until }, chunk('ll'), finish] })
    const { url } = await openShop(world)
    const { headers } = await signFor(await createBuyer(current()), url, chatWire, { stream: true })
    const leaving = new AbortController()
    const response = await fetch(url + chatWire.path(true), {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(chatWire.body(true, 'how are you?')),
      signal: leaving.signal,
    })
    await response.body?.getReader().read()
    leaving.abort()
    goOn()
    const again = await untilAnswered(() => order(fetch, url, chatWire, { headers, stream: true }))
    expect([again.status, chatWire.textOf(again.text), upstream.requests.length]).toEqual([200, 'well', 1])
    expect((await salesOf(world)).map(({ state, amountSettled }) => [state, amountSettled])).toEqual([['settled', await transfers(world)]])
  })
})

describe('a facilitator', () => {
  it('that nobody reaches sells nothing and gives nothing away', async () => {
    const { upstream, world } = await writeKeyed(whole, { facilitator: '{ urls: ["http://127.0.0.1:9"] }' })
    const { url } = await openShop(world)
    const answer = await order(fetch, url, chatWire)
    expect([answer.status, answer.headers.get('retry-after'), upstream.requests.length]).toEqual([503, '5', 0])
  })

  it('that dies while it settles leaves the payment good, and nobody is asked to pay anew', async () => {
    let isDown = true
    const facilitator = await startFacilitator(current(), (client) => ({
      ...client,
      settle: async (payload, requirements) => {
        if (isDown) throw new Error('down')
        return client.settle(payload, requirements)
      },
    }))
    const { upstream, world } = await writeKeyed(whole, { facilitator })
    const { url } = await openShop(world)
    const { headers } = await signFor(await createBuyer(current()), url, chatWire)
    const first = await order(fetch, url, chatWire, { headers })
    expect([first.status, first.headers.has('payment-required'), first.headers.get('retry-after')]).toEqual([503, false, '2'])
    expect([first.text.includes('settlement_unknown'), await transfers(world)]).toEqual([true, 0n])
    // Brought again while it is still not known, it is owed all the same, and no other payment is asked for.
    const meanwhile = await order(fetch, url, chatWire, { headers })
    expect([meanwhile.status, meanwhile.headers.has('payment-required'), meanwhile.text.includes('settlement_unknown')]).toEqual([
      503,
      false,
      true,
    ])
    isDown = false
    const second = await order(fetch, url, chatWire, { headers })
    expect([second.status, chatWire.textOf(second.text), upstream.requests.length]).toEqual([200, 'well', 1])
    expect((await salesOf(world)).map(({ state, amountSettled }) => [state, amountSettled])).toEqual([['settled', await transfers(world)]])
  })

  it('whose answer is lost after it has settled is believed on the word of the chain', async () => {
    const facilitator = await startFacilitator(current(), (client) => ({
      ...client,
      settle: async (payload, requirements) => {
        await client.settle(payload, requirements)
        throw new Error('lost')
      },
    }))
    const { world } = await writeKeyed(whole, { facilitator })
    const { url } = await openShop(world)
    const { headers } = await signFor(await createBuyer(current()), url, chatWire)
    const answer = await order(fetch, url, chatWire, { headers })
    expect([answer.status, answer.receipt?.success]).toEqual([200, true])
    expect((await salesOf(world))[0]).toMatchObject({ state: 'settled', transaction: answer.receipt?.transaction })
  })
})

describe('several processes', () => {
  it('behind one ledger answer one payment once', async () => {
    const { upstream, world } = await writeKeyed({ ...whole, delayMs: 100 })
    const shops = [await openShop(world), await openShop(world)]
    const { headers } = await signFor(await createBuyer(current()), shops[0]?.url ?? '', chatWire)
    const copies = await Promise.all(shops.map(({ url }) => order(fetch, url, chatWire, { headers })))
    expect(copies.map(({ status }) => status).toSorted()).toEqual([200, 409])
    const again = await Promise.all(shops.map(({ url }) => order(fetch, url, chatWire, { headers })))
    expect([again.map(({ status }) => status), upstream.requests.length]).toEqual([[200, 200], 1])
  })
})
