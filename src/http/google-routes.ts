/** What Google's wire has besides completions: its list of models, the counting of tokens, and a key in the query. */
import type { IncomingMessage } from 'node:http'
import type { Context, Hono, Next } from 'hono'
import { RouteplaneError } from '../errors.ts'
import { countTokens } from '../protocol/generate-content/count.ts'
import type { ModelListing, Routeplane } from '../routeplane.ts'
import { parseBody, readBody } from './body.ts'
import { jsonText } from './error-response.ts'
import { pathOf } from './guard.ts'
import type { AppEnv, Route } from './read-routes.ts'

/** The versions of the API that only its clients call. */
const versions = ['v1beta', 'v1alpha'] as const
/** The version that other wires have, too: there its clients are told by what they send. */
const SHARED_VERSION = 'v1'

const MAX_PAGE = 1_000
const DEFAULT_PAGE = 50

export type GoogleRoutesOptions = { readonly maxBodyBytes: number; refuseMethod(allow: string): Route }

type Lists = Pick<Routeplane, 'catalog' | 'ready'>

/**
 * Mounts the routes; before the completions, whose pattern takes every path below `models/`, and before the other wires' models.
 *
 * @see https://ai.google.dev/api/models
 */
export function mountGoogleRoutes(app: Hono<AppEnv>, lists: Lists, options: GoogleRoutesOptions): void {
  const list = (context: Context<AppEnv>) => showList(lists, context)
  const show = (context: Context<AppEnv>) => showModel(lists, context.req.param('id') ?? '')
  for (const version of versions) {
    app.get(`/${version}/models`, list)
    app.all(`/${version}/models`, options.refuseMethod('GET, HEAD'))
    app.get(`/${version}/models/:id{.+}`, show)
  }
  app.get(`/${SHARED_VERSION}/models`, forGoogle(list))
  app.get(`/${SHARED_VERSION}/models/:id{.+}`, forGoogle(show))
  for (const version of [...versions, SHARED_VERSION]) {
    app.post(`/${version}/models/:call{.+:countTokens}`, async ({ env }) => {
      const body = await readBody(env.incoming, options.maxBodyBytes)
      return json(countTokens({ json: parseBody(body) }), { 'x-routeplane-estimated': '1' })
    })
  }
}

/** Leaves the requests of other wires' clients to what is mounted after it. */
function forGoogle(route: (context: Context<AppEnv>) => Promise<Response>) {
  return (context: Context<AppEnv>, next: Next) => (isGoogleClient(context.env.incoming) ? route(context) : next())
}

/** Whether a request to a path of several wires comes from a client of this one: only those put a key, or their name, there. */
export function isGoogleClient({ headers, url = '' }: IncomingMessage): boolean {
  return headers['x-goog-api-client'] !== undefined || headers['x-goog-api-key'] !== undefined || keyInQuery(url) !== undefined
}

function json(value: unknown, headers: Readonly<Record<string, string>> = {}): Response {
  const own = { 'content-type': 'application/json', 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' }
  return new Response(jsonText(value), { headers: { ...own, ...headers } })
}

async function showList({ catalog, ready }: Lists, context: Context<AppEnv>): Promise<Response> {
  await ready()
  return json(pageOf(catalog.models(), context))
}

/** A page token is the number of models before the page. */
function pageOf(listings: readonly ModelListing[], context: Context<AppEnv>): unknown {
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

async function showModel({ catalog, ready }: Lists, id: string): Promise<Response> {
  await ready()
  const listing = catalog.model(id)
  if (listing === undefined) throw new RouteplaneError('model_not_found', `there is no model ${JSON.stringify(id.slice(0, 100))}`)
  return json(googleModelCard(listing))
}

/** A model as Google's SDKs read it; limits that nobody states are left out. @see https://ai.google.dev/api/models#Model */
export function googleModelCard({ id, pin = id, name, endpoints }: ModelListing): Readonly<Record<string, unknown>> {
  return {
    name: `models/${pin}`,
    baseModelId: pin,
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

const OWN_PATHS = new RegExp(`^/(?:(?:${versions.join('|')})/|${SHARED_VERSION}/models(?:/|$))`)

/**
 * Gives the token that Google's clients may put into the query, on paths that they call only. It must not reach a log or an upstream.
 *
 * @see https://cloud.google.com/apis/docs/system-parameters, `key`
 */
export function keyInQuery(target: string): string | undefined {
  const path = pathOf(target)
  if (!OWN_PATHS.test(path)) return undefined
  return new URLSearchParams(target.slice(path.length)).get('key') ?? undefined
}
