/** Looks over a JSON text once: how deep and how large it is, which member is named twice, and where its top-level members stand. */
import { endOfString, MAX_JSON_DEPTH, tryParseJson } from './json.ts'

/** Where one top-level member stands: `[keyStart, valueEnd)` is the whole member, without commas. Bytes of the text. */
export type JsonMember = {
  readonly key: string
  readonly keyStart: number
  readonly valueStart: number
  readonly valueEnd: number
}

/** What was seen; of a text that is not valid JSON it says nothing, so let the parser judge before it is used. */
export type JsonSurvey = {
  /** A bound that the text is beyond: then nothing else has been looked for, and parsing it may take seconds. */
  readonly excess: 'depth' | 'members' | 'values' | undefined
  /** A member that an object names twice, as it is after unescaping: readers disagree on which one counts, and one of them pays. */
  readonly repeatedKey: string | undefined
  readonly members: readonly JsonMember[]
}

/** An object with more has no meaning on any wire, and each is a step of its own for whoever walks it. */
export const MAX_JSON_MEMBERS = 10_000

/**
 * Objects, arrays and what commas part in them, in all: 100,000 short messages, which is the most that any wire allows.
 *
 * @see https://docs.anthropic.com/en/api/messages, "messages"
 */
export const MAX_JSON_VALUES = 300_000

/**
 * How deep objects are looked into for repeated members. Everything that is priced or capped on any wire sits above this
 * depth; deeper ones are tool schemas and content, where a check would cost time on every large agent request.
 */
const LOOKED_INTO = 3

const QUOTE = 0x22
const COMMA = 0x2c
const COLON = 0x3a
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d

type State = {
  readonly text: string
  /** One for each open container: the names an object has so far, or nothing where none are kept. */
  readonly names: (Set<string> | undefined)[]
  /** For each open container how many members it has; an array has no bound of its own. */
  readonly widths: number[]
  values: number
  expectsKey: boolean
  repeatedKey: string | undefined
  readonly members: JsonMember[]
  /** The top-level member under way; its value has not begun while `valueStart` is -1. */
  key: string
  keyStart: number
  valueStart: number
}

/**
 * One pass for all of it, because a coding agent sends its whole history each time and each pass is another read of it.
 *
 * @param text - One character a byte (latin1), so that places in it are places in the bytes; of ASCII that is the text itself.
 */
export function surveyJson(text: string): JsonSurvey {
  const state: State = {
    text,
    names: [],
    widths: [],
    values: 0,
    expectsKey: false,
    repeatedKey: undefined,
    members: [],
    key: '',
    keyStart: -1,
    valueStart: -1,
  }
  const excess = walk(state)
  return excess === undefined
    ? { excess, repeatedKey: state.repeatedKey, members: state.members }
    : { excess, repeatedKey: undefined, members: [] }
}

function walk(state: State): JsonSurvey['excess'] {
  const { text } = state
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    let excess: JsonSurvey['excess']
    if (code === QUOTE) {
      const end = endOfString(text, at)
      if (state.expectsKey) readKey(state, at, end)
      at = end
    } else if (code === OPEN_BRACE || code === OPEN_BRACKET) excess = open(state, code === OPEN_BRACE)
    else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) close(state, at)
    else if (code === COMMA) excess = goOn(state, at)
    else if (code === COLON && state.names.length === 1) state.valueStart = skipSpace(text, at + 1)
    if (excess !== undefined) return excess
  }
  return undefined
}

function open(state: State, isObject: boolean): JsonSurvey['excess'] {
  const { names, widths } = state
  if (names.length === MAX_JSON_DEPTH) return 'depth'
  state.expectsKey = isObject && names.length < LOOKED_INTO
  names.push(state.expectsKey ? new Set() : undefined)
  widths.push(isObject ? 1 : Number.NEGATIVE_INFINITY)
  return ++state.values > MAX_JSON_VALUES ? 'values' : undefined
}

function close(state: State, at: number): void {
  if (state.names.length === 1) endMember(state, at)
  state.names.pop()
  state.widths.pop()
  state.expectsKey = false
}

/** A comma: another member or item follows. */
function goOn(state: State, at: number): JsonSurvey['excess'] {
  const { names, widths } = state
  if (names.length === 1) endMember(state, at)
  state.expectsKey = names.at(-1) !== undefined
  const width = (widths.pop() ?? 0) + 1
  widths.push(width)
  if (width > MAX_JSON_MEMBERS) return 'members'
  return ++state.values > MAX_JSON_VALUES ? 'values' : undefined
}

function readKey(state: State, start: number, end: number): void {
  const key = keyAt(state.text, start, end)
  const own = state.names.at(-1)
  if (own?.has(key) === true) state.repeatedKey ??= key
  own?.add(key)
  state.expectsKey = false
  if (state.names.length > 1) return
  state.key = key
  state.keyStart = start
}

/** A key that means what it shows: ASCII without escapes. */
const PLAIN = /^[ -[\]-~]*$/

/** `"mod\u0065l"` is the same member as `"model"`, so an escaped key is compared as what it means. */
function keyAt(text: string, start: number, end: number): string {
  const raw = text.slice(start + 1, end)
  if (PLAIN.test(raw)) return raw
  const key = Buffer.from(raw, 'latin1').toString()
  return key.includes('\\') ? String(tryParseJson(`"${key}"`)) : key
}

/** Ends the member under way at a comma or a brace, without the space before it. */
function endMember(state: State, at: number): void {
  const { text, key, keyStart, valueStart } = state
  if (valueStart === -1) return
  let valueEnd = at
  while (isSpace(text.charCodeAt(valueEnd - 1))) valueEnd--
  state.members.push({ key, keyStart, valueStart, valueEnd })
  state.valueStart = -1
}

function skipSpace(text: string, from: number): number {
  let at = from
  while (isSpace(text.charCodeAt(at))) at++
  return at
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09
}
