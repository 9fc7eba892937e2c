/** Challenges of the Machine Payments Protocol that bind themselves: the id is a code over their terms and their request. */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { chainIdOf, type AssetRow } from '../../chain/networks.ts'
import type { Atomic } from '../../money.ts'

/** The method and the intent we take: an EIP-3009 authorization of exactly the amount asked. */
export const METHOD = 'evm'
export const INTENT = 'charge'

/** The parameters that come back in a credential, as they were sent. */
export type Echo = {
  readonly id: string
  readonly realm: string
  readonly method: string
  readonly intent: string
  /** Base64url of JSON. */
  readonly request: string
  /** RFC 3339. */
  readonly expires: string
}

export type Wanted = { readonly asset: AssetRow; readonly amount: Atomic; readonly payTo: `0x${string}` }

/** Members in the order of their names, as RFC 8785 wants them: clients write the request anew, and it must come out the same. */
function requestOf({ asset, amount, payTo }: Wanted): string {
  const methodDetails = { chainId: chainIdOf(asset.network), credentialTypes: ['authorization'], decimals: asset.decimals }
  const request = { amount: amount.toString(), currency: asset.address, methodDetails, recipient: payTo }
  return Buffer.from(JSON.stringify(request)).toString('base64url')
}

/** @param digest - Of the request that is being sold: the payment buys this one and no other. */
export function writeChallenge(key: Uint8Array, wanted: Wanted, realm: string, digest: string, expiresAt: number): Echo {
  const terms = { realm, method: METHOD, intent: INTENT, request: requestOf(wanted), expires: new Date(expiresAt).toISOString() }
  return { id: codeOf(key, terms, digest), ...terms }
}

/** @see https://paymentauth.org (draft-httpauth-payment, section 5.1) */
export function challengeHeader(echo: Echo): string {
  return `Payment ${Object.entries(echo)
    .map(([name, value]) => `${name}="${value}"`)
    .join(', ')}`
}

/** Says why a challenge that came back is not one of ours for this request; `undefined` when it is. */
export function challengeFault(key: Uint8Array, { id, ...terms }: Echo, digest: string, now: number): string | undefined {
  const expected = Buffer.from(codeOf(key, terms, digest))
  const given = Buffer.from(id)
  if (given.length !== expected.length || !timingSafeEqual(given, expected))
    return 'the payment does not match a challenge for this request'
  return Date.parse(terms.expires) < now ? 'the challenge has expired' : undefined
}

function codeOf(key: Uint8Array, { realm, method, intent, request, expires }: Omit<Echo, 'id'>, digest: string): string {
  return createHmac('sha256', key)
    .update(JSON.stringify([digest, realm, method, intent, request, expires]))
    .digest('base64url')
}
