/** Keeps health across restarts and shares it among the processes of one ledger, beside the requests and never before them. */
import { toRouteplaneError } from '../errors.ts'
import type { HealthStore } from '../ledger/ledger.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import type { Health } from '../selection/health.ts'

/** How old another process's word may be. */
const SYNC_MS = 2_000

export type HealthSync = {
  /** Writes what is new here and reads what is new elsewhere. Never rejects: health is a hint, and its loss costs a few tries. */
  sync(): Promise<void>
  /** Syncs once more and no longer. */
  stop(): Promise<void>
}

export function startHealthSync(
  health: Health,
  store: HealthStore,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
): HealthSync {
  let readUntil = 0
  let running: Promise<void> | undefined
  const run = async () => {
    try {
      const changed = health.takeChanged()
      if (changed.length > 0) await store.save(changed, clock.now())
      const rows = await store.others(readUntil)
      health.absorb(rows)
      // A row is written a little after its time; what is read twice does no harm.
      readUntil = Math.max(readUntil, (rows.at(-1)?.at ?? 0) - 2 * SYNC_MS)
    } catch (cause) {
      log.warn('health not kept', { message: toRouteplaneError(cause).message })
    }
  }
  const sync = () =>
    (running ??= run().finally(() => {
      running = undefined
    }))
  const timer = setInterval(() => void sync(), SYNC_MS)
  timer.unref()
  return {
    sync,
    async stop() {
      clearInterval(timer)
      await running
      await run()
    },
  }
}
