/** `routeplane wallet approve`: lets Permit2 take a sum of the wallet's tokens, for providers that are paid that way. */
import { RouteplaneError } from '../errors.ts'
import { formatUnits, parseUsd } from '../money.ts'
import type { AllowanceQuote, AllowanceWish } from '../routeplane.ts'
import { plainCommand, type Command } from './command.ts'
import { usage, type Invocation } from './invocation.ts'
import { isConfirmed } from './confirm.ts'
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
      const quote = await allowances.quote(wish).catch((error: unknown) => {
        throw asUsage(error)
      })
      if (quote.nowUsd === quote.thenUsd)
        return { text: `Permit2 may take ${money(quote.nowUsd)} ${quote.asset} already.`, value: valueOf(quote) }
      if (!invocation.flag('yes') && !(await isConfirmed(quoteText(quote), context)))
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

/** A token or a network that the command line has made up is its own fault, and no payment's. */
function asUsage(error: unknown): unknown {
  const isNamed = error instanceof RouteplaneError && (error.code === 'unknown_asset' || error.code === 'unknown_network')
  return isNamed ? usage(walletApprove, 'bad_value', error.message) : error
}

function quoteText({ network, chainName, asset, owner, spender, nowUsd, thenUsd, mostWei, coinsWei }: AllowanceQuote): string {
  return fields([
    ['wallet', owner],
    ['network', `${chainName} (${network})`],
    ['Permit2', spender],
    ['may take now', `${money(nowUsd)} ${asset}`],
    ['may take then', `${money(thenUsd)} ${asset}`],
    ['costs at most', `${formatUnits(mostWei, COIN_DECIMALS)} of the network's coin`],
    ['the wallet has', `${formatUnits(coinsWei, COIN_DECIMALS)} of it`],
  ])
}

/** Of the coin of every EVM network. */
const COIN_DECIMALS = 18

function valueOf({ network, asset, owner, spender, nowUsd, thenUsd, mostWei }: AllowanceQuote): Readonly<Record<string, unknown>> {
  const amounts = { before_usd: usdText(nowUsd), after_usd: usdText(thenUsd), cost_at_most: formatUnits(mostWei, COIN_DECIMALS) }
  return { network, asset, wallet: owner, spender, ...amounts }
}
