/** The rows of the ledger: one payment attempt with its state, and one request with what it came to. */
import type { Usage } from '../completion/usage.ts'
import type { Atomic, Usd } from '../money.ts'
import type { Finality } from './ledger.ts'

/**
 * The life of an attempt:
 *
 *     held ──► intent ──► settled ──► unknown (a reorganisation took it back)
 *       │         ├─────► unknown ──► settled | released
 *       ├─────────┴─────► released
 *       └──► owed
 *
 * From `intent` on a signature may exist, and it is money until it expires or the chain shows its nonce unused past
 * its validity: only then may it be `released`. `owed` is a debt that an invoice will ask for: nothing was signed.
 */
export type AttemptState = 'held' | 'intent' | 'unknown' | 'settled' | 'owed' | 'released'

export type AttemptRow = {
  readonly id: string
  readonly requestId: string
  readonly provider: string
  readonly model: string
  readonly mode: string
  /** Whose budget it counts against: a key's id, or `local`. */
  readonly caller?: string
  readonly preset?: string
  /** Of the words of the call, where its client says when it tries again. */
  readonly fingerprint?: string
  readonly state: AttemptState
  /** Reserved while open: the hold, then the amount that was signed. */
  readonly heldUsd: Usd
  readonly reason?: string
  /** Which process made it, so that another can tell whether it still lives. */
  readonly owner: string
  readonly payment?: AttemptPayment
  /** What the provider will invoice; present exactly when the state is `owed`. */
  readonly owedUsd?: Usd
  readonly createdAt: number
  readonly updatedAt: number
}

/** What is known of a payment before it is signed, besides its amount, which may be renewed. */
export type AgreedPayment = {
  readonly protocol: 'x402-1' | 'x402-2' | 'mpp'
  readonly scheme: string
  readonly network: string
  /** Addresses and transactions as the network writes them. */
  readonly asset: string
  readonly decimals: number
  readonly payer: string
  readonly payee: string
  readonly nonce: `0x${string}`
  readonly validBeforeSeconds: bigint
  /** Which proof ends it: a kind of `payment/proof`. */
  readonly proof: string
  /** What else its scheme must know to sign again or to find the outcome; never a signature. */
  readonly particulars?: Readonly<Record<string, string>>
  readonly resource: string
  readonly bodyDigest: string
}

export type AttemptPayment = AgreedPayment & {
  readonly amountAuthorized: Atomic
  readonly amountSettled?: Atomic
  readonly settledUsd?: Usd
  readonly transaction?: string
  readonly blockNumber?: bigint
  readonly logIndex?: number
  readonly finality?: Finality
}

export type RequestRow = {
  readonly id: string
  readonly caller: string
  readonly protocol: string
  readonly requestedModel: string
  readonly provider?: string
  readonly model?: string
  readonly mode?: string
  readonly status: number
  readonly errorCode?: string
  readonly usage?: Usage
  readonly costUsd?: Usd
  readonly ttftMs?: number
  readonly totalMs: number
  readonly attempts: number
  readonly startedAt: number
  /** Why it went where it went, as JSON text of a bounded length. */
  readonly decision?: string
}
