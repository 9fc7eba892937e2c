/** An invoice as one page of HTML that prints well and loads nothing. */
import { formatUsd, scaleUsd, type Usd } from '../money.ts'
import type { InvoiceStatement } from '../routeplane.ts'
import { counted, money, plain } from './output.ts'

const STYLE = `
  :root { color-scheme: light; }
  body { font: 11pt/1.45 system-ui, sans-serif; color: #16181d; background: #fff; max-width: 52rem; margin: 2.5rem auto; padding: 0 1.5rem; }
  header { display: flex; justify-content: space-between; align-items: baseline; border-bottom: 2px solid #16181d; padding-bottom: .75rem; }
  h1 { font-size: 1.5rem; margin: 0; }
  .state { text-transform: uppercase; letter-spacing: .06em; font-size: .8rem; }
  dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.5rem; margin: 1.25rem 0 1.75rem; }
  dt { color: #5b6270; } dd { margin: 0; overflow-wrap: anywhere; }
  table { width: 100%; border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
  th { text-align: left; border-bottom: 1px solid #16181d; padding: .35rem .5rem .35rem 0; }
  td { border-bottom: 1px solid #dfe2e8; padding: .3rem .5rem .3rem 0; vertical-align: top; overflow-wrap: anywhere; }
  .number { text-align: right; white-space: nowrap; }
  .note { color: #5b6270; font-size: .78rem; }
  tfoot td { border-bottom: 0; border-top: 2px solid #16181d; font-weight: 600; }
  thead { display: table-header-group; } tfoot { display: table-row-group; } tr { break-inside: avoid; }
  @page { margin: 18mm; }
  @media print { body { margin: 0; padding: 0; max-width: none; } }
`

/** Writes the page; every text in it comes from providers or callers, and none of it becomes markup. */
export function invoicePage(statement: InvoiceStatement): string {
  const { invoice, providerName, lines } = statement
  const title = `Usage statement ${invoice.month}, ${providerName}`
  const entries = entriesOf(statement).map(([name, value]) => `<dt>${escape(name)}</dt><dd>${escape(value)}</dd>`)
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escape(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<header><h1>Usage statement</h1><span class="state">${invoice.number === undefined ? 'Open' : `Closed, number ${invoice.number}`}</span></header>
<dl>${entries.join('')}</dl>
<table>
<thead><tr><th>Time (UTC)</th><th>Model</th><th class="number">Input tokens</th><th class="number">Output tokens</th><th class="number">US dollars</th></tr></thead>
<tbody>
${lines.map(rowOf).join('\n')}
</tbody>
<tfoot><tr><td colspan="4">Total of ${escape(counted(invoice.debts, 'call'))}</td><td class="number">${escape(formatUsd(invoice.totalUsd))}</td></tr></tfoot>
</table>
</body>
</html>
`
}

function entriesOf({ invoice, providerName, termsDays, email }: InvoiceStatement): readonly (readonly [string, string])[] {
  const due = termsDays === undefined || invoice.closedAt === undefined ? undefined : invoice.closedAt + termsDays * 86_400_000
  return [
    ['Provider', `${providerName} (${invoice.provider})`],
    ...(email === undefined ? [] : [['Billing address', email] as const]),
    ['Period', `${invoice.month} (UTC)`],
    ...(invoice.closedAt === undefined ? [] : [['Closed', dayOf(invoice.closedAt)] as const]),
    ...(due === undefined ? [] : [['Due', dayOf(due)] as const]),
    ['Total', `${money(invoice.totalUsd)} (payable ${money(toCents(invoice.totalUsd))})`],
  ]
}

/** What we owe goes up. */
function toCents(usd: Usd): Usd {
  const cent = 10n ** 16n
  return scaleUsd(scaleUsd(usd, 1n, cent, 'up'), cent, 1n, 'up')
}

function rowOf(line: InvoiceStatement['lines'][number]): string {
  const note = line.bound === undefined ? '' : `<div class="note">${escape(line.bound)}</div>`
  const cells = [line.inputTokens, line.outputTokens].map((count) => `<td class="number">${count === undefined ? 'unknown' : count}</td>`)
  const time = new Date(line.at).toISOString().slice(0, 19).replace('T', ' ')
  return `<tr><td>${time}</td><td>${escape(line.model)}${note}</td>${cells.join('')}<td class="number">${escape(formatUsd(line.owedUsd))}</td></tr>`
}

function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10)
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

function escape(text: string): string {
  return plain(text).replace(/[&<>"']/g, (character) => ENTITIES[character] ?? '')
}
