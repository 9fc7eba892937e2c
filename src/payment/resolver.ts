/** Ends attempts by what the chain shows: once, until known, in the background, and after a crash. */
import { setMaxListeners } from 'node:events'
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
  /** Gives back what was held for an attempt of which no signature has left: now, or once the ledger can be written. Never rejects. */
  giveBack(attemptId: string, reason: string): Promise<void>
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
/** Before a following that failed begins anew. */
const RETRY_MS = 10_000

export function createResolver(deps: ResolverDeps): Resolver {
  const followed = new Map<string, Promise<void>>()
  const closing = new AbortController()
  // Each payment that is followed waits on this one signal; Node takes more than ten for a leak and says so on stderr.
  setMaxListeners(0, closing.signal)

  async function settle(attemptId: string, how: SettleOptions): Promise<'settled' | 'released' | 'open'> {
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
      const stopped = await deps.clock.sleep(delay, signalOf(how.signal)).then(
        () => false,
        () => true,
      )
      if (stopped) return 'open'
    }
  }

  function signalOf(signal: AbortSignal | undefined): AbortSignal {
    return signal === undefined ? closing.signal : AbortSignal.any([signal, closing.signal])
  }

  /** A ledger that cannot be written now may be later: nothing but its end, or ours, closes a case. */
  function keepOn(attemptId: string, work: () => Promise<unknown>): void {
    if (followed.has(attemptId) || closing.signal.aborted) return
    const untilDone = async (): Promise<void> => {
      while (!closing.signal.aborted) {
        try {
          await work()
          return
        } catch (error) {
          deps.log.error('attempt cannot be resolved now', { attempt: attemptId, message: toRouteplaneError(error).message })
        }
        await deps.clock.sleep(RETRY_MS, closing.signal).catch(() => {})
      }
    }
    const task = untilDone().finally(() => followed.delete(attemptId))
    followed.set(attemptId, task)
  }

  function follow(attemptId: string): void {
    keepOn(attemptId, () => settle(attemptId, { untilKnown: true }))
  }

  async function giveBack(attemptId: string, reason: string): Promise<void> {
    const end = () => deps.ledger.attempts.end(attemptId, { state: 'released', reason, now: deps.clock.now() })
    await end().catch((error: unknown) => {
      deps.log.error('hold cannot be given back yet', { attempt: attemptId, message: toRouteplaneError(error).message })
      keepOn(attemptId, end)
    })
  }

  /** Nothing was signed before the intent was written, so a hold alone is free; the rest is the chain's to say. */
  async function takeOver({ id, state }: AttemptRow): Promise<void> {
    const now = deps.clock.now()
    if (state === 'held') await deps.ledger.attempts.end(id, { state: 'released', reason: 'its process ended before signing', now })
    if (state === 'intent') await deps.ledger.attempts.end(id, { state: 'unknown', reason: 'its process ended', now })
  }

  /** @returns whether the attempt has an end now. */
  async function heal(row: AttemptRow): Promise<boolean> {
    try {
      await takeOver(row)
      if ((await settle(row.id, { tries: 1 })) !== 'open') return true
      follow(row.id)
    } catch (error) {
      // It is ours since it was adopted, so nobody else will ever look at it again.
      deps.log.warn('attempt cannot be healed yet', { attempt: row.id, message: toRouteplaneError(error).message })
      keepOn(row.id, async () => {
        await takeOver(row)
        await settle(row.id, { untilKnown: true })
      })
    }
    return false
  }

  async function recover(): Promise<RecoveryReport> {
    const orphans = await deps.ledger.attempts.orphans(deps.clock.now())
    let ended = 0
    let found = 0
    for (const row of orphans) {
      if (!(await deps.ledger.attempts.adopt(row.id))) continue
      found++
      if (await heal(row)) ended++
    }
    return { found, ended, following: found - ended }
  }

  async function sweep(): Promise<number> {
    const open = await deps.ledger.attempts.list({ states: ['unknown'], limit: 10_000 })
    let ended = 0
    for (const { id } of open) if ((await settle(id, { tries: 1 })) !== 'open') ended++
    return ended
  }

  return {
    settle,
    follow,
    giveBack,
    recover,
    sweep,
    async close() {
      closing.abort(new Error('closing'))
      await Promise.allSettled(followed.values())
    },
  }
}
