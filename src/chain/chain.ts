/** Reads the truth about payments from one network: balances, the state of authorizations, and transfers in logs. */
import type { PublicClient } from 'viem'
import { batchSettlementAbi, batchSettlementAddress } from '../../contracts-abi/batch-settlement.ts'
import { eip3009Abi } from '../../contracts-abi/eip3009.ts'
import { erc20Abi } from '../../contracts-abi/erc20.ts'
import type { Atomic } from '../money.ts'
import { connect } from './client.ts'
import { rangeOf } from './block-at.ts'
import { findPermitTransfer, permitState } from './permit2.ts'
import { readCancellation, readTransfers, sameHex } from './evidence.ts'
import type { CancellationEvidence, PayerLog, TransferEvidence } from './evidence.ts'
import { minedLogsOf, payerLogs, payerLogsOf, type BlockRange } from './logs.ts'
import { assetsOf, type AssetRow } from './networks.ts'
import { leaveNonce } from './permit2-leave.ts'
import { findOpening, readReserve } from './tempo-channel.ts'
import type { OpeningQuery } from './tempo-channel.ts'
import { quoteTempo } from './tempo-quote.ts'
import type { TempoCall, TempoQuote } from './tempo-quote.ts'
import { quoteTransaction, sendTransaction } from './transaction.ts'
import type { ContractCall, TransactionQuote } from './transaction.ts'

export type { CancellationEvidence, TransferEvidence } from './evidence.ts'

type Address = `0x${string}`

/**
 * Every method asks the node; none answers from memory.
 *
 * @throws RouteplaneError `upstream_unreachable` when the node fails, `unknown_asset` when the token is not on the chain,
 *   `config_invalid` when the node serves another chain. A failure is never an empty answer.
 */
export type Chain = {
  /** CAIP-2 id. */
  readonly network: string
  /** Base units of the asset. */
  balanceOf(asset: Address, owner: Address): Promise<Atomic>
  /** `used` also when the payer has cancelled it; {@link Chain.findCancellation} tells the two apart. */
  authorizationState(asset: Address, payer: Address, nonce: `0x${string}`, atBlock?: bigint): Promise<AuthorizationState>
  latestBlock(): Promise<ChainBlock>
  /** The newest block that the network holds to be beyond reorganisation. */
  safeBlock(): Promise<ChainBlock>
  /** Finds the transfer of one authorization; `undefined` when the blocks searched do not have it. */
  findTransfer(query: TransferQuery): Promise<TransferEvidence | undefined>
  findCancellation(query: AuthorizationQuery): Promise<CancellationEvidence | undefined>
  /** What `spender` may still take of the owner's tokens, in base units. */
  allowanceOf(asset: Address, owner: Address, spender: Address): Promise<Atomic>
  /**
   * The owner's next nonce for leaves by EIP-2612; `undefined` when the token takes none, or signs over another domain than our
   * table says.
   */
  leaveNonce(row: AssetRow, owner: Address): Promise<bigint | undefined>
  /** What a call costs as a transaction of `from`; `upstream_error` when the contract would refuse it. */
  quoteTransaction(from: Address, call: ContractCall): Promise<TransactionQuote>
  /**
   * Sends a signed transaction and waits for its block. @returns its hash.
   *
   * @throws RouteplaneError as every read; what became of it is then to be seen in the contract that it calls.
   */
  sendTransaction(serialized: `0x${string}`): Promise<`0x${string}`>
  /** Whether the nonce of a Permit2 signature transfer is spent or invalidated. */
  permitState(payer: Address, nonce: `0x${string}`, atBlock?: bigint): Promise<AuthorizationState>
  /** Finds the transfer of a Permit2 signature, of at most `amount`; `undefined` when the blocks searched do not have it. */
  findPermitTransfer(query: TransferQuery): Promise<TransferEvidence | undefined>
  /** Finds the transfer with a memo, on networks whose tokens have one; its `nonce` is the memo. Up to `toBlock` when given. */
  findMemoTransfer(query: MemoQuery): Promise<TransferEvidence | undefined>
  /**
   * What a payer lost by one transaction, the fee of Tempo included, also when the transaction failed; `undefined` until it is
   * in a block.
   */
  transfersIn(query: TransactionQuery): Promise<readonly TransferEvidence[] | undefined>
  /** What a Tempo transaction may cost its sender: the node's estimate of its work, and the price of it now. */
  quoteTempo(call: TempoCall): Promise<TempoQuote>
  /** Every transfer that the payer made, by authorization or otherwise, in the chain's order; both ends inclusive. */
  transfersFrom(query: TransferRange): Promise<readonly TransferEvidence[]>
  /**
   * What lies in a payment channel: of the reserve on Tempo, of x402 `batch-settlement` elsewhere. Zeros for one of the latter
   * that nobody has filled; on Tempo one that is not there fails, unless the chain shows how it ended.
   *
   * @param seenAtSeconds - When it is known to have been opened (Unix seconds), to find the end of one that ended long ago. Where the
   *   node shows nothing of that time any more, it fails as `channel_closed`.
   */
  channel(id: `0x${string}`, seenAtSeconds?: bigint): Promise<ChannelOnChain>
  /** Finds the transfer that filled a channel of Tempo's reserve, by the event of its opening. */
  findOpening(query: OpeningQuery): Promise<TransferEvidence | undefined>
}

/** In base units. `balance` is all that was put in less what came back; `claimed` of it is the receiver's. */
export type ChannelOnChain = {
  readonly balance: Atomic
  readonly claimed: Atomic
  /** Of a withdrawal under way. */
  readonly withdrawal?: { readonly amount: Atomic; readonly initiatedAtSeconds: number }
}

export type AuthorizationState = 'unused' | 'used'

export type ChainBlock = { readonly number: bigint; readonly timestampSeconds: bigint }

export type AuthorizationQuery = {
  readonly asset: Address
  readonly payer: Address
  readonly nonce: `0x${string}`
  /** Where to begin; without it the newest {@link LOOKBACK_BLOCKS}. */
  readonly fromBlock?: bigint
  /** When it must have been, however long ago that is. */
  readonly within?: Span
}

/** Unix seconds, by the chain's own clock; what is not known to the second is to be given with room. */
export type Span = { readonly sinceSeconds: bigint; readonly untilSeconds: bigint }

export type TransferQuery = AuthorizationQuery & {
  readonly payee: Address
  /** Only a transfer of exactly this many base units. */
  readonly amount?: bigint
  /** Somebody's claim of where it is: looked at first, and alone when there is no `fromBlock`. */
  readonly transaction?: `0x${string}`
}

export type MemoQuery = {
  readonly asset: Address
  readonly payer: Address
  readonly payee: Address
  readonly memo: `0x${string}`
  readonly toBlock?: bigint
  /** When it must have been, however long ago that is. */
  readonly within?: Span
  /** Somebody's claim of where it is: looked at first. */
  readonly transaction?: `0x${string}`
}

export type TransactionQuery = { readonly asset: Address; readonly payer: Address; readonly transaction: `0x${string}` }

export type TransferRange = { readonly asset: Address; readonly payer: Address; readonly fromBlock: bigint; readonly toBlock: bigint }

/** About eleven hours on Base: far longer than an authorization of ours may live. */
export const LOOKBACK_BLOCKS = 20_000n

export type ChainOptions = {
  readonly network: string
  readonly rpcUrl: string
  /** How far one looks back where nothing says when it was; {@link LOOKBACK_BLOCKS} unless given. */
  readonly lookbackBlocks?: bigint
}

/**
 * Opens a network; nothing is sent before the first read.
 *
 * @throws {@link RouteplaneError} `unknown_network` for an id that is not `eip155:…`, `config_invalid` for a bad URL.
 */
export function createChain(options: ChainOptions): Chain {
  const connection = connect(options.network, options.rpcUrl)
  const { read } = connection
  const { lookbackBlocks: lookback = LOOKBACK_BLOCKS } = options
  const isTempo = assetsOf(options.network).some(({ transferMethod }) => transferMethod === 'tip20')
  return {
    network: options.network,
    balanceOf: (asset, owner) =>
      read('balance', async (client) => {
        const balance = await client.readContract({ address: asset, abi: erc20Abi, functionName: 'balanceOf', args: [owner] })
        return balance as Atomic
      }),
    authorizationState: (asset, payer, nonce, atBlock) =>
      read('authorization state', async (client) => {
        const call = { address: asset, abi: eip3009Abi, functionName: 'authorizationState', args: [payer, nonce] } as const
        const used = await client.readContract(atBlock === undefined ? call : { ...call, blockNumber: atBlock })
        return used ? 'used' : 'unused'
      }),
    latestBlock: () => read('latest block', (client) => readBlock(client, 'latest')),
    safeBlock: () => read('safe block', (client) => readBlock(client, 'safe')),
    findTransfer: (query) => read('transfer', (client) => findTransfer(client, query, lookback)),
    findCancellation: (query) => read('cancellation', (client) => findCancellation(client, query, lookback)),
    allowanceOf: (asset, owner, spender) =>
      read('allowance', async (client) => {
        const allowance = await client.readContract({ address: asset, abi: erc20Abi, functionName: 'allowance', args: [owner, spender] })
        return allowance as Atomic
      }),
    leaveNonce: (row, owner) => read('nonce of the token', (client) => leaveNonce(client, row, owner)),
    quoteTransaction: (from, call) => read('cost of a transaction', (client) => quoteTransaction(client, from, call)),
    sendTransaction: (serialized) => read('transaction', (client) => sendTransaction(client, serialized)),
    permitState: (payer, nonce, atBlock) => read('permit state', (client) => permitState(client, payer, nonce, atBlock)),
    findPermitTransfer: (query) =>
      read('permit transfer', async (client) => findPermitTransfer(client, query, await searchRange(client, query, lookback))),
    findMemoTransfer: (query) => read('transfer', (client) => findMemoTransfer(client, query, lookback)),
    transfersIn: (query) => read('transaction', (client) => transfersIn(client, query)),
    quoteTempo: (call) => read('fee', (client) => quoteTempo(client, options.network, call)),
    transfersFrom: (query) => read('transfers', (client) => transfersFrom(client, query)),
    channel: (id, seenAtSeconds) =>
      read('channel', (client) => (isTempo ? readReserve(client, id, lookback, seenAtSeconds) : readChannel(client, id))),
    findOpening: (query) => read('opening', (client) => findOpening(client, query, lookback)),
  }
}

async function readBlock(client: PublicClient, blockTag: 'latest' | 'safe'): Promise<ChainBlock> {
  const block = await client.getBlock({ blockTag })
  return { number: block.number, timestampSeconds: block.timestamp }
}

async function readChannel(client: PublicClient, id: `0x${string}`): Promise<ChannelOnChain> {
  const contract = { address: batchSettlementAddress, abi: batchSettlementAbi, args: [id] } as const
  const [[balance, claimed], [amount, initiatedAt]] = await Promise.all([
    client.readContract({ ...contract, functionName: 'channels' }),
    client.readContract({ ...contract, functionName: 'pendingWithdrawals' }),
  ])
  const withdrawal = initiatedAt === 0 ? {} : { withdrawal: { amount: amount as Atomic, initiatedAtSeconds: initiatedAt } }
  return { balance: balance as Atomic, claimed: claimed as Atomic, ...withdrawal }
}

async function findTransfer(client: PublicClient, query: TransferQuery, lookback: bigint): Promise<TransferEvidence | undefined> {
  if (query.transaction !== undefined) {
    const claimed = await transferIn(client, query, query.transaction)
    if (claimed !== undefined || query.fromBlock === undefined) return claimed
  }
  const used = await newestLog(client, query, 'used', lookback)
  return used === undefined ? undefined : transferIn(client, query, used.transaction)
}

/** Never looks at the transaction's own `to`: settlers batch, and the token's logs are the only proof. */
async function transferIn(client: PublicClient, query: TransferQuery, transaction: `0x${string}`): Promise<TransferEvidence | undefined> {
  const logs = await payerLogsOf(client, { asset: query.asset, payer: query.payer }, transaction)
  return readTransfers(query.payer, logs).find(
    (transfer) =>
      transfer.nonce !== undefined &&
      sameHex(transfer.nonce, query.nonce) &&
      sameHex(transfer.payee, query.payee) &&
      (query.amount === undefined || transfer.amount === query.amount),
  )
}

async function findMemoTransfer(client: PublicClient, query: MemoQuery, lookback: bigint): Promise<TransferEvidence | undefined> {
  const { asset, payer, payee, memo } = query
  const within = async (transaction: `0x${string}`) => {
    const logs = await payerLogsOf(client, { asset, payer }, transaction)
    return readTransfers(payer, logs).find(({ nonce, payee: paid }) => nonce !== undefined && sameHex(nonce, memo) && sameHex(paid, payee))
  }
  const claimed = query.transaction === undefined ? undefined : await within(query.transaction)
  if (claimed !== undefined) return claimed
  const range = await rangeOf(client, query.toBlock ?? (await readBlock(client, 'latest')).number, lookback, query.within)
  for await (const logs of payerLogs(client, { asset, payer, memo }, range)) {
    const [found] = logs
    if (found !== undefined) return within(found.transaction)
  }
  return undefined
}

async function transfersIn(client: PublicClient, query: TransactionQuery): Promise<readonly TransferEvidence[] | undefined> {
  const logs = await minedLogsOf(client, query, query.transaction)
  return logs === undefined ? undefined : readTransfers(query.payer, logs)
}

async function findCancellation(
  client: PublicClient,
  query: AuthorizationQuery,
  lookback: bigint,
): Promise<CancellationEvidence | undefined> {
  const log = await newestLog(client, query, 'canceled', lookback)
  return log === undefined ? undefined : readCancellation(query.payer, query.nonce, [log])
}

async function newestLog(
  client: PublicClient,
  query: AuthorizationQuery,
  kind: PayerLog['kind'],
  lookback: bigint,
): Promise<PayerLog | undefined> {
  for await (const logs of payerLogs(client, query, await searchRange(client, query, lookback))) {
    const found = logs.find((log) => log.kind === kind && 'nonce' in log && sameHex(log.nonce, query.nonce))
    if (found !== undefined) return found
  }
  return undefined
}

async function searchRange(client: PublicClient, { fromBlock, within }: AuthorizationQuery, lookback: bigint): Promise<BlockRange> {
  const { number: toBlock } = await readBlock(client, 'latest')
  return fromBlock === undefined ? rangeOf(client, toBlock, lookback, within) : { fromBlock, toBlock }
}

async function transfersFrom(client: PublicClient, query: TransferRange): Promise<readonly TransferEvidence[]> {
  const all: PayerLog[] = []
  for await (const logs of payerLogs(client, { asset: query.asset, payer: query.payer }, query)) all.push(...logs)
  return readTransfers(query.payer, all)
}
