/** What was paid and what was earned as one list, newest first; each of the two keeps its own order. */
import type { AttemptRow } from '../ledger/entry.ts'
import type { ReceiptView } from './receipts.ts'
import type { SalesView, SoldRequest } from './sales.ts'

/** Money that has left for a provider, or come in from a caller. */
export type MoneyEntry =
  | { readonly direction: 'out'; readonly at: number; readonly receipt: AttemptRow }
  | { readonly direction: 'in'; readonly at: number; readonly sold: SoldRequest }

export const directions = ['in', 'out', 'all'] as const
export type Direction = (typeof directions)[number]

export type EntryFilter = {
  readonly direction: Direction
  readonly limit: number
  /** The last id of each that was shown already. */
  readonly before?: { readonly in?: string; readonly out?: string }
  readonly requestId?: string
}

type Views = { readonly receipts: Pick<ReceiptView, 'list'>; readonly sales: Pick<SalesView, 'list'> }

export async function listEntries({ receipts, sales }: Views, filter: EntryFilter): Promise<readonly MoneyEntry[]> {
  const { direction, limit, before = {}, requestId } = filter
  const asked = (last: string | undefined) => ({
    limit,
    ...(last === undefined ? {} : { before: last }),
    ...(requestId === undefined ? {} : { requestId }),
  })
  const [out, earned] = await Promise.all([
    direction === 'in' ? [] : receipts.list(asked(before.out)),
    direction === 'out' ? [] : sales.list(asked(before.in)),
  ])
  return merged(
    out.map((receipt): MoneyEntry => ({ direction: 'out', at: receipt.createdAt, receipt })),
    earned.map((sold): MoneyEntry => ({ direction: 'in', at: sold.sale.createdAt, sold })),
  ).slice(0, limit)
}

function merged(a: readonly MoneyEntry[], b: readonly MoneyEntry[]): readonly MoneyEntry[] {
  const entries: MoneyEntry[] = []
  let [i, j] = [0, 0]
  for (;;) {
    const [left, right] = [a[i], b[j]]
    if (left === undefined) return [...entries, ...b.slice(j)]
    if (right === undefined) return [...entries, ...a.slice(i)]
    const isLeft = left.at >= right.at
    entries.push(isLeft ? left : right)
    if (isLeft) i++
    else j++
  }
}
