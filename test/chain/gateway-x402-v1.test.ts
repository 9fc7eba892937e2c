/** Sellers of x402's first version: offers in the body, short network names, and the official facilitator of that version behind them. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { PaymentPayload, PaymentRequirements } from '@x402/core/types'
import { encodePaymentRequiredHeader } from '@x402/core/http'
import { describe, expect, it, onTestFinished } from 'vitest'
import { randomHex, useDemoNetwork } from '../support/chain.ts'
import {
  ask,
  closedBooks,
  expectBalanced,
  expectUntouched,
  openEngine,
  readBooks,
  writeWorld,
  type SellerEntry,
} from '../support/engine.ts'

const current = useDemoNetwork()
const PRICE = '90'

type Change = (challenge: ReturnType<typeof challengeFor>) => unknown
type V1Seller = SellerEntry & { readonly counters: { challenged: number; answered: number } }

function challengeFor(payTo: string, resource: string) {
  const { asset } = current()
  const offer = {
    ...{
      scheme: 'exact',
      network: 'base-sepolia',
      maxAmountRequired: PRICE,
      resource,
      description: 'a chat',
      mimeType: 'application/json',
    },
    ...{ payTo, maxTimeoutSeconds: 60, asset: asset.address as string, outputSchema: null, extra: { ...asset.domain } },
  }
  return { x402Version: 1, error: 'X-PAYMENT header is required', accepts: [offer] }
}

const answer = {
  ...{ id: 'chatcmpl-1', object: 'chat.completion', created: 1, model: 'demo/echo' },
  choices: [{ index: 0, message: { role: 'assistant', content: 'as in the old days' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 5, completion_tokens: 5, total_tokens: 10 },
}
const price = { prompt: '0.000001', completion: '0.000005' }
const models = { data: [{ id: 'demo/echo', name: 'echo', context_length: 1_000, max_output_length: 256, pricing: price }] }

async function startSeller(
  change: Change = (challenge) => challenge,
  extraHeaders: (payTo: string) => Record<string, string> = () => ({}),
): Promise<V1Seller> {
  const counters = { challenged: 0, answered: 0 }
  const payTo = randomHex(20)
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const send = (status: number, body: unknown, headers: Record<string, string> = {}) => {
      response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
    }
    request.resume()
    if (request.method === 'GET') return send(200, models)
    const challenge = challengeFor(payTo, 'http://seller.example/')
    const header = request.headers['x-payment']
    if (typeof header !== 'string') {
      counters.challenged++
      return send(402, change(challenge), extraHeaders(payTo))
    }
    const payload = JSON.parse(Buffer.from(header, 'base64').toString()) as PaymentPayload
    const { client } = current().facilitator
    const requirements = challenge.accepts[0] as unknown as PaymentRequirements
    const verdict = await client.verify(payload, requirements)
    if (!verdict.isValid) return send(402, { ...challenge, error: verdict.invalidReason })
    const settled = await client.settle(payload, requirements)
    counters.answered++
    return send(200, answer, { 'x-payment-response': Buffer.from(JSON.stringify(settled)).toString('base64') })
  }
  const server = createServer((request, response) => void serve(request, response))
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`
  return { id: 'elder', baseUrl, modelsUrl: `${baseUrl}/models`, payTo, counters }
}

async function open(seller: V1Seller) {
  const world = await writeWorld(current(), { sellers: [seller] })
  return { world, url: await (await openEngine(world)).serve() }
}

describe('x402 version 1', () => {
  it('is paid once, with a receipt that the chain confirms', async () => {
    const seller = await startSeller()
    const { world, url } = await open(seller)
    const reply = await ask(url)
    expect([reply.status, reply.error]).toEqual([200, undefined])
    const books = await closedBooks(world)
    expect(books.rows.map(({ state, payment }) => [state, payment?.protocol, payment?.amountSettled])).toEqual([['settled', 'x402-1', 90n]])
    expect([books.transfers.length, seller.counters.answered]).toEqual([1, 1])
    expectBalanced(books)
  })

  it.each<[string, string, (offer: ReturnType<typeof challengeFor>['accepts'][0]) => object]>([
    ['another payee', 'payee_mismatch', () => ({ payTo: randomHex(20) })],
    ['another token', 'unknown_asset', () => ({ asset: randomHex(20) })],
    ['a network we do not know', 'unknown_network', () => ({ network: 'base-goerli' })],
    ['a mainnet', 'unknown_asset', () => ({ network: 'base' })],
    ['another domain', 'bad_challenge', () => ({ extra: { name: 'Dai', version: '2' } })],
    ['a price a hundred times the listed one', 'price_mismatch', () => ({ maxAmountRequired: `${PRICE}00` })],
    ['an amount in the form 1e2', 'bad_challenge', () => ({ maxAmountRequired: '1e2' })],
    ['an unknown scheme', 'unsupported_scheme', () => ({ scheme: 'evil' })],
    ['the later version’s Permit2', 'unsupported_scheme', () => ({ extra: { assetTransferMethod: 'permit2' } })],
    ['no time', 'bad_challenge', () => ({ maxTimeoutSeconds: 0 })],
  ])('with %s is refused as %s', async (_, code, change) => {
    const { world, url } = await open(
      await startSeller((challenge) => ({ ...challenge, accepts: challenge.accepts.map((offer) => ({ ...offer, ...change(offer) })) })),
    )
    expect((await ask(url)).error).toMatchObject({ money: 'untouched', code })
    expectUntouched(await readBooks(world))
  })

  it.each<[string, Change]>([
    ['nothing', () => ({})],
    ['no offers', (challenge) => ({ ...challenge, accepts: [] })],
    ['nine offers', (challenge) => ({ ...challenge, accepts: Array.from({ length: 9 }, () => challenge.accepts[0]) })],
    ['an amount that is a number', ({ accepts, ...rest }) => ({ ...rest, accepts: [{ ...accepts[0], maxAmountRequired: 90 }] })],
    ['a version to come', (challenge) => ({ ...challenge, x402Version: 3 })],
  ])('with %s in its body is a bad challenge', async (_, change) => {
    const { world, url } = await open(await startSeller(change))
    expect((await ask(url)).error).toMatchObject({ code: 'bad_challenge', money: 'untouched' })
    expectUntouched(await readBooks(world))
  })

  it('gives way to the second version where a 402 speaks both', async () => {
    const seller = await startSeller(undefined, (payTo) => {
      const { asset, network } = current()
      const offer = {
        scheme: 'exact',
        network,
        amount: PRICE,
        asset: asset.address,
        payTo,
        maxTimeoutSeconds: 60,
        extra: { ...asset.domain },
      }
      return {
        'payment-required': encodePaymentRequiredHeader({
          x402Version: 2,
          resource: { url: 'http://seller.example/' },
          accepts: [offer],
        } as never),
      }
    })
    const { world, url } = await open(seller)
    // This seller reads only the first version's header: it asks again, and what was signed stays a risk.
    expect((await ask(url)).error?.code).toBe('payment_outcome_unknown')
    expect((await readBooks(world)).rows.map(({ payment }) => payment?.protocol)).toEqual(['x402-2'])
  })
})
