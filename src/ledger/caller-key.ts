/** Keys of callers: what each may do, and what the ledger knows of it; never the key itself. */
import type { Usd } from '../money.ts'
import type { RequestRow } from './entry.ts'

export type CallerKey = {
  /** `key_…`; whom requests and budgets belong to. */
  readonly id: string
  /** What its operator calls it. */
  readonly name: string
  /** SHA-256 of the key, in hex: a key of 256 random bits cannot be found from it. */
  readonly hash: string
  readonly perHourUsd?: Usd
  readonly perDayUsd?: Usd
  readonly perMonthUsd?: Usd
  readonly totalUsd?: Usd
  /** Canonical ids it may ask for; absent for all of them. */
  readonly models?: readonly string[]
  readonly createdAt: number
  readonly expiresAt?: number
  readonly revokedAt?: number
}

/** @throws RouteplaneError `store_unavailable`. */
export type CallerKeyStore = {
  add(key: CallerKey): Promise<void>
  byHash(hash: string): Promise<CallerKey | undefined>
  get(id: string): Promise<CallerKey | undefined>
  /** Oldest first. */
  list(): Promise<readonly CallerKey[]>
  /** @returns whether there was such a key; one that is revoked already stays as it is. */
  revoke(id: string, now: number): Promise<boolean>
  /** The requests of a caller that began in a span of time (milliseconds since the epoch, the end excluded), oldest first. */
  requestsOf(caller: string, from: number, to: number): Promise<readonly RequestRow[]>
}
