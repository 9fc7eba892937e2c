/** Names payment channels of x402 `batch-settlement` as their contract does, and the authorizations that fill them. */
import {
  batchSettlementAbi,
  batchSettlementAddress,
  batchSettlementDomain,
  batchSettlementTypes,
} from '../../contracts-abi/batch-settlement.ts'
export { depositCollectorAddress, withdrawDelayBounds } from '../../contracts-abi/batch-settlement.ts'
import { chainIdOf } from './networks.ts'
import type { ContractCall } from './transaction.ts'

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

/** How a payer takes its own money out of a channel: it asks, and has it after the channel's delay. */
export type WithdrawalStep = 'begin' | 'finish'

/** @param amount - Base units that are asked for; the contract gives what of them nobody has claimed by the end. */
export async function withdrawalCall(config: ChannelConfig, step: WithdrawalStep, amount: bigint): Promise<ContractCall> {
  const { encodeFunctionData } = await import('viem')
  const call = { abi: batchSettlementAbi } as const
  const data =
    step === 'begin'
      ? encodeFunctionData({ ...call, functionName: 'initiateWithdraw', args: [config, amount] })
      : encodeFunctionData({ ...call, functionName: 'finalizeWithdraw', args: [config] })
  return { to: batchSettlementAddress, data }
}
