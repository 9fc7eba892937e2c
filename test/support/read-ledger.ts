/** Reads a ledger as another process would, beside the one that writes it. */
import type { Ledger } from '../../src/ledger/ledger.ts'
import { formatOwner } from '../../src/ledger/owner.ts'
import { openSqliteLedger } from '../../src/ledger/sqlite/open.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { silentLog } from '../../src/lib/log.ts'

/** The ledger is open while `read` runs, and no longer. */
export async function readLedger<Result>(
  { ledgerPath: path }: { readonly ledgerPath: string },
  read: (ledger: Ledger) => Promise<Result>,
): Promise<Result> {
  const owner = formatOwner({ host: 'reader', pid: process.pid, startMs: systemClock.now() })
  const ledger = await openSqliteLedger({ path, owner, clock: systemClock, log: silentLog })
  try {
    return await read(ledger)
  } finally {
    await ledger.close()
  }
}
