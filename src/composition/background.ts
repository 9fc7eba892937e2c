/** What runs beside requests: the first round of models documents, later rounds, and the healing of open payments. */
import { toRouteplaneError } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import type { RecheckReport } from '../payment/recheck.ts'
import type { RecoveryReport, Resolver } from '../payment/resolver.ts'
import type { Poller } from '../registry/poll.ts'

export type Background = {
  /** The first round is over, or has had its time. Never rejects. */
  readonly ready: Promise<void>
  /** What the healing at start found. Never rejects. */
  readonly recovered: Promise<RecoveryReport>
  stop(): Promise<void>
}

export type BackgroundDeps = {
  readonly poller: Poller
  readonly resolver: Resolver
  /** Looks at settled payments again. */
  readonly recheck: () => Promise<RecheckReport>
  /** Asks a published registry for a newer build, and takes it; what it lists is polled after it. */
  readonly refreshRegistry: (signal: AbortSignal) => Promise<void>
  readonly clock: Clock
  readonly log: Log
}

/** A slow models document holds up the first request no longer than this. */
const FIRST_ROUND_MS = 5_000
/** Other processes of this ledger may die at any time. */
const SWEEP_MS = 30_000
/** A registry changes by people's hands. */
const REGISTRY_MS = 15 * 60_000

export function startBackground({ poller, resolver, recheck, refreshRegistry, clock, log }: BackgroundDeps): Background {
  const stopping = new AbortController()
  const askAll = async () => {
    await refreshRegistry(stopping.signal)
    for (const { provider, reason } of await poller.refresh())
      if (reason !== undefined) log.warn('models document not read', { provider, reason })
  }
  const first = askAll()
  const waited = clock.sleep(FIRST_ROUND_MS, stopping.signal).catch(() => {})
  poller.start()
  const recover = async (): Promise<RecoveryReport> => {
    try {
      const report = await resolver.recover()
      if (report.found > 0)
        log.info('open payments of ended processes', { found: report.found, ended: report.ended, following: report.following })
      return report
    } catch (error) {
      log.error('open payments cannot be healed now', { message: toRouteplaneError(error).message })
      return { found: 0, ended: 0, following: 0 }
    }
  }
  const recovered = recover()
  const lookAgain = async () => {
    await recover()
    await recheck().catch((error: unknown) =>
      log.error('settled payments cannot be looked at again', { message: toRouteplaneError(error).message }),
    )
  }
  let round: Promise<void> = Promise.resolve()
  const sweep = setInterval(() => {
    round = round.then(lookAgain)
  }, SWEEP_MS)
  sweep.unref()
  const registry = setInterval(() => void refreshRegistry(stopping.signal), REGISTRY_MS)
  registry.unref()
  return {
    ready: Promise.race([first, waited]),
    recovered,
    async stop() {
      clearInterval(sweep)
      clearInterval(registry)
      stopping.abort(new Error('closing'))
      poller.stop()
      await Promise.all([recovered, round])
    },
  }
}
