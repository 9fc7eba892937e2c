/** Edits TOML in place: our own table is appended, changed line by line or cut out, and no other line is written anew. */
import { parse, stringify, TomlError } from 'smol-toml'
import { isRecord } from '../lib/json.ts'
import { SERVER_NAME } from './client.ts'
import { broken, type FileFormat } from './edit.ts'
import { transportMembers, type Entry } from './entry.ts'

export const toml: FileFormat = {
  parse(text) {
    try {
      return parse(text)
    } catch (cause) {
      const place = cause instanceof TomlError ? ` (line ${cause.line}, column ${cause.column})` : ''
      throw broken(`it is not valid TOML${place}`)
    }
  },
  set(given, servers, entry) {
    const all = without(
      statementsOf(given),
      ([table, name, member = '']) => table === servers && name === SERVER_NAME && transportMembers.includes(member),
    )
    const text = textOf(all)
    const eol = text.includes('\r\n') ? '\r\n' : '\n'
    const at = all.findIndex(({ table }) => table?.join('.') === `${servers}.${SERVER_NAME}`)
    if (at === -1) {
      const gap = text === '' ? '' : text.endsWith('\n') ? eol : eol + eol
      return text + gap + (headerOf(servers) + transportOf(entry)).replaceAll('\n', eol)
    }
    const end = endOfTable(all, at)
    const kept = all.slice(at + 1, end).filter(({ keys }) => !keys.some((key) => transportMembers.includes(key)))
    const head = all[at]?.text ?? ''
    return [
      textOf(all.slice(0, at)),
      head.endsWith('\n') ? head : head + eol,
      transportOf(entry).replaceAll('\n', eol),
      textOf([...kept, ...all.slice(end)]),
    ].join('')
  },
  remove: (text, servers) => textOf(without(statementsOf(text), ([table, name]) => table === servers && name === SERVER_NAME)),
  show: table,
}

function table(servers: string, entry: Entry): string {
  return headerOf(servers) + stringify({ ...entry })
}

function headerOf(servers: string): string {
  return `[${servers}.${SERVER_NAME}]\n`
}

/** The lines of how the server is reached; what else is in the entry stands in the file already. */
function transportOf(entry: Entry): string {
  return stringify(Object.fromEntries(Object.entries(entry).filter(([name]) => transportMembers.includes(name))))
}

type Statement = {
  /** With its line break. */
  readonly text: string
  /** Names in a `[table.header]`. */
  readonly table: readonly string[] | undefined
  /** Names that an assignment gives a value to. */
  readonly keys: readonly string[]
}

/** Leaves tables out, each from its header to its last assignment. */
function without(all: readonly Statement[], isOut: (names: readonly string[]) => boolean): readonly Statement[] {
  const cut = new Set<Statement>()
  for (const [at, { table: names }] of all.entries()) {
    if (names !== undefined && isOut(names)) for (const statement of all.slice(at, endOfTable(all, at))) cut.add(statement)
  }
  return all.filter((statement) => !cut.has(statement))
}

function textOf(statements: readonly Statement[]): string {
  return statements.map((statement) => statement.text).join('')
}

/**
 * Takes a text apart into headers, assignments, comments and blank lines. A line that cannot be parsed alone goes on in the
 * next: so a header inside a text of several lines is never taken for one.
 */
function statementsOf(text: string): Statement[] {
  const statements: Statement[] = []
  let open = ''
  for (const line of text.split(/(?<=\n)/)) {
    open += line
    const statement = tryStatement(open)
    if (statement === undefined) continue
    statements.push(statement)
    open = ''
  }
  if (open !== '') statements.push({ text: open, table: undefined, keys: [] })
  return statements
}

function tryStatement(text: string): Statement | undefined {
  try {
    const value: unknown = parse(text)
    if (!isRecord(value)) return undefined
    const isHeader = text.trimStart().startsWith('[')
    return { text, table: isHeader ? namesIn(value) : undefined, keys: isHeader ? [] : Object.keys(value) }
  } catch {
    return undefined
  }
}

/** `{ a: { b: {} } }` is the header `[a.b]`; a list on the way is `[[a]]`, which has no name of ours. */
function namesIn(value: Readonly<Record<string, unknown>>): readonly string[] {
  const [first] = Object.entries(value)
  if (first === undefined) return []
  const [name, inner] = first
  return [name, ...(isRecord(inner) ? namesIn(inner) : [])]
}

/** Behind the last assignment of a table: comments after it belong to what follows. */
function endOfTable(all: readonly Statement[], header: number): number {
  const next = all.findIndex(({ table: names }, index) => index > header && names !== undefined)
  const within = all.slice(header + 1, next === -1 ? all.length : next)
  return header + 2 + within.findLastIndex(({ keys }) => keys.length > 0)
}
