/** Invoices as surfaces read them: what is owed to each provider by month, line by line. */
import type { Clock } from '../lib/clock.ts'
import type { AttemptRow } from '../ledger/entry.ts'
import type { Invoice, Ledger } from '../ledger/ledger.ts'
import { standingOf } from '../ledger/rules.ts'
import type { Usd } from '../money.ts'
import type { Catalog } from '../registry/catalog.ts'

export type InvoiceView = {
  /** What is open, newest month first, then what was closed. */
  list(): Promise<readonly Invoice[]>
  /** One invoice in full; without a number what is open, or else what was closed last. `undefined` when there never was a debt. */
  statement(provider: string, month: string, number?: number): Promise<InvoiceStatement | undefined>
  /** Closes what is open; the same again changes nothing. `undefined` when there never was a debt. */
  close(provider: string, month: string): Promise<Invoice | undefined>
}

export type InvoiceStatement = {
  readonly invoice: Invoice
  /** As its manifest calls it; its id when nobody lists it any more. */
  readonly providerName: string
  readonly termsDays?: number
  readonly email?: string
  readonly lines: readonly InvoiceLine[]
}

export type InvoiceLine = {
  readonly id: string
  readonly requestId: string
  readonly at: number
  readonly model: string
  readonly caller: string
  readonly owedUsd: Usd
  /** Why the amount is a bound; absent when it is the cost of the stated usage. */
  readonly bound?: string
  readonly inputTokens?: number
  readonly outputTokens?: number
}

export function viewInvoices(ledger: Ledger, catalog: Catalog, clock: Clock): InvoiceView {
  const { invoices } = ledger
  return {
    list: () => invoices.list(),
    close: (provider, month) => invoices.close(provider, month, clock.now()),
    async statement(provider, month, number) {
      const own = (await invoices.list()).filter((each) => each.provider === provider && each.month === month)
      const open = own.find((each) => each.number === undefined)
      const invoice = number === undefined ? (open ?? own.at(-1)) : own.find((each) => each.number === number)
      if (invoice === undefined) return undefined
      const debts = await invoices.debts(invoice)
      const listed = catalog.snapshot().providers.get(provider)
      const terms = listed?.payment.invoice
      return {
        invoice,
        providerName: listed?.name ?? provider,
        ...(terms === undefined ? {} : { termsDays: terms.termsDays, ...(terms.email === undefined ? {} : { email: terms.email }) }),
        lines: await Promise.all(debts.map((debt) => lineOf(debt, ledger))),
      }
    },
  }
}

async function lineOf(debt: AttemptRow, { requests }: Ledger): Promise<InvoiceLine> {
  const request = await requests.get(debt.requestId)
  // A request may have been answered by somebody else after this debt was made: his count is not this one's.
  const usage = request?.provider === debt.provider && request.mode === debt.mode ? request.usage : undefined
  return {
    id: debt.id,
    requestId: debt.requestId,
    at: debt.createdAt,
    model: debt.model,
    caller: debt.caller ?? 'local',
    owedUsd: standingOf(debt).spent,
    ...(debt.reason === undefined ? {} : { bound: debt.reason }),
    ...(usage?.inputTokens === undefined ? {} : { inputTokens: usage.inputTokens }),
    ...(usage?.outputTokens === undefined ? {} : { outputTokens: usage.outputTokens }),
  }
}
