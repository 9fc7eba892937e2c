/** Rewrites a schema and all schemas within it for a dialect that does not take every keyword. */
import { isRecord } from '../lib/json.ts'
import { annotations, assertions, silentKeywords } from './schema-dialects.ts'
import { typesOf, type SchemaRecord } from './schema-merge.ts'
import { describe, scalars, shape } from './schema-shape.ts'
import { at, flatten, isTooLarge, leaveOut, narrow, refuse, weaken, within, type Place, type SchemaWork } from './schema-work.ts'

/** Rewrites one schema; refusals are reported in `work`, and what is returned beside one is of no use. */
export function rewrite(schema: unknown, place: Place, work: SchemaWork): SchemaRecord {
  if (isTooLarge(place, work)) return {}
  if (schema !== true && !isRecord(schema))
    return refuse(work, place.path, 'schema.never', 'nothing fits the schema false, which this wire cannot say')
  const flat = flatten(schema === true ? {} : schema, place, work)
  if (flat === undefined) return {}
  const here = { ...place, trail: flat.trail }
  if (typeof flat.schema['$ref'] === 'string') return keepReference(flat.schema, flat.schema['$ref'], here, work)
  const shaped = shape(flat.schema, here, work)
  const isAny = shaped['type'] === undefined && !Array.isArray(shaped['anyOf'])
  if (!isAny || work.rules.any === 'keep') return rewriteKeywords(shaped, here, work)
  if (work.rules.any === 'refuse') return refuse(work, place.path, 'schema.any', 'a value of any type cannot be promised by this wire')
  const plain = rewriteKeywords(shaped, here, work)
  return rewrite(scalars(plain, here, work), { ...here, moved: [] }, work)
}

/** A recursive reference stays bare; what stood beside it is lost. */
function keepReference(schema: SchemaRecord, reference: string, place: Place, work: SchemaWork): SchemaRecord {
  work.kept.add(reference)
  for (const keyword of Object.keys(schema)) {
    if (keyword === '$ref' || silentKeywords.has(keyword)) continue
    const path = at(place, keyword)
    if (annotations.has(keyword)) leaveOut(work, path, 'schema.annotation', 'nothing may stand beside a recursive reference')
    else weaken(work, path, 'schema.keyword', 'nothing may stand beside a recursive reference')
  }
  return { $ref: reference }
}

function rewriteKeywords(schema: SchemaRecord, place: Place, work: SchemaWork): SchemaRecord {
  const entries = Object.keys(schema).flatMap((keyword): (readonly [string, unknown])[] => {
    const written = (keywords.get(keyword) ?? rewritePlain)(keyword, schema, place, work)
    return written === undefined ? [] : [[keyword, written]]
  })
  const rewritten = describe(Object.fromEntries(entries), place.moved)
  const { rules } = work
  const isObject = typesOf(rewritten['type']).includes('object')
  const complete = isObject ? completeObject(rewritten, schema, place, work) : rewritten
  const wantsItems = typesOf(complete['type']).includes('array') && complete['items'] === undefined && rules.any !== 'keep'
  const full = wantsItems ? { ...complete, items: rewrite(true, within(place, 'items'), work) } : complete
  // What was told in the description must reach the members of a union that stands alone.
  return rules.loneAnyOf && Array.isArray(full['anyOf']) ? carryDescription(full) : full
}

/** Writes one keyword; `undefined` when it goes, after the place or the work has been told. */
type KeywordWriter = (keyword: string, schema: SchemaRecord, place: Place, work: SchemaWork) => unknown

const rewriteProperties: KeywordWriter = (keyword, schema, place, work) => {
  const members = schema[keyword]
  if (!isRecord(members)) return undefined
  const inside = within(place, keyword)
  return Object.fromEntries(Object.entries(members).map(([name, member]) => [name, rewrite(member, within(inside, name), work)]))
}

const rewriteUnion: KeywordWriter = (keyword, schema, place, work) => {
  const members = schema[keyword]
  return Array.isArray(members) ? members.map((member, index) => rewrite(member, within(place, `${keyword}[${index}]`), work)) : undefined
}

const rewriteItems: KeywordWriter = (keyword, schema, place, work) =>
  Array.isArray(schema[keyword]) ? rewriteUnion(keyword, schema, place, work) : rewrite(schema[keyword], within(place, keyword), work)

const rewriteFormat: KeywordWriter = (keyword, schema, place, work) => {
  const { formats } = work.rules
  return formats === 'all' || formats.has(String(schema[keyword])) ? schema[keyword] : move(keyword, schema[keyword], place, work)
}

const rewriteMinItems: KeywordWriter = (keyword, schema, place, work) => {
  const count = schema[keyword]
  return typeof count === 'number' && count <= (work.rules.minItemsUpTo ?? -1) ? count : rewritePlain(keyword, schema, place, work)
}

const rewritePlain: KeywordWriter = (keyword, schema, place, work) => {
  const value = schema[keyword]
  if (silentKeywords.has(keyword) || value === undefined) return undefined
  return work.rules.keeps.has(keyword) ? value : move(keyword, value, place, work)
}

const rewriteAdditional: KeywordWriter = (keyword, schema, place, work) => {
  const value = schema[keyword]
  const { rules } = work
  if (rules.openShapes) return isRecord(value) ? rewrite(value, within(place, keyword), work) : value
  if (!rules.closed) {
    if (isRecord(value)) return move(keyword, value, place, work)
    if (value === false) weaken(work, at(place, keyword), 'schema.additionalProperties', 'this wire cannot close an object')
    return undefined
  }
  const path = at(place, keyword)
  if (isRecord(value)) refuse(work, path, 'schema.additionalProperties', 'an object with keys of the model’s choice cannot be promised')
  else if (value === true && hasProperties(schema))
    narrow(work, path, 'schema.additionalProperties', 'the object is closed to its listed properties')
  return false
}

/** Names that are required but not listed as properties cannot be asked for. */
const rewriteRequired: KeywordWriter = (keyword, schema, place, work) => {
  const value = schema[keyword]
  const { rules } = work
  if (!Array.isArray(value) || rules.openShapes) return value
  const listed = isRecord(schema['properties']) ? schema['properties'] : {}
  const known = value.filter((name) => Object.hasOwn(listed, String(name)))
  if (known.length < value.length) {
    const how = 'a required property is not among the listed ones'
    if (rules.closed) refuse(work, at(place, keyword), 'schema.any', how)
    else weaken(work, at(place, keyword), 'schema.keyword', how)
  }
  return known.length === 0 ? undefined : known
}

/** Keywords with a rule of their own; all others are kept, told, or left out. */
const keywords: ReadonlyMap<string, KeywordWriter> = new Map([
  ['properties', rewriteProperties],
  ['anyOf', rewriteUnion],
  ['oneOf', rewriteUnion],
  ['prefixItems', rewriteItems],
  ['items', rewriteItems],
  ['additionalProperties', rewriteAdditional],
  ['required', rewriteRequired],
  ['format', rewriteFormat],
  ['minItems', rewriteMinItems],
])

/** Tells a keyword in the description instead, or refuses the one that no sentence can stand in for. */
function move(keyword: string, value: unknown, place: Place, work: SchemaWork): undefined {
  const path = at(place, keyword)
  if (work.rules.refuses.has(keyword)) refuse(work, path, 'schema.keyword', `${keyword} cannot be said in this dialect`)
  else if (assertions.has(keyword)) {
    weaken(work, path, 'schema.keyword', `${keyword} is only told in the description`)
    place.moved.push([keyword, value])
  } else if (annotations.has(keyword)) {
    narrow(work, path, 'schema.annotation', `${keyword} is told in the description`)
    place.moved.push([keyword, value])
  } else leaveOut(work, path, 'schema.annotation', 'the keyword is not one of JSON Schema')
  return undefined
}

function completeObject(rewritten: SchemaRecord, source: SchemaRecord, place: Place, work: SchemaWork): SchemaRecord {
  const { rules } = work
  if (!rules.closed) return rewritten
  // One with a schema for its other keys has been refused by that.
  const mayBeFree = source['additionalProperties'] !== false && !isRecord(source['additionalProperties']) && !hasProperties(source)
  const isToolRoot = work.purpose === 'tool' && place.level === 0
  if (mayBeFree && !isToolRoot) {
    refuse(
      work,
      at(place, 'additionalProperties'),
      'schema.additionalProperties',
      'an object with keys of the model’s choice cannot be promised',
    )
  }
  const properties = isRecord(rewritten['properties']) ? rewritten['properties'] : {}
  const closed = { ...rewritten, properties, additionalProperties: false }
  return rules.requireAll ? requireAll(closed, properties, place, work) : closed
}

function hasProperties({ properties }: SchemaRecord): boolean {
  return isRecord(properties) && Object.keys(properties).length > 0
}

/** An optional property is required and may be null: the nearest thing where nothing is optional. */
function requireAll(schema: SchemaRecord, properties: SchemaRecord, place: Place, work: SchemaWork): SchemaRecord {
  const required = Array.isArray(schema['required']) ? schema['required'] : []
  const entries = Object.entries(properties).map(([name, property]) => {
    if (required.includes(name) || !isRecord(property)) return [name, property] as const
    if (takesNull(property))
      narrow(work, at(place, `properties.${name}`), 'schema.optional', 'an optional property is required, and may be null')
    else weaken(work, at(place, `properties.${name}`), 'schema.optional', 'an optional property comes as null when it is left out')
    return [name, orNull(property)] as const
  })
  return { ...schema, properties: Object.fromEntries(entries), required: Object.keys(properties) }
}

function takesNull({ type, anyOf }: SchemaRecord): boolean {
  return typesOf(type).includes('null') || (Array.isArray(anyOf) && anyOf.some((member) => isRecord(member) && takesNull(member)))
}

function orNull(schema: SchemaRecord): SchemaRecord {
  if (takesNull(schema)) return schema
  const isPlain = !['enum', 'const', 'anyOf', '$ref'].some((keyword) => Object.hasOwn(schema, keyword))
  if (isPlain) return { ...schema, type: [...typesOf(schema['type']), 'null'] }
  const { description, ...rest } = schema
  return { ...(description === undefined ? {} : { description }), anyOf: [rest, { type: 'null' }] }
}

function carryDescription({ anyOf, ...beside }: SchemaRecord): SchemaRecord {
  const { description } = beside
  if (typeof description !== 'string' || !Array.isArray(anyOf)) return { anyOf }
  const members = anyOf.filter(isRecord).map((member) => {
    const own = typeof member['description'] === 'string' ? `${member['description']}\n` : ''
    const told = { ...member, description: `${own}${description}` }
    return Array.isArray(member['anyOf']) ? carryDescription(told) : told
  })
  return { anyOf: members }
}
