/** What is being checked: one endpoint of one provider, with everything the rows may ask of it and of the world. */
import type { Clock } from '../../lib/clock.ts'
import type { Transport } from '../../lib/http-call.ts'
import type { Usd } from '../../money.ts'
import type { Protocol } from '../../protocol/protocol.ts'
import type { CanonicalModel } from '../canonical.ts'
import type { Endpoint } from '../endpoint.ts'
import type { ModelRow, ProviderDefinition } from '../model-row.ts'
import type { FetchedDocument } from './fetch-document.ts'
import type { Probe } from './probe.ts'

export type Subject = {
  readonly definition: ProviderDefinition
  /** Its file's statement about the model, before a models document is laid over it. */
  readonly listed: ModelRow | undefined
  readonly endpoint: Endpoint
  readonly canonical: CanonicalModel | undefined
  /** `undefined` when the provider has none. */
  readonly document: FetchedDocument | undefined
  /** Of the wires the endpoint declares, those this build speaks; the most preferred first. */
  readonly protocols: readonly Protocol[]
  /** Every wire of this build, for what is translated. */
  readonly allProtocols: readonly Protocol[]
  /** Asks over the most preferred wire, with the key when there is one. */
  readonly probe: Probe
  /** Asks over another wire. */
  probeOf(protocol: Protocol): Probe
  readonly payment: PaymentPort
  readonly clock: Clock
  readonly transport: Transport
  readonly settings: CheckSettings
}

export type CheckSettings = {
  /** Calls one after another that latency is measured by. */
  readonly samples: number
  /** The most requests the load rows may send. */
  readonly loadRequests: number
  /** The most the whole check may spend by the price list, in US dollars. */
  readonly maxCostUsd: Usd
}

/** Reading and paying a 402, which other layers know how to do. */
export type PaymentPort = {
  /** Reads and judges the offers of a 402. @throws RouteplaneError `bad_challenge` when it cannot be read. */
  readOffers(answer: OfferedAnswer): Promise<readonly OfferReading[]>
  /** `undefined` when nobody allowed to pay. */
  readonly pay?: (asked: {
    /** The provider's own id. */
    readonly model: string
    readonly question: string
    readonly maxOutputTokens: number
    readonly capUsd: Usd
  }) => Promise<PaidReading>
}

export type OfferedAnswer = {
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  readonly body: string
  /** The most the asked request can cost by the price list; `undefined` when that is not known. */
  readonly boundUsd: Usd | undefined
}

/** One offer of a 402; every field is the seller's claim, `refusal` is ours. */
export type OfferReading = {
  readonly scheme: string
  readonly network: string
  readonly asset: string
  readonly payTo: string
  readonly amountUsd: Usd | undefined
  /** Why it would not be paid. */
  readonly refusal?: { readonly code: string; readonly message: string }
}

/** A call that was paid for through the engine. */
export type PaidReading = {
  readonly text: string
  readonly paidUsd: Usd | undefined
  readonly costUsd: Usd | undefined
  readonly receiptId: string | undefined
  readonly transaction: string | undefined
  readonly paymentStatus: string | undefined
  readonly inputTokens: number | undefined
  readonly outputTokens: number | undefined
  readonly finishReason: string | undefined
}
