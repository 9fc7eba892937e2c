/** Sellers whose 402 declares an extension of x402, read by the official package: what they get, and that a repeat is the same. */
import {
  decodePaymentRequiredHeader,
  decodePaymentResponseHeader,
  encodePaymentRequiredHeader,
  encodePaymentResponseHeader,
} from '@x402/core/http'
import { createOfferEIP712, createOfferJWS, createReceiptEIP712 } from '@x402/extensions/offer-receipt'
import {
  declarePaymentIdentifierExtension,
  extractAndValidatePaymentIdentifier,
  PAYMENT_IDENTIFIER,
  validatePaymentIdentifierRequirement,
} from '@x402/extensions/payment-identifier'
import { privateKeyToAccount } from 'viem/accounts'
import { describe, expect, it } from 'vitest'
import { readPresented } from '../../src/selling/x402/read.ts'
import { startRelay, type Passed } from '../gateway/relay.ts'
import { randomHex, useDemoNetwork } from '../support/chain.ts'
import { ask, closedBooks, expectBalanced, openEngine, question, writeWorld } from '../support/engine.ts'

const current = useDemoNetwork()
const prices = { prompt: '0.000001', completion: '0.000005' }

const payloadIn = (header: string) => readPresented(header, 2).payload

function declare(answer: Passed, extensions: object): Passed {
  const challenge = JSON.parse(Buffer.from(String(answer.headers['payment-required']), 'base64').toString()) as object
  return {
    ...answer,
    headers: { ...answer.headers, 'payment-required': encodePaymentRequiredHeader({ ...challenge, extensions } as never) },
  }
}

/** A seller that declares these extensions, stumbles over the first payment, and takes only what the official reader takes. */
async function open(extensions: object, isRequired: boolean) {
  const seller = await current().startProvider({ id: 'first', prices })
  const relay = await startRelay(seller, {
    tamper: (answer, _, paid) => (paid === 0 ? declare(answer, extensions) : answer),
    instead: ({ headers }, paid) => {
      if (paid === 1) return { status: 503, json: {} }
      if (paid === 0) return undefined
      const { valid, errors } = validatePaymentIdentifierRequirement(payloadIn(String(headers['payment-signature'])), isRequired)
      return valid ? undefined : { status: 400, json: { error: { message: errors?.join() } } }
    },
  })
  const world = await writeWorld(current(), { sellers: [relay] })
  return { relay, world, url: await (await openEngine(world)).serve() }
}

describe('payment-identifier', () => {
  it.each([true, false])('names the attempt, and a repeat carries the same name (required: %s)', async (isRequired) => {
    const { relay, world, url } = await open({ [PAYMENT_IDENTIFIER]: declarePaymentIdentifierExtension(isRequired), other: {} }, isRequired)
    const reply = await ask(url)
    expect([reply.status, reply.error, relay.credentials.length]).toEqual([200, undefined, 2])
    const books = await closedBooks(world)
    expectBalanced(books)
    const sent = relay.credentials.map(payloadIn)
    expect(sent.map(extractAndValidatePaymentIdentifier).map(({ id }) => id)).toEqual([1, 2].map(() => `pay_${books.rows[0]?.id}`))
    expect(sent.map(({ extensions }) => Object.keys(extensions ?? {}))).toEqual([1, 2].map(() => [PAYMENT_IDENTIFIER]))
  })

  it.each([{}, { [PAYMENT_IDENTIFIER]: 'soup' }, { [PAYMENT_IDENTIFIER]: { info: [] } }])(
    'is not sent where nobody declares it as it is written (%#)',
    async (extensions) => {
      const { relay, world, url } = await open(extensions, false)
      expect((await ask(url)).status).toBe(200)
      expectBalanced(await closedBooks(world))
      expect(relay.credentials.map(payloadIn).map((payload) => payload.extensions)).toEqual([undefined, undefined])
    },
  )
})

type Account = ReturnType<typeof privateKeyToAccount>
type Papers = {
  readonly offerBy?: Account
  readonly receiptBy?: Account
  readonly change?: (paper: object) => object
  readonly isText?: boolean
}

/** A seller whose offers and receipts are signed by the official package, with keys that may be his. */
async function openSigning(own: Account, { offerBy, receiptBy, change = (paper) => paper, isText = false }: Papers) {
  const seller = await current().startProvider({ id: 'signing', prices, payTo: own.address })
  const signWith = (account: Account) => (data: object) => account.signTypedData(data as never)
  const text = (paper: unknown) => change(paper as object)
  let extra: { readonly offer?: object; readonly receipt?: object } = {}
  const relay = await startRelay(seller, {
    tamper(answer) {
      if (answer.status === 402 && extra.offer !== undefined)
        return declare(answer, { 'offer-receipt': { info: { offers: [extra.offer] }, schema: {} } })
      const header = answer.headers['payment-response']
      if (typeof header !== 'string' || extra.receipt === undefined) return answer
      const extensions = { 'offer-receipt': { info: { receipt: extra.receipt }, schema: {} } }
      const settled = { ...decodePaymentResponseHeader(header), extensions }
      return { ...answer, headers: { ...answer.headers, 'payment-response': encodePaymentResponseHeader(settled as never) } }
    },
  })
  const world = await writeWorld(current(), { sellers: [relay] })
  // The offer is asked for beforehand: it is signed over the very terms that are then asked.
  const unpaid = await fetch(`${seller.baseUrl}/chat/completions`, {
    method: 'POST',
    body: JSON.stringify({ ...question, model: 'demo/echo' }),
  })
  const { accepts, resource } = decodePaymentRequiredHeader(unpaid.headers.get('payment-required') ?? '')
  const [terms] = accepts
  const input = { ...terms, acceptIndex: 0, offerValiditySeconds: 60 } as never
  const jws = { kid: 'did:web:seller.example#1', format: 'jws', algorithm: 'ES256K', sign: async () => 'c2lnbmVk' } as never
  const url = resource?.url ?? 'https://seller.example'
  const offer = isText
    ? await createOfferJWS(url, input, jws)
    : offerBy && (await createOfferEIP712(url, input, signWith(offerBy) as never))
  const about = { resourceUrl: url, payer: world.payer, network: current().network }
  const receipt = receiptBy && (await createReceiptEIP712(about, signWith(receiptBy) as never))
  extra = { ...(offer === undefined ? {} : { offer: text(offer) }), ...(receipt === undefined ? {} : { receipt: text(receipt) }) }
  const engine = await openEngine(world)
  expect((await ask(await engine.serve())).status).toBe(200)
  const books = await closedBooks(world)
  expectBalanced(books)
  return { papers: await engine.routeplane.receipts.papers(books.rows[0]?.id ?? ''), logged: engine.logged, extra }
}

describe('offer-receipt', () => {
  const own = privateKeyToAccount(randomHex(32))
  const other = privateKeyToAccount(randomHex(32))

  it('is kept with the payment, and good when the payee has signed it', async () => {
    const { papers, extra } = await openSigning(own, { offerBy: own, receiptBy: own })
    expect(papers.map(({ kind, verdict }) => [kind, verdict])).toEqual([
      ['offer', 'good'],
      ['receipt', 'good'],
    ])
    expect(papers.map(({ text }) => JSON.parse(text) as unknown)).toEqual([extra.offer, extra.receipt])
  })

  it.each<[string, Papers, (readonly [string, string, string])[]]>([
    [
      'signed by somebody else',
      { offerBy: other, receiptBy: other },
      [
        ['offer', 'wrong', `signed by ${other.address}, not by the payee`],
        ['receipt', 'wrong', `signed by ${other.address}, not by the payee`],
      ],
    ],
    [
      'without a signature that can be read',
      { receiptBy: own, change: (paper) => ({ ...paper, signature: '0x12' }) },
      [['receipt', 'wrong', 'its signature cannot be read']],
    ],
    [
      'about another payment',
      { receiptBy: own, change: (paper) => ({ ...paper, payload: { ...(paper as { payload: object }).payload, payer: other.address } }) },
      [['receipt', 'wrong', 'it is about another payment']],
    ],
    ['whose key stands elsewhere', { isText: true }, [['offer', 'unchecked', 'its form does not say whose key it is']]],
    [
      'that is no paper',
      { receiptBy: own, change: () => ({ format: 'eip712', payload: [] }) },
      [['receipt', 'wrong', 'it is about another payment']],
    ],
    ['as long as a book', { receiptBy: own, change: (paper) => ({ ...paper, more: 'x'.repeat(4_096) }) }, []],
  ])('%s is told and never trusted, and fails no call', async (_, given, found) => {
    const { papers, logged } = await openSigning(own, given)
    expect(papers.map(({ kind, verdict, reason }) => [kind, verdict, reason])).toEqual(found)
    const isTold = logged.some((line) => line.includes('what the seller signed is wrong'))
    expect(isTold).toBe(found.some(([, verdict]) => verdict === 'wrong'))
  })
})
