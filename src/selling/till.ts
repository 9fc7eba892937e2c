/** The contract of a till: one family of payments, how it asks, reads what it is given, and collects. */
import type { AssetRow } from '../chain/networks.ts'
import type { RouteplaneError } from '../errors.ts'
import type { CancelSignal } from '../lib/cancel.ts'
import type { SalePayment, SaleRow } from '../ledger/sale.ts'
import type { Atomic, Usd } from '../money.ts'
import type { Charging } from './settlement-matrix.ts'

/** A request with the price it is offered at. */
export type Quote = {
  /** Of route and body; see `digestOf`. */
  readonly digest: string
  /** The URL that was asked. */
  readonly resource: string
  readonly model: string
  readonly priceUsd: Usd
  /** Of an answer that is a stream of events. */
  readonly pace?: Pace
}

/** How fast a stream uses up its price, as far as one can tell beforehand. */
export type Pace = {
  /** What it begins with: what was sent, and one token. */
  readonly firstUsd: Usd
  readonly perEventUsd: Usd
}

/** What a till adds to the one 402 that all of them share. */
export type Ask = {
  readonly headers: Readonly<Record<string, string | readonly string[]>>
  readonly body: Readonly<Record<string, unknown>>
}

/** One way to pay a price, for who wants to know it before he asks. */
export type WayToPay = {
  readonly protocol: 'x402' | 'mpp'
  readonly scheme: string
  readonly charging: Charging
  readonly asset: AssetRow
}

export type RequestHeaders = Readonly<Record<string, string | readonly string[] | undefined>>

export type Till = {
  readonly id: string
  /** The ways that the config names; asks nobody, and is no promise that they are open now. */
  readonly ways: readonly WayToPay[]
  /** Those that are open now. @throws RouteplaneError `facilitator_unavailable`. */
  openWays(): Promise<readonly WayToPay[]>
  /** @throws RouteplaneError `facilitator_unavailable` when it cannot be paid here at the moment. */
  ask(quote: Quote, reason: string, failed?: Tender): Promise<Ask>
  /**
   * Reads a credential; `undefined` when the request carries none of this till's. Nothing is believed yet.
   *
   * @throws RouteplaneError `invalid_payment` when it cannot be read, `payment_required` when it fits nothing that is offered.
   */
  read(headers: RequestHeaders): Promise<Tender | undefined>
  /** Takes up a payment that the ledger holds; `undefined` when it is not one of this till's. */
  revive(sale: SaleRow): Promise<Tender | undefined>
  /** What tells the client of a sale that was settled before; `undefined` for another till's. */
  receipt(sale: SaleRow): Readonly<Record<string, string>> | undefined
  /** Brings home what has been earned and does not lie with the payee yet, where nobody has bought for so many milliseconds. @returns how many payers it came from. */
  payOut?(idleMs: number): Promise<number>
  /**
   * Brings home what payers are taking back of what has been earned, while they cannot have it yet, and sells nothing more on what
   * a reorganisation has taken back. @returns from how many payers it has brought something.
   */
  watch?(): Promise<number>
  /**
   * Takes what a payer sends beside his requests, such as a voucher for one that is being answered.
   *
   * @param resource - The URL that was asked.
   * @returns the headers that say so; `undefined` when there is nothing of the kind.
   * @throws RouteplaneError `invalid_payment`, `payment_required` with the way to pay, `channel_closed`, `payment_in_progress`.
   */
  tend?(headers: RequestHeaders, resource: string): Promise<Readonly<Record<string, string>> | undefined>
}

/** One payment as it was handed over. */
export type Tender = {
  readonly payment: SalePayment
  readonly charging: Charging
  /** Base units that its payer's balance loses to a channel when it is collected; absent where the channel is filled already. */
  readonly deposit?: Atomic
  /** Seconds for which `verify` reserves what it is taken out of: later somebody else may have that. */
  readonly heldSeconds?: number
  /** Whether `verify` changes nothing, neither here nor on chain: then it comes before the payment is claimed. */
  readonly isJudgedFreely?: true
  /** Whether a 402 tells its payer what he has to know for a payment that fits. */
  readonly isCorrected?: true
  /**
   * What only its payer can show with it: once it is settled, anybody reads the rest of it off the chain. Spellings make no
   * difference.
   */
  readonly proof: string
  /** All that is needed to collect it after a crash, as text; secret, for it is money. */
  readonly credential: string
  /** Why the payment does not fit the quote; `undefined` when it does. Asked only of payments that are not in the ledger. */
  mismatch(quote: Quote): string | undefined
  /**
   * Judges as much of it as changes nothing, where `verify` changes something. Absent where a payment cannot be named but by who
   * was given the challenge that it answers.
   *
   * @throws RouteplaneError `facilitator_unavailable` when nobody can tell.
   */
  judge?(): Promise<Verdict>
  /** Frees what a process that died had reserved for the very same payment; to be called by who has claimed it. */
  takeOver?(): Promise<void>
  /** @throws RouteplaneError `facilitator_unavailable` when nobody can tell. */
  verify(): Promise<Verdict>
  /** Of a payment that is promised piece by piece: gives a stream of events on, with events for the payer between them. */
  pace?(pace: Pace): Through
  /** What its payer has of the token at the moment, in base units. */
  balance(): Promise<Atomic>
  /** Collects; never throws. The same payment may be collected again and again: it moves once. */
  collect(amount: Atomic): Promise<Settlement>
  /**
   * Says whether its settlement still lies on the chain, where a single one does. A node that lags may not see it: what it is
   * collected again for then, the chain has taken already.
   *
   * @throws RouteplaneError when the node does not answer.
   */
  stands?(): Promise<Standing>
  /** Hears that its settlement stands in the books: nobody collects it again. */
  booked?(): void
  /** Lets go of what `verify` has reserved, when nothing is to be collected. Never throws. */
  cancel(): Promise<void>
}

/** `safe`: nothing takes it back any more; `gone`: there is no such settlement, and it may have to be made again. */
export type Standing = 'safe' | 'unsafe' | 'gone'

/** `isGone`: what it was to be taken out of is over, and the payer has to begin anew. */
export type Verdict = { readonly valid: true } | { readonly valid: false; readonly reason: string; readonly isGone?: boolean }

/** Ends when the signal says that its reader has left. */
export type Through = (events: AsyncIterable<string | Uint8Array>, signal: CancelSignal) => AsyncIterable<string | Uint8Array>

/**
 * - `settled`: `headers` say so to the client.
 * - `refused`: nothing moved and nothing ever will.
 * - `unknown`: it may or may not have moved; the payer must not be asked anew.
 */
export type Settlement =
  | {
      readonly state: 'settled'
      readonly amount: Atomic
      readonly transaction?: string
      readonly headers: Readonly<Record<string, string>>
    }
  | { readonly state: 'refused'; readonly reason: string }
  | { readonly state: 'unknown'; readonly reason: string; readonly error?: RouteplaneError }

/** Takes up a payment that the ledger holds, by whichever till it is of. */
export async function revive(tills: readonly Till[], sale: SaleRow): Promise<Tender | undefined> {
  for (const till of tills) {
    const tender = await till.revive(sale)
    if (tender !== undefined) return tender
  }
  return undefined
}
