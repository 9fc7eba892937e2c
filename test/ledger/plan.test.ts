/** The cost of a hold does not grow with the ledger: every statement on its path finds its rows by index. */
import Database from 'libsql'
import { beforeAll, afterAll, expect, it } from 'vitest'
import { approvalSql } from '../../src/ledger/sqlite/approvals.ts'
import { attemptSql } from '../../src/ledger/sqlite/attempt-row.ts'
import { listQuery } from '../../src/ledger/sqlite/attempts.ts'
import { budgetSql } from '../../src/ledger/sqlite/budgets.ts'
import { channelSql } from '../../src/ledger/sqlite/channels.ts'
import { eventSql } from '../../src/ledger/sqlite/events.ts'
import { healthSql } from '../../src/ledger/sqlite/health.ts'
import { idempotencySql } from '../../src/ledger/sqlite/idempotency.ts'
import { invoiceSql } from '../../src/ledger/sqlite/invoices.ts'
import { paperSql } from '../../src/ledger/sqlite/papers.ts'
import { processSql } from '../../src/ledger/sqlite/processes.ts'
import { requestSql } from '../../src/ledger/sqlite/requests.ts'
import { callerKeySql } from '../../src/ledger/sqlite/caller-keys.ts'
import { saleQuoteSql } from '../../src/ledger/sqlite/sale-quotes.ts'
import { saleSql } from '../../src/ledger/sqlite/sales.ts'
import { openStates } from '../../src/ledger/rules.ts'
import { createPlace } from './open.ts'
import { holdOf, limitOf, released } from './sample.ts'

const place = createPlace()
let raw: InstanceType<typeof Database>
beforeAll(async () => {
  const ledger = await place.open()
  const budgets = [limitOf(10n ** 9n, 'all', 'day:1')]
  await Promise.all(Array.from({ length: 10_000 }, (_, at) => ledger.attempts.hold(holdOf(`a${at}`, 1n, { budgets }))))
  const ids = Array.from({ length: 9_990 }, (_, at) => `a${at}`)
  await Promise.all(ids.map((id) => ledger.attempts.end(id, released)))
  raw = new Database(place.path)
})
afterAll(() => place[Symbol.asyncDispose]())

function planOf(sql: string): readonly string[] {
  const slots = sql.split('?').length - 1
  const rows = raw.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(Array.from({ length: slots }, () => 1)) as { detail: string }[]
  return rows.map(({ detail }) => detail)
}

const statements = Object.entries({
  ...attemptSql,
  ...approvalSql,
  ...invoiceSql,
  ...budgetSql,
  ...eventSql,
  ...processSql,
  ...idempotencySql,
  ...requestSql,
  ...channelSql,
  ...healthSql,
  ...saleSql,
  ...paperSql,
  ...saleQuoteSql,
  ...callerKeySql,
})

it.each(statements)('%s looks nothing up without an index', (_, sql) => {
  for (const step of planOf(sql))
    expect(step).not.toMatch(/^SCAN (?!\d+ CONSTANT ROWS?$|requests USING INDEX requests_by_start)(?!CONSTANT)/)
})

it.each([
  ['the receipts', { withIntent: true, limit: 20, before: 'b' }, 'attempts_with_intent'],
  ['the open attempts', { states: openStates }, 'attempts_by_state'],
  ['the newest unknown attempts', { states: ['unknown'], limit: 20, before: 'b' }, 'attempts_by_state'],
  ['the attempts of a request', { requestId: 'r' }, 'attempts_by_request'],
  ['the newest attempts', { limit: 20 }, 'sqlite_autoindex_attempts_1'],
] as const)('%s are listed by index', (_, filter, index) => {
  expect(planOf(listQuery(filter)[0]).join('\n')).toContain(index)
})
