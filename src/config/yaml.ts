/** Reads YAML that nobody has vouched for: bounded size and nesting, no aliases or tags, every scalar kept as text. */
import { Composer, CST, LineCounter, Parser, isMap, isScalar, isSeq, type Document, type Node, type Pair } from 'yaml'
import { configError, type Path, type Position } from './problem.ts'

export type YamlOptions = {
  /** Bytes of UTF-8 above which the text is refused unread. */
  readonly maxBytes: number
  /** Named in errors. */
  readonly file?: string
}

export type YamlText = {
  /** Maps, lists and text; `null` only where nothing (or `~`, `null`) was written without quotes. */
  readonly value: unknown
  /** Where a path begins; the place of the nearest parent when the path itself is not in the text. */
  locate(path: Path): Position
  /** Whether the scalar at a path stands without quotes, so that `5` may mean a number there. */
  isPlain(path: Path): boolean
}

/** Levels of maps and lists; real files stay below ten. */
export const MAX_YAML_DEPTH = 32

const NOTHING = new Set(['', '~', 'null'])

/**
 * Reads one YAML document.
 *
 * The composer of the parser recurses, and on deep nesting it can take the whole process with it where no `catch` helps.
 * The token pass before it keeps its own stack, so depth is measured there and the composer never sees a deep text.
 *
 * @throws RouteplaneError `config_invalid` (size, syntax, duplicate keys, tags), `aliases_forbidden` or `nesting_too_deep`,
 *   each with line and column.
 */
export function readYaml(text: string, options: YamlOptions): YamlText {
  const { file } = options
  const bytes = Buffer.byteLength(text)
  if (bytes > options.maxBytes) {
    throw configError([{ path: [], code: 'too_large', message: `the text has ${bytes} bytes; at most ${options.maxBytes} are read` }], file)
  }
  const lines = new LineCounter()
  const positionOf = (offset: number): Position => {
    const { line, col } = lines.linePos(offset)
    return { line: Math.max(1, line), column: Math.max(1, col) }
  }
  const tokens = [...new Parser(lines.addNewLine).parse(text)]
  inspect(tokens, (code, message, offset, hint) => configError([{ path: [], code, message, hint, position: positionOf(offset) }], file))
  const document = compose(tokens, text.length, positionOf, file)
  const root: Node | null = document.contents
  return {
    value: root === null ? null : toPlainValue(root, [], positionOf, file),
    locate: (path) => positionOf(startOf(root, path)),
    isPlain: (path) => {
      const node = nodeAt(root, path)
      return isScalar(node) && node.type === 'PLAIN'
    },
  }
}

type Refuse = (code: string, message: string, offset: number, hint?: string) => Error

/** Walks the tokens with a stack of its own; stops at the first alias, anchor, tag or level too many. */
function inspect(tokens: readonly CST.Token[], refuse: Refuse): void {
  const open: { readonly token: CST.Token; readonly depth: number }[] = tokens.toReversed().map((token) => ({ token, depth: 0 }))
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { token, depth } = next
    inspectOne(token, depth, refuse)
    const below = CST.isCollection(token) ? depth + 1 : depth
    for (const child of childrenOf(token).toReversed()) open.push({ token: child, depth: below })
  }
}

function inspectOne(token: CST.Token, depth: number, refuse: Refuse): void {
  if (CST.isCollection(token) && depth >= MAX_YAML_DEPTH) {
    throw refuse('nesting_too_deep', `YAML is nested deeper than ${MAX_YAML_DEPTH} levels`, token.offset)
  }
  if (token.type === 'alias' || token.type === 'anchor') {
    const hint = 'Write the value out where it is needed.'
    throw refuse('aliases_forbidden', 'anchors (&name) and aliases (*name) are not read', token.offset, hint)
  }
  if (token.type === 'tag')
    throw refuse('tag_forbidden', 'tags (!name) are not read', token.offset, 'Put quotes around text that begins with "!".')
}

function childrenOf(token: CST.Token): readonly CST.Token[] {
  if (token.type === 'document') return [...token.start, ...(token.value === undefined ? [] : [token.value]), ...(token.end ?? [])]
  if (token.type === 'block-scalar') return token.props
  if (!CST.isCollection(token)) return []
  return token.items.flatMap((item) => [
    ...item.start,
    ...(item.key ? [item.key] : []),
    ...(item.sep ?? []),
    ...(item.value ? [item.value] : []),
  ])
}

function compose(
  tokens: readonly CST.Token[],
  end: number,
  positionOf: (offset: number) => Position,
  file: string | undefined,
): Document.Parsed {
  const documents = [...new Composer({ schema: 'failsafe', version: '1.2', prettyErrors: false, strict: true }).compose(tokens, true, end)]
  const [document, second] = documents
  if (document === undefined) throw configError([{ path: [], code: 'syntax', message: 'the text is not YAML' }], file)
  if (second !== undefined) {
    const position = positionOf(second.range[0])
    throw configError([{ path: [], code: 'syntax', message: 'only one document is read, and here a second begins', position }], file)
  }
  const [error, ...rest] = [...document.errors, ...document.warnings]
  if (error === undefined) return document
  const toProblem = (fault: typeof error) => ({
    path: [],
    code: fault.code === 'DUPLICATE_KEY' ? 'duplicate_entry' : 'syntax',
    message: fault.message.replace(/\s+/g, ' '),
    position: positionOf(fault.pos[0]),
  })
  throw configError([toProblem(error), ...rest.map(toProblem)], file)
}

/** Recursion is safe here: {@link inspect} has bounded the depth. */
function toPlainValue(node: unknown, path: Path, positionOf: (offset: number) => Position, file: string | undefined): unknown {
  if (isScalar(node)) {
    const text = typeof node.value === 'string' ? node.value : ''
    return node.type === 'PLAIN' && NOTHING.has(text) ? null : text
  }
  if (isSeq(node)) return node.items.map((item, index) => toPlainValue(item, [...path, index], positionOf, file))
  if (!isMap(node)) return null
  const entries = node.items.map((pair): readonly [string, unknown] => {
    const key = keyOf(pair)
    if (key === undefined || key === '__proto__') {
      const position = positionOf(offsetOf(pair.key) ?? offsetOf(node) ?? 0)
      throw configError([{ path, code: 'bad_key', message: 'a key must be plain text, and not "__proto__"', position }], file)
    }
    return [key, toPlainValue(pair.value, [...path, key], positionOf, file)]
  })
  return Object.fromEntries(entries)
}

function keyOf(pair: Pair): string | undefined {
  return isScalar(pair.key) && typeof pair.key.value === 'string' ? pair.key.value : undefined
}

function nodeAt(root: unknown, path: Path): unknown {
  return path.reduce<unknown>((node, step) => {
    if (isSeq(node) && typeof step === 'number') return node.items[step]
    if (isMap(node)) return node.items.find((pair) => keyOf(pair) === String(step))?.value
    return undefined
  }, root)
}

/** The offset of the key at the end of a path (or of the list item), or of the deepest part of the path that exists. */
function startOf(root: unknown, path: Path): number {
  let node = root
  let offset = offsetOf(root) ?? 0
  for (const step of path) {
    const pair = isMap(node) ? node.items.find((each) => keyOf(each) === String(step)) : undefined
    const next: unknown = pair === undefined ? nodeAt(node, [step]) : pair.value
    const start = pair === undefined ? offsetOf(next) : offsetOf(pair.key)
    if (start === undefined) return offset
    offset = start
    node = next
  }
  return offset
}

function offsetOf(node: unknown): number | undefined {
  if (!isScalar(node) && !isMap(node) && !isSeq(node)) return undefined
  return node.range?.[0]
}
