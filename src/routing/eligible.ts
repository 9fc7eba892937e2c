/** Which endpoints may and can serve a request, and for each other one the reason why not. */
import type { Needs } from '../completion/features.ts'
import { addUsd, formatUsd, subtractUsd, ZERO_USD, type Usd } from '../money.ts'
import type { Declined, Offer } from '../payment/mode.ts'
import type { ProviderRules } from '../protocol/extensions.ts'
import { endpointKey, type Endpoint, type PaymentModeName } from '../registry/endpoint.ts'
import { quoteOf, type Quote } from '../registry/quote.ts'
import type { Candidate, HealthView } from '../selection/axis.ts'
import type { Refusal, RefusalReason } from './plan.ts'
import type { Target } from './resolve.ts'

export type Sieve = {
  readonly needs: Needs
  readonly rules: ProviderRules
  readonly capUsd: Usd
  /** The cap for one endpoint, where its provider has a lower one of its own. */
  capAt?(endpoint: Endpoint): Usd
  /** The caller, or his preset, set the cap himself: it then binds providers he pays with his own key, too. */
  readonly capIsOwn: boolean
  /** Payment modes in order; a mode that is not listed is not used. */
  readonly prefer: readonly PaymentModeName[]
  readonly hideDeprecated: boolean
  /** `YYYY-MM-DD`, UTC. */
  today(): string
  offer(mode: PaymentModeName, endpoint: Endpoint): Offer | Declined
  /** Where nobody can be asked: what somebody would have to agree to; `undefined` when nobody need. */
  unagreed?(mode: PaymentModeName, endpoint: Endpoint, boundUsd: Usd | undefined): string | undefined
  health(endpoint: Endpoint): HealthView
  /** Epoch milliseconds until which an endpoint is left alone. */
  coolingUntil(endpoint: Endpoint): number | undefined
  /**
   * Epoch milliseconds until which an endpoint is out of its rate limit: its own 429, or the bucket of its declared limit.
   * Unlike a cooling endpoint it is never tried all the same, because we know the answer.
   */
  limitedUntil?(endpoint: Endpoint): number | undefined
  /** Why the request cannot be said in any wire the endpoint speaks. */
  untranslatable?(endpoint: Endpoint): string | undefined
  /** US dollars that the endpoint is expected to take off, because it has read the beginning of the request before. */
  savingAt?(endpoint: Endpoint): Usd | undefined
  /** What the request needs once it is said in a wire of the endpoint, where that is more; prices count this. */
  needsAt?(endpoint: Endpoint): Needs
}

export type Sifted = {
  readonly eligible: readonly EligibleCandidate[]
  readonly refused: readonly Refusal[]
}

/** A candidate with the modes that can pay it now, in the order they are to be tried. */
export type EligibleCandidate = Candidate & { readonly modes: readonly PaymentModeName[] }

type Verdict = { readonly reason: RefusalReason; readonly detail: string }

/**
 * Sifts the endpoints of one target. The last endpoint of a model is never out just because it is cooling down.
 *
 * @see Routing guide, section 5
 */
export function sift(target: Target, sieve: Sieve): Sifted {
  const eligible: EligibleCandidate[] = []
  const cooling: { candidate: EligibleCandidate; until: number }[] = []
  const refused: Refusal[] = []
  const quotes = createQuotes()
  for (const endpoint of target.endpoints) {
    const verdict = excluded(endpoint, target, sieve) ?? incapable(endpoint, sieve) ?? consider(endpoint, sieve, quotes)
    if ('reason' in verdict) {
      refused.push({ endpoint: endpointKey(endpoint), model: endpoint.modelId, ...verdict })
      continue
    }
    const limitedUntil = sieve.limitedUntil?.(endpoint)
    if (limitedUntil !== undefined) {
      refused.push(waiting(endpoint, 'rate_limited', `out of its rate limit until ${timeOf(limitedUntil)}`, limitedUntil))
      continue
    }
    const until = sieve.coolingUntil(endpoint)
    if (until === undefined) eligible.push(verdict)
    else cooling.push({ candidate: verdict, until })
  }
  if (cooling.length === 0) return { eligible, refused }
  const [soonest, ...later] = cooling.toSorted((a, b) => a.until - b.until)
  if (eligible.length === 0 && soonest !== undefined)
    return { eligible: [soonest.candidate], refused: [...refused, ...later.map(coolingRefusal)] }
  return { eligible, refused: [...refused, ...cooling.map(coolingRefusal)] }
}

function coolingRefusal({ candidate, until }: { candidate: EligibleCandidate; until: number }): Refusal {
  return waiting(candidate.endpoint, 'cooling_down', `left alone until ${timeOf(until)}`, until)
}

function waiting(endpoint: Endpoint, reason: RefusalReason, detail: string, retryAt: number): Refusal {
  return { endpoint: endpointKey(endpoint), model: endpoint.modelId, reason, detail, retryAt }
}

/** A provider may ask us to stay away for longer than a date can say. */
function timeOf(ms: number): string {
  const date = new Date(ms)
  return Number.isNaN(date.getTime()) ? 'further notice' : date.toISOString()
}

function excluded(endpoint: Endpoint, target: Target, sieve: Sieve): Verdict | undefined {
  const { provider, deprecationDate } = endpoint
  if (provider.status !== 'active') return { reason: 'not_active', detail: `the provider is ${provider.status}` }
  if (!endpoint.isReady) return { reason: 'not_ready', detail: 'the provider stages this model' }
  const isGone = deprecationDate !== undefined && deprecationDate < sieve.today()
  if (isGone && sieve.hideDeprecated && !target.pinned) return { reason: 'deprecated', detail: `retired on ${deprecationDate}` }
  return unwanted(endpoint, sieve.rules)
}

/** What the caller or a preset rules out, whatever the endpoint could do. */
function unwanted({ provider, quantization = 'unknown' }: Endpoint, rules: ProviderRules): Verdict | undefined {
  const { only, ignore = [], order, allowFallbacks, quantizations } = rules
  if (only !== undefined && !only.includes(provider.id)) return { reason: 'excluded', detail: 'not among the providers asked for' }
  if (ignore.includes(provider.id)) return { reason: 'excluded', detail: 'the caller or a preset ignores it' }
  if (allowFallbacks === false && order !== undefined && !order.includes(provider.id)) {
    return { reason: 'excluded', detail: 'not in the order, and fallbacks are off' }
  }
  if (quantizations !== undefined && !quantizations.includes(quantization))
    return { reason: 'quantization', detail: `it is ${quantization}` }
  return undefined
}

/** What an endpoint does not say it lacks, it is taken to have: unknown is not a no. */
function incapable(endpoint: Endpoint, sieve: Sieve): Verdict | undefined {
  const { needs, rules } = sieve
  const feature = firstMissing(needs.features, endpoint.features)
  if (feature !== undefined) return { reason: 'feature', detail: `it has no ${feature}` }
  const input = firstMissing(needs.inputModalities, endpoint.inputModalities)
  if (input !== undefined) return { reason: 'modality', detail: `it takes no ${input}` }
  const output = firstMissing(needs.outputModalities, endpoint.outputModalities)
  if (output !== undefined) return { reason: 'modality', detail: `it makes no ${output}` }
  const untranslatable = sieve.untranslatable?.(endpoint)
  if (untranslatable !== undefined) return { reason: 'translation', detail: untranslatable }
  if (rules.requireParameters === true) {
    // Who demands support is not served by silence.
    const parameter = firstMissing(needs.samplingParameters, endpoint.samplingParameters ?? [])
    if (parameter !== undefined) return { reason: 'parameter', detail: `it does not say that it takes ${parameter}` }
  }
  // The expected count, not the bound: a wrong "too long" would turn away what fits.
  if (endpoint.contextLength !== undefined && needs.expectedInputTokens > endpoint.contextLength) {
    return { reason: 'context', detail: `about ${needs.expectedInputTokens} input tokens exceed its ${endpoint.contextLength}` }
  }
  return undefined
}

/** Gives the first that is wanted and not there; of a list that nobody has written everything may be there. */
function firstMissing<Item>(wanted: readonly Item[], had: readonly Item[] | undefined): Item | undefined {
  if (had === undefined) return undefined
  for (const each of wanted) if (!had.includes(each)) return each
  return undefined
}

function consider(endpoint: Endpoint, sieve: Sieve, quotes: Quotes): EligibleCandidate | Verdict {
  const needs = sieve.needsAt?.(endpoint) ?? sieve.needs
  const dear = aboveMaxPrice(endpoint, sieve.rules, needs)
  if (dear !== undefined) return dear
  const { pricing } = endpoint
  const mostOutput = mostOutputOf(endpoint, needs)
  const quote = quotes.of(needs)
  const boundUsd = pricing === undefined || mostOutput === undefined ? undefined : quote.bound(pricing, mostOutput)
  const ways = waysToPay(endpoint, boundUsd, sieve)
  if ('reason' in ways) return ways
  const listed = pricing === undefined ? undefined : quote.expected(pricing, mostOutput)
  const savingUsd = listed === undefined ? undefined : sieve.savingAt?.(endpoint)
  const expected = listed === undefined || savingUsd === undefined ? listed : subtractUsd(listed, savingUsd)
  return {
    endpoint,
    expectedUsd: expected === undefined || ways.overheadUsd === ZERO_USD ? expected : addUsd(expected, ways.overheadUsd),
    savingUsd,
    boundUsd,
    health: sieve.health(endpoint),
    byok: ways.modes[0] === 'byok',
    modes: ways.modes,
  }
}

type Quotes = { of(needs: Needs): Quote }

/** Endpoints that take the request as it is have one quote in common. */
function createQuotes(): Quotes {
  let last: { readonly needs: Needs; readonly quote: Quote } | undefined
  return {
    of(needs) {
      if (last?.needs !== needs) last = { needs, quote: quoteOf(needs) }
      return last.quote
    },
  }
}

/** The longest answer a request can get: what it asks for, or what the endpoint can write; `undefined` when neither is known. */
export function mostOutputOf(endpoint: Endpoint, needs: Needs): number | undefined {
  return needs.maxOutputTokens ?? endpoint.maxOutputTokens ?? endpoint.contextLength
}

type Ways = { readonly modes: readonly PaymentModeName[]; readonly overheadUsd: Usd }

/** The modes that can pay within the cap, with the overhead of the first; a price that is in the way says more than a mode that is. */
function waysToPay(endpoint: Endpoint, boundUsd: Usd | undefined, sieve: Sieve): Ways | Verdict {
  const cap = { capUsd: sieve.capAt?.(endpoint) ?? sieve.capUsd, capIsOwn: sieve.capIsOwn }
  const modes: PaymentModeName[] = []
  let overheadUsd: Usd = ZERO_USD
  let dear: Verdict | undefined
  for (const mode of sieve.prefer) {
    const offer = sieve.offer(mode, endpoint)
    if (!offer.available) continue
    const verdict = withinCap(mode, boundUsd, offer.overheadUsd, cap)
    if (verdict !== undefined) {
      dear ??= verdict
      continue
    }
    const unagreed = sieve.unagreed?.(mode, endpoint, boundUsd)
    if (unagreed !== undefined) {
      dear ??= { reason: 'approval', detail: unagreed }
      continue
    }
    if (modes.length === 0) overheadUsd = offer.overheadUsd
    modes.push(mode)
  }
  return modes.length > 0 ? { modes, overheadUsd } : (dear ?? { reason: 'payment', detail: declinedBy(endpoint, sieve) })
}

function declinedBy(endpoint: Endpoint, sieve: Sieve): string {
  const declined = sieve.prefer.flatMap((mode) => {
    const answer = sieve.offer(mode, endpoint)
    return answer.available ? [] : [`${mode}: ${answer.reason}`]
  })
  return declined.length === 0 ? 'no payment mode is allowed' : declined.join('; ')
}

type Cap = { readonly capUsd: Usd; readonly capIsOwn: boolean }

function withinCap(mode: PaymentModeName, boundUsd: Usd | undefined, overheadUsd: Usd, { capUsd, capIsOwn }: Cap): Verdict | undefined {
  // The operator's own cap guards his wallet; a provider paid with the caller's key is bound only by a cap he set himself.
  if (mode === 'byok' && !capIsOwn) return undefined
  if (boundUsd === undefined) return { reason: 'price_unknown', detail: 'the most it can cost is not known, so no cap can hold it' }
  const most = addUsd(boundUsd, overheadUsd)
  if (most <= capUsd) return undefined
  return { reason: 'price_above_cap', detail: `it can cost up to $${formatUsd(most)}; the cap is $${formatUsd(capUsd)}` }
}

/**
 * Compares the prices of every tier the request could reach with what the caller will pay per unit. A price that is needed and
 * not known is not below any limit; a fee that is nowhere in the list is not charged.
 *
 * @see https://openrouter.ai/docs/features/provider-routing, "Max Price"
 */
function aboveMaxPrice({ pricing }: Endpoint, { maxPrice }: ProviderRules, needs: Needs): Verdict | undefined {
  if (maxPrice === undefined) return undefined
  const reachable = pricing?.tiers.filter((tier, at) => at === 0 || tier.fromInputTokens <= needs.maxInputTokens) ?? []
  for (const unit of ['prompt', 'completion', 'request', 'image'] as const) {
    const limit = maxPrice[unit]
    if (limit === undefined || (unit === 'image' && needs.images === 0)) continue
    const prices = reachable.map((tier) => tier[unit] ?? (unit === 'image' || unit === 'request' ? pricing?.tiers[0][unit] : undefined))
    const isUnknown = prices.length === 0 || (unit !== 'request' && prices.includes(undefined))
    if (isUnknown) return { reason: 'max_price', detail: `its ${unit} price is not known` }
    const above = prices.find((price) => price !== undefined && price > limit)
    if (above !== undefined) return { reason: 'max_price', detail: `its ${unit} price is $${formatUsd(above)}` }
  }
  return undefined
}
