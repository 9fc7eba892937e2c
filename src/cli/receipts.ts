/** `routeplane receipts`: what was paid, to whom, and whether the chain agrees. */
import { RouteplaneError } from '../errors.ts'
import type { AttemptRow } from '../ledger/entry.ts'
import type { Paper } from '../ledger/paper.ts'
import { receiptStatus } from '../ledger/rules.ts'
import type { ReceiptView, Verification } from '../routeplane.ts'
import { plainCommand, type Command } from './command.ts'
import { csv } from './csv.ts'
import { exitCodes } from './exit-code.ts'
import { usage, type Invocation } from './invocation.ts'
import { fields, money, table } from './output.ts'
import { receiptColumns, receiptValue } from './receipt-columns.ts'
import { withEngine } from './session.ts'

const PAGE = 200

export const receiptsList: Command = {
  ...plainCommand,
  name: 'receipts list',
  aliases: ['receipts'],
  summary: 'List payments, newest first.',
  options: {
    limit: { type: 'string', value: '<count>', summary: 'How many; 20 unless said otherwise.' },
    request: { type: 'string', value: '<id>', summary: 'Only those of this request.' },
  },
  async run(invocation, context) {
    const limit = limitOf(invocation)
    const requestId = invocation.text('request')
    const rows = await withEngine(invocation, context, async ({ receipts }) =>
      receipts.list({ limit, ...(requestId === undefined ? {} : { requestId }) }),
    )
    return { text: rows.length === 0 ? 'Nothing has been paid yet.' : listText(rows), value: { receipts: rows.map(receiptValue) } }
  },
}

export const receiptsShow: Command = {
  ...plainCommand,
  name: 'receipts show',
  summary: 'Show one payment in full.',
  positionals: ['<id>'],
  async run(invocation, context) {
    const [id = ''] = invocation.positionals
    const { row, papers } = await withEngine(invocation, context, async ({ receipts }) => ({
      row: (await receipts.get(id)) ?? noReceipt(id),
      papers: await receipts.papers(id),
    }))
    const value = receiptValue(row)
    const rows = receiptColumns.map((name) => [name.replaceAll('_', ' '), value[name] ?? ''] as const)
    const signed = papers.map(
      ({ kind, verdict, reason }) => [`signed ${kind}`, `${verdict === 'wrong' ? 'WRONG' : verdict}: ${reason}`] as const,
    )
    return { text: fields([...rows, ...signed]), value: papers.length === 0 ? value : { ...value, papers: papers.map(paperValue) } }
  },
}

export const receiptsVerify: Command = {
  ...plainCommand,
  name: 'receipts verify',
  summary: 'Compare one payment with the chain.',
  details: ['Ends with 1 when anything differs.'],
  positionals: ['<id>'],
  async run(invocation, context) {
    const [id = ''] = invocation.positionals
    const result = await withEngine(invocation, context, async ({ receipts }) => receipts.verify(id))
    const rows = result.checks.map(({ check, ok, detail }) => [ok ? 'ok' : 'DIFFERS', check, detail])
    return {
      text: `${result.receiptId} ${verdicts[result.about](result.verified)}\n\n${table(['', 'check', 'detail'], rows)}`,
      value: { receipt_id: result.receiptId, about: result.about, verified: result.verified, checks: result.checks },
      exitCode: result.verified ? exitCodes.ok : exitCodes.failed,
    }
  },
}

const verdicts: Record<Verification['about'], (verified: boolean) => string> = {
  payment: (verified) => (verified ? 'is what the chain says.' : 'is NOT what the chain says.'),
  debt: () => 'is a debt: it comes with its provider’s invoice (routeplane invoices), and no chain knows of it.',
  nothing: (verified) =>
    verified ? 'paid nothing, and nothing was signed for it.' : 'is not over yet, and nothing has been signed for it.',
}

export const receiptsExport: Command = {
  ...plainCommand,
  name: 'receipts export',
  summary: 'Write all payments as CSV or JSON, oldest first.',
  formats: ['csv', 'json'],
  async run(invocation, context) {
    const rows = await withEngine(invocation, context, async ({ receipts }) => everyReceipt(receipts))
    const values = rows.toReversed().map(receiptValue)
    return { text: csv(receiptColumns, values), value: { receipts: values } }
  },
}

function paperValue({ kind, verdict, reason, text }: Paper): unknown {
  return { kind, verdict, reason, paper: text }
}

/** Pages through everything: one long list would hold the ledger's file for as long as it takes. */
export async function everyReceipt(receipts: Pick<ReceiptView, 'list'>): Promise<readonly AttemptRow[]> {
  const rows: AttemptRow[] = []
  for (let page = await receipts.list({ limit: PAGE }); page.length > 0;) {
    rows.push(...page)
    const last = page.at(-1)
    if (last === undefined || page.length < PAGE) break
    page = await receipts.list({ limit: PAGE, before: last.id })
  }
  return rows
}

function limitOf(invocation: Invocation): number {
  const text = invocation.text('limit') ?? '20'
  if (/^[1-9]\d{0,4}$/.test(text)) return Number(text)
  throw usage(receiptsList, 'bad_value', '--limit is a whole number from 1 to 99999')
}

function noReceipt(id: string): never {
  throw new RouteplaneError('receipt_not_found', `there is no receipt ${JSON.stringify(id.slice(0, 60))}`, {
    hint: 'See "routeplane receipts list".',
  })
}

function listText(rows: readonly AttemptRow[]): string {
  return table(
    ['receipt', 'time (UTC)', 'status', 'amount', 'network', 'provider', 'model'],
    rows.map((row) => [
      row.id,
      new Date(row.createdAt).toISOString().slice(0, 19).replace('T', ' '),
      receiptStatus(row),
      amountText(row),
      row.payment?.network ?? '',
      row.provider,
      row.model,
    ]),
  )
}

/** What was paid; while that is open, the most it can become. */
function amountText({ state, payment, heldUsd }: AttemptRow): string {
  if (state === 'released') return '$0.00'
  return state === 'settled' ? money(payment?.settledUsd) : `up to ${money(heldUsd)}`
}
