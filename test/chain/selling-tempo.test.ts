/** Callers without an account pay on Tempo: one transaction a request, or one channel for many, with vouchers as the answer comes. */
import { Challenge, Receipt } from 'mppx'
import { describe, expect, it } from 'vitest'
import type { TempoNetwork } from '../../src/demo/tempo-network.ts'
import { chatWire, openShop, order, salesOf, untilAnswered, wires } from '../support/shop.ts'
import {
  chargeClient,
  COST,
  createTempoBuyer,
  managedSession,
  said,
  script,
  sessionClient,
  spoken,
  useTempoNetwork,
  words,
  writeTempoShop,
} from '../support/tempo-shop.ts'
import { startChild } from './children/start.ts'

const current = useTempoNetwork()

const balanceOf = (network: TempoNetwork, owner: `0x${string}`) => network.chain.balanceOf(network.asset.address, owner)
const receiptIn = ({ headers, text }: { headers: Headers; text: string }) =>
  headers.get('payment-receipt') ?? /^: payment-receipt (\S+)$/m.exec(text)?.[1] ?? ''

describe('tempo/charge', () => {
  it.each(wires.flatMap((wire) => [false, true].map((stream) => [wire.name, stream, wire] as const)))(
    'is paid for %s (stream: %s) by the official client',
    async (_name, stream, wire) => {
      const { world } = await writeTempoShop(current(), script)
      const { url } = await openShop(world)
      const buyer = await createTempoBuyer(current())
      const answer = await order(chargeClient(current(), buyer).fetch as typeof fetch, url, wire, { stream })
      expect([answer.status, wire.textOf(answer.text)]).toEqual([200, words.join('')])
      const [sale, ...others] = await salesOf(world)
      expect(others).toEqual([])
      expect(sale).toMatchObject({ state: 'settled', protocol: 'mpp', scheme: 'tempo/charge', payer: buyer.address })
      expect(sale?.amountSettled).toBe(sale?.amountOffered)
      expect(await balanceOf(current(), world.payTo)).toBe(sale?.amountSettled)
      expect(Receipt.deserialize(receiptIn(answer))).toMatchObject({ method: 'tempo', reference: sale?.transaction })
    },
  )
})

it('a tempo/charge that a reorganisation takes back is collected again, and buys no second answer', async () => {
  const { world, upstream } = await writeTempoShop(current(), script)
  const { url, engine } = await openShop(world)
  const buyer = await createTempoBuyer(current())
  let headers = new Headers()
  const send: typeof fetch = (input, init) => {
    headers = new Headers(input instanceof Request ? input.headers : init?.headers)
    return fetch(input, init)
  }
  expect((await order(chargeClient(current(), buyer, send).fetch as typeof fetch, url, chatWire)).status).toBe(200)
  const [before] = await salesOf(world)
  const earned = () => balanceOf(current(), world.payTo)
  expect([before?.state, before?.isUnsafe, await earned()]).toEqual(['settled', true, before?.amountSettled])
  await current().anvil.rpc('anvil_reorg', [1, []])
  expect(await earned()).toBe(0n)
  await engine.routeplane.cashier?.collectOpen()
  expect([(await salesOf(world)).map(({ state }) => state), await earned()]).toEqual([['settled'], before?.amountSettled])
  const again = await order(fetch, url, chatWire, { headers: Object.fromEntries(headers) })
  expect([again.status, upstream.requests.length, await earned()]).toEqual([200, 1, before?.amountSettled])
})

describe('tempo/session', () => {
  it.each(wires.flatMap((wire) => [false, true].map((stream) => [wire.name, stream, wire] as const)))(
    'is charged for %s what was delivered (stream: %s)',
    async (_name, stream, wire) => {
      const { world } = await writeTempoShop(current(), script)
      const { url, engine } = await openShop(world)
      const buyer = await createTempoBuyer(current())
      const { fetch: pay } = sessionClient(current(), buyer)
      for (const text of ['how are you?', 'and now?']) {
        const answer = await order(pay as typeof fetch, url, wire, { stream, text })
        expect([answer.status, wire.textOf(answer.text)]).toEqual([200, words.join('')])
        expect(answer.text).not.toContain('payment-need-voucher')
      }
      const sales = await salesOf(world)
      expect(sales.map(({ state, scheme, amountSettled }) => [state, scheme, amountSettled])).toEqual([
        ['settled', 'tempo/session', COST],
        ['settled', 'tempo/session', COST],
      ])
      expect(await balanceOf(current(), world.payTo)).toBe(0n)
      expect(await engine.routeplane.cashier?.payOut()).toBe(1)
      expect(await balanceOf(current(), world.payTo)).toBe(2n * COST)
    },
  )

  it('asks for vouchers as the stream goes, and ends with what is left given back', async () => {
    const { world } = await writeTempoShop(current(), script)
    const { url } = await openShop(world)
    const buyer = await createTempoBuyer(current())
    const session = managedSession(current(), buyer)
    const body = JSON.stringify(chatWire.body(true, 'how are you?'))
    const heard: string[] = []
    for await (const data of await session.sse(url + chatWire.path(true), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    }))
      heard.push(data)
    expect(heard.at(-1)).toBe('[DONE]')
    const before = await balanceOf(current(), buyer.address)
    expect(await session.close()).toMatchObject({ spent: COST.toString() })
    expect(await balanceOf(current(), world.payTo)).toBe(COST)
    expect(await balanceOf(current(), buyer.address)).toBeGreaterThan(before)
    expect((await salesOf(world)).map(({ state, amountSettled }) => [state, amountSettled])).toEqual([['settled', COST]])
  })

  it('is offered beside a charge of the same price, and never over MCP', async () => {
    const { world } = await writeTempoShop(current(), script)
    const { url } = await openShop(world)
    const unpaid = await fetch(url + chatWire.path(false), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(chatWire.body(false, 'how are you?')),
    })
    const offers = Challenge.fromResponseList(unpaid)
    expect(offers.map(({ method, intent }) => `${method}/${intent}`)).toEqual(['tempo/charge', 'tempo/session'])
    expect(new Set(offers.map(({ request }) => request['amount'])).size).toBe(1)
  })
})

/** What a client would send with its payment, so that a test can send it again or elsewhere. */
async function prepared(client: ReturnType<typeof chargeClient> | ReturnType<typeof sessionClient>, url: string, stream = false) {
  const request = {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(chatWire.body(stream, 'how are you?')),
  }
  const payment = await client.preparePayment(await client.rawFetch(url + chatWire.path(stream), request), { request })
  const { headers } = payment.setCredential(request, await payment.createCredential())
  return { request, authorization: new Headers(headers).get('authorization') ?? '' }
}

async function credentialFor(...asked: Parameters<typeof prepared>): Promise<string> {
  return (await prepared(...asked)).authorization
}

describe.each([
  ['tempo/charge', chargeClient],
  ['tempo/session', sessionClient],
] as const)('a credential of %s', (_name, open) => {
  it('buys one answer, however often and wherever it is sent', async () => {
    const { world, upstream } = await writeTempoShop(current(), async (request) => {
      await new Promise((resolve) => setTimeout(resolve, 50))
      return script(request)
    })
    const { url } = await openShop(world)
    const authorization = await credentialFor(open(current(), await createTempoBuyer(current())), url)
    const copies = await Promise.all([1, 2, 3].map(() => order(fetch, url, chatWire, { headers: { authorization } })))
    expect(copies.map(({ status }) => status).toSorted()).toEqual([200, 409, 409])
    const again = await order(fetch, url, chatWire, { headers: { authorization } })
    expect([again.status, chatWire.textOf(again.text)]).toEqual([200, words.join('')])
    expect(again.headers.get('payment-receipt')).not.toBeNull()
    for (const wire of wires) {
      const elsewhere = await order(fetch, url, wire, { headers: { authorization }, text: 'something else?' })
      expect([elsewhere.status, elsewhere.text.includes('for another request')]).toEqual([422, true])
    }
    expect([(await salesOf(world)).length, upstream.requests.length]).toEqual([1, 1])
  })

  it.each<[string, number, (credential: Forged) => void]>([
    [
      'is of a challenge of its own making',
      402,
      ({ challenge }) => (challenge['id'] = `1.${'C'.repeat(12)}.${'A'.repeat(43)}.${'B'.repeat(43)}`),
    ],
    ['promises more than was asked for', 402, ({ challenge }) => (challenge['id'] = challenge['id']?.replace(/^\d+/, '1') ?? '')],
    ['has moved the end of its challenge', 402, ({ challenge }) => (challenge['expires'] = '2040-01-01T00:00:00Z')],
    ['is by another method', 402, ({ challenge }) => (challenge['method'] = 'stripe')],
    ['has no payload', 400, (credential) => Reflect.deleteProperty(credential, 'payload')],
  ])('is refused when it %s', async (_what, status, change) => {
    const { world, upstream } = await writeTempoShop(current(), script)
    const { url } = await openShop(world)
    const authorization = await credentialFor(open(current(), await createTempoBuyer(current())), url)
    const reply = await order(fetch, url, chatWire, { headers: { authorization: forged(authorization, change) } })
    expect([reply.status, upstream.requests.length]).toEqual([status, 0])
    expect([await balanceOf(current(), world.payTo), (await salesOf(world)).filter(({ state }) => state !== 'void')]).toEqual([0n, []])
  })
})

type Forged = { readonly challenge: Record<string, string>; readonly payload: Record<string, string> }

function forged(authorization: string, change: (credential: Forged) => void): string {
  const credential = JSON.parse(Buffer.from(authorization.slice('Payment '.length), 'base64url').toString()) as Forged
  change(credential)
  return `Payment ${Buffer.from(JSON.stringify(credential)).toString('base64url')}`
}

describe('a channel', () => {
  it('outlives a seller who is killed in the middle of an answer, which costs nothing', async () => {
    let isHanging = true
    const { world } = await writeTempoShop(current(), (request) => (isHanging ? { stream: [said('how '), 'stall'] } : script(request)))
    const child = startChild('shop.ts', world)
    const first = await child.first()
    const client = sessionClient(current(), await createTempoBuyer(current()))
    const { authorization, request } = await prepared(client, first, true)
    const broken = await fetch(first + chatWire.path(true), { ...request, headers: { ...request.headers, authorization } })
    await broken.body?.getReader().read()
    child.process.kill('SIGKILL')
    await child.ended
    isHanging = false
    const { url, engine } = await openShop(world)
    const again = await untilAnswered(() => listenUntilAsked(url, authorization))
    expect([again.status, (await untilSold(world))?.state, (await salesOf(world)).length]).toEqual([200, 'settled', 1])
    // Nothing but the one answer, as far as its voucher went, is charged.
    expect(await engine.routeplane.cashier?.payOut()).toBe(1)
    expect(await balanceOf(current(), world.payTo)).toBe((await salesOf(world))[0]?.amountSettled)
  })

  it('does not pay for two requests with one promise', async () => {
    const { world, upstream } = await writeTempoShop(current(), script)
    const { url } = await openShop(world)
    const client = sessionClient(current(), await createTempoBuyer(current()))
    const { payload } = read(await credentialFor(client, url))
    const again = read(await credentialFor(client, url))
    // Another challenge of ours, answered with the voucher that was promised for the first.
    const opened = await order(fetch, url, chatWire, { headers: { authorization: written({ ...again, payload }) } })
    expect(opened.status).toBe(200)
    const reused = { ...read(await credentialFor(client, url)), payload: { ...payload, action: 'voucher' } }
    const second = await order(fetch, url, chatWire, { headers: { authorization: written(reused) } })
    expect([second.status, upstream.requests.length]).toEqual([402, 1])
    expect((await salesOf(world)).map(({ amountSettled }) => amountSettled)).toEqual([COST])
  })

  it('that its payer stops filling ends the answer, which is charged as far as it was promised', async () => {
    const long = Array.from({ length: 400 }, (_, at) => `w${at} `)
    const { world } = await writeTempoShop(current(), spoken(long))
    const { url } = await openShop(world)
    const authorization = await credentialFor(sessionClient(current(), await createTempoBuyer(current())), url, true)
    const { text } = await listenUntilAsked(url, authorization)
    // Nothing comes beyond what was promised.
    expect([text.includes('w0 '), text.includes('w2 ')]).toEqual([true, false])
    const sale = await untilSold(world)
    expect(sale?.state).toBe('settled')
    expect(sale?.amountSettled).toBe(BigInt((read(authorization).payload as { cumulativeAmount: string }).cumulativeAmount))
  })
})

const read = (authorization: string) =>
  JSON.parse(Buffer.from(authorization.slice('Payment '.length), 'base64url').toString()) as Record<string, object>
const written = (credential: object) => `Payment ${Buffer.from(JSON.stringify(credential)).toString('base64url')}`

/** Reads a stream until its payer is asked for another voucher, and goes. */
async function listenUntilAsked(url: string, authorization: string) {
  const leaving = new AbortController()
  const { status, body } = await fetch(url + chatWire.path(true), {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization },
    body: JSON.stringify(chatWire.body(true, 'how are you?')),
    signal: leaving.signal,
  })
  const reader = body?.getReader()
  let text = ''
  while (status === 200 && !text.includes('payment-need-voucher')) text += Buffer.from((await reader?.read())?.value ?? []).toString()
  leaving.abort()
  return { status, text }
}

async function untilSold(world: Parameters<typeof salesOf>[0]) {
  for (let looks = 0; looks < 200; looks++) {
    const [sale] = await salesOf(world)
    if (sale !== undefined && sale.state !== 'claimed' && sale.state !== 'due') return sale
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  return undefined
}
