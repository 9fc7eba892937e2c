/** Challenges of the Machine Payments Protocol that bind themselves: the id is a code over their terms and their request. */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { randomBytesOf } from '../../lib/id.ts'
import { stableText } from '../../lib/stable-json.ts'
import type { Atomic } from '../../money.ts'

/** The parameters that come back in a credential, as they were sent. */
export type Echo = {
  /** The most that is taken for the request, a mark of its own, a code over both and the terms, and one over the request that is sold. */
  readonly id: string
  readonly realm: string
  readonly method: string
  readonly intent: string
  /** Base64url of JSON. */
  readonly request: string
  /** RFC 3339. */
  readonly expires: string
}

const MARK_BYTES = 9

/** What one method asks for one request. */
export type Wanted = {
  /** As the protocol names it: `evm/charge`. */
  readonly method: string
  /** The members of its request. */
  readonly request: Readonly<Record<string, unknown>>
  /** The most that is taken, in base units; what is asked first may be less. */
  readonly most: Atomic
}

/** @param digest - Of the request that is being sold: the payment buys this one and no other. */
export function writeChallenge(
  key: Uint8Array,
  { method: name, request, most }: Wanted,
  realm: string,
  digest: string,
  expiresAt: number,
): Echo {
  const [method = '', intent = ''] = name.split('/')
  // Members in the order of their names, as RFC 8785 wants them: clients write the request anew, and it must come out the same.
  const encoded = Buffer.from(stableText(request)).toString('base64url')
  const terms = { realm, method, intent, request: encoded, expires: new Date(expiresAt).toISOString() }
  // Two equal requests of one payer are two sales, though they be asked in the same millisecond.
  const mark = `${most}.${Buffer.from(randomBytesOf(MARK_BYTES)).toString('base64url')}`
  const code = codeOf(key, mark, terms)
  return { id: `${mark}.${code}.${boundTo(key, code, digest)}`, ...terms }
}

/** @see https://paymentauth.org (draft-httpauth-payment, section 5.1) */
export function challengeHeader(echo: Echo): string {
  return `Payment ${Object.entries(echo)
    .map(([name, value]) => `${name}="${value}"`)
    .join(', ')}`
}

/** The most that is taken on a challenge; whether it is one of ours is {@link challengeFault}'s to say. */
export function mostOf({ id }: Echo): Atomic | undefined {
  const digits = /^(\d{1,38})\./.exec(id)?.[1]
  return digits === undefined ? undefined : (BigInt(digits) as Atomic)
}

/** Says why a challenge that came back is not one of ours for this request; `undefined` when it is. */
export function challengeFault(key: Uint8Array, echo: Echo, digest: string, now: number): string | undefined {
  const [, , code = '', bound = ''] = echo.id.split('.')
  if (!isOurs(key, echo) || !isEqual(bound, boundTo(key, code, digest))) return 'the payment does not match a challenge for this request'
  return Date.parse(echo.expires) < now ? 'the challenge has expired' : undefined
}

/** Whether we have asked so at any time, for whichever request: enough for what only adds to a payment. */
export function isOurs(key: Uint8Array, { id, ...terms }: Echo): boolean {
  const [most = '', salt = '', code = '', bound, ...more] = id.split('.')
  return bound !== undefined && more.length === 0 && isEqual(code, codeOf(key, `${most}.${salt}`, terms))
}

function isEqual(given: string, expected: string): boolean {
  return given.length === expected.length && timingSafeEqual(Buffer.from(given), Buffer.from(expected))
}

function codeOf(key: Uint8Array, mark: string, { realm, method, intent, request, expires }: Omit<Echo, 'id'>): string {
  return createHmac('sha256', key)
    .update(JSON.stringify([mark, realm, method, intent, request, expires]))
    .digest('base64url')
}

function boundTo(key: Uint8Array, code: string, digest: string): string {
  return createHmac('sha256', key)
    .update(JSON.stringify([code, digest]))
    .digest('base64url')
}
