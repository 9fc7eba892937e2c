/** One paid request from its claim to its answer: whoever brings the same payment again gets the same sale. */
import { createHash } from 'node:crypto'
import type { PaymentPayload, PaymentRequirements, VerifyResponse } from '@x402/core/types'
import type { SalePayment } from '../ledger/sale.ts'
import type { Clock } from '../lib/clock.ts'
import { keyOf } from '../selling/x402/read.ts'
import { exact } from '../selling/x402/scheme/exact.ts'
import type { Seller } from './seller.ts'
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
  claim(payment: SalePayment, open: () => Sale): Sale
  /** Forgets a sale whose payment did not verify, and never one that was opened in its place since. */
  drop(payment: SalePayment, sale: Sale): void
}

/** Keeps sales until their payment is dead on the chain: after that a copy is refused by the token itself. */
export function createSaleBook(clock: Clock): SaleBook {
  const sales = new Map<string, Sale>()
  return {
    claim(payment, open) {
      const key = payment.key
      const held = sales.get(key)
      if (held !== undefined) return held
      if (sales.size >= FORGET_ABOVE) forgetDead(sales, BigInt(Math.floor(clock.now() / 1000)))
      const sale = open()
      sales.set(key, sale)
      return sale
    },
    drop(payment, sale) {
      if (sales.get(payment.key) === sale) sales.delete(payment.key)
    },
  }
}

const FORGET_ABOVE = 1_000
const GRACE_SECONDS = 600n

function forgetDead(sales: Map<string, Sale>, nowSeconds: bigint): void {
  for (const [key, sale] of sales) if (sale.validBeforeSeconds + GRACE_SECONDS < nowSeconds) sales.delete(key)
}

/** Digest of what a payment is bound to. */
export function digestOf(path: string, body: Uint8Array): string {
  return createHash('sha256').update(`POST ${path}\n`).update(body).digest('hex')
}

/** Reads the EIP-3009 authorization of a payload that was matched to our requirements. @throws RouteplaneError `invalid_payment`. */
export function readSigned(
  payload: PaymentPayload,
  requirements: PaymentRequirements,
  { asset, payTo }: Pick<Seller, 'asset' | 'payTo'>,
): SignedPayment {
  const { payer, nonce, amount, validBeforeSeconds } = exact.read(payload.payload)
  const { network, address, decimals } = asset
  const about = { protocol: 'x402-2' as const, scheme: exact.id, network, asset: address, decimals, payee: payTo }
  // Of the decoded credential, never of the header: one byte of another case would buy twice.
  const key = keyOf(network, address, payer, nonce)
  return { payload, requirements, payment: { ...about, key, payer, nonce, amountOffered: amount, validBeforeSeconds } }
}
