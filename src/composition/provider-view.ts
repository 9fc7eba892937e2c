/** Providers as surfaces show them: what is known of each, how it has been doing, and where its prices disagree. */
import type { Catalog } from '../registry/catalog.ts'
import { endpointKey, type Endpoint, type Provider } from '../registry/endpoint.ts'
import type { Poller, PollStatus } from '../registry/poll.ts'
import type { PriceDrift } from '../registry/price-drift.ts'
import type { LimitLevel, RateLimits } from '../routing/rate-limit.ts'
import type { HealthView } from '../selection/axis.ts'
import type { Cooldown, Health } from '../selection/health.ts'

export type EndpointStanding = HealthView & {
  /** Why it is left alone now. */
  readonly cooldown?: Cooldown
}

export type ProviderStanding = {
  readonly provider: Provider
  readonly endpoints: readonly Endpoint[]
  /** Of its models document, where it has one that has been asked for. */
  readonly document?: PollStatus
  /** The latest differences between its prices, newest last. */
  readonly drifts: readonly PriceDrift[]
  /** Its declared limits, and what this process has left of them. */
  readonly limits: readonly LimitLevel[]
}

export type ProviderView = {
  /** By id. */
  list(): readonly ProviderStanding[]
  get(id: string): ProviderStanding | undefined
  /** What traffic of every process of this ledger has shown of an endpoint. */
  standing(endpoint: Endpoint): EndpointStanding
}

export type ProviderSources = {
  readonly catalog: Catalog
  readonly health: Health
  readonly rateLimits: RateLimits
  readonly poller: Poller
  readonly drifts: DriftLog
}

export type DriftLog = { add(drift: PriceDrift): void; of(provider: string): readonly PriceDrift[] }

const MAX_DRIFTS = 20

/** Keeps the last differences of each provider. */
export function createDriftLog(): DriftLog {
  const byProvider = new Map<string, PriceDrift[]>()
  return {
    add(drift) {
      byProvider.set(drift.provider, [...(byProvider.get(drift.provider) ?? []), drift].slice(-MAX_DRIFTS))
    },
    of: (provider) => byProvider.get(provider) ?? [],
  }
}

export function viewProviders({ catalog, health, rateLimits, poller, drifts }: ProviderSources): ProviderView {
  const show = (provider: Provider): ProviderStanding => {
    const listed = catalog.snapshot().byProvider.get(provider.id)
    const document = poller.status().find((status) => status.provider === provider.id)
    return {
      provider,
      endpoints: [...new Set([...(listed?.values() ?? [])].flat())],
      drifts: drifts.of(provider.id),
      limits: rateLimits.levels(provider),
      ...(document === undefined ? {} : { document }),
    }
  }
  return {
    list: () => [...catalog.snapshot().providers.values()].map(show),
    get(id) {
      const provider = catalog.snapshot().providers.get(id)
      return provider === undefined ? undefined : show(provider)
    },
    standing(endpoint) {
      const key = endpointKey(endpoint)
      const cooldown = health.cooldown(key)
      return { ...health.view(key), ...(cooldown === undefined ? {} : { cooldown }) }
    },
  }
}
