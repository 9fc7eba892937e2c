/** `routeplane channels withdraw`: takes a channel's money back without its provider, in two transactions that the wallet sends. */
import { formatUnits } from '../money.ts'
import type { Withdrawal, WithdrawalCost } from '../routeplane.ts'
import { channelValue, usd } from './channels.ts'
import { plainCommand, type Command, type CommandResult } from './command.ts'
import { isConfirmed } from './confirm.ts'
import { fields } from './output.ts'
import { withEngine } from './session.ts'

export const channelsWithdraw: Command = {
  ...plainCommand,
  name: 'channels withdraw',
  summary: 'Take a channel’s money back without the provider.',
  details: [
    'Two transactions of the wallet: the first asks, the second takes what the provider has not claimed when the delay is over.',
    'Run it again after the delay; it goes on where the chain stands. What a transaction may cost is said before.',
  ],
  positionals: ['<id>'],
  options: {
    yes: { type: 'boolean', short: 'y', summary: 'Do not ask.' },
    print: { type: 'boolean', summary: 'Send nothing: print what to send from the account that filled the channel.' },
  },
  async run(invocation, context) {
    const [id = ''] = invocation.positionals
    return withEngine(invocation, context, async ({ channels }) => {
      const withdrawal = await channels.withdrawal(id)
      const { next } = withdrawal
      if (invocation.flag('print')) return printed(withdrawal)
      if (next === 'nothing' || next === 'wait') return { text: standing(withdrawal), value: valueOf(withdrawal) }
      const cost = await channels.quoteWithdrawal(withdrawal, next)
      if (!invocation.flag('yes') && !(await isConfirmed(quoteText(withdrawal, cost), context)))
        return { text: 'Nothing was sent.', value: valueOf(withdrawal), exitCode: 1 }
      const { transaction, withdrawal: after } = await channels.withdraw(withdrawal, { step: next, most: cost.most })
      return { text: `Sent ${transaction}.\n${standing(after)}`, value: { ...valueOf(after), transaction } }
    })
  },
}

function standing({ channel, next, finishAt }: Withdrawal): string {
  if (next === 'nothing') return `Nothing of yours is left in this channel: ${usd(channel, channel.returned)} came back.`
  if (next === 'wait') return `The money is asked for. Run this again from ${timeText(finishAt)} on.`
  return 'The network does not show this yet; run this again in a minute.'
}

function quoteText({ channel, next, amount }: Withdrawal, { most, has, decimals, symbol }: WithdrawalCost): string {
  const coin = symbol ?? "the network's coin"
  return fields([
    ['channel', channel.id],
    ['provider', channel.provider],
    ['wallet', channel.payer],
    ['network', channel.network],
    ['step', next === 'begin' ? `first of two: ask; the second is taken ${channel.withdrawDelay} s later` : 'second of two: take it'],
    ['comes back', `${usd(channel, amount)}, less what the provider may still claim`],
    ['costs at most', `${formatUnits(most, decimals)} of ${coin}`],
    ['the wallet has', `${formatUnits(has, decimals)} of it`],
  ])
}

/** What the owner of the account sends with a wallet of his own. */
function printed(withdrawal: Withdrawal): CommandResult {
  const { channel, next, calls, finishAt } = withdrawal
  if (next === 'nothing') return { text: standing(withdrawal), value: valueOf(withdrawal) }
  const { to, data } = next === 'begin' ? calls.begin : calls.finish
  const text = fields([
    [next === 'begin' ? 'first send' : 'send', `to ${to}`],
    ['data', data],
    ['from', channel.payer],
    next === 'begin' ? ['then wait', `${channel.withdrawDelay} s, and run this again`] : ['not before', timeText(finishAt)],
  ])
  return { text, value: valueOf(withdrawal) }
}

function valueOf({ channel, next, amount, calls, finishAt }: Withdrawal): Record<string, unknown> {
  const { decimals } = channel
  return {
    ...channelValue(channel),
    next,
    comes_back: formatUnits(amount, decimals),
    ...calls,
    finish_at: finishAt === undefined ? null : timeText(finishAt),
  }
}

function timeText(at: number | undefined): string {
  return at === undefined ? 'unknown' : new Date(at).toISOString()
}
