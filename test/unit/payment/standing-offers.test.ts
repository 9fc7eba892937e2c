/** What is remembered of offers: for which calls, for how long, and of how many places. */
import { describe, expect, it } from 'vitest'
import { parseUsd } from '../../../src/money.ts'
import type { Terms } from '../../../src/payment/challenge/challenge.ts'
import { x402V2 } from '../../../src/payment/challenge/x402-v2.ts'
import { createStandingOffers } from '../../../src/payment/standing-offers.ts'
import type { Endpoint } from '../../../src/registry/endpoint.ts'
import { NETWORK, PAYEE, USDC } from './fixture.ts'

const MINUTE = 60_000

function start() {
  let time = 1_000_000
  const offers = createStandingOffers({ now: () => time })
  return { offers, pass: (ms: number) => void (time += ms) }
}

function callOf({ bound = '0.001', id = 'acme', prompt = '0.000001' }: { bound?: string; id?: string; prompt?: string } = {}) {
  const tier = { fromInputTokens: 0, prompt: parseUsd(prompt), completion: undefined }
  const endpoint = { provider: { id }, upstreamModel: 'm', pricing: { tiers: [tier] } } as unknown as Endpoint
  return { endpoint, http: { method: 'POST', url: 'https://seller.example/v1', headers: {} }, boundUsd: parseUsd(bound) } as const
}

function offerOf(amount: string, changes: Partial<Terms> = {}) {
  const terms: Terms = {
    ...{ format: 'x402-v2', scheme: 'exact', network: NETWORK, asset: USDC, amount, payTo: PAYEE, maxTimeoutSeconds: 60 },
    ...{ domain: {}, transferMethod: 'eip3009', paymentFlow: 'authorization', raw: { extra: { name: 'USDC', version: '2' } } },
    ...changes,
  }
  return { format: x402V2, challenge: { terms: [terms], resource: undefined } }
}

describe('an offer', () => {
  it('stands for calls of the same bound, at the same place, under the same prices, for ten minutes', () => {
    const { offers, pass } = start()
    const offer = offerOf('90')
    offers.learn(callOf(), offer)
    expect(offers.recall(callOf())).toBe(offer)
    expect(offers.recall(callOf({ bound: '0.0011' }))).toBeUndefined()
    expect(offers.recall(callOf({ id: 'other' }))).toBeUndefined()
    expect(offers.recall(callOf({ prompt: '0.000002' }))).toBeUndefined()
    pass(10 * MINUTE - 1)
    expect(offers.recall(callOf())).toBe(offer)
    pass(1)
    expect(offers.recall(callOf())).toBeUndefined()
  })

  it('stands for every call when calls of different bounds were all asked the same', () => {
    const { offers } = start()
    const [first, second] = [offerOf('90'), offerOf('90')]
    offers.learn(callOf(), first)
    offers.learn(callOf({ bound: '0.002' }), second)
    expect(offers.recall(callOf({ bound: '0.003' }))).toBe(second)
    offers.learn(callOf({ bound: '0.004' }), offerOf('91'))
    expect(offers.recall(callOf({ bound: '0.003' }))).toBeUndefined()
    expect(offers.recall(callOf())).toBe(first)
  })

  it.each<[string, Partial<Terms>]>([
    ['ends at a time of its own', { expiresAt: 2_000_000 }],
    ['is for one body', { bodyDigest: 'abc=' }],
    ['says more than we know the meaning of', { raw: { extra: { name: 'USDC', quote: 'q1' } } }],
    ['cannot be echoed', { raw: 'soup' }],
  ])('that %s is not kept', (_, changes) => {
    const { offers } = start()
    offers.learn(callOf(), offerOf('90', changes))
    expect(offers.recall(callOf())).toBeUndefined()
  })

  it('is forgotten with the first refusal, and after two in a row none is kept in mind for ten minutes', () => {
    const { offers, pass } = start()
    const learn = () => offers.learn(callOf(), offerOf('90'))
    learn()
    offers.refused(callOf())
    expect(offers.recall(callOf())).toBeUndefined()
    learn()
    offers.accepted(callOf())
    offers.refused(callOf())
    learn()
    expect(offers.recall(callOf())).toBeDefined()
    offers.refused(callOf())
    learn()
    expect(offers.recall(callOf())).toBeUndefined()
    pass(10 * MINUTE - 1)
    learn()
    expect(offers.recall(callOf())).toBeUndefined()
    pass(1)
    expect(offers.recall(callOf())).toBeDefined()
  })

  it('makes way for newer ones, of one place and of all', () => {
    const { offers } = start()
    for (let at = 0; at < 17; at++) offers.learn(callOf({ bound: `0.0${10 + at}` }), offerOf(String(at + 1)))
    expect(offers.recall(callOf({ bound: '0.010' }))).toBeUndefined()
    expect(offers.recall(callOf({ bound: '0.011' }))).toBeDefined()
    for (let at = 0; at < 1_000; at++) offers.learn(callOf({ id: `p${at}` }), offerOf('1'))
    expect(offers.recall(callOf({ bound: '0.011' }))).toBeUndefined()
    expect(offers.recall(callOf({ id: 'p0' }))).toBeDefined()
  })
})
