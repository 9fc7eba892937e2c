/** The contract of a file format: one entry is read, set or removed, and every other byte stays where it is. */
import { isDeepStrictEqual } from 'node:util'
import { RouteplaneError } from '../errors.ts'
import { isRecord } from '../lib/json.ts'
import { SERVER_NAME } from './client.ts'
import type { Entry } from './entry.ts'

export type FileFormat = {
  /** @throws RouteplaneError `usage` with the place when the text is broken or is no table of names. */
  parse(text: string): Readonly<Record<string, unknown>>
  /** Sets our entry in the table `servers`. The text has been parsed. */
  set(text: string, servers: string, entry: Entry): string
  /** Takes our entry out of the table `servers`. */
  remove(text: string, servers: string): string
  /** The entry alone, as one would paste it. */
  show(servers: string, entry: Entry): string
}

/** @returns our entry, or `undefined` when the file has none. @throws RouteplaneError `usage` when something else stands there. */
export function entryOf(file: Readonly<Record<string, unknown>>, servers: string): Entry | undefined {
  const table = Object.hasOwn(file, servers) ? file[servers] : undefined
  if (table === undefined) return undefined
  if (!isRecord(table)) throw broken(`"${servers}" is not a table of servers`)
  const entry = Object.hasOwn(table, SERVER_NAME) ? table[SERVER_NAME] : undefined
  if (entry !== undefined && !isRecord(entry)) throw broken(`"${servers}.${SERVER_NAME}" is not a server`)
  return entry
}

/**
 * Edits and then reads the outcome: nothing but our entry may differ, or the edit is refused.
 * Forms that the editors do not know, such as an inline table or a name given twice, end here and not in a damaged file.
 */
export function editSafely(format: FileFormat, text: string, servers: string, entry: Entry | undefined): string {
  const before = format.parse(text)
  entryOf(before, servers)
  try {
    const after = entry === undefined ? format.remove(text, servers) : format.set(text, servers, entry)
    const { [servers]: table, ...rest } = format.parse(after)
    const { [servers]: oldTable, ...oldRest } = before
    const { [SERVER_NAME]: written, ...others } = isRecord(table) ? table : {}
    const { [SERVER_NAME]: _, ...oldOthers } = isRecord(oldTable) ? oldTable : {}
    if (isDeepStrictEqual([rest, others, plain(written)], [oldRest, oldOthers, plain(entry)])) return after
  } catch {
    // The outcome cannot even be read: the same answer as for one that says something else.
  }
  throw new RouteplaneError('usage', 'the file is written in a way that cannot be edited without touching more than our entry', {
    hint: entry === undefined ? 'Take the entry out by hand.' : `Add it by hand:\n${format.show(servers, entry)}`,
    details: { problem: 'not_editable' },
  })
}

/** Parsers make tables without a prototype, and ours have one: they are compared without it. */
function plain(value: unknown): unknown {
  return isRecord(value) ? { ...value } : value
}

export function broken(message: string): RouteplaneError {
  return new RouteplaneError('usage', message, { details: { problem: 'broken_file' } })
}
