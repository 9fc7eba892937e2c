/** Looks over a JSON text once: how deep it is, which member is named twice, and where its top-level members stand. */
import { MAX_JSON_DEPTH, tryParseJson } from './json.ts'

/** Where one top-level member stands: `[keyStart, valueEnd)` is the whole member, without commas. Characters of the text. */
export type JsonMember = {
  readonly key: string
  readonly keyStart: number
  readonly valueStart: number
  readonly valueEnd: number
}

/** What was seen; of a text that is not valid JSON it says nothing, so let the parser judge before it is used. */
export type JsonSurvey = {
  /** Deeper than {@link MAX_JSON_DEPTH}: then nothing else has been looked for. */
  readonly isTooDeep: boolean
  /** A member that an object names twice, as it is after unescaping: readers disagree on which one counts, and one of them pays. */
  readonly repeatedKey: string | undefined
  readonly members: readonly JsonMember[]
}

/**
 * How deep objects are looked into for repeated members. Everything that is priced or capped on any wire sits above this
 * depth; deeper ones are tool schemas and content, where a check would cost time on every large agent request.
 */
const LOOKED_INTO = 3

const QUOTE = 0x22
const BACKSLASH = 0x5c
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
  expectsKey: boolean
  repeatedKey: string | undefined
  readonly members: JsonMember[]
  /** The top-level member under way; its value has not begun while `valueStart` is -1. */
  key: string
  keyStart: number
  valueStart: number
}

/** One pass for all three, because a coding agent sends its whole history each time and each pass is another read of it. */
export function surveyJson(text: string): JsonSurvey {
  const state: State = { text, names: [], expectsKey: false, repeatedKey: undefined, members: [], key: '', keyStart: -1, valueStart: -1 }
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) {
      const end = endOfString(text, at)
      if (state.expectsKey) readKey(state, at, end)
      at = end
    } else if (code === OPEN_BRACE || code === OPEN_BRACKET) {
      if (state.names.length === MAX_JSON_DEPTH) return { isTooDeep: true, repeatedKey: undefined, members: [] }
      const isObject = code === OPEN_BRACE
      state.expectsKey = isObject && state.names.length < LOOKED_INTO
      state.names.push(state.expectsKey ? new Set() : undefined)
    } else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) {
      if (state.names.length === 1) endMember(state, at)
      state.names.pop()
      state.expectsKey = false
    } else if (code === COMMA) {
      if (state.names.length === 1) endMember(state, at)
      state.expectsKey = state.names.at(-1) !== undefined
    } else if (code === COLON && state.names.length === 1) state.valueStart = skipSpace(text, at + 1)
  }
  return { isTooDeep: false, repeatedKey: state.repeatedKey, members: state.members }
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

/** `"mod\u0065l"` is the same member as `"model"`, so an escaped key is compared as what it means. */
function keyAt(text: string, start: number, end: number): string {
  const raw = text.slice(start + 1, end)
  return raw.includes('\\') ? String(tryParseJson(text.slice(start, end + 1))) : raw
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

/** Index of the closing quote; a quote behind an odd run of backslashes is inside. */
function endOfString(text: string, open: number): number {
  for (let at = text.indexOf('"', open + 1); at !== -1; at = text.indexOf('"', at + 1)) {
    let slashes = 0
    while (text.charCodeAt(at - 1 - slashes) === BACKSLASH) slashes++
    if (slashes % 2 === 0) return at
  }
  return text.length
}
