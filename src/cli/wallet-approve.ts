/** `routeplane wallet approve`: lets Permit2 take a sum of the wallet's tokens, for providers that are paid that way. */
import { RouteplaneError } from '../errors.ts'
import { parseUsd } from '../money.ts'
import type { AllowanceQuote, AllowanceWish } from '../routeplane.ts'
import { plainCommand, type Command } from './command.ts'
import type { CommandContext } from './context.ts'
import type { Invocation } from './invocation.ts'
import { fields, money, usdText } from './output.ts'
import { withEngine } from './session.ts'

export const walletApprove: Command = {
  ...plainCommand,
  name: 'wallet approve',
  summary: 'Let Permit2 take a sum, for providers that are paid over it.',
  details: [
    'The sum in US dollars takes the place of what was allowed before; 0 takes it back. There is no way to allow without a limit.',
    "It is a transaction, which costs some of the network's own coin; what it may cost is said before.",
    'Each payment still needs a signature of the wallet, within your caps.',
  ],
  positionals: ['<amount>'],
  options: {
    token: { type: 'string', value: '<symbol>', summary: "Another token than the network's first." },
    network: { type: 'string', value: '<id>', summary: "Another network than the wallet's first, such as eip155:8453." },
    yes: { type: 'boolean', short: 'y', summary: 'Do not ask.' },
  },
  async run(invocation, context) {
    const wish = wishOf(invocation)
    return withEngine(invocation, context, async ({ allowances }) => {
      const quote = await allowances.quote(wish)
      if (quote.nowUsd === quote.thenUsd)
        return { text: `Permit2 may take ${money(quote.nowUsd)} ${quote.asset} already.`, value: valueOf(quote) }
      if (!invocation.flag('yes') && !(await isConfirmed(quote, context)))
        return { text: 'Nothing was sent.', value: valueOf(quote), exitCode: 1 }
      const transaction = await allowances.approve(wish, quote)
      const text = `Permit2 may take ${money(quote.thenUsd)} ${quote.asset} on ${quote.chainName} now, by transaction ${transaction}.`
      return { text, value: { ...valueOf(quote), transaction } }
    })
  },
}

function wishOf(invocation: Invocation): AllowanceWish {
  const [amount = ''] = invocation.positionals
  const [network, token] = [invocation.text('network'), invocation.text('token')]
  return {
    amountUsd: parseUsd(amount),
    ...(network === undefined ? {} : { network }),
    ...(token === undefined ? {} : { token }),
  }
}

async function isConfirmed(quote: AllowanceQuote, { terminal }: CommandContext): Promise<boolean> {
  terminal.error(`${quoteText(quote)}\n\n`)
  if (!terminal.isInteractive) {
    throw new RouteplaneError('usage', 'nothing was sent, for there is nobody to ask', {
      hint: 'Send it with --yes.',
      details: { problem: 'not_interactive' },
    })
  }
  return /^y(?:es)?$/i.test((await terminal.ask('Send this? [y/N] ')).trim())
}

function quoteText({ network, chainName, asset, owner, spender, nowUsd, thenUsd, mostWei, coinsWei }: AllowanceQuote): string {
  return fields([
    ['wallet', owner],
    ['network', `${chainName} (${network})`],
    ['Permit2', spender],
    ['may take now', `${money(nowUsd)} ${asset}`],
    ['may take then', `${money(thenUsd)} ${asset}`],
    ['costs at most', `${coinsText(mostWei)} of the network's coin`],
    ['the wallet has', `${coinsText(coinsWei)} of it`],
  ])
}

const COIN_DECIMALS = 18

/** Exact, without zeros at its end. */
function coinsText(wei: bigint): string {
  const digits = wei.toString().padStart(COIN_DECIMALS + 1, '0')
  const fraction = digits.slice(-COIN_DECIMALS).replace(/0+$/, '')
  return `${digits.slice(0, -COIN_DECIMALS)}${fraction === '' ? '' : `.${fraction}`}`
}

function valueOf({ network, asset, owner, spender, nowUsd, thenUsd, mostWei }: AllowanceQuote): Readonly<Record<string, unknown>> {
  const amounts = { before_usd: usdText(nowUsd), after_usd: usdText(thenUsd), cost_at_most: coinsText(mostWei) }
  return { network, asset, wallet: owner, spender, ...amounts }
}
