/** Rewrites a schema and all schemas within it for a dialect that does not take every keyword. */
import { isRecord } from '../lib/json.ts'
import { annotations, assertions, silentKeywords } from './schema-dialects.ts'
import { typesOf, type SchemaRecord } from './schema-merge.ts'
import { describe, scalars, shape, type Moved } from './schema-shape.ts'
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
  const moved: Moved = []
  const shaped = shape(flat.schema, here, work, moved)
  const isAny = shaped['type'] === undefined && !Array.isArray(shaped['anyOf'])
  if (!isAny || work.rules.any === 'keep') return rewriteKeywords(shaped, here, work, moved)
  if (work.rules.any === 'refuse') return refuse(work, place.path, 'schema.any', 'a value of any type cannot be promised by this wire')
  const plain = rewriteKeywords(shaped, here, work, moved)
  return rewrite(scalars(plain, here, work), here, work)
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

function rewriteKeywords(schema: SchemaRecord, place: Place, work: SchemaWork, moved: Moved): SchemaRecord {
  const entries = Object.entries(schema).flatMap(([keyword, value]): (readonly [string, unknown])[] => {
    const written = rewriteKeyword(keyword, value, schema, place, work, moved)
    return written === undefined ? [] : [[keyword, written]]
  })
  const rewritten = describe(Object.fromEntries(entries), moved)
  const { rules } = work
  const isObject = typesOf(rewritten['type']).includes('object')
  const complete = isObject ? completeObject(rewritten, schema, place, work) : rewritten
  const wantsItems = typesOf(complete['type']).includes('array') && complete['items'] === undefined && rules.any !== 'keep'
  const full = wantsItems ? { ...complete, items: rewrite(true, within(place, 'items'), work) } : complete
  // What was told in the description must reach the members of a union that stands alone.
  return rules.loneAnyOf && Array.isArray(full['anyOf']) ? carryDescription(full) : full
}

/** @returns what the keyword becomes; `undefined` when it goes, after `moved` or `work` has been told. */
function rewriteKeyword(keyword: string, value: unknown, schema: SchemaRecord, place: Place, work: SchemaWork, moved: Moved): unknown {
  switch (keyword) {
    case 'properties':
      return isRecord(value) ? rewriteMembers(value, within(place, keyword), work) : undefined
    case 'anyOf':
    case 'oneOf':
      return Array.isArray(value) ? rewriteEach(value, keyword, place, work) : undefined
    case 'prefixItems':
    case 'items':
      return Array.isArray(value) ? rewriteEach(value, keyword, place, work) : rewrite(value, within(place, keyword), work)
    case 'additionalProperties':
      return rewriteAdditional(value, schema, place, work, moved)
    case 'required':
      return rewriteRequired(value, schema, place, work)
    case 'format':
      return work.rules.formats === 'all' || work.rules.formats.has(String(value)) ? value : move(keyword, value, place, work, moved)
    case 'minItems':
      if (typeof value === 'number' && value <= (work.rules.minItemsUpTo ?? -1)) return value
      break
  }
  if (silentKeywords.has(keyword) || value === undefined) return undefined
  return work.rules.keeps.has(keyword) ? value : move(keyword, value, place, work, moved)
}

/** Tells a keyword in the description instead, or refuses the one that no sentence can stand in for. */
function move(keyword: string, value: unknown, place: Place, work: SchemaWork, moved: Moved): undefined {
  const path = at(place, keyword)
  if (work.rules.refuses.has(keyword)) refuse(work, path, 'schema.keyword', `${keyword} cannot be said in this dialect`)
  else if (assertions.has(keyword)) {
    weaken(work, path, 'schema.keyword', `${keyword} is only told in the description`)
    moved.push([keyword, value])
  } else if (annotations.has(keyword)) {
    narrow(work, path, 'schema.annotation', `${keyword} is told in the description`)
    moved.push([keyword, value])
  } else leaveOut(work, path, 'schema.annotation', 'the keyword is not one of JSON Schema')
  return undefined
}

function rewriteMembers(members: SchemaRecord, place: Place, work: SchemaWork): SchemaRecord {
  return Object.fromEntries(Object.entries(members).map(([name, member]) => [name, rewrite(member, within(place, name), work)]))
}

function rewriteEach(members: readonly unknown[], keyword: string, place: Place, work: SchemaWork): readonly SchemaRecord[] {
  return members.map((member, at) => rewrite(member, within(place, `${keyword}[${at}]`), work))
}

function rewriteAdditional(value: unknown, schema: SchemaRecord, place: Place, work: SchemaWork, moved: Moved): unknown {
  const { rules } = work
  const path = at(place, 'additionalProperties')
  if (rules.openShapes) return isRecord(value) ? rewrite(value, within(place, 'additionalProperties'), work) : value
  if (!rules.closed) {
    if (isRecord(value)) return move('additionalProperties', value, place, work, moved)
    if (value === false) weaken(work, path, 'schema.additionalProperties', 'this wire cannot close an object')
    return undefined
  }
  if (isRecord(value)) refuse(work, path, 'schema.additionalProperties', 'an object with keys of the model’s choice cannot be promised')
  else if (value === true && hasProperties(schema))
    narrow(work, path, 'schema.additionalProperties', 'the object is closed to its listed properties')
  return false
}

/** Names that are required but not listed as properties cannot be asked for. */
function rewriteRequired(value: unknown, schema: SchemaRecord, place: Place, work: SchemaWork): unknown {
  const { rules } = work
  if (!Array.isArray(value) || rules.openShapes) return value
  const listed = isRecord(schema['properties']) ? schema['properties'] : {}
  const known = value.filter((name) => Object.hasOwn(listed, String(name)))
  if (known.length < value.length) {
    const path = at(place, 'required')
    if (rules.closed) refuse(work, path, 'schema.any', 'a required property is not among the listed ones')
    else weaken(work, path, 'schema.keyword', 'a required property is not among the listed ones')
  }
  return known.length === 0 ? undefined : known
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
