/** Completes one request: decides, pays, sends, falls through, records. The only place that knows the order. */
import { amend, isCommitted, RouteplaneError, toRouteplaneError } from '../errors.ts'
import { createId } from '../lib/id.ts'
import { onEnd } from '../lib/stream.ts'
import type { Usd } from '../money.ts'
import { costOf } from '../registry/pricing.ts'
import { endpointKey, type Endpoint } from '../registry/endpoint.ts'
import { fallThrough } from '../routing/fall-through.ts'
import type { Attempt } from '../routing/plan.ts'
import { outcomeOfError, type Outcome } from '../selection/outcome.ts'
import type { Usage } from '../completion/usage.ts'
import { createApprovals } from './approval.ts'
import { startAttempt, type Started } from './attempt.ts'
import { blameAnswer } from './blame.ts'
import type { Completion, CompletionHead, CompletionSummary, GatewayCall } from './call.ts'
import type { GatewayContext } from './context.ts'
import { decide, type Decided } from './decide.ts'
import { keptDecision } from './decision-card.ts'
import { toUsage } from './estimate.ts'
import { describe } from './explain.ts'
import type { NativeLane, TranslateLane } from './lane.ts'
import { tokensOf } from './sieve.ts'

/** One try that came to nothing: shown to the caller when all did. */
type Failure = { readonly attempt: Attempt; readonly error: RouteplaneError; readonly ms: number }

/**
 * Answers a call with the best endpoint that may and can serve it.
 *
 * @throws RouteplaneError before the first part only; after it failures arrive in the answer itself.
 */
export async function complete(asked: GatewayCall, context: GatewayContext): Promise<Completion> {
  const startedAt = context.clock.monotonic()
  const decided = decide(asked, context)
  const { call } = decided
  const signal = deadline(call.signal, context)
  const approvals = createApprovals(decided, context)
  const failures: Failure[] = []
  const given = new Set<Endpoint>()
  for (const [at, attempt] of decided.attempts.entries()) {
    if (given.has(attempt.candidate.endpoint)) continue
    const mode = context.modes.find(({ id }) => id === attempt.mode)
    const lane = decided.lanes.laneOf(attempt.candidate.endpoint)
    if (mode === undefined || lane.kind === 'refused') continue
    const attemptedAt = context.clock.monotonic()
    const { endpoint } = attempt.candidate
    const hasNext = () => decided.attempts.slice(at + 1).some(({ candidate }) => !given.has(candidate.endpoint))
    call.onProgress?.({
      step: 'attempt',
      provider: endpoint.provider.id,
      model: endpoint.modelId,
      mode: attempt.mode,
      attempt: failures.length + 1,
    })
    await approvals.pass(attempt)
    try {
      context.health.begin(endpointKey(endpoint))
      context.rateLimits.take(endpoint, tokensOf(call.read.needs))
      const id = createId('pay', context.clock.now())
      const started = await startAttempt(
        { id, attempt, mode, call, lane, capUsd: decided.capAt(endpoint), hasNext: hasNext(), preset: decided.preset?.name, signal },
        context,
      )
      return open({ call, decided, attempt, lane, started, attempts: failures.length + 1, startedAt }, context)
    } catch (thrown) {
      const error = toRouteplaneError(thrown)
      const ms = Math.round(context.clock.monotonic() - attemptedAt)
      failures.push({ attempt, error, ms })
      context.health.record(endpointKey(endpoint), outcomeOfError(error))
      context.log.warn('attempt failed', { request: call.id, endpoint: endpointKey(endpoint), code: error.code, money: error.money, ms })
      const next = fallThrough(error, { onUnknown: decided.onUnknown, aborted: signal.aborted })
      if (next === 'caller') break
      if (next === 'next-endpoint') given.add(endpoint)
    }
  }
  const error = summarise(failures, decided)
  recordFailure({ call, decided, failures, error, startedAt }, context)
  throw error
}

function deadline(signal: AbortSignal, context: GatewayContext): AbortSignal {
  const { deadlineMs } = context.rules
  if (deadlineMs === undefined) return signal
  const late = new AbortController()
  const end = () => late.abort(new RouteplaneError('upstream_timeout', `there was no whole answer within ${deadlineMs} ms`))
  // A bare timeout would reach the caller as an error nobody knows.
  AbortSignal.timeout(deadlineMs).addEventListener('abort', end, { once: true })
  return AbortSignal.any([signal, late.signal])
}

type Opened = {
  readonly call: GatewayCall
  readonly decided: Decided
  readonly attempt: Attempt
  readonly lane: NativeLane | TranslateLane
  readonly started: Started
  readonly attempts: number
  readonly startedAt: number
}

/** From here on nobody else may answer: the rest is watching, settling and recording. */
function open(opened: Opened, context: GatewayContext): Completion {
  const { call, attempt, started } = opened
  const { endpoint } = attempt.candidate
  const head: CompletionHead = {
    requestId: call.id,
    provider: endpoint.provider.id,
    model: endpoint.modelId,
    attempts: opened.attempts,
    mode: attempt.mode,
    ...(started.payment.receiptId === undefined ? {} : { receiptId: started.payment.receiptId }),
    ...(started.payment.paidUsd === undefined ? {} : { costUsd: started.payment.paidUsd }),
    losses: opened.lane.losses,
    warnings: opened.decided.warningsOf(endpoint),
  }
  const answer = blameAnswer(started.answer, started.payment)
  if (answer.lane === 'native' && answer.body instanceof Uint8Array) {
    return { head, answer, closed: finish(opened, undefined, context) }
  }
  let resolve: (summary: CompletionSummary) => void = () => {}
  const closed = new Promise<CompletionSummary>((settle) => {
    resolve = settle
  })
  const end = async (failure: unknown) => resolve(await finish(opened, failure, context))
  const watched =
    answer.lane === 'native'
      ? { ...answer, body: onEnd(answer.body as AsyncIterable<Uint8Array>, end) }
      : { ...answer, parts: onEnd(answer.parts, end) }
  return { head, answer: watched, closed }
}

/** Settles and records an answer that has ended, however it ended. Never throws. */
async function finish(opened: Opened, failure: unknown, context: GatewayContext): Promise<CompletionSummary> {
  const { call, attempt, started, startedAt } = opened
  const { endpoint } = attempt.candidate
  const report = started.meter.read()
  const usage = toUsage(report, call.read.needs)
  const costUsd = endpoint.pricing === undefined ? undefined : costOf(endpoint.pricing, usage, call.read.needs.images)
  const totalMs = Math.round(context.clock.monotonic() - startedAt)
  const error = failure === undefined ? report.error : toRouteplaneError(failure)
  await started.payment.close({ delivered: report.deliveredCharacters > 0, usage, costUsd })
  learn(opened, error === undefined || call.signal.aborted ? success(started, usage, totalMs) : outcomeOfError(error), usage, context)
  const receipt = await receiptOf(started, context)
  const paidUsd = receipt?.payment?.settledUsd ?? started.payment.paidUsd
  const chargedUsd = paidUsd ?? costUsd
  record({ opened, status: 200, usage, chargedUsd, totalMs, ...(error === undefined ? {} : { errorCode: error.code }) }, context)
  return {
    usage,
    costUsd,
    paidUsd,
    ttftMs: started.meter.ttftMs(),
    totalMs,
    ...(report.finishReason === undefined ? {} : { finishReason: report.finishReason }),
    ...(error === undefined ? {} : { errorCode: error.code }),
    ...(report.model === undefined ? {} : { modelServed: report.model }),
    ...(started.payment.receiptId === undefined ? {} : { receiptId: started.payment.receiptId }),
    ...(receipt?.payment?.transaction === undefined ? {} : { transaction: receipt.payment.transaction }),
    ...(receipt === undefined ? {} : { paymentStatus: receipt.payment?.finality ?? receipt.state }),
  }
}

/** What the next decisions take from this answer. */
function learn({ attempt, decided }: Opened, outcome: Outcome, usage: Usage, context: GatewayContext): void {
  const { endpoint } = attempt.candidate
  context.health.record(endpointKey(endpoint), outcome)
  if (outcome.verdict === 'success') decided.conversation?.note(endpoint, usage.inputTokens)
}

/** What the ledger says of the payment by now; a ledger that cannot be read leaves it unsaid. */
async function receiptOf({ payment: { receiptId } }: Started, { ledger }: GatewayContext) {
  return receiptId === undefined ? undefined : ledger.attempts.get(receiptId).catch(() => undefined)
}

function success(started: Started, usage: Usage, totalMs: number): Outcome {
  const { outputTokens } = usage
  return { verdict: 'success', ttftMs: started.meter.ttftMs(), totalMs, ...(outputTokens === undefined ? {} : { outputTokens }) }
}

type Recorded = {
  readonly opened: Opened
  readonly status: number
  readonly usage: Usage
  readonly chargedUsd: Usd | undefined
  readonly totalMs: number
  readonly errorCode?: string
}

function record({ opened, status, usage, chargedUsd, totalMs, errorCode }: Recorded, context: GatewayContext): void {
  const { call, attempt, started, attempts } = opened
  context.ledger.requests.record({
    id: call.id,
    caller: call.caller,
    protocol: call.wire?.protocol ?? 'parts',
    requestedModel: call.read.model,
    provider: attempt.candidate.endpoint.provider.id,
    model: attempt.candidate.endpoint.modelId,
    mode: attempt.mode,
    status,
    usage,
    ttftMs: Math.round(started.meter.ttftMs()),
    totalMs,
    attempts,
    startedAt: context.clock.now() - totalMs,
    ...keptDecision(describe(opened.decided)),
    ...(chargedUsd === undefined ? {} : { costUsd: chargedUsd }),
    ...(errorCode === undefined ? {} : { errorCode }),
  })
}

function recordFailure(
  failed: {
    readonly call: GatewayCall
    readonly decided: Decided
    readonly failures: readonly Failure[]
    readonly error: RouteplaneError
    readonly startedAt: number
  },
  context: GatewayContext,
): void {
  const totalMs = Math.round(context.clock.monotonic() - failed.startedAt)
  context.ledger.requests.record({
    id: failed.call.id,
    caller: failed.call.caller,
    protocol: failed.call.wire?.protocol ?? 'parts',
    requestedModel: failed.call.read.model,
    status: 0,
    errorCode: failed.error.code,
    totalMs,
    attempts: failed.failures.length,
    ...keptDecision(describe(failed.decided)),
    startedAt: context.clock.now() - totalMs,
  })
}

/** One error that lists every attempt; the last one gives it its code, its words and its state of money. */
function summarise(failures: readonly Failure[], decided: Decided): RouteplaneError {
  const last = failures.at(-1)
  if (last === undefined) throw new RouteplaneError('internal', 'no attempt was made')
  const attempts = failures.map(({ attempt, error, ms }) => ({
    provider: attempt.candidate.endpoint.provider.id,
    model: attempt.candidate.endpoint.modelId,
    mode: attempt.mode,
    ...(typeof error.details['status'] === 'number' ? { status: error.details['status'] } : {}),
    code: error.code,
    ms,
    money: error.money,
  }))
  const error = gravest(failures)
  return amend(error, { details: { ...error.details, attempts, refused: decided.refused.length }, cause: error })
}

/** Committed money speaks first; then limits all alike (so that the caller may wait); then the last failure. */
function gravest(failures: readonly Failure[]): RouteplaneError {
  const committed = failures.find(({ error }) => isCommitted(error.money))
  if (committed !== undefined) return committed.error
  const waits = failures.flatMap(({ error }) => (error.code === 'upstream_rate_limited' ? [error] : []))
  if (waits.length === failures.length) {
    return waits.reduce((least, error) => ((error.retryAfterMs ?? Infinity) < (least.retryAfterMs ?? Infinity) ? error : least))
  }
  const meaningful = failures.findLast(({ error }) => error.code !== 'upstream_rate_limited') ?? failures.at(-1)
  if (meaningful === undefined) throw new RouteplaneError('internal', 'no attempt was made')
  return meaningful.error
}
