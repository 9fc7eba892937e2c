/** Edits JSON with comments in place: indentation, comments and trailing commas stay as their owner likes them. */
import { applyEdits, findNodeAtLocation, modify, parse, parseTree, printParseErrorCode, type Node, type ParseError } from 'jsonc-parser'
import { isNestedWithin, isRecord } from '../lib/json.ts'
import { SERVER_NAME } from './client.ts'
import { broken, type FileFormat } from './edit.ts'

/** The parser calls itself for each level; no settings file is near this. */
const MAX_DEPTH = 500

export const jsonc: FileFormat = {
  parse(text) {
    if (text.trim() === '') return {}
    if (!isNestedWithin(text, MAX_DEPTH)) throw broken(`it is nested deeper than ${MAX_DEPTH} levels`)
    const errors: ParseError[] = []
    const value = parse(text, errors, { allowTrailingComma: true }) as unknown
    const [first] = errors
    if (first !== undefined) throw broken(`it is not valid JSON (${printParseErrorCode(first.error)} at ${placeOf(text, first.offset)})`)
    if (!isRecord(value)) throw broken('it does not hold a JSON object')
    return value
  },
  set(given, servers, entry) {
    const text = given.trim() === '' ? `{}${eolOf(given)}` : given
    const root = parseTree(text, [], { allowTrailingComma: true })
    if (root === undefined) return text
    const own = findNodeAtLocation(root, [servers, SERVER_NAME])
    if (own !== undefined) return splice(text, own.offset, own.length, printed(text, entry, 2))
    const table = findNodeAtLocation(root, [servers])
    return table === undefined ? insert(text, root, servers, { [SERVER_NAME]: entry }, 1) : insert(text, table, SERVER_NAME, entry, 2)
  },
  // Without options nothing around the entry is formatted anew.
  remove: (text, servers) => applyEdits(text, modify(text, [servers, SERVER_NAME], undefined, {})),
  show: (servers, entry) => JSON.stringify({ [servers]: { [SERVER_NAME]: entry } }, undefined, 2),
}

/** Writes a member as the first of an object, where no comma and no comment of another member is in the way. */
function insert(text: string, object: Node, name: string, value: unknown, depth: number): string {
  const eol = eolOf(text)
  const isEmpty = object.children?.length === 0
  const isBare = text[object.offset + 1] === '}'
  const behind = isBare ? eol + indentOf(text).repeat(depth - 1) : isEmpty ? '' : ','
  const member = `${eol}${indentOf(text).repeat(depth)}${JSON.stringify(name)}: ${printed(text, value, depth)}`
  return splice(text, object.offset + 1, 0, member + behind)
}

/** The value in the file's own indentation, for a member that stands `depth` levels deep. */
function printed(text: string, value: unknown, depth: number): string {
  const indent = indentOf(text)
  return JSON.stringify(value, undefined, indent).replaceAll('\n', eolOf(text) + indent.repeat(depth))
}

/** The first indented line tells. */
function indentOf(text: string): string {
  return /\n([ \t]+)["/]/.exec(text)?.[1] ?? '  '
}

function eolOf(text: string): string {
  return text.includes('\r\n') ? '\r\n' : '\n'
}

function splice(text: string, offset: number, length: number, content: string): string {
  return text.slice(0, offset) + content + text.slice(offset + length)
}

function placeOf(text: string, offset: number): string {
  const lines = text.slice(0, offset).split('\n')
  return `line ${lines.length}, column ${(lines.at(-1)?.length ?? 0) + 1}`
}
