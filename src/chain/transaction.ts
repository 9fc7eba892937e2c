/** Transactions that the wallet itself sends on an EVM network: what one costs its sender, and sending it. */
import type { PublicClient } from 'viem'
import { RouteplaneError } from '../errors.ts'

/** A transaction's target and what is called on it. */
export type ContractCall = { readonly to: `0x${string}`; readonly data: `0x${string}` }

/** Amounts in wei: 10⁻¹⁸ of the network's own coin. */
export type TransactionQuote = {
  readonly nonce: number
  readonly gas: bigint
  readonly maxFeePerGas: bigint
  readonly maxPriorityFeePerGas: bigint
  /** What the sender has to pay it with. */
  readonly coins: bigint
}

/** Estimates of work are for the state of now; a little more lets it change. */
const HEADROOM_PERCENT = 125n

/**
 * Asks the node. A new transaction would wait behind one that is not in a block yet, or be that very one again.
 *
 * @throws RouteplaneError `overloaded` while another transaction of the sender is under way, `upstream_error` when the contract
 *   would refuse the call now.
 */
export async function quoteTransaction(client: PublicClient, from: `0x${string}`, { to, data }: ContractCall): Promise<TransactionQuote> {
  const [nonce, mined] = await Promise.all([
    client.getTransactionCount({ address: from, blockTag: 'pending' }),
    client.getTransactionCount({ address: from, blockTag: 'latest' }),
  ])
  if (nonce > mined) {
    throw new RouteplaneError('overloaded', 'a transaction of this wallet is not in a block yet', {
      hint: 'It may be this very one; run this again in a minute.',
    })
  }
  const [gas, fees, coins] = await Promise.all([
    client.estimateGas({ account: from, to, data }),
    client.estimateFeesPerGas(),
    client.getBalance({ address: from }),
  ])
  const { maxFeePerGas, maxPriorityFeePerGas } = fees
  return { nonce, gas: (gas * HEADROOM_PERCENT) / 100n, maxFeePerGas, maxPriorityFeePerGas, coins }
}

/** How long a transaction is waited for. */
const MINED_WITHIN_MS = 120_000

/**
 * Sends a signed transaction and waits until it is in a block. Sent again it is the same one, for its nonce is in it.
 *
 * @throws RouteplaneError `upstream_error` when the contract refused.
 */
export async function sendTransaction(client: PublicClient, serialized: `0x${string}`): Promise<`0x${string}`> {
  const hash = await client.sendRawTransaction({ serializedTransaction: serialized })
  const { status } = await client.waitForTransactionReceipt({ hash, timeout: MINED_WITHIN_MS, pollingInterval: 500 })
  if (status === 'success') return hash
  throw new RouteplaneError('upstream_error', `transaction ${hash} is in a block, but the contract refused it`)
}
