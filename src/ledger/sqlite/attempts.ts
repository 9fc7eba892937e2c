/** The attempts of the ledger on SQLite: each change is one transaction over row, budgets and journal. */
import { RouteplaneError } from '../../errors.ts'
import type { Clock } from '../../lib/clock.ts'
import { isRecord, parseJson } from '../../lib/json.ts'
import { addUsd, type Usd } from '../../money.ts'
import type { AttemptRow } from '../entry.ts'
import type { AttemptFilter, AttemptStore, HoldOutcome, HoldRequest, TriedCall } from '../ledger.ts'
import {
  attemptStates,
  checkHold,
  countedUsd,
  decideHold,
  openStates,
  planEnding,
  planIntent,
  planRenewal,
  planReopening,
  present,
  type Standing,
} from '../rules.ts'
import { attemptSql, insertValues, readAttempt, updateValues } from './attempt-row.ts'
import { applyMove, readBudget, reserve } from './budgets.ts'
import { damaged, textOf } from './columns.ts'
import type { Bound, Connection, Row } from './connection.ts'
import { isConstraint } from './connection.ts'
import { appendEvent } from './events.ts'
import type { ProcessRegistry } from './processes.ts'
import type { Writer } from './writer.ts'

/** What the stores of one ledger share. */
export type Engine = {
  readonly connection: Connection
  readonly writer: Writer
  readonly processes: ProcessRegistry
  readonly clock: Clock
  /** Runs a read; a fault of the store is `store_unavailable`. */
  readonly read: <T>(run: () => T) => Promise<T>
}

export function createAttemptStore(engine: Engine): AttemptStore {
  const { connection, writer, processes, clock, read } = engine
  const change = (id: string, plan: (row: AttemptRow) => AttemptRow | undefined) => writer.write(() => move(connection, id, plan))
  return {
    hold: (request) => writer.write(() => hold(connection, processes.self, request)),
    intend: (id, intent) => change(id, (row) => planIntent(row, intent)),
    renew: (id, renewal) => change(id, (row) => planRenewal(row, renewal)),
    end: (id, ending) => change(id, (row) => planEnding(row, ending)),
    reopen: (id, reopening) => change(id, (row) => planReopening(row, reopening)),
    get: (id) => read(() => find(connection, id)),
    list: (filter) => read(() => connection.all(...listQuery(filter)).map(readAttempt)),
    untold: (call, now) => read(() => untold(engine, call, now)),
    orphans: (now) => read(() => orphans(engine, now)),
    adopt: (id) => writer.write(() => adopt(engine, id, clock.now())),
    budgets: (limits) => read(() => limits.map((limit) => readBudget(connection, limit))),
  }
}

/** Cost does not grow with the ledger: a row a budget, and the request's own attempts by index. */
function hold(connection: Connection, owner: string, request: HoldRequest): HoldOutcome {
  checkHold(request)
  const { id, requestId, provider, model, mode, caller, preset, fingerprint, amount, now } = request
  const siblings = connection.all(attemptSql.attemptsOfRequest, [requestId]).map(readAttempt)
  const standings: readonly Standing[] = [
    { limit: { scope: 'request', window: requestId, cap: request.requestCap }, used: addUsd(...siblings.map(countedUsd)) },
    ...request.budgets.map((limit) => ({ limit, used: usedUnder(connection, limit) })),
  ]
  const outcome = decideHold(amount, standings)
  if (!outcome.granted) return outcome
  const row: AttemptRow = {
    id,
    requestId,
    provider,
    model,
    mode,
    ...present({ caller, preset, fingerprint }),
    state: 'held',
    heldUsd: amount,
    owner,
    createdAt: now,
    updatedAt: now,
  }
  guardUnique(`attempt ${id} exists already`, () => connection.run(attemptSql.insertAttempt, insertValues(row)))
  reserve(connection, id, amount, request.budgets)
  appendEvent(connection, undefined, row)
  return outcome
}

function usedUnder(connection: Connection, limit: Standing['limit']): Usd {
  const { reserved, spent } = readBudget(connection, limit)
  return addUsd(reserved, spent)
}

function move(connection: Connection, id: string, plan: (row: AttemptRow) => AttemptRow | undefined): void {
  const row = find(connection, id)
  if (row === undefined) throw new RouteplaneError('internal', `there is no attempt ${id}`)
  const next = plan(row)
  if (next === undefined) return
  const taken = `the nonce of attempt ${id} is recorded already for another attempt`
  guardUnique(taken, () => connection.run(attemptSql.updateAttempt, updateValues(next)))
  applyMove(connection, row, next)
  appendEvent(connection, row, next)
}

function find(connection: Connection, id: string): AttemptRow | undefined {
  const row = connection.all(attemptSql.attemptById, [id])[0]
  return row === undefined ? undefined : readAttempt(row)
}

function orphans(engine: Engine, now: number): readonly AttemptRow[] {
  const [sql, parameters] = listQuery({ states: openStates }, 'ASC')
  const verdicts = new Map<string, boolean>()
  return engine.connection
    .all(sql, parameters)
    .map(readAttempt)
    .filter(({ owner }) => {
      const isDead = verdicts.get(owner) ?? engine.processes.isDead(owner, now)
      verdicts.set(owner, isDead)
      return isDead
    })
}

function untold({ connection, processes }: Engine, { caller, fingerprint, since }: TriedCall, now: number): readonly AttemptRow[] {
  return connection
    .all(attemptSql.untoldAttempts, [fingerprint, since, caller])
    .filter((row) => processes.isDead(makerOf(row), now))
    .map(readAttempt)
}

function makerOf(row: Row): string {
  const made = parseJson(textOf(row, 'made'))
  if (!isRecord(made) || typeof made['owner'] !== 'string') throw damaged('detail')
  return made['owner']
}

/** Judged again inside the transaction: whoever comes second finds a living owner. */
function adopt(engine: Engine, id: string, now: number): boolean {
  const row = find(engine.connection, id)
  if (row === undefined || !openStates.includes(row.state) || !engine.processes.isDead(row.owner, now)) return false
  const adopted = { ...row, owner: engine.processes.self, updatedAt: now }
  engine.connection.run(attemptSql.adoptAttempt, [adopted.owner, now, id])
  appendEvent(engine.connection, row, adopted)
  return true
}

/** States are written out, not bound: they are ours, and the planner then knows how few rows each names. */
export function listQuery(filter: AttemptFilter, order: 'ASC' | 'DESC' = 'DESC'): readonly [sql: string, parameters: readonly Bound[]] {
  const { states, requestId, withIntent, unfinal, limit, before } = filter
  if (limit !== undefined && (!Number.isSafeInteger(limit) || limit < 0))
    throw new RouteplaneError('internal', 'a limit is not a whole number')
  const named = attemptStates.filter((state) => states?.includes(state))
  const conditions: readonly [sql: string, ...Bound[]][] = [
    ['TRUE'],
    ...(states === undefined ? [] : [[`state IN (${named.map((state) => `'${state}'`).join(', ')})`] as [string]]),
    ...(requestId === undefined ? [] : [['request_id = ?', requestId] as [string, Bound]]),
    ...(withIntent === true ? [['nonce IS NOT NULL'] as [string]] : []),
    ...(unfinal === true ? [["state = 'settled' AND finality <> 'final'"] as [string]] : []),
    ...(before === undefined ? [] : [['id < ?', before] as [string, Bound]]),
  ]
  const where = conditions.map(([condition]) => condition).join(' AND ')
  const parameters = conditions.flatMap(([, ...bound]) => bound)
  // Open attempts are few among all: the plus keeps the planner from walking the whole ledger in the order of ids.
  const areFew = states !== undefined && named.every((state) => openStates.includes(state))
  // A negative limit is SQLite's word for none.
  const tail = `ORDER BY ${areFew ? '+id' : 'id'} ${order} LIMIT ?`
  return [`SELECT * FROM attempts WHERE ${where} ${tail}`, [...parameters, limit === undefined ? -1 : limit]]
}

function guardUnique(message: string, run: () => void): void {
  try {
    run()
  } catch (cause) {
    throw isConstraint(cause) ? new RouteplaneError('internal', message, { cause, details: { reason: 'taken' } }) : cause
  }
}
