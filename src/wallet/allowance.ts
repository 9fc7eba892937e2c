/** The transaction that lets Permit2 take a sum of a token: built here from the wallet's own table, signed as a hash. */
import { canonicalContracts } from '../../contracts-abi/assets.ts'
import { erc20Abi } from '../../contracts-abi/erc20.ts'
import type { AssetRow } from '../chain/networks.ts'
import { chainIdOf } from '../chain/networks.ts'
import type { SigningKey } from './key.ts'
import type { PermitAllowance } from './wallet.ts'

/** @see https://eips.ethereum.org/EIPS/eip-1559 */
export async function serializeAllowance(allowance: PermitAllowance, row: AssetRow, key: SigningKey): Promise<`0x${string}`> {
  const { encodeFunctionData, keccak256, parseSignature, serializeTransaction } = await import('viem')
  const { nonce, gas, maxFeePerGas, maxPriorityFeePerGas, value } = allowance
  const transaction = {
    type: 'eip1559',
    chainId: chainIdOf(row.network),
    to: row.address,
    data: encodeFunctionData({ abi: erc20Abi, functionName: 'approve', args: [canonicalContracts.permit2, value] }),
    nonce,
    gas,
    maxFeePerGas,
    maxPriorityFeePerGas,
  } as const
  return serializeTransaction(transaction, parseSignature(await key.signHash(keccak256(serializeTransaction(transaction)))))
}
