/** Refuses to sign for money the wallet does not have: balance on chain less what is already signed away. */
import type { Chain } from '../chain/chain.ts'
import type { AssetRow, TokenRow } from '../chain/networks.ts'
import type { TransactionQuote } from '../chain/transaction.ts'
import { RouteplaneError } from '../errors.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { formatUnits, formatUsd, fromAtomic, type Atomic } from '../money.ts'
import { voucher } from './proof/voucher.ts'
import type { SolanaSide } from '../wallet/solana/open.ts'
import type { AnyAgreed } from './terms.ts'

export type FundsDeps = { readonly ledger: Ledger; chainOf(network: string): Chain; readonly solana?: Pick<SolanaSide, 'chainOf'> }

/**
 * Checks that the balance covers this payment and every open authorization of the same token.
 *
 * A chain that cannot be asked does not stop the payment: unknown is not empty, and the chain itself refuses an overdraft.
 *
 * @throws RouteplaneError `insufficient_funds`; nothing has been signed.
 */
export async function assertFunds(
  wanted: { readonly agreed: Pick<AnyAgreed, 'asset' | 'amount'>; readonly payer: string; readonly attemptId: string },
  deps: FundsDeps,
): Promise<void> {
  const { asset, amount } = wanted.agreed
  const balance = await balanceOf(asset, wanted.payer, deps).catch(() => undefined)
  if (balance === undefined) return
  const open = await deps.ledger.attempts.list({ states: ['intent', 'unknown'], limit: 10_000 })
  const signedAway = open.reduce((sum, { id, payment }) => {
    // A voucher takes nothing from the wallet: its channel has been filled by an attempt of its own.
    if (payment === undefined || payment.proof === voucher.id || id === wanted.attemptId) return sum
    const same = payment.network === asset.network && payment.asset === asset.address && payment.payer === wanted.payer
    return same ? sum + payment.amountAuthorized : sum
  }, 0n)
  if (balance - signedAway >= amount) return
  const spendable = (balance > signedAway ? balance - signedAway : 0n) as Atomic
  const inUsd = (value: Atomic) => formatUsd(fromAtomic(value, asset.decimals, 'down'))
  throw new RouteplaneError(
    'insufficient_funds',
    `the wallet can spend ${inUsd(spendable)} ${asset.symbol} on ${asset.network}; this call needs ${inUsd(amount)}`,
    {
      hint: `Fund ${wanted.payer} with ${asset.symbol} on ${asset.network}.`,
      details: {
        network: asset.network,
        asset: asset.symbol,
        payer: wanted.payer,
        spendableUsd: inUsd(spendable),
        neededUsd: inUsd(amount),
      },
    },
  )
}

/** @param payer - Of the token's own kind of network. */
async function balanceOf(asset: TokenRow, payer: string, { chainOf, solana }: FundsDeps): Promise<Atomic | undefined> {
  if (asset.transferMethod === 'spl') return solana?.chainOf(asset.network).balanceOf(asset.address, payer)
  return chainOf(asset.network).balanceOf(asset.address, payer as `0x${string}`)
}

/** Of the coin of every EVM network. */
export const COIN_DECIMALS = 18

/**
 * Checks that the wallet can pay for a transaction of its own, which costs the network's own coin.
 *
 * @throws RouteplaneError `insufficient_funds`, with what is missing; nothing has been signed.
 */
export function assertCoins(
  { gas, maxFeePerGas, coins }: Pick<TransactionQuote, 'gas' | 'maxFeePerGas' | 'coins'>,
  payer: `0x${string}`,
  { chainName, network }: Pick<AssetRow, 'chainName' | 'network'>,
): void {
  const most = gas * maxFeePerGas
  if (coins >= most) return
  const [missing, needed, has] = [most - coins, most, coins].map((amount) => formatUnits(amount, COIN_DECIMALS))
  throw new RouteplaneError(
    'insufficient_funds',
    `the wallet lacks ${missing} of the coin of ${chainName}: the transaction may cost ${needed}, and it has ${has}`,
    { hint: `Send a little of that coin to ${payer} on ${network}.`, details: { network, payer, missing: missing ?? '' } },
  )
}
