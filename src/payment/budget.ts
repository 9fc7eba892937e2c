/** The user's rolling caps as limits of this moment: which budgets a payment made now counts against. */
import type { BudgetLimit } from '../ledger/ledger.ts'
import type { Usd } from '../money.ts'

/** Caps in US dollars; an absent one is not a limit, but the config never leaves the day and the request open. */
export type BudgetCaps = {
  readonly perHour?: Usd
  readonly perDay?: Usd
  readonly perMonth?: Usd
  readonly total?: Usd
}

/** Gives the limits that hold at `now` (UTC windows, so that every process on every machine means the same day). */
export function limitsAt(caps: BudgetCaps, now: number): readonly BudgetLimit[] {
  const stamp = new Date(now).toISOString()
  const rows: readonly (readonly [string, Usd | undefined])[] = [
    [`hour:${stamp.slice(0, 13)}`, caps.perHour],
    [`day:${stamp.slice(0, 10)}`, caps.perDay],
    [`month:${stamp.slice(0, 7)}`, caps.perMonth],
    ['total', caps.total],
  ]
  return rows.flatMap(([window, cap]) => (cap === undefined ? [] : [{ scope: 'all', window, cap }]))
}
