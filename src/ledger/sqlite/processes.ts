/** Which processes use this ledger, and which of them are gone. */
import type { Clock } from '../../lib/clock.ts'
import { isDead, isRunning } from '../owner.ts'
import { numberOf } from './columns.ts'
import type { Connection } from './connection.ts'

/** Well below the silence that convicts, so that a few late beats do no harm. */
export const HEARTBEAT_MS = 10_000

/** A row this old is of no use: an owner without one is dead as well. */
const FORGET_MS = 24 * 60 * 60 * 1_000

export const processSql = {
  beat: 'INSERT INTO processes (owner, heartbeat) VALUES (?, ?) ON CONFLICT (owner) DO UPDATE SET heartbeat = excluded.heartbeat',
  heartbeat: 'SELECT heartbeat FROM processes WHERE owner = ?',
  signOff: 'DELETE FROM processes WHERE owner = ?',
} as const

const FORGET = 'DELETE FROM processes WHERE heartbeat < ?'

export type ProcessRegistry = {
  readonly self: string
  /** Says that we live; inside a transaction. */
  beat(): void
  /** Says that we are done: what we leave open may be adopted at once. */
  signOff(): void
  isDead(owner: string, now: number): boolean
}

export function createProcessRegistry(connection: Connection, clock: Clock, self: string): ProcessRegistry {
  return {
    self,
    beat() {
      connection.run(processSql.beat, [self, clock.now()])
      connection.run(FORGET, [clock.now() - FORGET_MS])
    },
    signOff: () => void connection.run(processSql.signOff, [self]),
    isDead(owner, now) {
      const row = connection.all(processSql.heartbeat, [owner])[0]
      return isDead(owner, row === undefined ? undefined : numberOf(row, 'heartbeat'), { self, now, isRunning })
    },
  }
}
