/** A client library that repeats a request by itself means the same request: what its first try paid for is not paid for again. */
import { isCommitted, toRouteplaneError } from '../errors.ts'
import type { CancelSignal } from '../lib/cancel.ts'
import type { Clock } from '../lib/clock.ts'
import { MAX_KEPT_BYTES, type KeptAnswer, type Ledger } from '../ledger/ledger.ts'
import type { Completion, GatewayCall } from './call.ts'
import { keptError, lostError, recordAnswer, refuseIfPaid, replay } from './kept-answer.ts'
import { outliving, unlessLeft } from './outliving.ts'

/** How long the end of a try is kept. Official SDKs wait eight seconds at most before they try again. */
const KEPT_MS = 60_000
/** How long ago a process may have begun a try that it did not live to end. The SDKs give up one after ten minutes. */
const UNTOLD_MS = 15 * 60_000
/** Answers of this many bytes are kept together; the oldest make room. */
const MOST_BYTES = 16 * MAX_KEPT_BYTES
const MOST_TRIES = 10_000

/** What a paid try came to; nothing when it cost nothing, so that another may be made. */
type End = KeptAnswer | undefined

/** The paid calls of a moment ago, by what tells them from others. */
export type RecentTries = {
  /** A try that is about to be paid for. The last of two equal ones is the one that is tried again. */
  begin(key: string): (end: End) => void
  find(key: string): Promise<End> | undefined
}

export type TriedCall = GatewayCall & { readonly fingerprint: () => string }

type Try = { readonly ended: Promise<End>; bytes: number; until: number }

export function createRecentTries(clock: Clock): RecentTries {
  const tries = new Map<string, Try>()
  let bytes = 0
  const forget = (key: string, made: Try) => {
    if (tries.get(key) !== made) return
    tries.delete(key)
    bytes -= made.bytes
  }
  const makeRoom = () => {
    for (const [key, made] of tries) {
      if (made.until > clock.now() && bytes <= MOST_BYTES && tries.size <= MOST_TRIES) return
      forget(key, made)
    }
  }
  return {
    begin(key) {
      let settle: (end: End) => void = () => {}
      const ended = new Promise<End>((resolve) => {
        settle = resolve
      })
      const made: Try = { ended, bytes: 0, until: Infinity }
      const before = tries.get(key)
      if (before !== undefined) forget(key, before)
      tries.set(key, made)
      makeRoom()
      return (end) => {
        settle(end)
        if (end === undefined) return forget(key, made)
        if (tries.get(key) !== made) return
        made.until = clock.now() + KEPT_MS
        made.bytes = end.body.byteLength
        bytes += made.bytes
        makeRoom()
      }
    },
    find(key) {
      const made = tries.get(key)
      return made === undefined || made.until <= clock.now() ? undefined : made.ended
    },
  }
}

/**
 * Runs `work`, unless the call is a client's own retry of one that has been paid for a moment ago or is being paid for: then it
 * gets that one's answer. A try that is unpaid leaves nothing. One that a process was paying for when it was killed is told of.
 *
 * @see https://github.com/openai/openai-node#retries: two by default, after a lost connection too, and without an idempotency key.
 */
export async function asOneCall(
  call: TriedCall,
  tries: RecentTries,
  deps: { readonly ledger: Pick<Ledger, 'attempts'>; readonly clock: Pick<Clock, 'now'> },
  work: (call: GatewayCall) => Promise<Completion>,
): Promise<Completion> {
  const keyOf = () => `${call.caller}\n${call.fingerprint()}`
  const isRetry = call.retry !== 0
  const first = isRetry ? tries.find(keyOf()) : undefined
  const kept = first === undefined ? undefined : await unlessAborted(first, call.signal)
  if (kept !== undefined) return replay(kept)
  if (isRetry && first === undefined) await refuseIfUntold(call, deps)
  let end: ((end: End) => void) | undefined
  const heard = outliving(call, ({ step }) => {
    if (step === 'held') end ??= tries.begin(keyOf())
  })
  const completion = await work(heard).catch((thrown: unknown) => {
    const error = toRouteplaneError(thrown)
    end?.(isCommitted(error.money) ? keptError(error) : undefined)
    throw error
  })
  const { head } = completion
  if (end === undefined || head.receiptId === undefined) {
    end?.(undefined)
    return unlessLeft(call, completion)
  }
  const keep = end
  return unlessLeft(
    call,
    recordAnswer(completion, async (answer) => keep(answer ?? keptError(lostError(head)))),
  )
}

async function refuseIfUntold({ caller, fingerprint }: TriedCall, { ledger, clock }: Parameters<typeof asOneCall>[2]): Promise<void> {
  const now = clock.now()
  const tried = { caller, fingerprint: fingerprint(), since: now - UNTOLD_MS }
  refuseIfPaid(await ledger.attempts.untold(tried, now), 'send it as a new request')
}

/** @throws the signal's reason when it aborts first. */
function unlessAborted<T>(promise: Promise<T>, signal: CancelSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const leave = () => reject(toRouteplaneError(signal.reason))
    if (signal.aborted) return leave()
    signal.addEventListener('abort', leave, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave))
  })
}
