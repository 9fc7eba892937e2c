/** Opens ledgers in directories of their own, and closes and removes them all afterwards. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { formatOwner } from '../../src/ledger/owner.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'
import { openSqliteLedger, type SqliteLedgerOptions } from '../../src/ledger/sqlite/open.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { silentLog } from '../../src/lib/log.ts'

export type LedgerPlace = {
  readonly path: string
  /** Opens the same ledger once more, as the process that `startMs` names. */
  open(startMs?: number, overrides?: Partial<SqliteLedgerOptions>): Promise<Ledger>
  [Symbol.asyncDispose](): Promise<void>
}

/** An owner of this very process; a later start is a successor that got the same pid. */
export const ownerAt = (startMs: number) => formatOwner({ host: 'test-host', pid: process.pid, startMs })

export function createPlace(): LedgerPlace {
  const directory = mkdtempSync(join(tmpdir(), 'routeplane-ledger-'))
  const path = join(directory, 'ledger.db')
  const opened: Ledger[] = []
  return {
    path,
    async open(startMs = 1, overrides = {}) {
      const ledger = await openSqliteLedger({ path, owner: ownerAt(startMs), clock: systemClock, log: silentLog, ...overrides })
      opened.push(ledger)
      return ledger
    },
    async [Symbol.asyncDispose]() {
      await Promise.allSettled(opened.map((ledger) => ledger.close()))
      rmSync(directory, { recursive: true, force: true })
    },
  }
}
