/** A process that imports the ledger without opening one, and reports what that has loaded and left running. */
import * as ledger from '../../../src/ledger/sqlite/open.ts'

const report = process.report?.getReport() as unknown as { sharedObjects: readonly string[] }
const isNative = (path: string) => path.includes('libsql')
process.stdout.write(`${Object.keys(ledger).join(' ')} ${report.sharedObjects.filter(isNative).length}\n`)
