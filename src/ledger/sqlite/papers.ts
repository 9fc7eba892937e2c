/** Sellers' papers on SQLite. */
import { paperKinds, paperVerdicts, type PaperStore } from '../paper.ts'
import { plainText } from '../rules.ts'
import type { Engine } from './attempts.ts'
import { oneOf } from './column-checks.ts'
import { oneOf as wordOf, textOf } from './columns.ts'

export const papers = `
CREATE TABLE papers (
  attempt TEXT NOT NULL,
  kind TEXT NOT NULL ${oneOf('kind', paperKinds)},
  verdict TEXT NOT NULL ${oneOf('verdict', paperVerdicts)},
  reason TEXT NOT NULL,
  content TEXT NOT NULL,
  PRIMARY KEY (attempt, kind)
) STRICT, WITHOUT ROWID;
`

export const paperSql = {
  keepPaper: 'INSERT OR IGNORE INTO papers (attempt, kind, verdict, reason, content) VALUES (?, ?, ?, ?, ?)',
  papersOf: 'SELECT * FROM papers WHERE attempt = ? ORDER BY kind',
} as const

export function createPaperStore({ connection, writer, read }: Engine): PaperStore {
  return {
    keep: (attempt, { kind, verdict, reason, text }) =>
      writer.write(() => {
        connection.run(paperSql.keepPaper, [attempt, kind, verdict, plainText(reason), plainText(text)])
      }),
    of: (attempt) =>
      read(() =>
        connection.all(paperSql.papersOf, [attempt]).map((row) => ({
          kind: wordOf(row, 'kind', paperKinds),
          verdict: wordOf(row, 'verdict', paperVerdicts),
          reason: textOf(row, 'reason'),
          text: textOf(row, 'content'),
        })),
      ),
  }
}
