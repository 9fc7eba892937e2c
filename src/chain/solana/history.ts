/** Reads what nodes tell of transactions: which there are, which message each carries, and what of a token it moved. */
import { RouteplaneError } from '../../errors.ts'
import { isRecord } from '../../lib/json.ts'
import { messageHash, readTransaction } from './message.ts'

export type HistoryEntry = { readonly signature: string; readonly slot: bigint }

export type MovedTransaction = {
  /** Base58; the fee payer's. */
  readonly signature: string
  readonly slot: bigint
  /** SHA-256 of its message. */
  readonly hash: `0x${string}`
  /** One that failed has cost its fee payer, and moved nothing. */
  readonly succeeded: boolean
  /** Base units of the token that the payer has less than before. */
  readonly paid: bigint
  /** Base units that the payee has more. */
  readonly received: bigint
  /** Who has got most of the token. */
  readonly receiver?: string
}

/** @throws RouteplaneError `upstream_unreachable` for an answer that is no list of signatures. */
export function readEntries(answer: unknown): readonly HistoryEntry[] {
  if (!Array.isArray(answer)) throw unreadable()
  return answer.map((entry: unknown) => {
    if (!isRecord(entry) || typeof entry['signature'] !== 'string') throw unreadable()
    return { signature: entry['signature'], slot: readCount(entry['slot']) }
  })
}

/** @throws RouteplaneError `upstream_unreachable` for an answer that leaves anything of this open. */
export function readMoved(
  answer: unknown,
  signature: string,
  { asset, payer, payee }: { readonly asset: string; readonly payer: string; readonly payee?: string },
): MovedTransaction {
  if (!isRecord(answer) || !isRecord(answer['meta']) || !Array.isArray(answer['transaction'])) throw unreadable()
  const [encoded]: readonly unknown[] = answer['transaction']
  const transaction = typeof encoded === 'string' ? readTransaction(Buffer.from(encoded, 'base64')) : undefined
  const { err, preTokenBalances, postTokenBalances } = answer['meta']
  if (transaction === undefined || err === undefined) throw unreadable()
  const gains = gainsOf(readBalances(preTokenBalances, asset), readBalances(postTokenBalances, asset))
  const [[receiver, most] = ['', 0n]] = [...gains].toSorted(([, a], [, b]) => (a > b ? -1 : 1))
  return {
    signature,
    slot: readCount(answer['slot']),
    hash: messageHash(transaction.message),
    succeeded: err === null,
    paid: -(gains.get(payer) ?? 0n),
    received: payee === undefined ? 0n : (gains.get(payee) ?? 0n),
    ...(most > 0n ? { receiver } : {}),
  }
}

/** What each owner has more than before, over all his accounts of the token. */
function gainsOf(before: ReadonlyMap<string, bigint>, after: ReadonlyMap<string, bigint>): ReadonlyMap<string, bigint> {
  const owners = new Set([...before.keys(), ...after.keys()])
  return new Map([...owners].map((owner) => [owner, (after.get(owner) ?? 0n) - (before.get(owner) ?? 0n)]))
}

function readBalances(balances: unknown, mint: string): ReadonlyMap<string, bigint> {
  if (!Array.isArray(balances)) throw unreadable()
  const sums = new Map<string, bigint>()
  for (const balance of balances as readonly unknown[]) {
    if (!isRecord(balance) || !isRecord(balance['uiTokenAmount'])) throw unreadable()
    const { amount } = balance['uiTokenAmount']
    const { owner } = balance
    if (typeof owner !== 'string' || typeof amount !== 'string' || !/^\d{1,20}$/.test(amount)) throw unreadable()
    if (balance['mint'] === mint) sums.set(owner, (sums.get(owner) ?? 0n) + BigInt(amount))
  }
  return sums
}

/** A slot or a block height. @throws RouteplaneError `upstream_unreachable` for anything but a whole number. */
export function readCount(value: unknown): bigint {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return BigInt(value)
  throw unreadable()
}

function unreadable(): RouteplaneError {
  return new RouteplaneError('upstream_unreachable', 'the node answered something that cannot be read')
}
