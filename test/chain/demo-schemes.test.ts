/** The demo of every way of paying: each provider is paid for each call, and the chain confirms each receipt. */
import { expect, it } from 'vitest'
import { runSchemes } from '../../src/cli/demo-schemes.ts'
import { createEnvironment } from '../../src/config/environment.ts'
import { silentLog } from '../../src/lib/log.ts'
import { createFolder } from '../support/folder.ts'
import { verifies } from '../support/verifies.ts'

it('pays one provider for each way of paying, and prints what each cost', async () => {
  verifies('card.demo', 'card.receipt.verified')
  const home = createFolder('schemes')
  const said: string[] = []
  await runSchemes({
    keep: false,
    schemes: true,
    say: (line) => said.push(line),
    write: (text) => said.push(text),
    environment: createEnvironment({}, home, home),
    log: silentLog,
    signal: new AbortController().signal,
  })
  const rows = said
    .join('\n')
    .split('\n')
    .filter((line) => / \d+ of \d+ /.test(line))
    .map((line) => line.split(/ {2,}/))
  expect(rows.map(([title, calls, transactions, , verified]) => [title, calls, transactions, verified])).toEqual([
    ['x402 exact, EIP-3009', '5', '5', '5 of 5'],
    ['x402 exact, Permit2', '5', '5', '5 of 5'],
    ['x402 upto', '5', '5', '5 of 5'],
    ['x402 batch-settlement', '5', '1', '6 of 6'],
    ['MPP evm/charge', '5', '5', '5 of 5'],
    ['MPP tempo/charge', '5', '5', '5 of 5'],
    ['MPP tempo/session', '5', '1', '6 of 6'],
  ])
  expect(rows.every(([, , , paid]) => Number(paid?.slice(1)) > 0)).toBe(true)
})
