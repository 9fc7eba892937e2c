/** Reads one payer's logs of one token, from a transaction or from a range of blocks in pieces that public nodes accept. */
import type { PublicClient } from 'viem'
import { eventTopics } from '../../contracts-abi/eip3009.ts'
import { transferWithMemoTopic } from '../../contracts-abi/tip20.ts'
import { isRecord } from '../lib/json.ts'
import { errorNames } from './client.ts'
import { sameHex } from './evidence.ts'
import type { PayerLog } from './evidence.ts'

export type LogFilter = {
  readonly asset: `0x${string}`
  readonly payer: `0x${string}`
  /** Only what names this authorization: its transfer does not, and must be read from its transaction. */
  readonly nonce?: `0x${string}`
  /** Only transfers with this memo. */
  readonly memo?: `0x${string}`
}

export type BlockRange = { readonly fromBlock: bigint; readonly toBlock: bigint }

/** Blocks asked for at once. Public nodes refuse more than a few thousand, some fewer: then the piece is halved. */
const PIECE = 2_000n
const SMALLEST_PIECE = 50n

/** Gives the payer's logs piece by piece, the newest blocks first; within a piece in the chain's order. */
export function payerLogs(client: PublicClient, filter: LogFilter, range: BlockRange): AsyncGenerator<readonly PayerLog[]> {
  return inPieces(range, (piece) => requestLogs(client, filter, piece))
}

/** Asks for what lies in a range of blocks piece by piece, the newest first, each as small as the node wants it. */
export async function* inPieces<T>(range: BlockRange, ask: (piece: BlockRange) => Promise<T>): AsyncGenerator<T> {
  let piece = PIECE
  let toBlock = range.toBlock
  while (toBlock >= range.fromBlock) {
    const fromBlock = toBlock - piece + 1n < range.fromBlock ? range.fromBlock : toBlock - piece + 1n
    const found = await ask({ fromBlock, toBlock }).catch((thrown: unknown) => {
      if (piece <= SMALLEST_PIECE || !isRefusal(thrown)) throw thrown
      piece /= 2n
      return undefined
    })
    if (found === undefined) continue
    yield found
    toBlock = fromBlock - 1n
  }
}

/** Gives the payer's logs in one transaction; empty when it is unknown, pending or failed. */
export async function payerLogsOf(client: PublicClient, filter: LogFilter, transaction: `0x${string}`): Promise<readonly PayerLog[]> {
  const receipt = await receiptOf(client, transaction)
  return receipt?.['status'] === '0x1' ? logsIn(receipt, filter) : []
}

/** The same of any transaction that is in a block: on Tempo one that failed has cost its fee, and logs it. */
export async function minedLogsOf(
  client: PublicClient,
  filter: LogFilter,
  transaction: `0x${string}`,
): Promise<readonly PayerLog[] | undefined> {
  const receipt = await receiptOf(client, transaction)
  return receipt === undefined ? undefined : logsIn(receipt, filter)
}

async function receiptOf(client: PublicClient, transaction: `0x${string}`): Promise<Record<string, unknown> | undefined> {
  const receipt: unknown = await client.request({ method: 'eth_getTransactionReceipt', params: [transaction] })
  return isRecord(receipt) ? receipt : undefined
}

function logsIn(receipt: Record<string, unknown>, filter: LogFilter): readonly PayerLog[] {
  const { logs } = receipt
  return Array.isArray(logs) ? logs.flatMap((log: unknown) => decodeLog(log, filter) ?? []) : []
}

async function requestLogs(client: PublicClient, filter: LogFilter, range: BlockRange): Promise<readonly PayerLog[]> {
  const topics = topicsOf(filter)
  const logs: unknown = await client.request({
    method: 'eth_getLogs',
    params: [{ address: filter.asset, topics, fromBlock: hexOf(range.fromBlock), toBlock: hexOf(range.toBlock) }],
  })
  if (!Array.isArray(logs)) throw new TypeError('the node answered no list of logs')
  return logs.flatMap((log: unknown) => decodeLog(log, filter) ?? [])
}

type Topic = `0x${string}` | `0x${string}`[] | null

function topicsOf({ payer, nonce, memo }: LogFilter): Topic[] {
  if (memo !== undefined) return [transferWithMemoTopic, wordOf(payer), null, memo]
  return [[...Object.values(eventTopics), transferWithMemoTopic], wordOf(payer), ...(nonce === undefined ? [] : [nonce])]
}

/** Whether a node has said no, where another question may be answered; a silent or unreachable one answers nothing. */
export function isRefusal(thrown: unknown): boolean {
  const names = errorNames(thrown)
  return !names.includes('TypeError') && !names.includes('TimeoutError')
}

const HASH = /^0x[0-9a-fA-F]{64}$/
const QUANTITY = /^0x[0-9a-fA-F]{1,64}$/

/**
 * Reads a raw log; `undefined` when it is not this token's, not this payer's, still pending, or taken back by a reorganisation.
 *
 * @see https://ethereum.org/developers/docs/apis/json-rpc, "eth_getFilterChanges", for the fields of a log.
 */
export function decodeLog(log: unknown, filter: LogFilter): PayerLog | undefined {
  if (!isRecord(log) || log['removed'] === true || !Array.isArray(log['topics'])) return undefined
  const { address, transactionHash, blockNumber, logIndex, data } = log
  if (typeof address !== 'string' || !sameHex(address, filter.asset)) return undefined
  if (!matches(HASH, transactionHash) || !matches(QUANTITY, blockNumber) || !matches(QUANTITY, logIndex)) return undefined
  const [signature, payer, subject, memo]: readonly unknown[] = log['topics']
  if (!matches(HASH, signature) || !matches(HASH, payer) || !matches(HASH, subject)) return undefined
  if (!sameHex(payer, wordOf(filter.payer))) return undefined
  const place = { transaction: transactionHash, blockNumber: BigInt(blockNumber), logIndex: Number(logIndex) }
  if (sameHex(signature, eventTopics.AuthorizationUsed)) return { ...place, kind: 'used', nonce: subject }
  if (sameHex(signature, eventTopics.AuthorizationCanceled)) return { ...place, kind: 'canceled', nonce: subject }
  if (!matches(QUANTITY, data)) return undefined
  const transfer = { payee: `0x${subject.slice(-40)}`, amount: BigInt(data) } as const
  if (sameHex(signature, eventTopics.Transfer)) return { ...place, kind: 'transfer', ...transfer }
  if (!sameHex(signature, transferWithMemoTopic) || !matches(HASH, memo)) return undefined
  return { ...place, kind: 'memo', ...transfer, memo }
}

function matches(shape: RegExp, value: unknown): value is `0x${string}` {
  return typeof value === 'string' && shape.test(value)
}

function wordOf(address: `0x${string}`): `0x${string}` {
  return `0x${address.slice(2).toLowerCase().padStart(64, '0')}`
}

function hexOf(value: bigint): `0x${string}` {
  return `0x${value.toString(16)}`
}
