/** Everything the story of a request needs, handed to it once by the composition root. */
import type { Clock } from '../lib/clock.ts'
import type { Transport, TransportTimeouts } from '../lib/http-call.ts'
import type { Log } from '../lib/log.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { Usd } from '../money.ts'
import type { PaymentMode } from '../payment/mode.ts'
import type { Protocol, ProtocolId } from '../protocol/protocol.ts'
import type { Catalog } from '../registry/catalog.ts'
import type { PaymentModeName, Provider } from '../registry/endpoint.ts'
import type { PresetStore } from '../routing/preset.ts'
import type { RateLimits } from '../routing/rate-limit.ts'
import type { VirtualModel } from '../routing/virtual-model.ts'
import type { AxisId } from '../selection/index.ts'
import type { Health } from '../selection/health.ts'
import type { ServedPrefixes } from '../selection/served-prefixes.ts'
import type { Twins } from './twins.ts'

export type GatewayContext = {
  readonly catalog: Catalog
  readonly health: Health
  readonly rateLimits: RateLimits
  /** Who has read which conversation; asked only where routing is sticky. */
  readonly prefixes: ServedPrefixes
  /** What has been paid for a moment ago. */
  readonly twins: Twins
  readonly presets: PresetStore
  readonly virtualModels: ReadonlyMap<string, VirtualModel>
  /** Providers whose models nobody lists: any id pinned to them is passed on. */
  readonly openProviders: ReadonlySet<string>
  readonly modes: readonly PaymentMode[]
  readonly protocols: readonly Protocol[]
  readonly transport: Transport
  readonly ledger: Ledger
  readonly clock: Clock
  readonly log: Log
  readonly rules: GatewayRules
}

/** What the operator has decided; no request can widen it. */
export type GatewayRules = {
  readonly perRequestUsd: Usd
  /** A lower cap of one provider or one caller; `undefined` when there is none of its own. */
  perRequestOfProvider(id: string): Usd | undefined
  perRequestOfCaller(id: string): Usd | undefined
  /** Above this a person has to say yes; `undefined` when nobody wants to be asked. */
  readonly approveAboveUsd: Usd | undefined
  readonly prefer: readonly PaymentModeName[]
  readonly onUnknown: 'wait' | 'fail' | 'allow_double'
  readonly maxAttempts: number
  /** Whether a request that says nothing of it gets as long an answer as its cap buys. */
  readonly clampToBudget: boolean
  /** Whether an answer that breaks its schema is asked for once more, unless the request says otherwise. */
  readonly retrySchema: boolean
  readonly deadlineMs: number | undefined
  readonly hideDeprecated: boolean
  readonly weights: Readonly<Record<AxisId, number>>
  /** Share of requests, 0 to 1, that may go to the endpoint of which least is known. */
  readonly explorationShare: number
  /** Whether the price of an endpoint is lowered by what its prompt cache may save. */
  readonly sticky: boolean
  /** By caller: what he pays of the official price under `:discount`, in parts per thousand. */
  readonly managedAccounts: ReadonlyMap<string, bigint>
  timeoutsOf(provider: Provider): Partial<TransportTimeouts>
  readonly maxAnswerBytes: number
}

/** @throws never in practice: endpoints only carry ids of the tuple. */
export function protocolOf(context: GatewayContext, id: ProtocolId): Protocol {
  const protocol = context.protocols.find((candidate) => candidate.id === id)
  if (protocol === undefined) throw new Error(`protocol ${id} is not in the tuple`)
  return protocol
}
