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
import { firstBlockAt, firstBlockWhere, rangeOf, timeOf } from './block-at.ts'
import type { ChannelOnChain, Span } from './chain.ts'
import { sameHex, readTransfers, type TransferEvidence } from './evidence.ts'
import { inPieces, isRefusal, payerLogsOf, type BlockRange } from './logs.ts'
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
 * @param seenAtSeconds - When the channel is known to have been opened.
 * @throws RouteplaneError for a channel of which the chain shows neither money nor an end: `channel_closed` when it was seen before
 *   the newest blocks and the node shows nothing of that time, `upstream_error` when nothing may be concluded.
 */
export async function readReserve(
  client: PublicClient,
  id: `0x${string}`,
  lookback: bigint,
  seenAtSeconds?: bigint,
): Promise<ChannelOnChain> {
  const { deposit, settled, closeRequestedAt } = await stateOf(client, id)
  if (deposit === 0n) {
    const paid = await settledAtEnd(client, id, lookback, seenAtSeconds)
    return { balance: paid, claimed: paid }
  }
  const withdrawal =
    closeRequestedAt === 0 ? {} : { withdrawal: { amount: (deposit - settled) as Atomic, initiatedAtSeconds: closeRequestedAt } }
  return { balance: deposit as Atomic, claimed: settled as Atomic, ...withdrawal }
}

function stateOf(client: PublicClient, id: `0x${string}`, blockNumber?: bigint) {
  const call = { address: tempoReserveAddress, abi: tempoReserveAbi, functionName: 'getChannelState', args: [id] } as const
  return client.readContract(blockNumber === undefined ? call : { ...call, blockNumber })
}

/** What the payee had got when the channel was closed; the rest went back in the same transaction. */
async function settledAtEnd(client: PublicClient, id: `0x${string}`, lookback: bigint, seenAtSeconds?: bigint): Promise<Atomic> {
  const newest = await rangeOf(client, await client.getBlockNumber({ cacheTime: 0 }), lookback)
  const paid = await paidIn(client, id, newest)
  if (paid !== undefined) return paid
  // A node that has fallen behind the opening shows no money either; one that shows what came after it has not.
  if (seenAtSeconds === undefined || seenAtSeconds >= (await timeOf(client, newest.fromBlock)))
    throw new RouteplaneError('upstream_error', `the chain shows no money in channel ${id}, and not how it ended`)
  const before = await paidBefore(client, id, { seenAtSeconds, until: newest.fromBlock, lookback }).catch((thrown: unknown) => {
    if (!isRefusal(thrown)) throw thrown
    return undefined
  })
  if (before !== undefined) return before
  throw new RouteplaneError('channel_closed', `channel ${id} ended too long ago for the node to show what its payee got`, {
    hint: 'A node that keeps the history of its chain shows it: name one under wallet.rpc.',
  })
}

type Search = { readonly seenAtSeconds: bigint; readonly until: bigint; readonly lookback: bigint }

/** Finds the block in which the money went by the state of the channel in others: about 40 reads, however long ago it was. */
async function paidBefore(
  client: PublicClient,
  id: `0x${string}`,
  { seenAtSeconds, until, lookback }: Search,
): Promise<Atomic | undefined> {
  const seen = await firstBlockAt(client, seenAtSeconds, until)
  const end = await firstBlockWhere({ fromBlock: seen, toBlock: until }, async (block) => (await stateOf(client, id, block)).deposit === 0n)
  // Without money as soon as it is looked at: it had ended already by then.
  return paidIn(client, id, end === seen ? await rangeOf(client, end, lookback) : { fromBlock: end, toBlock: end })
}

async function paidIn(client: PublicClient, id: `0x${string}`, range: BlockRange): Promise<Atomic | undefined> {
  const event = { address: tempoReserveAddress, event: channelClosedEvent, args: { channelId: id } } as const
  for await (const logs of inPieces(range, (piece) => client.getLogs({ ...event, ...piece }))) {
    const paid = logs.at(-1)?.args.settledToPayee
    if (paid !== undefined) return paid as Atomic
  }
  return undefined
}

export type OpeningQuery = {
  readonly asset: `0x${string}`
  readonly payer: `0x${string}`
  readonly channel: `0x${string}`
  readonly toBlock: bigint
  /** When it must have been, however long ago that is. */
  readonly within?: Span
}

/** Finds the transfer that filled a channel when it was opened, with the network's fee for it. */
export async function findOpening(client: PublicClient, query: OpeningQuery, lookback: bigint): Promise<TransferEvidence | undefined> {
  const { asset, payer, channel, toBlock, within } = query
  const event = { address: tempoReserveAddress, event: channelOpenedEvent, args: { channelId: channel, payer } } as const
  const range = await rangeOf(client, toBlock, lookback, within)
  for await (const logs of inPieces(range, (piece) => client.getLogs({ ...event, ...piece }))) {
    const transaction = logs.at(-1)?.transactionHash
    if (transaction === undefined) continue
    const transfers = readTransfers(payer, await payerLogsOf(client, { asset, payer }, transaction))
    return transfers.find(({ payee }) => sameHex(payee, tempoReserveAddress))
  }
  return undefined
}
