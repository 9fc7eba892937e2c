/** The contract of a payment mode: whether it can pay an endpoint now, how a call is sent under it, how it ends. */
import type { WireId } from '../completion/request.ts'
import type { Usage } from '../completion/usage.ts'
import type { RouteplaneError } from '../errors.ts'
import type { CancelSignal } from '../lib/cancel.ts'
import type { HttpCall, HttpResponse } from '../lib/http-call.ts'
import type { Usd } from '../money.ts'
import type { Endpoint, PaymentModeName } from '../registry/endpoint.ts'

export type PaymentMode = {
  readonly id: PaymentModeName
  /** Whether this mode can pay this endpoint now; an ordinary no is a value with its reason. */
  offer(endpoint: Endpoint): Offer | Declined
  /** Holds, sends, and pays if asked. Everything it has reserved is closed when it throws, or stays with the payment. */
  send(call: PaidCall): Promise<PaidResponse>
}

export type Offer = {
  readonly available: true
  /** What paying this way adds to the price of a call (gas borne by us, a flat fee). */
  readonly overheadUsd: Usd
}
export type Declined = { readonly available: false; readonly reason: string }

/** One upstream call with all that a mode must know to pay for it. */
export type PaidCall = {
  readonly requestId: string
  readonly attemptId: string
  /** Whose budget it counts against, besides everybody's. */
  readonly caller: string
  readonly preset?: string
  /** Of the caller's own words; absent where his client does not say when it tries again. */
  readonly fingerprint?: () => string
  readonly endpoint: Endpoint
  readonly http: HttpCall
  /** The wire the call is written in, which says how a key is shown. */
  readonly wire: WireId
  /** The most the call can cost by the endpoint's own price list; `undefined` when the list does not say. */
  readonly boundUsd: Usd | undefined
  /** The cap of the whole request, or the provider's own if that is lower. */
  readonly capUsd: Usd
  /** Seconds the whole answer may take, by our own estimate: an authorization must not die before it. */
  readonly answerSeconds: number
  readonly onUnknown: 'wait' | 'fail' | 'allow_double'
  /** Whether another endpoint is tried when this one fails and no money has left. */
  readonly hasNext: boolean
  readonly signal: CancelSignal
  /** Sends one HTTP call with the gateway's timeouts. */
  readonly transport: (call: HttpCall) => Promise<HttpResponse>
  readonly onProgress?: (step: PaymentStep) => void
}

/** Shown to whoever watches: an agent's progress line, the demo's story. */
export type PaymentStep =
  | { readonly step: 'held'; readonly amountUsd: Usd }
  | { readonly step: 'challenged'; readonly amountUsd: Usd; readonly network: string }
  | { readonly step: 'signed'; readonly amountUsd: Usd; readonly payee: string }
  | { readonly step: 'accepted' }

export type PaidResponse = {
  readonly response: HttpResponse
  readonly payment: Payment
}

/** A call that has been sent under a mode and must be closed exactly once. */
export type Payment = {
  readonly mode: PaymentModeName
  /** Present when money may have moved; the id of its receipt. */
  readonly receiptId?: string
  /** What is known to be paid before the answer is read. */
  readonly paidUsd?: Usd
  /** Raises an error to what has happened to the money so far. */
  blame(error: RouteplaneError): RouteplaneError
  /** Never throws: what cannot be settled now stays open in the ledger and is resolved by the sweeper. */
  close(outcome: PaymentOutcome): Promise<void>
}

export type PaymentOutcome = { readonly delivered: boolean; readonly usage: Usage | undefined; readonly costUsd: Usd | undefined }
