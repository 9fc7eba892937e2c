/** `routeplane receipts statement`: what one provider was paid in one month, payment by payment, with the totals by token. */
import type { AttemptRow } from '../ledger/entry.ts'
import { receiptStatus } from '../ledger/rules.ts'
import { addUsd, ZERO_USD, type Usd } from '../money.ts'
import { plainCommand, type Command } from './command.ts'
import { csv } from './csv.ts'
import { usage } from './invocation.ts'
import { counted, fields, money, table, usdText } from './output.ts'
import { receiptColumns, receiptValue } from './receipt-columns.ts'
import { everyReceipt } from './receipts.ts'
import { withEngine } from './session.ts'

export const receiptsStatement: Command = {
  ...plainCommand,
  name: 'receipts statement',
  summary: 'Show what a provider was paid in a month, with its totals.',
  details: ['Only what is settled on chain counts; what is still open is named beside it.'],
  positionals: ['<provider>'],
  options: { month: { type: 'string', value: '<month>', summary: 'Such as 2026-11 (UTC); this month unless said.' } },
  formats: ['text', 'csv', 'json'],
  async run(invocation, context) {
    const [provider = ''] = invocation.positionals
    const month = invocation.text('month') ?? new Date(context.clock.now()).toISOString().slice(0, 7)
    if (!/^\d{4}-(?:0[1-9]|1[0-2])$/.test(month)) throw usage(receiptsStatement, 'bad_value', '--month is a month such as 2026-11')
    const all = await withEngine(invocation, context, ({ receipts }) => everyReceipt(receipts))
    const own = all.filter((row) => row.provider === provider && new Date(row.createdAt).toISOString().startsWith(month)).toReversed()
    const settled = own.filter(({ state }) => state === 'settled')
    const open = own.filter((row) => receiptStatus(row) === 'pending')
    const totals = totalsOf(settled)
    const value = {
      provider,
      month,
      payments: settled.length,
      paid_usd: usdText(paidIn(settled)),
      open: open.length,
      open_usd: usdText(addUsd(...open.map(({ heldUsd }) => heldUsd))),
      totals: totals.map(({ amount, usd, ...total }) => ({ ...total, amount: amount.toString(), usd: usdText(usd) })),
      receipts: settled.map(receiptValue),
    }
    const text =
      invocation.format === 'csv'
        ? csv(receiptColumns, settled.map(receiptValue))
        : statementText(provider, month, { settled, open, totals })
    return { text, value }
  },
}

type Total = {
  readonly network: string
  readonly asset: string
  readonly payee: string
  readonly amount: bigint
  readonly usd: Usd
  readonly payments: number
}

/** By token and payee: base units of different tokens are never added up. */
function totalsOf(rows: readonly AttemptRow[]): readonly Total[] {
  const totals = new Map<string, Total>()
  for (const { payment } of rows) {
    if (payment?.amountSettled === undefined) continue
    const { network, asset, payee, amountSettled, settledUsd = ZERO_USD } = payment
    const key = [network, asset, payee].join(' ').toLowerCase()
    const before = totals.get(key) ?? { network, asset, payee, amount: 0n, usd: ZERO_USD, payments: 0 }
    totals.set(key, {
      ...before,
      amount: before.amount + amountSettled,
      usd: addUsd(before.usd, settledUsd),
      payments: before.payments + 1,
    })
  }
  return [...totals.values()]
}

function paidIn(rows: readonly AttemptRow[]): Usd {
  return addUsd(...rows.flatMap(({ payment }) => (payment?.settledUsd === undefined ? [] : [payment.settledUsd])))
}

type Parts = { readonly settled: readonly AttemptRow[]; readonly open: readonly AttemptRow[]; readonly totals: readonly Total[] }

function statementText(provider: string, month: string, { settled, open, totals }: Parts): string {
  const head = fields([
    ['provider', provider],
    ['month (UTC)', month],
    ['paid', `${money(paidIn(settled))} in ${counted(settled.length, 'payment')}`],
    ['open', `${counted(open.length, 'payment')}, up to ${money(addUsd(...open.map(({ heldUsd }) => heldUsd)))}`],
  ])
  if (settled.length === 0) return head
  const sums = table(
    ['network', 'token', 'payee', 'payments', 'base units', 'US dollars'],
    totals.map((total) => [total.network, total.asset, total.payee, String(total.payments), String(total.amount), money(total.usd)]),
  )
  const rows = table(
    ['time (UTC)', 'receipt', 'model', 'amount', 'status', 'transaction'],
    settled.map((row) => [
      new Date(row.createdAt).toISOString().slice(0, 19).replace('T', ' '),
      row.id,
      row.model,
      money(row.payment?.settledUsd),
      receiptStatus(row),
      row.payment?.transaction ?? '',
    ]),
  )
  return `${head}\n\n${sums}\n\n${rows}`
}
