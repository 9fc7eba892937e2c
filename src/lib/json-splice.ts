/** Sets and removes top-level members of a JSON object in its bytes, without touching the rest of it. */
import { RouteplaneError } from '../errors.ts'
import { parseJson } from './json.ts'
import type { JsonMember } from './json-survey.ts'

export type JsonEdit = {
  /** Members to replace or, when absent, to append; values are written with `JSON.stringify`. */
  readonly set?: ReadonlyMap<string, unknown>
  readonly remove?: readonly string[]
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const COLON = 0x3a
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d

/**
 * Lists the top-level members of a JSON object.
 *
 * Parsers disagree about a key that stands twice, so that a policy and an upstream could read different models from the
 * same bytes: it is refused, however it is spelt (RFC 8259, section 4).
 *
 * @throws {@link RouteplaneError} `duplicate_key`, or `invalid_json` when the bytes are not an object at all.
 */
export function scanMembers(body: Uint8Array): readonly JsonMember[] {
  const known = scanned.get(body)
  if (known !== undefined) return known
  // One character a byte: offsets stay those of the bytes, and searching a string is faster than searching a buffer.
  const members = scan(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('latin1'))
  scanned.set(body, members)
  return members
}

/** A request's bytes never change, and are scanned when it is read and again for each endpoint it is sent to. */
const scanned = new WeakMap<Uint8Array, readonly JsonMember[]>()

/** Takes over what a survey of the same bytes has found, none of it twice: they are not scanned again. */
export function knowMembers(body: Uint8Array, members: readonly JsonMember[]): void {
  scanned.set(body, members)
}

function scan(text: string): readonly JsonMember[] {
  const members: JsonMember[] = []
  const seen = new Set<string>()
  let at = skipSpace(text, 0)
  if (text.charCodeAt(at) !== OPEN_BRACE) throw broken()
  at = skipSpace(text, at + 1)
  if (text.charCodeAt(at) === CLOSE_BRACE) return members
  for (;;) {
    const member = readMember(text, at)
    if (seen.has(member.key)) {
      const shown = member.key.slice(0, 60)
      throw new RouteplaneError('duplicate_key', `the key ${JSON.stringify(shown)} stands twice in the request`, {
        details: { path: shown },
      })
    }
    seen.add(member.key)
    members.push(member)
    at = skipSpace(text, member.valueEnd)
    if (text.charCodeAt(at) === CLOSE_BRACE) return members
    if (text.charCodeAt(at) !== COMMA) throw broken()
    at = skipSpace(text, at + 1)
  }
}

/**
 * Applies an edit to a JSON object's bytes; every member it does not name stays byte-identical and in place.
 *
 * @throws {@link RouteplaneError} as {@link scanMembers}.
 */
export function spliceJson(body: Uint8Array, edit: JsonEdit): Uint8Array {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  const members = scanMembers(body)
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
  return members[0]?.keyStart ?? bytes.indexOf(OPEN_BRACE) + 1
}

/** Start of what stands after the last member. */
function tailStart(bytes: Buffer, members: readonly JsonMember[]): number {
  return members.at(-1)?.valueEnd ?? bytes.indexOf(OPEN_BRACE) + 1
}

function readMember(text: string, keyStart: number): JsonMember {
  if (text.charCodeAt(keyStart) !== QUOTE) throw broken()
  const keyEnd = endOfString(text, keyStart)
  const colon = skipSpace(text, keyEnd)
  if (text.charCodeAt(colon) !== COLON) throw broken()
  const valueStart = skipSpace(text, colon + 1)
  return { key: readKey(text, keyStart, keyEnd), keyStart, valueStart, valueEnd: endOfValue(text, valueStart) }
}

/** A key that means what it shows: ASCII without escapes. */
const PLAIN = /^[ -[\]-~]*$/

function readKey(text: string, start: number, end: number): string {
  const raw = text.slice(start + 1, end - 1)
  if (PLAIN.test(raw)) return raw
  const key = Buffer.from(raw, 'latin1').toString()
  return key.includes('\\') ? String(parseJson(`"${key}"`)) : key
}

function skipSpace(text: string, from: number): number {
  let at = from
  while (isSpace(text.charCodeAt(at))) at++
  return at
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09
}

/** Index after the value that begins at `start`. */
function endOfValue(text: string, start: number): number {
  const first = text.charCodeAt(start)
  if (first === QUOTE) return endOfString(text, start)
  if (first === OPEN_BRACE || first === OPEN_BRACKET) return endOfContainer(text, start)
  let at = start
  while (at < text.length && !isScalarEnd(text.charCodeAt(at))) at++
  if (at === start || at === text.length) throw broken()
  return at
}

function isScalarEnd(code: number): boolean {
  return code === COMMA || code === CLOSE_BRACE || code === CLOSE_BRACKET || isSpace(code)
}

function endOfContainer(text: string, start: number): number {
  let depth = 0
  for (let at = start; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) at = endOfString(text, at) - 1
    else if (code === OPEN_BRACE || code === OPEN_BRACKET) depth++
    else if ((code === CLOSE_BRACE || code === CLOSE_BRACKET) && --depth === 0) return at + 1
  }
  throw broken()
}

/** Index after the closing quote; a quote behind an odd run of backslashes is inside. */
function endOfString(text: string, open: number): number {
  for (let at = text.indexOf('"', open + 1); at !== -1; at = text.indexOf('"', at + 1)) {
    let slashes = 0
    while (text.charCodeAt(at - 1 - slashes) === BACKSLASH) slashes++
    if (slashes % 2 === 0) return at + 1
  }
  throw broken()
}

function broken(): RouteplaneError {
  return new RouteplaneError('invalid_json', 'the body is not a JSON object')
}
