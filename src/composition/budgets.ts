/** The caps over time as holds read them: a config's, exchanged whole by a reload, and those that callers' keys carry. */
import type { Config, RollingCaps } from '../config/config.ts'
import type { BudgetCaps, Budgets } from '../payment/budget.ts'

export type StandingBudgets = {
  /** Those of this moment. What is held or spent already stays: a lowered cap grants nothing new until there is room under it again. */
  now(): Budgets
  /** Takes another config's. The caps that keys carry stay known. */
  take(config: Config): void
  /** Learns the caps that a caller's key carries; a config that names the key has the last word. */
  ofKey(id: string, caps: BudgetCaps): void
}

export function createBudgets(first: Config): StandingBudgets {
  const carried = new Map<string, BudgetCaps>()
  let configured = budgetsOf(first)
  let standing = join(configured, carried)
  return {
    now: () => standing,
    take(config) {
      configured = budgetsOf(config)
      standing = join(configured, carried)
    },
    ofKey(id, caps) {
      carried.set(id, caps)
      if (configured.keys?.has(id) !== true) standing.keys.set(id, caps)
    },
  }
}

function join(configured: Budgets, carried: ReadonlyMap<string, BudgetCaps>) {
  return { ...configured, keys: new Map([...carried, ...(configured.keys ?? [])]) }
}

/** The caps of presets are the config's alone: whoever redefines a preset over MCP does not get out of its budget. */
function budgetsOf({ budget, presets }: Config): Budgets {
  return {
    ...capsOf(budget),
    providers: capsById(Object.entries(budget.providers)),
    keys: capsById(Object.entries(budget.keys)),
    presets: capsById(presets.flatMap((preset) => (preset.budget === undefined ? [] : [[preset.name, preset.budget]]))),
  }
}

function capsById(entries: readonly (readonly [id: string, caps: RollingCaps])[]): ReadonlyMap<string, BudgetCaps> {
  return new Map(entries.map(([id, caps]) => [id, capsOf(caps)]))
}

/** What a config or the row of a key calls its caps, as budgets call them. */
export function capsOf(caps: RollingCaps): BudgetCaps {
  return {
    ...(caps.perHourUsd === undefined ? {} : { perHour: caps.perHourUsd }),
    ...(caps.perDayUsd === undefined ? {} : { perDay: caps.perDayUsd }),
    ...(caps.perMonthUsd === undefined ? {} : { perMonth: caps.perMonthUsd }),
    ...(caps.totalUsd === undefined ? {} : { total: caps.totalUsd }),
  }
}
