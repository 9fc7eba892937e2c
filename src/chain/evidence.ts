/** What a token's logs prove about payments: which transfer belongs to which authorization. */
import { tempo } from '../../contracts-abi/assets.ts'
import type { Atomic } from '../money.ts'

/** A transfer that lies on the chain. Several payments may share a transaction: `logIndex` tells them apart. */
export type TransferEvidence = {
  /** A hash, or on Solana a signature. */
  readonly transaction: string
  readonly blockNumber: bigint
  /** Of the `Transfer` log. */
  readonly logIndex: number
  readonly amount: Atomic
  readonly payer: string
  readonly payee: string
  /** Of the authorization that moved it, or its memo on Tempo, or the hash of its message on Solana; absent for a plain transfer. */
  readonly nonce?: `0x${string}`
  /** Base units of the same token that the payer gave the network for it, besides the amount. */
  readonly fee?: Atomic
}

/** An authorization that its payer has cancelled: it can never move anything. */
export type CancellationEvidence = {
  readonly transaction: `0x${string}`
  readonly blockNumber: bigint
  readonly logIndex: number
  readonly payer: `0x${string}`
  readonly nonce: `0x${string}`
}

type Place = { readonly transaction: `0x${string}`; readonly blockNumber: bigint; readonly logIndex: number }

/** A log of one token that names one payer, decoded. */
export type PayerLog =
  | (Place & { readonly kind: 'used' | 'canceled'; readonly nonce: `0x${string}` })
  | (Place & { readonly kind: 'transfer'; readonly payee: `0x${string}`; readonly amount: bigint })
  | (Place & { readonly kind: 'memo'; readonly payee: `0x${string}`; readonly amount: bigint; readonly memo: `0x${string}` })

type UsedLog = PayerLog & { readonly kind: 'used' }
type TransferLog = PayerLog & { readonly kind: 'transfer' }
type MemoLog = PayerLog & { readonly kind: 'memo' }

/**
 * Joins one payer's `AuthorizationUsed` and `TransferWithMemo` logs with his `Transfer` logs, transaction by transaction, in
 * the chain's order. The fee of a Tempo transaction is a transfer too: it belongs to the one with the memo.
 *
 * EIP-3009 does not say which log comes first. USDC writes the authorization first; a token that writes it last is read
 * the other way round, which shows in every authorization of the transaction having its transfer on that side.
 *
 * @returns every transfer of the payer, those by authorization with their nonce.
 */
export function readTransfers(payer: `0x${string}`, logs: readonly PayerLog[]): readonly (TransferEvidence & Place)[] {
  const byTransaction = new Map<string, PayerLog[]>()
  for (const log of logs) {
    const own = byTransaction.get(log.transaction)
    if (own === undefined) byTransaction.set(log.transaction, [log])
    else own.push(log)
  }
  return [...byTransaction.values()].flatMap((own) => transfersOf(payer, own)).sort(byPlace)
}

/** Gives the cancellation of one authorization, if the logs have it. */
export function readCancellation(payer: `0x${string}`, nonce: `0x${string}`, logs: readonly PayerLog[]): CancellationEvidence | undefined {
  const log = logs.find((candidate) => candidate.kind === 'canceled' && sameHex(candidate.nonce, nonce))
  if (log === undefined) return undefined
  return { transaction: log.transaction, blockNumber: log.blockNumber, logIndex: log.logIndex, payer, nonce }
}

/** Compares addresses, hashes and nonces, whose letters may be of either case. */
export function sameHex(left: string, right: string): boolean {
  return left.toLowerCase() === right.toLowerCase()
}

function transfersOf(payer: `0x${string}`, unsorted: readonly PayerLog[]): readonly (TransferEvidence & Place)[] {
  const logs = [...unsorted].sort(byPlace)
  const memos = logs.filter(isMemo)
  const transfers = logs.filter(isTransfer)
  if (memos.length > 0 || transfers.some(isTempoFee)) return tempoTransfersOf(payer, transfers, memos)
  const nonces = pair(logs, 1) ?? pair(logs, -1) ?? new Map<PayerLog, `0x${string}`>()
  return transfers.flatMap((log) => {
    const nonce = nonces.get(log)
    // Anybody can make a token log a transfer of nothing from anybody else: it moves nothing and proves nothing.
    if (nonce === undefined && log.amount === 0n) return []
    const { transaction, blockNumber, logIndex, payee } = log
    return [{ transaction, blockNumber, logIndex, amount: log.amount as Atomic, payer, payee, ...(nonce === undefined ? {} : { nonce }) }]
  })
}

/** The token writes a memo right behind its transfer, and the fee last: it belongs to the first memo's transfer, without one to the first. */
function tempoTransfersOf(
  payer: `0x${string}`,
  transfers: readonly TransferLog[],
  memos: readonly MemoLog[],
): readonly (TransferEvidence & Place)[] {
  const fee = transfers.filter(isTempoFee).reduce((sum, { amount }) => sum + amount, 0n) as Atomic
  const moved = transfers.filter((log) => !isTempoFee(log))
  const memoOf = ({ logIndex, payee, amount }: TransferLog) =>
    memos.find((own) => own.logIndex === logIndex + 1 && sameHex(own.payee, payee) && own.amount === amount)
  const [firstMemo] = memos
  const bearer = firstMemo === undefined ? moved[0] : moved.find((log) => memoOf(log) === firstMemo)
  // A transaction that moved nothing has cost its fee all the same.
  return (moved.length === 0 ? transfers : moved).map((log) => {
    const { transaction, blockNumber, logIndex, payee, amount } = log
    const memo = memoOf(log)
    const place = { transaction, blockNumber, logIndex, amount: amount as Atomic, payer, payee }
    return { ...place, ...(memo === undefined ? {} : { nonce: memo.memo }), ...(log === bearer ? { fee } : {}) }
  })
}

/** Looks for the transfer of each authorization one step to one side; `undefined` unless every one has its own. */
function pair(logs: readonly PayerLog[], step: 1 | -1): Map<PayerLog, `0x${string}`> | undefined {
  const nonces = new Map<PayerLog, `0x${string}`>()
  for (const [at, log] of logs.entries()) {
    if (!isUsed(log)) continue
    const neighbour = logs[at + step]
    if (neighbour === undefined || !isTransfer(neighbour)) return undefined
    nonces.set(neighbour, log.nonce)
  }
  return nonces
}

const isUsed = (log: PayerLog): log is UsedLog => log.kind === 'used'
const isMemo = (log: PayerLog): log is MemoLog => log.kind === 'memo'
const isTempoFee = ({ payee }: TransferLog): boolean => sameHex(payee, tempo.feeManager)
const isTransfer = (log: PayerLog): log is TransferLog => log.kind === 'transfer'

function byPlace(left: Place, right: Place): number {
  if (left.blockNumber !== right.blockNumber) return left.blockNumber < right.blockNumber ? -1 : 1
  return left.logIndex - right.logIndex
}
