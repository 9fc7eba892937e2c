/** Importing the ledger costs nothing: the native module is loaded by whoever opens one. */
import { expect, it } from 'vitest'
import { startChild } from './children.ts'

it('loads no native code and keeps no process alive', async () => {
  const child = startChild('import-only.ts', [])
  expect(await child.ended()).toBe(0)
  expect(child.lines).toEqual(['openSqliteLedger 0'])
})
