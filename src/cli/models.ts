/** `routeplane models`: what can be asked for, from whom, and at what price. */
import { RouteplaneError } from '../errors.ts'
import type { PriceTier, Pricing } from '../registry/pricing.ts'
import type { Endpoint } from '../registry/endpoint.ts'
import type { Usd } from '../money.ts'
import type { EndpointStanding, ModelListing, ProviderView } from '../routeplane.ts'
import { nearest } from '../config/nearest.ts'
import { plainCommand, type Command } from './command.ts'
import { fields, perMillion, table, usdText } from './output.ts'
import { withEngine } from './session.ts'

export const modelsList: Command = {
  ...plainCommand,
  name: 'models list',
  aliases: ['models'],
  summary: 'List models with their prices.',
  details: ['Prices are US dollars per million tokens, the lowest of all endpoints; "unknown" is never zero.'],
  options: {
    provider: { type: 'string', value: '<id>', summary: 'Only models this provider serves.' },
    all: { type: 'boolean', summary: 'Also models that are not ready, or deprecated.' },
  },
  async run(invocation, context) {
    const only = invocation.text('provider')
    const models = await withEngine(invocation, context, async ({ catalog }) => catalog.models({ includeHidden: invocation.flag('all') }))
    const shown = models.filter(({ endpoints }) => only === undefined || endpoints.some(({ provider }) => provider.id === only))
    return {
      text: shown.length === 0 ? 'No models. Is a provider configured? See "routeplane config check".' : listText(shown),
      value: { models: shown.map((model) => toValue(model)) },
    }
  },
}

export const modelsShow: Command = {
  ...plainCommand,
  name: 'models show',
  summary: 'Show one model with each endpoint that serves it.',
  positionals: ['<id>'],
  async run(invocation, context) {
    const [id = ''] = invocation.positionals
    return withEngine(invocation, context, async ({ catalog, providers }) => {
      const model = catalog.model(id) ?? unknownModel(id, catalog.models())
      return { text: showText(model, providers.standing), value: toValue(model, providers.standing) }
    })
  },
}

function unknownModel(id: string, models: readonly ModelListing[]): never {
  const meant = nearest(
    id,
    models.map((model) => model.id),
  )
  throw new RouteplaneError('model_not_found', `there is no model ${JSON.stringify(id.slice(0, 100))}`, {
    hint: meant === undefined ? 'See "routeplane models list".' : `Did you mean ${meant}?`,
  })
}

function listText(models: readonly ModelListing[]): string {
  const rows = models.map(({ id, endpoints }) => [
    id,
    perMillion(lowest(endpoints, (tier) => tier.prompt)),
    perMillion(lowest(endpoints, (tier) => tier.completion)),
    String(Math.max(...endpoints.map(({ contextLength }) => contextLength ?? -1))).replace('-1', 'unknown'),
    [...new Set(endpoints.map(({ provider }) => provider.id))].join(', '),
  ])
  return table(['model', 'input $/M', 'output $/M', 'context', 'providers'], rows)
}

type StandingOf = ProviderView['standing']

function showText({ id, name, endpoints }: ModelListing, standingOf: StandingOf): string {
  const head = fields([
    ['id', id],
    ['name', name],
  ])
  const rows = endpoints.map((endpoint) => [
    `${endpoint.provider.id}:${endpoint.upstreamModel}`,
    perMillion(baseTier(endpoint.pricing)?.prompt),
    perMillion(baseTier(endpoint.pricing)?.completion),
    endpoint.contextLength === undefined ? 'unknown' : String(endpoint.contextLength),
    endpoint.protocols.join(', '),
    endpoint.provider.payment.modes.join(', '),
    ...standingColumns(standingOf(endpoint)),
    stateOf(endpoint, standingOf(endpoint)),
  ])
  const measured = ['uptime', 'ttft', 'tokens/s']
  return `${head}\n\n${table(['endpoint', 'input $/M', 'output $/M', 'context', 'speaks', 'paid by', ...measured, 'state'], rows)}`
}

/** Uptime, time to the first token and tokens a second, as columns. */
export function standingColumns({ uptime, ttftMs, throughput }: EndpointStanding): readonly string[] {
  const shown = (value: number | undefined, text: (known: number) => string) => (value === undefined ? 'unmeasured' : text(value))
  return [
    shown(uptime, (share) => `${Math.round(share * 1000) / 10} %`),
    shown(ttftMs, (ms) => `${Math.round(ms)} ms`),
    shown(throughput, (rate) => String(Math.round(rate * 10) / 10)),
  ]
}

function stateOf({ isReady, deprecationDate, provider }: Endpoint, { cooldown }: EndpointStanding): string {
  if (provider.status !== 'active') return provider.status
  if (!isReady) return 'not ready'
  if (cooldown !== undefined) return cooldown.kind
  return deprecationDate === undefined ? 'ready' : `ready, retires ${deprecationDate}`
}

function baseTier(pricing: Pricing | undefined): PriceTier | undefined {
  return pricing?.tiers[0]
}

/** An unknown price is not a low one: it is left out, and unknown only when every one is. */
function lowest(endpoints: readonly Endpoint[], read: (tier: PriceTier) => Usd | undefined): Usd | undefined {
  const known = endpoints.flatMap(({ pricing }) => {
    const tier = baseTier(pricing)
    const price = tier === undefined ? undefined : read(tier)
    return price === undefined ? [] : [price]
  })
  return known.reduce<Usd | undefined>((least, price) => (least === undefined || price < least ? price : least), undefined)
}

function toValue({ id, name, endpoints }: ModelListing, standingOf?: StandingOf): unknown {
  return {
    id,
    name,
    endpoints: endpoints.map((endpoint) => ({
      provider: endpoint.provider.id,
      upstream_model: endpoint.upstreamModel,
      protocols: endpoint.protocols,
      payment_modes: endpoint.provider.payment.modes,
      context_length: endpoint.contextLength ?? null,
      max_output_length: endpoint.maxOutputTokens ?? null,
      usd_per_token: endpoint.pricing?.tiers.map(tierValue) ?? null,
      supported_features: endpoint.features ?? null,
      is_ready: endpoint.isReady,
      deprecation_date: endpoint.deprecationDate ?? null,
      ...(standingOf === undefined ? {} : standingValue(standingOf(endpoint))),
    })),
  }
}

/** The same for machines; `null` is unmeasured. */
export function standingValue({ uptime, countedRequests, ttftMs, throughput, cooldown }: EndpointStanding): object {
  return {
    uptime: uptime ?? null,
    counted_requests: Math.round(countedRequests * 10) / 10,
    ttft_ms: ttftMs ?? null,
    tokens_per_second: throughput ?? null,
    cooldown: cooldown?.kind ?? null,
  }
}

function tierValue(tier: PriceTier): unknown {
  return {
    min_context: tier.fromInputTokens,
    prompt: usdText(tier.prompt),
    completion: usdText(tier.completion),
    input_cache_read: usdText(tier.cacheRead),
    input_cache_write: usdText(tier.cacheWrite),
    image: usdText(tier.image),
    request: usdText(tier.request),
  }
}
