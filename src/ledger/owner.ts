/** The name of a process in the ledger, and how another process tells that it is gone. */

/** A process that has not said a word for this long is taken for dead, wherever it ran. */
export const SILENCE_MS = 30_000

export type Owner = {
  readonly host: string
  readonly pid: number
  readonly startMs: number
  /** Tells apart several openings in one process; each speaks and signs off for itself. */
  readonly opening?: number
}

/** Writes `host:pid:start` or `host:pid:start.opening`. The start is the process's own, so that a recycled pid is another owner. */
export function formatOwner(owner: Owner): string {
  const opening = owner.opening === undefined ? '' : `.${owner.opening}`
  return `${owner.host}:${owner.pid}:${Math.floor(owner.startMs)}${opening}`
}

const OWNER = /^(.+):(\d{1,10}):(\d{1,16})(?:\.(\d{1,16}))?$/

/** Reads what {@link formatOwner} wrote; `undefined` for a name of another shape, which only its silence can convict. */
export function parseOwner(text: string): Owner | undefined {
  const match = OWNER.exec(text)
  if (match === null) return undefined
  const [, host = '', pid, startMs, opening] = match
  return { host, pid: Number(pid), startMs: Number(startMs), ...(opening === undefined ? {} : { opening: Number(opening) }) }
}

export type Witness = {
  /** The owner that asks. */
  readonly self: string
  readonly now: number
  /** Whether a process of this host exists. */
  readonly isRunning: (pid: number) => boolean
}

/**
 * Tells whether an owner can no longer act.
 *
 * `heartbeat` is when it last said that it lives (milliseconds since the epoch), `undefined` when it has signed off or never
 * signed on. On our own host the pid decides at once; a namesake with our own pid and another start ran before us, since two
 * processes never share one, and another opening of this very process lives until it has signed off.
 */
export function isDead(owner: string, heartbeat: number | undefined, witness: Witness): boolean {
  if (owner === witness.self) return false
  if (heartbeat === undefined || witness.now - heartbeat > SILENCE_MS) return true
  const [theirs, ours] = [parseOwner(owner), parseOwner(witness.self)]
  if (theirs === undefined || ours === undefined || theirs.host !== ours.host) return false
  if (theirs.pid === ours.pid) return theirs.startMs !== ours.startMs
  return !witness.isRunning(theirs.pid)
}

/** Asks the operating system; a process that we may not signal exists too. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (cause) {
    return (cause as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}
