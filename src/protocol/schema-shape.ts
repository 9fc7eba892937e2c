/** Brings one level of a schema into the shape a dialect can say: types, enums, tuples and unions. */
import { isDeepStrictEqual } from 'node:util'
import { isRecord } from '../lib/json.ts'
import { annotations, assertions, silentKeywords } from './schema-dialects.ts'
import { mergeSchemas, typesOf, type SchemaRecord } from './schema-merge.ts'
import { at, flatten, narrow, weaken, type Moved, type Place, type SchemaWork } from './schema-work.ts'

/** Applies every step; what comes out is an ordinary shape, or a union whose members are still to be rewritten. */
export function shape(schema: SchemaRecord, place: Place, work: SchemaWork): SchemaRecord {
  const united = uniteBranches(schema, place, work)
  const tupled = work.rules.openShapes ? united : withoutTuple(united, place, work)
  const typed = work.rules.any === 'keep' ? tupled : withType(tupled)
  const split = splitTypes(typed, work)
  const told = work.rules.stringEnums ? withStringEnum(split, place, work) : split
  const spread = distribute(told, place, work)
  // A union of which one member is left is that member, which has not been shaped yet.
  return Array.isArray(told['anyOf']) && spread['anyOf'] === undefined ? shape(spread, place, work) : spread
}

/** `oneOf` becomes `anyOf`: exact when no value could fit two members, else the answer must be validated. */
function uniteBranches(schema: SchemaRecord, place: Place, work: SchemaWork): SchemaRecord {
  const { oneOf, ...rest } = schema
  if (!Array.isArray(oneOf) || work.rules.oneOf === 'keep') return schema
  if (Array.isArray(rest['anyOf'])) {
    weaken(work, at(place, 'oneOf'), 'schema.oneOf', 'oneOf beside anyOf is only told in the description')
    place.moved.push(['oneOf', oneOf])
    return rest
  }
  if (!areDisjoint(oneOf)) weaken(work, at(place, 'oneOf'), 'schema.oneOf', 'oneOf is sent as anyOf')
  return { ...rest, anyOf: oneOf }
}

/** Proves disjointness by types, or by a property that every member requires with a constant of its own. */
function areDisjoint(members: readonly unknown[]): boolean {
  const records = members.filter(isRecord)
  if (records.length !== members.length) return false
  const types = records.map(({ type }) => (type === 'integer' ? 'number' : type))
  if (types.every((type) => typeof type === 'string') && new Set(types).size === types.length) return true
  const [first] = records
  const names = first !== undefined && isRecord(first['properties']) ? Object.keys(first['properties']) : []
  return names.some((name) => {
    const constants = records.map((record) => requiredConstant(record, name))
    return !constants.includes(undefined) && new Set(constants).size === constants.length
  })
}

function requiredConstant({ type, properties, required }: SchemaRecord, name: string): string | undefined {
  if (type !== 'object' || !Array.isArray(required) || !required.includes(name) || !isRecord(properties)) return undefined
  const property = Object.hasOwn(properties, name) ? properties[name] : undefined
  return isRecord(property) && typeof property['const'] === 'string' ? property['const'] : undefined
}

/** A tuple becomes an array of any of its members. */
function withoutTuple(schema: SchemaRecord, place: Place, work: SchemaWork): SchemaRecord {
  const { prefixItems, items, ...rest } = schema
  const tuple = Array.isArray(prefixItems) ? prefixItems : items
  if (!Array.isArray(tuple)) return schema
  const keyword = tuple === prefixItems ? 'prefixItems' : 'items'
  weaken(work, at(place, keyword), 'schema.keyword', 'a tuple is sent as an array of any of its members')
  const more = keyword === 'prefixItems' && isRecord(items) ? [items] : []
  const members = [...tuple, ...more].filter((member, at, all) => all.findIndex((other) => isDeepStrictEqual(member, other)) === at)
  return { ...rest, items: members.length === 1 ? members[0] : { anyOf: members } }
}

/** Names the type a schema leaves to be guessed, from its values or from the keywords it uses. */
export function withType(schema: SchemaRecord): SchemaRecord {
  if (schema['type'] !== undefined || Array.isArray(schema['anyOf']) || Array.isArray(schema['oneOf'])) return schema
  const values = Object.hasOwn(schema, 'const') ? [schema['const']] : schema['enum']
  const kinds = Object.keys(schema).flatMap((keyword) => assertions.get(keyword) ?? [])
  const types = Array.isArray(values) ? values.map(typeOfValue) : kinds.filter((kind) => kind !== 'any')
  const unique = [...new Set(types)]
  if (unique.length === 0) return schema
  return { ...schema, type: unique.length === 1 ? unique[0] : unique }
}

function typeOfValue(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  return typeof value
}

/** Several types become `nullable`, or a union with one member for each, where the dialect has no type arrays. */
function splitTypes(schema: SchemaRecord, { rules }: SchemaWork): SchemaRecord {
  const { type, ...rest } = schema
  if (!Array.isArray(type) || rules.typeArrays === 'keep') return schema
  const types = [...new Set(type as readonly unknown[])]
  const isNullable = rules.typeArrays === 'nullable' && types.length > 1 && types.includes('null')
  const named = isNullable ? types.filter((each) => each !== 'null') : types
  const nullable = isNullable ? { nullable: true } : {}
  if (named.length === 1) return { ...rest, type: named[0], ...nullable }
  const outside = Object.fromEntries(Object.entries(rest).filter(([keyword]) => !assertions.has(keyword)))
  const anyOf = named.flatMap((each) => memberOfType(rest, each))
  return { ...outside, anyOf, ...nullable }
}

/** The part of a schema that speaks of one type; none when no listed value is of that type. */
function memberOfType(schema: SchemaRecord, type: unknown): readonly SchemaRecord[] {
  const kind = type === 'integer' ? 'number' : type
  const own = Object.entries(schema).flatMap(([keyword, value]): (readonly [string, unknown])[] => {
    const of = assertions.get(keyword)
    if (keyword === 'enum' && Array.isArray(value)) return type === 'null' ? [] : [[keyword, valuesOfType(value, type)]]
    return of === kind || (of === 'any' && keyword !== 'const') ? [[keyword, value]] : []
  })
  const values = Object.hasOwn(schema, 'const') ? [schema['const']] : schema['enum']
  if (Array.isArray(values) && valuesOfType(values, type).length === 0) return []
  const constant = Object.hasOwn(schema, 'const') ? { const: schema['const'] } : {}
  return [{ type, ...Object.fromEntries(own), ...constant }]
}

function valuesOfType(values: readonly unknown[], type: unknown): readonly unknown[] {
  return values.filter((value) => (type === 'integer' ? Number.isInteger(value) : typeOfValue(value) === type))
}

/** `const` and `enum` for a wire that only lists strings: other values are told in the description, and stay what they are. */
function withStringEnum(schema: SchemaRecord, place: Place, work: SchemaWork): SchemaRecord {
  const { const: constant, enum: listed, ...rest } = schema
  const isConstant = Object.hasOwn(schema, 'const')
  const values = isConstant ? [constant] : listed
  if (!Array.isArray(values)) return schema
  const { type } = rest
  const fitting = typesOf(type).flatMap((each) => valuesOfType(values, each))
  if (type === 'string' && fitting.length > 0) return { ...rest, enum: fitting }
  const isAllThereIs = type === 'null' || (type === 'boolean' && new Set(fitting).size === 2)
  if (isAllThereIs) return rest
  const keyword = isConstant ? 'const' : 'enum'
  weaken(work, at(place, keyword), 'schema.keyword', 'values that are no strings are only told in the description')
  place.moved.push([keyword, isConstant ? constant : listed])
  return rest
}

/** Carries what stands beside `anyOf` into its members, for dialects whose unions must stand alone or be complete. */
function distribute(schema: SchemaRecord, place: Place, work: SchemaWork): SchemaRecord {
  const { rules } = work
  const { anyOf, ...beside } = schema
  if (!Array.isArray(anyOf) || !(rules.loneAnyOf || rules.closed)) return schema
  const takesNull = rules.typeArrays === 'nullable' && anyOf.some(isNull) && !anyOf.every(isNull)
  const members = takesNull ? anyOf.filter((member) => !isNull(member)) : anyOf
  const all: SchemaRecord = takesNull ? { ...beside, nullable: true } : beside
  const stays = (keyword: string): boolean => silentKeywords.has(keyword) || (!rules.loneAnyOf && annotations.has(keyword))
  const carried = Object.fromEntries(Object.entries(all).filter(([keyword]) => !stays(keyword)))
  const outside = Object.fromEntries(Object.entries(all).filter(([keyword]) => stays(keyword)))
  if (Object.keys(carried).length === 0) return { ...outside, anyOf: members }
  const merged = members.flatMap((member) => mergeMember(carried, member, place, work))
  if (!merged.includes(undefined)) {
    const [only] = merged
    return merged.length === 1 && only !== undefined ? { ...outside, ...only } : { ...outside, anyOf: merged }
  }
  weaken(work, at(place, 'anyOf'), 'schema.keyword', 'a union beside other keywords is only told in the description')
  place.moved.push(['anyOf', anyOf])
  return all
}

function isNull(member: unknown): boolean {
  return isRecord(member) && member['type'] === 'null'
}

/** @returns nothing for a member that contradicts what stands beside it, since no value could ever fit it. */
function mergeMember(carried: SchemaRecord, member: unknown, place: Place, work: SchemaWork): readonly (SchemaRecord | undefined)[] {
  if (!isRecord(member)) return [undefined]
  const flat = flatten(member, place, work, true)
  if (flat === undefined) return [undefined]
  const [ours, theirs] = [typesOf(carried['type']), typesOf(flat.schema['type'])]
  const common = ours.filter(
    (type) =>
      theirs.includes(type) || (type === 'number' && theirs.includes('integer')) || (type === 'integer' && theirs.includes('number')),
  )
  if (ours.length > 0 && theirs.length > 0 && common.length === 0) return []
  return [mergeSchemas([carried, flat.schema])]
}

/** Writes what could not be said as one sentence behind the description. */
export function describe(schema: SchemaRecord, moved: Moved): SchemaRecord {
  if (moved.length === 0) return schema
  const told = moved.map(([keyword, value]) => `${keyword} ${JSON.stringify(value).slice(0, 1000)}`).join('; ')
  const { description } = schema
  const before = typeof description === 'string' && description !== '' ? `${description}\n` : ''
  return { ...schema, description: `${before}Constraints: ${told}.` }
}

/** Offers scalars where any value would do and the wire wants a type. */
export function scalars(schema: SchemaRecord, place: Place, work: SchemaWork): SchemaRecord {
  narrow(work, place.path, 'schema.any', 'a value of any type is offered as text, number or boolean')
  return { ...schema, anyOf: [{ type: 'string' }, { type: 'number' }, { type: 'boolean' }] }
}
