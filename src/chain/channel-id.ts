/** Names payment channels of x402 `batch-settlement` as their contract does, and the authorizations that fill them. */
import {
  batchSettlementAbi,
  batchSettlementAddress,
  batchSettlementDomain,
  batchSettlementTypes,
} from '../../contracts-abi/batch-settlement.ts'
export { depositCollectorAddress, withdrawDelayBounds } from '../../contracts-abi/batch-settlement.ts'
import { chainIdOf } from './networks.ts'

/** What a channel is made of; any other value makes another channel. Addresses of any capitals. */
export type ChannelConfig = {
  readonly payer: `0x${string}`
  /** Whose signature a voucher needs. */
  readonly payerAuthorizer: `0x${string}`
  readonly receiver: `0x${string}`
  /** Whose signature a claim and a refund need. */
  readonly receiverAuthorizer: `0x${string}`
  readonly token: `0x${string}`
  readonly withdrawDelay: number
  readonly salt: `0x${string}`
}

/** The EIP-712 domain of the channel contract on one network. */
export function channelDomain(network: string) {
  return { ...batchSettlementDomain, chainId: chainIdOf(network), verifyingContract: batchSettlementAddress } as const
}

/**
 * Gives a channel's id: the EIP-712 hash of its config, bound to chain and contract.
 *
 * @see https://eips.ethereum.org/EIPS/eip-712
 */
export async function channelIdOf(config: ChannelConfig, network: string): Promise<`0x${string}`> {
  const { hashTypedData } = await import('viem')
  const { ChannelConfig } = batchSettlementTypes
  return hashTypedData({ domain: channelDomain(network), types: { ChannelConfig }, primaryType: 'ChannelConfig', message: config })
}

/** Gives the EIP-3009 nonce of a deposit: it names the channel, so that the money can reach no other. */
export async function depositNonceOf(channelId: `0x${string}`, salt: `0x${string}`): Promise<`0x${string}`> {
  const { encodeAbiParameters, keccak256 } = await import('viem')
  return keccak256(encodeAbiParameters([{ type: 'bytes32' }, { type: 'uint256' }], [channelId, BigInt(salt)]))
}

/** A transaction's target and what is called on it. */
export type ContractCall = { readonly to: `0x${string}`; readonly data: `0x${string}` }

/** The calls by which a payer takes `amount` out of a channel: the second is accepted `withdrawDelay` after the first. */
export async function withdrawalCalls(
  config: ChannelConfig,
  amount: bigint,
): Promise<{ readonly begin: ContractCall; readonly finish: ContractCall }> {
  const { encodeFunctionData } = await import('viem')
  const call = { abi: batchSettlementAbi } as const
  const begin = encodeFunctionData({ ...call, functionName: 'initiateWithdraw', args: [config, amount] })
  const finish = encodeFunctionData({ ...call, functionName: 'finalizeWithdraw', args: [config] })
  return { begin: { to: batchSettlementAddress, data: begin }, finish: { to: batchSettlementAddress, data: finish } }
}
