/** A bounded queue of request rows that gives up the least important first when nobody takes them. */
import type { RequestRow } from './entry.ts'

/** Rows kept while the store cannot be written. */
export const MAX_QUEUED = 10_000

export type RequestQueue = {
  add(row: RequestRow): void
  /** Takes up to `count` rows: those that cost money first, each kind in the order it came. */
  take(count: number): readonly RequestRow[]
  /** Gives rows back that could not be written; they are next again. */
  putBack(rows: readonly RequestRow[]): void
  size(): number
  /** How many rows were given up since this was last asked. */
  takeDropped(): number
}

/** Over its bound the queue drops the oldest row that cost nothing; only when every row cost money, the oldest of those. */
export function createRequestQueue(bound: number = MAX_QUEUED): RequestQueue {
  const paid: RequestRow[] = []
  const free: RequestRow[] = []
  let dropped = 0
  const trim = () => {
    for (; paid.length + free.length > bound; dropped++) (free.length > 0 ? free : paid).shift()
  }
  return {
    add(row) {
      ;(isPaid(row) ? paid : free).push(row)
      trim()
    },
    take(count) {
      const rows = paid.splice(0, count)
      return [...rows, ...free.splice(0, count - rows.length)]
    },
    putBack(rows) {
      paid.unshift(...rows.filter(isPaid))
      free.unshift(...rows.filter((row) => !isPaid(row)))
      trim()
    },
    size: () => paid.length + free.length,
    takeDropped() {
      const count = dropped
      dropped = 0
      return count
    },
  }
}

function isPaid(row: RequestRow): boolean {
  return row.costUsd !== undefined && row.costUsd > 0n
}
