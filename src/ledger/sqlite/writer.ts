/** Group commit: changes that arrive together share one transaction and one sync, and fail or succeed each for itself. */
import { RouteplaneError, toRouteplaneError } from '../../errors.ts'
import type { Clock } from '../../lib/clock.ts'
import { isStoreFault, storeError, whenFree, type Connection } from './connection.ts'
import { checkVersion } from './migrations.ts'

/** More would hold the event loop for milliseconds at a time. */
export const MAX_GROUP = 64

export type Writer = {
  /** Runs a synchronous change in a transaction; settles once that transaction is on the disk, or has failed. */
  write<T>(change: () => T): Promise<T>
  /** Takes one last change and no other, and resolves when all that was taken before it has ended too. */
  close(last: () => void): Promise<void>
}

type Pending = {
  readonly change: () => unknown
  readonly resolve: (value: never) => void
  readonly reject: (error: RouteplaneError) => void
}

export function createWriter(connection: Connection, clock: Clock, lockWaitMs: number): Writer {
  const queue: Pending[] = []
  let draining: Promise<void> | undefined
  let closed = false

  const drain = async () => {
    // Waiting for the next turn gathers what all sockets bring in this one.
    for (await nextTurn(); queue.length > 0; await nextTurn()) await commit(connection, clock, lockWaitMs, queue.splice(0, MAX_GROUP))
    draining = undefined
  }
  const enqueue = <T>(change: () => T) =>
    new Promise<T>((resolve, reject) => {
      queue.push({ change, resolve, reject })
      draining ??= drain()
    })
  return {
    write: async (change) => {
      if (closed) throw new RouteplaneError('store_unavailable', 'the ledger is closed')
      return enqueue(change)
    },
    close: async (last) => {
      closed = true
      await enqueue(last)
    },
  }
}

/** Commits one group. Promises settle after COMMIT only: what is promised has survived a crash. */
async function commit(connection: Connection, clock: Clock, lockWaitMs: number, group: readonly Pending[]): Promise<void> {
  try {
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

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
