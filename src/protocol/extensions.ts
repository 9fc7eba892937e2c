/** Our own request fields and headers, the same on every protocol: fallback models, provider rules, caps. */
import * as z from 'zod'
import { RouteplaneError } from '../errors.ts'
import { isRecord } from '../lib/json.ts'
import { defined } from '../lib/defined.ts'
import { formatUsd, parseUsd, parseUsdPerMillion, ZERO_USD, type Usd } from '../money.ts'
import { invalidRequest, readWire } from './invalid-request.ts'

/** @see Routing guide, section 4; the `provider` object is OpenRouter's. */
export type Extensions = {
  /** Overrides `model`; walked in order. At most 8. */
  readonly models?: readonly string[]
  readonly provider?: ProviderRules
  readonly maxCostUsd?: Usd
  readonly paymentPrefer?: readonly string[]
  readonly preset?: string
  readonly strict?: boolean
  /** Lowers the output limit to what the cap buys, rather than refusing. */
  readonly clampToBudget?: boolean
  /** Has a whole answer that breaks its schema made once more, within the same cap. */
  readonly retrySchema?: boolean
  readonly onUnknown?: 'wait' | 'fail' | 'allow_double'
  readonly idempotencyKey?: string
}

export type ProviderRules = {
  readonly order?: readonly string[]
  readonly only?: readonly string[]
  readonly ignore?: readonly string[]
  readonly allowFallbacks?: boolean
  readonly requireParameters?: boolean
  readonly quantizations?: readonly string[]
  readonly sort?: string
  /** Who is measured to be slower than this is asked after everybody else: output tokens a second. */
  readonly preferredMinThroughput?: number
  /** The same for the time to the first token, in milliseconds. */
  readonly preferredMaxLatencyMs?: number
  /** Prompt and completion per token, the others each. */
  readonly maxPrice?: { readonly prompt?: Usd; readonly completion?: Usd; readonly request?: Usd; readonly image?: Usd }
}

/** Top-level request members that are ours: read here, and taken out before an upstream sees the body. */
export const extensionFields = ['models', 'provider', 'preset', 'routeplane', 'max_cost_usd'] as const

export const MAX_FALLBACK_MODELS = 8

type Headers = Readonly<Record<string, string | undefined>>

/** A value with the place it came from, for errors. */
type Sourced<T> = { readonly at: string; readonly value: T }

/**
 * Reads our own fields of a request: body members, `x-routeplane-*` and `idempotency-key` headers (lower-case names), and
 * `preset` in the query for clients that can set nothing but a URL.
 *
 * The same thing said twice must be said alike: two caps that differ are refused, not resolved.
 *
 * @throws {@link RouteplaneError} `invalid_request`, `unsupported_parameter`, `invalid_max_cost`, `conflicting_max_cost` or
 *   `invalid_idempotency_key`, with the JSON path or the header's name in `details.path`.
 * @see Routing guide, section 4.
 */
export function readExtensions(json: Readonly<Record<string, unknown>>, headers: Headers, query: URLSearchParams): Extensions {
  if (!isAddressed(json, headers, query)) return NONE
  const own = json['routeplane'] === undefined || json['routeplane'] === null ? {} : readOwn(json['routeplane'])
  return defined({
    models: readModels(json['models']),
    provider: readProvider(json['provider']),
    maxCostUsd: readMaxCost(json, own.max_cost_usd, headers),
    paymentPrefer: readPaymentPrefer(own.payment?.prefer, headers['x-routeplane-payment']),
    preset: readPreset(json['preset'], own.preset, headers, query),
    strict: readFlag('strictness', 'strict', own.strict, headers),
    clampToBudget: readFlag('clamping', 'clamp_to_budget', own.clamp_to_budget, headers),
    retrySchema: readFlag('the retry', 'retry_schema', own.retry_schema, headers),
    onUnknown: own.on_unknown ?? undefined,
    idempotencyKey: readIdempotencyKey(headers['idempotency-key']),
  })
}

const NONE: Extensions = {}

const extensionHeaders = [
  'x-routeplane-max-cost',
  'x-routeplane-max-cost-usd',
  'x-routeplane-payment',
  'x-routeplane-preset',
  'x-routeplane-strict',
  'x-routeplane-clamp-to-budget',
  'x-routeplane-retry-schema',
  'idempotency-key',
] as const

/** Most requests say nothing to us: one look at each place is all they cost. */
function isAddressed(json: Readonly<Record<string, unknown>>, headers: Headers, query: URLSearchParams): boolean {
  for (const field of extensionFields) if (json[field] !== undefined) return true
  for (const header of extensionHeaders) if (headers[header] !== undefined) return true
  return query.has('preset')
}

const modeName = z.string().regex(/^[a-z0-9_-]{1,32}$/)

/** Strict, because it is ours: a misspelt cap must not pass for no cap. */
const ownSchema = z.strictObject({
  routeplane: z.strictObject({
    max_cost_usd: z.unknown().optional(),
    payment: z.strictObject({ prefer: z.union([modeName, z.array(modeName).min(1).max(8)]).nullish() }).nullish(),
    preset: z.string().nullish(),
    strict: z.boolean().nullish(),
    clamp_to_budget: z.boolean().nullish(),
    retry_schema: z.boolean().nullish(),
    on_unknown: z.enum(['wait', 'fail', 'allow_double']).nullish(),
  }),
})

function readOwn(value: unknown): Partial<z.infer<typeof ownSchema>['routeplane']> {
  return readWire(ownSchema, { routeplane: value }).routeplane
}

const modelsSchema = z.object({ models: z.array(z.string().min(1).max(512)).min(1).max(MAX_FALLBACK_MODELS) })

function readModels(value: unknown): readonly string[] | undefined {
  if (value === undefined || value === null) return undefined
  return readWire(modelsSchema, { models: value }).models
}

const names = z.array(z.string().min(1).max(200)).max(64).nullish()
const flag = z.boolean().nullish()
const price = z.union([z.string(), z.number()]).nullish()

const positive = z.number().positive().max(1e9)

/** A number is meant for the median; an object names percentiles. */
const pace = z
  .union([positive, z.strictObject({ p50: positive.nullish(), p75: positive.nullish(), p90: positive.nullish(), p99: positive.nullish() })])
  .nullish()

/** @see https://openrouter.ai/docs/features/provider-routing */
const providerSchema = z.object({
  provider: z.strictObject({
    order: names,
    only: names,
    ignore: names,
    allow_fallbacks: flag,
    require_parameters: flag,
    quantizations: names,
    sort: z.union([z.string().max(64), z.looseObject({ by: z.string().max(64) })]).nullish(),
    preferred_min_throughput: pace,
    preferred_max_latency: pace,
    max_price: z.strictObject({ prompt: price, completion: price, request: price, image: price }).nullish(),
    data_collection: z.string().nullish(),
    zdr: flag,
    enforce_distillable_text: flag,
  }),
})

function readProvider(value: unknown): ProviderRules | undefined {
  if (value === undefined || value === null) return undefined
  const { provider } = readWire(providerSchema, { provider: value })
  refusePromises(provider)
  return defined({
    order: provider.order ?? undefined,
    only: provider.only ?? undefined,
    ignore: provider.ignore ?? undefined,
    allowFallbacks: provider.allow_fallbacks ?? undefined,
    requireParameters: provider.require_parameters ?? undefined,
    quantizations: provider.quantizations ?? undefined,
    sort: isRecord(provider.sort) ? provider.sort.by : (provider.sort ?? undefined),
    preferredMinThroughput: strictest(provider.preferred_min_throughput, Math.max),
    preferredMaxLatencyMs: strictest(provider.preferred_max_latency, (...seconds) => Math.min(...seconds) * 1_000),
    maxPrice: readMaxPrice(provider.max_price),
  })
}

/** Endpoints are known by their median, and whose median misses a limit of any percentile from there on misses that limit, too. */
function strictest(value: z.infer<typeof pace>, pick: (...limits: readonly number[]) => number): number | undefined {
  const limits = typeof value === 'number' ? [value] : Object.values(value ?? {}).filter((limit) => typeof limit === 'number')
  return limits.length === 0 ? undefined : pick(...limits)
}

/** Promises about a provider's conduct that nothing here can check: ignoring them would be breaking them. */
function refusePromises(provider: z.infer<typeof providerSchema>['provider']): void {
  const asked = [
    ['data_collection', provider.data_collection === 'deny'],
    ['zdr', provider.zdr === true],
    ['enforce_distillable_text', provider.enforce_distillable_text === true],
  ] as const
  for (const [field, isAsked] of asked) {
    if (isAsked)
      throw invalidRequest(
        `provider.${field}`,
        'cannot be guaranteed here; leave it out or pick providers with provider.only',
        'unsupported_parameter',
      )
  }
}

type MaxPrice = NonNullable<ProviderRules['maxPrice']>

/** OpenRouter's unit: US dollars per million tokens for prompt and completion, per piece for the others. */
function readMaxPrice(value: z.infer<typeof providerSchema>['provider']['max_price']): MaxPrice | undefined {
  if (value === undefined || value === null) return undefined
  const read = (field: keyof typeof value, parse: (text: string) => Usd): Usd | undefined => {
    const amount = value[field]
    if (amount === undefined || amount === null) return undefined
    try {
      return parse(String(amount))
    } catch {
      throw invalidRequest(`provider.max_price.${field}`, 'must be a plain decimal amount of US dollars')
    }
  }
  return defined({
    prompt: read('prompt', parseUsdPerMillion),
    completion: read('completion', parseUsdPerMillion),
    request: read('request', parseUsd),
    image: read('image', parseUsd),
  })
}

/** One unit of a six-decimal dollar token: a smaller cap could never be met, so that it must be a mistake. */
const LEAST_CAP = 10n ** 12n

function readMaxCost(json: Readonly<Record<string, unknown>>, own: unknown, headers: Headers): Usd | undefined {
  const places: readonly Sourced<unknown>[] = [
    { at: 'max_cost_usd', value: json['max_cost_usd'] },
    { at: 'routeplane.max_cost_usd', value: own },
    { at: 'x-routeplane-max-cost', value: headers['x-routeplane-max-cost'] },
    { at: 'x-routeplane-max-cost-usd', value: headers['x-routeplane-max-cost-usd'] },
  ]
  const caps = places
    .filter(({ value }) => value !== undefined && value !== null)
    .map(({ at, value }) => ({ at, value: parseCap(at, value) }))
  const [first, ...rest] = caps
  const other = rest.find(({ value }) => value !== first?.value)
  if (first !== undefined && other !== undefined) {
    const both = `${first.at} says ${formatUsd(first.value)} and ${other.at} says ${formatUsd(other.value)}`
    throw new RouteplaneError('conflicting_max_cost', `the cap is given twice and differs: ${both}`, { details: { path: other.at } })
  }
  return first?.value
}

/** A JSON number is read through its shortest decimal writing; one that would need an exponent is refused. */
function parseCap(at: string, value: unknown): Usd {
  const problem = 'must be a plain decimal amount of US dollars like "0.25", zero or at least 0.000001'
  if (typeof value !== 'string' && typeof value !== 'number') throw invalidRequest(at, problem, 'invalid_max_cost')
  try {
    const cap = parseUsd(String(value))
    if (cap === ZERO_USD || cap >= LEAST_CAP) return cap
  } catch {
    // Said below, in the words of a cap.
  }
  throw invalidRequest(at, problem, 'invalid_max_cost')
}

function readPaymentPrefer(own: string | readonly string[] | null | undefined, header: string | undefined): readonly string[] | undefined {
  const inBody = typeof own === 'string' ? [own] : (own ?? undefined)
  const inHeader = header?.split(',').map((mode) => mode.trim())
  if (inHeader?.some((mode) => !modeName.safeParse(mode).success) || (inHeader?.length ?? 0) > 8) {
    throw invalidRequest('x-routeplane-payment', 'must be a list of payment modes like "x402, byok"')
  }
  return agreed('payment.prefer', [
    { at: 'routeplane.payment.prefer', value: inBody },
    { at: 'x-routeplane-payment', value: inHeader },
  ])
}

function readPreset(field: unknown, own: string | null | undefined, headers: Headers, query: URLSearchParams): string | undefined {
  if (field !== undefined && field !== null && typeof field !== 'string') throw invalidRequest('preset', 'must be of type string')
  const places: readonly Sourced<string | undefined>[] = [
    { at: 'preset', value: field ?? undefined },
    { at: 'routeplane.preset', value: own ?? undefined },
    { at: 'x-routeplane-preset', value: headers['x-routeplane-preset'] },
    { at: '?preset', value: query.get('preset') ?? undefined },
  ]
  for (const { at, value } of places) {
    if (value !== undefined && !/^[A-Za-z0-9_-]{1,64}$/.test(value))
      throw invalidRequest(at, 'must be a preset name: letters, digits, _ and -')
  }
  return agreed('the preset', places)
}

/** A switch that stands in the body as `routeplane.<field>` or in the header of that name. */
function readFlag(
  what: string,
  field: 'strict' | 'clamp_to_budget' | 'retry_schema',
  own: boolean | null | undefined,
  headers: Headers,
): boolean | undefined {
  const name = `x-routeplane-${field.replaceAll('_', '-')}`
  const header = headers[name]
  if (header !== undefined && !/^(?:1|0|true|false)$/.test(header)) throw invalidRequest(name, 'must be 1 or 0')
  return agreed(what, [
    { at: `routeplane.${field}`, value: own ?? undefined },
    { at: name, value: header === undefined ? undefined : header === '1' || header === 'true' },
  ])
}

/** @see https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header, section 2.1; quotes are part of the key. */
function readIdempotencyKey(header: string | undefined): string | undefined {
  if (header === undefined || /^[\x21-\x7e]{1,255}$/.test(header)) return header
  throw invalidRequest('idempotency-key', 'must be 1 to 255 visible ASCII characters', 'invalid_idempotency_key')
}

/** Gives the one value that all places agree on. */
function agreed<T>(what: string, places: readonly Sourced<T | undefined>[]): T | undefined {
  const [first, ...rest] = places.filter(({ value }) => value !== undefined)
  const other = rest.find(({ value }) => JSON.stringify(value) !== JSON.stringify(first?.value))
  if (first !== undefined && other !== undefined) {
    throw invalidRequest(other.at, `contradicts ${first.at}: ${what} is given twice and differs`)
  }
  return first?.value
}
