/** Challenges of the Machine Payments Protocol: what the official package writes is read, and nothing else breaks us. */
import fc from 'fast-check'
import { Challenge, Credential, Receipt } from 'mppx'
import { describe, expect, it } from 'vitest'
import { RouteplaneError } from '../../../../src/errors.ts'
import type { HttpHeaders } from '../../../../src/lib/http-call.ts'
import { mpp } from '../../../../src/payment/challenge/mpp.ts'

const PAYEE = '0x209693Bc6afc0C5328bA36FaF03C514EF312287C'
const USDC = '0x036CbD53842c5426634e7929541eC2318f3dCF7e'
const SECRET = 'a secret of thirty-two characters'
const request = {
  amount: '1000',
  currency: USDC,
  recipient: PAYEE,
  methodDetails: { chainId: 84532, credentialTypes: ['authorization'], decimals: 6 },
}

function challengeOf(changes: Partial<Parameters<typeof Challenge.from>[0]> = {}): Challenge.Challenge {
  const fixed = { realm: 'seller.example', method: 'evm', intent: 'charge', request, expires: '2030-01-01T00:00:00.000Z' }
  return Challenge.from({ ...fixed, ...changes, secretKey: SECRET } as Parameters<typeof Challenge.from>[0])
}

const headerOf = (changes?: Parameters<typeof challengeOf>[0]) => Challenge.serialize(challengeOf(changes))
const read = (...lines: string[]) => mpp.read({ headers: { 'www-authenticate': lines } }, '')
const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

describe('read', () => {
  it('gives the terms that the official package offers', () => {
    expect(read(headerOf())?.terms).toMatchObject([
      {
        ...{ format: 'mpp', scheme: 'evm/charge', network: 'eip155:84532', asset: USDC, amount: '1000', payTo: PAYEE },
        ...{ transferMethod: 'eip3009', decimals: 6, expiresAt: Date.parse('2030-01-01T00:00:00Z') },
      },
    ])
  })

  it('finds every challenge, in one header or in several, beside other schemes', () => {
    const tempo = headerOf({ method: 'tempo', request: { ...request, methodDetails: { chainId: 42431 } } })
    const schemes = (...lines: string[]) => read(...lines)?.terms.map(({ scheme, network }) => `${scheme} ${network}`)
    const both = ['evm/charge eip155:84532', 'tempo/charge eip155:42431']
    expect(schemes(headerOf(), tempo)).toEqual(both)
    expect(schemes(`${headerOf()}, ${tempo}`)).toEqual(both)
    expect(schemes('Bearer realm="x"', `Basic realm="y", ${headerOf()}, Negotiate`, `DPoP, ${tempo}`)).toEqual(both)
    expect(mpp.read({ headers: { 'www-authenticate': headerOf() } }, '')?.terms).toHaveLength(1)
  })

  it.each<[string, HttpHeaders]>([
    ['no header', {}],
    ['other schemes alone', { 'www-authenticate': ['Bearer realm="api"', 'Basic realm="payments"'] }],
    ['other schemes that are broken', { 'www-authenticate': 'Bearer realm="' }],
    ['a scheme with a longer name', { 'www-authenticate': 'Payments id="a"' }],
    ['our scheme in quoted text only', { 'www-authenticate': 'Bearer realm="a Payment b"' }],
  ])('is none of ours: %s', (_, headers) => {
    expect(mpp.read({ headers }, '')).toBeUndefined()
  })

  it('lets a method through that nobody here knows, for the judge to name', () => {
    const header = headerOf({ method: 'stripe', request: { amount: '100', currency: 'usd' } })
    expect(read(header)?.terms).toMatchObject([{ scheme: 'stripe/charge', network: '', asset: 'usd', payTo: '' }])
  })

  it.each<[string, string]>([
    ['no request', 'Payment id="a", realm="b", method="evm", intent="charge"'],
    ['an empty id', `Payment id="", realm="b", method="evm", intent="charge", request="${encode(request)}"`],
    ['no parameters at all', 'Payment'],
    ['a request that is not base64url', 'Payment id="a", realm="b", method="evm", intent="charge", request="e30="'],
    [
      'a request that is not JSON',
      `Payment id="a", realm="b", method="evm", intent="charge", request="${Buffer.from('{').toString('base64url')}"`,
    ],
    ['a request that is a list', `Payment id="a", realm="b", method="evm", intent="charge", request="${encode([])}"`],
    [
      'a request nested too deep',
      `Payment id="a", realm="b", method="evm", intent="charge", request="${Buffer.from('{"a":'.repeat(40) + '1' + '}'.repeat(40)).toString('base64url')}"`,
    ],
    ['a realm twice', headerOf().replace('realm=', 'realm="other", realm=')],
    ['an end that is no time', headerOf().replace('2030-01-01T00:00:00.000Z', 'tomorrow')],
    ['an end in the thirteenth month', headerOf().replace('2030-01-01', '2030-13-01')],
    ['a header of its own choice', `${headerOf()}, header="Host"`],
    ['a digest of another kind', `${headerOf()}, digest="md5=AAAA"`],
    ['nine ways to pay', Array.from({ length: 9 }, () => headerOf()).join(', ')],
    ['seventeen kilobytes', `${headerOf()}, description="${'x'.repeat(17_000)}"`],
    ['a quotation without an end', headerOf().slice(0, -1)],
  ])('refuses %s', (_, header) => {
    expect(() => read(header)).toThrow(expect.objectContaining({ code: 'bad_challenge', money: 'untouched' }))
  })

  it('answers any challenge whatever, or refuses it in our own words', () => {
    const parameter = fc.tuple(
      fc.constantFrom('id', 'realm', 'method', 'intent', 'request', 'expires', 'digest', 'header'),
      fc.oneof(
        fc.string(),
        fc.json().map((text) => Buffer.from(text).toString('base64url')),
      ),
    )
    const line = fc
      .array(parameter, { maxLength: 9 })
      .map((own) => `Payment ${own.map(([name, value]) => `${name}="${value}"`).join(', ')}`)
    fc.assert(
      fc.property(fc.array(fc.oneof(line, fc.string()), { maxLength: 3 }), (lines) => {
        try {
          for (const terms of read(...lines)?.terms ?? []) expect(typeof terms.amount).toBe('string')
        } catch (error) {
          expect(error).toBeInstanceOf(RouteplaneError)
        }
      }),
      { numRuns: 500 },
    )
  })
})

describe('attach', () => {
  it('writes a credential that the official package reads, with the challenge as it came', () => {
    const opaque = challengeOf({ meta: { order: '7' }, description: 'a "chat"' })
    const challenge = read(Challenge.serialize(opaque))
    const [terms] = challenge?.terms ?? []
    if (terms === undefined || challenge === undefined) throw new Error('there are no terms')
    const headers = mpp.attach({ payload: { some: 'payload' }, source: 'did:pkh:eip155:1:0x00' }, terms, challenge)
    const credential = Credential.deserialize(headers['Authorization'] ?? '')
    expect(credential.payload).toEqual({ some: 'payload' })
    expect(Challenge.verify(credential.challenge, { secretKey: SECRET })).toBe(true)
  })

  it('leaves Authorization alone when the seller asks for the payment elsewhere', () => {
    const challenge = read(headerOf({ header: 'Payment-Authorization' } as never))
    const [terms] = challenge?.terms ?? []
    if (terms === undefined || challenge === undefined) throw new Error('there are no terms')
    expect(Object.keys(mpp.attach({ payload: {}, source: '' }, terms, challenge))).toEqual(['Payment-Authorization'])
  })
})

describe('readClaim', () => {
  const transaction = `0x${'ab'.repeat(32)}`
  const receipt = { method: 'evm', status: 'success', timestamp: '2026-01-01T00:00:00Z' } as const

  it('reads the receipt of the official package', () => {
    const header = Receipt.serialize({ ...receipt, reference: transaction })
    expect(mpp.readClaim({ headers: { 'payment-receipt': header } })).toEqual({ success: true, transaction })
    const proof = Receipt.serialize({ ...receipt, reference: 'order 7' })
    expect(mpp.readClaim({ headers: { 'payment-receipt': proof } })).toEqual({ success: true })
  })

  it.each([
    ['nothing', undefined, undefined],
    ['text', 'soup%', 'invalid'],
    ['a failure', encode({ ...receipt, status: 'failed' }), 'invalid'],
  ])('of %s', (_, header, expected) => {
    expect(mpp.readClaim({ headers: header === undefined ? {} : { 'payment-receipt': header } })).toBe(expected)
  })
})
