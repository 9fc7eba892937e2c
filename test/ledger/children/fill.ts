/** A process that holds until its disk is full, then reports what it was told and what can still be read. */
import { openSqliteLedger } from '../../../src/ledger/sqlite/open.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { silentLog } from '../../../src/lib/log.ts'
import { toRouteplaneError } from '../../../src/errors.ts'
import { holdOf, limitOf } from '../sample.ts'

const [path = ''] = process.argv.slice(2)
const ledger = await openSqliteLedger({ path, owner: 'full:1:1', clock: systemClock, log: silentLog })
const budgets = [limitOf(10n ** 9n)]
let granted = 0
try {
  for (; granted < 100_000; granted++) await ledger.attempts.hold(holdOf(`a${granted}`, 1n, { budgets, provider: 'x'.repeat(2_000) }))
} catch (cause) {
  const { code, details } = toRouteplaneError(cause)
  process.stdout.write(`${code} ${String(details['reason'])}\n`)
}
const [standing] = await ledger.attempts.budgets(budgets)
const again = await ledger.attempts.hold(holdOf('again', 1n, { budgets, provider: 'x'.repeat(2_000) })).catch(toRouteplaneError)
process.stdout.write(
  `${JSON.stringify({ granted, reserved: Number(standing?.reserved), again: 'code' in again ? again.code : 'granted' })}\n`,
)
