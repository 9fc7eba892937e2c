/** One request, one answer: it is kept for its idempotency key or its client's next try, and nobody pays twice for asking twice. */
import { createHash } from 'node:crypto'
import { isCommitted, RouteplaneError, toRouteplaneError } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import type { IdempotencyClaim, KeptAnswer, Ledger } from '../ledger/ledger.ts'
import { asOneCall, createRecentTries } from './asked-again.ts'
import type { Completion, GatewayCall } from './call.ts'
import { keptError, lostError, recordAnswer, refuseIfPaid, replay } from './kept-answer.ts'
import { outliving, unlessLeft } from './outliving.ts'

export type IdempotencyDeps = { readonly ledger: Ledger; readonly clock: Clock; readonly log: Log }

type Work = (call: GatewayCall) => Promise<Completion>

/** How often a caller looks whether the first request with his key has ended. */
const LOOK_EVERY_MS = 200

/**
 * Runs `work` once for what is one request: by its idempotency key, or because its client says that it only tries again.
 *
 * @throws RouteplaneError `idempotency_conflict` (422, which SDKs do not retry) when the key belongs to another request.
 */
export function createOnlyOnce(deps: IdempotencyDeps): (call: GatewayCall, work: Work) => Promise<Completion> {
  const tries = createRecentTries(deps.clock)
  return (call, work) => {
    const key = call.read.extensions.idempotencyKey
    if (key !== undefined) return underKey(call, key, deps, work)
    if (call.retry === undefined) return work(call)
    return asOneCall({ ...call, fingerprint: once(() => fingerprintOf(call)) }, tries, deps, work)
  }
}

/**
 * Runs `work` once for a key, or gives the answer that is kept; a second caller waits for the first.
 *
 * A request that failed without touching money gives its key back. One whose money may have moved keeps its error: the
 * key then always answers with it, because another try would pay again.
 */
async function underKey(call: GatewayCall, key: string, deps: IdempotencyDeps, work: Work): Promise<Completion> {
  const claim = await claimOrWait(call, key, deps)
  if (claim.kind === 'kept') return replay(claim.answer)
  // An answer that cannot be kept is still an answer; its key then stays taken, which is the safe side.
  const keep = async (answer: KeptAnswer | undefined) => {
    await deps.ledger.idempotency
      .finish(call.caller, key, answer)
      .catch((error: unknown) =>
        deps.log.warn('an answer could not be kept', { request: call.id, message: toRouteplaneError(error).message }),
      )
  }
  const begin = async () => {
    if (claim.abandoned !== undefined) refuseIfPaid(await deps.ledger.attempts.list({ requestId: claim.abandoned }), 'use a new key')
    return work(outliving(call))
  }
  const completion = await begin().catch(async (thrown: unknown) => {
    const error = toRouteplaneError(thrown)
    await keep(isCommitted(error.money) ? keptError(error) : undefined)
    throw error
  })
  return unlessLeft(
    call,
    recordAnswer(completion, (kept) => keep(kept ?? keptError(lostError(completion.head)))),
  )
}

async function claimOrWait(
  call: GatewayCall,
  key: string,
  { ledger, clock }: IdempotencyDeps,
): Promise<IdempotencyClaim & { kind: 'new' | 'kept' }> {
  const fingerprint = fingerprintOf(call)
  for (;;) {
    const claim = await ledger.idempotency.claim(call.caller, key, fingerprint, clock.now(), call.id)
    if (claim.kind === 'new' || claim.kind === 'kept') return claim
    if (claim.kind === 'conflict') {
      throw new RouteplaneError('idempotency_conflict', 'this idempotency key belongs to another request', {
        hint: 'Use a new key for a new request; keys are kept for 24 hours.',
      })
    }
    await clock.sleep(LOOK_EVERY_MS, call.signal)
  }
}

/** The same words and the same terms: the caller's own bytes where there are any. */
function fingerprintOf(call: GatewayCall): string {
  const hash = createHash('sha256')
    .update(call.wire?.protocol ?? 'parts')
    .update('\n')
  if (call.wire === undefined) return hash.update(JSON.stringify([call.read.model, call.decode()])).digest('hex')
  return hash.update(call.wire.request.path).update('\n').update(call.wire.request.body).digest('hex')
}

function once(make: () => string): () => string {
  let made: string | undefined
  return () => (made ??= make())
}
