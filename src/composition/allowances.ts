/** What Permit2 may take of the wallet's tokens: seen, priced, and set by a transaction of the wallet. */
import type { Chain } from '../chain/chain.ts'
import { assetsOf, findAssetBySymbol, findNetwork, type AssetRow } from '../chain/networks.ts'
import { allowanceCall, permit2Address } from '../chain/permit2.ts'
import { RouteplaneError } from '../errors.ts'
import { fromAtomic, toAtomic, type Usd } from '../money.ts'
import { assertCoins } from '../payment/funds.ts'
import type { Wallet } from '../wallet/wallet.ts'

export type AllowanceWish = {
  readonly amountUsd: Usd
  /** CAIP-2 id; the wallet's first network unless given. */
  readonly network?: string
  /** Symbol; the first of the network's tokens that Permit2 can move unless given. */
  readonly token?: string
}

export type AllowanceQuote = {
  readonly network: string
  readonly chainName: string
  readonly asset: string
  readonly owner: string
  readonly spender: string
  readonly nowUsd: Usd
  readonly thenUsd: Usd
  /** Wei of the network's own coin: the most that the transaction costs, and what the wallet has of it. */
  readonly mostWei: bigint
  readonly coinsWei: bigint
}

export type AllowanceView = {
  /** Says what a change would do and cost; signs nothing. @throws RouteplaneError `keystore_missing`, `unknown_network`, `unknown_asset`, `upstream_unreachable`. */
  quote(wish: AllowanceWish): Promise<AllowanceQuote>
  /**
   * Sends the transaction, at no more than was quoted. @returns its hash.
   *
   * @throws RouteplaneError `insufficient_funds` without the coins for it.
   */
  approve(wish: AllowanceWish, quoted: Pick<AllowanceQuote, 'mostWei'>): Promise<`0x${string}`>
}

export type AllowanceSources = {
  readonly wallet: Wallet | undefined
  readonly networks: readonly string[]
  chainOf(network: string): Chain
}

export function viewAllowances(sources: AllowanceSources): AllowanceView {
  return {
    async quote(wish) {
      const { asset, chain, amount, wallet } = open(wish, sources)
      const [now, { gas, maxFeePerGas, coins }] = await Promise.all([
        chain.allowanceOf(asset.address, wallet.address, permit2Address),
        chain.quoteTransaction(wallet.address, await allowanceCall(asset.address, amount)),
      ])
      const usdOf = (amount: typeof now) => fromAtomic(amount, asset.decimals, 'down')
      const { network, chainName, symbol } = asset
      return {
        network,
        chainName,
        asset: symbol,
        owner: wallet.address,
        spender: permit2Address,
        nowUsd: usdOf(now),
        thenUsd: usdOf(amount),
        mostWei: gas * maxFeePerGas,
        coinsWei: coins,
      }
    },
    async approve(wish, { mostWei }) {
      const { asset, chain, amount, wallet } = open(wish, sources)
      const quote = await chain.quoteTransaction(wallet.address, await allowanceCall(asset.address, amount))
      assertCoins(quote, wallet.address, asset)
      const transaction = { ...quote, network: asset.network, asset: asset.address, value: amount }
      return chain.sendTransaction(await wallet.signAllowance(transaction, { maxValue: amount, maxFee: mostWei }))
    },
  }
}

function open({ amountUsd, network: wished, token }: AllowanceWish, { wallet, networks, chainOf }: AllowanceSources) {
  if (wallet === undefined)
    throw new RouteplaneError('keystore_missing', 'there is no wallet', { hint: 'Make one with "routeplane wallet create".' })
  const network = wished ?? networks[0] ?? ''
  if (findNetwork(network) === undefined) throw new RouteplaneError('unknown_network', `${network.slice(0, 60)} is not in our table`)
  if (!networks.includes(network)) {
    throw new RouteplaneError('unknown_network', `the wallet does not pay on ${network}`, {
      hint: `It pays on ${networks.join(', ')}; see wallet.networks.`,
    })
  }
  const asset = token === undefined ? assetsOf(network).find(isMovable) : findAssetBySymbol(network, token)
  if (asset === undefined || !isMovable(asset)) {
    const named = token === undefined ? 'a token' : token.slice(0, 40)
    throw new RouteplaneError('unknown_asset', `Permit2 cannot move ${named} on ${network}`)
  }
  const amount = toAtomic(amountUsd, asset.decimals, 'down')
  return { wallet, asset, chain: chainOf(network), amount }
}

/** Tokens of Tempo are moved by its own transactions. */
function isMovable({ transferMethod }: AssetRow): boolean {
  return transferMethod !== 'tip20'
}
