/** `routeplane invoices`: what is owed to providers that send invoices, by provider and month. */
import { RouteplaneError } from '../errors.ts'
import type { Invoice } from '../ledger/ledger.ts'
import type { InvoiceStatement } from '../routeplane.ts'
import { plainCommand, type Command } from './command.ts'
import type { CommandContext } from './context.ts'
import { csv } from './csv.ts'
import { invoicePage } from './invoice-page.ts'
import { usage, type Invocation } from './invocation.ts'
import { counted, fields, money, table, usdText } from './output.ts'
import { withEngine } from './session.ts'

const numberOption = {
  number: { type: 'string', value: '<number>', summary: 'Which closed invoice of the month; the open one, or else the last, unless said.' },
} as const

export const invoicesList: Command = {
  ...plainCommand,
  name: 'invoices list',
  aliases: ['invoices'],
  summary: 'List what is owed by invoice, and what was closed.',
  async run(invocation, context) {
    const rows = await withEngine(invocation, context, ({ invoices }) => invoices.list())
    const cells = rows.map((row) => [row.provider, row.month, stateOf(row), String(row.debts), money(row.totalUsd)])
    return {
      text: rows.length === 0 ? 'Nothing is owed by invoice.' : table(['provider', 'month (UTC)', 'state', 'calls', 'total'], cells),
      value: { invoices: rows.map(valueOf) },
    }
  },
}

export const invoicesShow: Command = {
  ...plainCommand,
  name: 'invoices show',
  summary: 'Show one invoice, call by call.',
  positionals: ['<provider>', '<month>'],
  options: numberOption,
  async run(invocation, context) {
    const statement = await statementFor(invoicesShow, invocation, context)
    return { text: statementText(statement), value: statementValue(statement) }
  },
}

export const invoicesExport: Command = {
  ...plainCommand,
  name: 'invoices export',
  summary: 'Write one invoice as CSV, JSON, or a page to print.',
  positionals: ['<provider>', '<month>'],
  options: numberOption,
  formats: ['csv', 'json', 'html'],
  async run(invocation, context) {
    const statement = await statementFor(invoicesExport, invocation, context)
    const text = invocation.format === 'html' ? invoicePage(statement) : csv(lineColumns, statement.lines.map(lineValue))
    return { text, value: statementValue(statement) }
  },
}

export const invoicesClose: Command = {
  ...plainCommand,
  name: 'invoices close',
  summary: 'Close what is owed to a provider for a month.',
  details: ['Closed again, nothing changes; calls that end later go to the next invoice of the same month.'],
  positionals: ['<provider>', '<month>'],
  async run(invocation, context) {
    const { provider, month } = place(invoicesClose, invocation)
    const invoice = await withEngine(invocation, context, ({ invoices }) => invoices.close(provider, month))
    if (invoice === undefined) throw nothingOwed(provider, month)
    const text = `Invoice ${provider} ${month} number ${invoice.number}: ${counted(invoice.debts, 'call')}, ${money(invoice.totalUsd)}.`
    return { text, value: valueOf(invoice) }
  },
}

async function statementFor(command: Command, invocation: Invocation, context: CommandContext): Promise<InvoiceStatement> {
  const { provider, month } = place(command, invocation)
  const text = invocation.text('number')
  if (text !== undefined && !/^[1-9]\d{0,5}$/.test(text)) throw usage(command, 'bad_value', '--number is a whole number from 1')
  const number = text === undefined ? undefined : Number(text)
  const statement = await withEngine(invocation, context, ({ invoices }) => invoices.statement(provider, month, number))
  if (statement === undefined) throw nothingOwed(provider, month, number)
  return statement
}

function place(command: Command, { positionals }: Invocation): { readonly provider: string; readonly month: string } {
  const [provider = '', month = ''] = positionals
  if (!/^\d{4}-(?:0[1-9]|1[0-2])$/.test(month)) throw usage(command, 'bad_value', '<month> is a month such as 2026-11')
  return { provider, month }
}

function nothingOwed(provider: string, month: string, number?: number): RouteplaneError {
  const which = number === undefined ? '' : ` number ${number}`
  const name = JSON.stringify(provider.slice(0, 60))
  return new RouteplaneError('invoice_not_found', `there is no invoice${which} of ${name} for ${month}`, {
    hint: 'See "routeplane invoices list".',
  })
}

function stateOf({ number }: Invoice): string {
  return number === undefined ? 'open' : `closed (${number})`
}

function valueOf(invoice: Invoice) {
  return {
    provider: invoice.provider,
    month: invoice.month,
    state: invoice.number === undefined ? 'open' : 'closed',
    number: invoice.number ?? null,
    calls: invoice.debts,
    total_usd: usdText(invoice.totalUsd),
    closed_at: invoice.closedAt === undefined ? null : new Date(invoice.closedAt).toISOString(),
  }
}

const lineColumns = ['id', 'request_id', 'time', 'model', 'caller', 'input_tokens', 'output_tokens', 'amount_usd', 'basis'] as const

function lineValue(line: InvoiceStatement['lines'][number]): Readonly<Record<(typeof lineColumns)[number], string | null>> {
  return {
    id: line.id,
    request_id: line.requestId,
    time: new Date(line.at).toISOString(),
    model: line.model,
    caller: line.caller,
    input_tokens: line.inputTokens?.toString() ?? null,
    output_tokens: line.outputTokens?.toString() ?? null,
    amount_usd: usdText(line.owedUsd),
    basis: line.bound ?? 'usage',
  }
}

function statementValue(statement: InvoiceStatement): unknown {
  return {
    ...valueOf(statement.invoice),
    provider_name: statement.providerName,
    terms_days: statement.termsDays ?? null,
    email: statement.email ?? null,
    lines: statement.lines.map(lineValue),
  }
}

function statementText({ invoice, providerName, termsDays, lines }: InvoiceStatement): string {
  const head = fields([
    ['provider', `${providerName} (${invoice.provider})`],
    ['month', invoice.month],
    ['state', stateOf(invoice)],
    ['terms', termsDays === undefined ? 'unknown' : counted(termsDays, 'day')],
    ['calls', String(invoice.debts)],
    ['total', money(invoice.totalUsd)],
  ])
  const rows = lines
    .map(lineValue)
    .map((line) => [
      (line.time ?? '').slice(0, 19).replace('T', ' '),
      line.model ?? '',
      line.input_tokens ?? 'unknown',
      line.output_tokens ?? 'unknown',
      `$${line.amount_usd ?? ''}`,
      line.basis ?? '',
    ])
  return `${head}\n\n${table(['time (UTC)', 'model', 'in', 'out', 'amount', 'basis'], rows)}`
}
