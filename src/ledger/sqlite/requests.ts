/** Request rows: queued in memory off the path of the request, written many at a time. */
import type { Usage } from '../../completion/usage.ts'
import { RouteplaneError } from '../../errors.ts'
import { isNestedWithin, isRecord, MAX_JSON_DEPTH, parseJson } from '../../lib/json.ts'
import type { Log } from '../../lib/log.ts'
import type { RequestRow } from '../entry.ts'
import type { RequestStore } from '../ledger.ts'
import { createRequestQueue, type RequestQueue } from '../request-queue.ts'
import { plainText, present } from '../rules.ts'
import type { Engine } from './attempts.ts'
import { amountOf, damaged, numberOf, optional, textOf } from './columns.ts'
import { isStoreFault, type Bound, type Connection, type Row } from './connection.ts'

/** Milliseconds a row waits for company: ten flushes a second, however many requests there are. */
const LINGER_MS = 100

/** Rows that are not kept waiting for the rest of that time. */
const MAX_WAITING = 2_000

/** Rows in one transaction: more would hold the event loop for milliseconds at a time. */
const MAX_ROWS = 256

/** Milliseconds after which rows that could not be written are tried again. */
const RETRY_MS = 1_000

/** Characters of an upstream's own usage object; beyond it only our counts are kept. */
const MAX_RAW = 16_384

const columns = [
  'id',
  'caller',
  'protocol',
  'requested_model',
  'provider',
  'model',
  'mode',
  'status',
  'error_code',
  'usage',
  'cost_usd',
  'ttft_ms',
  'total_ms',
  'attempts',
  'started_at',
  'decision',
] as const

/** Rows in one statement: each costs less than in one of its own. */
const TOGETHER = 16

const marks = `(${columns.map(() => '?').join(', ')})`
const put = (rows: number) => `INSERT OR REPLACE INTO requests (${columns.join(', ')}) VALUES ${Array(rows).fill(marks).join(', ')}`

export const requestSql = {
  putRequest: put(1),
  putRequests: put(TOGETHER),
  requestById: 'SELECT * FROM requests WHERE id = ?',
  lastRequests: 'SELECT * FROM requests ORDER BY started_at DESC, id DESC LIMIT ?',
} as const

export type OpenRequestStore = {
  readonly store: RequestStore
  /** Writes what is queued and takes nothing more. @throws RouteplaneError `store_unavailable` */
  close(): Promise<void>
}

/** Reads write what is queued first, so that a row is there for whoever has been told of its request. */
export function openRequestStore(engine: Engine, log: Log): OpenRequestStore {
  const queue = createRequestQueue()
  const flush = createFlush(engine, queue, log)
  let timer: NodeJS.Timeout | undefined
  let closed = false

  const flushAfter = (ms: number) => {
    timer ??= setTimeout(flushNow, ms).unref()
  }
  const flushNow = () => {
    clearTimeout(timer)
    timer = undefined
    flush().catch((cause: RouteplaneError) => {
      log.warn('ledger.requests_not_written', { code: cause.code, waiting: queue.size() })
      if (!closed) flushAfter(RETRY_MS)
    })
  }
  const record = (row: RequestRow) => {
    if (closed) return log.warn('ledger.requests_dropped', { count: 1 })
    queue.add(row)
    if (queue.size() === MAX_WAITING) flushNow()
    else flushAfter(LINGER_MS)
  }
  return {
    store: { record, flush, ...readers(engine, flush) },
    async close() {
      closed = true
      clearTimeout(timer)
      await flush()
    },
  }
}

function readers({ connection, read }: Engine, flush: () => Promise<void>): Pick<RequestStore, 'get' | 'list'> {
  return {
    async get(id) {
      await flush()
      return (await read(() => connection.all(requestSql.requestById, [id]).map(readRequest)))[0]
    },
    async list(limit) {
      if (!Number.isSafeInteger(limit) || limit < 0) throw new RouteplaneError('internal', 'a limit is not a whole number')
      await flush()
      return read(() => connection.all(requestSql.lastRequests, [limit]).map(readRequest))
    },
  }
}

/** Makes the one function that writes the queue: calls that overlap share the work and its outcome. */
function createFlush({ connection, writer }: Engine, queue: RequestQueue, log: Log): () => Promise<void> {
  let flushing: Promise<void> | undefined
  const writeAll = async () => {
    report(log, queue.takeDropped())
    for (let rows = queue.take(MAX_ROWS); rows.length > 0; rows = queue.take(MAX_ROWS)) {
      try {
        await writer.writeLoosely(() => writeRows(connection, rows, log))
      } catch (cause) {
        queue.putBack(rows)
        throw cause
      }
    }
  }
  return async () => {
    // A flush under way may be past its last row when another comes: ask again until none is left.
    while (flushing !== undefined || queue.size() > 0) {
      flushing ??= writeAll().finally(() => {
        flushing = undefined
      })
      await flushing
    }
  }
}

function report(log: Log, dropped: number): void {
  if (dropped > 0) log.warn('ledger.requests_dropped', { count: dropped })
}

function writeRows(connection: Connection, rows: readonly RequestRow[], log: Log): void {
  for (let at = 0; at < rows.length; at += TOGETHER) {
    const some = rows.slice(at, at + TOGETHER)
    if (some.length < TOGETHER || !tryToRun(connection, requestSql.putRequests, valuesOfAll(some))) writeEach(connection, some, log)
  }
}

/** A row that cannot be written is left out and reported: it must not keep the others from the disk. */
function writeEach(connection: Connection, rows: readonly RequestRow[], log: Log): void {
  for (const row of rows) {
    if (!tryToRun(connection, requestSql.putRequest, valuesOf(row))) log.warn('ledger.request_unwritable', { id: row.id })
  }
}

/** @returns `false`, with nothing of it written, when a row is at fault. @throws what the store throws when it is. */
function tryToRun(connection: Connection, sql: string, values: readonly Bound[]): boolean {
  try {
    connection.run(sql, values)
    return true
  } catch (cause) {
    if (isStoreFault(cause)) throw cause
    return false
  }
}

function valuesOfAll(rows: readonly RequestRow[]): readonly Bound[] {
  const values: Bound[] = []
  for (const row of rows) values.push(...valuesOf(row))
  return values
}

/** Names come from callers and upstreams and may hold anything; the id is ours. */
function valuesOf(row: RequestRow): readonly Bound[] {
  return [
    row.id,
    plainText(row.caller),
    plainText(row.protocol),
    plainText(row.requestedModel),
    plainOrNone(row.provider),
    plainOrNone(row.model),
    plainOrNone(row.mode),
    row.status,
    plainOrNone(row.errorCode),
    row.usage === undefined ? undefined : usageText(row.usage),
    row.costUsd?.toString(),
    row.ttftMs,
    row.totalMs,
    row.attempts,
    row.startedAt,
    plainOrNone(row.decision),
  ]
}

function plainOrNone(text: string | undefined): string | undefined {
  return text === undefined ? undefined : plainText(text)
}

/** The upstream's own object is kept when it is plain and of a sane size; our counts are kept always. */
function usageText(usage: Usage): string {
  const { raw, ...counts } = usage
  const text = JSON.stringify(counts)
  const kept = keptText(raw)
  return kept === undefined ? text : `${text.slice(0, -1)},"raw":${kept}}`
}

function keptText(raw: unknown): string | undefined {
  try {
    const text = JSON.stringify(raw) as string | undefined
    // One level is ours: what is written must be read back.
    return text === undefined || text.length > MAX_RAW || !isNestedWithin(text, MAX_JSON_DEPTH - 1) ? undefined : text
  } catch {
    // Cyclic, too deep, or with values that JSON has no form for.
    return undefined
  }
}

/** Reads a row of the table of requests. */
export function readRequest(row: Row): RequestRow {
  return {
    id: textOf(row, 'id'),
    caller: textOf(row, 'caller'),
    protocol: textOf(row, 'protocol'),
    requestedModel: textOf(row, 'requested_model'),
    ...(present({
      provider: optional(row, 'provider', textOf),
      model: optional(row, 'model', textOf),
      mode: optional(row, 'mode', textOf),
      errorCode: optional(row, 'error_code', textOf),
      usage: optional(row, 'usage', readUsage),
      costUsd: optional(row, 'cost_usd', amountOf),
      ttftMs: optional(row, 'ttft_ms', numberOf),
      decision: optional(row, 'decision', textOf),
    }) as Partial<RequestRow>),
    status: numberOf(row, 'status'),
    totalMs: numberOf(row, 'total_ms'),
    attempts: numberOf(row, 'attempts'),
    startedAt: numberOf(row, 'started_at'),
  }
}

const counts = ['inputTokens', 'outputTokens', 'cacheReadTokens', 'cacheWriteTokens', 'cacheWrite1hTokens', 'reasoningTokens'] as const

function readUsage(row: Row, column: string): Usage {
  const usage = parseJson(textOf(row, column))
  if (!isRecord(usage) || (usage['origin'] !== 'provider' && usage['origin'] !== 'estimated')) throw damaged(column)
  for (const name of counts) if (usage[name] !== undefined && typeof usage[name] !== 'number') throw damaged(column)
  // JSON leaves out what is undefined, and these two are always there: unknown is a value of theirs.
  return { inputTokens: undefined, outputTokens: undefined, ...(usage as Partial<Usage>), origin: usage['origin'] }
}
