/** Lets a call above the operator's threshold through only when a person has said yes: in the call itself, or beforehand. */
import { RouteplaneError } from '../errors.ts'
import { createId } from '../lib/id.ts'
import { formatUsd, ZERO_USD, type Usd } from '../money.ts'
import { mostOf, type Allowance } from '../payment/hold.ts'
import type { Endpoint, PaymentModeName } from '../registry/endpoint.ts'
import type { Attempt } from '../routing/plan.ts'
import type { Candidate } from '../selection/axis.ts'
import type { ApprovalQuestion } from './call.ts'
import type { GatewayContext } from './context.ts'
import type { Decided } from './decide.ts'

export type Approvals = {
  /**
   * Asks if need be. One yes covers every attempt of the request that can cost no more.
   *
   * @throws RouteplaneError `approval_required` or `approval_denied`; nothing has been held for the attempt.
   */
  pass(attempt: Attempt): Promise<void>
}

export function createApprovals(decided: Decided, context: GatewayContext): Approvals {
  const { call } = decided
  let approvedUsd: Usd = ZERO_USD
  return {
    async pass(attempt) {
      const question = questionOf(attempt, decided, context)
      if (question === undefined || question.amountUsd <= approvedUsd) return
      approvedUsd = call.approve === undefined ? await lookUp(question, call.caller, context) : await ask(question, call.approve)
    },
  }
}

/** What somebody has to agree to before an attempt; `undefined` when nobody need. */
export function questionOf(
  { candidate, mode }: { readonly candidate: Pick<Candidate, 'endpoint' | 'boundUsd'>; readonly mode: PaymentModeName },
  { call, capAt }: Pick<Decided, 'call' | 'capAt'>,
  context: GatewayContext,
): ApprovalQuestion | undefined {
  const thresholdUsd = context.rules.approveAboveUsd
  const { endpoint, boundUsd } = candidate
  // The caller's own key is his own money; a call without a bound is never held, and so never sent.
  if (thresholdUsd === undefined || mode === 'byok' || boundUsd === undefined) return undefined
  const amountUsd = mostOf(boundUsd, allowanceOf(endpoint, mode, context), capAt(endpoint))
  return amountUsd <= thresholdUsd ? undefined : { model: call.read.model, provider: endpoint.provider.id, mode, amountUsd, thresholdUsd }
}

function allowanceOf(endpoint: Endpoint, mode: PaymentModeName, { modes }: GatewayContext): Omit<Allowance, 'mode'> {
  const { x402, mpp } = endpoint.provider.payment
  const offer = modes.find(({ id }) => id === mode)?.offer(endpoint)
  return {
    slackPermille: (mode === 'mpp' ? mpp : x402)?.maxPriceSlackPermille ?? 1000n,
    overheadUsd: offer?.available === true ? offer.overheadUsd : ZERO_USD,
  }
}

/** @returns what the yes covers. */
async function ask(question: ApprovalQuestion, approve: NonNullable<Decided['call']['approve']>): Promise<Usd> {
  const answer = await approve(question)
  if (answer === 'yes') return question.amountUsd
  if (answer === 'no')
    throw new RouteplaneError('approval_denied', `whoever was asked did not agree to ${describe(question)}`, {
      details: detailsOf(question),
    })
  throw new RouteplaneError('approval_required', `somebody has to agree to ${describe(question)}`, { details: detailsOf(question) })
}

/** A caller who cannot be asked leaves a question behind, and is let through once it has been answered. */
async function lookUp(question: ApprovalQuestion, caller: string, { ledger, clock }: GatewayContext): Promise<Usd> {
  const { model, provider, mode, amountUsd } = question
  const now = clock.now()
  const asked = await ledger.approvals.ask({ id: createId('apr', now), caller, model, provider, mode, amountUsd, now })
  if (asked.outcome === 'allowed') return asked.approvedUsd
  const details = { ...detailsOf(question), approvalId: asked.id }
  if (asked.outcome === 'denied') {
    throw new RouteplaneError('approval_denied', `the operator has denied ${describe(question)} (${asked.id})`, { details })
  }
  throw new RouteplaneError('approval_required', `the operator has to agree to ${describe(question)} (${asked.id})`, {
    hint: `Run "routeplane approvals allow ${asked.id}" and ask again, or lower max_tokens.`,
    details,
  })
}

/** The same, said of a call about which nobody can be asked. */
export function unagreed(
  mode: PaymentModeName,
  candidate: Pick<Candidate, 'endpoint' | 'boundUsd'>,
  decided: Pick<Decided, 'call' | 'capAt'>,
  context: GatewayContext,
): string | undefined {
  const question = questionOf({ candidate, mode }, decided, context)
  if (question === undefined) return undefined
  return `it can cost up to $${formatUsd(question.amountUsd)}; above $${formatUsd(question.thresholdUsd)} somebody has to agree`
}

function describe({ model, provider, amountUsd, thresholdUsd }: ApprovalQuestion): string {
  return `a call of ${model} at ${provider} for up to $${formatUsd(amountUsd)}, above the threshold of $${formatUsd(thresholdUsd)}`
}

function detailsOf({ model, provider, mode, amountUsd, thresholdUsd }: ApprovalQuestion): Readonly<Record<string, unknown>> {
  return { model, provider, mode, neededUsd: formatUsd(amountUsd), thresholdUsd: formatUsd(thresholdUsd) }
}
