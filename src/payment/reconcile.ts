/** Proves that the ledger equals the chain over a range of blocks, or lists every difference. */
import type { TransferEvidence } from '../chain/chain.ts'
import type { AttemptRow } from '../ledger/entry.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { proofOf } from './proof/index.ts'
import { placeKey } from './proof/proof.ts'
import { addUsd, fromAtomic, type Atomic, type Usd } from '../money.ts'

export type Reconciliation = {
  readonly network: string
  readonly address: string
  readonly fromBlock: bigint
  readonly toBlock: bigint
  readonly ledgerUsd: Usd
  readonly chainUsd: Usd
  /** Attempts that were open and have an end now. */
  readonly resolved: number
  readonly differences: readonly Difference[]
}

export type Difference = {
  readonly kind: 'only_on_chain' | 'only_in_ledger' | 'amount'
  readonly receiptId?: string
  readonly transaction?: string
  readonly ledgerUsd?: Usd
  readonly chainUsd?: Usd
}

/** What is read of a chain of either kind; blocks of Solana are slots. */
export type TransferSource = {
  readonly network: string
  latestBlock(): Promise<{ readonly number: bigint }>
  transfersFrom(query: {
    readonly asset: string
    readonly payer: string
    readonly fromBlock: bigint
    readonly toBlock: bigint
  }): Promise<readonly TransferEvidence[]>
}

export type ReconcileInput = {
  readonly ledger: Ledger
  readonly chain: TransferSource
  readonly asset: { readonly address: string; readonly decimals: number }
  readonly payer: string
  /** Inclusive; from the first receipt's block when absent. */
  readonly fromBlock?: bigint
  /** Inclusive; the newest block when absent. */
  readonly toBlock?: bigint
  readonly resolved: number
}

/** Lays every settled attempt of a token beside every transfer the wallet made, joined as its proof says: by nonce or by place. */
export async function reconcile(input: ReconcileInput): Promise<Reconciliation> {
  const { ledger, chain, asset, payer } = input
  const settled = (await ledger.attempts.list({ states: ['settled'] })).filter(
    ({ payment }) => payment?.network === chain.network && payment.asset === asset.address && payment.payer === payer,
  )
  const toBlock = input.toBlock ?? (await chain.latestBlock()).number
  const fromBlock = input.fromBlock ?? firstBlock(settled) ?? toBlock
  const inRange = settled.filter(
    ({ payment }) => payment?.blockNumber !== undefined && payment.blockNumber >= fromBlock && payment.blockNumber <= toBlock,
  )
  const transfers = await chain.transfersFrom({ asset: asset.address, payer, fromBlock, toBlock })
  const usd = (amount: bigint) => fromAtomic(amount as Atomic, asset.decimals, 'up')
  return {
    network: chain.network,
    address: payer,
    fromBlock,
    toBlock,
    ledgerUsd: addUsd(...inRange.flatMap(({ payment }) => (payment?.amountSettled === undefined ? [] : [usd(payment.amountSettled)]))),
    chainUsd: addUsd(...transfers.map((transfer) => usd(leftBy(transfer)))),
    resolved: input.resolved,
    differences: compare(inRange, transfers, usd),
  }
}

/** What the wallet lost with a transfer, the network's fee included. */
function leftBy({ amount, fee = 0n as Atomic }: TransferEvidence): bigint {
  return amount + fee
}

function compare(rows: readonly AttemptRow[], transfers: readonly TransferEvidence[], usd: (amount: bigint) => Usd): readonly Difference[] {
  const left = new Map(transfers.map((transfer) => [keyOf(transfer), transfer]))
  const differences: Difference[] = []
  for (const { id, payment } of rows) {
    if (payment === undefined) continue
    const keys = proofOf(payment).transferKeys(payment)
    if (keys.length === 0) continue
    const key = keys.find((each) => left.has(each)) ?? ''
    const transfer = left.get(key)
    left.delete(key)
    const ledgerUsd = payment.settledUsd ?? usd(payment.amountSettled ?? payment.amountAuthorized)
    const found = { receiptId: id, ledgerUsd, ...(payment.transaction === undefined ? {} : { transaction: payment.transaction }) }
    if (transfer === undefined) differences.push({ kind: 'only_in_ledger', ...found })
    else if (leftBy(transfer) !== payment.amountSettled) differences.push({ kind: 'amount', ...found, chainUsd: usd(leftBy(transfer)) })
  }
  for (const transfer of left.values())
    differences.push({ kind: 'only_on_chain', transaction: transfer.transaction, chainUsd: usd(leftBy(transfer)) })
  return differences
}

function keyOf({ nonce, transaction, logIndex }: TransferEvidence): string {
  return nonce?.toLowerCase() ?? placeKey(transaction, logIndex)
}

function firstBlock(rows: readonly AttemptRow[]): bigint | undefined {
  const blocks = rows.flatMap(({ payment }) => (payment?.blockNumber === undefined ? [] : [payment.blockNumber]))
  return blocks.toSorted((a, b) => (a < b ? -1 : 1))[0]
}
