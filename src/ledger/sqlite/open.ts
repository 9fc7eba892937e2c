/** Opens the ledger on SQLite: prepares the file, brings it to our version, signs the process on, joins the stores. */
import type { RouteplaneError } from '../../errors.ts'
import type { Clock } from '../../lib/clock.ts'
import { randomBytesOf } from '../../lib/id.ts'
import type { Log } from '../../lib/log.ts'
import type { Ledger } from '../ledger.ts'
import { createApprovalStore } from './approvals.ts'
import { createAttemptStore, type Engine } from './attempts.ts'
import { createChannelStore } from './channels.ts'
import { bytesOf, damaged } from './columns.ts'
import { configure, connect, LOCK_WAIT_MS, storeError, whenFree, type Connection } from './connection.ts'
import { verifyEvents } from './events.ts'
import { prepareFile, watchFiles } from './file.ts'
import { createHealthStore } from './health.ts'
import { createIdempotencyStore } from './idempotency.ts'
import { createInvoiceStore } from './invoices.ts'
import { migrate, SCHEMA_VERSION } from './migrations.ts'
import { createPaperStore } from './papers.ts'
import { createProcessRegistry, HEARTBEAT_MS } from './processes.ts'
import { createCallerKeyStore } from './caller-keys.ts'
import { openRequestStore } from './requests.ts'
import { createSaleStore } from './sales.ts'
import { createWriter } from './writer.ts'

export type SqliteLedgerOptions = {
  /** Of the database file; its directory is made if it is missing. */
  readonly path: string
  /** This process, as `formatOwner` writes it: two that live must never share it. */
  readonly owner: string
  readonly clock: Clock
  readonly log: Log
  /** Milliseconds a call waits while other processes hold the database; 5,000 unless told. */
  readonly lockWaitMs?: number
}

const SALT_BYTES = 32

/**
 * Opens or makes a ledger. Several processes of one machine may share the file.
 *
 * @throws RouteplaneError `store_unavailable` when the file cannot be trusted, read or written, belongs to another application,
 *   or was written by a newer version.
 */
export async function openSqliteLedger(options: SqliteLedgerOptions): Promise<Ledger> {
  const { path, owner, clock, log, lockWaitMs = LOCK_WAIT_MS } = options
  const file = prepareFile(path)
  const connection = await openConnection(file)
  const processes = createProcessRegistry(connection, clock, owner)
  const free = <T>(run: () => T) => whenFree(clock, lockWaitMs, run)
  try {
    await free(() => configure(connection))
    await free(() => transact(connection, () => setUp(connection, processes.beat)))
  } catch (cause) {
    connection.close()
    throw storeError(cause)
  }
  const writer = createWriter(connection, clock, lockWaitMs, watchFiles(file))
  const read = async <T>(run: () => T): Promise<T> => {
    try {
      return await free(run)
    } catch (cause) {
      throw storeError(cause)
    }
  }
  log.debug('ledger.opened', { version: SCHEMA_VERSION })
  return assemble({ connection, writer, processes, clock, read }, log)
}

async function openConnection(path: string): Promise<Connection> {
  try {
    return await connect(path)
  } catch (cause) {
    throw storeError(cause)
  }
}

function assemble(engine: Engine, log: Log): Ledger {
  const { connection, writer, processes, clock, read } = engine
  const requests = openRequestStore(engine, log)
  const heartbeat = setInterval(() => {
    writer.write(processes.beat).catch((cause: RouteplaneError) => log.warn('ledger.no_heartbeat', { code: cause.code }))
  }, HEARTBEAT_MS).unref()
  let closing: Promise<void> | undefined
  const close = async () => {
    clearInterval(heartbeat)
    try {
      await requests.close()
    } finally {
      await writer.close(processes.signOff).finally(connection.close)
    }
  }
  return {
    attempts: createAttemptStore(engine),
    requests: requests.store,
    idempotency: createIdempotencyStore(engine),
    channels: createChannelStore(engine),
    invoices: createInvoiceStore(engine),
    approvals: createApprovalStore(engine),
    sales: createSaleStore(engine),
    papers: createPaperStore(engine),
    callerKeys: createCallerKeyStore(engine, requests.store),
    health: createHealthStore(engine),
    nonceSalt: () => read(() => readSalt(connection)),
    verifyEvents: async () => {
      try {
        return await verifyEvents(connection, () => clock.sleep(0))
      } catch (cause) {
        throw storeError(cause)
      }
    },
    close: () => (closing ??= close()),
  }
}

/** Runs once an opening, under the write lock: of several processes that find an empty file one makes the tables. */
function setUp(connection: Connection, beat: () => void): void {
  if (migrate(connection)) {
    connection.run("INSERT OR IGNORE INTO meta (name, value) VALUES ('nonce_salt', ?)", [randomBytesOf(SALT_BYTES)])
  }
  beat()
}

function readSalt(connection: Connection): Uint8Array {
  const row = connection.all("SELECT value FROM meta WHERE name = 'nonce_salt'")[0]
  const salt = row === undefined ? undefined : bytesOf(row, 'value')
  if (salt?.byteLength !== SALT_BYTES) throw damaged('nonce_salt')
  return salt
}

function transact(connection: Connection, run: () => void): void {
  connection.exec('BEGIN IMMEDIATE')
  try {
    run()
    connection.exec('COMMIT')
  } catch (cause) {
    if (connection.inTransaction) connection.exec('ROLLBACK')
    throw cause
  }
}
