/** Closes the payment of an answer that has ended, and learns from how it ended. */
import type { Usage } from '../completion/usage.ts'
import { type RouteplaneError, toRouteplaneError } from '../errors.ts'
import type { AttemptRow } from '../ledger/entry.ts'
import type { Usd } from '../money.ts'
import type { TapReport } from '../protocol/protocol.ts'
import { endpointKey } from '../registry/endpoint.ts'
import { costOf } from '../registry/pricing.ts'
import type { Attempt } from '../routing/plan.ts'
import { outcomeOfError, type Outcome } from '../selection/outcome.ts'
import type { Started } from './attempt.ts'
import type { GatewayCall } from './call.ts'
import type { GatewayContext } from './context.ts'
import type { Decided } from './decide.ts'
import { toUsage } from './estimate.ts'

/** An answer that has been read to its end, or left. */
export type Ended = {
  readonly call: GatewayCall
  readonly decided: Pick<Decided, 'conversation'>
  readonly attempt: Attempt
  readonly started: Started
  readonly startedAt: number
}

/** What an answer has come to when its payment is closed. */
export type Settled = {
  readonly report: TapReport
  readonly usage: Usage
  /** By the price list. */
  readonly costUsd: Usd | undefined
  readonly paidUsd: Usd | undefined
  readonly receipt: AttemptRow | undefined
  readonly totalMs: number
  readonly error: RouteplaneError | undefined
}

/** Closes the payment of an answer that has ended, however it ended, and learns from it. Never throws. */
export async function settle(ended: Ended, failure: unknown, context: GatewayContext): Promise<Settled> {
  const { call, attempt, started, startedAt } = ended
  const { endpoint } = attempt.candidate
  const report = started.meter.read()
  const usage = toUsage(report, call.read.needs)
  const costUsd = endpoint.pricing === undefined ? undefined : costOf(endpoint.pricing, usage, call.read.needs.images)
  const totalMs = Math.round(context.clock.monotonic() - startedAt)
  const error = failure === undefined ? report.error : toRouteplaneError(failure)
  await started.payment.close({ delivered: report.deliveredCharacters > 0, usage, costUsd })
  learn(ended, error === undefined || call.signal.aborted ? success(started, usage, totalMs) : outcomeOfError(error), usage, context)
  const { receiptId } = started.payment
  const receipt = receiptId === undefined ? undefined : await receiptOf(receiptId, context)
  return { report, usage, costUsd, paidUsd: receipt?.payment?.settledUsd ?? started.payment.paidUsd, receipt, totalMs, error }
}

/** What the next decisions take from this answer. */
function learn({ attempt, decided }: Ended, outcome: Outcome, usage: Usage, context: GatewayContext): void {
  const { endpoint } = attempt.candidate
  context.health.record(endpointKey(endpoint), outcome)
  if (outcome.verdict === 'success') decided.conversation?.note(endpoint, usage.inputTokens)
}

/** What the ledger says of the payment by now; a ledger that cannot be read leaves it unsaid. */
function receiptOf(receiptId: string, { ledger }: GatewayContext): Promise<AttemptRow | undefined> {
  return ledger.attempts.get(receiptId).catch(() => undefined)
}

function success(started: Started, usage: Usage, totalMs: number): Outcome {
  const { outputTokens } = usage
  return { verdict: 'success', ttftMs: started.meter.ttftMs(), totalMs, ...(outputTokens === undefined ? {} : { outputTokens }) }
}
