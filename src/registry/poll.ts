/** Refreshes the models documents of providers on a schedule, keeps the last good one and says which are stale. */
import { RouteplaneError } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'
import { defined } from '../lib/defined.ts'
import type { Transport } from '../lib/http-call.ts'
import { randomBytesOf } from '../lib/id.ts'
import { parseJson } from '../lib/json.ts'
import type { Log } from '../lib/log.ts'
import { FetchError, fetchDocumentText, fetchFailureOf, type Fetched, type FetchFailure, type FetchFailureCode } from './document-fetch.ts'
import type { Provider } from './endpoint.ts'
import type { ModelRow, ProviderDefinition } from './model-row.ts'
import { readModelsDocument, type RowProblem } from './models-document.ts'
import { findDrifts, type PriceDrift } from './price-drift.ts'

const DEFAULT_POLL_MS = 60_000
export const MAX_DOCUMENT_BYTES = 8 * 1024 * 1024
const TOTAL_MS = 15_000
/** So many documents are fetched at a time. */
const CONCURRENCY = 8
/** Good documents are handed on together, and wait no longer than this for those that take their time. */
const TOGETHER_MS = 200

export type PollerOptions = {
  /** Who there is to ask; read anew for every round. */
  readonly definitions: () => readonly ProviderDefinition[]
  /** Receives the rows of a round's good documents, those that come about the same time at once; normally `catalog.setDocuments`. */
  readonly onDocuments: (documents: ReadonlyMap<string, readonly ModelRow[]>) => void
  readonly onDrift?: (drift: PriceDrift) => void
  readonly transport: Transport
  readonly clock: Clock
  readonly log: Log
  /** Between rounds, give or take a tenth. */
  readonly intervalMs?: number
  /** Milliseconds one exchange may take in all. */
  readonly totalMs?: number
  /** Headers that carry the user's key; only asked for where the document lives on the provider's own origin. */
  readonly authorize?: (provider: Provider) => Readonly<Record<string, string>>
  /** Starts a timer that does not keep the process alive, and gives the way to stop it. */
  readonly schedule?: (run: () => void, ms: number) => () => void
  /** A number from 0 up to 1. */
  readonly random?: () => number
}

/** What is known of one provider's document. */
export type PollStatus = {
  readonly provider: string
  readonly outcome: 'updated' | 'unchanged' | 'kept_last_good'
  /** Whether the last round failed: what the catalog holds may be old, or missing. */
  readonly isStale: boolean
  /** Milliseconds since the epoch; `undefined` when there has been no good document yet. */
  readonly lastGoodAt: number | undefined
  /** Why the last round failed. */
  readonly code?: FetchFailureCode
  readonly reason?: string
  readonly rejected: readonly RowProblem[]
  readonly ignored: readonly RowProblem[]
}

export type Poller = {
  /** Asks everybody once, now; a round that is under way is joined. Never throws: failures are in the answer. */
  refresh(): Promise<readonly PollStatus[]>
  /** Begins the rounds; the first one after an interval. */
  start(): void
  /** Ends the rounds and any exchange under way. */
  stop(): void
  status(): readonly PollStatus[]
}

type Known = {
  readonly url: string
  readonly etag: string | undefined
  readonly rows: readonly ModelRow[] | undefined
  readonly status: PollStatus
}

export function createPoller(options: PollerOptions): Poller {
  const known = new Map<string, Known>()
  const { schedule = scheduleQuietly, random = randomShare, intervalMs = DEFAULT_POLL_MS } = options
  let stopping = new AbortController()
  let round: Promise<readonly PollStatus[]> | undefined
  let cancelTimer: (() => void) | undefined

  const runRound = async (): Promise<readonly PollStatus[]> => {
    const sources = options.definitions().filter(({ provider }) => provider.modelsUrl !== undefined && provider.status === 'active')
    const batch = createBatch(options.onDocuments)
    const drifts: PriceDrift[] = []
    await inParallel(sources, CONCURRENCY, async (source) => {
      const before = known.get(source.provider.id)
      const result = await pollOne(
        source.provider,
        before?.url === source.provider.modelsUrl ? before : undefined,
        options,
        stopping.signal,
      )
      if (result === undefined) return
      known.set(source.provider.id, result)
      if (result.status.outcome !== 'updated' || result.rows === undefined) return
      batch.add(source.provider.id, result.rows)
      drifts.push(...findDrifts(source.provider.id, result.rows, source.models, before?.rows))
    })
    const current = new Set(sources.map(({ provider }) => provider.id))
    for (const id of known.keys()) if (!current.has(id)) known.delete(id)
    batch.handOn()
    for (const drift of drifts) options.onDrift?.(drift)
    return [...known.values()].map(({ status }) => status)
  }
  const refresh = (): Promise<readonly PollStatus[]> => {
    round ??= runRound().finally(() => {
      round = undefined
    })
    return round
  }
  const plan = (): void => {
    const delay = Math.round(intervalMs * (0.9 + 0.2 * random()))
    cancelTimer = schedule(() => void refresh().then(() => cancelTimer !== undefined && plan()), delay)
  }
  return {
    refresh,
    status: () => [...known.values()].map(({ status }) => status),
    start() {
      if (cancelTimer !== undefined) return
      if (stopping.signal.aborted) stopping = new AbortController()
      plan()
    },
    stop() {
      cancelTimer?.()
      cancelTimer = undefined
      stopping.abort(new RouteplaneError('cancelled', 'polling was stopped'))
    },
  }
}

/** Collects good documents, so that many change the catalog once, without letting one slow host keep back all others. */
function createBatch(onDocuments: PollerOptions['onDocuments']) {
  const rows = new Map<string, readonly ModelRow[]>()
  let cancel: (() => void) | undefined
  const handOn = (): void => {
    cancel?.()
    cancel = undefined
    if (rows.size === 0) return
    const ready = new Map(rows)
    rows.clear()
    onDocuments(ready)
  }
  const add = (provider: string, fresh: readonly ModelRow[]): void => {
    rows.set(provider, fresh)
    cancel ??= scheduleQuietly(handOn, TOGETHER_MS)
  }
  return { add, handOn }
}

/** @returns `undefined` when polling was stopped meanwhile: that says nothing about the provider. */
async function pollOne(
  provider: Provider,
  before: Known | undefined,
  options: PollerOptions,
  stopping: AbortSignal,
): Promise<Known | undefined> {
  const url = provider.modelsUrl ?? ''
  try {
    const signal = AbortSignal.any([stopping, AbortSignal.timeout(options.totalMs ?? TOTAL_MS)])
    const answer = await fetchDocument(provider, before, options, signal)
    const lastGoodAt = options.clock.now()
    if (answer === 'unchanged') {
      if (before?.rows === undefined) throw new FetchError('bad_status', 'the answer was 304 though nothing was known')
      const { rejected, ignored } = before.status
      return { ...before, status: { provider: provider.id, outcome: 'unchanged', isStale: false, lastGoodAt, rejected, ignored } }
    }
    const document = readModelsDocument(parseJson(answer.text), { requirePricing: provider.source === 'registry' })
    if ('reason' in document) throw new FetchError('bad_document', document.reason)
    const { rows, rejected, ignored } = document
    const status = { provider: provider.id, outcome: 'updated', isStale: false, lastGoodAt, rejected, ignored } as const
    return { url, etag: answer.etag, rows, status }
  } catch (thrown) {
    if (stopping.aborted) return undefined
    const failure = fetchFailureOf(thrown)
    options.log.warn('models document kept', { provider: provider.id, code: failure.code, reason: failure.message })
    return keepLastGood(provider, before ?? { url, etag: undefined, rows: undefined, status: nothingKnown(provider) }, failure)
  }
}

function nothingKnown(provider: Provider): PollStatus {
  return { provider: provider.id, outcome: 'kept_last_good', isStale: true, lastGoodAt: undefined, rejected: [], ignored: [] }
}

function keepLastGood(provider: Provider, before: Known, { code, message }: FetchFailure): Known {
  const { lastGoodAt, rejected, ignored } = before.status
  const status = {
    provider: provider.id,
    outcome: 'kept_last_good',
    isStale: true,
    lastGoodAt,
    code,
    reason: message,
    rejected,
    ignored,
  } as const
  return { ...before, status }
}

async function fetchDocument(provider: Provider, before: Known | undefined, options: PollerOptions, signal: AbortSignal): Promise<Fetched> {
  const url = provider.modelsUrl ?? ''
  const isOwnOrigin = new URL(url).origin === new URL(provider.baseUrl).origin
  // Without rows a tag would be answered by 304 and leave us with nothing.
  const etag = before?.rows === undefined ? undefined : before.etag
  const headers = isOwnOrigin ? options.authorize?.(provider) : undefined
  const { transport } = options
  return fetchDocumentText(url, { transport, signal, maxBytes: MAX_DOCUMENT_BYTES, ...defined({ etag, headers }) })
}

async function inParallel<Item>(items: readonly Item[], width: number, work: (item: Item) => Promise<void>): Promise<void> {
  const queue = items.values()
  const worker = async () => {
    for (const item of queue) await work(item)
  }
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, worker))
}

function scheduleQuietly(run: () => void, ms: number): () => void {
  const timer = setTimeout(run, ms)
  timer.unref()
  return () => clearTimeout(timer)
}

function randomShare(): number {
  return (randomBytesOf(1)[0] ?? 0) / 256
}
