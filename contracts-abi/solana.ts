/** What is known of Solana: its networks, the tokens that payments may be made in, and the programs that a payment calls. */
import type { NetworkRow } from './networks.ts'

/**
 * The networks by their CAIP-2 ids, which are the beginnings of their genesis hashes.
 *
 * @see https://github.com/ChainAgnostic/namespaces/blob/main/solana/caip2.md; short names: `@x402/svm` 2.27.0
 */
export const solanaNetworks: readonly NetworkRow[] = [
  {
    network: 'solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp',
    chainName: 'Solana',
    testnet: false,
    v1Name: 'solana',
    rpcUrl: 'https://api.mainnet-beta.solana.com',
    explorer: 'https://explorer.solana.com',
  },
  {
    network: 'solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1',
    chainName: 'Solana Devnet',
    testnet: true,
    v1Name: 'solana-devnet',
    rpcUrl: 'https://api.devnet.solana.com',
    explorer: 'https://explorer.solana.com/?cluster=devnet',
  },
]

export type SolanaAssetRow = NetworkRow & {
  readonly symbol: string
  /** The mint, in base58. */
  readonly address: string
  readonly decimals: number
  /** Such a token is moved by a signed transaction that names its mint and its decimals. */
  readonly transferMethod: 'spl'
  /** One whole unit is taken to be worth one US dollar. */
  readonly pegs: 'USD'
  /** Where the row was taken from. */
  readonly source: string
}

/** Tokens of the classic token program alone: those of Token-2022 may take a fee, or call programs of their own. */
export const solanaAssets: readonly SolanaAssetRow[] = [
  usdc('solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp', 'EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v'),
  usdc('solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1', '4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU'),
]

function usdc(network: string, address: string): SolanaAssetRow {
  const row = solanaNetworks.find((candidate) => candidate.network === network)
  if (row === undefined) throw new TypeError(`${network} is not in the network table`)
  const source = '@x402/svm 2.27.0 DEFAULT_ASSETS; https://developers.circle.com/stablecoins/usdc-contract-addresses'
  return { ...row, symbol: 'USDC', address, decimals: 6, transferMethod: 'spl', pegs: 'USD', source }
}

/** @see https://www.solana-program.com, and `@x402/svm` 2.27.0 for what a payment calls */
export const solanaPrograms = {
  system: '11111111111111111111111111111111',
  token: 'TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA',
  associatedToken: 'ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL',
  computeBudget: 'ComputeBudget111111111111111111111111111111',
  memo: 'MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr',
} as const
