/** Reserves what a call may cost in every budget it counts against, or refuses it: nothing is sent for money without this. */
import { RouteplaneError } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { minUsd, scaleUsd, type Usd } from '../money.ts'
import type { PaymentModeName } from '../registry/endpoint.ts'
import { budgetExceeded, limitsAt, type Budgets } from './budget.ts'
import type { PaidCall } from './mode.ts'

export type HoldDeps = { readonly ledger: Ledger; readonly budgets: Budgets; readonly clock: Clock }

/**
 * Holds the most the call can cost, with the seller's slack in parts per thousand, but never more than its cap.
 *
 * @returns what is held.
 * @throws RouteplaneError `price_above_cap` for a call without a bound, `budget_exceeded` naming the cap that has no room.
 */
export async function holdFor(call: PaidCall, mode: PaymentModeName, slackPermille: bigint, deps: HoldDeps): Promise<Usd> {
  if (call.boundUsd === undefined)
    throw new RouteplaneError('price_above_cap', 'the most this call can cost is not known, so no cap can hold it')
  const amount = minUsd(scaleUsd(call.boundUsd, slackPermille, 1000n, 'up'), call.capUsd)
  const now = deps.clock.now()
  const { caller, preset, endpoint } = call
  const provider = endpoint.provider.id
  const spender = { provider, caller, ...(preset === undefined ? {} : { preset }) }
  const outcome = await deps.ledger.attempts.hold({
    ...spender,
    id: call.attemptId,
    requestId: call.requestId,
    model: endpoint.upstreamModel,
    mode,
    amount,
    requestCap: call.capUsd,
    budgets: limitsAt(deps.budgets, now, spender),
    now,
  })
  if (!outcome.granted) throw budgetExceeded(amount, outcome)
  call.onProgress?.({ step: 'held', amountUsd: amount })
  return amount
}
