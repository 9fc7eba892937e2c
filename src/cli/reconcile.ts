/** `routeplane reconcile`: lays the ledger beside the chains and says where they differ. */
import { fromAtomic, type Atomic } from '../money.ts'
import type { ChannelBooks, Reconciliation, TokenBooks } from '../routeplane.ts'
import { plainCommand, type Command } from './command.ts'
import { exitCodes } from './exit-code.ts'
import { usage, type Invocation } from './invocation.ts'
import { fields, money, table, usdText } from './output.ts'
import { withEngine } from './session.ts'

export const reconcile: Command = {
  ...plainCommand,
  name: 'reconcile',
  summary: 'Compare the ledger with the chains and end what was left open.',
  details: [
    'Compares every token that was paid in, each from the block of its first receipt.',
    'Where the deposits are: for each payment channel, what its seller has claimed, what came back, and what is left.',
    'Ends with 1 when they differ, or when a chain could not be asked. Reads the chains and writes the ledger; signs nothing.',
  ],
  options: {
    network: { type: 'string', value: '<id>', summary: 'Only the tokens of this network, such as eip155:8453.' },
    'from-block': { type: 'string', value: '<number>', summary: "First block to read, of --network or the wallet's own." },
    'to-block': { type: 'string', value: '<number>', summary: 'Last block to read.' },
  },
  async run(invocation, context) {
    const network = invocation.text('network')
    const fromBlock = blockOf(invocation, 'from-block')
    const toBlock = blockOf(invocation, 'to-block')
    if (fromBlock !== undefined && toBlock !== undefined && fromBlock > toBlock) {
      throw usage(reconcile, 'bad_value', '--from-block lies behind --to-block')
    }
    const range = {
      ...(network === undefined ? {} : { network }),
      ...(fromBlock === undefined ? {} : { fromBlock }),
      ...(toBlock === undefined ? {} : { toBlock }),
    }
    const books = await withEngine(invocation, context, (routeplane) => routeplane.receipts.reconcileAll(range))
    const agrees = books.every(({ result, channels = [] }) => result?.differences.length === 0 && channels.every(isSound))
    const value = { agrees, tokens: books.map(toValue) }
    return { text: books.map(describe).join('\n\n'), value, exitCode: agrees ? exitCodes.ok : exitCodes.failed }
  },
}

function blockOf(invocation: Invocation, option: string): bigint | undefined {
  const text = invocation.text(option)
  if (text === undefined) return undefined
  if (/^(?:0|[1-9]\d{0,17})$/.test(text)) return BigInt(text)
  throw usage(reconcile, 'bad_value', `--${option} is a block number`)
}

const isSound = ({ problem }: ChannelBooks) => problem === undefined

function describe({ network, asset, result, channels = [], problem }: TokenBooks): string {
  const place = [
    ['network', network],
    ['token', asset],
  ] as const
  if (result === undefined)
    return `${fields([...place, ['chain', 'unknown']])}\n\nNot compared: ${problem ?? 'the chain could not be asked'}.`
  const head = fields([
    ['wallet', result.address],
    ...place,
    ['blocks', `${result.fromBlock} to ${result.toBlock}`],
    ['ledger', money(result.ledgerUsd)],
    ['chain', money(result.chainUsd)],
    ['resolved', String(result.resolved)],
  ])
  return [head, verdict(result), ...(channels.length === 0 ? [] : [channelsText(channels)])].join('\n\n')
}

function channelsText(channels: readonly ChannelBooks[]): string {
  const head = ['channel', 'provider', 'state', 'put in', 'claimed', 'came back', 'left', '']
  const rows = channels.map(({ channel, claimed, left, problem }) => {
    const usd = (amount: Atomic | undefined) => money(amount === undefined ? undefined : fromAtomic(amount, channel.decimals, 'down'))
    const { id, provider, state, deposited, returned } = channel
    return [id, provider, state, usd(deposited), usd(claimed), usd(returned), usd(left), problem === undefined ? '' : `DIFFERS: ${problem}`]
  })
  const verdict = channels.every(isSound) ? 'Of every deposit it is known where it is.' : 'Some channels are NOT as the ledger says.'
  return `${verdict}\n${table(head, rows)}`
}

function verdict({ differences }: Reconciliation): string {
  if (differences.length === 0) return 'Ledger and chain agree.'
  const rows = differences.map((each) => [
    each.kind.replaceAll('_', ' '),
    money(each.ledgerUsd),
    money(each.chainUsd),
    each.receiptId ?? '',
    each.transaction ?? '',
  ])
  return `Ledger and chain DIFFER.\n${table(['what', 'ledger', 'chain', 'receipt', 'transaction'], rows)}`
}

function channelValue({ channel, claimed, left, problem }: ChannelBooks): unknown {
  const usd = (amount: Atomic | undefined) => usdText(amount === undefined ? undefined : fromAtomic(amount, channel.decimals, 'down'))
  return {
    id: channel.id,
    provider: channel.provider,
    state: channel.state,
    reason: channel.reason ?? null,
    deposited_usd: usd(channel.deposited),
    charged_usd: usd(channel.charged),
    claimed_usd: usd(claimed),
    returned_usd: usd(channel.returned),
    left_usd: usd(left),
    problem: problem ?? null,
  }
}

function toValue({ network, asset, result, channels = [], problem }: TokenBooks): unknown {
  if (result === undefined) return { network, asset, problem: problem ?? null }
  return {
    network,
    asset,
    address: result.address,
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
    channels: channels.map(channelValue),
  }
}
