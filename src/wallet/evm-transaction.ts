/** Transactions of EVM networks that the wallet sends itself: built here around a call of our own making, signed as a hash. */
import { chainIdOf } from '../chain/networks.ts'
import type { ContractCall } from '../chain/transaction.ts'
import type { SigningKey } from './key.ts'
import type { EvmTransaction } from './wallet.ts'

/** @see https://eips.ethereum.org/EIPS/eip-1559 */
export async function serializeEvm(
  { network, nonce, gas, maxFeePerGas, maxPriorityFeePerGas }: EvmTransaction,
  { to, data }: ContractCall,
  key: SigningKey,
): Promise<`0x${string}`> {
  const { keccak256, parseSignature, serializeTransaction } = await import('viem')
  const transaction = { type: 'eip1559', chainId: chainIdOf(network), to, data, nonce, gas, maxFeePerGas, maxPriorityFeePerGas } as const
  return serializeTransaction(transaction, parseSignature(await key.signHash(keccak256(serializeTransaction(transaction)))))
}
