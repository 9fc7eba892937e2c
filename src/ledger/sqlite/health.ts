/** Health rows: one for each process and endpoint, opaque to the ledger, written loosely because they are no money. */
import type { HealthStore } from '../ledger.ts'
import type { Engine } from './attempts.ts'
import { numberOf, textOf } from './columns.ts'

const KEPT_MS = 60 * 60 * 1_000

export const healthSql = {
  putHealth: 'INSERT OR REPLACE INTO health (owner, endpoint, at, state) VALUES (?, ?, ?, ?)',
  healthOfOthers: 'SELECT owner, endpoint, at, state FROM health WHERE at > ? AND owner <> ? ORDER BY at',
  forgetHealth: 'DELETE FROM health WHERE at < ?',
} as const

export function createHealthStore({ connection, writer, processes, read }: Engine): HealthStore {
  return {
    save: (rows, now) =>
      writer.writeLoosely(() => {
        for (const { endpoint, at, state } of rows) connection.run(healthSql.putHealth, [processes.self, endpoint, at, state])
        connection.run(healthSql.forgetHealth, [now - KEPT_MS])
      }),
    others: (since) =>
      read(() =>
        connection.all(healthSql.healthOfOthers, [since, processes.self]).map((row) => ({
          endpoint: textOf(row, 'endpoint'),
          owner: textOf(row, 'owner'),
          at: numberOf(row, 'at'),
          state: textOf(row, 'state'),
        })),
      ),
  }
}
