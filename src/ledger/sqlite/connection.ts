/** One connection to the SQLite file, as plain calls; every fault of the store becomes one error. */
import type Libsql from 'libsql'
import { RouteplaneError } from '../../errors.ts'
import type { Clock } from '../../lib/clock.ts'
import { plainText } from '../rules.ts'

export type Bound = string | number | Uint8Array | null | undefined
export type Row = Readonly<Record<string, unknown>>

export type Connection = {
  /** Runs a statement and gives every row. */
  all(sql: string, parameters?: readonly Bound[]): readonly Row[]
  /** Runs a statement that gives no rows; returns how many it changed. */
  run(sql: string, parameters?: readonly Bound[]): number
  /** Runs statements that take no parameters. */
  exec(sql: string): void
  readonly inTransaction: boolean
  close(): void
}

/**
 * Milliseconds SQLite itself may wait for another process. Short, because it waits with the event loop held: longer waits go
 * through {@link whenFree}, which lets other work happen.
 */
const BUSY_TIMEOUT_MS = 20

/** Milliseconds a call waits for another process to let go before it gives up. */
export const LOCK_WAIT_MS = 5_000

/**
 * Opens the file with the settings that money needs: WAL, a sync at every commit, foreign keys, triggers that cannot be dodged
 * by `REPLACE`. libsql is loaded here and not before, so that whoever never opens a ledger does not pay for it.
 *
 * @throws whatever libsql throws; callers pass it to {@link storeError}.
 */
export async function connect(path: string): Promise<Connection> {
  const { default: Database } = await import('libsql')
  const database = new Database(path)
  const connection = wrap(database)
  connection.exec(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`)
  return connection
}

/** @throws RouteplaneError `store_unavailable` where the file system cannot carry a write-ahead log. */
export function configure(connection: Connection): void {
  const mode = connection.all('PRAGMA journal_mode = WAL')[0]?.['journal_mode']
  if (mode !== 'wal') {
    throw new RouteplaneError('store_unavailable', 'the ledger needs a file system on which SQLite can keep a write-ahead log', {
      hint: 'Put the state directory on a local disk.',
    })
  }
  connection.exec('PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA recursive_triggers = ON; PRAGMA trusted_schema = OFF')
}

/** Reads take all rows always: libsql leaves a statement that was left halfway open, and it then blocks the next commit. */
function wrap(database: Libsql.Database): Connection {
  const prepared = new Map<string, Libsql.Statement>()
  let open = true
  const statement = (sql: string) => {
    if (!open) throw new RouteplaneError('store_unavailable', 'the ledger is closed')
    const known = prepared.get(sql)
    if (known !== undefined) return known
    const fresh = database.prepare(sql)
    prepared.set(sql, fresh)
    return fresh
  }
  return {
    all: (sql, parameters = []) => statement(sql).all(checked(parameters)) as Row[],
    run: (sql, parameters = []) => statement(sql).run(checked(parameters)).changes,
    exec(sql) {
      if (!open) throw new RouteplaneError('store_unavailable', 'the ledger is closed')
      database.exec(sql)
    },
    get inTransaction() {
      return open && database.inTransaction
    },
    close() {
      if (!open) return
      open = false
      prepared.clear()
      database.close()
    },
  }
}

/**
 * Refuses text that would come back as another: libsql cuts it at a NUL and replaces lone surrogates, so that two ids or keys
 * could become one.
 */
function checked(parameters: readonly Bound[]): readonly Bound[] {
  const broken = parameters.some((value) => typeof value === 'string' && plainText(value) !== value)
  if (broken) throw new RouteplaneError('internal', 'a text with a NUL or half a character cannot be stored')
  return parameters
}

/** Runs something that may find the database locked by another process, and again until it is not. */
export async function whenFree<T>(clock: Clock, lockWaitMs: number, run: () => T): Promise<T> {
  const tries = Math.max(1, Math.ceil(lockWaitMs / (BUSY_TIMEOUT_MS * 2)))
  for (let attempt = 1; ; attempt++) {
    try {
      return run()
    } catch (cause) {
      if (!isLocked(cause) || attempt >= tries) throw cause
      await clock.sleep(Math.min(attempt, BUSY_TIMEOUT_MS))
    }
  }
}

const causes = [
  { prefix: 'SQLITE_BUSY', reason: 'locked', says: 'the ledger is locked by another process' },
  { prefix: 'SQLITE_LOCKED', reason: 'locked', says: 'the ledger is locked by another process' },
  { prefix: 'SQLITE_READONLY', reason: 'readonly', says: 'the ledger cannot be written' },
  { prefix: 'SQLITE_FULL', reason: 'full', says: 'the disk of the ledger is full' },
  { prefix: 'SQLITE_IOERR', reason: 'io', says: 'the disk of the ledger failed' },
  { prefix: 'SQLITE_CORRUPT', reason: 'corrupt', says: 'the ledger file is damaged' },
  { prefix: 'SQLITE_NOTADB', reason: 'corrupt', says: 'the ledger file is not a database' },
] as const

/** Turns any failure of the store into `store_unavailable` with its cause kept; our own errors pass. */
export function storeError(cause: unknown): RouteplaneError {
  if (cause instanceof RouteplaneError) return cause
  const code = codeOf(cause)
  const known = causes.find(({ prefix }) => code?.startsWith(prefix))
  return new RouteplaneError('store_unavailable', known === undefined ? 'the ledger cannot be used' : known.says, {
    details: { reason: known === undefined ? 'unknown' : known.reason, ...(code === undefined ? {} : { code }) },
    cause,
    ...(known?.reason === 'locked' ? { retryAfterMs: 1_000 } : {}),
  })
}

/** Tells a fault of the store from a refusal of one row: only the first leaves a transaction in doubt. */
export function isStoreFault(cause: unknown): boolean {
  return cause instanceof Error && cause.name === 'SqliteError' && !isConstraint(cause)
}

/** SQLite's primary result code for every refused constraint; the kinds of it that libsql has no name for carry it too. */
const CONSTRAINT = 19

/** @see https://www.sqlite.org/rescode.html, "Primary Result Codes versus Extended Result Codes" */
export function isConstraint(cause: unknown): boolean {
  const rawCode = (cause as { readonly rawCode?: unknown } | undefined)?.rawCode
  return codeOf(cause)?.startsWith('SQLITE_CONSTRAINT') === true || (typeof rawCode === 'number' && (rawCode & 0xff) === CONSTRAINT)
}

function isLocked(cause: unknown): boolean {
  const code = codeOf(cause)
  return code !== undefined && (code.startsWith('SQLITE_BUSY') || code.startsWith('SQLITE_LOCKED'))
}

function codeOf(cause: unknown): string | undefined {
  const code = (cause as { readonly code?: unknown } | undefined)?.code
  return typeof code === 'string' && code !== '' ? code : undefined
}
