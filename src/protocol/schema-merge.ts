/** Finds what references mean and merges schemas that hold together, without changing what they accept. */
import { isDeepStrictEqual } from 'node:util'
import { isRecord } from '../lib/json.ts'
import { annotations } from './schema-dialects.ts'

/** A schema that is an object. */
export type SchemaRecord = Readonly<Record<string, unknown>>

/**
 * Finds the target of a reference within its own document.
 *
 * @returns `undefined` for an address outside, an anchor, or a place that does not exist. Nothing is ever fetched.
 * @see https://www.rfc-editor.org/rfc/rfc6901#section-6
 */
export function resolveReference(root: SchemaRecord, reference: string): unknown {
  if (reference !== '#' && !reference.startsWith('#/')) return undefined
  let found: unknown = root
  for (const step of reference.split('/').slice(1)) {
    const key = decodeStep(step)
    if (key === undefined || typeof found !== 'object' || found === null || !Object.hasOwn(found, key)) return undefined
    found = (found as SchemaRecord)[key]
  }
  return found
}

function decodeStep(step: string): string | undefined {
  try {
    return decodeURIComponent(step).replaceAll('~1', '/').replaceAll('~0', '~')
  } catch {
    return undefined
  }
}

/**
 * Merges schemas that a value must all fit into one schema that accepts the same values.
 *
 * Members that meet in the same property or in `items` become an `allOf` there, to be merged when that place is read.
 * @returns `undefined` when no single schema says the same: two patterns, two unions, or a contradiction.
 */
export function mergeSchemas(members: readonly unknown[]): SchemaRecord | undefined {
  let merged: SchemaRecord | undefined = {}
  for (const member of members) {
    if (member === true) continue
    if (!isRecord(member) || merged === undefined) return undefined
    merged = mergeTwo(merged, member)
  }
  return merged
}

function mergeTwo(a: SchemaRecord, b: SchemaRecord): SchemaRecord | undefined {
  if (reachesAcross(a, b) || reachesAcross(b, a)) return undefined
  const shared = Object.keys(b).filter((keyword) => Object.hasOwn(a, keyword) && !isDeepStrictEqual(a[keyword], b[keyword]))
  const mergedPairs = shared.map((keyword) => [keyword, mergeKeyword(keyword, a[keyword], b[keyword])] as const)
  if (mergedPairs.some(([, value]) => value === undefined)) return undefined
  const merged = Object.fromEntries([...Object.entries(a), ...Object.entries(b), ...mergedPairs])
  return closeProperties(merged, a, b)
}

/** Tells whether a keyword of one would change its reach beside a keyword of the other. */
function reachesAcross(a: SchemaRecord, b: SchemaRecord): boolean {
  if ('patternProperties' in a && 'additionalProperties' in b) return !isDeepStrictEqual(a['patternProperties'], b['patternProperties'])
  return 'prefixItems' in a && 'items' in b && !isDeepStrictEqual(a['prefixItems'], b['prefixItems'])
}

/** An object closed to all but its own properties also closes out those the other schema names. */
function closeProperties(merged: SchemaRecord, a: SchemaRecord, b: SchemaRecord): SchemaRecord | undefined {
  if (!isRecord(merged['properties'])) return merged
  const rules = [a, b].filter((schema) => Object.hasOwn(schema, 'additionalProperties') && schema['additionalProperties'] !== true)
  const isForeign = (schema: SchemaRecord, name: string): boolean =>
    !(isRecord(schema['properties']) && Object.hasOwn(schema['properties'], name))
  const foreign = Object.keys(merged['properties']).filter((name) => rules.some((schema) => isForeign(schema, name)))
  if (foreign.length === 0) return merged
  const required = Array.isArray(merged['required']) ? merged['required'] : []
  const isAllClosed = rules.every((schema) => schema['additionalProperties'] === false)
  if (!isAllClosed || foreign.some((name) => required.includes(name)) || rules.some((schema) => 'patternProperties' in schema))
    return undefined
  return { ...merged, properties: Object.fromEntries(Object.entries(merged['properties']).filter(([name]) => !foreign.includes(name))) }
}

/** Gives one value for a keyword that both sides give differently; `undefined` when there is none. */
type KeywordMerger = (a: unknown, b: unknown) => unknown

const highest: KeywordMerger = (a, b) => (typeof a === 'number' && typeof b === 'number' ? Math.max(a, b) : undefined)
const lowest: KeywordMerger = (a, b) => (typeof a === 'number' && typeof b === 'number' ? Math.min(a, b) : undefined)
const both: KeywordMerger = (a, b) => (isSchema(a) && isSchema(b) ? { allOf: [a, b] } : undefined)
const sameOrNothing: KeywordMerger = (a, b) => (isRecord(a) && isRecord(b) ? mergeDefinitions(a, b) : undefined)

const mergers: ReadonlyMap<string, KeywordMerger> = new Map([
  ...['minimum', 'exclusiveMinimum', 'minLength', 'minItems', 'minProperties', 'minContains'].map((name) => [name, highest] as const),
  ...['maximum', 'exclusiveMaximum', 'maxLength', 'maxItems', 'maxProperties', 'maxContains'].map((name) => [name, lowest] as const),
  ['type', (a, b) => mergeTypes(a, b)],
  ['required', (a, b) => (Array.isArray(a) && Array.isArray(b) ? [...new Set<unknown>([...a, ...b])] : undefined)],
  ['enum', (a, b) => (Array.isArray(a) && Array.isArray(b) ? nonEmpty(a.filter((value) => isAmong(value, b))) : undefined)],
  ['properties', (a, b) => (isRecord(a) && isRecord(b) ? mergeProperties(a, b) : undefined)],
  ['$defs', sameOrNothing],
  ['definitions', sameOrNothing],
  ['items', both],
  ['additionalProperties', (a, b) => (a === false || b === false ? false : both(a, b))],
  ['uniqueItems', (a, b) => a === true || b === true],
  ['nullable', (a, b) => a === true && b === true],
  ['description', (a, b) => (typeof a === 'string' && typeof b === 'string' ? `${b}\n${a}` : undefined)],
])

function mergeKeyword(keyword: string, a: unknown, b: unknown): unknown {
  const merger = mergers.get(keyword)
  if (merger !== undefined) return merger(a, b)
  return annotations.has(keyword) || keyword.startsWith('$') ? b : undefined
}

function isAmong(value: unknown, values: readonly unknown[]): boolean {
  return values.some((other) => isDeepStrictEqual(value, other))
}

function mergeProperties(a: SchemaRecord, b: SchemaRecord): SchemaRecord {
  const shared = Object.keys(b).filter((name) => Object.hasOwn(a, name) && !isDeepStrictEqual(a[name], b[name]))
  const merged = shared.map((name) => [name, { allOf: [a[name], b[name]] }] as const)
  return Object.fromEntries([...Object.entries(a), ...Object.entries(b), ...merged])
}

/** Two definitions of one name cannot both be meant. */
function mergeDefinitions(a: SchemaRecord, b: SchemaRecord): SchemaRecord | undefined {
  const differs = Object.keys(b).some((name) => Object.hasOwn(a, name) && !isDeepStrictEqual(a[name], b[name]))
  return differs ? undefined : Object.fromEntries([...Object.entries(a), ...Object.entries(b)])
}

function mergeTypes(a: unknown, b: unknown): unknown {
  const types = nonEmpty(typesOf(a).flatMap((each) => typesOf(b).flatMap((other) => commonType(each, other))))
  const unique = types === undefined ? undefined : [...new Set(types)]
  return unique?.length === 1 ? unique[0] : unique
}

function commonType(a: unknown, b: unknown): unknown[] {
  if (a === b) return [a]
  return (a === 'integer' && b === 'number') || (a === 'number' && b === 'integer') ? ['integer'] : []
}

/** The types a `type` keyword names. */
export function typesOf(type: unknown): readonly unknown[] {
  if (type === undefined) return []
  return Array.isArray(type) ? type : [type]
}

function nonEmpty<T>(values: readonly T[]): readonly T[] | undefined {
  return values.length === 0 ? undefined : values
}

function isSchema(value: unknown): boolean {
  return typeof value === 'boolean' || isRecord(value)
}
