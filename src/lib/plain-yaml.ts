/** Reads the YAML that people and programs write for a registry at a tenth of the cost, and leaves all other YAML to the exact reader. */

/** A text that {@link readPlainYaml} took. */
export type PlainYaml = {
  /** Maps, lists and text; `null` only where nothing (or `~`, `null`) was written without quotes. */
  readonly value: unknown
  /** The keys and indices of a map or list under which a text in quotes stands. */
  readonly quotedIn: (parent: object) => ReadonlySet<string | number> | undefined
}

export type PlainYamlLimits = {
  /** Levels of maps and lists. */
  readonly maxDepth: number
  /** Spaces in a row. */
  readonly maxSpaces: number
}

/** What must not stand anywhere: control characters, tabs, foreign line ends, and marks of byte order. */
// oxlint-disable-next-line no-control-regex -- YAML gives some of them a meaning, and forbids others
const FOREIGN = /[\x00-\x09\x0b-\x1f\x7f-\xa0\u2028\u2029\ud800-\udfff\ufeff]/

/** Text without quotes: a colon only where it cannot end a key, no `#` at all. Inside brackets, their own marks end it. */
const PLAIN = /[\w~/$](?:[^\n :#]|:(?=[\w/]))*(?: +(?:[^\n :#]|:(?=[\w/]))+)*/y
const PLAIN_IN_BRACKETS = /[\w~/$](?:[^\n :#,[\]{}]|:(?=[\w/]))*(?: +(?:[^\n :#,[\]{}]|:(?=[\w/]))+)*/y
/** Text in quotes on one line, without an escape. */
const QUOTED = /"[^"\\\n]*"|'[^'\n]*'(?!')/y

const SPACES = / */y
const REST_OF_LINE = /(?: *| +#[^\n]*)(?:\n|$)/y
const EMPTY_LINE = / *(?:#[^\n]*)?\n/y

const NOTHING: ReadonlySet<string> = new Set(['', '~', 'null'])

/** A key longer than YAML lets it be is an error; ours are far shorter. */
const MAX_KEY_LENGTH = 256

/** Where the reading stands. Between two lines, `column` is where the next one that says something begins; −1 at the end. */
type Cursor = {
  readonly text: string
  readonly maxDepth: number
  readonly quoted: Map<object, Set<string | number>>
  at: number
  lineStart: number
  column: number
  /** Whether the text that was read last stood in quotes. */
  inQuotes: boolean
}

/**
 * Reads block maps and lists, brackets on one line, comments, and text that is plain or in quotes without escapes.
 *
 * It judges nothing: whatever could be wrong, or means more than it seems to, is left to the exact reader, whose words and
 * places are then the answer. What it does take, it takes for what the exact reader does.
 *
 * @returns `undefined` for every text that needs the exact reader.
 */
export function readPlainYaml(text: string, { maxDepth, maxSpaces }: PlainYamlLimits): PlainYaml | undefined {
  if (FOREIGN.test(text) || text.includes(' '.repeat(maxSpaces))) return undefined
  const cursor: Cursor = { text, maxDepth, quoted: new Map(), at: 0, lineStart: 0, column: 0, inQuotes: false }
  if (nextLine(cursor) !== 0) return undefined
  const value = readBlock(cursor, 0, 0)
  if (value === undefined || cursor.column !== -1) return undefined
  return { value, quotedIn: (parent) => cursor.quoted.get(parent) }
}

/** @returns what stands at a column and below, the cursor before the line after it; `undefined` when it is not plain. */
function readBlock(cursor: Cursor, column: number, depth: number): unknown {
  if (depth >= cursor.maxDepth) return undefined
  return isDash(cursor) ? readList(cursor, column, depth) : readMap(cursor, column, depth)
}

function readMap(cursor: Cursor, column: number, depth: number): object | undefined {
  const map: Record<string, unknown> = {}
  do {
    const key = readKey(cursor, map, PLAIN)
    if (key === undefined) return undefined
    const value = readAfterMark(cursor, column, depth, 'key')
    if (value === undefined) return undefined
    map[key] = value
    if (cursor.inQuotes) noteQuoted(cursor, map, key)
  } while (cursor.column === column)
  return cursor.column < column ? map : undefined
}

function readList(cursor: Cursor, column: number, depth: number): unknown[] | undefined {
  const list: unknown[] = []
  do {
    cursor.at++
    const value = readAfterMark(cursor, column, depth, 'dash')
    if (value === undefined) return undefined
    if (cursor.inQuotes) noteQuoted(cursor, list, list.length)
    list.push(value)
  } while (cursor.column === column && isDash(cursor))
  return cursor.column <= column ? list : undefined
}

/** Reads what follows the colon of a key or the dash of an item, on the same line or below. */
function readAfterMark(cursor: Cursor, column: number, depth: number, mark: 'key' | 'dash'): unknown {
  cursor.inQuotes = false
  if (endLine(cursor)) {
    const belongs = cursor.column > column || (mark === 'key' && cursor.column === column && isDash(cursor))
    if (!belongs) return null
    const value = readBlock(cursor, cursor.column, depth + 1)
    cursor.inQuotes = false
    return value
  }
  skip(cursor, SPACES)
  const start = cursor.at
  const value = readInline(cursor, PLAIN, depth)
  if (mark === 'dash' && typeof value !== 'object' && isColon(cursor)) {
    cursor.at = start
    const map = depth + 1 < cursor.maxDepth ? readMap(cursor, start - cursor.lineStart, depth + 1) : undefined
    cursor.inQuotes = false
    return map
  }
  return value !== undefined && endLine(cursor) ? value : undefined
}

/** A map or list in brackets, or a text. */
function readInline(cursor: Cursor, plain: RegExp, depth: number): unknown {
  const mark = cursor.text[cursor.at]
  if (mark !== '{' && mark !== '[') {
    const text = readText(cursor, plain)
    return text !== undefined && !cursor.inQuotes && NOTHING.has(text) ? null : text
  }
  if (depth + 1 >= cursor.maxDepth) return undefined
  const value = mark === '{' ? readMapInBrackets(cursor, depth + 1) : readListInBrackets(cursor, depth + 1)
  cursor.inQuotes = false
  return value
}

function readMapInBrackets(cursor: Cursor, depth: number): object | undefined {
  const map: Record<string, unknown> = {}
  if (opensEmpty(cursor, '}')) return map
  do {
    const key = readKey(cursor, map, PLAIN_IN_BRACKETS)
    if (key === undefined) return undefined
    skip(cursor, SPACES)
    const value = readInline(cursor, PLAIN_IN_BRACKETS, depth)
    if (value === undefined) return undefined
    map[key] = value
    if (cursor.inQuotes) noteQuoted(cursor, map, key)
  } while (goesOn(cursor))
  return cursor.text[cursor.at++] === '}' ? map : undefined
}

function readListInBrackets(cursor: Cursor, depth: number): unknown[] | undefined {
  const list: unknown[] = []
  if (opensEmpty(cursor, ']')) return list
  do {
    const value = readInline(cursor, PLAIN_IN_BRACKETS, depth)
    if (value === undefined) return undefined
    if (cursor.inQuotes) noteQuoted(cursor, list, list.length)
    list.push(value)
  } while (goesOn(cursor))
  return cursor.text[cursor.at++] === ']' ? list : undefined
}

/** Reads a key with its colon. @returns `undefined` also for a key that is there already, or that no map may have. */
function readKey(cursor: Cursor, map: object, plain: RegExp): string | undefined {
  const key = readText(cursor, plain)
  if (key === undefined || key === '' || key === '__proto__' || key.length > MAX_KEY_LENGTH) return undefined
  if (Object.hasOwn(map, key) || !isColon(cursor)) return undefined
  cursor.at++
  return key
}

function readText(cursor: Cursor, plain: RegExp): string | undefined {
  const mark = cursor.text[cursor.at]
  cursor.inQuotes = mark === '"' || mark === "'"
  const start = cursor.at
  if (!skip(cursor, cursor.inQuotes ? QUOTED : plain)) return undefined
  return cursor.inQuotes ? cursor.text.slice(start + 1, cursor.at - 1) : cursor.text.slice(start, cursor.at)
}

function noteQuoted({ quoted }: Cursor, parent: object, key: string | number): void {
  const keys = quoted.get(parent)
  if (keys === undefined) quoted.set(parent, new Set([key]))
  else keys.add(key)
}

/** A colon that ends a key: one before a space or the end of its line. */
function isColon({ text, at }: Cursor): boolean {
  return text[at] === ':' && isBlank(text[at + 1])
}

/** A dash that begins an item. */
function isDash({ text, at }: Cursor): boolean {
  return text[at] === '-' && isBlank(text[at + 1])
}

function isBlank(character: string | undefined): boolean {
  return character === ' ' || character === '\n' || character === undefined
}

/** Passes the opening bracket, and the closing one when nothing is between. */
function opensEmpty(cursor: Cursor, close: string): boolean {
  cursor.at++
  skip(cursor, SPACES)
  if (cursor.text[cursor.at] !== close) return false
  cursor.at++
  return true
}

/** Passes a comma between brackets. */
function goesOn(cursor: Cursor): boolean {
  skip(cursor, SPACES)
  if (cursor.text[cursor.at] !== ',') return false
  cursor.at++
  skip(cursor, SPACES)
  return true
}

/** Passes what is left of a line when that is nothing or a comment, and the empty lines after it. */
function endLine(cursor: Cursor): boolean {
  if (!skip(cursor, REST_OF_LINE)) return false
  nextLine(cursor)
  return true
}

/** @returns the column where the next line begins that says something. */
function nextLine(cursor: Cursor): number {
  while (skip(cursor, EMPTY_LINE)) continue
  cursor.lineStart = cursor.at
  skip(cursor, SPACES)
  const ends = cursor.at === cursor.text.length || cursor.text[cursor.at] === '#'
  cursor.column = ends ? -1 : cursor.at - cursor.lineStart
  return cursor.column
}

/** Moves past what a pattern finds at the cursor. */
function skip(cursor: Cursor, pattern: RegExp): boolean {
  pattern.lastIndex = cursor.at
  if (!pattern.test(cursor.text)) return false
  cursor.at = pattern.lastIndex
  return true
}
