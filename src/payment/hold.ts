/** Reserves what a call may cost in every budget it counts against, or refuses it: nothing is sent for money without this. */
import { RouteplaneError } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { addUsd, minUsd, scaleUsd, type Usd } from '../money.ts'
import type { PaymentModeName } from '../registry/endpoint.ts'
import { budgetExceeded, limitsAt, type Budgets } from './budget.ts'
import type { PaidCall } from './mode.ts'

export type HoldDeps = {
  readonly ledger: Ledger
  /** The caps as they stand: they may change while the process runs. */
  budgets(): Budgets
  readonly clock: Clock
}

/** What one way of paying adds to the bound of a call. */
export type Allowance = {
  readonly mode: PaymentModeName
  /** The seller's slack, in parts per thousand. */
  readonly slackPermille: bigint
  /** What the network may take besides. */
  readonly overheadUsd: Usd
}

/** `priceUsd` is the part of it that the seller may ask. */
export type Held = { readonly heldUsd: Usd; readonly priceUsd: Usd }

/** The most that is ever held for a call: its bound with slack and overhead, but never above its cap. */
export function mostOf(boundUsd: Usd, { slackPermille, overheadUsd }: Omit<Allowance, 'mode'>, capUsd: Usd): Usd {
  return minUsd(addUsd(scaleUsd(boundUsd, slackPermille, 1000n, 'up'), overheadUsd), capUsd)
}

/**
 * Holds the most the call can cost, slack and overhead included, but never more than its cap.
 *
 * @throws RouteplaneError `price_above_cap` for a call without a bound, `budget_exceeded` naming the cap that has no room.
 */
export async function holdFor(call: PaidCall, { mode, slackPermille, overheadUsd }: Allowance, deps: HoldDeps): Promise<Held> {
  if (call.boundUsd === undefined)
    throw new RouteplaneError('price_above_cap', 'the most this call can cost is not known, so no cap can hold it')
  const amount = mostOf(call.boundUsd, { slackPermille, overheadUsd }, call.capUsd)
  const now = deps.clock.now()
  const { caller, preset, fingerprint, endpoint } = call
  const provider = endpoint.provider.id
  const spender = { provider, caller, ...(preset === undefined ? {} : { preset }) }
  const outcome = await deps.ledger.attempts.hold({
    ...spender,
    ...(fingerprint === undefined ? {} : { fingerprint: fingerprint() }),
    id: call.attemptId,
    requestId: call.requestId,
    model: endpoint.upstreamModel,
    mode,
    amount,
    requestCap: call.capUsd,
    budgets: limitsAt(deps.budgets(), now, spender),
    now,
  })
  if (!outcome.granted) throw budgetExceeded(amount, outcome)
  call.onProgress?.({ step: 'held', amountUsd: amount })
  return { heldUsd: amount, priceUsd: minUsd(scaleUsd(call.boundUsd, slackPermille, 1000n, 'up'), amount) }
}
