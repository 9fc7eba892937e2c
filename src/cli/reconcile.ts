/** `routeplane reconcile`: lays the ledger beside the chain and says where they differ. */
import type { Reconciliation } from '../routeplane.ts'
import { plainCommand, type Command } from './command.ts'
import { exitCodes } from './exit-code.ts'
import { usage, type Invocation } from './invocation.ts'
import { fields, money, table, usdText } from './output.ts'
import { withEngine } from './session.ts'

export const reconcile: Command = {
  ...plainCommand,
  name: 'reconcile',
  summary: 'Compare the ledger with the chain and end what was left open.',
  details: ['Ends with 1 when they differ. Reads the chain and writes the ledger; signs nothing.'],
  options: {
    'from-block': { type: 'string', value: '<number>', summary: 'First block to read.' },
    'to-block': { type: 'string', value: '<number>', summary: 'Last block to read.' },
  },
  async run(invocation, context) {
    const fromBlock = blockOf(invocation, 'from-block')
    const toBlock = blockOf(invocation, 'to-block')
    if (fromBlock !== undefined && toBlock !== undefined && fromBlock > toBlock) {
      throw usage(reconcile, 'bad_value', '--from-block lies behind --to-block')
    }
    const range = { ...(fromBlock === undefined ? {} : { fromBlock }), ...(toBlock === undefined ? {} : { toBlock }) }
    const result = await withEngine(invocation, context, (routeplane) => routeplane.receipts.reconcile(range))
    const exitCode = result.differences.length === 0 ? exitCodes.ok : exitCodes.failed
    return { text: describe(result), value: toValue(result), exitCode }
  },
}

function blockOf(invocation: Invocation, option: string): bigint | undefined {
  const text = invocation.text(option)
  if (text === undefined) return undefined
  if (/^(?:0|[1-9]\d{0,17})$/.test(text)) return BigInt(text)
  throw usage(reconcile, 'bad_value', `--${option} is a block number`)
}

function describe(result: Reconciliation): string {
  const head = fields([
    ['wallet', result.address],
    ['network', result.network],
    ['blocks', `${result.fromBlock} to ${result.toBlock}`],
    ['ledger', money(result.ledgerUsd)],
    ['chain', money(result.chainUsd)],
    ['resolved', String(result.resolved)],
  ])
  if (result.differences.length === 0) return `${head}\n\nLedger and chain agree.`
  const rows = result.differences.map((each) => [
    each.kind.replaceAll('_', ' '),
    money(each.ledgerUsd),
    money(each.chainUsd),
    each.receiptId ?? '',
    each.transaction ?? '',
  ])
  return `${head}\n\nLedger and chain DIFFER.\n${table(['what', 'ledger', 'chain', 'receipt', 'transaction'], rows)}`
}

function toValue(result: Reconciliation): unknown {
  return {
    address: result.address,
    network: result.network,
    from_block: result.fromBlock,
    to_block: result.toBlock,
    ledger_usd: usdText(result.ledgerUsd),
    chain_usd: usdText(result.chainUsd),
    resolved: result.resolved,
    differences: result.differences.map((each) => ({
      kind: each.kind,
      receipt_id: each.receiptId ?? null,
      transaction: each.transaction ?? null,
      ledger_usd: usdText(each.ledgerUsd),
      chain_usd: usdText(each.chainUsd),
    })),
  }
}
