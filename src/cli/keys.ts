/** `routeplane keys`: who may use the gateway besides its operator, within which caps, and what each has used. */
import { parseUsd, type Usd } from '../money.ts'
import type { CallerKey } from '../ledger/caller-key.ts'
import type { KeyWishes, Statement } from '../routeplane.ts'
import { plainCommand, type Command, type OptionSpec } from './command.ts'
import { usage, type Invocation } from './invocation.ts'
import { counted, fields, money, table, usdText } from './output.ts'
import { withEngine } from './session.ts'

const cap = (window: string) =>
  ({ type: 'string', value: '<usd>', summary: `The most it may spend ${window}.` }) as const satisfies OptionSpec

export const keysCreate: Command = {
  ...plainCommand,
  name: 'keys create',
  summary: 'Make a key for a caller; it is shown once.',
  details: ['Callers show it as the gateway token is shown: Authorization: Bearer, x-api-key, x-goog-api-key.'],
  positionals: ['<name>'],
  options: {
    'per-hour': cap('in an hour'),
    'per-day': cap('in a day'),
    'per-month': cap('in a month'),
    total: cap('ever'),
    model: { type: 'string', value: '<ids>', summary: 'Only these models, parted by commas.' },
    expires: { type: 'string', value: '<date>', summary: 'The first day on which it is no longer good, such as 2027-01-31.' },
  },
  async run(invocation, context) {
    const wishes = wishesOf(invocation)
    const { key, row } = await withEngine(invocation, context, async ({ keys }) => keys.create(wishes))
    const text = fields([
      ['Key', key.reveal()],
      ['Id', row.id],
      ['Name', row.name],
    ])
    return {
      text: `${text}\n\nKeep it now: it is not shown again. To end it: routeplane keys revoke ${row.id}`,
      value: { key: key.reveal(), ...shown(row) },
    }
  },
}

export const keysList: Command = {
  ...plainCommand,
  name: 'keys list',
  aliases: ['keys'],
  summary: 'List the keys of callers.',
  async run(invocation, context) {
    const rows = await withEngine(invocation, context, async ({ keys }) => keys.list())
    const lines = rows.map((row) => [row.id, row.name, stateOf(row, context.clock.now()), capsText(row), row.models?.join(', ') ?? 'all'])
    const text =
      rows.length === 0
        ? 'There are no keys: "routeplane keys create <name>" makes one.'
        : table(['id', 'name', 'state', 'caps', 'models'], lines)
    return { text, value: { keys: rows.map(shown) } }
  },
}

export const keysRevoke: Command = {
  ...plainCommand,
  name: 'keys revoke',
  summary: 'End a key at once.',
  positionals: ['<id>'],
  async run(invocation, context) {
    const [id = ''] = invocation.positionals
    await withEngine(invocation, context, async ({ keys }) => keys.revoke(id))
    return { text: `${id} is revoked.`, value: { id, revoked: true } }
  },
}

export const keysStatement: Command = {
  ...plainCommand,
  name: 'keys statement',
  summary: 'What a caller has used in a month.',
  positionals: ['<id>'],
  options: { month: { type: 'string', value: '<month>', summary: 'Such as 2026-11, in UTC; this month unless said otherwise.' } },
  async run(invocation, context) {
    const [id = ''] = invocation.positionals
    const month = invocation.text('month') ?? new Date(context.clock.now()).toISOString().slice(0, 7)
    const statement = await withEngine(invocation, context, async ({ keys }) => keys.statement(id, month))
    return { text: statementText(statement), value: statementValue(statement) }
  },
}

function wishesOf(invocation: Invocation): KeyWishes {
  const [name = ''] = invocation.positionals
  if (name.trim() === '' || name.length > 100) throw usage(keysCreate, 'bad_value', 'a name has 1 to 100 characters')
  const amount = (option: string) => amountOf(invocation.text(option))
  const [perHourUsd, perDayUsd, perMonthUsd, totalUsd] = [amount('per-hour'), amount('per-day'), amount('per-month'), amount('total')]
  const models = invocation
    .text('model')
    ?.split(',')
    .map((id) => id.trim())
    .filter((id) => id !== '')
  const expires = invocation.text('expires')
  return {
    name,
    ...(perHourUsd === undefined ? {} : { perHourUsd }),
    ...(perDayUsd === undefined ? {} : { perDayUsd }),
    ...(perMonthUsd === undefined ? {} : { perMonthUsd }),
    ...(totalUsd === undefined ? {} : { totalUsd }),
    ...(models === undefined || models.length === 0 ? {} : { models }),
    ...(expires === undefined ? {} : { expiresAt: dayOf(expires) }),
  }
}

function amountOf(text: string | undefined): Usd | undefined {
  return text === undefined ? undefined : parseUsd(text)
}

function dayOf(text: string): number {
  const day = /^\d{4}-\d\d-\d\d$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN
  if (Number.isNaN(day)) throw usage(keysCreate, 'bad_value', '--expires is a date such as 2027-01-31')
  return day
}

function stateOf({ revokedAt, expiresAt }: CallerKey, now: number): string {
  if (revokedAt !== undefined) return 'revoked'
  if (expiresAt === undefined) return 'good'
  const day = new Date(expiresAt).toISOString().slice(0, 10)
  return expiresAt <= now ? `expired ${day}` : `until ${day}`
}

function capsText({ perHourUsd, perDayUsd, perMonthUsd, totalUsd }: CallerKey): string {
  const caps = [
    [perHourUsd, 'hour'],
    [perDayUsd, 'day'],
    [perMonthUsd, 'month'],
    [totalUsd, 'total'],
  ] as const
  return caps.flatMap(([usd, window]) => (usd === undefined ? [] : [`${money(usd)}/${window}`])).join(' ') || 'none of its own'
}

function shown(row: CallerKey): object {
  const date = (at: number | undefined) => (at === undefined ? null : new Date(at).toISOString())
  return {
    id: row.id,
    name: row.name,
    per_hour_usd: usdText(row.perHourUsd),
    per_day_usd: usdText(row.perDayUsd),
    per_month_usd: usdText(row.perMonthUsd),
    total_usd: usdText(row.totalUsd),
    models: row.models ?? null,
    created_at: date(row.createdAt),
    expires_at: date(row.expiresAt),
    revoked_at: date(row.revokedAt),
  }
}

function statementText({ key, month, lines, requests, costUsd, unpriced }: Statement): string {
  const head = `${key.name} (${key.id}), ${month}: ${counted(requests, 'request')}, ${money(costUsd)}`
  const rest = unpriced === 0 ? '' : `\n${counted(unpriced, 'request')} of unknown cost not included.`
  if (lines.length === 0) return head
  const rows = lines.map((line) => [line.model, String(line.requests), money(line.costUsd)])
  return `${head}${rest}\n\n${table(['model', 'requests', 'cost'], rows)}`
}

function statementValue({ key, month, lines, requests, costUsd, unpriced }: Statement): unknown {
  return {
    key: key.id,
    name: key.name,
    month,
    requests,
    cost_usd: usdText(costUsd),
    unpriced,
    lines: lines.map((line) => ({ model: line.model, requests: line.requests, cost_usd: usdText(line.costUsd), unpriced: line.unpriced })),
  }
}
