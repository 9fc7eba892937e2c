/** Lowers JSON Schema 2020-12 to what a wire takes, and says what that lost. */
import type { JsonSchema } from '../completion/request.ts'
import { isRecord } from '../lib/json.ts'
import type { Loss } from './loss.ts'
import { WRAPPED_MEMBER } from './restore.ts'
import { rewritings, type SchemaDialect } from './schema-dialects.ts'
import { rewrite } from './schema-rewrite.ts'
import { resolveReference, type SchemaRecord } from './schema-merge.ts'
import { withType } from './schema-shape.ts'
import { toolRoot } from './schema-tool-root.ts'
import { at, flatten, rootPlace, type SchemaPurpose, type SchemaWork } from './schema-work.ts'

export type { SchemaDialect } from './schema-dialects.ts'

export type LoweringOptions = {
  /** `output` when absent. */
  readonly purpose?: SchemaPurpose
  /** Where the schema stands in the caller's request; the paths of losses begin with it. */
  readonly path?: string
}

export type LoweredSchema = {
  /** Of no use when a loss is `refused`: then try a freer dialect, or refuse the request. */
  readonly schema: SchemaRecord
  readonly losses: readonly Loss[]
  /** The root was wrapped as `{"value": …}`: ask for {@link Restore.rootWrapped}. */
  readonly wrapped: boolean
  /** Answers that fit the lowered schema may not fit the caller's: ask for {@link Restore.schema}. */
  readonly weakened: boolean
}

/**
 * Lowers a schema. What is valid by the caller's schema stays sayable; what a dialect cannot promise is told to the model
 * in descriptions with a loss, or refused when no sentence can stand in for it.
 *
 * Lowering twice changes nothing more. References are only followed within the schema; nothing is fetched.
 */
export function lowerSchema(schema: JsonSchema, dialect: SchemaDialect, options: LoweringOptions = {}): LoweredSchema {
  const { purpose = 'output', path = '' } = options
  const source: SchemaRecord = schema === true ? {} : schema === false ? { not: {} } : schema
  const rules = rewritings[dialect]
  const losses: Loss[] = []
  if (rules === undefined && purpose === 'output') return { schema: source, losses, wrapped: false, weakened: false }
  // The free dialects only have a rule about roots: references there are followed, and the rest goes as it is.
  const work: SchemaWork = { rules: rules ?? rootOnly, purpose, root: source, losses, kept: new Set(), nodes: 0, weakened: false }
  if (purpose === 'tool') {
    const lowered = lowerTool(source, path, work, rules === undefined)
    return { schema: lowered, losses, wrapped: false, weakened: work.weakened }
  }
  return lowerOutput(source, path, work)
}

/** Tells whether a lowered tool schema names no parameters, for wires that want them left out then. */
export function hasNoParameters(schema: JsonSchema): boolean {
  if (!isRecord(schema)) return true
  const { properties, type, anyOf, $ref } = schema
  const isObject = type === 'object' || (type === undefined && anyOf === undefined && $ref === undefined)
  return isObject && (!isRecord(properties) || Object.keys(properties).length === 0) && !isRecord(schema['additionalProperties'])
}

const rootOnly = rewritings['google-json'] as NonNullable<(typeof rewritings)['google-json']>

function lowerTool(source: SchemaRecord, path: string, work: SchemaWork, isFree: boolean): SchemaRecord {
  const root = toolRoot(source, rootPlace(path), work)
  if (root === undefined) return {}
  return isFree ? root : rewriteRoot(root, path, work)
}

function lowerOutput(source: SchemaRecord, path: string, work: SchemaWork): LoweredSchema {
  const { losses } = work
  const flat = flatten(source, rootPlace(path), work, true)
  if (flat === undefined) return { schema: {}, losses, wrapped: false, weakened: false }
  const { type, anyOf, oneOf } = withType(flat.schema)
  const isObject = type === 'object' && anyOf === undefined && oneOf === undefined
  const wrapped = work.rules.wrapRoot && !isObject
  // A wrapper moves the root, and references must find it where it went.
  const root = wrapped ? wrapRoot(source) : withDefinitions(flat.schema, source)
  const bound = wrapped ? { ...work, root } : work
  const schema = rewriteRoot(root, path, bound, wrapped ? undefined : flat.trail)
  const told = wrapped ? losses.map((loss) => ({ ...loss, path: unwrappedPath(loss.path, path) })) : losses
  return { schema, losses: told, wrapped, weakened: bound.weakened }
}

/** Rewrites the root and then every definition that something still refers to; the others go without a word. */
function rewriteRoot(root: SchemaRecord, path: string, work: SchemaWork, from?: ReadonlySet<string>): SchemaRecord {
  const written = rewrite(root, rootPlace(path, from), work)
  const definitions = new Map<string, Map<string, SchemaRecord>>()
  // A set is walked in the order of insertion, also over what is added on the way.
  for (const reference of work.kept) {
    const [, group = '', step = ''] = reference.split('/')
    if (group === '') continue
    const place = { ...rootPlace(at({ path }, `${group}.${step}`), new Set([reference])), level: 1 }
    const target = rewrite(resolveReference(work.root, reference), place, work)
    const members = definitions.get(group) ?? new Map<string, SchemaRecord>()
    definitions.set(group, members.set(decodeURIComponent(step).replaceAll('~1', '/').replaceAll('~0', '~'), target))
  }
  const groups = [...definitions].map(([group, members]) => [group, Object.fromEntries(members)] as const)
  return { ...written, ...Object.fromEntries(groups) }
}

/** Losses are told where the caller wrote, and the wrapper is not his. */
function unwrappedPath(lossPath: string, path: string): string {
  const base = path === '' ? '' : `${path}.`
  const inside = lossPath.startsWith(base) ? lossPath.slice(base.length) : lossPath
  const own = inside.replace(new RegExp(`^properties\\.${WRAPPED_MEMBER}(\\.|(?=\\[)|$)`), '').replace(/^\$defs\.root_*(\.|$)/, '')
  return own === '' ? path : `${base}${own}`
}

/** Following a reference at the root lets go of the definitions that stood beside it. */
function withDefinitions(schema: SchemaRecord, { $defs, definitions }: SchemaRecord): SchemaRecord {
  return { ...schema, ...($defs === undefined ? {} : { $defs }), ...(definitions === undefined ? {} : { definitions }) }
}

/** Puts the root under one required member; a root that refers to itself becomes a definition. */
function wrapRoot(source: SchemaRecord): SchemaRecord {
  const { $defs, definitions, $schema: _, ...rest } = source
  const name = freeName($defs)
  const pointer = `#/$defs/${name}`
  const isRecursive = refersToRoot(source)
  const groups = retarget({ $defs, definitions }, pointer) as SchemaRecord
  const known = isRecord(groups['$defs']) ? groups['$defs'] : {}
  return {
    type: 'object',
    properties: { [WRAPPED_MEMBER]: isRecursive ? { $ref: pointer } : rest },
    required: [WRAPPED_MEMBER],
    additionalProperties: false,
    ...withDefinitions({}, isRecursive ? { ...groups, $defs: { ...known, [name]: retarget(rest, pointer) } } : { $defs, definitions }),
  }
}

function freeName(definitions: unknown): string {
  let name = 'root'
  while (isRecord(definitions) && Object.hasOwn(definitions, name)) name = `${name}_`
  return name
}

/** A reference to the root, or into it past its definitions. */
const rootReference = /^#($|\/(?!\$defs\/|definitions\/))/

function refersToRoot(value: unknown): boolean {
  if (Array.isArray(value)) return value.some(refersToRoot)
  if (!isRecord(value)) return false
  return Object.entries(value).some(([key, each]) => isRootReference(key, each) || refersToRoot(each))
}

/** Points references to the root at where it went. */
function retarget(value: unknown, to: string): unknown {
  if (Array.isArray(value)) return value.map((each) => retarget(each, to))
  if (!isRecord(value)) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [key, isRootReference(key, each) ? `${to}${each.slice(1)}` : retarget(each, to)]),
  )
}

function isRootReference(key: string, value: unknown): value is string {
  return key === '$ref' && typeof value === 'string' && rootReference.test(value)
}
