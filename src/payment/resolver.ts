/** Ends attempts by what the chain shows: once, until known, in the background, and after a crash. */
import type { Chain } from '../chain/chain.ts'
import { toRouteplaneError } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import type { AttemptRow } from '../ledger/entry.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { gatherEvidence } from './evidence.ts'

export type Resolver = {
  /** Asks the chain, `tries` times or until it is known; writes the ending. @returns `open` when nothing is proven. */
  settle(attemptId: string, how: SettleOptions): Promise<'settled' | 'released' | 'open'>
  /** Goes on asking in the background until it is known or the resolver is closed. */
  follow(attemptId: string): void
  /** Ends what dead processes left open: at once where nothing was signed, by the chain where something may have been. */
  recover(): Promise<RecoveryReport>
  /** Asks the chain once for every attempt of this process that is unknown. @returns how many have an end now. */
  sweep(): Promise<number>
  close(): Promise<void>
}

export type SettleOptions = {
  readonly tries?: number
  readonly untilKnown?: boolean
  readonly signal?: AbortSignal
  /** Where the seller says the transfer is: a hint that saves a search. */
  readonly transaction?: `0x${string}`
}

export type RecoveryReport = { readonly found: number; readonly ended: number; readonly following: number }

export type ResolverDeps = {
  readonly ledger: Ledger
  chainOf(network: string): Chain
  readonly clock: Clock
  readonly log: Log
}

const FIRST_DELAY_MS = 150
/** More than a wallet can have open while its money lasts. */
const MAX_SWEPT = 10_000
/** Before a following that failed begins anew. */
const RETRY_MS = 10_000

export function createResolver(deps: ResolverDeps): Resolver {
  const followed = new Map<string, Promise<void>>()
  const closing = new AbortController()
  const ask = (id: string, how: SettleOptions) =>
    settle(id, { ...how, signal: how.signal === undefined ? closing.signal : AbortSignal.any([how.signal, closing.signal]) }, deps)

  /** A ledger that cannot be written now may be later; nothing but an ending or our own closes the case. */
  async function followOn(attemptId: string): Promise<void> {
    while (!closing.signal.aborted) {
      try {
        await ask(attemptId, { untilKnown: true })
        return
      } catch (error) {
        deps.log.error('attempt cannot be resolved now', { attempt: attemptId, message: toRouteplaneError(error).message })
      }
      await deps.clock.sleep(RETRY_MS, closing.signal).catch(() => {})
    }
  }

  function follow(attemptId: string): void {
    if (followed.has(attemptId) || closing.signal.aborted) return
    const task = followOn(attemptId).finally(() => {
      followed.delete(attemptId)
    })
    followed.set(attemptId, task)
  }

  /** Nothing was signed before the intent was written, so a hold alone is free; the rest is the chain's to say. */
  async function heal(row: AttemptRow): Promise<boolean> {
    const now = deps.clock.now()
    if (row.state === 'held') {
      await deps.ledger.attempts.end(row.id, { state: 'released', reason: 'its process ended before signing', now })
      return true
    }
    if (row.state === 'intent') await deps.ledger.attempts.end(row.id, { state: 'unknown', reason: 'its process ended', now })
    if ((await ask(row.id, { tries: 1 })) !== 'open') return true
    follow(row.id)
    return false
  }

  return {
    settle: ask,
    follow,
    async recover() {
      const report = { found: 0, ended: 0 }
      for (const row of await deps.ledger.attempts.orphans(deps.clock.now())) {
        if (!(await deps.ledger.attempts.adopt(row.id))) continue
        report.found++
        if (await heal(row)) report.ended++
      }
      return { ...report, following: report.found - report.ended }
    },
    async sweep() {
      const open = await deps.ledger.attempts.list({ states: ['unknown'], limit: MAX_SWEPT })
      let ended = 0
      for (const { id } of open) if ((await ask(id, { tries: 1 })) !== 'open') ended++
      return ended
    },
    async close() {
      closing.abort(new Error('closing'))
      await Promise.allSettled(followed.values())
    },
  }
}

type Settled = 'settled' | 'released' | 'open'

/** Asks the chain until the attempt has an end, the tries are used up, or the signal aborts. */
async function settle(attemptId: string, how: SettleOptions, deps: ResolverDeps): Promise<Settled> {
  for (let tried = 1; ; tried++) {
    const row = await deps.ledger.attempts.get(attemptId)
    if (row === undefined) return 'released'
    if (row.state === 'settled' || row.state === 'released') return row.state
    if (row.payment === undefined) return 'open'
    const evidence = await gatherEvidence(deps.chainOf(row.payment.network), row.payment, deps.clock.now(), how.transaction)
    if (evidence.state !== 'open') {
      await deps.ledger.attempts.end(attemptId, evidence)
      deps.log.info('attempt ended', { attempt: attemptId, state: evidence.state })
      return evidence.state === 'settled' ? 'settled' : 'released'
    }
    if (how.untilKnown !== true && tried >= (how.tries ?? 1)) return 'open'
    const delay = Math.min(evidence.retryAfterMs, FIRST_DELAY_MS * 2 ** Math.min(tried, 10))
    const stopped = await deps.clock.sleep(delay, how.signal).then(
      () => false,
      () => true,
    )
    if (stopped) return 'open'
  }
}
