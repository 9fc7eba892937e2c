/** Reads YAML that nobody has vouched for: bounded size and nesting, no aliases or tags, every scalar kept as text. */
import { Composer, CST, isMap, isScalar, isSeq, LineCounter, Parser, type Document, type Node, type Pair } from 'yaml'
import type { Path } from './path.ts'

/** 1-based, as editors count. */
export type Position = { readonly line: number; readonly column: number }

/** What is wrong with a text. Its codes are those of a config: whoever has others names them anew. */
export type YamlFault = {
  readonly code: 'too_large' | 'nesting_too_deep' | 'aliases_forbidden' | 'tag_forbidden' | 'duplicate_entry' | 'bad_key' | 'syntax'
  readonly message: string
  /** Absent for a text that was not read at all. */
  readonly position?: Position
}

export type YamlOptions = {
  /** Bytes of UTF-8 above which the text is refused unread. */
  readonly maxBytes: number
  /** Makes the error that is thrown: of all faults, in the order of the text. */
  readonly refuse: (faults: readonly [YamlFault, ...YamlFault[]]) => Error
}

export type YamlText = {
  /** Maps, lists and text; `null` only where nothing (or `~`, `null`) was written without quotes. */
  readonly value: unknown
  /** Where a path begins; the place of the nearest parent when the path itself is not in the text. */
  readonly locate: (path: Path) => Position
  /** Whether the scalar at a path stands without quotes, so that `5` may mean a number there. */
  readonly isPlain: (path: Path) => boolean
}

/** Levels of maps and lists; real files stay below ten. */
export const MAX_YAML_DEPTH = 32

/** Far beyond what people indent, and far below what exhausts the parser's stack, which goes as deep as a text is indented. */
const MAX_INDENT = 1_000

const TOO_DEEP = `YAML is nested deeper than ${MAX_YAML_DEPTH} levels`

/** Found wherever the parser stands in the text. */
type Fault = { readonly code: YamlFault['code']; readonly message: string; readonly offset: number }

/**
 * Reads one YAML document.
 *
 * The parser and the composer of the library recurse, and on deep nesting the latter can take the whole process with it where no
 * `catch` helps. So the width of indentation is bounded before the parser, and the depth of its tokens before the composer.
 *
 * @throws what `refuse` makes of the faults: `too_large`, `nesting_too_deep`, `aliases_forbidden`, `tag_forbidden` (also for
 *   directives), `duplicate_entry`, `bad_key` or `syntax`, all but the first with line and column.
 */
export function readYaml(text: string, { maxBytes, refuse }: YamlOptions): YamlText {
  const bytes = Buffer.byteLength(text)
  if (bytes > maxBytes) throw refuse([{ code: 'too_large', message: `the text has ${bytes} bytes; at most ${maxBytes} are read` }])
  const lines = new LineCounter()
  for (let at = -1; at !== 0; at = text.indexOf('\n', at) + 1) lines.addNewLine(Math.max(0, at))
  const positionOf = (offset: number): Position => {
    const { line, col } = lines.linePos(offset)
    return { line: Math.max(1, line), column: Math.max(1, col) }
  }
  const throwIfAny = (faults: readonly Fault[]): void => {
    const [first, ...rest] = faults.map(({ code, message, offset }) => ({ code, message, position: positionOf(offset) }))
    if (first !== undefined) throw refuse([first, ...rest])
  }
  throwIfAny(findDeepIndent(text))
  const tokens = [...new Parser().parse(text)]
  throwIfAny(findForbidden(tokens))
  const documents = [
    ...new Composer({ schema: 'failsafe', version: '1.2', prettyErrors: false, strict: true }).compose(tokens, true, text.length),
  ]
  throwIfAny(findBroken(documents, text))
  const root: Node | null = documents[0]?.contents ?? null
  throwIfAny(findBadKeys(root))
  return {
    value: plainValue(root),
    locate: (path) => positionOf(startOf(root, path)),
    isPlain: (path) => {
      const node = nodeAt(root, path)
      return isScalar(node) && node.type === 'PLAIN'
    },
  }
}

/** Block style nests by indentation, or by a row of `-`, `?` and `:` on one line. */
function findDeepIndent(text: string): readonly Fault[] {
  let offset = 0
  for (const line of text.split('\n')) {
    const [lead = ''] = /^[ \t]*(?:[-?:][ \t]+)*/.exec(line) ?? []
    const marks = lead.replace(/[ \t]/g, '').length
    if (lead.length > MAX_INDENT || marks > MAX_YAML_DEPTH) return [{ code: 'nesting_too_deep', message: TOO_DEEP, offset }]
    offset += line.length + 1
  }
  return []
}

/** Walks the tokens with a stack of its own; stops at the first alias, anchor, tag, directive or level too many. */
function findForbidden(tokens: readonly CST.Token[]): readonly Fault[] {
  const open: { readonly token: CST.Token; readonly depth: number }[] = tokens.toReversed().map((token) => ({ token, depth: 0 }))
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { token, depth } = next
    const fault = forbidden(token, depth)
    if (fault !== undefined) return [{ ...fault, offset: token.offset }]
    const below = CST.isCollection(token) ? depth + 1 : depth
    for (const child of childrenOf(token).toReversed()) open.push({ token: child, depth: below })
  }
  return []
}

function forbidden(token: CST.Token, depth: number): Omit<Fault, 'offset'> | undefined {
  if (CST.isCollection(token)) return depth >= MAX_YAML_DEPTH ? { code: 'nesting_too_deep', message: TOO_DEEP } : undefined
  switch (token.type) {
    case 'alias':
    case 'anchor':
      return { code: 'aliases_forbidden', message: 'anchors (&name) and aliases (*name) are not read; write the value out' }
    case 'tag':
      return { code: 'tag_forbidden', message: 'tags (!name) are not read; put quotes around text that begins with "!"' }
    case 'directive':
      return { code: 'tag_forbidden', message: 'directives (%name) are not read' }
    default:
      return undefined
  }
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

function findBroken([document, second]: readonly Document.Parsed[], text: string): readonly Fault[] {
  if (document === undefined) return [{ code: 'syntax', message: 'the text is not YAML', offset: 0 }]
  if (second !== undefined)
    return [{ code: 'syntax', message: 'only one document is read, and here a second begins', offset: second.range[0] }]
  const faults = [...document.errors, ...document.warnings].map(({ code, message, pos: [offset] }): Fault => {
    if (code === 'DUPLICATE_KEY') return { code: 'duplicate_entry', message: message.replace(/\s+/g, ' '), offset }
    return { code: 'syntax', message: text.startsWith('${', offset - 1) ? BARE_REFERENCE : message.replace(/\s+/g, ' '), offset }
  })
  // What a parser complains of after its first complaint mostly follows from that.
  const first = faults.findIndex(({ code }) => code === 'syntax')
  return first === -1 ? faults : faults.slice(0, first + 1)
}

const BARE_REFERENCE = 'within { } and [ ], "${NAME}" stands between quotes'

/** Recursion is safe from here on: {@link findForbidden} has bounded the depth. */
function findBadKeys(node: unknown): readonly Fault[] {
  if (isSeq(node)) return node.items.flatMap(findBadKeys)
  if (!isMap(node)) return []
  return node.items.flatMap((pair): readonly Fault[] => {
    const key = keyOf(pair)
    if (key !== undefined && key !== '' && key !== '__proto__') return findBadKeys(pair.value)
    const message = 'a key must be plain text, and not "__proto__"'
    return [{ code: 'bad_key', message, offset: offsetOf(pair.key) ?? offsetOf(node) ?? 0 }]
  })
}

function plainValue(node: unknown): unknown {
  if (isSeq(node)) return node.items.map(plainValue)
  if (isMap(node)) return Object.fromEntries(node.items.map((pair) => [keyOf(pair), plainValue(pair.value)]))
  if (!isScalar(node)) return null
  const text = typeof node.value === 'string' ? node.value : ''
  return node.type === 'PLAIN' && NOTHING.has(text) ? null : text
}

const NOTHING = new Set(['', '~', 'null'])

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
