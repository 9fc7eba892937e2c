/** Looks up networks and tokens in the tables of contracts-abi, by what a config, a challenge or a receipt names them. */
import { assets } from '../../contracts-abi/assets.ts'
import type { AssetRow } from '../../contracts-abi/assets.ts'
import { networkRows } from '../../contracts-abi/networks.ts'
import type { NetworkRow } from '../../contracts-abi/networks.ts'
import { solanaAssets, solanaNetworks, type SolanaAssetRow } from '../../contracts-abi/solana.ts'
import { RouteplaneError } from '../errors.ts'

export type { AssetRow } from '../../contracts-abi/assets.ts'
export type { NetworkRow } from '../../contracts-abi/networks.ts'
export type { SolanaAssetRow } from '../../contracts-abi/solana.ts'

/** A token of any network that is paid on. */
export type TokenRow = AssetRow | SolanaAssetRow

/** What is used when the config names nothing: play money. */
export const DEFAULT_NETWORK = 'eip155:84532'

/** What `wallet.network: mainnet` means. */
export const DEFAULT_MAINNET = 'eip155:8453'

export const DEFAULT_SYMBOL = 'USDC'

/** Every network that is paid on: the EVM's, then Solana's. */
const payableNetworks: readonly NetworkRow[] = [...networkRows, ...solanaNetworks]

/** Finds a network by its CAIP-2 id; `undefined` when it is not in the table. */
export function findNetwork(network: string): NetworkRow | undefined {
  return payableNetworks.find((row) => row.network === network)
}

/** Finds a network by the short name that x402 protocol v1 writes (`base-sepolia`). */
export function findNetworkByV1Name(name: string): NetworkRow | undefined {
  return payableNetworks.find((row) => row.v1Name === name)
}

/** Whether a CAIP-2 id is of Solana, known or not. */
export function isSolana(network: string): boolean {
  return network.startsWith('solana:')
}

/** What a Solana wallet pays on: play money unless the config says otherwise. */
export function defaultSolanaNetwork(side: 'testnet' | 'mainnet'): string {
  return solanaNetworks.find(({ testnet }) => testnet === (side === 'testnet'))?.network ?? ''
}

/** Finds a token of Solana by its mint; capitals matter there. */
export function findSolanaAsset(network: string, mint: string): SolanaAssetRow | undefined {
  return solanaAssets.find((row) => row.network === network && row.address === mint)
}

/** Gives Solana's tokens of a network, in the table's order. */
export function solanaAssetsOf(network: string): readonly SolanaAssetRow[] {
  return solanaAssets.filter((row) => row.network === network)
}

/** Finds a token of any network, by its contract or its mint. */
export function findToken(network: string, address: string): TokenRow | undefined {
  return isSolana(network) ? findSolanaAsset(network, address) : findAsset(network, address)
}

/** Gives the tokens of any network, in the table's order. */
export function tokensOf(network: string): readonly TokenRow[] {
  return isSolana(network) ? solanaAssetsOf(network) : assetsOf(network)
}

/** Finds a token by its contract, in any spelling of the address. */
export function findAsset(network: string, address: string): AssetRow | undefined {
  const wanted = address.toLowerCase()
  return assets.find((row) => row.network === network && row.address.toLowerCase() === wanted)
}

/** Finds a token by its symbol, in any case: `USDC`, `usdc`. */
export function findAssetBySymbol(network: string, symbol: string): AssetRow | undefined {
  const wanted = symbol.toLowerCase()
  return assets.find((row) => row.network === network && row.symbol.toLowerCase() === wanted)
}

/** Gives the tokens of a network, in the table's order. */
export function assetsOf(network: string): readonly AssetRow[] {
  return assets.filter((row) => row.network === network)
}

/** @throws {@link RouteplaneError} `unknown_asset` for a token that is not in the table. */
export function requireAsset(network: string, address: string): AssetRow {
  const row = findAsset(network, address)
  if (row !== undefined) return row
  throw new RouteplaneError('unknown_asset', `${address.slice(0, 60)} on ${network.slice(0, 60)} is not a token we know`)
}

const EIP155 = /^eip155:([1-9]\d{0,15})$/

/**
 * Reads the chain id out of a CAIP-2 id.
 *
 * @throws {@link RouteplaneError} `unknown_network` for anything but `eip155:` and a plain number.
 * @see https://github.com/ChainAgnostic/namespaces/blob/main/eip155/caip2.md
 */
export function chainIdOf(network: string): number {
  const digits = EIP155.exec(network)?.[1]
  const chainId = digits === undefined ? Number.NaN : Number(digits)
  if (Number.isSafeInteger(chainId)) return chainId
  throw new RouteplaneError('unknown_network', `${JSON.stringify(network.slice(0, 60))} is not an EVM network id like "eip155:8453"`)
}
