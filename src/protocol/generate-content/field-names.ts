/** Gives the members of a request their JSON names: protobuf's JSON form also takes `snake_case`. */
import { isRecord } from '../../lib/json.ts'
import { invalidRequest } from '../invalid-request.ts'

/** What stands below these is the caller's own and has names of its own. */
const opaque: ReadonlySet<string> = new Set([
  'args',
  'response',
  'parameters',
  'parametersJsonSchema',
  'responseSchema',
  'responseJsonSchema',
  'labels',
  'partMetadata',
  'customMetadata',
])

/**
 * Renames the members of a message and of all messages within it; what needs no renaming is not copied.
 *
 * @throws RouteplaneError `invalid_request` when a member stands under both names.
 * @see https://protobuf.dev/programming-guides/json/, "Field names"
 */
export function toJsonNames(value: unknown, path = ''): unknown {
  if (Array.isArray(value)) return renameItems(value, path)
  if (!isRecord(value)) return value
  let isChanged = false
  const entries = Object.entries(value).map(([given, member]): readonly [string, unknown] => {
    const name = jsonName(given)
    const at = path === '' ? name : `${path}.${name}`
    if (name !== given && Object.hasOwn(value, name)) throw invalidRequest(at, 'is given twice, under both of its names')
    const inner = opaque.has(name) ? member : toJsonNames(member, at)
    isChanged ||= name !== given || inner !== member
    return [name, inner]
  })
  return isChanged ? Object.fromEntries(entries) : value
}

function renameItems(items: readonly unknown[], path: string): readonly unknown[] {
  const renamed = items.map((item, index) => toJsonNames(item, `${path}[${index}]`))
  return renamed.some((item, index) => item !== items[index]) ? renamed : items
}

/** Gives the camel-case name of a member written in snake case, and any other name as it is. */
export function jsonName(name: string): string {
  return /^[a-z][a-z0-9]*(?:_[a-z0-9]+)+$/.test(name) ? name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase()) : name
}
