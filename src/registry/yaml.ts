/** Reads YAML that nobody has vouched for: bounded size and nesting, no aliases or tags, every scalar kept as text. */
import { CST, isMap, isScalar, isSeq, Lexer, LineCounter, parseDocument, type Document } from 'yaml'
import { createProblem, manifestInvalid, type Path, type Position } from './problem.ts'

export type YamlOptions = {
  /** Bytes of UTF-8 above which the text is refused unread. */
  readonly maxBytes?: number
  /** Named in errors. */
  readonly file?: string
}

export type YamlText = {
  /** Maps, lists and strings; `null` where nothing was written. */
  readonly value: unknown
  /** Where the key (or list item) at a path begins, or the deepest part of the path that exists. */
  readonly locate: (path: Path) => Position
  /** Whether the scalar at a path stands without quotes. */
  readonly isPlain: (path: Path) => boolean
}

export const MAX_YAML_BYTES = 64 * 1024

/** Levels of maps and lists; a real manifest has six. */
export const MAX_YAML_DEPTH = 32

/** Far beyond what 32 levels of block style need, far below what could exhaust the parser's stack. */
const MAX_INDENT = 128

type Complaint = { readonly code: string; readonly message: string; readonly offset: number }

/**
 * Reads one YAML document.
 *
 * The parser recurses, and text that is nested a thousand levels deep can end the whole process where no `catch` helps. So
 * nesting is bounded before it runs: in flow style by the lexer's own tokens (it loops and does not recurse), in block style
 * by the width of the indentation. Tags, anchors and aliases end there too.
 *
 * @throws RouteplaneError `manifest_invalid` whose problems have the codes `file_too_large`, `nesting_too_deep`,
 *   `aliases_forbidden`, `tags_forbidden`, `duplicate_key` or `manifest_invalid`, each with line and column.
 */
export function readYaml(text: string, options: YamlOptions = {}): YamlText {
  const { maxBytes = MAX_YAML_BYTES, file } = options
  const bytes = Buffer.byteLength(text)
  if (bytes > maxBytes) {
    throw manifestInvalid([createProblem('file_too_large', `the text has ${bytes} bytes; at most ${maxBytes} are read`)], file)
  }
  const positionOf = positions(text)
  const complaint = findDeepIndent(text) ?? findForbidden(text)
  if (complaint !== undefined) throw invalid(complaint, positionOf, file)

  const document = parseDocument(text, { schema: 'failsafe', strict: true, uniqueKeys: true, prettyErrors: false, logLevel: 'error' })
  const [first, ...rest] = [...document.errors, ...document.warnings].map((error) => ({
    code: error.code === 'DUPLICATE_KEY' ? 'duplicate_key' : 'manifest_invalid',
    message: error.code === 'MULTIPLE_DOCS' ? 'one file holds one document, and here a second begins' : error.message.replace(/\s+/g, ' '),
    offset: error.pos[0],
  }))
  const fault = first ?? findUnreadable(document)
  if (fault !== undefined) {
    const problems = [fault, ...rest].map((each) => createProblem(each.code, each.message, [], positionOf(each.offset)))
    throw manifestInvalid(problems as [(typeof problems)[0], ...typeof problems], file)
  }
  return {
    value: plainValue(document.contents),
    locate: (path) => positionOf(offsetAt(document.contents, path)),
    isPlain: (path) => {
      const node = nodeAt(document.contents, path)
      return isScalar(node) && node.type === 'PLAIN'
    },
  }
}

/** Block style nests by indentation, or by a row of `-`, `?` and `:` on one line. */
function findDeepIndent(text: string): Complaint | undefined {
  const message = `YAML is nested deeper than ${MAX_YAML_DEPTH} levels`
  let offset = 0
  for (const line of text.split('\n')) {
    const [lead = ''] = /^[ \t]*(?:[-?:][ \t]+)*/.exec(line) ?? []
    const indicators = lead.replace(/[ \t]/g, '').length
    if (lead.length > MAX_INDENT || indicators > MAX_YAML_DEPTH) return { code: 'nesting_too_deep', message, offset }
    offset += line.length + 1
  }
  return undefined
}

/** Walks the tokens as the parser would see them and stops at the first that must not reach it. */
function findForbidden(text: string): Complaint | undefined {
  let offset = 0
  let depth = 0
  let isScalarNext = false
  for (const token of new Lexer().lex(text)) {
    const type: CST.TokenType | undefined | null = isScalarNext ? undefined : CST.tokenType(token)
    isScalarNext = type === 'scalar'
    if (type === 'flow-seq-start' || type === 'flow-map-start') depth++
    if (type === 'flow-seq-end' || type === 'flow-map-end') depth--
    if (type === 'flow-error-end') depth = 0
    if (depth > MAX_YAML_DEPTH) {
      return { code: 'nesting_too_deep', message: `YAML is nested deeper than ${MAX_YAML_DEPTH} levels`, offset }
    }
    if (type === 'alias' || type === 'anchor') {
      return { code: 'aliases_forbidden', message: 'anchors (&name) and aliases (*name) are not read; write the value out', offset }
    }
    if (type === 'tag' || type === 'directive-line') {
      return { code: 'tags_forbidden', message: 'tags (!name) and directives (%name) are not read', offset }
    }
    if (!isControlToken(type)) offset += token.length
  }
  return undefined
}

/** Marks the lexer puts between tokens; they are not in the text. */
function isControlToken(type: CST.TokenType | null | undefined): boolean {
  return type === 'doc-mode' || type === 'scalar' || type === 'flow-error-end'
}

/** Checks what only shows in the tree: levels of both styles together, and keys that are not plain words. */
function findUnreadable(document: Document.Parsed): Complaint | undefined {
  const open: { readonly node: unknown; readonly depth: number }[] = [{ node: document.contents, depth: 1 }]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { node, depth } = next
    if (!isMap(node) && !isSeq(node)) continue
    const offset = node.range?.[0] ?? 0
    if (depth > MAX_YAML_DEPTH) {
      return { code: 'nesting_too_deep', message: `YAML is nested deeper than ${MAX_YAML_DEPTH} levels`, offset }
    }
    const keys = isMap(node) ? node.items.map((pair) => keyOf(pair.key)) : []
    if (keys.some((key) => key === undefined || key === '__proto__')) {
      return { code: 'manifest_invalid', message: 'a key must be a plain word', offset }
    }
    const below = isMap(node) ? node.items.map((pair) => pair.value) : node.items
    for (const child of below) open.push({ node: child, depth: depth + 1 })
  }
  return undefined
}

function plainValue(node: unknown): unknown {
  if (isSeq(node)) return node.items.map(plainValue)
  if (isMap(node)) return Object.fromEntries(node.items.map((pair) => [keyOf(pair.key), plainValue(pair.value)]))
  if (!isScalar(node)) return null
  const isEmpty = node.type === 'PLAIN' && (node.value === '' || node.value === null || node.value === '~' || node.value === 'null')
  return isEmpty ? null : String(node.value)
}

function keyOf(key: unknown): string | undefined {
  return isScalar(key) && typeof key.value === 'string' && key.value !== '' ? key.value : undefined
}

function stepInto(node: unknown, step: string | number): { readonly at: unknown; readonly value: unknown } | undefined {
  if (isSeq(node)) {
    const item = typeof step === 'number' ? node.items[step] : undefined
    return item === undefined ? undefined : { at: item, value: item }
  }
  const pair = isMap(node) ? node.items.find((each) => keyOf(each.key) === String(step)) : undefined
  return pair === undefined ? undefined : { at: pair.key, value: pair.value }
}

function nodeAt(root: unknown, path: Path): unknown {
  return path.reduce((node, step) => stepInto(node, step)?.value, root)
}

function offsetAt(root: unknown, path: Path): number {
  let node = root
  let offset = 0
  for (const step of path) {
    const next = stepInto(node, step)
    if (next === undefined) break
    if (isScalar(next.at) || isMap(next.at) || isSeq(next.at)) offset = next.at.range?.[0] ?? offset
    node = next.value
  }
  return offset
}

function positions(text: string): (offset: number) => Position {
  const lines = new LineCounter()
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) lines.addNewLine(at + 1)
  lines.lineStarts.unshift(0)
  return (offset) => {
    const { line, col } = lines.linePos(offset)
    return { line, column: col }
  }
}

function invalid(complaint: Complaint, positionOf: (offset: number) => Position, file: string | undefined) {
  return manifestInvalid([createProblem(complaint.code, complaint.message, [], positionOf(complaint.offset))], file)
}
