/** Says why nobody is left to ask, in the way that the caller can act on best. */
import { amend, RouteplaneError } from '../errors.ts'
import { formatUsd, type Usd } from '../money.ts'
import type { Refusal } from '../routing/plan.ts'
import type { Target } from '../routing/resolve.ts'
import type { GatewayCall } from './call.ts'
import type { Lanes } from './lane.ts'

/** A decision that has come to nothing. */
export type Fruitless = {
  readonly call: GatewayCall
  readonly lanes: Lanes
  readonly targets: readonly Target[]
  readonly refused: readonly Refusal[]
  readonly capUsd: Usd
  /** Epoch milliseconds. */
  readonly decidedAt: number
}

export function refusalOf(decided: Fruitless): RouteplaneError {
  return untranslatable(decided) ?? nobody(decided)
}

/** Refusals whose reason is what the request asks for. */
const OF_THE_REQUEST: ReadonlySet<Refusal['reason']> = new Set(['translation', 'feature', 'modality'])

/** Refusals whose reason is what it may cost. */
const OF_THE_PRICE: ReadonlySet<Refusal['reason']> = new Set(['price_above_cap', 'price_unknown', 'approval'])

/** When translation is all that stands in the way, the caller gets told which field it is: that is his to change. */
function untranslatable({ refused, targets, lanes }: Fruitless): RouteplaneError | undefined {
  if (refused.length === 0 || !refused.every(({ reason }) => OF_THE_REQUEST.has(reason))) return undefined
  const errors = targets.flatMap(({ endpoints }) =>
    endpoints.flatMap((endpoint) => {
      const lane = lanes.laneOf(endpoint)
      return lane.kind === 'refused' ? [lane.error] : []
    }),
  )
  const [first] = errors
  if (first === undefined || errors.length < refused.length) return undefined
  const paths = [...new Set(errors.flatMap(({ details }) => (typeof details['path'] === 'string' ? [details['path']] : [])))]
  return paths.length < 2 ? first : amend(first, { details: { ...first.details, paths } })
}

/** A cap that is too low is said as such. */
function nobody({ call, refused, capUsd, decidedAt }: Fruitless): RouteplaneError {
  const details = { model: call.read.model, capUsd: formatUsd(capUsd), refused }
  const priced = refused.length > 0 && refused.every(({ reason }) => reason === 'price_above_cap' || reason === 'price_unknown')
  if (priced) {
    return new RouteplaneError(
      'price_above_cap',
      `nobody serves ${call.read.model} within the cap of $${formatUsd(capUsd)}: ${refused[0]?.detail ?? ''}`,
      {
        hint: 'Set max_tokens, raise max_cost_usd, let clamp_to_budget shorten the answer, or pick a cheaper model.',
        details,
      },
    )
  }
  if (refused.some(({ reason }) => reason === 'approval') && refused.every(({ reason }) => OF_THE_PRICE.has(reason))) {
    const [asked] = refused.filter(({ reason }) => reason === 'approval')
    return new RouteplaneError('approval_required', `nobody can be asked about a call of ${call.read.model}: ${asked?.detail ?? ''}`, {
      hint: 'Set a smaller output limit, or pick a cheaper model.',
      details,
    })
  }
  const why = refused.map(({ endpoint, detail }) => `${endpoint}: ${detail}`).slice(0, 3)
  const message = `nobody can serve ${call.read.model} now${why.length === 0 ? '' : ` (${why.join('; ')})`}`
  const limits = refused.flatMap(({ reason, retryAt }) => (reason === 'rate_limited' && retryAt !== undefined ? [retryAt] : []))
  // Whoever would have to wait is told for how long, as by the provider itself: clients do that on their own.
  if (limits.length > 0) {
    const retryAfterMs = Math.max(1, Math.min(...limits) - decidedAt)
    return new RouteplaneError('upstream_rate_limited', message, { retryAfterMs, details })
  }
  return new RouteplaneError('no_eligible_endpoint', message, {
    hint: `routeplane route ${call.read.model} --explain lists every reason.`,
    details,
  })
}
