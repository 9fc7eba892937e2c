/** What each budget has reserved and spent, read and written inside the transaction of whoever changes it. */
import { addUsd, subtractUsd, ZERO_USD, type Usd } from '../../money.ts'
import type { BudgetLimit, BudgetStanding } from '../ledger.ts'
import type { Step } from '../rules.ts'
import { amountOf, textOf } from './columns.ts'
import type { Connection } from './connection.ts'

export const budgetSql = {
  budget: 'SELECT reserved, spent FROM budgets WHERE scope = ? AND period = ?',
  putBudget:
    'INSERT INTO budgets (scope, period, reserved, spent) VALUES (?, ?, ?, ?) ' +
    'ON CONFLICT (scope, period) DO UPDATE SET reserved = excluded.reserved, spent = excluded.spent',
  joinBudget: 'INSERT INTO attempt_budgets (attempt, scope, period) VALUES (?, ?, ?)',
  budgetsOfAttempt: 'SELECT scope, period FROM attempt_budgets WHERE attempt = ?',
} as const

/** A budget is a row a window: windows that are over are never read again, and cost nothing. */
export function standingOf(connection: Connection, limit: BudgetLimit): BudgetStanding {
  const row = connection.all(budgetSql.budget, [limit.scope, limit.window])[0]
  if (row === undefined) return { limit, reserved: ZERO_USD, spent: ZERO_USD }
  return { limit, reserved: amountOf(row, 'reserved'), spent: amountOf(row, 'spent') }
}

/** Reserves an amount in each budget once, even when several limits name the same one. */
export function reserve(connection: Connection, attempt: string, amount: Usd, limits: readonly BudgetLimit[]): void {
  const distinct = new Map(limits.map((limit) => [JSON.stringify([limit.scope, limit.window]), limit]))
  for (const limit of distinct.values()) {
    const { reserved, spent } = standingOf(connection, limit)
    put(connection, limit.scope, limit.window, addUsd(reserved, amount), spent)
    connection.run(budgetSql.joinBudget, [attempt, limit.scope, limit.window])
  }
}

/** Applies a step to the budgets in which its attempt was reserved: those of the window in which it began. */
export function applyStep(connection: Connection, step: Step): void {
  if (step.free === 0n && step.spend === 0n) return
  for (const row of connection.all(budgetSql.budgetsOfAttempt, [step.row.id])) {
    const [scope, window] = [textOf(row, 'scope'), textOf(row, 'period')]
    const { reserved, spent } = standingOf(connection, { scope, window, cap: ZERO_USD })
    put(connection, scope, window, subtractUsd(reserved, step.free), addUsd(spent, step.spend))
  }
}

/** Takes money that came back out of what the attempt's budgets count as spent. */
export function creditBudgets(connection: Connection, attempt: string, amount: Usd): void {
  for (const row of connection.all(budgetSql.budgetsOfAttempt, [attempt])) {
    const [scope, window] = [textOf(row, 'scope'), textOf(row, 'period')]
    const { reserved, spent } = standingOf(connection, { scope, window, cap: ZERO_USD })
    put(connection, scope, window, reserved, subtractUsd(spent, amount))
  }
}

function put(connection: Connection, scope: string, period: string, reserved: Usd, spent: Usd): void {
  connection.run(budgetSql.putBudget, [scope, period, reserved.toString(), spent.toString()])
}
