/** Writes rows as CSV that spreadsheets read and do not run. */

/**
 * Writes a head line and the rows, with CRLF line ends.
 *
 * Cells come from providers too, and a spreadsheet runs what begins with `=`, `+`, `-` or `@`: such a cell gets an
 * apostrophe in front.
 *
 * @see RFC 4180 section 2, https://www.rfc-editor.org/rfc/rfc4180
 */
export function csv<Column extends string>(columns: readonly Column[], rows: readonly Readonly<Record<Column, string | null>>[]): string {
  const lines = [columns.join(','), ...rows.map((row) => columns.map((name) => cell(row[name] ?? '')).join(','))]
  return lines.map((line) => `${line}\r\n`).join('')
}

function cell(value: string): string {
  const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}
