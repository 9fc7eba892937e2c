/** Prices one request before anybody is asked, and turns a payment back into what may be spent for it. */
import { createHash } from 'node:crypto'
import { decide } from '../gateway/decide.ts'
import type { GatewayCall } from '../gateway/call.ts'
import type { GatewayContext } from '../gateway/context.ts'
import { RouteplaneError } from '../errors.ts'
import { addUsd, minUsd, times, type Usd } from '../money.ts'
import { isEventStream } from '../protocol/event-stream.ts'
import type { Extensions } from '../protocol/extensions.ts'
import type { Endpoint } from '../registry/endpoint.ts'
import { withMargin, withoutMargin, type ChargeTerms } from './charge.ts'
import type { Pace, Quote } from './till.ts'

/** Digest of what a payment is bound to: the route and every byte of the body. */
export function digestOf({ wire, read, decode }: GatewayCall): string {
  const hash = createHash('sha256')
  if (wire === undefined) return hash.update(JSON.stringify(['parts', read.model, decode()])).digest('hex')
  return hash.update(`${wire.protocol} POST ${wire.request.path}\n`).update(wire.request.body).digest('hex')
}

/** Digest of a request with what only its payer can show: another's payment, read off the chain, fetches nobody's answer. */
export function boundDigest(digest: string, proof: string): string {
  return createHash('sha256')
    .update(JSON.stringify([digest, proof]))
    .digest('hex')
}

/**
 * Gives what a caller is asked for: the model's own price, or the bound of the endpoint that would be tried first, with the
 * margin. The ceiling, because `exact` payments cannot be corrected downwards later.
 *
 * @param promisedUsd - Asked instead, where the caller was promised a price; whoever would serve it is looked for all the same.
 * @throws RouteplaneError what {@link decide} throws: a request that nobody can serve is refused before it is charged for.
 */
export function priceOf(
  call: GatewayCall,
  terms: ChargeTerms,
  context: GatewayContext,
  promisedUsd?: Usd,
): Pick<Quote, 'priceUsd' | 'pace'> {
  const { attempts, call: decided } = decide(purchase(call, terms, context.rules.perRequestUsd), context)
  const [first] = attempts
  const fixed = terms.prices.get(call.read.model) ?? terms.prices.get(first?.candidate.endpoint.modelId ?? '')
  const bound = first?.candidate.boundUsd
  const price = promisedUsd ?? fixed ?? (bound === undefined ? undefined : withMargin(bound, terms))
  if (price === undefined) throw new RouteplaneError('no_eligible_endpoint', `nobody states a price for ${decided.read.model}`)
  const { maxCostUsd } = call.read.extensions
  if (maxCostUsd !== undefined && price > maxCostUsd) {
    throw new RouteplaneError('price_above_cap', 'the price of this request is above its own max_cost_usd', {
      hint: 'Set a smaller output limit, raise max_cost_usd, or pick a cheaper model.',
    })
  }
  const pace = fixed === undefined ? paceOf(call, first?.candidate.endpoint, terms) : undefined
  return { priceUsd: price, ...(pace === undefined ? {} : { pace }) }
}

/** A guess, for what is charged in the end is what the answer came to: what is sent costs its tokens, and each event is one more. */
function paceOf({ read, wire }: GatewayCall, endpoint: Endpoint | undefined, terms: ChargeTerms): Pace | undefined {
  const tier = endpoint?.pricing?.tiers[0]
  if (!read.needs.stream || wire === undefined || !isEventStream(wire.request)) return undefined
  if (tier?.prompt === undefined || tier.completion === undefined) return undefined
  const sent = times(tier.prompt, BigInt(read.needs.expectedInputTokens))
  return { firstUsd: withMargin(addUsd(sent, tier.completion), terms), perEventUsd: withMargin(tier.completion, terms) }
}

/**
 * The most that may be spent on a request whose payer has agreed to `priceUsd`. A price that was promised is kept at the cost of
 * the margin, and at no more than that: otherwise a provider and a caller in league could raise the price in between.
 */
export function budgetOf(call: GatewayCall, { priceUsd, isPromised }: Agreed, terms: ChargeTerms, perRequestUsd: Usd): Usd {
  if (terms.prices.has(call.read.model)) return perRequestUsd
  return minUsd(isPromised ? priceUsd : withoutMargin(priceUsd, terms), perRequestUsd)
}

type Agreed = { readonly priceUsd: Usd; readonly isPromised: boolean }

/**
 * The call as it is made for a paying caller: within a cap, and without what only the operator may decide, such as paying a
 * provider twice, or so much that he wants to be asked.
 */
export function purchase(call: GatewayCall, terms: ChargeTerms, capUsd: Usd): GatewayCall {
  const { maxCostUsd, onUnknown: _onUnknown, paymentPrefer: _paymentPrefer, retrySchema: _retrySchema, ...rest } = call.read.extensions
  const own = maxCostUsd === undefined ? capUsd : minUsd(withoutMargin(maxCostUsd, terms), capUsd)
  const extensions: Extensions = { ...rest, maxCostUsd: own }
  return { ...call, read: { ...call.read, extensions }, asksNobody: true }
}
