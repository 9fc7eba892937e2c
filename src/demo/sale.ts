/** One paid request from its claim to its answer: whoever brings the same payment again gets the same sale. */
import { createHash } from 'node:crypto'
import { decodePaymentSignatureHeader } from '@x402/core/http'
import type { PaymentPayload, PaymentRequirements, VerifyResponse } from '@x402/core/types'
import { RouteplaneError } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'
import { isRecord } from '../lib/json.ts'
import type { SignedPayment, Settler } from './settlement.ts'

export type Sale = {
  /** Of the request that was paid for: a payment buys this one and no other. */
  readonly digest: string
  readonly validBeforeSeconds: bigint
  /** Unix time of the claim, the same in every copy of the answer. */
  readonly createdSeconds: number
  /** The facilitator's word on the signature; rejects when it cannot be asked. */
  readonly verdict: Promise<VerifyResponse>
  readonly settler: Settler
  /** The answer's tokens; begun once, at the first call after the verdict. */
  answer(): AsyncIterable<string>
  /** Says `true` once: the faults of a delivery spare those who come again. */
  isFirstDelivery(): boolean
}

export type SaleBook = {
  /**
   * Gives the sale of a payment, or opens it. Nothing is awaited between looking and opening, so that of many copies
   * arriving together exactly one opens.
   */
  claim(payment: SignedPayment, open: () => Sale): Sale
  /** Forgets a sale whose payment did not verify, and never one that was opened in its place since. */
  drop(payment: SignedPayment, sale: Sale): void
}

/** Keeps sales until their payment is dead on the chain: after that a copy is refused by the token itself. */
export function createSaleBook(clock: Clock): SaleBook {
  const sales = new Map<string, Sale>()
  return {
    claim(payment, open) {
      const key = keyOf(payment)
      const held = sales.get(key)
      if (held !== undefined) return held
      if (sales.size >= FORGET_ABOVE) forgetDead(sales, BigInt(Math.floor(clock.now() / 1000)))
      const sale = open()
      sales.set(key, sale)
      return sale
    },
    drop(payment, sale) {
      if (sales.get(keyOf(payment)) === sale) sales.delete(keyOf(payment))
    },
  }
}

const FORGET_ABOVE = 1_000
const GRACE_SECONDS = 600n

function forgetDead(sales: Map<string, Sale>, nowSeconds: bigint): void {
  for (const [key, sale] of sales) if (sale.validBeforeSeconds + GRACE_SECONDS < nowSeconds) sales.delete(key)
}

/** Of the decoded credential, never of the header: one byte of another case would buy twice. */
function keyOf({ requirements, payer, nonce }: SignedPayment): string {
  return [requirements.network, requirements.asset, payer, nonce].join(' ').toLowerCase()
}

/** Digest of what a payment is bound to. */
export function digestOf(path: string, body: Uint8Array): string {
  return createHash('sha256').update(`POST ${path}\n`).update(body).digest('hex')
}

const ADDRESS = /^0x[0-9a-fA-F]{40}$/
const BYTES32 = /^0x[0-9a-fA-F]{64}$/
const SIGNATURE = /^0x(?:[0-9a-fA-F]{2}){65,}$/
const INTEGER = /^(?:0|[1-9]\d{0,77})$/

/**
 * Decodes a `PAYMENT-SIGNATURE` header.
 *
 * @throws {@link RouteplaneError} `invalid_request` when it is not an x402 v2 payload.
 * @see https://github.com/coinbase/x402/blob/main/specs/transports-v2/http.md, "Payment Payload Transmission"
 */
export function readPaymentHeader(header: string): PaymentPayload {
  let payload: unknown
  try {
    payload = decodePaymentSignatureHeader(header)
  } catch {
    throw malformed('PAYMENT-SIGNATURE is not base64 of JSON')
  }
  if (!isRecord(payload) || payload['x402Version'] !== 2 || !isRecord(payload['accepted']) || !isRecord(payload['payload'])) {
    throw malformed('PAYMENT-SIGNATURE is not an x402 v2 payload')
  }
  return payload as PaymentPayload
}

/** Reads the EIP-3009 authorization of a payload that was matched to our requirements. @throws {@link RouteplaneError} `invalid_request`. */
export function readAuthorization(payload: PaymentPayload, requirements: PaymentRequirements): SignedPayment {
  const { authorization, signature } = payload.payload
  if (!isRecord(authorization)) throw malformed('the payload has no EIP-3009 authorization')
  if (typeof signature !== 'string' || !SIGNATURE.test(signature)) throw malformed('the signature is malformed')
  const { from, nonce, value, validAfter, validBefore } = authorization
  if (typeof validAfter !== 'string' || !INTEGER.test(validAfter)) throw malformed('validAfter is malformed')
  if (typeof from !== 'string' || !ADDRESS.test(from)) throw malformed('from is malformed')
  if (typeof nonce !== 'string' || !BYTES32.test(nonce)) throw malformed('nonce is malformed')
  if (typeof value !== 'string' || !INTEGER.test(value)) throw malformed('value is malformed')
  if (typeof validBefore !== 'string' || !INTEGER.test(validBefore)) throw malformed('validBefore is malformed')
  return {
    payload,
    requirements,
    payer: from as `0x${string}`,
    nonce: nonce as `0x${string}`,
    amount: BigInt(value),
    validBeforeSeconds: BigInt(validBefore),
  }
}

function malformed(message: string): RouteplaneError {
  return new RouteplaneError('invalid_request', message)
}
