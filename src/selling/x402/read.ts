/** Reads what a client of x402 signed, of either version, into the payment that the ledger knows. */
import type { PaymentPayload, PaymentRequirements } from '@x402/core/types'
import { chainIdOf, findAsset, findNetworkByV1Name } from '../../chain/networks.ts'
import { RouteplaneError } from '../../errors.ts'
import { isRecord, parseJson } from '../../lib/json.ts'
import type { Atomic } from '../../money.ts'
import type { SalePayment } from '../../ledger/sale.ts'

/** An x402 v1 credential: it names its scheme and network, and not the offer that it takes. */
export type PayloadV1 = {
  readonly x402Version: 1
  readonly scheme: string
  readonly network: string
  readonly payload: Record<string, unknown>
}

/** What the header holds, of whichever version. */
export type Presented = { readonly version: 2; readonly payload: PaymentPayload } | { readonly version: 1; readonly payload: PayloadV1 }

/** Longer than any credential there is (3 KB with extensions), and no more than a header should be. */
const MAX_HEADER = 8_192
const BASE64 = /^[A-Za-z0-9+/_-]+={0,2}$/

/** @throws {@link RouteplaneError} `invalid_payment` for anything but base64 of such a credential. */
export function readPresented<Version extends 1 | 2>(header: string, version: Version): Extract<Presented, { version: Version }> {
  const name = version === 2 ? 'PAYMENT-SIGNATURE' : 'X-PAYMENT'
  if (header.length > MAX_HEADER) throw invalid(`${name} is longer than ${MAX_HEADER} characters`)
  if (!BASE64.test(header)) throw invalid(`${name} is not base64`)
  let value: unknown
  try {
    value = parseJson(Buffer.from(header, 'base64').toString('utf8'))
  } catch {
    throw invalid(`${name} is not base64 of JSON`)
  }
  if (!isRecord(value) || value['x402Version'] !== version || !isRecord(value['payload']))
    throw invalid(`${name} is not an x402 v${version} payload`)
  if (version === 2) {
    if (!isOffer(value['accepted'])) throw invalid(`${name} names no offer it accepts`)
  } else if (typeof value['scheme'] !== 'string' || typeof value['network'] !== 'string') {
    throw invalid(`${name} names no scheme and network`)
  }
  return { version, payload: value } as unknown as Extract<Presented, { version: Version }>
}

function isOffer(value: unknown): value is PaymentRequirements {
  if (!isRecord(value)) return false
  // Optional in the protocol, and there may be null in its place; whether it is the one of our offer is for its code to say.
  const extra = value['extra'] ?? undefined
  if (extra !== undefined && !isRecord(extra)) return false
  const texts = ['scheme', 'network', 'asset', 'payTo'].every((name) => typeof value[name] === 'string')
  return texts && isInteger(value['amount']) && typeof value['maxTimeoutSeconds'] === 'number'
}

/** The parts of a payment that its scheme's own signature says. */
export type Signed = Pick<SalePayment, 'payer' | 'nonce' | 'validBeforeSeconds'> & {
  readonly amount: Atomic
  /** What is put into a channel with it, in base units. */
  readonly deposit?: Atomic
}

/** Where a payment was made; v1 names networks shortly. @throws {@link RouteplaneError} `payment_required`. */
export function placeOf(
  { payload, version }: Presented,
  asset: string | undefined,
): Pick<SalePayment, 'network' | 'asset' | 'decimals' | 'scheme'> {
  const scheme = version === 2 ? payload.accepted.scheme : payload.scheme
  const network = version === 2 ? payload.accepted.network : findNetworkByV1Name(payload.network)?.network
  if (network === undefined) throw unfit('the payment is on a network that is not known here')
  try {
    chainIdOf(network)
  } catch {
    throw unfit('the payment is on a network that is not known here')
  }
  const row = findAsset(network, version === 2 ? payload.accepted.asset : (asset ?? ''))
  if (row === undefined) throw unfit('the payment is in a token that is not known here')
  return { scheme, network, asset: row.address, decimals: row.decimals }
}

/** Of the decoded credential, never of the header: one byte of another case would buy twice. */
export function keyOf(network: string, asset: string, payer: string, nonce: string): string {
  return ['x402', network, asset, payer, nonce].join(' ').toLowerCase()
}

const ADDRESS = /^0x[0-9a-fA-F]{40}$/
const BYTES32 = /^0x[0-9a-fA-F]{64}$/
const HEX = /^0x(?:[0-9a-fA-F]{2}){1,2048}$/
const INTEGER = /^(?:0|[1-9]\d{0,77})$/
/** No contract takes more than 256 bits. */
const MOST = 1n << 256n

/** Whether a value is an amount of base units as both protocols write it: digits, and no more than 78 of them. */
export function isInteger(value: unknown): value is string {
  return typeof value === 'string' && INTEGER.test(value)
}

/** Reads members of a signature's own record strictly. @throws {@link RouteplaneError} `invalid_payment` that names the member. */
export const member = {
  address: (from: Record<string, unknown>, name: string) => matching(from, name, ADDRESS),
  bytes32: (from: Record<string, unknown>, name: string) => matching(from, name, BYTES32),
  hex: (from: Record<string, unknown>, name: string) => matching(from, name, HEX),
  integer: (from: Record<string, unknown>, name: string) => {
    const value = BigInt(matching(from, name, INTEGER))
    if (value >= MOST) throw invalid(`${name} of the payment is malformed`)
    return value
  },
  record: (from: Record<string, unknown>, name: string): Record<string, unknown> => {
    const value = from[name]
    if (!isRecord(value)) throw invalid(`${name} is missing in the payment`)
    return value
  },
}

function matching(from: Record<string, unknown>, name: string, pattern: RegExp): string {
  const value = from[name]
  if (typeof value !== 'string' || !pattern.test(value)) throw invalid(`${name} of the payment is malformed`)
  return value
}

/** A credential that can be read and fits nothing that is offered: its sender is asked anew. */
export function unfit(reason: string): RouteplaneError {
  return new RouteplaneError('payment_required', reason)
}

export function invalid(message: string): RouteplaneError {
  return new RouteplaneError('invalid_payment', message, { hint: 'Ask without a payment to see what is asked for.' })
}
