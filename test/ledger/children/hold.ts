/** A process that holds one unit `count` times, `together` at a time, and reports each promise that was kept. */
import { formatOwner } from '../../../src/ledger/owner.ts'
import { openSqliteLedger } from '../../../src/ledger/sqlite/open.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { silentLog } from '../../../src/lib/log.ts'
import { holdOf, limitOf } from '../sample.ts'

const [path = '', name = '', count = '0', together = '1', cap = '0'] = process.argv.slice(2)
const owner = formatOwner({ host: 'test-host', pid: process.pid, startMs: systemClock.now() })
const ledger = await openSqliteLedger({ path, owner, clock: systemClock, log: silentLog, lockWaitMs: 30_000 })
const budgets = [limitOf(BigInt(cap))]
process.stdout.write('ready\n')

for (let at = 0; at < Number(count); at += Number(together)) {
  const ids = Array.from({ length: Number(together) }, (_, place) => `${name}-${String(at + place).padStart(6, '0')}`)
  await Promise.all(
    ids.map(async (id) => {
      const { granted } = await ledger.attempts.hold(holdOf(id, 1n, { budgets }))
      process.stdout.write(`${granted ? 'granted' : 'refused'} ${id}\n`)
    }),
  )
}
await ledger.close()
