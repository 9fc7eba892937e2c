/** Prints values for people: aligned tables, money with its currency, and nothing that could steer a terminal. */
import { formatUsd, times, type Usd } from '../money.ts'

/** Blanks control characters: names come from providers, and an escape sequence could rewrite what was printed above. */
export function plain(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ')
}

/** Lays rows out in columns two blanks apart, under a head in capitals. The last column is not padded. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = [head.map((title) => title.toUpperCase()), ...rows.map((row) => row.map(plain))]
  const widths = head.map((_, column) => Math.max(...cells.map((row) => width(row[column] ?? ''))))
  return cells
    .map((row) =>
      row
        .map((cell, column) => cell + ' '.repeat((widths[column] ?? 0) - width(cell)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** Lays named values out in two columns. */
export function fields(entries: readonly (readonly [string, string])[]): string {
  const widest = Math.max(0, ...entries.map(([name]) => width(name)))
  return entries.map(([name, value]) => `${name}${' '.repeat(widest - width(name))}  ${plain(value)}`.trimEnd()).join('\n')
}

function width(text: string): number {
  return [...text].length
}

/** `1 file`, `2 files`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

/** `$0.50`, `$0.000123`: exact, with at least two places. `unknown` when it is not known. */
export function money(usd: Usd | undefined): string {
  if (usd === undefined) return 'unknown'
  return dollars(formatUsd(usd))
}

/** The same of an amount that is decimal text already. */
export function dollars(usd: string | null): string {
  if (usd === null) return 'unknown'
  const [whole = '', fraction = ''] = usd.split('.')
  return `$${whole}.${fraction.padEnd(2, '0')}`
}

/** A price per token as people compare it: US dollars per million tokens. */
export function perMillion(usd: Usd | undefined): string {
  return usd === undefined ? 'unknown' : money(times(usd, 1_000_000n))
}

/** US dollars for machines: a plain decimal string; `null` when it is not known. */
export function usdText(usd: Usd | undefined): string | null {
  return usd === undefined ? null : formatUsd(usd)
}

/** One JSON document with a line break. Base units and blocks are written as decimal strings. */
export function json(value: unknown): string {
  return `${JSON.stringify(value, (_, each: unknown) => (typeof each === 'bigint' ? each.toString() : each), 2)}\n`
}
