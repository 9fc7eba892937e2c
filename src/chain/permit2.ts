/** Reads what became of Permit2 signature transfers: their nonces in the bitmap, and the transfers they made. */
import type { PublicClient } from 'viem'
import { canonicalContracts } from '../../contracts-abi/assets.ts'
import { erc20Abi } from '../../contracts-abi/erc20.ts'
import { permit2Abi } from '../../contracts-abi/permit2.ts'
import { isRecord } from '../lib/json.ts'
import type { AuthorizationState, TransferQuery } from './chain.ts'
import { readTransfers, sameHex, type TransferEvidence } from './evidence.ts'
import { payerLogs, payerLogsOf, type BlockRange } from './logs.ts'
import type { ContractCall } from './transaction.ts'

type Address = `0x${string}`

/** Permit2 itself, the same on every network: whom a token must allow before a permit is worth anything. */
export const permit2Address = canonicalContracts.permit2

/** The call by which an owner sets what Permit2 may take of a token. */
export async function allowanceCall(asset: Address, value: bigint): Promise<ContractCall> {
  const { encodeFunctionData } = await import('viem')
  return { to: asset, data: encodeFunctionData({ abi: erc20Abi, functionName: 'approve', args: [permit2Address, value] }) }
}

/** Permit2 keeps one bit a nonce: the upper 248 bits name a word, the lower 8 the bit. */
export async function permitState(
  client: PublicClient,
  payer: Address,
  nonce: `0x${string}`,
  atBlock?: bigint,
): Promise<AuthorizationState> {
  const value = BigInt(nonce)
  const call = {
    address: permit2Address,
    abi: permit2Abi,
    functionName: 'nonceBitmap',
    args: [payer, value >> 8n],
  } as const
  const word = await client.readContract(atBlock === undefined ? call : { ...call, blockNumber: atBlock })
  return ((word >> (value & 255n)) & 1n) === 1n ? 'used' : 'unused'
}

/**
 * Finds the transfer that a permit made, of at most `amount`. Permit2 logs nothing of its own: the nonce stands in the
 * calldata of the transaction that spent it, however deep it is wrapped, and nobody else's payment has it.
 */
export async function findPermitTransfer(
  client: PublicClient,
  query: TransferQuery,
  range: BlockRange,
): Promise<TransferEvidence | undefined> {
  if (query.transaction !== undefined) {
    const claimed = await permitTransferIn(client, query, query.transaction)
    if (claimed !== undefined) return claimed
  }
  const { asset, payer } = query
  for await (const logs of payerLogs(client, { asset, payer }, range)) {
    const candidates = readTransfers(payer, logs).filter((transfer) => isOf(query, transfer))
    for (const transaction of new Set(candidates.map((transfer) => transfer.transaction))) {
      const found = await permitTransferIn(client, query, transaction)
      if (found !== undefined) return found
    }
  }
  return undefined
}

async function permitTransferIn(client: PublicClient, query: TransferQuery, hash: `0x${string}`): Promise<TransferEvidence | undefined> {
  const sent: unknown = await client.request({ method: 'eth_getTransactionByHash', params: [hash] })
  const input = isRecord(sent) && typeof sent['input'] === 'string' ? sent['input'].toLowerCase() : ''
  if (!input.includes(query.nonce.slice(2).toLowerCase())) return undefined
  const { asset, payer } = query
  const logs = await payerLogsOf(client, { asset, payer }, hash)
  return readTransfers(payer, logs).find((transfer) => isOf(query, transfer))
}

/** A transfer by EIP-3009 is another payment's. */
function isOf({ payee, amount }: TransferQuery, transfer: TransferEvidence): boolean {
  return transfer.nonce === undefined && sameHex(transfer.payee, payee) && (amount === undefined || transfer.amount <= amount)
}
