/** The Solana side of `routeplane wallet`: where its key file lies, and what its status says. */
import type { Config } from '../config/config.ts'
import { findNetwork } from '../chain/networks.ts'
import type { SolanaStatus, WalletStatus } from '../routeplane.ts'
import type { OptionSpec } from './command.ts'
import { fields, money, usdText } from './output.ts'
import { spendableOf } from './spendable.ts'

export const solanaOption = {
  type: 'boolean',
  summary: 'The key that pays on Solana, in a file of its own.',
} as const satisfies OptionSpec

/** What to do with a new key. */
export function solanaNextSteps({ wallet }: Config): readonly string[] {
  return [
    wallet.network === 'testnet'
      ? 'To pay with play money, send test USDC on Solana Devnet to that address: https://faucet.circle.com'
      : 'To pay, send USDC on Solana to that address, and only as much as you would leave in a pocket.',
    'It needs no SOL: who is paid pays the network. What it needs is the package that builds payments: npm install @x402/svm',
    'Then: routeplane wallet status',
  ]
}

export function solanaText({ address, problem, tokens }: SolanaStatus): string {
  const head = ['Solana', address] as const
  const rows = tokens.flatMap((token) => [
    ['network', networkText(token)] as const,
    [
      'balance',
      token.balanceUsd === undefined
        ? `unknown (${token.asset}): the chain could not be asked`
        : `${money(token.balanceUsd)} ${token.asset}`,
    ] as const,
    ['held', `${money(token.heldUsd)} ${token.asset}`] as const,
    ['spendable', token.balanceUsd === undefined ? 'unknown' : `${money(spendableOf(token))} ${token.asset}`] as const,
  ])
  return `${fields([head, ...rows])}${problem === undefined ? '' : `\n\nNothing is paid there yet: ${problem}`}`
}

function networkText({ network }: WalletStatus): string {
  return `${findNetwork(network)?.chainName ?? 'unknown'} (${network})`
}

export function solanaValue({ address, problem, tokens }: SolanaStatus): unknown {
  return {
    address,
    ...(problem === undefined ? {} : { problem }),
    tokens: tokens.map((token) => ({
      network: token.network,
      asset: token.asset,
      balance_usd: usdText(token.balanceUsd),
      held_usd: usdText(token.heldUsd),
      spendable_usd: usdText(spendableOf(token)),
    })),
  }
}
