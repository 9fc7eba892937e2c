/** The tool `list_models`: which models there are, at what price, payable how. */
import * as z from 'zod'
import { features } from '../completion/features.ts'
import { RouteplaneError } from '../errors.ts'
import { type Usd, formatUsd } from '../money.ts'
import type { ModelListing } from '../routeplane.ts'
import { maySee } from './audience.ts'
import { paymentModes, readUsd } from './schema.ts'
import { defineTool } from './tool.ts'

const DEFAULT_LIMIT = 50
const MAX_LIMIT = 200

const input = z.strictObject({
  query: z.string().max(200).optional().describe('Words that must all occur in the id or the name.'),
  max_price: z
    .string()
    .max(60)
    .optional()
    .describe('US dollars per token, like "0.000002". Keeps models with an endpoint that asks at most this for input and for output.'),
  feature: z.enum(features).optional().describe('A capability that some endpoint of the model must have.'),
  payment_mode: z.enum(paymentModes).optional().describe('A way to pay that some endpoint of the model must take.'),
  limit: z.int().min(1).max(MAX_LIMIT).optional().describe(`Models in one answer; ${DEFAULT_LIMIT} by default.`),
  cursor: z.string().max(400).optional().describe('next_cursor of the answer before.'),
})

const row = z.object({
  id: z.string(),
  name: z.string(),
  prompt_usd_per_token: z.string().optional(),
  completion_usd_per_token: z.string().optional(),
  context_length: z.int().optional(),
  max_output_tokens: z.int().optional(),
  features: z.array(z.string()),
  providers: z.array(z.string()),
  payment_modes: z.array(z.string()),
  uptime: z.number().optional(),
  ttft_ms: z.number().optional(),
  tokens_per_second: z.number().optional(),
  deprecation_date: z.string().optional(),
})

const output = z.object({
  models: z.array(row).optional().describe('By id. Prices are those of the cheapest endpoint; a field that is absent is not known.'),
  total: z.int().optional().describe('How many models match, on all pages.'),
  next_cursor: z.string().optional().describe('Present when there are more.'),
  hint: z.string().optional().describe('What to do when there is no model at all.'),
})

const NO_PROVIDER =
  'No provider is configured. The user can set a key such as OPENAI_API_KEY where this server is started, or write a config with "npx -p routeplane-mcp routeplane init", and start the server anew.'

export const listModels = defineTool({
  name: 'list_models',
  title: 'List models',
  description:
    'Lists the models that can be called with complete: price per token in US dollars, context length, capabilities, providers, ways to pay. Free, and reads nothing but the local catalog.',
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  audience: 'anybody',
  input,
  output,
  call: async (filter, { routeplane, caller }) => {
    await routeplane.ready()
    const matching = routeplane.catalog
      .models()
      .filter((listing) => maySee(caller, listing))
      .filter(createFilter(filter))
      .toSorted((one, other) => (one.id < other.id ? -1 : one.id > other.id ? 1 : 0))
    const after = filter.cursor === undefined ? undefined : decodeCursor(filter.cursor)
    const rest = after === undefined ? matching : matching.filter((listing) => listing.id > after)
    const page = rest.slice(0, filter.limit ?? DEFAULT_LIMIT)
    const last = page.at(-1)
    return {
      models: page.map(toRow),
      total: matching.length,
      ...(caller.isOperator && routeplane.catalog.models().length === 0 ? { hint: NO_PROVIDER } : {}),
      ...(rest.length > page.length && last !== undefined ? { next_cursor: encodeCursor(last.id) } : {}),
    }
  },
})

/** A page ends at an id, not at a number, so that a model that comes or goes in between hides no other. */
function encodeCursor(id: string): string {
  return Buffer.from(id).toString('base64url')
}

function decodeCursor(cursor: string): string {
  const id = Buffer.from(cursor, 'base64url').toString()
  if (id === '' || encodeCursor(id) !== cursor) throw new RouteplaneError('invalid_request', 'cursor is not one that list_models has given')
  return id
}

type Endpoint = ModelListing['endpoints'][number]
type Filter = z.output<typeof input>

function createFilter({ query, max_price: maxPrice, feature, payment_mode: mode }: Filter): (listing: ModelListing) => boolean {
  const words = (query ?? '').toLowerCase().split(/\s+/)
  const most = maxPrice === undefined ? undefined : readUsd(maxPrice)
  if (maxPrice !== undefined && most === undefined) {
    throw new RouteplaneError('invalid_request', 'max_price must be a plain decimal amount of US dollars per token', {
      hint: 'Write it like "0.000002".',
    })
  }
  return ({ id, name, endpoints }) => {
    const text = `${id} ${name}`.toLowerCase()
    return (
      words.every((word) => text.includes(word)) &&
      (most === undefined || endpoints.some((endpoint) => costsAtMost(endpoint, most))) &&
      (feature === undefined || endpoints.some((endpoint) => endpoint.features?.includes(feature))) &&
      (mode === undefined || endpoints.some((endpoint) => endpoint.provider.payment.modes.includes(mode)))
    )
  }
}

function costsAtMost(endpoint: Endpoint, most: Usd): boolean {
  const price = priceOf(endpoint)
  return price !== undefined && price.prompt <= most && price.completion <= most
}

/** The base price of a token in and a token out; `undefined` unless both are stated. */
function priceOf(endpoint: Endpoint): { readonly prompt: Usd; readonly completion: Usd } | undefined {
  const { prompt, completion } = endpoint.pricing?.tiers[0] ?? {}
  return prompt === undefined || completion === undefined ? undefined : { prompt, completion }
}

function toRow({ id, name, endpoints, uptime, ttftMs, throughput }: ModelListing): z.input<typeof row> {
  const [price] = endpoints
    .map(priceOf)
    .filter((known) => known !== undefined)
    .toSorted((one, other) => (one.prompt + one.completion < other.prompt + other.completion ? -1 : 1))
  const context = greatest(endpoints.map((endpoint) => endpoint.contextLength))
  const longest = greatest(endpoints.map((endpoint) => endpoint.maxOutputTokens))
  const [retires] = endpoints.flatMap((endpoint) => endpoint.deprecationDate ?? []).toSorted()
  return {
    id,
    name,
    ...(price === undefined
      ? {}
      : { prompt_usd_per_token: formatUsd(price.prompt), completion_usd_per_token: formatUsd(price.completion) }),
    ...(context === undefined ? {} : { context_length: context }),
    ...(longest === undefined ? {} : { max_output_tokens: longest }),
    features: [...new Set(endpoints.flatMap((endpoint) => endpoint.features ?? []))],
    providers: endpoints.map((endpoint) => endpoint.provider.id),
    payment_modes: [...new Set(endpoints.flatMap((endpoint) => endpoint.provider.payment.modes))],
    ...(uptime === undefined ? {} : { uptime }),
    ...(ttftMs === undefined ? {} : { ttft_ms: Math.round(ttftMs) }),
    ...(throughput === undefined ? {} : { tokens_per_second: Math.round(throughput) }),
    ...(retires === undefined ? {} : { deprecation_date: retires }),
  }
}

function greatest(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined)
  return known.length === 0 ? undefined : Math.max(...known)
}
