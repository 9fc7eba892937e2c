/** What a wallet holds besides the token it pays with: money that was sent to the wrong place is at least seen there. */
import type { Chain } from '../chain/chain.ts'
import { assetsOf, findNetwork, type AssetRow } from '../chain/networks.ts'
import { fromAtomic, type Usd } from '../money.ts'
import type { Wallet } from '../wallet/wallet.ts'

export type Holding = {
  readonly network: string
  readonly chainName: string
  readonly asset: string
  /** `undefined` when the chain could not be asked: unknown is not empty. */
  readonly balanceUsd: Usd | undefined
  /** Whether the wallet pays on that network; a provider has to take the token besides. */
  readonly isPayable: boolean
}

export type HoldingSources = {
  readonly wallet: Wallet | undefined
  /** The token that the wallet's status tells of already. */
  readonly asset: AssetRow | undefined
  /** Networks the wallet pays on. */
  readonly networks: readonly string[]
  /** Networks that the config names, as ones to pay on or by a node: only those are asked, and the wallet's first. */
  readonly configured: readonly string[]
  readonly chainOf: (network: string) => Chain
}

/**
 * Asks for every token of our table. One that the wallet has none of is left out, and one that cannot be read is where the
 * wallet does not pay with it.
 */
export async function readHoldings({ wallet, asset, networks, configured, chainOf }: HoldingSources): Promise<readonly Holding[]> {
  if (wallet === undefined) return []
  const asked = [...new Set([...networks.slice(0, 1), ...configured])].filter((network) => findNetwork(network) !== undefined)
  const others = asked.flatMap(assetsOf).filter((row) => row.network !== asset?.network || row.address !== asset.address)
  const read = async (row: AssetRow): Promise<readonly Holding[]> => {
    const balance = await chainOf(row.network)
      .balanceOf(row.address, wallet.address)
      .catch(() => undefined)
    const { network, chainName, symbol, decimals } = row
    const isPayable = networks.includes(network)
    if (balance === 0n || (balance === undefined && !isPayable)) return []
    const balanceUsd = balance === undefined ? undefined : fromAtomic(balance, decimals, 'down')
    return [{ network, chainName, asset: symbol, balanceUsd, isPayable }]
  }
  return (await Promise.all(others.map(read))).flat()
}
