/** Makes the root of a tool's schema the plain object that every wire wants there. */
import { isDeepStrictEqual } from 'node:util'
import { isRecord } from '../lib/json.ts'
import { mergeSchemas, typesOf, type SchemaRecord } from './schema-merge.ts'
import { describe } from './schema-shape.ts'
import { at, flatten, refuse, weaken, type Place, type SchemaWork } from './schema-work.ts'

/** Keywords that no wire takes at the root of a tool. */
const unions = ['anyOf', 'oneOf'] as const
const others = ['not', 'enum', 'const'] as const

/**
 * Follows references at the root, turns a union of objects into one object with all their properties, and names the type:
 * arguments are an object always, so a root without a type means one.
 *
 * @returns `undefined` after reporting the refusal of a root that no object fits.
 */
export function toolRoot(source: SchemaRecord, place: Place, work: SchemaWork): SchemaRecord | undefined {
  const keywords = ['$ref', 'allOf', ...unions, ...others]
  if (source['type'] === 'object' && !keywords.some((keyword) => Object.hasOwn(source, keyword))) return source
  const flat = flatten(source, place, work, true)
  if (flat === undefined) return undefined
  const { type } = flat.schema
  if (type !== undefined && !typesOf(type).includes('object')) {
    refuse(work, at(place, 'type'), 'schema.root', 'the arguments of a tool are an object')
    return undefined
  }
  const united = unions.reduce((schema, keyword) => withoutUnion(schema, keyword, place, work), flat.schema)
  const plain = others.reduce((schema, keyword) => withoutKeyword(schema, keyword, place, work), united)
  const { $defs, definitions } = source
  return {
    ...describe({ ...plain, type: 'object' }, place.moved),
    ...($defs === undefined ? {} : { $defs }),
    ...(definitions === undefined ? {} : { definitions }),
  }
}

function withoutUnion(schema: SchemaRecord, keyword: 'anyOf' | 'oneOf', place: Place, work: SchemaWork): SchemaRecord {
  const { [keyword]: members, ...rest } = schema
  if (!Array.isArray(members)) return schema
  weaken(work, at(place, keyword), 'schema.keyword', `${keyword} at the root of a tool becomes one object, and is told in the description`)
  place.moved.push([keyword, members])
  const objects = members.flatMap((member) => objectMember(member, rest, place, work))
  const known = objects.filter((object) => object !== undefined)
  // One member whose shape is unknown could take anything that the rest allows.
  return known.length === 0 || known.length < objects.length ? rest : { ...rest, ...uniteObjects(known) }
}

/** @returns none for a member that is no object and could never be the arguments; `undefined` for one that does not merge. */
function objectMember(member: unknown, rest: SchemaRecord, place: Place, work: SchemaWork): readonly (SchemaRecord | undefined)[] {
  if (!isRecord(member)) return member === false ? [] : [undefined]
  const flat = flatten(member, place, work, true)
  if (flat === undefined) return [undefined]
  if (flat.schema['type'] !== undefined && !typesOf(flat.schema['type']).includes('object')) return []
  return [mergeSchemas([{ ...rest, type: 'object' }, flat.schema])]
}

/** One object that takes what any of the members takes. */
function uniteObjects(members: readonly SchemaRecord[]): SchemaRecord {
  const properties = new Map<string, unknown[]>()
  for (const member of members) {
    for (const [name, property] of Object.entries(isRecord(member['properties']) ? member['properties'] : {})) {
      const known = properties.get(name) ?? []
      properties.set(name, known.some((other) => isDeepStrictEqual(other, property)) ? known : [...known, property])
    }
  }
  const requirements = members.map(({ required }) => (Array.isArray(required) ? (required as unknown[]) : []))
  const required = (requirements[0] ?? []).filter((name) => requirements.every((names) => names.includes(name)))
  const isClosed = members.every(({ additionalProperties }) => additionalProperties === false)
  return {
    properties: Object.fromEntries([...properties].map(([name, forms]) => [name, forms.length === 1 ? forms[0] : { anyOf: forms }])),
    ...(required.length === 0 ? {} : { required }),
    ...(isClosed ? { additionalProperties: false } : {}),
  }
}

function withoutKeyword(schema: SchemaRecord, keyword: 'not' | 'enum' | 'const', place: Place, work: SchemaWork): SchemaRecord {
  if (!Object.hasOwn(schema, keyword)) return schema
  const { [keyword]: value, ...rest } = schema
  weaken(work, at(place, keyword), 'schema.keyword', `${keyword} is only told in the description`)
  place.moved.push([keyword, value])
  return rest
}
