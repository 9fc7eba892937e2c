/** What a surface hands to the gateway, and what it gets back. */
import type { PartStream } from '../completion/part.ts'
import type { CompletionRequest } from '../completion/request.ts'
import type { Usage } from '../completion/usage.ts'
import type { CancelSignal } from '../lib/cancel.ts'
import type { HttpHeaders } from '../lib/http-call.ts'
import type { Usd } from '../money.ts'
import type { PaymentStep } from '../payment/mode.ts'
import type { Loss } from '../protocol/loss.ts'
import type { CallerRequest, ProtocolId, WireRequest } from '../protocol/protocol.ts'

/** Who asks, as the surface that he came by has told him from others. */
export type Caller = {
  /** Whom everything he leaves behind belongs to: `local`, or a key's id. */
  readonly id: string
  readonly isOperator: boolean
  /** Whether he pays for each call himself. */
  readonly pays: boolean
  /** Canonical ids of the models he may ask for; absent for all. */
  readonly models?: readonly string[]
}

/** One request, read but not yet routed. */
export type GatewayCall = {
  /** `req_…`; also in `x-routeplane-request-id`. */
  readonly id: string
  /** Who asks, for caps and idempotency: `local`, or a key's id. */
  readonly caller: string
  /** Canonical ids that the caller may ask for; absent for all of them. */
  readonly models?: readonly string[]
  readonly read: CallerRequest
  /** The wire to answer in; absent when the surface wants parts (MCP, the library). */
  readonly wire?: { readonly protocol: ProtocolId; readonly request: WireRequest }
  /** Decoded on demand: the native lane never needs it. */
  decode(): CompletionRequest
  readonly signal: CancelSignal
  /** How often its client says that it has sent the same request before, by itself; absent where it does not say. */
  readonly retry?: number
  /** What tells its words from others, where its client says how often it has sent them; made when it is asked for. */
  readonly fingerprint?: () => string
  readonly onProgress?: (progress: Progress) => void
  /** Asks a person before a call above the operator's threshold; a surface that cannot ask leaves it out. */
  readonly approve?: (ask: ApprovalQuestion) => Promise<ApprovalAnswer>
  /** Nobody is to be asked: what would need a yes is left out. Whoever pays for a call must not wait for one. */
  readonly asksNobody?: true
}

/** What a person has to know to say yes: who would be paid how for which model, and the most it can come to. */
export type ApprovalQuestion = {
  readonly model: string
  readonly provider: string
  readonly mode: string
  readonly amountUsd: Usd
  readonly thresholdUsd: Usd
}

/** `later`: the question is on its way, and the call will be made again with its answer. */
export type ApprovalAnswer = 'yes' | 'no' | 'later'

export type Progress =
  | { readonly step: 'attempt'; readonly provider: string; readonly model: string; readonly mode: string; readonly attempt: number }
  | PaymentStep

/** An answer that has begun: nothing else will be tried. */
export type Completion = {
  readonly head: CompletionHead
  readonly answer: NativeAnswer | PartsAnswer
  /** Resolves when the answer has been read to its end (or left) and everything about it is recorded. Never rejects. */
  readonly closed: Promise<CompletionSummary>
  /** What the caller pays for it; absent where he does not pay per call. */
  readonly sale?: SoldAs
}

/** An answer's sale, as far as it has come by now: of a stream the payment may be known only at its end. */
export type SoldAs = {
  readonly id: string
  /** Headers that prove the payment to its client; empty until it is collected. */
  receipt(): Readonly<Record<string, string>>
  /** What a stream of events has to be given out through, when it is paid for while it comes. */
  through?(events: AsyncIterable<string | Uint8Array>, left: CancelSignal): AsyncIterable<string | Uint8Array>
}

/** Known before the first byte. */
export type CompletionHead = {
  readonly requestId: string
  readonly provider: string
  /** The canonical id of the model that answers. */
  readonly model: string
  readonly attempts: number
  readonly mode: string
  readonly receiptId?: string
  readonly costUsd?: Usd
  /** What the translation to the provider's wire approximates or leaves out, by the caller's own paths; none on the native lane. */
  readonly losses: readonly Loss[]
  /** The kept answer of an earlier request with the same idempotency key; nothing was paid for it again. */
  readonly replayed?: boolean
  readonly warnings: readonly string[]
}

/** The upstream speaks the caller's wire: its bytes go through. */
export type NativeAnswer = {
  readonly lane: 'native'
  readonly status: number
  readonly headers: HttpHeaders
  /** A whole JSON body, or the stream as it comes. */
  readonly body: Uint8Array | AsyncIterable<Uint8Array>
}

export type PartsAnswer = {
  readonly lane: 'translate'
  readonly parts: PartStream
  /**
   * Whether the answer has been found to break the caller's own schema, however much of it could be sent. Known
   * once `finish` has passed; an answer that could not be judged is not found to break anything.
   */
  violatesSchema?(): boolean
}

export type CompletionSummary = {
  readonly usage: Usage | undefined
  readonly finishReason?: string
  /** Of a failure after the first part. */
  readonly errorCode?: string
  readonly modelServed?: string
  readonly costUsd: Usd | undefined
  readonly paidUsd: Usd | undefined
  readonly receiptId?: string
  readonly transaction?: string
  readonly paymentStatus?: string
  readonly ttftMs?: number
  readonly totalMs: number
}

/** What would happen, without sending: the same functions decide as for a real request. */
export type Decision = {
  readonly requestId: string
  readonly requested: string
  readonly resolved: readonly string[]
  readonly capUsd: Usd
  /** Of the published balanced weights; a custom set in the config keeps it. */
  readonly weightsVersion?: number
  readonly candidates: readonly ExplainedCandidate[]
  readonly refused: readonly { readonly endpoint: string; readonly model: string; readonly reason: string; readonly detail: string }[]
  readonly attempts: readonly PlannedAttempt[]
  /** What a real request would be told when nobody is left to ask. */
  readonly error?: { readonly code: string; readonly message: string }
}

export type PlannedAttempt = {
  readonly endpoint: string
  readonly mode: string
  readonly boundUsd?: Usd
  readonly expectedUsd?: Usd
  /** What its answer would warn of. */
  readonly warnings?: readonly string[]
  /** Somebody has to agree first; said of what has not been sent. */
  readonly needsApproval?: true
}

export type ExplainedCandidate = {
  readonly endpoint: string
  readonly model: string
  readonly rank: number
  readonly score: number | undefined
  /** Put first to learn about it, and not by its score. */
  readonly explored?: true
  readonly boundUsd?: Usd
  readonly expectedUsd?: Usd
  /** What is taken off in the expected cost for a conversation that the endpoint has read before. */
  readonly savingUsd?: Usd
  readonly terms: Readonly<Record<string, number | undefined>>
  /** What a translation to this endpoint's wire would lose; absent where the caller's own wire is spoken. */
  readonly losses?: readonly Loss[]
}
