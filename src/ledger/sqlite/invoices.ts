/** Invoices on SQLite: debts gathered by provider and month, and closed so that none is asked for twice. */
import { RouteplaneError } from '../../errors.ts'
import { addUsd, ZERO_USD } from '../../money.ts'
import type { AttemptRow } from '../entry.ts'
import type { Invoice, InvoiceStore } from '../ledger.ts'
import { checkTime, standingOf } from '../rules.ts'
import { readAttempt } from './attempt-row.ts'
import type { Engine } from './attempts.ts'
import { amountOf, numberOf, textOf } from './columns.ts'
import type { Connection, Row } from './connection.ts'

export const invoiceSql = {
  closedOf: 'SELECT * FROM invoices WHERE provider = ? AND month = ? ORDER BY number',
  addInvoice: 'INSERT INTO invoices (provider, month, number, debts, total_usd, closed_at) VALUES (?, ?, ?, ?, ?, ?)',
  addDebt: 'INSERT INTO invoice_debts (attempt, provider, month, number) VALUES (?, ?, ?, ?)',
  openDebts: "SELECT * FROM attempts WHERE state = 'owed' AND id NOT IN (SELECT attempt FROM invoice_debts) ORDER BY id",
  openDebtsOf:
    "SELECT * FROM attempts WHERE state = 'owed' AND provider = ? AND created_at >= ? AND created_at < ? " +
    'AND id NOT IN (SELECT attempt FROM invoice_debts) ORDER BY id',
  debtsOf:
    'SELECT attempts.* FROM invoice_debts JOIN attempts ON attempts.id = invoice_debts.attempt ' +
    'WHERE invoice_debts.provider = ? AND invoice_debts.month = ? AND invoice_debts.number = ? ORDER BY attempts.id',
} as const

/** The one statement that reads them all: there is one row a provider and month. */
const CLOSED_INVOICES = 'SELECT * FROM invoices ORDER BY month DESC, provider, number'

export function createInvoiceStore({ connection, writer, read }: Engine): InvoiceStore {
  return {
    list: () => read(() => [...openInvoices(connection), ...connection.all(CLOSED_INVOICES).map(readInvoice)]),
    debts: ({ provider, month, number }) =>
      read(() =>
        number === undefined
          ? openDebts(connection, provider, month)
          : connection.all(invoiceSql.debtsOf, [provider, month, number]).map(readAttempt),
      ),
    close: (provider, month, now) => writer.write(() => close(connection, provider, month, now)),
  }
}

/** A debt belongs to the month (UTC) in which its call was made. */
function openInvoices(connection: Connection): readonly Invoice[] {
  const open = new Map<string, Invoice>()
  for (const debt of connection.all(invoiceSql.openDebts).map(readAttempt)) {
    const [provider, month] = [debt.provider, new Date(debt.createdAt).toISOString().slice(0, 7)]
    const key = `${month} ${provider}`
    const before = open.get(key) ?? { provider, month, debts: 0, totalUsd: ZERO_USD }
    open.set(key, { ...before, debts: before.debts + 1, totalUsd: addUsd(before.totalUsd, standingOf(debt).spent) })
  }
  return [...open].toSorted(([a], [b]) => (a > b ? -1 : 1)).map(([, invoice]) => invoice)
}

function openDebts(connection: Connection, provider: string, month: string): readonly AttemptRow[] {
  const [from, to] = boundsOf(month)
  return connection.all(invoiceSql.openDebtsOf, [provider, from, to]).map(readAttempt)
}

/** Debts that come later, from calls that were still running, go to the next number of the same month. */
function close(connection: Connection, provider: string, month: string, now: number): Invoice | undefined {
  checkTime(now)
  const earlier = connection.all(invoiceSql.closedOf, [provider, month]).map(readInvoice)
  const debts = openDebts(connection, provider, month)
  if (debts.length === 0) return earlier.at(-1)
  const number = earlier.length + 1
  const totalUsd = addUsd(...debts.map((debt) => standingOf(debt).spent))
  connection.run(invoiceSql.addInvoice, [provider, month, number, debts.length, totalUsd.toString(), now])
  for (const { id } of debts) connection.run(invoiceSql.addDebt, [id, provider, month, number])
  return { provider, month, number, debts: debts.length, totalUsd, closedAt: now }
}

const MONTH = /^(\d{4})-(0[1-9]|1[0-2])$/

/** The first millisecond of a month and the first after it. */
function boundsOf(month: string): readonly [from: number, to: number] {
  const [, year, number] = MONTH.exec(month) ?? []
  if (year === undefined) throw new RouteplaneError('internal', 'a month is not written like 2026-11')
  return [Date.UTC(Number(year), Number(number) - 1), Date.UTC(Number(year), Number(number))]
}

function readInvoice(row: Row): Invoice {
  return {
    provider: textOf(row, 'provider'),
    month: textOf(row, 'month'),
    number: numberOf(row, 'number'),
    debts: numberOf(row, 'debts'),
    totalUsd: amountOf(row, 'total_usd'),
    closedAt: numberOf(row, 'closed_at'),
  }
}
