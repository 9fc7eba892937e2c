/** Reads Google's subset of OpenAPI schemas as JSON Schema. */
import type { JsonSchema } from '../../completion/request.ts'
import { isRecord } from '../../lib/json.ts'
import { jsonName } from './field-names.ts'

type Json = Readonly<Record<string, unknown>>

/** Counts are 64-bit in protobuf, and so strings in its JSON. */
const counts: ReadonlySet<string> = new Set(['minItems', 'maxItems', 'minLength', 'maxLength', 'minProperties', 'maxProperties'])

/**
 * Converts a schema: types in lower case, `nullable` as a further type, counts as numbers, `example` as `examples`. What is
 * JSON Schema already stays as it is.
 *
 * @see https://ai.google.dev/api/caching#Schema
 */
export function fromOpenApi(schema: Json): Exclude<JsonSchema, boolean> {
  const entries = Object.entries(schema).flatMap(([given, value]): (readonly [string, unknown])[] => {
    const name = jsonName(given)
    const converted = convert(name, value)
    return converted === undefined ? [] : [[name === 'example' ? 'examples' : name, converted]]
  })
  const converted = Object.fromEntries(entries)
  const isNullable = schema['nullable'] === true
  return isNullable ? asNullable(converted) : converted
}

/** Members of OpenAPI that JSON Schema has no place for, and those that hold schemas. */
const dropped: ReadonlySet<string> = new Set(['nullable', 'propertyOrdering'])
const schemas: ReadonlySet<string> = new Set(['items', 'additionalProperties'])
const lists: ReadonlySet<string> = new Set(['anyOf', 'oneOf', 'allOf', 'prefixItems'])
const members: ReadonlySet<string> = new Set(['properties', '$defs', 'defs'])

/** @returns `undefined` for a member that goes. */
function convert(name: string, value: unknown): unknown {
  if (dropped.has(name)) return undefined
  if (name === 'type') return convertType(value)
  if (name === 'example') return [value]
  if (schemas.has(name)) return convertSchema(value)
  if (lists.has(name)) return Array.isArray(value) ? value.map(convertSchema) : value
  if (members.has(name) && isRecord(value))
    return Object.fromEntries(Object.entries(value).map(([member, schema]) => [member, convertSchema(schema)]))
  return counts.has(name) && typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value
}

function convertSchema(value: unknown): unknown {
  return isRecord(value) ? fromOpenApi(value) : value
}

function convertType(type: unknown): unknown {
  if (Array.isArray(type)) return type.map((one: unknown) => convertType(one))
  if (typeof type !== 'string') return type
  return type === 'TYPE_UNSPECIFIED' ? undefined : type.toLowerCase()
}

/** Beside an enum, null must be one of its values too. */
function asNullable(schema: Json): Json {
  const { type } = schema
  const values = schema['enum']
  const listed = Array.isArray(values) ? { enum: [...(values as readonly unknown[]), null] } : {}
  if (typeof type === 'string') return { ...schema, type: [type, 'null'], ...listed }
  return Array.isArray(schema['anyOf']) ? { ...schema, anyOf: [...(schema['anyOf'] as readonly unknown[]), { type: 'null' }] } : schema
}
