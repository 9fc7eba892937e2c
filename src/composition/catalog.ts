/** The catalog a config asks for: its own providers over a registry directory, checked before anybody is paid. */
import { checksumAddress, hasChecksum } from '../chain/checksum.ts'
import type { Config } from '../config/config.ts'
import { RouteplaneError } from '../errors.ts'
import { defined } from '../lib/defined.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import { createCatalog, type Catalog, type CatalogSources } from '../registry/catalog.ts'
import { endpointKey, type Endpoint } from '../registry/endpoint.ts'
import { formatModelRef } from '../routing/model-ref.ts'
import { resolveModel, type ResolveSources, type Target } from '../routing/resolve.ts'
import type { Health } from '../selection/health.ts'
import { openRegistrySource, type RegistryContent } from './registry-source.ts'

export type CatalogView = {
  /** Models with their endpoints, by canonical id; only those that are ready and not retired unless asked. */
  models(filter?: { readonly includeHidden?: boolean }): readonly ModelListing[]
  /** What a caller may write in `model`, but for a preset: also one provider's own, or with a variant, which changes no listing. */
  model(ref: string): ModelListing | undefined
}

export type ModelListing = {
  readonly id: string
  /** The ref that it was looked up by, where that names one provider: its endpoints are that one's alone. */
  readonly pin?: string
  readonly name: string
  readonly endpoints: readonly Endpoint[]
  /** Share of counted requests that its best endpoint answered, 0 to 1; `undefined` until measured. */
  readonly uptime?: number
  /** The least median time to the first token among its endpoints, in milliseconds. */
  readonly ttftMs?: number
  /** The most output tokens a second among its endpoints. */
  readonly throughput?: number
}

export type OpenCatalog = {
  readonly catalog: Catalog
  /** Asks a published registry for a newer build and takes it. Never rejects. */
  refresh(signal: AbortSignal): Promise<void>
  /** Reads all that another config names. @returns what takes it, and cannot fail. @throws RouteplaneError `config_invalid`. */
  prepare(config: Config): Promise<() => void>
  close(): Promise<void>
}

/** @throws RouteplaneError `config_invalid` when a payee's checksum is wrong. */
export async function openCatalog(first: Config, log: Log): Promise<OpenCatalog> {
  await checkPayees(first)
  let config = first
  let registry = openRegistrySource(config, log)
  const catalog = createCatalog(sourcesOf(config, await registry.load()))
  return {
    catalog,
    async refresh(signal) {
      const asked = registry
      const fresh = await asked.refresh(signal)
      // After a reload the answer is of a registry that is no longer ours.
      if (fresh !== undefined && asked === registry) catalog.reload(sourcesOf(config, fresh))
    },
    async prepare(next) {
      await checkPayees(next)
      const opened = openRegistrySource(next, log)
      const sources = sourcesOf(next, await opened.load())
      return () => {
        const before = registry
        config = next
        registry = opened
        catalog.reload(sources)
        void before.close()
      }
    },
    close: () => registry.close(),
  }
}

/** The config's own providers beside those of a registry. */
function sourcesOf(config: Config, { canonical, definitions }: RegistryContent): CatalogSources {
  const own = config.providers.map(({ provider, models }) => ({
    provider,
    models: models.map((model) => ({ ...model, canonicalId: model.modelId })),
  }))
  return { canonical, registry: definitions, config: own, managed: config.managed }
}

/** A mistyped payee is money lost: where the spelling claims a checksum, it must be the right one. */
async function checkPayees(config: Config): Promise<void> {
  for (const { provider } of config.providers) {
    const payTo = provider.payment.x402?.payTo
    if (payTo === undefined || !hasChecksum(payTo) || (await checksumAddress(payTo)) === payTo) continue
    throw new RouteplaneError('config_invalid', `providers.${provider.id}.payment.x402_address ${payTo} has a wrong checksum`, {
      hint: 'Copy the address again; one of its characters is wrong.',
    })
  }
}

export type ListingRules = {
  /** Whether a model leaves the list after the day it retires. */
  hideDeprecated(): boolean
  /** What a ref may name besides the catalog's own ids. */
  addressing(): Pick<ResolveSources, 'virtualModels' | 'openProviders'>
  readonly clock: Pick<Clock, 'now'>
}

/** The catalog as surfaces list it: what a request without a pin could be routed to. */
export function viewCatalog(catalog: Catalog, health: Health, { hideDeprecated, addressing, clock }: ListingRules): CatalogView {
  const isGone = ({ deprecationDate }: Endpoint) =>
    hideDeprecated() && deprecationDate !== undefined && deprecationDate < new Date(clock.now()).toISOString().slice(0, 10)
  const isListed = (endpoint: Endpoint) => endpoint.isReady && endpoint.provider.status === 'active' && !isGone(endpoint)
  const show = (id: string, all: readonly Endpoint[], includeHidden: boolean): ModelListing => {
    const endpoints = all.filter((endpoint) => includeHidden || isListed(endpoint))
    const views = endpoints.map((endpoint) => health.view(endpointKey(endpoint)))
    const best = defined({
      uptime: greatest(views.map(({ uptime }) => uptime)),
      ttftMs: least(views.map(({ ttftMs }) => ttftMs)),
      throughput: greatest(views.map(({ throughput }) => throughput)),
    })
    return { id, name: catalog.snapshot().models.get(id)?.name ?? endpoints[0]?.name ?? id, endpoints, ...best }
  }
  return {
    models: ({ includeHidden = false } = {}) =>
      [...catalog.snapshot().models.values()].flatMap((model) => {
        const found = show(model.id, model.endpoints, includeHidden)
        return found.endpoints.length === 0 ? [] : [found]
      }),
    model(ref) {
      const target = findTarget(ref, { snapshot: catalog.snapshot(), ...addressing() })
      if (target === undefined) return undefined
      const { provider, model } = target.ref
      const pin = provider === undefined ? {} : { pin: formatModelRef(defined({ provider, model })) }
      return { ...show(target.model, target.endpoints, true), ...pin }
    },
  }
}

/** What cannot be asked for is not there, whatever is wrong with it. */
function findTarget(ref: string, sources: ResolveSources): Target | undefined {
  try {
    return resolveModel(ref, sources)
  } catch (error) {
    if (error instanceof RouteplaneError) return undefined
    throw error
  }
}

function greatest(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined)
  return known.length === 0 ? undefined : Math.max(...known)
}

function least(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined)
  return known.length === 0 ? undefined : Math.min(...known)
}
