/** `routeplane channels`: money that lies in payment channels, and how it comes back. */
import { freeIn } from '../ledger/channel-rules.ts'
import type { ChannelRow } from '../ledger/channel.ts'
import { fromAtomic, type Atomic } from '../money.ts'
import { plainCommand, type Command } from './command.ts'
import { money, table, usdText } from './output.ts'
import { withEngine } from './session.ts'

export const channelsList: Command = {
  ...plainCommand,
  name: 'channels list',
  aliases: ['channels'],
  summary: 'List payment channels and what is left in them.',
  async run(invocation, context) {
    const rows = await withEngine(invocation, context, ({ channels }) => channels.list())
    const text = rows.length === 0 ? 'There are no payment channels.' : listText(rows)
    return { text, value: { channels: rows.map(channelValue) } }
  },
}

export const channelsClose: Command = {
  ...plainCommand,
  name: 'channels close',
  summary: 'Ask the provider to give back what is left in a channel.',
  details: ['Pays nothing; the chain says whether it was done.'],
  positionals: ['<id>'],
  async run(invocation, context) {
    const [id = ''] = invocation.positionals
    const channel = await withEngine(invocation, context, ({ channels }) => channels.close(id))
    return { text: `${usd(channel, channel.returned)} came back; the channel is closed.`, value: channelValue(channel) }
  },
}

function listText(rows: readonly ChannelRow[]): string {
  const head = ['channel', 'provider', 'state', 'put in', 'charged', 'came back', 'left']
  return table(
    head,
    rows.map((row) => [
      row.id,
      row.provider,
      row.state,
      usd(row, row.deposited),
      usd(row, row.charged),
      usd(row, row.returned),
      usd(row, freeIn(row)),
    ]),
  )
}

/** What machines are told of a channel. */
export function channelValue(row: ChannelRow): Record<string, unknown> {
  const inUsd = (amount: bigint) => usdText(fromAtomic(amount as Atomic, row.decimals, 'down'))
  return {
    id: row.id,
    provider: row.provider,
    network: row.network,
    state: row.state,
    reason: row.reason ?? null,
    payee: row.receiver,
    deposited_usd: inUsd(row.deposited),
    depositing_usd: inUsd(row.depositing),
    charged_usd: inUsd(row.charged),
    most_claimable_usd: inUsd(row.signed),
    returned_usd: inUsd(row.returned),
    left_usd: inUsd(freeIn(row)),
    withdraw_delay_seconds: row.withdrawDelay,
  }
}

/** Base units of a channel's token as dollars. */
export function usd({ decimals }: Pick<ChannelRow, 'decimals'>, amount: bigint): string {
  return money(fromAtomic(amount as Atomic, decimals, 'down'))
}
