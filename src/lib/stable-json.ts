/** JSON that does not depend on the order in which somebody wrote the members of an object. */
import { isRecord } from './json.ts'

/** JSON with the members of every object in order: two spellings of one value come out the same. */
export function stableText(value: unknown): string {
  return JSON.stringify(value, (_name, member: unknown) =>
    isRecord(member) ? Object.fromEntries(Object.entries(member).toSorted(([a], [b]) => (a < b ? -1 : 1))) : member,
  )
}
