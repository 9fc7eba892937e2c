/** Reads the truth about payments from one Solana network: balances, blockhashes, and what became of a signed message. */
import { RouteplaneError } from '../../errors.ts'
import { isRecord } from '../../lib/json.ts'
import type { Atomic } from '../../money.ts'
import type { ChainBlock } from '../chain.ts'
import type { TransferEvidence } from '../evidence.ts'
import { addressBytes, tokenAccountOf } from './address.ts'
import { readCount, readEntries, readMoved, type MovedTransaction } from './history.ts'
import { connectSolana, type SolanaRpc } from './rpc.ts'

/** What a node has seen the cluster vote for, and what it will never take back. */
export type Commitment = 'confirmed' | 'finalized'

/**
 * Every method asks the node; none answers from memory. Blocks are slots.
 *
 * @throws RouteplaneError `upstream_unreachable` when the node fails, lags behind what it is asked about, or answers nonsense;
 *   `config_invalid` when it serves another network.
 */
export type SolanaChain = {
  /** CAIP-2 id. */
  readonly network: string
  /** Where the official client asks, too; its path may be somebody's key. */
  readonly rpcUrl: string
  /** Base units in the owner's associated account of the token, which payments are taken from. */
  balanceOf(mint: string, owner: string): Promise<Atomic>
  /** What a transaction that is made now may name, and the block height after which nobody takes it. */
  recentBlockhash(): Promise<RecentBlockhash>
  latestBlock(): Promise<Pick<ChainBlock, 'number'>>
  /** The newest slot that is never taken back, and how many blocks there are up to it. */
  finalized(): Promise<FinalizedHead>
  /** The oldest slot that the node can tell of. */
  firstSlot(): Promise<bigint>
  /** Finds the transaction that carries a message, whoever else has signed it; `undefined` when the history has none. */
  findMessage(query: MessageQuery): Promise<MovedTransaction | undefined>
  /** Every transfer out of the owner's associated account, oldest first; both ends inclusive. */
  transfersFrom(query: SolanaRange): Promise<readonly TransferEvidence[]>
}

export type RecentBlockhash = { readonly blockhash: string; readonly lastValidBlockHeight: bigint; readonly slot: bigint }
export type FinalizedHead = { readonly slot: bigint; readonly blockHeight: bigint }

export type MessageQuery = {
  readonly asset: string
  readonly payer: string
  readonly payee: string
  /** SHA-256 of the message. */
  readonly hash: string
  /** No earlier slot can have it. */
  readonly sinceSlot: bigint
  readonly commitment: Commitment
  /** The node has to have come so far, or it fails: nodes behind one address may lag each other. */
  readonly atSlot?: bigint
  /** Somebody's claim of which transaction it is: looked at first. */
  readonly transaction?: string
}

export type SolanaRange = { readonly asset: string; readonly payer: string; readonly fromBlock: bigint; readonly toBlock: bigint }

export type SolanaChainOptions = { readonly network: string; readonly rpcUrl: string }

/** Opens a network; nothing is sent before the first read. */
export function createSolanaChain({ network, rpcUrl }: SolanaChainOptions): SolanaChain {
  const rpc = connectSolana(network, rpcUrl)
  return {
    network,
    rpcUrl,
    async balanceOf(mint, owner) {
      const answer = await rpc('getAccountInfo', [tokenAccountOf(owner, mint), { encoding: 'base64', commitment: 'confirmed' }])
      return balanceIn(answer, mint, owner)
    },
    async recentBlockhash() {
      const answer = await rpc('getLatestBlockhash', [{ commitment: 'confirmed' }])
      if (!isRecord(answer) || !isRecord(answer['value']) || !isRecord(answer['context'])) throw nonsense('getLatestBlockhash')
      const { blockhash, lastValidBlockHeight } = answer['value']
      if (typeof blockhash !== 'string' || addressBytes(blockhash) === undefined) throw nonsense('getLatestBlockhash')
      return { blockhash, lastValidBlockHeight: readCount(lastValidBlockHeight), slot: readCount(answer['context']['slot']) }
    },
    async latestBlock() {
      return { number: readCount(await rpc('getSlot', [{ commitment: 'confirmed' }])) }
    },
    async finalized() {
      const answer = await rpc('getEpochInfo', [{ commitment: 'finalized' }])
      if (!isRecord(answer)) throw nonsense('getEpochInfo')
      return { slot: readCount(answer['absoluteSlot']), blockHeight: readCount(answer['blockHeight']) }
    },
    firstSlot: async () => readCount(await rpc('getFirstAvailableBlock', [])),
    findMessage: (query) => findMessage(rpc, query),
    transfersFrom: (query) => transfersFrom(rpc, query),
  }
}

/**
 * An account of the token program: its mint, its owner, and its amount in 64 bits. One that is not there is empty.
 *
 * @see https://www.solana-program.com/docs/token
 */
function balanceIn(answer: unknown, mint: string, owner: string): Atomic {
  if (!isRecord(answer) || !('value' in answer)) throw nonsense('getAccountInfo')
  if (answer['value'] === null) return 0n as Atomic
  const data =
    isRecord(answer['value']) && Array.isArray(answer['value']['data']) ? (answer['value']['data'] as readonly unknown[])[0] : undefined
  const bytes = typeof data === 'string' ? Buffer.from(data, 'base64') : Buffer.alloc(0)
  const isOwn = [mint, owner].every((address, at) => bytes.subarray(32 * at, 32 * at + 32).equals(addressBytes(address) ?? Buffer.alloc(0)))
  if (bytes.length < 72 || !isOwn) throw nonsense('getAccountInfo')
  return bytes.readBigUInt64LE(64) as Atomic
}

/** Transactions looked at for one payment: more of them within minutes are not a wallet's own. */
const MAX_SEARCHED = 2_000
/** Those of a whole history that is compared. */
const MAX_COMPARED = 50_000
/** The most that nodes list at once. */
const PAGE = 1_000

async function findMessage(rpc: SolanaRpc, query: MessageQuery): Promise<MovedTransaction | undefined> {
  const { asset, payer, hash, sinceSlot, commitment, transaction } = query
  const read = async (signature: string) => {
    const found = await transactionOf(rpc, signature, query)
    return found?.hash === hash ? found : undefined
  }
  const claimed = transaction === undefined ? undefined : await read(transaction)
  if (claimed !== undefined) return claimed
  const account = tokenAccountOf(payer, asset)
  const since = {
    account,
    fromSlot: sinceSlot,
    commitment,
    most: MAX_SEARCHED,
    ...(query.atSlot === undefined ? {} : { atSlot: query.atSlot }),
  }
  for await (const { signature } of historyOf(rpc, since)) {
    const found = await transactionOf(rpc, signature, query)
    // The node has listed it: that it cannot show it proves nothing about it.
    if (found === undefined) throw nonsense('getTransaction')
    if (found.hash === hash) return found
  }
  return undefined
}

async function transfersFrom(rpc: SolanaRpc, { asset, payer, fromBlock, toBlock }: SolanaRange): Promise<readonly TransferEvidence[]> {
  const transfers: TransferEvidence[] = []
  const account = tokenAccountOf(payer, asset)
  for await (const { signature, slot } of historyOf(rpc, { account, fromSlot: fromBlock, commitment: 'confirmed', most: MAX_COMPARED })) {
    if (slot > toBlock) continue
    const moved = await transactionOf(rpc, signature, { asset, payer, commitment: 'confirmed' })
    if (moved === undefined) throw nonsense('getTransaction')
    if (!moved.succeeded || moved.paid <= 0n) continue
    const place = { transaction: moved.signature, blockNumber: moved.slot, logIndex: 0 }
    transfers.push({ ...place, amount: moved.paid as Atomic, payer, payee: moved.receiver ?? '', nonce: moved.hash })
  }
  return transfers.toReversed()
}

type History = {
  readonly account: string
  readonly fromSlot: bigint
  readonly commitment: Commitment
  readonly atSlot?: bigint
  readonly most: number
}

/** The transactions that name an account, newest first. @throws RouteplaneError for more of them than are searched. */
async function* historyOf(rpc: SolanaRpc, { account, fromSlot, commitment, atSlot, most }: History) {
  let before: string | undefined
  for (let seen = 0; seen < most; seen += PAGE) {
    const options = {
      limit: PAGE,
      commitment,
      ...(before === undefined ? {} : { before }),
      ...(atSlot === undefined ? {} : { minContextSlot: Number(atSlot) }),
    }
    const page = readEntries(await rpc('getSignaturesForAddress', [account, options]))
    const wanted = page.filter(({ slot }) => slot >= fromSlot)
    yield* wanted
    if (page.length < PAGE || wanted.length < page.length) return
    before = page.at(-1)?.signature
  }
  throw new RouteplaneError('upstream_unreachable', `more than ${most} transactions name the wallet's account since then`)
}

type Moving = Pick<MessageQuery, 'asset' | 'payer' | 'commitment'> & { readonly payee?: string }

async function transactionOf(rpc: SolanaRpc, signature: string, query: Moving): Promise<MovedTransaction | undefined> {
  const { commitment } = query
  const answer = await rpc('getTransaction', [signature, { encoding: 'base64', commitment, maxSupportedTransactionVersion: 0 }])
  return answer === null ? undefined : readMoved(answer, signature, query)
}

/** A node that does not speak the language says nothing. */
export function nonsense(method: string): RouteplaneError {
  return new RouteplaneError('upstream_unreachable', `${method}: the node answered something that cannot be read`)
}
