/** Group commit: changes that arrive together share one transaction and one sync, and fail or succeed each for itself. */
import { RouteplaneError, toRouteplaneError } from '../../errors.ts'
import type { Clock } from '../../lib/clock.ts'
import { nextTurn } from '../../lib/next-turn.ts'
import { isStoreFault, storeError, whenFree, type Connection } from './connection.ts'
import { checkVersion } from './migrations.ts'

/** More would hold the event loop for milliseconds at a time. */
export const MAX_GROUP = 64

export type Writer = {
  /** Runs a synchronous change in a transaction; settles once that transaction is on the disk, or has failed. */
  write<T>(change: () => T): Promise<T>
  /**
   * Runs a change in a transaction of its own that is not synced: a crash of this process does not lose it, one of the machine
   * may. For what is worth knowing and owes nobody anything yet; what is written after it stays as durable as ever.
   */
  writeLoosely<T>(change: () => T): Promise<T>
  /** Takes one last change and no other, and resolves when all that was taken before it has ended too. */
  close(last: () => void): Promise<void>
}

type Sync = 'FULL' | 'NORMAL'

type Pending = {
  readonly sync: Sync
  readonly change: () => unknown
  readonly resolve: (value: never) => void
  readonly reject: (error: RouteplaneError) => void
}

type Target = {
  readonly connection: Connection
  readonly clock: Clock
  readonly lockWaitMs: number
  readonly checkFiles: () => void
  readonly setSync: (sync: Sync) => void
}

/** @param checkFiles - Throws when what is written would be lost, whatever the connection says. */
export function createWriter(connection: Connection, clock: Clock, lockWaitMs: number, checkFiles = () => {}): Writer {
  const target: Target = { connection, clock, lockWaitMs, checkFiles, setSync: createSyncSwitch(connection) }
  const queue: Pending[] = []
  let draining: Promise<void> | undefined
  let closed = false

  const drain = async () => {
    // Waiting for the next turn gathers what all sockets bring in this one.
    for (await nextTurn(); queue.length > 0; await nextTurn()) await commit(target, takeGroup(queue))
    draining = undefined
  }
  const enqueue = <T>(sync: Sync, change: () => T) =>
    new Promise<T>((resolve, reject) => {
      queue.push({ sync, change, resolve, reject })
      draining ??= drain()
    })
  const write = async <T>(sync: Sync, change: () => T): Promise<T> => {
    if (closed) throw new RouteplaneError('store_unavailable', 'the ledger is closed')
    return enqueue(sync, change)
  }
  return {
    write: (change) => write('FULL', change),
    writeLoosely: (change) => write('NORMAL', change),
    close: async (last) => {
      closed = true
      await enqueue('FULL', last)
    },
  }
}

/** Money first: whoever waits for a hold does not wait for somebody's statistics. A loose change goes alone. */
function takeGroup(queue: Pending[]): readonly Pending[] {
  const group: Pending[] = []
  for (let at = 0; at < queue.length && group.length < MAX_GROUP;) {
    const pending = queue[at]
    if (pending?.sync === 'FULL') group.push(...queue.splice(at, 1))
    else at++
  }
  return group.length > 0 ? group : queue.splice(0, 1)
}

/**
 * Sets how a commit is synced, when it is not set so already; only between transactions. Whenever that is in doubt it is set
 * again, and when it cannot be set the commit fails: money is never written less durably than promised.
 *
 * @see https://www.sqlite.org/pragma.html#pragma_synchronous
 */
function createSyncSwitch(connection: Connection): (sync: Sync) => void {
  let current: Sync | undefined
  return (sync) => {
    if (current === sync) return
    current = undefined
    connection.exec(`PRAGMA synchronous = ${sync}`)
    current = sync
  }
}

/** Commits one group. Promises settle after COMMIT only: what is promised has survived a crash. */
async function commit({ connection, clock, lockWaitMs, checkFiles, setSync }: Target, group: readonly Pending[]): Promise<void> {
  try {
    checkFiles()
    setSync(group.every(({ sync }) => sync === 'NORMAL') ? 'NORMAL' : 'FULL')
    await whenFree(clock, lockWaitMs, () => connection.exec('BEGIN IMMEDIATE'))
    checkVersion(connection)
    const endings = group.map((pending) => change(connection, pending))
    connection.exec('COMMIT')
    for (const end of endings) end()
  } catch (cause) {
    rollBack(connection)
    const error = storeError(cause)
    for (const pending of group) pending.reject(error)
  }
}

/** Runs one change in its own savepoint and gives what to tell its caller; a fault of the store ends the whole group. */
function change(connection: Connection, pending: Pending): () => void {
  connection.exec('SAVEPOINT change')
  try {
    const value = pending.change()
    connection.exec('RELEASE change')
    return () => pending.resolve(value as never)
  } catch (cause) {
    if (isStoreFault(cause)) throw cause
    connection.exec('ROLLBACK TO change; RELEASE change')
    return () => pending.reject(toRouteplaneError(cause))
  }
}

function rollBack(connection: Connection): void {
  // SQLite has rolled back by itself after some faults, and refuses to do it twice.
  try {
    if (connection.inTransaction) connection.exec('ROLLBACK')
  } catch (cause) {
    // The error that led here says more than this one; the next BEGIN fails loudly if the transaction is still open.
    void cause
  }
}
