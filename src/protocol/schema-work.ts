/** What the lowering of one schema carries along: its bounds, its losses, and the references it kept. */
import type { Rewriting } from './schema-dialects.ts'
import { approximated, omitted, refusal, type Loss, type LossFeature } from './loss.ts'
import { mergeSchemas, resolveReference, type SchemaRecord } from './schema-merge.ts'

/** Writing references out can double a schema at every level: far beyond any real one it is refused. */
export const MAX_SCHEMA_NODES = 5000

/** Levels of schemas within schemas, references written out. */
export const MAX_SCHEMA_LEVELS = 64

/** A tool's schema must be an object at its root; an output's may be wrapped into one and unwrapped again. */
export type SchemaPurpose = 'output' | 'tool'

export type SchemaWork = {
  readonly rules: Rewriting
  readonly purpose: SchemaPurpose
  /** The document that references point into. */
  readonly root: SchemaRecord
  readonly losses: Loss[]
  /** References that stand in the lowered schema and need their targets. */
  readonly kept: Set<string>
  nodes: number
  /** Set when the lowered schema accepts what the caller's does not. */
  weakened: boolean
}

/** Keywords of one schema that could not be said, with their values, to be told in its description. */
export type Moved = [keyword: string, value: unknown][]

/** Where a schema stands, how deep, which references lead to it, and what of it is still to be told. */
export type Place = { readonly path: string; readonly level: number; readonly trail: ReadonlySet<string>; readonly moved: Moved }

/** The place of a root, or of a definition. */
export function rootPlace(path: string, trail: ReadonlySet<string> = new Set(['#'])): Place {
  return { path, level: 0, trail, moved: [] }
}

/** The place of a schema within another. */
export function within(place: Place, step: string): Place {
  return { ...place, path: at(place, step), level: place.level + 1, moved: [] }
}

/** The path of a keyword at a place. */
export function at({ path }: Pick<Place, 'path'>, keyword: string): string {
  return path === '' ? keyword : `${path}.${keyword}`
}

/** Reports that the schema cannot be said in this dialect; what is returned then no longer matters. */
export function refuse(work: SchemaWork, path: string, feature: LossFeature, how: string): SchemaRecord {
  work.losses.push(refusal(path, feature, how))
  return {}
}

/** Reports that the lowered schema accepts more than the caller's, which asks for the answer to be validated. */
export function weaken(work: SchemaWork, path: string, feature: LossFeature, how: string): void {
  work.losses.push(approximated(path, feature, how))
  work.weakened = true
}

/** Reports that the lowered schema accepts less, or says the same with less help; every answer still fits the caller's. */
export function narrow(work: SchemaWork, path: string, feature: LossFeature, how: string): void {
  work.losses.push(approximated(path, feature, how))
}

/** Reports that something which asks nothing of a value was left out. */
export function leaveOut(work: SchemaWork, path: string, feature: LossFeature, how: string): void {
  work.losses.push(omitted(path, feature, how))
}

/** A schema without the references and `allOf` at its own level, and the references that were followed to get there. */
export type Flat = { readonly schema: SchemaRecord; readonly trail: ReadonlySet<string> }

/**
 * Writes out what stands at a schema's own level: `allOf` is merged, and a reference followed unless it may stay.
 *
 * @param follow - Also follow a reference that could stay, for places that must show their shape.
 * @returns `undefined` after reporting the refusal.
 */
export function flatten(schema: SchemaRecord, place: Place, work: SchemaWork, follow = false): Flat | undefined {
  let flat: Flat = { schema, trail: place.trail }
  while (true) {
    if (isTooLarge(place, work)) return undefined
    if (typeof flat.schema['$ref'] === 'string') {
      if (!follow && mayStay(flat.schema, flat.schema['$ref'], flat.trail, work)) return flat
      const next = followReference(flat, flat.schema['$ref'], place, work)
      if (next === undefined) return undefined
      flat = next
    } else if (Array.isArray(flat.schema['allOf'])) {
      const next = mergeAllOf(flat, flat.schema['allOf'], place, work)
      if (next === undefined) return undefined
      flat = next
    } else return flat
  }
}

/** Counts a schema, and refuses once when there are too many or they stand too deep. */
export function isTooLarge({ path, level }: Place, work: SchemaWork): boolean {
  if (++work.nodes <= MAX_SCHEMA_NODES && level <= MAX_SCHEMA_LEVELS) return false
  if (!work.losses.some(({ feature }) => feature === 'schema.size')) {
    refuse(work, path, 'schema.size', 'the schema is too large or too deep once its references are written out')
  }
  return true
}

/** `#` and `#/$defs/name` survive rewriting; other pointers may lead into what is rewritten. */
const stableReference = /^#(\/(\$defs|definitions)\/[^/]+)?$/

/** A reference stays bare. With something beside it, it is written out so that nothing is lost, unless it recurses. */
function mayStay(schema: SchemaRecord, reference: string, trail: ReadonlySet<string>, work: SchemaWork): boolean {
  if (work.rules.references === 'inline' || !stableReference.test(reference)) return false
  if (resolveReference(work.root, reference) === undefined) return false
  const isBare = Object.keys(schema).every((keyword) => keyword === '$ref' || keyword === '$defs' || keyword === 'definitions')
  return isBare || trail.has(reference)
}

function followReference({ schema, trail }: Flat, reference: string, place: Place, work: SchemaWork): Flat | undefined {
  const target = resolveReference(work.root, reference)
  if (target === undefined) {
    refuse(work, at(place, '$ref'), 'schema.reference', 'the reference does not lead to a place in the schema')
    return undefined
  }
  if (trail.has(reference)) {
    refuse(work, at(place, '$ref'), 'schema.reference', 'the schema refers to itself where it must be written out')
    return undefined
  }
  const { $ref: _, $defs: __, definitions: ___, ...siblings } = schema
  const merged = mergeSchemas([withoutDefinitions(target), siblings])
  if (merged !== undefined) return { schema: merged, trail: new Set([...trail, reference]) }
  // Two levels that do not merge by themselves may once their own references are written out.
  return { schema: { allOf: [target, siblings] }, trail: new Set([...trail, reference]) }
}

function withoutDefinitions(target: unknown): unknown {
  if (typeof target !== 'object' || target === null || Array.isArray(target)) return target
  const { $defs: _, definitions: __, ...rest } = target as SchemaRecord
  return rest
}

function mergeAllOf({ schema, trail }: Flat, members: readonly unknown[], place: Place, work: SchemaWork): Flat | undefined {
  const { allOf: _, ...rest } = schema
  const flats = [rest, ...members].map((member) => {
    if (typeof member !== 'object' || member === null) return { schema: member, trail }
    return flatten(member as SchemaRecord, { ...place, trail }, work, true)
  })
  if (flats.includes(undefined)) return undefined
  const merged = mergeSchemas(flats.map((flat) => flat?.schema))
  if (merged === undefined) {
    refuse(work, at(place, 'allOf'), 'schema.allOf', 'the members of allOf cannot be said as one schema')
    return undefined
  }
  return { schema: merged, trail: new Set(flats.flatMap((flat) => [...(flat?.trail ?? [])])) }
}
