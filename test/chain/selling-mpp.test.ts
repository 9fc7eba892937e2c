/** Callers without an account buy completions with the official client of the Machine Payments Protocol. */
import { Challenge, Credential, Receipt } from 'mppx'
import { evm, Mppx } from 'mppx/client'
import { assets } from 'mppx/evm'
import type { PrivateKeyAccount } from 'viem/accounts'
import { describe, expect, it } from 'vitest'
import { useDemoNetwork } from '../support/chain.ts'
import { closedBooks, expectBalanced } from '../support/engine.ts'
import { chatWire, createBuyer, order, payingFetch, salesOf, signFor, wires, startShop } from '../support/shop.ts'

const current = useDemoNetwork()
const said = 'thrift heard: how are you?'

const clientOf = (account: PrivateKeyAccount) =>
  Mppx.create({ polyfill: false, methods: [evm({ account, currencies: [assets.baseSepolia.USDC], maxAmount: '1' })] })
const balanceOf = (owner: `0x${string}`) => current().chain.balanceOf(current().asset.address, owner)

const requestOf = (stream = false, text = 'how are you?') => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(chatWire.body(stream, text)),
})
const urlOf = (url: string) => url + chatWire.path(false)

/** Asks for the price and signs it, without sending the payment. */
async function credentialFor(account: PrivateKeyAccount, url: string): Promise<string> {
  const client = clientOf(account)
  const payment = await client.preparePayment(await client.rawFetch(urlOf(url), requestOf()), { request: requestOf() })
  return new Headers(payment.setCredential(requestOf(), await payment.createCredential()).headers).get('authorization') ?? ''
}

const pay = (url: string, credential: string, text?: string, header = 'authorization') =>
  fetch(urlOf(url), { ...requestOf(false, text), headers: { 'content-type': 'application/json', [header]: credential } })

/** Changes a credential as a forger would. */
function forge(
  credential: string,
  change: (credential: { challenge: Record<string, string>; payload: Record<string, string> }) => void,
): string {
  const json = JSON.parse(Buffer.from(credential.slice('Payment '.length), 'base64url').toString()) as never
  change(json)
  return `Payment ${Buffer.from(JSON.stringify(json)).toString('base64url')}`
}

describe('a caller with the official MPP client', () => {
  it.each(wires.flatMap((wire) => [false, true].map((stream) => [wire.name, stream, wire] as const)))(
    'pays for %s (stream: %s)',
    async (_name, stream, wire) => {
      const { url, world } = await startShop(current())
      const buyer = await createBuyer(current())
      const before = await balanceOf(buyer.address)
      const answer = await order(clientOf(buyer).fetch as typeof fetch, url, wire, { stream })
      expect([answer.status, wire.textOf(answer.text)]).toEqual([200, said])
      const [sale, ...others] = await salesOf(world)
      expect(others).toEqual([])
      expect(sale).toMatchObject({ state: 'settled', protocol: 'mpp', scheme: 'evm/charge', payer: buyer.address })
      expect([await balanceOf(buyer.address), await balanceOf(world.payTo)]).toEqual([
        before - (sale?.amountSettled ?? 0n),
        sale?.amountSettled,
      ])
      const receipt = answer.headers.get('payment-receipt') ?? /^: payment-receipt (\S+)$/m.exec(answer.text)?.[1] ?? ''
      expect(Receipt.deserialize(receipt)).toMatchObject({ method: 'evm', status: 'success', reference: sale?.transaction })
      expectBalanced(await closedBooks(world))
    },
  )

  it('is asked the same price in the words of both protocols', async () => {
    const { url, provider } = await startShop(current())
    const buyer = await createBuyer(current())
    const { required } = await signFor(buyer, url, chatWire)
    const response = await fetch(urlOf(url), requestOf())
    const challenge = Challenge.fromResponse(response)
    expect([response.status, challenge.method, challenge.intent]).toEqual([402, 'evm', 'charge'])
    expect(challenge.request).toMatchObject({ amount: required.accepts.find(({ scheme }) => scheme === 'exact')?.amount })
    expect(response.headers.get('cache-control')).toContain('no-store')
    expect(provider.counters.requests).toBe(0)
  })

  it('gets the kept answer for the same credential, and nothing for another request', async () => {
    const { url, world, provider } = await startShop(current())
    const credential = await credentialFor(await createBuyer(current()), url)
    const first = await pay(url, credential)
    const again = await pay(url, credential, undefined, 'payment-authorization')
    expect([first.status, chatWire.textOf(await first.text())]).toEqual([200, said])
    expect([again.status, chatWire.textOf(await again.text())]).toEqual([200, said])
    expect(again.headers.get('payment-receipt')).not.toBeNull()
    expect((await pay(url, credential, 'something else?')).status).toBe(422)
    expect([(await salesOf(world)).length, provider.counters.handlerRuns]).toEqual([1, 1])
    expectBalanced(await closedBooks(world))
  })

  it('is answered once for copies that arrive together', async () => {
    const { url, world, provider } = await startShop(current())
    const credential = await credentialFor(await createBuyer(current()), url)
    const replies = await Promise.all(Array.from({ length: 5 }, () => pay(url, credential)))
    expect(replies.map(({ status }) => status).filter((status) => status !== 200 && status !== 409)).toEqual([])
    expect(replies.some(({ status }) => status === 200)).toBe(true)
    expect([(await salesOf(world)).length, provider.counters.handlerRuns]).toEqual([1, 1])
  })

  it('is sold two answers for two equal requests that are sent at once', async () => {
    const { url, world } = await startShop(current())
    const { fetch: buy } = clientOf(await createBuyer(current()))
    const replies = await Promise.all([1, 2, 3, 4].map(() => order(buy as typeof fetch, url, chatWire)))
    expect(replies.map(({ status }) => status)).toEqual([200, 200, 200, 200])
    expect((await salesOf(world)).map(({ state }) => state)).toEqual(['settled', 'settled', 'settled', 'settled'])
  })

  it('cannot spend one authorization in the words of both protocols', async () => {
    const { url, world } = await startShop(current())
    const buyer = await createBuyer(current())
    await order(payingFetch(buyer), url, chatWire)
    await order(clientOf(buyer).fetch as typeof fetch, url, chatWire)
    const sales = await salesOf(world)
    expect(new Set(sales.map(({ key }) => key)).size).toBe(2)
    expect(sales.map(({ state }) => state)).toEqual(['settled', 'settled'])
  })

  it.each<[string, number, (credential: string) => string]>([
    ['is not base64url', 400, () => 'Payment %%%'],
    ['is not JSON', 400, () => `Payment ${Buffer.from('{').toString('base64url')}`],
    ['has no payload', 400, (credential) => forge(credential, (json) => Reflect.deleteProperty(json, 'payload'))],
    ['names a nonce of three letters', 400, (credential) => forge(credential, (json) => (json.payload.nonce = '0xabc'))],
    ['is by another method', 402, (credential) => forge(credential, (json) => (json.challenge.method = 'stripe'))],
    ['has a challenge of its own making', 402, (credential) => forge(credential, (json) => (json.challenge.id = 'A'.repeat(43)))],
    [
      'has moved the end of its challenge',
      402,
      (credential) => forge(credential, (json) => (json.challenge.expires = '2040-01-01T00:00:00Z')),
    ],
    ['pays less than was asked', 402, (credential) => forge(credential, (json) => (json.payload.value = '1'))],
    ['pays somebody else', 402, (credential) => forge(credential, (json) => (json.payload.to = `0x${'11'.repeat(20)}`))],
    ['is of somebody else', 402, (credential) => forge(credential, (json) => (json.payload.from = `0x${'22'.repeat(20)}`))],
  ])('is refused when the credential %s', async (_, status, change) => {
    const { url, world, provider } = await startShop(current())
    const credential = await credentialFor(await createBuyer(current()), url)
    expect(Credential.deserialize(credential).challenge.method).toBe('evm')
    const reply = await pay(url, change(credential))
    expect(reply.status).toBe(status)
    expect([(await salesOf(world)).filter(({ state }) => state === 'settled'), provider.counters.requests]).toEqual([[], 0])
  })

  it('is refused when two payments come at once', async () => {
    const { url } = await startShop(current())
    const buyer = await createBuyer(current())
    const { headers } = await signFor(buyer, url, chatWire)
    const reply = await fetch(urlOf(url), {
      ...requestOf(),
      headers: { 'content-type': 'application/json', ...headers, authorization: await credentialFor(buyer, url) },
    })
    expect(reply.status).toBe(400)
  })

  it('is the only one asked where the operator takes nothing else', async () => {
    const { url } = await startShop(current(), { charge: ['schemes: [evm/charge]'] })
    const response = await fetch(urlOf(url), requestOf())
    expect([response.headers.get('payment-required'), Challenge.fromResponse(response).method]).toEqual([null, 'evm'])
    expect((await clientOf(await createBuyer(current())).fetch(urlOf(url), requestOf())).status).toBe(200)
  })
})
