/** Ends attempts by what the chain shows: once, until known, in the background, and after a crash. */
import { setMaxListeners } from 'node:events'
import type { Chain } from '../chain/chain.ts'
import { toRouteplaneError } from '../errors.ts'
import { type CancelSignal, toAbortSignal } from '../lib/cancel.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import type { AttemptRow } from '../ledger/entry.ts'
import type { Ending, Ledger } from '../ledger/ledger.ts'
import { gatherEvidence } from './proof/index.ts'
import type { SolanaSide } from '../wallet/solana/open.ts'

export type Resolver = {
  /** Asks the chain, `tries` times or until it is known; writes the ending. @returns `open` when nothing is proven. */
  settle(attemptId: string, how: SettleOptions): Promise<'settled' | 'released' | 'open'>
  /** Goes on asking in the background until it is known or the resolver is closed. */
  follow(attemptId: string): void
  /** Gives back what was held for an attempt of which no signature has left: now, or once the ledger can be written. Never rejects. */
  giveBack(attemptId: string, reason: string): Promise<void>
  /** Writes an ending that needs no proof: now, or once the ledger can be written. Never rejects. */
  conclude(attemptId: string, ending: Ending): Promise<void>
  /** Ends what dead processes left open: at once where nothing was signed, by the chain where something may have been. */
  recover(): Promise<RecoveryReport>
  /** Asks the chain once for every attempt of this process that is unknown. @returns how many have an end now. */
  sweep(): Promise<number>
  close(): Promise<void>
}

export type SettleOptions = {
  readonly tries?: number
  readonly untilKnown?: boolean
  readonly signal?: CancelSignal
  /** Where the seller says the transfer is: a hint that saves a search. */
  readonly transaction?: string
}

export type RecoveryReport = { readonly found: number; readonly ended: number; readonly following: number }

export type ResolverDeps = {
  readonly ledger: Ledger
  chainOf(network: string): Chain
  readonly solana?: Pick<SolanaSide, 'chainOf'>
  readonly clock: Clock
  readonly log: Log
}

const FIRST_DELAY_MS = 150
/** More than a wallet can have open while its money lasts. */
const MAX_SWEPT = 10_000
/** News that is so far off is not waited for by anybody who has only a few tries. */
const LATER_MS = 30_000
/** Before a following that failed begins anew. */
const RETRY_MS = 10_000

export function createResolver(deps: ResolverDeps): Resolver {
  const { ledger, clock, log } = deps
  const followed = new Map<string, Promise<void>>()
  const closing = new AbortController()
  // Each payment that is followed waits on this one signal; Node takes more than ten for a leak and says so on stderr.
  setMaxListeners(0, closing.signal)
  const ask = (id: string, { signal, ...how }: SettleOptions) => {
    const either = signal === undefined ? closing.signal : AbortSignal.any([toAbortSignal(signal), closing.signal])
    return settle(id, { ...how, signal: either }, deps)
  }

  /** A ledger that cannot be written now may be later: nothing but its end, or ours, closes a case. */
  async function untilDone(attempt: string, work: () => Promise<unknown>): Promise<void> {
    while (!closing.signal.aborted) {
      try {
        await work()
        return
      } catch (error) {
        log.error('attempt cannot be resolved now', { attempt, message: toRouteplaneError(error).message })
      }
      await clock.sleep(RETRY_MS, closing.signal).catch(() => {})
    }
  }

  function keepOn(attemptId: string, work: () => Promise<unknown>): void {
    if (followed.has(attemptId) || closing.signal.aborted) return
    const task = untilDone(attemptId, work).finally(() => {
      followed.delete(attemptId)
    })
    followed.set(attemptId, task)
  }

  const follow = (attemptId: string) => keepOn(attemptId, () => ask(attemptId, { untilKnown: true }))

  async function conclude(attemptId: string, ending: Ending): Promise<void> {
    const end = () => ledger.attempts.end(attemptId, ending)
    await end().catch((error: unknown) => {
      log.error('attempt cannot be ended yet', { attempt: attemptId, message: toRouteplaneError(error).message })
      keepOn(attemptId, end)
    })
  }

  /** @returns whether the attempt has an end now. */
  async function heal(row: AttemptRow): Promise<boolean> {
    try {
      await takeOver(row, deps)
      if ((await ask(row.id, { tries: 1 })) !== 'open') return true
      follow(row.id)
    } catch (error) {
      // It is ours since it was adopted, so nobody else will ever look at it again.
      log.warn('attempt cannot be healed yet', { attempt: row.id, message: toRouteplaneError(error).message })
      keepOn(row.id, async () => {
        await takeOver(row, deps)
        await ask(row.id, { untilKnown: true })
      })
    }
    return false
  }

  return {
    settle: ask,
    follow,
    giveBack: (attemptId, reason) => conclude(attemptId, { state: 'released', reason, now: clock.now() }),
    conclude,
    async recover() {
      const report = { found: 0, ended: 0 }
      for (const row of await ledger.attempts.orphans(clock.now())) {
        if (!(await ledger.attempts.adopt(row.id))) continue
        report.found++
        if (await heal(row)) report.ended++
      }
      return { ...report, following: report.found - report.ended }
    },
    async sweep() {
      const open = await ledger.attempts.list({ states: ['unknown'], limit: MAX_SWEPT })
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

/**
 * Nothing was signed before the intent was written, so a hold alone is free, unless it is for an invoice: that call may have
 * been answered, and what it came to died with its process. The rest is the chain's to say.
 */
async function takeOver({ id, state, mode, heldUsd }: AttemptRow, { ledger, clock }: ResolverDeps): Promise<void> {
  const now = clock.now()
  if (state === 'held' && mode === 'invoice') {
    const reason = 'the bound: its process ended before the usage was known'
    return ledger.attempts.end(id, { state: 'owed', amountUsd: heldUsd, reason, now })
  }
  if (state === 'held') await ledger.attempts.end(id, { state: 'released', reason: 'its process ended before signing', now })
  if (state === 'intent') await ledger.attempts.end(id, { state: 'unknown', reason: 'its process ended', now })
}

type Settled = 'settled' | 'released' | 'open'

/** Asks the chain until the attempt has an end, the tries are used up, or the signal aborts. */
async function settle(attemptId: string, how: SettleOptions, deps: ResolverDeps): Promise<Settled> {
  for (let tried = 1; ; tried++) {
    const row = await deps.ledger.attempts.get(attemptId)
    if (row === undefined) return 'released'
    if (row.state === 'settled' || row.state === 'released') return row.state
    // A debt is as final as a payment: nobody needs to ask anybody for it any more.
    if (row.state === 'owed') return 'settled'
    if (row.payment === undefined) return 'open'
    const claimed = how.transaction === undefined ? {} : { claimed: how.transaction }
    const evidence = await gatherEvidence(row.payment, { ...deps, now: deps.clock.now(), ...claimed })
    if (evidence.state !== 'open') {
      await deps.ledger.attempts.end(attemptId, evidence)
      deps.log.info('attempt ended', { attempt: attemptId, state: evidence.state })
      return evidence.state === 'settled' ? 'settled' : 'released'
    }
    if (how.untilKnown !== true && (tried >= (how.tries ?? 1) || evidence.retryAfterMs >= LATER_MS)) return 'open'
    const delay = Math.min(evidence.retryAfterMs, FIRST_DELAY_MS * 2 ** Math.min(tried, 10))
    const stopped = await deps.clock.sleep(delay, how.signal).then(
      () => false,
      () => true,
    )
    if (stopped) return 'open'
  }
}
