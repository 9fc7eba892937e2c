/** Sets and removes top-level members of a JSON object in its bytes, without touching the rest of it. */
import { RouteplaneError } from '../errors.ts'
import { isRecord, MAX_JSON_DEPTH, parseSurveyed } from './json.ts'
import { MAX_JSON_MEMBERS, MAX_JSON_VALUES, surveyJson, type JsonMember, type JsonSurvey } from './json-survey.ts'

export type JsonEdit = {
  /** Members to replace or, when absent, to append; values are written with `JSON.stringify`. */
  readonly set?: ReadonlyMap<string, unknown>
  readonly remove?: readonly string[]
}

/** A request's bytes never change, and where its members stand is asked again for each endpoint it is sent to. */
const surveyed = new WeakMap<Uint8Array, readonly JsonMember[]>()

/**
 * Parses the bytes of a JSON text, which are looked over once for everything; an edit of them then needs no second look.
 *
 * Parsers disagree about a key that stands twice, so that a policy and an upstream could read different models from the
 * same bytes: it is refused, however it is spelt (RFC 8259, section 4).
 *
 * @throws {@link RouteplaneError} `invalid_json`, `duplicate_key`, `nesting_too_deep`, or `body_too_large` for more members
 *   or values than are worth parsing.
 */
export function parseBytes(body: Uint8Array): unknown {
  const bytes = bufferOf(body)
  const text = bytes.toString()
  const { excess, repeatedKey, members } = surveyJson(text.length === body.length ? text : bytes.toString('latin1'))
  if (excess !== undefined) throw tooMuch[excess]()
  const json = parseSurveyed(text)
  if (repeatedKey !== undefined) throw standsTwice(repeatedKey)
  if (isRecord(json)) surveyed.set(body, members)
  return json
}

/** Parsing stands in everybody's way while it lasts. */
const tooMuch = {
  depth: () => new RouteplaneError('nesting_too_deep', `JSON is nested deeper than ${MAX_JSON_DEPTH} levels`),
  members: () => new RouteplaneError('body_too_large', `an object of the body has more than ${MAX_JSON_MEMBERS} members`),
  values: () => new RouteplaneError('body_too_large', `the body has more than ${MAX_JSON_VALUES} values`),
} as const satisfies Record<NonNullable<JsonSurvey['excess']>, () => RouteplaneError>

/** Of the caller's own text an error shows no more than it takes to find it. */
function standsTwice(key: string): RouteplaneError {
  const shown = key.slice(0, 60)
  return new RouteplaneError('duplicate_key', `the body has the member ${JSON.stringify(shown)} twice in one object`, {
    details: { path: shown },
  })
}

/**
 * Lists the top-level members of a JSON object.
 *
 * @throws {@link RouteplaneError} as {@link parseBytes}, and `invalid_json` when the bytes are no object.
 */
export function membersOf(body: Uint8Array): readonly JsonMember[] {
  if (!surveyed.has(body)) parseBytes(body)
  const members = surveyed.get(body)
  if (members === undefined) throw new RouteplaneError('invalid_json', 'the body is not a JSON object')
  return members
}

/**
 * Applies an edit to a JSON object's bytes; every member it does not name stays byte-identical and in place.
 *
 * @throws {@link RouteplaneError} as {@link membersOf}.
 */
export function spliceJson(body: Uint8Array, edit: JsonEdit): Uint8Array {
  const bytes = bufferOf(body)
  const members = membersOf(body)
  const set = new Map<string, unknown>()
  for (const [key, value] of edit.set ?? []) if (value !== undefined && !stands(bytes, members, key, value)) set.set(key, value)
  const removed = edit.remove?.filter((key) => edit.set?.get(key) === undefined && members.some((member) => member.key === key)) ?? []
  if (set.size === 0 && removed.length === 0) return body
  const pieces: Buffer[] = []
  let from = -1
  let last: JsonMember | undefined
  for (const [index, member] of members.entries()) {
    if (removed.includes(member.key)) continue
    if (last !== undefined && last !== members[index - 1]) {
      pieces.push(bytes.subarray(from, last.valueEnd), Buffer.from(','))
      from = -1
    }
    if (from === -1) from = member.keyStart
    last = member
    if (!set.has(member.key)) continue
    pieces.push(bytes.subarray(from, member.valueStart), written(set.get(member.key)))
    from = member.valueEnd
    set.delete(member.key)
  }
  if (last !== undefined) pieces.push(bytes.subarray(from, last.valueEnd))
  const added = [...set].map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`).join(',')
  if (added !== '') pieces.push(Buffer.from(last === undefined ? added : `,${added}`))
  return Buffer.concat([bytes.subarray(0, headEnd(bytes, members)), ...pieces, bytes.subarray(tailStart(bytes, members))])
}

/** Whether a member has its new value already; only texts are compared. */
function stands(bytes: Buffer, members: readonly JsonMember[], key: string, value: unknown): boolean {
  if (typeof value !== 'string') return false
  const member = members.find((each) => each.key === key)
  return member !== undefined && bytes.toString('utf8', member.valueStart, member.valueEnd) === JSON.stringify(value)
}

function written(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value))
}

/** End of what stands before the first member. */
function headEnd(bytes: Buffer, members: readonly JsonMember[]): number {
  return members[0]?.keyStart ?? bytes.indexOf('{') + 1
}

/** Start of what stands after the last member. */
function tailStart(bytes: Buffer, members: readonly JsonMember[]): number {
  return members.at(-1)?.valueEnd ?? bytes.indexOf('{') + 1
}

function bufferOf(body: Uint8Array): Buffer {
  return Buffer.from(body.buffer, body.byteOffset, body.byteLength)
}
