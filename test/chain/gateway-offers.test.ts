/** Wrong offers of a cheap seller, before a real engine and an honest second: refused with the reason, unsigned, and passed over. */
import { randomBytes } from 'node:crypto'
import type { PaymentRequirements } from '@x402/core/types'
import { encodePaymentRequiredHeader } from '@x402/core/http'
import { getAddress } from 'viem'
import { describe, expect, it } from 'vitest'
import type { Faults } from '../../src/demo/paid-provider.ts'
import { readSigned, startRelay, type Tamper } from '../gateway/relay.ts'
import { send, transferCall } from '../support/authorization.ts'
import { useDemoNetwork } from '../support/chain.ts'
import { ask, closedBooks, expectBalanced, expectUntouched, openEngine, question, readBooks, writeWorld } from '../support/engine.ts'
import { verifies } from '../support/verifies.ts'
import { textOf } from '../support/x402-buyer.ts'

const current = useDemoNetwork()
const cheap = { prompt: '0.000001', completion: '0.000005' }
const dear = { prompt: '0.000004', completion: '0.00002' }

type Offer = PaymentRequirements
type Change = (offer: Offer, payer: () => string) => Partial<Offer> | { extra: Record<string, unknown> }

/** The world of one crooked seller, and an honest one behind it when there should be somebody to fall through to. */
async function start(options: { faults?: Faults; tamper?: Tamper; withHonest?: boolean }) {
  const crook = await current().startProvider({ id: 'crook', prices: cheap, faults: options.faults ?? {} })
  const relay = options.tamper === undefined ? undefined : await startRelay(crook, { tamper: options.tamper })
  const honest = options.withHonest === true ? [await current().startProvider({ id: 'honest', prices: dear })] : []
  const world = await writeWorld(current(), { sellers: [relay ?? crook, ...honest] })
  const engine = await openEngine(world)
  return { crook, relay, world, engine, url: await engine.serve() }
}

const MAINNET_USDC = '0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913'
const digits = (offer: Offer, factor: bigint) => (BigInt(offer.amount) * factor).toString()

/** A checksum with one letter in the wrong case: what a mistyped address looks like. */
function misspelt(address: string): string {
  const at = address.slice(2).search(/[a-fA-F]/) + 2
  const letter = address[at] ?? ''
  return address.slice(0, at) + (letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase()) + address.slice(at + 1)
}

const wrong: readonly (readonly [what: string, code: string, status: number, change: Change])[] = [
  ['another payee', 'payee_mismatch', 502, () => ({ payTo: getAddress(`0x${randomBytes(20).toString('hex')}`) })],
  ['nobody as the payee', 'bad_payee', 502, () => ({ payTo: `0x${'0'.repeat(40)}` })],
  ['our own wallet as the payee', 'bad_payee', 502, (_, payer) => ({ payTo: payer() })],
  ['a payee with a wrong checksum', 'bad_payee', 502, ({ payTo }) => ({ payTo: misspelt(payTo) })],
  ['text for a payee', 'bad_payee', 502, () => ({ payTo: 'the usual' })],
  ['a token of its own', 'unknown_asset', 502, () => ({ asset: '0x000000000000000000000000000000000000dEaD' })],
  ['the token of another chain', 'unknown_asset', 502, () => ({ asset: MAINNET_USDC })],
  ['no address for a token', 'unknown_asset', 502, () => ({ asset: '0xother' })],
  ['real money', 'unknown_network', 502, () => ({ network: 'eip155:8453', asset: MAINNET_USDC })],
  [
    'money on Solana',
    'unknown_network',
    502,
    () => ({ network: 'solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1', asset: '4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU' }),
  ],
  ['a chain nobody knows', 'unknown_network', 502, () => ({ network: 'eip155:31337' })],
  ['the name of another token', 'bad_challenge', 502, ({ extra }) => ({ extra: { ...extra, name: 'Dai Stablecoin' } })],
  ['another version of the token', 'bad_challenge', 502, ({ extra }) => ({ extra: { ...extra, version: '1' } })],
  ['a scheme nobody knows', 'unsupported_scheme', 502, () => ({ scheme: 'evil' })],
  ['payment before service', 'unsupported_scheme', 502, ({ extra }) => ({ extra: { ...extra, paymentFlow: 'upfront' } })],
  ['another method of transfer', 'unsupported_scheme', 502, ({ extra }) => ({ extra: { ...extra, assetTransferMethod: 'erc7710' } })],
  ['a price a hundred times the listed one', 'price_mismatch', 502, (offer) => ({ amount: digits(offer, 100n) })],
  ['a price above the cap', 'price_above_cap', 403, () => ({ amount: '20001' })],
  ['an amount in units of 18 decimals', 'price_above_cap', 403, (offer) => ({ amount: digits(offer, 10n ** 12n) })],
  ['an amount in the form 1e6', 'bad_challenge', 502, () => ({ amount: '1e6' })],
  ['an amount in hexadecimal', 'bad_challenge', 502, () => ({ amount: '0x3e8' })],
  ['an amount with decimals', 'bad_challenge', 502, () => ({ amount: '1000.5' })],
  ['an amount below zero', 'bad_challenge', 502, () => ({ amount: '-1' })],
  ['an amount that is a number', 'bad_challenge', 502, () => ({ amount: 1_000 as unknown as string })],
  ['an amount of no digits', 'bad_challenge', 502, () => ({ amount: '' })],
  ['nothing', 'bad_challenge', 502, () => ({ amount: '0' })],
  ['an amount beyond 256 bits', 'bad_challenge', 502, () => ({ amount: (2n ** 256n).toString() })],
  ['a time in text', 'bad_challenge', 502, () => ({ maxTimeoutSeconds: '60' as unknown as number })],
  ['no time at all', 'bad_challenge', 502, () => ({ maxTimeoutSeconds: 0 })],
  ['a time with a fraction', 'bad_challenge', 502, () => ({ maxTimeoutSeconds: 0.5 })],
]

describe('an offer with', () => {
  it.each(wrong)('%s is refused as %s', async (_, code, status, change) => {
    verifies('card.pay.payee', 'register.terms.honest_metadata')
    let payer = ''
    const faults: Faults = { mutateChallenge: (offers) => offers.map((offer) => ({ ...offer, ...change(offer, () => payer) })) }
    const { crook, world, url } = await start({ faults })
    payer = world.payer
    const reply = await ask(url)
    expect([reply.status, reply.error?.code, reply.error?.money]).toEqual([status, code, 'untouched'])
    expectUntouched(await readBooks(world))
    expect(crook.counters.handlerRuns).toBe(0)
  })

  it.each(wrong.filter(([, code], at) => wrong.findIndex(([, other]) => other === code) === at))(
    '%s loses to the next seller, who is paid once',
    async (_, _code, _status, change) => {
      verifies('models.fallback.provider')
      let payer = ''
      const faults: Faults = { mutateChallenge: (offers) => offers.map((offer) => ({ ...offer, ...change(offer, () => payer) })) }
      const { world, url } = await start({ faults, withHonest: true })
      payer = world.payer
      const reply = await ask(url)
      expect([reply.status, textOf(reply.text), reply.headers.get('x-routeplane-attempts')]).toEqual([
        200,
        'honest heard: how are you today?',
        '2',
      ])
      const books = await closedBooks(world)
      expect(books.rows.map(({ provider, state }) => `${provider} ${state}`).toSorted()).toEqual(['crook released', 'honest settled'])
      expectBalanced(books)
    },
  )
})

const required = (accepts: unknown, more: object = {}) =>
  encodePaymentRequiredHeader({ x402Version: 2, resource: { url: 'http://seller.example/' }, accepts, ...more } as never)

type Written = (honest: string) => Record<string, string>
const challenges: readonly (readonly [what: string, code: string, headers: Written])[] = [
  ['no challenge', 'bad_challenge', () => ({})],
  ['a challenge that is not base64', 'bad_challenge', () => ({ 'payment-required': '%%%' })],
  ['a challenge that is not JSON', 'bad_challenge', () => ({ 'payment-required': Buffer.from('{"x402Version":').toString('base64') })],
  ['a challenge nested 5,000 deep', 'bad_challenge', () => ({ 'payment-required': Buffer.from('['.repeat(5_000)).toString('base64') })],
  ['a challenge of another version', 'bad_challenge', (honest) => ({ 'payment-required': reversion(honest) })],
  ['no way to pay', 'bad_challenge', () => ({ 'payment-required': required([]) })],
  ['nine ways to pay', 'bad_challenge', (honest) => ({ 'payment-required': required(Array.from({ length: 9 }, () => offerIn(honest))) })],
  [
    'nine kilobytes of challenge',
    'bad_challenge',
    (honest) => ({ 'payment-required': required([{ ...offerIn(honest), x: 'x'.repeat(7_000) }]) }),
  ],
  ['twenty kilobytes of header', 'bad_challenge', () => ({ 'payment-required': 'e'.repeat(20_000) })],
  ['more header than is read', 'response_too_large', () => ({ 'payment-required': 'e'.repeat(200_000) })],
]
const bodies: readonly (readonly [what: string, code: string, body: object])[] = [
  ['ten thousand ways to pay in its body', 'bad_challenge', { x402Version: 1, accepts: Array.from({ length: 10_000 }, () => ({})) }],
  ['half a megabyte of body', 'bad_challenge', { x402Version: 1, error: 'x'.repeat(500_000) }],
]
const unread = [
  ...challenges.map(([what, code, headers]) => [what, code, headers, ''] as const),
  ...bodies.map(([what, code, body]) => [what, code, () => ({}), JSON.stringify(body)] as const),
]

const decode = (header: string) => JSON.parse(Buffer.from(header, 'base64').toString()) as { accepts: Offer[] }
const offerIn = (header: string) => decode(header).accepts[0] as Offer
const reversion = (header: string) => Buffer.from(JSON.stringify({ ...decode(header), x402Version: 7 })).toString('base64')

describe('a 402 with', () => {
  it.each(unread)('%s is %s, and nothing is signed', async (_, code, headers, body) => {
    const { world, url, crook } = await start({
      tamper: (answer) => ({ status: 402, headers: headers(String(answer.headers['payment-required'])), body }),
    })
    const reply = await ask(url)
    expect([reply.status, reply.error?.code, reply.error?.money]).toEqual([502, code, 'untouched'])
    expectUntouched(await readBooks(world))
    expect(crook.counters.handlerRuns).toBe(0)
  })

  it('a redirect instead is not followed', async () => {
    const elsewhere = await current().startProvider({ id: 'elsewhere', prices: cheap })
    const { world, url } = await start({
      tamper: () => ({ status: 307, headers: { location: `${elsewhere.baseUrl}/chat/completions` }, body: '' }),
    })
    const reply = await ask(url)
    expect([reply.status, reply.error?.code]).toEqual([502, 'redirect_refused'])
    expectUntouched(await readBooks(world))
    expect(elsewhere.counters.requests).toBe(0)
  })

  it('a good offer among bad ones is taken, whatever its place', async () => {
    const faults: Faults = {
      mutateChallenge: ([offer]) => [{ ...(offer as Offer), scheme: 'evil' }, { ...(offer as Offer), amount: '1e6' }, offer as Offer],
    }
    const { world, url } = await start({ faults })
    expect((await ask(url)).status).toBe(200)
    expectBalanced(await closedBooks(world))
  })

  it('an offer that is good for ten years is signed for a minute', async () => {
    const faults: Faults = { mutateChallenge: (offers) => offers.map((offer) => ({ ...offer, maxTimeoutSeconds: 315_360_000 })) }
    const { world, url, relay } = await start({ faults, tamper: (answer) => answer })
    expect((await ask(url)).status).toBe(200)
    expect(Number(readSigned(relay?.credentials[0]).validBeforeSeconds)).toBeLessThanOrEqual(Date.now() / 1_000 + 60)
    expectBalanced(await closedBooks(world))
  })

  it('an offer that says nothing of the domain is signed over our own table, so that the token takes it', async () => {
    const { world, url, relay } = await start({
      tamper: (answer, _, paid) => (paid > 0 ? answer : { ...answer, headers: { 'payment-required': withoutDomain(answer.headers) } }),
    })
    // The seller compares the echo with its own offer and asks again; what it holds is good all the same.
    expect((await ask(url)).error?.code).toBe('payment_outcome_unknown')
    await send(current(), current().asset.address, transferCall(readSigned(relay?.credentials[0])))
    const books = await closedBooks(world)
    expect(books.rows.map(({ state }) => state)).toEqual(['settled'])
    expectBalanced(books)
  })

  it('an offer with members we do not know is echoed to the letter, as the seller compares it', async () => {
    const faults: Faults = {
      mutateChallenge: (offers) => offers.map((offer) => ({ ...offer, outputSchema: { type: 'http' }, mark: null })),
    }
    const { world, url, crook } = await start({ faults })
    const reply = await ask(url)
    expect([reply.status, reply.error]).toEqual([200, undefined])
    const books = await closedBooks(world)
    expect([books.transfers.length, crook.counters.paid]).toEqual([1, 1])
    expectBalanced(books)
  })
})

function withoutDomain(headers: Readonly<Record<string, string | readonly string[]>>): string {
  const challenge = decode(String(headers['payment-required']))
  const accepts = challenge.accepts.map(({ extra: _extra, ...offer }) => offer)
  return Buffer.from(JSON.stringify({ ...challenge, accepts })).toString('base64')
}

describe('a cap of the request itself', () => {
  it('is the one that counts when it is lower than the configured one', async () => {
    verifies('card.cap.request')
    const { world, url, crook } = await start({ faults: {} })
    const reply = await ask(url, { ...question, max_cost_usd: '0.0001' })
    expect([reply.status, reply.error?.code]).toEqual([403, 'price_above_cap'])
    expectUntouched(await readBooks(world))
    expect(crook.counters.requests).toBe(0)
  })
})
