/** The user's rolling caps as limits of this moment: which budgets a payment made now counts against. */
import { RouteplaneError } from '../errors.ts'
import type { BudgetLimit, HoldOutcome } from '../ledger/ledger.ts'
import { formatUsd, type Usd } from '../money.ts'

/** Caps in US dollars; an absent one is not a limit, but the config never leaves the day and the request open. */
export type BudgetCaps = {
  readonly perHour?: Usd
  readonly perDay?: Usd
  readonly perMonth?: Usd
  readonly total?: Usd
}

/** Everybody's caps, and those of single providers, keys of callers, and presets, by id. */
export type Budgets = BudgetCaps & {
  readonly providers?: ReadonlyMap<string, BudgetCaps>
  readonly keys?: ReadonlyMap<string, BudgetCaps>
  readonly presets?: ReadonlyMap<string, BudgetCaps>
}

/** Whose money a payment is: every id that may have caps of its own. */
export type Spender = { readonly provider: string; readonly caller?: string; readonly preset?: string }

/** Kinds of scope beside `all`, each with the caps it has and the id that a payment counts under. */
const scopes = [
  { kind: 'provider', capsOf: (budgets: Budgets) => budgets.providers, idOf: (spender: Spender) => spender.provider },
  { kind: 'key', capsOf: (budgets: Budgets) => budgets.keys, idOf: (spender: Spender) => spender.caller },
  { kind: 'preset', capsOf: (budgets: Budgets) => budgets.presets, idOf: (spender: Spender) => spender.preset },
] as const

/**
 * Gives the limits that a payment made at `now` counts against.
 *
 * Windows are UTC, so that every process on every machine means the same day.
 */
export function limitsAt(budgets: Budgets, now: number, spender: Spender): readonly BudgetLimit[] {
  const own = scopes.flatMap(({ kind, capsOf, idOf }) => {
    const id = idOf(spender)
    const caps = id === undefined ? undefined : capsOf(budgets)?.get(id)
    return caps === undefined ? [] : windowsAt(`${kind}:${id}`, caps, now)
  })
  return [...windowsAt('all', budgets, now), ...own]
}

/** Gives every limit there is at `now`, whomever it binds: for reports. */
export function everyLimitAt(budgets: Budgets, now: number): readonly BudgetLimit[] {
  const own = scopes.flatMap(({ kind, capsOf }) =>
    [...(capsOf(budgets) ?? [])].flatMap(([id, caps]) => windowsAt(`${kind}:${id}`, caps, now)),
  )
  return [...windowsAt('all', budgets, now), ...own]
}

function windowsAt(scope: string, caps: BudgetCaps, now: number): readonly BudgetLimit[] {
  const date = new Date(now)
  const stamp = date.toISOString()
  const [year, month, day] = [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()] as const
  const rows: readonly (readonly [window: string, cap: Usd | undefined, since: number])[] = [
    [`hour:${stamp.slice(0, 13)}`, caps.perHour, Date.UTC(year, month, day, date.getUTCHours())],
    [`day:${stamp.slice(0, 10)}`, caps.perDay, Date.UTC(year, month, day)],
    [`month:${stamp.slice(0, 7)}`, caps.perMonth, Date.UTC(year, month)],
    ['total', caps.total, 0],
  ]
  return rows.flatMap(([window, cap, since]) => (cap === undefined ? [] : [{ scope, window, cap, since }]))
}

const WINDOW = /^(?:hour:(\d{4})-(\d\d)-(\d\d)T(\d\d)|day:(\d{4})-(\d\d)-(\d\d)|month:(\d{4})-(\d\d))$/

/** When a window of {@link limitsAt} is over, in milliseconds since the epoch; `undefined` for one that never is. */
export function resetOf(window: string): number | undefined {
  const [, ...parts] = WINDOW.exec(window) ?? []
  const numbers = parts.filter((part) => part !== undefined).map(Number)
  const [year, month = 1, day, hour] = numbers
  if (year === undefined) return undefined
  if (day === undefined) return Date.UTC(year, month)
  return hour === undefined ? Date.UTC(year, month - 1, day + 1) : Date.UTC(year, month - 1, day, hour + 1)
}

/** Says which cap has no room, how much is left of it, and when it has room again. */
export function budgetExceeded(amount: Usd, { limit, available }: Extract<HoldOutcome, { granted: false }>): RouteplaneError {
  const { scope, window, cap } = limit
  const resetsAt = resetOf(window)
  const resets = resetsAt === undefined ? {} : { resetsAt: new Date(resetsAt).toISOString() }
  const again = resetsAt === undefined ? '' : `; it begins anew at ${resets.resetsAt}`
  return new RouteplaneError(
    'budget_exceeded',
    `this call needs up to $${formatUsd(amount)}; $${formatUsd(available)} is left of the ${nameOf(scope, window)} cap of $${formatUsd(cap)}${again}`,
    {
      hint: 'Lower max_tokens, pick a cheaper model, or raise the cap in routeplane.yaml.',
      details: {
        scope,
        window,
        capUsd: formatUsd(cap),
        availableUsd: formatUsd(available),
        neededUsd: formatUsd(amount),
        ...resets,
      },
    },
  )
}

function nameOf(scope: string, window: string): string {
  if (scope === 'request') return "request's"
  return scope === 'all' ? window : `${scope} ${window}`
}
