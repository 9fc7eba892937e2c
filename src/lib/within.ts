/** Waits for work, but not for ever. */
import type { Clock } from './clock.ts'

/** Resolves when the work has settled or the time is up, and says whether it was in time. Never rejects. */
export async function within(ms: number, work: Promise<unknown>, clock: Clock): Promise<boolean> {
  const done = new AbortController()
  const late = clock.sleep(ms, done.signal).then(
    () => false,
    () => false,
  )
  const settled = work.then(
    () => true,
    () => true,
  )
  const isInTime = await Promise.race([settled, late])
  done.abort()
  return isInTime
}
