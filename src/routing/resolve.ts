/** From the string a caller wrote to the endpoints it may mean: preset, pin, virtual model, canonical id, alias, bare name. */
import { RouteplaneError } from '../errors.ts'
import type { Endpoint, Provider } from '../registry/endpoint.ts'
import type { CatalogSnapshot } from '../registry/catalog.ts'
import { nearestWords } from '../registry/nearest.ts'
import { protocolsFor } from '../registry/protocol-name.ts'
import { isVariant, type Variant } from '../selection/variant.ts'
import { parseModelRef, type ModelRef } from './model-ref.ts'
import type { VirtualModel } from './virtual-model.ts'

/** One entry of the fallback list, resolved: who may answer for it. */
export type Target = {
  readonly ref: ModelRef
  /** What a listing would call it. */
  readonly model: string
  readonly endpoints: readonly Endpoint[]
  /** The caller named the provider: a hidden model may be used, and nobody else may answer. */
  readonly pinned: boolean
  /** The list's own order counts, not the ranking. */
  readonly ordered: boolean
  readonly variant: Variant | undefined
}

export type ResolveSources = {
  readonly snapshot: CatalogSnapshot
  readonly virtualModels: ReadonlyMap<string, VirtualModel>
  /** Providers whose models nobody lists: any id pinned to them is passed on. */
  readonly openProviders: ReadonlySet<string>
}

/**
 * Resolves one model ref without its preset.
 *
 * @throws RouteplaneError `invalid_model_id`, `unknown_variant`, or `model_not_found` naming the nearest ids.
 */
export function resolveModel(text: string, sources: ResolveSources): Target {
  const { snapshot } = sources
  const ref = parseModelRef(text, (id) => snapshot.providers.has(id))
  if (ref.preset !== undefined || ref.model === undefined) throw new RouteplaneError('invalid_model_id', 'a preset cannot stand here')
  const target = ref.provider === undefined ? resolveFree(ref, ref.model, sources) : resolvePinned(ref, ref.model, ref.provider, sources)
  return ref.variant === 'discount' ? toManagedSupply(target) : target
}

function resolvePinned(ref: ModelRef, model: string, providerId: string, sources: ResolveSources): Target {
  const { snapshot, openProviders } = sources
  const aliased = snapshot.aliases.get(model) ?? model
  const listed = snapshot.byProvider.get(providerId)
  const endpoints = listed?.get(model) ?? listed?.get(aliased)
  if (endpoints !== undefined)
    return { ref, model: endpoints[0]?.modelId ?? model, endpoints, pinned: true, ordered: false, variant: ref.variant }
  const provider = snapshot.providers.get(providerId)
  if (provider !== undefined && openProviders.has(providerId)) {
    return { ref, model, endpoints: [unlistedEndpoint(provider, model)], pinned: true, ordered: false, variant: ref.variant }
  }
  throw notFound(
    ref.text,
    model,
    [...(listed?.keys() ?? [])].map((id) => `${providerId}:${id}`),
  )
}

function resolveFree(ref: ModelRef, model: string, sources: ResolveSources): Target {
  const { snapshot, virtualModels } = sources
  const virtual = virtualModels.get(model)
  if (virtual !== undefined) return resolveVirtual(ref, virtual, sources)
  const listed = findListed(model, snapshot)
  if (listed !== undefined) return { ref, ...listed, pinned: false, ordered: false, variant: ref.variant }
  throw unknownSuffix(ref, model, snapshot) ?? notFound(ref.text, model, [...snapshot.models.keys(), ...virtualModels.keys()])
}

function findListed(model: string, snapshot: CatalogSnapshot): { model: string; endpoints: readonly Endpoint[] } | undefined {
  const canonical = snapshot.models.get(model) ?? snapshot.models.get(snapshot.aliases.get(model) ?? '')
  if (canonical !== undefined) return { model: canonical.id, endpoints: canonical.endpoints }
  const bare = snapshot.byUpstreamModel.get(model)
  return bare === undefined ? undefined : { model, endpoints: bare }
}

function resolveVirtual(ref: ModelRef, virtual: VirtualModel, sources: ResolveSources): Target {
  const endpoints = virtual.endpoints.flatMap(({ provider, model }) => resolvePinned(ref, model, provider, sources).endpoints)
  return { ref, model: virtual.name, endpoints, pinned: true, ordered: virtual.strategy === 'priority', variant: ref.variant }
}

/** An unknown suffix on a known model is a variant that does not exist: `:free` must never become a paid route. */
function unknownSuffix(ref: ModelRef, model: string, snapshot: CatalogSnapshot): RouteplaneError | undefined {
  const colon = model.lastIndexOf(':')
  const base = model.slice(0, colon)
  const known = colon > 0 && (findListed(base, snapshot) !== undefined || isVariant(model.slice(colon + 1)))
  if (!known) return undefined
  return new RouteplaneError('unknown_variant', `${JSON.stringify(ref.text)} names a variant that does not exist or a second one`, {
    hint: 'Use one of :balanced, :cost, :latency, :throughput, :discount, or none.',
  })
}

function toManagedSupply(target: Target): Target {
  const managed = target.endpoints.filter(({ provider }) => provider.kind === 'managed')
  if (managed.length > 0) return { ...target, endpoints: managed, pinned: true }
  throw new RouteplaneError('model_not_found', `${target.model} has no managed supply, so it has no :discount`, {
    hint: 'Only open-weight models that a managed provider serves have one.',
  })
}

function notFound(text: string, model: string, known: readonly string[]): RouteplaneError {
  const nearest = nearestWords(model, known, 3)
  return new RouteplaneError('model_not_found', `no provider serves ${JSON.stringify(text)}`, {
    hint: nearest.length === 0 ? 'No models are known yet: add a provider to routeplane.yaml.' : `Did you mean ${nearest.join(', ')}?`,
    details: { nearest },
  })
}

/** A model that its provider was never asked to list: nothing is known of it but its name. */
function unlistedEndpoint(provider: Provider, model: string): Endpoint {
  return {
    provider,
    modelId: model,
    upstreamModel: model,
    name: model,
    protocols: protocolsFor(provider.protocols, model),
    pricing: undefined,
    inputModalities: ['text'],
    outputModalities: ['text'],
    features: undefined,
    samplingParameters: undefined,
    isReady: true,
  }
}
