/** Keys of callers as surfaces use them: made and shown once, recognised with each request, billed by the month. */
import { createHash } from 'node:crypto'
import { RouteplaneError } from '../errors.ts'
import type { CallerKey } from '../ledger/caller-key.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { Clock } from '../lib/clock.ts'
import { createId, randomBytesOf } from '../lib/id.ts'
import { Secret } from '../lib/log.ts'
import { addUsd, ZERO_USD, type Usd } from '../money.ts'
import { capsOf, type StandingBudgets } from './budgets.ts'

export type KeyWishes = Omit<CallerKey, 'id' | 'hash' | 'createdAt' | 'revokedAt'>

export type KeyView = {
  /** Makes a key. It is shown here and never again: only its hash is kept. */
  create(wishes: KeyWishes): Promise<{ readonly key: Secret; readonly row: CallerKey }>
  list(): Promise<readonly CallerKey[]>
  /** From the next request on nobody gets in with it. @throws RouteplaneError `key_not_found`. */
  revoke(id: string): Promise<void>
  /** Whose key this is; its caps hold from here on. `undefined` for one that is unknown, expired or revoked. */
  identify(presented: string): Promise<CallerKey | undefined>
  /** What a caller has used in a calendar month (UTC, `2026-11`). @throws RouteplaneError `key_not_found`, `invalid_request`. */
  statement(id: string, month: string): Promise<Statement>
}

export type Statement = {
  readonly key: CallerKey
  readonly month: string
  readonly lines: readonly StatementLine[]
  readonly requests: number
  /** The sum of what is known; requests of unknown cost are counted apart and never as zero. */
  readonly costUsd: Usd
  readonly unpriced: number
}

export type StatementLine = { readonly model: string; readonly requests: number; readonly costUsd: Usd; readonly unpriced: number }

export type KeySources = {
  readonly ledger: Ledger
  readonly clock: Clock
  readonly budgets: Pick<StandingBudgets, 'ofKey'>
}

/** Tells our keys from any other token by sight. */
export const KEY_PREFIX = 'rp_'
const KEY_BYTES = 32

export function viewCallerKeys({ ledger, clock, budgets }: KeySources): KeyView {
  return {
    async create(wishes) {
      const key = `${KEY_PREFIX}${Buffer.from(randomBytesOf(KEY_BYTES)).toString('base64url')}`
      const now = clock.now()
      const row: CallerKey = { ...wishes, id: createId('key', now), hash: hashOf(key), createdAt: now }
      await ledger.callerKeys.add(row)
      return { key: new Secret(key), row }
    },
    list: () => ledger.callerKeys.list(),
    async revoke(id) {
      if (!(await ledger.callerKeys.revoke(id, clock.now()))) throw unknownKey(id)
    },
    async identify(presented) {
      const row = await ledger.callerKeys.byHash(hashOf(presented))
      if (row === undefined || row.revokedAt !== undefined || (row.expiresAt !== undefined && row.expiresAt <= clock.now()))
        return undefined
      budgets.ofKey(row.id, capsOf(row))
      return row
    },
    async statement(id, month) {
      const key = await ledger.callerKeys.get(id)
      if (key === undefined) throw unknownKey(id)
      const [from, to] = spanOf(month)
      const lines = new Map<string, StatementLine>()
      for (const { model = 'none', costUsd } of await ledger.callerKeys.requestsOf(id, from, to)) {
        const line = lines.get(model) ?? { model, requests: 0, costUsd: ZERO_USD, unpriced: 0 }
        const unpriced = line.unpriced + (costUsd === undefined ? 1 : 0)
        lines.set(model, {
          model,
          requests: line.requests + 1,
          costUsd: costUsd === undefined ? line.costUsd : addUsd(line.costUsd, costUsd),
          unpriced,
        })
      }
      const all = [...lines.values()].toSorted((a, b) => (a.model < b.model ? -1 : 1))
      const sum = (count: (line: StatementLine) => number) => all.reduce((total, line) => total + count(line), 0)
      const costUsd = addUsd(...all.map((line) => line.costUsd))
      return { key, month, lines: all, requests: sum((line) => line.requests), unpriced: sum((line) => line.unpriced), costUsd }
    },
  }
}

function hashOf(key: string): string {
  return createHash('sha256').update(key).digest('hex')
}

const MONTH = /^(\d{4})-(0[1-9]|1[0-2])$/

function spanOf(month: string): readonly [from: number, to: number] {
  const [, year, number] = MONTH.exec(month) ?? []
  if (year === undefined || number === undefined) throw new RouteplaneError('invalid_request', 'a month is written like 2026-11')
  return [Date.UTC(Number(year), Number(number) - 1), Date.UTC(Number(year), Number(number))]
}

function unknownKey(id: string): RouteplaneError {
  return new RouteplaneError('key_not_found', `there is no key ${JSON.stringify(id.slice(0, 60))}`)
}
