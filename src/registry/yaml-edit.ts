/** Edits YAML in place: the parser says where things stand, and only those characters change. */
import { CST, isMap, isScalar, isSeq, Lexer, parseDocument, type Node, type Pair, type YAMLMap, type YAMLSeq } from 'yaml'
import { RouteplaneError } from '../errors.ts'
import type { Path } from '../lib/path.ts'
import { entryLines, INDENT, inline, itemLines, type YamlValue } from './yaml-value.ts'
import { readRegistryYaml, type YamlOptions } from './yaml.ts'

export type YamlEditor = {
  /** Whether a key or an item stands at a path. */
  has(path: Path): boolean
  /** Writes a value under a key. A new key goes behind those that come before it in `order`; the comment beside an old one stays. */
  set(path: Path, value: YamlValue, order?: readonly string[]): void
  /** Puts an item at the end of a list, which is made when it is not there. */
  append(path: Path, value: YamlValue, order?: readonly string[]): void
  /** Takes an item out of a list, with the comments inside it and directly above it. */
  removeItem(path: Path): void
}

/**
 * Applies changes to a text and gives the new one; whatever they do not touch keeps every character. The text passes the
 * same guard as any manifest before the parser sees it.
 *
 * @throws RouteplaneError `manifest_invalid` when the text cannot be read or is not a map of keys.
 */
export function editYaml(text: string, change: (editor: YamlEditor) => void, options: YamlOptions = {}): string {
  readRegistryYaml(text, options)
  parseMap(text, options.file)
  const lineEnd = text.includes('\r\n') ? '\r\n' : '\n'
  let current = text.replaceAll('\r\n', '\n')
  const apply = (splice: (source: string, root: YAMLMap) => string) => {
    current = splice(current, parseMap(current, options.file))
  }
  change({
    has: (path) => nodeAt(parseMap(current, options.file), path) !== undefined,
    set: (path, value, order = []) => apply((source, root) => setValue(source, root, path, { value, order })),
    append: (path, value, order = []) => apply((source, root) => appendItem(source, root, path, { value, order })),
    removeItem: (path) => apply((source, root) => removeItem(source, root, path)),
  })
  return lineEnd === '\n' ? current : current.replaceAll('\n', lineEnd)
}

/** The comments of a text, in order. */
export function commentsOf(text: string): readonly string[] {
  const comments: string[] = []
  let isScalarNext = false
  for (const token of new Lexer().lex(text)) {
    const type: CST.TokenType | null | undefined = isScalarNext ? undefined : CST.tokenType(token)
    isScalarNext = type === 'scalar'
    if (type === 'comment') comments.push(token.trim())
  }
  return comments
}

type Wanted = { readonly value: YamlValue; readonly order: readonly string[] }

function parseMap(text: string, file = 'the file'): YAMLMap {
  const { contents } = parseDocument(text, { schema: 'failsafe', logLevel: 'error' })
  if (isMap(contents)) return contents
  throw new RouteplaneError('manifest_invalid', `${file} does not hold a map of keys`)
}

function pairOf(map: unknown, key: string | number | undefined): Pair | undefined {
  return isMap(map) ? map.items.find((pair) => isScalar(pair.key) && pair.key.value === key) : undefined
}

function nodeAt(root: Node, path: Path): Node | undefined {
  return path.reduce<Node | undefined>((node, step) => {
    if (isSeq(node)) return typeof step === 'number' ? (node.items[step] as Node | undefined) : undefined
    return pairOf(node, step)?.value as Node | undefined
  }, root)
}

function setValue(text: string, root: YAMLMap, path: Path, wanted: Wanted): string {
  const [key, parentPath] = [path.at(-1), path.slice(0, -1)]
  if (typeof key !== 'string') throw new RouteplaneError('internal', 'a value is set under a key')
  const parent = nodeAt(root, parentPath)
  if (isEmpty(parent)) return setValue(text, root, parentPath, { ...wanted, value: { block: [[key, wanted.value]] } })
  const pair = pairOf(parent, key)
  if (pair !== undefined) return replaceValue(text, pair, wanted.value)
  if (!isMap(parent)) throw new RouteplaneError('manifest_invalid', `${parentPath.join('.')} is not a map of keys`)
  return insertEntry(text, parent, key, wanted)
}

function replaceValue(text: string, pair: Pair, value: YamlValue): string {
  const node = pair.value as Node
  const [start, end] = rangeOf(node)
  if (isScalar(node) && !isEmpty(node)) {
    return splice(text, start, contentEnd(text, node), inline(isQuoted(node.type) && 'text' in value ? { quoted: value.text } : value))
  }
  if (isFlow(node)) return splice(text, start, end, inline(value))
  const colon = text.indexOf(':', rangeOf(pair.key as Node)[1]) + 1
  if (isEmpty(node)) return 'block' in value ? underKey(text, pair, value) : splice(text, colon, colon, ` ${inline(value)}`)
  // A block makes room for the one line that takes its place; what stood beside its key stays there.
  const keyLine = lineEndAt(text, colon)
  return splice(splice(text, keyLine, lineEndAt(text, contentEnd(text, node)), ''), colon, colon, ` ${inline(value)}`)
}

function underKey(text: string, pair: Pair, value: Extract<YamlValue, { block: unknown }>): string {
  const [start, end] = rangeOf(pair.key as Node)
  const indent = columnOf(text, start) + INDENT
  const lines = value.block.flatMap(([key, each]) => entryLines(key, each, indent))
  const at = lineEndAt(text, end)
  return splice(text, at, at, `\n${lines.join('\n')}`)
}

/** Behind the last of the keys that come before it, so that related keys stay together; at the end when nothing says where. */
function insertEntry(text: string, parent: YAMLMap, key: string, { value, order }: Wanted): string {
  const place = order.indexOf(key)
  const earlier = place === -1 ? [] : order.slice(0, place)
  const before = parent.items.findLast((pair) => isScalar(pair.key) && earlier.includes(String(pair.key.value))) ?? parent.items.at(-1)
  if (isFlow(parent)) return insertInFlow(text, parent, `${key}: ${inline(value)}`, before)
  const [first] = parent.items
  const indent = columnOf(text, rangeOf((first as Pair).key as Node)[0])
  const at = lineEndAt(text, pairEnd(text, before as Pair))
  return splice(text, at, at, `\n${entryLines(key, value, indent).join('\n')}`)
}

function insertInFlow(text: string, list: YAMLMap | YAMLSeq, written: string, before: Pair | Node | undefined): string {
  if (before === undefined) return splice(text, ...innerOf(list), isMap(list) ? ` ${written} ` : written)
  const at = 'key' in before ? pairEnd(text, before) : rangeOf(before)[1]
  return splice(text, at, at, `, ${written}`)
}

function appendItem(text: string, root: YAMLMap, path: Path, { value, order }: Wanted): string {
  const list = nodeAt(root, path)
  const parent = nodeAt(root, path.slice(0, -1))
  const pair = pairOf(parent, path.at(-1))
  if (pair === undefined && isMap(parent)) {
    const key = String(path.at(-1))
    const marked = setValue(text, root, path, { value: { plain: '[]' }, order })
    return appendItem(marked, parseMap(marked), [...path.slice(0, -1), key], { value, order })
  }
  if (pair === undefined || !(isSeq(list) || isEmpty(list)))
    throw new RouteplaneError('manifest_invalid', `${path.join('.')} is not a list`)
  const [keyStart, keyEnd] = rangeOf(pair.key as Node)
  if (!isSeq(list) || (list.items.length === 0 && !isFlow(parent))) {
    const bare = isSeq(list) ? splice(text, text.indexOf(':', keyEnd) + 1, rangeOf(list)[1], '') : text
    const at = lineEndAt(bare, keyEnd)
    return splice(bare, at, at, `\n${itemLines(value, columnOf(text, keyStart) + INDENT).join('\n')}`)
  }
  const last = list.items.at(-1) as Node | undefined
  if (isFlow(list)) return insertInFlow(text, list, inline(value), last)
  const at = lineEndAt(text, contentEnd(text, last as Node))
  return splice(text, at, at, `\n${itemLines(value, columnOf(text, rangeOf(list)[0])).join('\n')}`)
}

function removeItem(text: string, root: YAMLMap, path: Path): string {
  const list = nodeAt(root, path.slice(0, -1))
  const index = path.at(-1)
  const item = isSeq(list) && typeof index === 'number' ? (list.items[index] as Node | undefined) : undefined
  if (!isSeq(list) || typeof index !== 'number' || item === undefined) throw new RouteplaneError('internal', 'there is no such item')
  if (isFlow(list)) return removeFromFlow(text, list, index)
  const dash = text.lastIndexOf('-', rangeOf(item)[0] - 1)
  const from = aboveComments(text, lineStartAt(text, dash))
  const to = lineEndAt(text, contentEnd(text, item))
  const rest = splice(text, from, Math.min(to + 1, text.length), '')
  if (list.items.length > 1) return rest
  const key = rangeOf(pairOf(nodeAt(root, path.slice(0, -2)), path.at(-2))?.key as Node)
  const colon = rest.indexOf(':', key[1]) + 1
  return splice(rest, colon, colon, ' []')
}

function removeFromFlow(text: string, list: YAMLSeq, index: number): string {
  const ranges = list.items.map((item) => rangeOf(item as Node))
  const [start, end] = ranges[index] ?? [0, 0]
  const [next, before] = [ranges[index + 1], ranges[index - 1]]
  if (next !== undefined) return splice(text, start, next[0], '')
  return before === undefined ? splice(text, ...innerOf(list), '') : splice(text, before[1], end, '')
}

/** Comment lines that stand directly above a line, as deep as it, are about it. */
function aboveComments(text: string, lineStart: number): number {
  const indent = /^ */.exec(text.slice(lineStart))?.[0] ?? ''
  let from = lineStart
  while (from > 0) {
    const above = lineStartAt(text, from - 1)
    if (!text.slice(above, from).startsWith(`${indent}#`)) break
    from = above
  }
  return from
}

type Span = readonly [start: number, end: number]

function rangeOf(node: Node): Span {
  const [start = 0, end = start] = node.range ?? []
  return [start, end]
}

/** Between the brackets. */
function innerOf(list: Node): Span {
  const [start, end] = rangeOf(list)
  return [start + 1, end - 1]
}

/** Where the last thing written below a node ends; comments and blank lines behind it are not part of it. */
function contentEnd(text: string, node: Node): number {
  if (isFlow(node)) return rangeOf(node)[1]
  if (isMap(node)) return pairEnd(text, node.items.at(-1) as Pair)
  if (isSeq(node)) return contentEnd(text, node.items.at(-1) as Node)
  const [start, end] = rangeOf(node)
  return start + text.slice(start, end).trimEnd().length
}

function pairEnd(text: string, pair: Pair): number {
  const value = pair.value as Node | null
  return value === null || isEmpty(value) ? text.indexOf(':', rangeOf(pair.key as Node)[1]) + 1 : contentEnd(text, value)
}

function isEmpty(node: unknown): boolean {
  return node === undefined || node === null || (isScalar(node) && node.type === 'PLAIN' && node.value === '')
}

function isFlow(node: unknown): boolean {
  return (isMap(node) || isSeq(node)) && (node.flow === true || node.items.length === 0)
}

function isQuoted(type: unknown): boolean {
  return type === 'QUOTE_DOUBLE' || type === 'QUOTE_SINGLE'
}

function splice(text: string, start: number, end: number, replacement: string): string {
  return text.slice(0, start) + replacement + text.slice(end)
}

function lineStartAt(text: string, offset: number): number {
  return text.lastIndexOf('\n', offset - 1) + 1
}

function lineEndAt(text: string, offset: number): number {
  const end = text.indexOf('\n', offset)
  return end === -1 ? text.length : end
}

function columnOf(text: string, offset: number): number {
  return offset - lineStartAt(text, offset)
}
