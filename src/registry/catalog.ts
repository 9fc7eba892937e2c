/** All models and their endpoints as known now: an immutable snapshot that is swapped whole. */
import { canonicalIdOf, type CanonicalIndex, type CanonicalModel } from './canonical.ts'
import type { Endpoint, Provider } from './endpoint.ts'
import { managedPricing, standardShares, type ManagedShares } from './managed-pricing.ts'
import { createEndpoint, overlayRow, type ModelRow, type ProviderDefinition } from './model-row.ts'

/** One model with everybody who serves it. */
export type CatalogModel = {
  /** The canonical id, or the provider's own where nobody has named the model. */
  readonly id: string
  readonly name: string
  readonly canonical: CanonicalModel | undefined
  /** In the order of the providers' ids, then of their own model ids. */
  readonly endpoints: readonly Endpoint[]
}

/** Held for the whole of a request: a poll in the middle changes nothing for it. */
export type CatalogSnapshot = {
  /** Counts up with every change. */
  readonly version: number
  readonly providers: ReadonlyMap<string, Provider>
  /** By canonical id. */
  readonly models: ReadonlyMap<string, CatalogModel>
  /** Alias to canonical id. */
  readonly aliases: ReadonlyMap<string, string>
  /** Endpoints by the id their provider's own API takes. */
  readonly byUpstreamModel: ReadonlyMap<string, readonly Endpoint[]>
  /** Provider id, then its own model id or the canonical one. */
  readonly byProvider: ReadonlyMap<string, ReadonlyMap<string, readonly Endpoint[]>>
}

/** What a catalog is made of; providers of the user's own config outrank those of the registry. */
export type CatalogSources = {
  readonly canonical: CanonicalIndex
  readonly registry: readonly ProviderDefinition[]
  readonly config: readonly ProviderDefinition[]
  /** What managed supply costs of the official price; the standard shares unless given. */
  readonly managed?: ManagedShares
}

export type Catalog = {
  readonly snapshot: () => CatalogSnapshot
  /** Every provider that counts, with the models of its own file. */
  readonly definitions: () => readonly ProviderDefinition[]
  /** Lays the rows of polled documents over those of the files, by provider id; one swap for all of them. */
  readonly setDocuments: (documents: ReadonlyMap<string, readonly ModelRow[]>) => void
  /** Exchanges files and config; documents of providers that stay are kept. */
  readonly reload: (sources: CatalogSources) => void
}

export function createCatalog(sources: CatalogSources): Catalog {
  const documents = new Map<string, readonly ModelRow[]>()
  let { canonical, managed = standardShares } = sources
  let definitions = mergeDefinitions(sources)
  const build = (version: number) => buildSnapshot({ canonical, managed, definitions, documents }, version)
  let current = build(1)
  const swap = () => {
    current = build(current.version + 1)
  }
  return {
    snapshot: () => current,
    definitions: () => definitions,
    setDocuments(fresh) {
      for (const [providerId, rows] of fresh) documents.set(providerId, rows)
      swap()
    },
    reload(next) {
      ;({ canonical, managed = standardShares } = next)
      const before = new Map(definitions.map(({ provider }) => [provider.id, provider.modelsUrl]))
      definitions = mergeDefinitions(next)
      const kept = new Set(
        definitions.filter(({ provider }) => before.get(provider.id) === provider.modelsUrl).map(({ provider }) => provider.id),
      )
      for (const providerId of documents.keys()) if (!kept.has(providerId)) documents.delete(providerId)
      swap()
    },
  }
}

/**
 * Joins both sources; a config provider takes the place of a registry provider with its id. It borrows the models of that one
 * only when it lists none and has no document of its own: never its address, its payee or its ways to be paid.
 */
function mergeDefinitions(sources: Pick<CatalogSources, 'registry' | 'config'>): readonly ProviderDefinition[] {
  const merged = new Map(sources.registry.map((definition) => [definition.provider.id, definition]))
  for (const own of sources.config) {
    const listed = merged.get(own.provider.id)
    const borrows = own.models.length === 0 && own.provider.modelsUrl === undefined && listed !== undefined
    merged.set(own.provider.id, borrows ? borrow(own, listed) : own)
  }
  return [...merged.values()].toSorted((a, b) => order(a.provider.id, b.provider.id))
}

/** Where both speak of the same address, what is served there may be asked of it. */
function borrow({ provider }: ProviderDefinition, listed: ProviderDefinition): ProviderDefinition {
  const { modelsUrl, baseUrl } = listed.provider
  const isSame = modelsUrl !== undefined && provider.baseUrl === baseUrl
  return { provider: isSame ? { ...provider, modelsUrl } : provider, models: listed.models }
}

type Known = {
  readonly canonical: CanonicalIndex
  readonly managed: ManagedShares
  readonly definitions: readonly ProviderDefinition[]
  readonly documents: ReadonlyMap<string, readonly ModelRow[]>
}

/** Builds a snapshot; the same sources give the same one, whatever order they came in. */
function buildSnapshot({ canonical, managed, definitions, documents }: Known, version: number): CatalogSnapshot {
  const served = definitions.map(({ provider, models }) => ({
    provider,
    endpoints: mergeRows(models, documents.get(provider.id) ?? []).map((row) => {
      const modelId = canonicalIdOf(canonical, row)
      const known = canonical.models.get(modelId)
      const pricing = row.pricing ?? managedPricing(provider, known, managed)
      return createEndpoint(provider, pricing === row.pricing ? row : { ...row, pricing }, modelId, known)
    }),
  }))
  const endpoints = served.flatMap((each) => each.endpoints)
  const models = new Map<string, CatalogModel>()
  for (const [id, offers] of groupBy(endpoints, (endpoint) => [endpoint.modelId])) {
    const known = canonical.models.get(id)
    models.set(id, { id, name: known?.name ?? offers[0]?.name ?? id, canonical: known, endpoints: offers })
  }
  return {
    version,
    providers: new Map(definitions.map(({ provider }) => [provider.id, provider])),
    models,
    aliases: canonical.aliases,
    byUpstreamModel: groupBy(endpoints, (endpoint) => [endpoint.upstreamModel]),
    byProvider: new Map(served.map((each) => [each.provider.id, groupBy(each.endpoints, byOwnOrCanonicalId)])),
  }
}

function byOwnOrCanonicalId(endpoint: Endpoint): readonly string[] {
  return [endpoint.upstreamModel, endpoint.modelId]
}

/** A document says what holds now, a file what was reviewed: the document counts where it speaks, the file fills the rest. */
function mergeRows(listed: readonly ModelRow[], polled: readonly ModelRow[]): readonly ModelRow[] {
  const rows = new Map(listed.map((row) => [row.upstreamModel, row]))
  for (const row of polled) {
    const base = rows.get(row.upstreamModel)
    rows.set(row.upstreamModel, base === undefined ? row : overlayRow(base, row))
  }
  return [...rows.values()].toSorted((a, b) => order(a.upstreamModel, b.upstreamModel))
}

function groupBy<Item>(items: readonly Item[], keysOf: (item: Item) => readonly string[]): ReadonlyMap<string, readonly Item[]> {
  const groups = new Map<string, Item[]>()
  for (const item of items) {
    for (const key of new Set(keysOf(item))) {
      const group = groups.get(key)
      if (group === undefined) groups.set(key, [item])
      else group.push(item)
    }
  }
  return groups
}

/** By code units: the same on every machine, unlike the rules of a locale. */
function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
