/** What Google's wire has besides completions: its list of models, the counting of tokens, and a key in the query. */
import type { Context, Hono } from 'hono'
import { RouteplaneError } from '../errors.ts'
import { countTokens } from '../protocol/generate-content/count.ts'
import type { ModelListing, Routeplane } from '../routeplane.ts'
import { parseBody, readBody } from './body.ts'
import { jsonText } from './error-response.ts'
import { pathOf } from './guard.ts'
import type { AppEnv, Route } from './read-routes.ts'

/** The versions of the API under which its clients call. */
const versions = ['v1beta', 'v1alpha'] as const

const MAX_PAGE = 1_000
const DEFAULT_PAGE = 50

export type GoogleRoutesOptions = { readonly maxBodyBytes: number; refuseMethod(allow: string): Route }

type Lists = Pick<Routeplane, 'catalog' | 'ready'>

/**
 * Mounts the routes; before the completions, whose pattern takes every path below `models/`.
 *
 * @see https://ai.google.dev/api/models
 */
export function mountGoogleRoutes(app: Hono<AppEnv>, { catalog, ready }: Lists, options: GoogleRoutesOptions): void {
  for (const version of versions) {
    app.get(`/${version}/models`, async (context) => {
      await ready()
      return json(listModels(catalog.models(), context))
    })
    app.all(`/${version}/models`, options.refuseMethod('GET, HEAD'))
    app.get(`/${version}/models/:id{.+}`, async (context) => {
      await ready()
      const id = context.req.param('id')
      return json(showModel(catalog.model(id), id))
    })
    app.post(`/${version}/models/:call{.+:countTokens}`, async ({ env }) => {
      const body = await readBody(env.incoming, options.maxBodyBytes)
      return json(countTokens({ json: parseBody(body) }), { 'x-routeplane-estimated': '1' })
    })
  }
}

function json(value: unknown, headers: Readonly<Record<string, string>> = {}): Response {
  const own = { 'content-type': 'application/json', 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' }
  return new Response(jsonText(value), { headers: { ...own, ...headers } })
}

/** A page token is the number of models before the page. */
function listModels(listings: readonly ModelListing[], context: Context<AppEnv>): unknown {
  const { pageSize = String(DEFAULT_PAGE), pageToken = '0' } = context.req.query()
  const size = /^\d{1,6}$/.test(pageSize) ? Math.min(Number(pageSize), MAX_PAGE) : 0
  if (size === 0)
    throw new RouteplaneError('invalid_request', 'pageSize must be a whole number above zero', { details: { path: 'pageSize' } })
  if (!/^\d{1,9}$/.test(pageToken))
    throw new RouteplaneError('invalid_request', 'pageToken must come from the page before', { details: { path: 'pageToken' } })
  const from = Number(pageToken)
  const isLast = from + size >= listings.length
  return { models: listings.slice(from, from + size).map(googleModelCard), ...(isLast ? {} : { nextPageToken: String(from + size) }) }
}

function showModel(listing: ModelListing | undefined, id: string): unknown {
  if (listing === undefined) throw new RouteplaneError('model_not_found', `there is no model ${JSON.stringify(id.slice(0, 100))}`)
  return googleModelCard(listing)
}

/** A model as Google's SDKs read it; limits that nobody states are left out. @see https://ai.google.dev/api/models#Model */
export function googleModelCard({ id, name, endpoints }: ModelListing): Readonly<Record<string, unknown>> {
  return {
    name: `models/${id}`,
    baseModelId: id,
    version: '001',
    displayName: name,
    inputTokenLimit: greatest(endpoints.map(({ contextLength }) => contextLength)),
    outputTokenLimit: greatest(endpoints.map(({ maxOutputTokens }) => maxOutputTokens)),
    supportedGenerationMethods: ['generateContent', 'streamGenerateContent', 'countTokens'],
    thinking: endpoints.some(({ features }) => features?.includes('reasoning') === true),
  }
}

function greatest(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined)
  return known.length === 0 ? undefined : Math.max(...known)
}

/**
 * Gives the token that Google's clients may put into the query, on their paths only. It must not reach a log or an upstream.
 *
 * @see https://cloud.google.com/apis/docs/system-parameters, `key`
 */
export function keyInQuery(target: string): string | undefined {
  const path = pathOf(target)
  if (!versions.some((version) => path.startsWith(`/${version}/`))) return undefined
  return new URLSearchParams(target.slice(path.length)).get('key') ?? undefined
}
