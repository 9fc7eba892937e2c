/** A model as every surface shows it: the aggregate of its endpoints, with prices as decimal strings. */
import { type Usd, formatUsd } from '../money.ts'
import type { EndpointStanding, ModelListing, Routeplane } from '../routeplane.ts'

type Endpoint = ModelListing['endpoints'][number]
type PriceTier = NonNullable<Endpoint['pricing']>['tiers'][number]

/** What callers who pay per call are asked; absent where nothing is sold. */
export type SalePrices = Pick<NonNullable<Routeplane['cashier']>['prices'], 'fixedUsd' | 'saleUsd'>

/** One entry of the list, in OpenAI's shape plus what a caller needs to choose; what nobody states is left out. */
export function modelCard(listing: ModelListing, prices?: SalePrices): Readonly<Record<string, unknown>> {
  const { endpoints } = listing
  const price = cheapest(endpoints)?.pricing?.tiers[0]
  return {
    id: listing.pin ?? listing.id,
    object: 'model',
    created: least(endpoints.map((endpoint) => endpoint.created)),
    owned_by: listing.id.split('/')[0],
    name: listing.name,
    context_length: greatest(endpoints.map((endpoint) => endpoint.contextLength)),
    max_output_length: greatest(endpoints.map((endpoint) => endpoint.maxOutputTokens)),
    pricing: price === undefined ? undefined : priceStrings(price),
    sale_pricing: prices === undefined ? undefined : salePricing(listing.id, price, prices),
    endpoints: endpoints.length,
    payment_modes: unique(endpoints.flatMap((endpoint) => endpoint.provider.payment.modes)),
    supported_features: unique(endpoints.flatMap((endpoint) => endpoint.features ?? [])),
    supported_sampling_parameters: unique(endpoints.flatMap((endpoint) => endpoint.samplingParameters ?? [])),
    input_modalities: unique(endpoints.flatMap((endpoint) => endpoint.inputModalities)),
    output_modalities: unique(endpoints.flatMap((endpoint) => endpoint.outputModalities)),
  }
}

export type StandingOf = (endpoint: Endpoint) => EndpointStanding

/** One model with a row for each provider, so that a caller can see what the aggregate is made of. */
export function modelDetail(listing: ModelListing, standingOf: StandingOf, prices?: SalePrices): Readonly<Record<string, unknown>> {
  return {
    ...modelCard(listing, prices),
    providers: listing.endpoints.map((endpoint) => ({
      id: endpoint.provider.id,
      name: endpoint.provider.name,
      model: endpoint.upstreamModel,
      protocols: endpoint.protocols,
      pricing: endpoint.pricing?.tiers.map((tier, index) => ({
        ...priceStrings(tier),
        ...(index === 0 ? {} : { min_context: tier.fromInputTokens }),
      })),
      context_length: endpoint.contextLength,
      max_output_length: endpoint.maxOutputTokens,
      quantization: endpoint.quantization,
      payment_modes: endpoint.provider.payment.modes,
      supported_features: endpoint.features,
      is_ready: endpoint.isReady,
      deprecation_date: endpoint.deprecationDate,
      ...standingCard(standingOf(endpoint)),
    })),
  }
}

/** What traffic has shown; what nobody has measured is left out. */
function standingCard({ uptime, countedRequests, ttftMs, throughput, cooldown }: EndpointStanding): Readonly<Record<string, unknown>> {
  return {
    uptime,
    counted_requests: toTenth(countedRequests),
    ttft_ms: ttftMs === undefined ? undefined : toTenth(ttftMs),
    tokens_per_second: throughput === undefined ? undefined : toTenth(throughput),
    cooldown: cooldown === undefined ? undefined : { kind: cooldown.kind, until: timeOf(cooldown.untilMs) },
  }
}

/** A tenth is all that a measurement means. */
function toTenth(value: number): number {
  return Math.round(value * 10) / 10
}

/** A provider may ask us to stay away for longer than a date can say. */
function timeOf(ms: number): string | undefined {
  const date = new Date(ms)
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString()
}

/**
 * The endpoints of one model in OpenRouter's shape, where it has a member for a fact; what is ours alone stands under `routeplane`.
 *
 * @see https://openrouter.ai/docs/api-reference/list-endpoints-for-a-model
 */
export function endpointsCard({ id, pin = id, name, endpoints }: ModelListing, standingOf: StandingOf): Readonly<Record<string, unknown>> {
  return {
    data: {
      id: pin,
      name,
      created: least(endpoints.map(({ created }) => created)),
      architecture: {
        input_modalities: unique(endpoints.flatMap(({ inputModalities }) => inputModalities)),
        output_modalities: unique(endpoints.flatMap(({ outputModalities }) => outputModalities)),
      },
      endpoints: endpoints.map((endpoint) => {
        const standing = standingOf(endpoint)
        const { uptime } = standing
        const [base] = endpoint.pricing?.tiers ?? []
        return {
          name: `${endpoint.provider.name} | ${endpoint.upstreamModel}`,
          provider_name: endpoint.provider.name,
          tag: endpoint.provider.id,
          context_length: endpoint.contextLength,
          max_completion_tokens: endpoint.maxOutputTokens,
          quantization: endpoint.quantization ?? 'unknown',
          pricing: base === undefined ? undefined : priceStrings(base),
          supported_parameters: unique([...(endpoint.samplingParameters ?? []), ...(endpoint.features ?? [])]),
          // Zero is well; below it something keeps requests away.
          status: endpoint.isReady && endpoint.provider.status === 'active' && standing.cooldown === undefined ? 0 : -1,
          uptime_last_30m: uptime === undefined ? null : Math.round(uptime * 10_000) / 100,
          routeplane: {
            endpoint: `${endpoint.provider.id}:${endpoint.upstreamModel}`,
            protocols: endpoint.protocols,
            payment_modes: endpoint.provider.payment.modes,
            deprecation_date: endpoint.deprecationDate,
            ...standingCard(standing),
          },
        }
      }),
    },
  }
}

/**
 * One entry as Anthropic's SDKs read it. When a model came out is not known, for which the reference has the epoch.
 *
 * @see https://docs.anthropic.com/en/api/models-list
 */
export function anthropicModelCard({ id, pin = id, name, endpoints }: ModelListing): Readonly<Record<string, unknown>> {
  return {
    type: 'model',
    id: pin,
    display_name: name,
    created_at: '1970-01-01T00:00:00Z',
    max_input_tokens: greatest(endpoints.map(({ contextLength }) => contextLength)),
    max_tokens: greatest(endpoints.map(({ maxOutputTokens }) => maxOutputTokens)),
  }
}

/** The endpoint with the lowest base price for a token in and a token out; one that states only half cannot win. */
function cheapest(endpoints: readonly Endpoint[]): Endpoint | undefined {
  let best: { readonly endpoint: Endpoint; readonly sum: bigint } | undefined
  for (const endpoint of endpoints) {
    const tier = endpoint.pricing?.tiers[0]
    if (tier?.prompt === undefined || tier.completion === undefined) continue
    const sum = tier.prompt + tier.completion
    if (best === undefined || sum < best.sum) best = { endpoint, sum }
  }
  return best?.endpoint
}

/** One price a request, or the margin on every price of the cheapest endpoint; a quote says what one request comes to. */
function salePricing(id: string, price: PriceTier | undefined, { fixedUsd, saleUsd }: SalePrices): unknown {
  const fixed = fixedUsd(id)
  if (fixed !== undefined) return { request: formatUsd(fixed) }
  return price === undefined ? undefined : priceStrings(price, saleUsd)
}

/** US dollars per token, and per unit for `image` and `request`. @see Registry guide, "Models Endpoint" */
function priceStrings(tier: PriceTier, asked: (usd: Usd) => Usd = (usd) => usd): Readonly<Record<string, string | undefined>> {
  const text = (usd: Usd | undefined) => (usd === undefined ? undefined : formatUsd(asked(usd)))
  return {
    prompt: text(tier.prompt),
    completion: text(tier.completion),
    input_cache_read: text(tier.cacheRead),
    input_cache_write: text(tier.cacheWrite),
    reasoning: text(tier.reasoning),
    image: text(tier.image),
    request: text(tier.request),
  }
}

function greatest(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined)
  return known.length === 0 ? undefined : Math.max(...known)
}

/** The model is as old as its first endpoint. */
function least(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined)
  return known.length === 0 ? undefined : Math.min(...known)
}

function unique<T>(values: readonly T[]): readonly T[] {
  return [...new Set(values)]
}
