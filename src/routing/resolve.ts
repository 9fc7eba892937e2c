/** From the string a caller wrote to the endpoints it may mean: preset, pin, virtual model, canonical id, alias, bare name. */
import { RouteplaneError } from '../errors.ts'
import type { Endpoint } from '../registry/endpoint.ts'
import type { CatalogSnapshot } from '../registry/catalog.ts'
import { shareOf } from '../registry/managed-pricing.ts'
import { createEndpoint } from '../registry/model-row.ts'
import { nearestWords } from '../registry/nearest.ts'
import { discountRefusal, isVariant, variants, type Variant } from '../selection/variant.ts'
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
  /** What the caller's account pays of the official price under `:discount`, in parts per thousand; the usual share unless given. */
  readonly accountShare?: bigint | undefined
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
  return ref.variant === 'discount' ? toManagedSupply(target, sources) : target
}

function resolvePinned(ref: ModelRef, model: string, providerId: string, sources: ResolveSources): Target {
  const endpoints = findPinned(model, providerId, sources)
  if (endpoints !== undefined) {
    return { ref, model: endpoints[0]?.modelId ?? model, endpoints, pinned: true, ordered: false, variant: ref.variant }
  }
  const listed = [...(sources.snapshot.byProvider.get(providerId)?.keys() ?? [])]
  const unknown = unknownSuffix(ref, model, (base) => findPinned(base, providerId, sources) !== undefined)
  throw (
    unknown ??
    notFound(
      ref.text,
      `${providerId}:${model}`,
      listed.map((id) => `${providerId}:${id}`),
    )
  )
}

function findPinned(model: string, providerId: string, { snapshot, openProviders }: ResolveSources): readonly Endpoint[] | undefined {
  const listed = snapshot.byProvider.get(providerId)
  const endpoints = listed?.get(model) ?? listed?.get(snapshot.aliases.get(model) ?? model)
  if (endpoints !== undefined) return endpoints
  const provider = snapshot.providers.get(providerId)
  if (provider === undefined || !openProviders.has(providerId)) return undefined
  // A model its provider was never asked to list: what is generally known of it is all there is.
  const canonicalId = snapshot.aliases.get(model) ?? model
  return [createEndpoint(provider, { upstreamModel: model }, canonicalId, snapshot.models.get(canonicalId)?.canonical)]
}

function resolveFree(ref: ModelRef, model: string, sources: ResolveSources): Target {
  const { snapshot, virtualModels } = sources
  const virtual = virtualModels.get(model)
  if (virtual !== undefined) return resolveVirtual(ref, virtual, sources)
  const listed = findListed(model, snapshot)
  if (listed !== undefined) return { ref, ...listed, pinned: false, ordered: false, variant: ref.variant }
  const isKnown = (base: string) => virtualModels.has(base) || findListed(base, snapshot) !== undefined
  throw unknownSuffix(ref, model, isKnown) ?? notFound(ref.text, model, [...snapshot.models.keys(), ...virtualModels.keys()])
}

function findListed(model: string, snapshot: CatalogSnapshot): { model: string; endpoints: readonly Endpoint[] } | undefined {
  const canonical = snapshot.models.get(model) ?? snapshot.models.get(snapshot.aliases.get(model) ?? '')
  if (canonical !== undefined) return { model: canonical.id, endpoints: canonical.endpoints }
  const bare = snapshot.byUpstreamModel.get(model)
  return bare === undefined ? undefined : { model, endpoints: bare }
}

/** An entry that nobody lists now is left out: the next one is there for that. */
function resolveVirtual(ref: ModelRef, virtual: VirtualModel, sources: ResolveSources): Target {
  const found = virtual.endpoints.flatMap(({ provider, model }) => findPinned(model, provider, sources) ?? [])
  if (found.length === 0) {
    throw new RouteplaneError('model_not_found', `none of the endpoints of ${JSON.stringify(virtual.name)} is known now`, {
      hint: 'routeplane models list shows what each provider serves.',
    })
  }
  const ordered = virtual.strategy === 'priority'
  return { ref, model: virtual.name, endpoints: [...new Set(found)], pinned: true, ordered, variant: ref.variant }
}

/** An unknown suffix on a known model is a variant that does not exist: `:free` must never become a paid route. */
function unknownSuffix(ref: ModelRef, model: string, isKnown: (base: string) => boolean): RouteplaneError | undefined {
  const colon = model.lastIndexOf(':')
  if (colon <= 0 || !(isVariant(model.slice(colon + 1)) || isKnown(model.slice(0, colon)))) return undefined
  return new RouteplaneError('unknown_variant', `${JSON.stringify(ref.text)} names a variant that does not exist or a second one`, {
    hint: `Use one of ${variants.map((variant) => `:${variant}`).join(', ')}, or none.`,
  })
}

/** The only variant that says who may serve. @see Routing guide, section 6 */
function toManagedSupply(target: Target, { snapshot, accountShare }: ResolveSources): Target {
  const refusals = target.endpoints.map((endpoint) =>
    discountRefusal(endpoint, snapshot.models.get(endpoint.modelId)?.canonical?.openWeights),
  )
  const managed = target.endpoints.filter((_, at) => refusals[at] === undefined)
  if (managed.length > 0) {
    const endpoints = accountShare === undefined ? managed : managed.map((endpoint) => forAccount(endpoint, snapshot, accountShare))
    return { ...target, endpoints, pinned: true }
  }
  const [why = 'nobody serves it'] = refusals.filter((refusal) => refusal !== undefined).toSorted()
  throw new RouteplaneError('model_not_found', `${target.model} is not in the discounted supply: ${why}`, {
    hint: 'Leave :discount out, or name an open-weight model that a managed provider serves.',
  })
}

/** An account's own share counts where there is an official price to take it of. */
function forAccount(endpoint: Endpoint, { models }: CatalogSnapshot, share: bigint): Endpoint {
  const official = models.get(endpoint.modelId)?.canonical?.officialPricing
  return official === undefined ? endpoint : { ...endpoint, pricing: shareOf(official, share) }
}

function notFound(text: string, model: string, known: readonly string[]): RouteplaneError {
  const nearest = nearestWords(model, known, 3)
  const hint =
    nearest.length > 0
      ? `Did you mean ${nearest.join(', ')}?`
      : known.length === 0
        ? 'No models are known yet: add a provider to routeplane.yaml.'
        : 'routeplane models list shows every model that is known.'
  // Ids are lower case; another spelling is served only where a provider declares exactly it.
  if (/[A-Z]/.test(model)) {
    const reason = `${JSON.stringify(text)} is not a model id: ids are lower case, and no provider declares this spelling`
    return new RouteplaneError('invalid_model_id', reason, { hint, details: { nearest } })
  }
  return new RouteplaneError('model_not_found', `no provider serves ${JSON.stringify(text)}`, { hint, details: { nearest } })
}
