/** Whoever is asked to pay is told how, in every protocol that can pay here, whatever he has sent before and wherever to. */
import { once } from 'node:events'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { decodePaymentRequiredHeader } from '@x402/core/http'
import fc from 'fast-check'
import { Challenge } from 'mppx'
import { evm, Mppx } from 'mppx/client'
import { assets } from 'mppx/evm'
import type { PrivateKeyAccount } from 'viem/accounts'
import { describe, expect, it, onTestFinished } from 'vitest'
import { WebSocket } from 'ws'
import { errorTable } from '../../src/errors.ts'
import { useDemoNetwork } from '../support/chain.ts'
import { chatWire, createBuyer, openShop, order, salesOf, signFor, wires, writeKeyedShop, type Wire } from '../support/shop.ts'
import { createTempoBuyer, sessionClient, useTempoNetwork, writeTempoShop } from '../support/tempo-shop.ts'

const current = useDemoNetwork()
const onTempo = useTempoNetwork()
const answer = {
  json: {
    ...{ id: 'c', object: 'chat.completion', created: 1, model: 'echo' },
    choices: [{ index: 0, message: { role: 'assistant', content: 'well' }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 3, completion_tokens: 1, total_tokens: 4 },
  },
}

/** What any 402 of a gateway says that sells by x402 and MPP. */
async function expectAsked(response: Response): Promise<void> {
  const body = (await response.json()) as { x402Version: number; accepts: readonly object[] }
  expect(response.headers.get('cache-control')).toContain('no-store')
  expect(decodePaymentRequiredHeader(response.headers.get('payment-required') ?? '').accepts.length).toBeGreaterThan(0)
  expect(Challenge.fromResponseList(response).map(({ method, intent }) => `${method}/${intent}`)).toContain('evm/charge')
  expect([body.x402Version, body.accepts.length > 0]).toEqual([1, true])
}

const requestOf = (wire: Wire, stream: boolean, headers: Readonly<Record<string, string>> = {}) => ({
  method: 'POST',
  headers: { 'content-type': 'application/json', ...headers },
  body: JSON.stringify(wire.body(stream, 'how are you?')),
})

const mppClient = (account: PrivateKeyAccount) =>
  Mppx.create({ polyfill: false, methods: [evm({ account, currencies: [assets.baseSepolia.USDC], maxAmount: '1' })] })

/** Good payments for one request, each as its header and the JSON in it. */
async function goodPayments(url: string): Promise<readonly Payment[]> {
  const account = await createBuyer(current())
  const { headers } = await signFor(account, url, chatWire)
  const signed = JSON.parse(Buffer.from(Object.values(headers)[0] ?? '', 'base64').toString()) as { payload: object }
  const request = requestOf(chatWire, false)
  const client = mppClient(account)
  const payment = await client.preparePayment(await client.rawFetch(url + chatWire.path(false), request), { request })
  const credential = new Headers(payment.setCredential(request, await payment.createCredential()).headers).get('authorization') ?? ''
  return [
    { header: 'payment-signature', prefix: '', encoding: 'base64', json: signed },
    { header: 'x-payment', prefix: '', encoding: 'base64', json: { x402Version: 1, scheme: 'exact', network: 'base-sepolia', ...signed } },
    {
      header: 'authorization',
      prefix: 'Payment ',
      encoding: 'base64url',
      json: JSON.parse(Buffer.from(credential.slice('Payment '.length), 'base64url').toString()) as object,
    },
  ]
}

type Payment = { readonly header: string; readonly prefix: string; readonly encoding: 'base64' | 'base64url'; readonly json: object }

/** Every member of a value, as the way to it. */
function waysInto(value: unknown, way: readonly string[] = []): readonly (readonly string[])[] {
  if (typeof value !== 'object' || value === null) return [way]
  return Object.entries(value).flatMap(([name, member]) => waysInto(member, [...way, name]))
}

function replaced(value: unknown, [name, ...rest]: readonly string[], by: (value: unknown) => unknown): unknown {
  if (name === undefined) return by(value)
  return { ...(value as object), [name]: replaced((value as Record<string, unknown>)[name], rest, by) }
}

const another = fc.oneof(
  fc.constantFrom('', '0', '1', '0x', `0x${'0'.repeat(40)}`, `0x${'1'.repeat(64)}`, 'eip155:1', 'base', 'upto', 'http://x/'),
  fc.constant(null),
  fc.nat(),
  fc.string({ maxLength: 12 }),
)
/** Another value, or the same but for its last character, which still looks like one. */
const spoilt = fc.oneof(
  fc.constant((value: unknown): unknown => (typeof value === 'string' ? value.replace(/.$/, (last) => (last === '1' ? '2' : '1')) : '1')),
  another.map((value) => () => value),
)

/** Sends payments with one member changed. @returns how many were answered with a 402. */
async function sendSpoilt(url: string, payments: readonly Payment[], check: (response: Response) => Promise<void>): Promise<number> {
  const members = payments.flatMap((payment) => waysInto(payment.json).map((way) => ({ payment, way })))
  let asked = 0
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...members), spoilt, async ({ payment, way }, by) => {
      const { header, prefix, encoding, json } = payment
      fc.pre(JSON.stringify(replaced(json, way, by)) !== JSON.stringify(json))
      const text = prefix + Buffer.from(JSON.stringify(replaced(json, way, by))).toString(encoding)
      const response = await fetch(url + chatWire.path(false), requestOf(chatWire, false, { [header]: text }))
      // Unread members may say what they like: then it is the payment of before, once.
      if (response.status !== 402) return void expect([200, 400, 422]).toContain(response.status)
      asked++
      await check(response)
    }),
    { numRuns: 80 },
  )
  return asked
}

describe('a gateway that is paid by x402 and MPP', () => {
  it('asks on every wire, streamed or not, in the words of both', async () => {
    const { world } = await writeKeyedShop(current(), answer)
    const { url } = await openShop(world)
    for (const { wire, stream } of wires.flatMap((wire) => [false, true].map((stream) => ({ wire, stream })))) {
      const response = await fetch(url + wire.path(stream), requestOf(wire, stream))
      expect([wire.name, stream, response.status]).toEqual([wire.name, stream, 402])
      await expectAsked(response)
    }
  })

  it('asks so whatever is wrong with the payment that came', async () => {
    const { world, upstream } = await writeKeyedShop(current(), answer)
    const { url } = await openShop(world)
    const asked = await sendSpoilt(url, await goodPayments(url), expectAsked)
    expect([asked > 10, upstream.requests.length <= 3]).toEqual([true, true])
  })

  it('asks over a WebSocket with the headers in the event', async () => {
    const { world } = await writeKeyedShop(current(), answer)
    const { url } = await openShop(world)
    const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/responses`)
    onTestFinished(() => socket.terminate())
    await once(socket, 'open')
    socket.send(JSON.stringify({ type: 'response.create', model: 'demo/echo', max_output_tokens: 20, input: 'how are you?' }))
    const [data] = (await once(socket, 'message')) as [Buffer]
    const { type, status, headers, ...body } = JSON.parse(data.toString()) as Record<string, unknown>
    expect([type, status]).toEqual(['error', 402])
    await expectAsked(
      new Response(JSON.stringify(body), { status: 402, headers: { ...(headers as Record<string, string>), 'cache-control': 'no-store' } }),
    )
  })
})

describe('what is sent to a seller of sessions beside a request', () => {
  /** A payer with a channel that the seller knows. */
  async function openChannel() {
    const { world, upstream } = await writeTempoShop(onTempo(), answer)
    const { url } = await openShop(world)
    const account = await createTempoBuyer(onTempo())
    const client = sessionClient(onTempo(), account)
    const request = requestOf(chatWire, false)
    const credentialFor = async () => {
      const payment = await client.preparePayment(await client.rawFetch(url + chatWire.path(false), request), { request })
      return new Headers(payment.setCredential(request, await payment.createCredential()).headers).get('authorization') ?? ''
    }
    return { url, world, upstream, credential: JSON.parse(decoded(await credentialFor())) as Credential }
  }
  type Credential = { readonly challenge: Record<string, string>; readonly payload: Record<string, unknown> }
  const decoded = (authorization: string) => Buffer.from(authorization.slice('Payment '.length), 'base64url').toString()
  const sent = (url: string, credential: object) =>
    fetch(url + chatWire.path(false), {
      method: 'POST',
      headers: { authorization: `Payment ${Buffer.from(JSON.stringify(credential)).toString('base64url')}` },
    })

  it.each<[string, (credential: Credential) => object]>([
    [
      'a deposit that no transaction makes',
      ({ challenge, payload }) => ({
        challenge,
        payload: { ...payload, action: 'topUp', type: 'transaction', additionalDeposit: '5', transaction: '0x76' },
      }),
    ],
    [
      'a voucher of nobody',
      ({ challenge, payload }) => ({ challenge, payload: { ...payload, action: 'voucher', signature: `0x${'1'.repeat(130)}` } }),
    ],
    [
      'a voucher on a challenge of another',
      ({ challenge, payload }) => ({ challenge: { ...challenge, id: '1.a.b.c' }, payload: { ...payload, action: 'voucher' } }),
    ],
    ['a payment by a method that is not offered', ({ challenge, payload }) => ({ challenge: { ...challenge, method: 'stripe' }, payload })],
    ['an unknown action', ({ challenge, payload }) => ({ challenge, payload: { ...payload, action: 'borrow' } })],
  ])('is answered with a challenge to try again on: %s', async (_what, spoil) => {
    const { url, world, upstream, credential } = await openChannel()
    expect((await sent(url, credential)).status).toBe(204)
    const refused = await sent(url, spoil(credential))
    expect([refused.status, refused.headers.get('cache-control')]).toEqual([402, 'no-store'])
    const [again, ...others] = Challenge.fromResponseList(refused)
    expect([again?.method, again?.intent, others]).toEqual(['tempo', 'session', []])
    // On it a request is not bought, and what belongs to a channel is judged by itself.
    const challenge = { ...again, request: Buffer.from(JSON.stringify(again?.request)).toString('base64url') }
    const authorization = `Payment ${Buffer.from(JSON.stringify({ ...credential, challenge })).toString('base64url')}`
    const bought = await order(fetch, url, chatWire, { headers: { authorization } })
    expect([bought.status, upstream.requests.length, await salesOf(world)]).toEqual([402, 0, []])
    const opened = await sent(url, { ...credential, challenge })
    expect([opened.status, opened.headers.has('payment-receipt')]).toEqual([204, true])
  })

  it('is a challenge for every request whose payment is spoilt', async () => {
    const { url, credential } = await openChannel()
    const payment: Payment = { header: 'authorization', prefix: 'Payment ', encoding: 'base64url', json: credential }
    const asked = await sendSpoilt(url, [payment], async (response) => {
      expect(response.headers.get('cache-control')).toContain('no-store')
      expect(Challenge.fromResponseList(response).map(({ intent }) => intent)).toEqual(['charge', 'session'])
    })
    expect(asked).toBeGreaterThan(10)
  })

  it('is all there is, so that over MCP, where no stream asks for vouchers, nothing is sold and nobody is asked to pay', async () => {
    const { world } = await writeTempoShop(onTempo(), answer, { charge: ['schemes: [tempo/session]'] })
    const { url } = await openShop(world)
    const client = new Client({ name: 'agent', version: '1' })
    await client.connect(new StreamableHTTPClientTransport(new URL(`${url}/mcp`)))
    onTestFinished(() => client.close())
    const told = await client.callTool({ name: 'complete', arguments: { model: 'demo/echo', prompt: 'well?', max_output_tokens: 20 } })
    expect([told.isError, told.structuredContent]).toMatchObject([true, { code: 'unauthorized' }])
  })

  it('is no payment where there is nothing to add to', async () => {
    const { world } = await writeKeyedShop(current(), answer, { charge: ['schemes: [exact]'] })
    const { url } = await openShop(world)
    const refused = await sent(url, {
      challenge: { id: '1.a.b.c', realm: 'r', method: 'tempo', intent: 'session', request: 'e30', expires: '' },
      payload: {},
    })
    expect(refused.status).toBe(errorTable.invalid_payment.status)
  })
})
