/** Keys of callers on SQLite; a key is looked up by its hash with each request, so that a revoked one ends at once. */
import { RouteplaneError } from '../../errors.ts'
import { defined } from '../../lib/defined.ts'
import { parseJson } from '../../lib/json.ts'
import type { CallerKey, CallerKeyStore } from '../caller-key.ts'
import type { RequestStore } from '../ledger.ts'
import { plainText } from '../rules.ts'
import type { Engine } from './attempts.ts'
import { amountOf, damaged, numberOf, optional, textOf } from './columns.ts'
import { isConstraint, type Row } from './connection.ts'
import { readRequest } from './requests.ts'

export const callerKeySql = {
  addKey:
    'INSERT INTO caller_keys (id, name, hash, per_hour_usd, per_day_usd, per_month_usd, total_usd, models, created_at, expires_at) ' +
    'VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
  keyByHash: 'SELECT * FROM caller_keys WHERE hash = ?',
  keyById: 'SELECT * FROM caller_keys WHERE id = ?',
  revokeKey: 'UPDATE caller_keys SET revoked_at = coalesce(revoked_at, ?) WHERE id = ?',
  requestsOfCaller: 'SELECT * FROM requests WHERE started_at >= ? AND started_at < ? AND caller = ? ORDER BY started_at, id',
} as const

/** Read only to be shown. */
const EVERY_KEY = 'SELECT * FROM caller_keys ORDER BY id'

export function createCallerKeyStore({ connection, writer, read }: Engine, requests: Pick<RequestStore, 'flush'>): CallerKeyStore {
  const readOne = (sql: string, value: string) => read(() => connection.all(sql, [plainText(value)]).map(readKey)[0])
  return {
    add: (key) => writer.write(() => add(key)),
    byHash: (hash) => readOne(callerKeySql.keyByHash, hash),
    get: (id) => readOne(callerKeySql.keyById, id),
    list: () => read(() => connection.all(EVERY_KEY).map(readKey)),
    revoke: (id, now) => writer.write(() => connection.run(callerKeySql.revokeKey, [now, plainText(id)]) > 0),
    async requestsOf(caller, from, to) {
      await requests.flush()
      return read(() => connection.all(callerKeySql.requestsOfCaller, [from, to, plainText(caller)]).map(readRequest))
    },
  }

  function add(key: CallerKey): void {
    const caps = [key.perHourUsd, key.perDayUsd, key.perMonthUsd, key.totalUsd].map((cap) => cap?.toString())
    const models = key.models === undefined ? undefined : JSON.stringify(key.models)
    try {
      connection.run(callerKeySql.addKey, [key.id, plainText(key.name), key.hash, ...caps, models, key.createdAt, key.expiresAt])
    } catch (cause) {
      throw isConstraint(cause) ? new RouteplaneError('internal', `key ${key.id} exists already`, { cause }) : cause
    }
  }
}

function readKey(row: Row): CallerKey {
  const known = defined({
    perHourUsd: optional(row, 'per_hour_usd', amountOf),
    perDayUsd: optional(row, 'per_day_usd', amountOf),
    perMonthUsd: optional(row, 'per_month_usd', amountOf),
    totalUsd: optional(row, 'total_usd', amountOf),
    models: optional(row, 'models', readModels),
    expiresAt: optional(row, 'expires_at', numberOf),
    revokedAt: optional(row, 'revoked_at', numberOf),
  })
  return {
    id: textOf(row, 'id'),
    name: textOf(row, 'name'),
    hash: textOf(row, 'hash'),
    createdAt: numberOf(row, 'created_at'),
    ...(known as Partial<CallerKey>),
  }
}

function readModels(row: Row, column: string): readonly string[] {
  const models = parseJson(textOf(row, column))
  if (!Array.isArray(models) || !models.every((model) => typeof model === 'string')) throw damaged(column)
  return models
}
