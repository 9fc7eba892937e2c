/** What each budget has reserved and spent, read and written inside the transaction of whoever changes it. */
import { addUsd, subtractUsd, ZERO_USD, type Usd } from '../../money.ts'
import type { BudgetLimit, BudgetStanding } from '../ledger.ts'
import type { AttemptRow } from '../entry.ts'
import { standingIn } from '../rules.ts'
import { readAttempt } from './attempt-row.ts'
import { amountOf, textOf } from './columns.ts'
import type { Connection } from './connection.ts'

export const budgetSql = {
  budget: 'SELECT reserved, spent FROM budgets WHERE scope = ? AND period = ?',
  putBudget:
    'INSERT INTO budgets (scope, period, reserved, spent) VALUES (?, ?, ?, ?) ' +
    'ON CONFLICT (scope, period) DO UPDATE SET reserved = excluded.reserved, spent = excluded.spent',
  joinBudget: 'INSERT INTO attempt_budgets (attempt, scope, period) VALUES (?, ?, ?)',
  byTime: 'SELECT * FROM attempts WHERE created_at >= ?',
  byProvider: 'SELECT * FROM attempts WHERE created_at >= ? AND provider = ?',
  byCaller: 'SELECT * FROM attempts WHERE created_at >= ? AND caller = ?',
  byPreset: 'SELECT * FROM attempts WHERE created_at >= ? AND preset = ?',
  creditsSince:
    'SELECT d.attempt, d.credited FROM channel_deposits d JOIN attempts a ON a.id = d.attempt ' +
    "WHERE a.created_at >= ? AND d.credited <> '0'",
  budgetsOfAttempt: 'SELECT scope, period FROM attempt_budgets WHERE attempt = ?',
} as const

/** A budget is a row a window: windows that are over are never read again, and cost nothing. */
export function readBudget(connection: Connection, limit: BudgetLimit): BudgetStanding {
  return rowOf(connection, limit) ?? { limit, ...sumOf(connection, limit, earlier(connection, limit)) }
}

function rowOf(connection: Connection, limit: BudgetLimit): BudgetStanding | undefined {
  const row = connection.all(budgetSql.budget, [limit.scope, limit.window])[0]
  return row === undefined ? undefined : { limit, reserved: amountOf(row, 'reserved'), spent: amountOf(row, 'spent') }
}

/** Reserves an amount in each budget once, even when several limits name the same one. */
export function reserve(connection: Connection, attempt: string, amount: Usd, limits: readonly BudgetLimit[]): void {
  const distinct = new Map(limits.map((limit) => [JSON.stringify([limit.scope, limit.window]), limit]))
  for (const limit of distinct.values()) {
    const { reserved, spent } = rowOf(connection, limit) ?? begin(connection, attempt, limit)
    put(connection, limit.scope, limit.window, addUsd(reserved, amount), spent)
    connection.run(budgetSql.joinBudget, [attempt, limit.scope, limit.window])
  }
}

/** A cap may be set in the middle of its window: what was held and spent before it counts, and moves on with its attempts. */
function begin(connection: Connection, attempt: string, limit: BudgetLimit): { readonly reserved: Usd; readonly spent: Usd } {
  const rows = earlier(connection, limit).filter(({ id, state }) => id !== attempt && state !== 'released')
  const standing = sumOf(connection, limit, rows)
  put(connection, limit.scope, limit.window, standing.reserved, standing.spent)
  for (const { id } of rows) connection.run(budgetSql.joinBudget, [id, limit.scope, limit.window])
  return standing
}

/** What a scope's name says of the attempts that count in it. */
const members = { provider: 'byProvider', key: 'byCaller', preset: 'byPreset' } as const

function earlier(connection: Connection, { scope, since }: BudgetLimit): readonly AttemptRow[] {
  if (since === undefined) return []
  if (scope === 'all') return connection.all(budgetSql.byTime, [since]).map(readAttempt)
  const [kind, name] = splitOnce(scope)
  const statement = Object.hasOwn(members, kind) ? members[kind as keyof typeof members] : undefined
  return statement === undefined ? [] : connection.all(budgetSql[statement], [since, name]).map(readAttempt)
}

function splitOnce(scope: string): readonly [kind: string, name: string] {
  const at = scope.indexOf(':')
  return at === -1 ? [scope, ''] : [scope.slice(0, at), scope.slice(at + 1)]
}

/** What the rows keep from a budget, less what has come back of their deposits since. */
function sumOf(
  connection: Connection,
  { scope, since = 0 }: BudgetLimit,
  rows: readonly AttemptRow[],
): { readonly reserved: Usd; readonly spent: Usd } {
  const credits = new Map(
    connection.all(budgetSql.creditsSince, [since]).map((row) => [textOf(row, 'attempt'), amountOf<Usd>(row, 'credited')]),
  )
  const standings = rows.map((row) => standingIn(scope, row))
  const spent = addUsd(...standings.map((standing) => standing.spent))
  const cameBack = addUsd(...rows.map(({ id }) => credits.get(id) ?? ZERO_USD))
  return { reserved: addUsd(...standings.map(({ reserved }) => reserved)), spent: subtractUsd(spent, cameBack) }
}

/** Moves the budgets of an attempt from what it was to what it is: those of the window in which it began. */
export function applyMove(connection: Connection, before: AttemptRow, after: AttemptRow): void {
  for (const row of connection.all(budgetSql.budgetsOfAttempt, [after.id])) {
    const [scope, window] = [textOf(row, 'scope'), textOf(row, 'period')]
    const [was, is] = [standingIn(scope, before), standingIn(scope, after)]
    if (was.reserved === is.reserved && was.spent === is.spent) continue
    const { reserved, spent } = readBudget(connection, { scope, window, cap: ZERO_USD })
    put(
      connection,
      scope,
      window,
      subtractUsd(addUsd(reserved, is.reserved), was.reserved),
      subtractUsd(addUsd(spent, is.spent), was.spent),
    )
  }
}

/** Takes money that came back out of what the attempt's budgets count as spent. */
export function creditBudgets(connection: Connection, attempt: string, amount: Usd): void {
  for (const row of connection.all(budgetSql.budgetsOfAttempt, [attempt])) {
    const [scope, window] = [textOf(row, 'scope'), textOf(row, 'period')]
    const { reserved, spent } = readBudget(connection, { scope, window, cap: ZERO_USD })
    put(connection, scope, window, reserved, subtractUsd(spent, amount))
  }
}

function put(connection: Connection, scope: string, period: string, reserved: Usd, spent: Usd): void {
  connection.run(budgetSql.putBudget, [scope, period, reserved.toString(), spent.toString()])
}
