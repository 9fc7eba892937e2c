/** Completes one request: decides, pays, sends, falls through, records. The only place that knows the order. */
import { amend, isCommitted, RouteplaneError, toRouteplaneError } from '../errors.ts'
import { createId } from '../lib/id.ts'
import { nextTurn } from '../lib/next-turn.ts'
import { onEnd } from '../lib/stream.ts'
import { defined } from '../lib/defined.ts'
import { addUsd, type Usd } from '../money.ts'
import { endpointKey, type Endpoint } from '../registry/endpoint.ts'
import { fallThrough } from '../routing/fall-through.ts'
import type { Attempt } from '../routing/plan.ts'
import { outcomeOfError } from '../selection/outcome.ts'
import type { Usage } from '../completion/usage.ts'
import { type CancelSignal, toAbortSignal } from '../lib/cancel.ts'
import { createApprovals } from './approval.ts'
import { startAttempt, type Started } from './attempt.ts'
import { blameAnswer } from './blame.ts'
import type { Completion, CompletionHead, CompletionSummary, GatewayCall } from './call.ts'
import type { GatewayContext } from './context.ts'
import { decide, type Decided } from './decide.ts'
import { keptDecision } from './decision-card.ts'
import { describe } from './explain.ts'
import type { NativeLane, TranslateLane } from './lane.ts'
import { keepToSchema, mayRetrySchema } from './schema-retry.ts'
import { settle, type Settled } from './settle.ts'
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
      const start = (capUsd: Usd) => {
        const id = createId('pay', context.clock.now())
        return startAttempt({ id, attempt, mode, call, lane, capUsd, hasNext: hasNext(), preset: decided.preset?.name, signal }, context)
      }
      const started = await start(decided.capAt(endpoint))
      const opened: Opened = { call, decided, attempt, lane, started, attempts: failures.length + 1, startedAt }
      return open(mayRetrySchema(started, decided) ? await withinSchema(opened, start, context) : opened, context)
    } catch (thrown) {
      const error = toRouteplaneError(thrown)
      const ms = Math.round(context.clock.monotonic() - attemptedAt)
      failures.push({ attempt, error, ms })
      learn({ attempt, error, ms }, call, context)
      const next = fallThrough(error, { onUnknown: decided.onUnknown, aborted: signal.aborted })
      if (next === 'caller') break
      if (next === 'next-endpoint') given.add(endpoint)
    }
  }
  const error = summarise(failures, decided)
  recordFailure({ call, decided, failures, error, startedAt }, context)
  throw error
}

/** A failure counts against its endpoint, and is told to the operator: it may have cost money. */
function learn({ attempt, error, ms }: Omit<Failure, 'ms'> & { readonly ms?: number }, call: GatewayCall, context: GatewayContext): void {
  const endpoint = endpointKey(attempt.candidate.endpoint)
  context.health.record(endpoint, outcomeOfError(error))
  context.log.warn('attempt failed', { request: call.id, endpoint, code: error.code, money: error.money, ms })
}

function deadline(signal: CancelSignal, context: GatewayContext): CancelSignal {
  const { deadlineMs } = context.rules
  if (deadlineMs === undefined) return signal
  const late = new AbortController()
  const end = () => late.abort(new RouteplaneError('upstream_timeout', `there was no whole answer within ${deadlineMs} ms`))
  // A bare timeout would reach the caller as an error nobody knows.
  AbortSignal.timeout(deadlineMs).addEventListener('abort', end, { once: true })
  return AbortSignal.any([toAbortSignal(signal), late.signal])
}

type Opened = {
  readonly call: GatewayCall
  readonly decided: Decided
  readonly attempt: Attempt
  readonly lane: NativeLane | TranslateLane
  readonly started: Started
  readonly attempts: number
  readonly startedAt: number
  /** Of `started`, when its payment is closed already. */
  readonly settled?: Settled
  /** Of another answer that was asked for because the first broke its schema, and is not delivered. */
  readonly other?: Settled
}

/** The answer, or the one that came in its place because it broke the schema it was asked for. */
async function withinSchema(opened: Opened, start: (capUsd: Usd) => Promise<Started>, context: GatewayContext): Promise<Opened> {
  const { decided, attempt } = opened
  const { endpoint } = attempt.candidate
  const kept = await keepToSchema(opened.started, {
    attempt,
    decided,
    approveAboveUsd: context.rules.approveAboveUsd,
    settle: (started, failure) => settle({ ...opened, started }, failure, context),
    async again(capUsd) {
      context.log.info('an answer broke its schema and is asked for again', { request: opened.call.id, endpoint: endpointKey(endpoint) })
      context.health.begin(endpointKey(endpoint))
      context.rateLimits.take(endpoint, tokensOf(opened.call.read.needs))
      try {
        return await start(capUsd)
      } catch (thrown) {
        learn({ attempt, error: toRouteplaneError(thrown) }, opened.call, context)
        throw thrown
      }
    },
  })
  return { ...opened, ...kept, attempts: opened.attempts + (kept.other === undefined ? 0 : 1) }
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
    ...defined({ costUsd: inAll(started.payment.paidUsd, opened.other?.paidUsd, opened) }),
    losses: opened.lane.losses,
    warnings: [...opened.decided.warningsOf(endpoint), ...askedAgain(opened.other), ...paidTwice(opened, context)],
  }
  const answer = blameAnswer(started.answer, started.payment)
  if (answer.lane === 'native' && answer.body instanceof Uint8Array) {
    // The caller does not wait for our books: what is whole leaves in this turn of the event loop.
    return { head, answer, closed: nextTurn().then(() => finish(opened, undefined, context)) }
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

/** What the answer and the one that is not delivered have come to together; unknown when either is. */
function inAll(usd: Usd | undefined, otherUsd: Usd | undefined, { other }: Pick<Opened, 'other'>): Usd | undefined {
  if (other === undefined) return usd
  return usd === undefined || otherUsd === undefined ? undefined : addUsd(usd, otherUsd)
}

function askedAgain(other: Settled | undefined): readonly string[] {
  if (other === undefined) return []
  const { receipt } = other
  return [`an answer broke the schema and was asked for again${receipt === undefined ? '' : `; the other receipt is ${receipt.id}`}`]
}

/** Two requests are two payments unless they carry one idempotency key; but nobody should pay twice without noticing. */
function paidTwice({ call, started }: Opened, { twins, log }: GatewayContext): readonly string[] {
  const twin = started.payment.receiptId === undefined ? undefined : twins.note(call)
  if (twin === undefined) return []
  log.warn('duplicate_suspected', { request: call.id, twin })
  return [`duplicate_suspected: ${twin} was paid for in the same words a moment ago; an idempotency-key makes two requests one`]
}

/** Settles and records an answer that has ended, however it ended. Never throws. */
async function finish(opened: Opened, failure: unknown, context: GatewayContext): Promise<CompletionSummary> {
  const { started, other } = opened
  const settled = opened.settled ?? (await settle(opened, failure, context))
  const { report, usage, receipt, error } = settled
  const totalMs = Math.round(context.clock.monotonic() - opened.startedAt)
  const costUsd = inAll(settled.costUsd, other?.costUsd, opened)
  const paidUsd = inAll(settled.paidUsd, other?.paidUsd, opened)
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
