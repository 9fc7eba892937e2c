/** What a transaction that sets an allowance costs its sender, and sending it: the one transaction that a wallet makes on an EVM network. */
import type { PublicClient } from 'viem'
import { erc20Abi } from '../../contracts-abi/erc20.ts'
import { RouteplaneError } from '../errors.ts'
import type { Atomic } from '../money.ts'

export type ApprovalCall = {
  readonly asset: `0x${string}`
  readonly owner: `0x${string}`
  readonly spender: `0x${string}`
  readonly amount: Atomic
}

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

export async function quoteApproval(client: PublicClient, { asset, owner, spender, amount }: ApprovalCall): Promise<TransactionQuote> {
  const [nonce, gas, fees, coins] = await Promise.all([
    client.getTransactionCount({ address: owner, blockTag: 'pending' }),
    client.estimateContractGas({ address: asset, abi: erc20Abi, functionName: 'approve', args: [spender, amount], account: owner }),
    client.estimateFeesPerGas(),
    client.getBalance({ address: owner }),
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
  throw new RouteplaneError('upstream_error', `transaction ${hash} is in a block, but the token refused it`)
}
