/** The contract of an axis: one direction in which endpoints can be compared. Scores never become money. */
import type { Usd } from '../money.ts'
import type { Endpoint } from '../registry/endpoint.ts'

export type Axis<Id extends string = string> = {
  /** Also the variant: `latency` gives `:latency`. */
  readonly id: Id
  readonly better: 'lower' | 'higher'
  /** @returns `undefined` when it has not been measured. */
  read(candidate: Candidate): number | undefined
  /** What decides between equals, in order; the endpoint key comes last. */
  readonly ties: readonly TieBreak[]
}

/** Another axis, or the share of all requests that failed for whatever reason. */
export type TieBreak = 'cost' | 'latency' | 'throughput' | 'uptime' | 'errorRate'

/** An eligible endpoint with what is known of it for this request. */
export type Candidate = {
  readonly endpoint: Endpoint
  /** Expected cost of this request, payment overhead included; `undefined` when the price list does not say. */
  readonly expectedUsd: Usd | undefined
  /** What is taken off in it, because the endpoint has read the beginning of the request before and may have kept it. */
  readonly savingUsd?: Usd | undefined
  /** The most this request can cost; `undefined` when the price list does not say. */
  readonly boundUsd: Usd | undefined
  readonly health: HealthView
  /** Whether the caller pays this provider with a key of his own. */
  readonly byok: boolean
}

/** Decayed figures of one endpoint; `undefined` where nothing has been measured. */
export type HealthView = {
  readonly uptime: number | undefined
  readonly countedRequests: number
  /** The same, but forgotten within a minute: how much is known of how things are now. Of this process alone. */
  readonly freshRequests?: number
  readonly ttftMs: number | undefined
  /** Output tokens a second over the whole generation time. */
  readonly throughput: number | undefined
  /** Failures of every kind ÷ all requests, 403 and 429 included: what callers saw, whoever was to blame. */
  readonly errorRate?: number | undefined
}
