/** The rows of what is sold: one payment of a caller, what it buys, and how far its settlement has come. */
import type { Atomic, Usd } from '../money.ts'
import type { KeptAnswer } from './ledger.ts'

/**
 * The life of a sale:
 *
 *     claimed ──► due ──► settled ──► unknown, once more
 *        │         ├────► unknown ──► settled | refused
 *        │         └────► refused
 *        └──► void
 *
 * `claimed` owes nothing yet; `due` has begun to be answered; `void` has cost its payer nothing, and the same payment begins a
 * new sale; `refused` can never be collected any more. A settlement whose block is not safe may be taken back, see `reopen`.
 */
export type SaleState = 'claimed' | 'due' | 'unknown' | 'settled' | 'refused' | 'void'

/** Where a sale may go from each state; a state that leads nowhere is the end of it. */
export const saleMoves = {
  claimed: ['due', 'void'],
  due: ['settled', 'unknown', 'refused'],
  unknown: ['settled', 'refused'],
  void: [],
  settled: [],
  refused: [],
} as const satisfies Record<SaleState, readonly SaleState[]>

export const saleStates = Object.keys(saleMoves) as readonly SaleState[]

/** What a payment says, as it was read off the wire; amounts are base units of the asset. */
export type SalePayment = {
  /** The payment and nothing else: of two spellings of one credential there is one key. */
  readonly key: string
  readonly protocol: 'x402-1' | 'x402-2' | 'mpp'
  readonly scheme: string
  readonly network: string
  readonly asset: string
  readonly decimals: number
  readonly payer: string
  readonly payee: string
  /** The most that may be collected. */
  readonly amountOffered: Atomic
  readonly nonce: string
  readonly validBeforeSeconds: bigint
}

export type SaleRow = SalePayment & {
  readonly id: string
  /** Of the request being answered; joins the sale to what was paid for it. */
  readonly requestId: string
  /** Of route and body: a payment buys this request and no other. */
  readonly digest: string
  readonly model: string
  readonly state: SaleState
  /** Whether its owner is answering it; means nothing once that process is dead. */
  readonly isBusy: boolean
  readonly owner: string
  /** How often its answer was begun. */
  readonly tries: number
  readonly priceUsd: Usd
  /** What is to be collected; known from `due` on. */
  readonly amountDue?: Atomic
  readonly amountSettled?: Atomic
  readonly settledUsd?: Usd
  readonly transaction?: string
  readonly reason?: string
  /** Whether a reorganisation may still take its settlement back. */
  readonly isUnsafe: boolean
  /** What a settlement needs, as the till wrote it; gone once nothing can be collected any more, or has to be again. */
  readonly credential?: string
  readonly createdAt: number
  readonly updatedAt: number
}

export type SaleClaim = SalePayment & {
  readonly id: string
  readonly requestId: string
  readonly digest: string
  readonly model: string
  readonly priceUsd: Usd
  readonly credential: string
  readonly now: number
}

export type SaleClaimed =
  /** It is ours to verify and to answer. */
  | { readonly kind: 'new'; readonly sale: SaleRow }
  /** Something is owed or paid already and there is no answer: it is ours to answer, and not to be charged again. */
  | { readonly kind: 'credit'; readonly sale: SaleRow }
  | { readonly kind: 'running'; readonly sale: SaleRow }
  /** The payment was made for another request. */
  | { readonly kind: 'conflict'; readonly sale: SaleRow }
  | { readonly kind: 'kept'; readonly sale: SaleRow; readonly answer: KeptAnswer }

export type SaleEnding =
  | {
      readonly state: 'settled'
      readonly amount: Atomic
      readonly amountUsd: Usd
      readonly transaction?: string
      /** Its block may still be taken back: what collects it again is kept until `secure` or `reopen`. */
      readonly isUnsafe?: boolean
      readonly now: number
    }
  | { readonly state: 'unknown' | 'refused' | 'void'; readonly reason: string; readonly now: number }

export type SaleFilter = {
  readonly states?: readonly SaleState[]
  readonly requestId?: string
  readonly limit?: number
  /** Ids strictly before this one, newest first. */
  readonly before?: string
}

/** Every change is one durable transaction, as in the rest of the ledger. @throws RouteplaneError `store_unavailable`. */
export type SaleStore = {
  /**
   * Claims a payment for one request. Of many copies, in however many processes, exactly one is told `new` or `credit`. A crash of
   * the machine may lose a claim until something is owed for it.
   */
  claim(claim: SaleClaim): Promise<SaleClaimed>
  /**
   * Says what will be collected: from here on a dead process's successor collects it. Said again, it is the same.
   *
   * @param isLoose - Whether a crash of the machine may still lose it: then nothing may be collected before it is said again.
   * @param answer - What was delivered for it, for who has to fetch it from a successor; larger ones than `MAX_KEPT_BYTES` are not kept.
   */
  owe(id: string, amount: Atomic, now: number, isLoose?: boolean, answer?: KeptAnswer): Promise<void>
  /** Moves a sale; a move that is not in the diagram throws `internal`. Repeating a move is a no-op. */
  end(id: string, ending: SaleEnding): Promise<void>
  /** The sales whose settlement may still be taken back, oldest first. */
  unsafe(limit: number): Promise<readonly SaleRow[]>
  /** Says that nothing takes the settlements of these sales back any more. */
  secure(ids: readonly string[]): Promise<void>
  /** Says that its settlement was taken back: it is `unknown` and owed as before. A sale of which that cannot be is left as it is. */
  reopen(id: string, reason: string, now: number): Promise<void>
  /**
   * Ends the work on the answer, and keeps it when there is one. Larger ones than `MAX_KEPT_BYTES` are not kept. `owed` leaves the one
   * that was kept when it was owed for.
   */
  release(id: string, answer: KeptAnswer | 'owed' | undefined, now: number): Promise<void>
  /** Forgets a claim whose payment turned out to be none. @throws RouteplaneError `internal` for a sale that owes something. */
  forget(id: string): Promise<void>
  get(id: string): Promise<SaleRow | undefined>
  byKey(key: string): Promise<SaleRow | undefined>
  list(filter: SaleFilter): Promise<readonly SaleRow[]>
  /** The sales of a payment's payer in its token that may still be collected, of those claimed before the sale `id` where there is one. */
  openBefore(payment: SalePayment, id: string | undefined, now: number): Promise<readonly SaleRow[]>
  /** Whether a payment of the same payer in the same token could not be collected, at that time or later. */
  hasLost(payment: SalePayment, since: number): Promise<boolean>
  /** Sales that are due or unknown and nobody is at work on, oldest first. */
  uncollected(now: number): Promise<readonly SaleRow[]>
  readonly channels: SaleChannels
  readonly quotes: SaleQuotes
}

/** What the server of a channel scheme knows of each channel, as a text of its own. */
export type SaleChannels = {
  get(id: string): Promise<string | undefined>
  /** Those whose ids begin so, and that have not ended: of these there are more every day. */
  list(prefix: string): Promise<readonly string[]>
  /**
   * Changes one in a transaction of its own; `undefined` removes it. Nothing else comes between reading and writing.
   *
   * @param isLoose - Whether a crash of the machine may lose it: for what means nothing once this process is gone.
   */
  update(
    id: string,
    change: (current: string | undefined) => SaleChannel | undefined,
    isLoose?: boolean,
  ): Promise<{ readonly before: string | undefined; readonly after: string | undefined }>
}

/** @property hasEnded - Nothing will ever be taken out of it again. It follows from the text alone. */
export type SaleChannel = { readonly text: string; readonly hasEnded: boolean }

/** A price that was promised before it was asked for: for one request to the letter, or for a model within bounds of tokens. */
export type SaleQuote = {
  readonly id: string
  /** The model as the caller names it. */
  readonly model: string
  /** Of the request that it was made for; absent when it is for any that stays within the bounds. */
  readonly request?: string
  readonly maxInputTokens: number
  readonly maxOutputTokens: number | undefined
  readonly priceUsd: Usd
  readonly expiresAt: number
}

export type SaleQuotes = {
  /**
   * Writes a quote down, and forgets those that ended `keptMs` ago.
   *
   * @throws RouteplaneError `overloaded` while `most` quotes hold: what has been promised is not taken back for it.
   */
  add(quote: SaleQuote, now: number, limits: { readonly most: number; readonly keptMs: number }): Promise<void>
  /** The quotes of a model that still held at `since`, in the order they were made. */
  of(model: string, since: number): Promise<readonly SaleQuote[]>
}
