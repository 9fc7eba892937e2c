/** Notices that a caller has paid for the same words twice within seconds, as agents do that send a request streamed and whole. */
import { createHash } from 'node:crypto'
import type { Clock } from '../lib/clock.ts'
import type { GatewayCall } from './call.ts'

export type Twins = {
  /**
   * Takes note of a call that is paid for.
   *
   * @returns the request that has just been paid for in the same words, whatever the wire and whether it streams; nothing is known
   *   of one whose words cannot be read.
   */
  note(call: GatewayCall): string | undefined
}

/** Whoever means to ask again takes longer than that. */
const TOGETHER_MS = 10_000
/** The longest ago is forgotten first. */
const MOST = 10_000

export function createTwins(clock: Pick<Clock, 'now'>): Twins {
  const paid = new Map<string, { readonly id: string; readonly at: number }>()
  return {
    note(call) {
      // Who pays for his calls himself is one of many under one name, and is told nothing of the others.
      const key = call.asksNobody === true ? undefined : wordsOf(call)
      if (key === undefined) return undefined
      const before = paid.get(key)
      paid.delete(key)
      paid.set(key, { id: call.id, at: clock.now() })
      const [oldest] = paid.keys()
      if (paid.size > MOST && oldest !== undefined) paid.delete(oldest)
      // One request may be paid for in several tries.
      return before === undefined || before.id === call.id || clock.now() - before.at > TOGETHER_MS ? undefined : before.id
    },
  }
}

/** Without what says only how the answer is to come, or who is billed for it. */
function wordsOf({ caller, decode }: GatewayCall): string | undefined {
  try {
    const { stream: _form, account: _billing, ...words } = decode()
    return createHash('sha256')
      .update(JSON.stringify([caller, words]))
      .digest('base64url')
  } catch {
    // On the native lane a request goes through that this build cannot read in full.
    return undefined
  }
}
