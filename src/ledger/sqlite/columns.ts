/** Reads single columns strictly: a value of the wrong shape means a damaged file and is never guessed at. */
import { RouteplaneError } from '../../errors.ts'
import type { Row } from './connection.ts'

/** @throws RouteplaneError `store_unavailable`, as every reader here, when the column is missing or of another type. */
export function textOf(row: Row, column: string): string {
  const value = row[column]
  if (typeof value !== 'string') throw damaged(column)
  return value
}

export function numberOf(row: Row, column: string): number {
  const value = row[column]
  if (typeof value !== 'number') throw damaged(column)
  return value
}

/** libsql gives blobs as an `ArrayBuffer` here and as a `Buffer` there. */
export function bytesOf(row: Row, column: string): Uint8Array {
  const value = row[column]
  if (!(value instanceof Uint8Array) && !(value instanceof ArrayBuffer)) throw damaged(column)
  return new Uint8Array(value)
}

const WHOLE = /^\d{1,200}$/

/** Reads an amount. `BigInt` alone would read an empty text as zero. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the caller names the unit, as `JSON.parse` would have it
export function amountOf<T extends bigint>(row: Row, column: string): T {
  const value = row[column]
  if (typeof value !== 'string' || !WHOLE.test(value)) throw damaged(column)
  return BigInt(value) as T
}

export function oneOf<T extends string>(row: Row, column: string, names: readonly T[]): T {
  const value = names.find((name) => name === row[column])
  if (value === undefined) throw damaged(column)
  return value
}

/** Reads a column that may be null as a field that may be absent. */
export function optional<T>(row: Row, column: string, read: (row: Row, column: string) => T): T | undefined {
  return row[column] === null || row[column] === undefined ? undefined : read(row, column)
}

export function damaged(what: string): RouteplaneError {
  return new RouteplaneError('store_unavailable', `the ledger holds a value that cannot be read: ${what}`, {
    details: { reason: 'corrupt' },
  })
}
