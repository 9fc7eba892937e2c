/** `routeplane channels`: money that lies in payment channels, and how it comes back. */
import { freeIn } from '../ledger/channel-rules.ts'
import type { ChannelRow } from '../ledger/channel.ts'
import { fromAtomic, type Atomic } from '../money.ts'
import { plainCommand, type Command } from './command.ts'
import { fields, money, table, usdText } from './output.ts'
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

export const channelsWithdraw: Command = {
  ...plainCommand,
  name: 'channels withdraw',
  summary: 'Say how to take a channel’s money back without the provider.',
  details: [
    'Prints the two transactions that the wallet’s account must send, the second after the delay; run it again after each.',
    'Sends nothing: the wallet signs payments to providers alone, and gas is paid in a coin that it need not have.',
  ],
  positionals: ['<id>'],
  async run(invocation, context) {
    const [id = ''] = invocation.positionals
    const { channel, withdrawal } = await withEngine(invocation, context, ({ channels }) => channels.withdraw(id))
    const { begin, finish, finishAt } = withdrawal
    const value = { ...channelValue(channel), begin, finish, finish_at: finishAt === undefined ? null : new Date(finishAt).toISOString() }
    if (channel.state === 'closed') return { text: 'Nothing of yours is left in this channel.', value }
    const rows: readonly (readonly [string, string])[] =
      finishAt === undefined
        ? [
            ['first send', `to ${begin.to}`],
            ['data', begin.data],
            ['from', channel.payer],
            ['then wait', `${channel.withdrawDelay} s, and run this again`],
          ]
        : [
            ['send', `to ${finish.to}`],
            ['data', finish.data],
            ['from', channel.payer],
            ['not before', new Date(finishAt).toISOString()],
          ]
    return { text: fields(rows), value }
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

function channelValue(row: ChannelRow): Record<string, unknown> {
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

function usd({ decimals }: ChannelRow, amount: bigint): string {
  return money(fromAtomic(amount as Atomic, decimals, 'down'))
}
