/** Writes a check's report for a terminal, and as Markdown for a pull request. */
import type { CheckReport } from './check.ts'
import type { Row, Verdict } from './row.ts'

const words: Readonly<Record<Verdict, string>> = {
  pass: 'pass',
  fail: 'FAIL',
  not_applicable: 'n/a',
  not_checked: 'not checked',
}

const marks: Readonly<Record<Verdict, string>> = { pass: '✅', fail: '❌', not_applicable: '➖', not_checked: '❔' }

/** Control characters and the marks that turn text: evidence is quoted from strangers. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu

/** Groups with one line for each row; failures again at the end, where they are seen. */
export function textReport(report: CheckReport): string {
  const width = Math.max(...Object.values(words).map((word) => word.length))
  const line = ({ verdict, title, evidence }: Row) => `  ${words[verdict].padEnd(width)}  ${title}: ${shown(evidence)}`.trimEnd()
  const groups = report.groups.map(({ title, rows }) => [title, ...rows.map(line)].join('\n'))
  const failed = failures(report)
  return [
    `${report.provider}, model ${report.model}, at ${report.endpoint}`,
    ...groups,
    ...(failed.length === 0
      ? []
      : [['To be put right', ...failed.map((row) => `  ${row.id}: ${row.title}: ${shown(row.evidence)}`)].join('\n')]),
    summary(report),
  ].join('\n\n')
}

/** A summary, the failures, and every row in tables that can be folded. */
export function markdownReport(report: CheckReport): string {
  const failed = failures(report)
  const verdict = failed.length === 0 ? '✅ nothing failed' : `❌ ${failed.length} of ${total(report)} rows failed`
  return [
    `## Provider check: ${cell(report.provider)}, model \`${cell(report.model)}\``,
    `${verdict}. Endpoint: \`${cell(report.endpoint)}\`. ${summary(report)}`,
    ...(failed.length === 0 ? [] : [['### To be put right', '', ...failed.map(markdownFailure)].join('\n')]),
    ...report.groups.map(({ title, rows }) =>
      [
        `<details><summary>${title}</summary>`,
        '',
        '| | row | | evidence |',
        '|---|---|---|---|',
        ...rows.map(markdownRow),
        '',
        '</details>',
      ].join('\n'),
    ),
  ].join('\n\n')
}

function markdownRow({ id, title, verdict, evidence }: Row): string {
  return `| ${marks[verdict]} | \`${id}\` | ${cell(title)} | ${cell(evidence)} |`
}

function markdownFailure({ id, title, evidence }: Row): string {
  return `- \`${id}\` ${cell(title)}: ${cell(evidence)}`
}

function failures({ groups }: CheckReport): readonly Row[] {
  return groups.flatMap(({ rows }) => rows.filter(({ verdict }) => verdict === 'fail'))
}

function total({ counts }: CheckReport): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0)
}

function summary({ counts }: CheckReport): string {
  return `${counts.pass} passed, ${counts.fail} failed, ${counts.not_applicable} not applicable, ${counts.not_checked} not checked.`
}

function shown(text: string): string {
  return text.replaceAll(UNPRINTABLE, ' ').trim()
}

/** A stranger's words may not end a cell, open a tag or mention somebody. */
function cell(text: string): string {
  return shown(text).replaceAll(/[\\|`<>*_[\]@#]/g, (sign) => `\\${sign}`)
}
