/** Names channels of the Tempo network as its reserve does, and reads them: what lies in them, how they were opened, how they ended. */
import type { PublicClient } from 'viem'
import {
  channelClosedEvent,
  channelOpenedEvent,
  tempoReserveAbi,
  tempoReserveAddress,
  tempoReserveDomain,
} from '../../contracts-abi/tempo-channels.ts'
export { TEMPO_CLOSE_GRACE_SECONDS, tempoReserveAddress } from '../../contracts-abi/tempo-channels.ts'
import { RouteplaneError } from '../errors.ts'
import type { Atomic } from '../money.ts'
import { timeOf } from './block-at.ts'
import type { ChannelOnChain } from './chain.ts'
import { sameHex, readTransfers, type TransferEvidence } from './evidence.ts'
import { payerLogsOf } from './logs.ts'
import { chainIdOf } from './networks.ts'
import type { ContractCall } from './transaction.ts'

/** What a channel is made of; any other value makes another channel. */
export type ReserveDescriptor = {
  readonly payer: `0x${string}`
  readonly payee: `0x${string}`
  /** Who may settle and close beside the payee; zero for nobody. */
  readonly operator: `0x${string}`
  readonly token: `0x${string}`
  readonly salt: `0x${string}`
  /** Whose signature a voucher needs. */
  readonly authorizedSigner: `0x${string}`
  /** Of the transaction that opens it. */
  readonly expiringNonceHash: `0x${string}`
}

/** The EIP-712 domain of the reserve on one network. */
export function reserveDomain(network: string) {
  return { ...tempoReserveDomain, chainId: chainIdOf(network), verifyingContract: tempoReserveAddress } as const
}

/** Gives a channel's id. @see https://tips.sh/1034-1, "Channel identity" */
export async function reserveIdOf(descriptor: ReserveDescriptor, network: string): Promise<`0x${string}`> {
  const { encodeAbiParameters, keccak256, parseAbiParameters } = await import('viem')
  const { payer, payee, operator, token, salt, authorizedSigner, expiringNonceHash } = descriptor
  const shape = parseAbiParameters('address, address, address, address, bytes32, address, bytes32, address, uint256')
  const chainId = BigInt(chainIdOf(network))
  return keccak256(
    encodeAbiParameters(shape, [payer, payee, operator, token, salt, authorizedSigner, expiringNonceHash, tempoReserveAddress, chainId]),
  )
}

/** What a payer may do with a channel of its own: add to it, or take back what the payee has not settled: it asks, and has it after the grace period. */
export type ReserveStep = 'topUp' | 'requestClose' | 'withdraw'

/** @param value - Base units that are added; of no account for the other steps. */
export async function reserveCall(descriptor: ReserveDescriptor, step: ReserveStep, value: bigint): Promise<ContractCall> {
  const { encodeFunctionData } = await import('viem')
  const call = { abi: tempoReserveAbi } as const
  const data =
    step === 'topUp'
      ? encodeFunctionData({ ...call, functionName: step, args: [descriptor, value] })
      : encodeFunctionData({ ...call, functionName: step, args: [descriptor] })
  return { to: tempoReserveAddress, data }
}

/**
 * @param seenAtSeconds - When the channel is known to have been there.
 * @throws RouteplaneError for a channel of which the chain shows neither money nor an end: `channel_closed` when it was seen before
 *   all the blocks that were searched, `upstream_error` when nothing may be concluded.
 */
export async function readReserve(
  client: PublicClient,
  id: `0x${string}`,
  lookback: bigint,
  seenAtSeconds?: bigint,
): Promise<ChannelOnChain> {
  const { deposit, settled, closeRequestedAt } = await client.readContract({
    address: tempoReserveAddress,
    abi: tempoReserveAbi,
    functionName: 'getChannelState',
    args: [id],
  })
  if (deposit === 0n) {
    const paid = await settledAtEnd(client, id, lookback, seenAtSeconds)
    return { balance: paid, claimed: paid }
  }
  const withdrawal =
    closeRequestedAt === 0 ? {} : { withdrawal: { amount: (deposit - settled) as Atomic, initiatedAtSeconds: closeRequestedAt } }
  return { balance: deposit as Atomic, claimed: settled as Atomic, ...withdrawal }
}

/** What the payee had got when the channel was closed; the rest went back in the same transaction. */
async function settledAtEnd(client: PublicClient, id: `0x${string}`, lookback: bigint, seenAtSeconds?: bigint): Promise<Atomic> {
  const range = await rangeOf(client, lookback)
  const logs = await client.getLogs({
    address: tempoReserveAddress,
    event: channelClosedEvent,
    args: { channelId: id },
    ...range,
  })
  const paid = logs.at(-1)?.args.settledToPayee
  if (paid !== undefined) return paid as Atomic
  // A node that has fallen behind the opening shows no money either; one that shows what came after it has not.
  const isOver = seenAtSeconds !== undefined && seenAtSeconds < (await timeOf(client, range.fromBlock))
  throw isOver
    ? new RouteplaneError('channel_closed', `channel ${id} ended too long ago for the chain to show what its payee got`)
    : new RouteplaneError('upstream_error', `the chain shows no money in channel ${id}, and not how it ended`)
}

export type OpeningQuery = {
  readonly asset: `0x${string}`
  readonly payer: `0x${string}`
  readonly channel: `0x${string}`
  readonly toBlock: bigint
}

/** Finds the transfer that filled a channel when it was opened, with the network's fee for it. */
export async function findOpening(client: PublicClient, query: OpeningQuery, lookback: bigint): Promise<TransferEvidence | undefined> {
  const { asset, payer, channel, toBlock } = query
  const fromBlock = toBlock > lookback ? toBlock - lookback : 0n
  const logs = await client.getLogs({
    address: tempoReserveAddress,
    event: channelOpenedEvent,
    args: { channelId: channel, payer },
    fromBlock,
    toBlock,
  })
  const transaction = logs.at(-1)?.transactionHash
  if (transaction === undefined) return undefined
  const transfers = readTransfers(payer, await payerLogsOf(client, { asset, payer }, transaction))
  return transfers.find(({ payee }) => sameHex(payee, tempoReserveAddress))
}

async function rangeOf(client: PublicClient, lookback: bigint) {
  const toBlock = await client.getBlockNumber({ cacheTime: 0 })
  return { fromBlock: toBlock > lookback ? toBlock - lookback : 0n, toBlock }
}
