/** What machines read first: the routes as OpenAPI, made from those that are really mounted, and the same in a page of plain text. */
import type { Hono } from 'hono'
import { formatUsd } from '../money.ts'
import type { Routeplane } from '../routeplane.ts'
import { MCP_PATH, originOf } from './mcp-route.ts'
import { type AppEnv, type Route, json } from './read-routes.ts'

/** Read without a token: they say what is here, not what it has done. */
export const DISCOVERY_PATHS: readonly string[] = ['/openapi.json', '/llms.txt', '/.well-known/x402']

export type DiscoveryOptions = {
  readonly version: string
  /** What callers without an account are asked for; absent where they are not served. */
  readonly prices?: SoldAt
  /** Whether callers with an account have to show a token. */
  readonly asksForToken: boolean
  refuseMethod(allow: string): Route
}

type SoldAt = Pick<NonNullable<Routeplane['cashier']>['prices'], 'ways' | 'mostUsd'>

type Operation = {
  readonly summary: string
  /** Members that a body must have. */
  readonly asks?: readonly string[]
  /** The path for people, where the router's own pattern is none. */
  readonly path?: string
  /** Whether it is sold per call. */
  readonly isSold?: true
}

/** By method and pattern as they are mounted. `test/http/discovery.test.ts` fails when one is missing here, or is here for nothing. */
export const operations: Readonly<Record<string, Operation>> = {
  'POST /v1/chat/completions': { summary: 'Answer in the shape of OpenAI Chat Completions', asks: ['model', 'messages'], isSold: true },
  'POST /v1/responses': { summary: 'Answer in the shape of OpenAI Responses', asks: ['model', 'input'], isSold: true },
  'POST /v1/messages': { summary: 'Answer in the shape of Anthropic Messages', asks: ['model', 'max_tokens', 'messages'], isSold: true },
  'POST /v1beta/:call{.+:[^/:]*}': {
    summary: 'Answer in the shape of Google generateContent',
    path: '/v1beta/models/{model}:generateContent',
    asks: ['contents'],
    isSold: true,
  },
  [`POST ${MCP_PATH}`]: { summary: 'Send one JSON-RPC message of the Model Context Protocol', asks: ['jsonrpc', 'method'], isSold: true },
  [`GET ${MCP_PATH}`]: { summary: 'Listen to a session of the Model Context Protocol' },
  [`DELETE ${MCP_PATH}`]: { summary: 'End a session of the Model Context Protocol' },
  'GET /v1/models': { summary: 'List the models, with prices' },
  'GET /v1/models/:id{.+}': { summary: 'Show one model, with a row for each provider' },
  'GET /v1beta/models': { summary: 'List the models in the shape of Google' },
  'GET /v1beta/models/:id{.+}': { summary: 'Show one model in the shape of Google' },
  'POST /v1beta/models/:call{.+:countTokens}': {
    summary: 'Estimate the tokens of a Google request',
    path: '/v1beta/models/{model}:countTokens',
  },
  'POST /v1/messages/count_tokens': { summary: 'Estimate the tokens of an Anthropic request' },
  'POST /v1/responses/input_tokens': { summary: 'Estimate the tokens of a Responses request' },
  'POST /v1/responses/compact': { summary: 'Have a conversation compacted by a provider of the Responses wire' },
  'GET /v1/responses/:id': { summary: 'Show a kept response' },
  'DELETE /v1/responses/:id': { summary: 'Forget a kept response' },
  'GET /v1/responses/:id/input_items': { summary: 'List what a kept response was asked' },
  'POST /v1/responses/:id/cancel': { summary: 'Cancel a response that runs in the background' },
  'GET /v1/quote': { summary: 'Say what a model would be sold for within bounds of tokens, and promise it for a while' },
  'POST /v1/quote': { summary: 'Say what a request would be sold for, and promise it for a while' },
  'POST /v1/route': { summary: 'Say where a request would go and what it could cost; sends nothing' },
  'GET /v1/route/:id': { summary: 'Say where a request has gone' },
  'GET /v1/receipts': { summary: 'List payments, newest first' },
  'GET /v1/receipts/:id': { summary: 'Show one payment' },
  'GET /v1/status': { summary: 'Show the wallet, the caps and what is left of them' },
  'GET /health': { summary: 'Say whether the gateway is alive' },
}

/** Other names of the same, and what only one client or this page itself asks for. */
const ALIASES = /^\/(?:$|v1alpha\/|:version|v1\/models\/:call|api\/hello|\.well-known\/|openapi\.json|llms\.txt)/

/** Call it when everything else is mounted. */
export function mountDiscovery(app: Hono<AppEnv>, options: DiscoveryOptions): void {
  const routes = listRoutes(app)
  const mount = (path: string, route: Route) => {
    app.get(path, route)
    app.all(path, options.refuseMethod('GET, HEAD'))
  }
  mount('/openapi.json', ({ env }) => json(openApi(routes, originOf(env.incoming), options)))
  mount(
    '/llms.txt',
    ({ env }) => new Response(plainPage(originOf(env.incoming), options), { headers: { 'content-type': 'text/plain; charset=utf-8' } }),
  )
  // Looked for by crawlers of paid services; who sells nothing has no such page.
  if (options.prices !== undefined)
    mount('/.well-known/x402', ({ env }) => json({ version: 1, resources: soldAt(routes, originOf(env.incoming)) }))
}

type Mounted = { readonly key: string; readonly method: string; readonly path: string }

function listRoutes(app: Hono<AppEnv>): readonly Mounted[] {
  const keys = new Set(app.routes.filter(({ method }) => method !== 'ALL').map(({ method, path }) => `${method} ${path}`))
  return [...keys].flatMap((key) => {
    const [method = '', path = ''] = key.split(' ')
    const isTwin = keys.has(`${method} /v1${path}`)
    return isTwin || ALIASES.test(path) ? [] : [{ key, method, path: operations[key]?.path ?? toTemplate(path) }]
  })
}

/** `/v1/models/:id{.+}` is `/v1/models/{id}`. */
function toTemplate(path: string): string {
  return path.replace(/:(\w+)(?:\{[^{}]*\})?/g, '{$1}')
}

function soldAt(routes: readonly Mounted[], origin: string): readonly string[] {
  return routes.filter(({ key }) => operations[key]?.isSold === true).map(({ path }) => origin + path)
}

/** @see OpenAPI specification 3.1, section 4.8 */
function openApi(routes: readonly Mounted[], origin: string, options: DiscoveryOptions): unknown {
  const paths: Record<string, Record<string, unknown>> = {}
  for (const route of routes) {
    paths[route.path] = { ...paths[route.path], [route.method.toLowerCase()]: operationOf(route, options.prices) }
  }
  const { version, prices, asksForToken } = options
  return {
    openapi: '3.1.1',
    info: {
      title: 'Routeplane',
      version,
      description: 'Model requests, routed to the best provider and paid per request.',
      'x-guidance': guidance(origin, options),
    },
    'x-service-info': { categories: ['ai'], docs: { apiReference: '/openapi.json', llms: '/llms.txt' } },
    servers: [{ url: origin }],
    ...(asksForToken
      ? {
          components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
          security: [{ token: [] }, ...(prices === undefined ? [] : [{}])],
        }
      : {}),
    paths,
  }
}

function operationOf({ key, method, path }: Mounted, prices: SoldAt | undefined): unknown {
  const { summary = key, asks, isSold } = operations[key] ?? {}
  const parameters = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({ name, in: 'path', required: true, schema: { type: 'string' } }))
  const members = asks === undefined ? {} : { required: asks, properties: Object.fromEntries(asks.map((name) => [name, {}])) }
  const schema = { type: 'object', ...members }
  const sold = isSold === true ? prices : undefined
  return {
    summary,
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(method === 'POST' ? { requestBody: { required: true, content: { 'application/json': { schema } } } } : {}),
    ...(sold === undefined ? {} : { 'x-payment-info': paymentInfo(sold) }),
    responses: {
      200: {
        description: 'The answer',
        ...(sold === undefined ? {} : { content: { 'application/json': { schema: { type: 'object' } } } }),
      },
      ...(sold === undefined
        ? {}
        : { 402: { description: 'Payment Required: PAYMENT-REQUIRED of x402, the same in the body, and WWW-Authenticate of MPP' } }),
      default: { description: 'An error, in the words of the protocol that was asked' },
    },
  }
}

/** The least that a token of six decimals can carry. */
const LEAST_PRICE = '0.000001'

/**
 * How an operation is paid for. Its price depends on the request, so that no amount stands here: a quote or the 402 says it.
 * `offers` is MPP's shape, `price` and `protocols` that of the crawlers that list paid services; the two do not collide.
 *
 * @see https://paymentauth.org (draft-payment-discovery), https://agentcash.dev/docs/discovery
 */
function paymentInfo({ ways, mostUsd }: SoldAt): unknown {
  const mpp = ways
    .filter(({ protocol }) => protocol === 'mpp')
    .map(({ scheme, asset }) => {
      const [method = '', intent = ''] = scheme.split('/')
      return { method, intent, currency: asset.address }
    })
  return {
    price: { mode: 'dynamic', currency: 'USD', min: LEAST_PRICE, max: formatUsd(mostUsd) },
    protocols: [...(ways.some(({ protocol }) => protocol === 'x402') ? [{ x402: {} }] : []), ...mpp.map((offer) => ({ mpp: offer }))],
    ...(mpp.length === 0 ? {} : { offers: mpp.map((offer) => ({ ...offer, amount: null })) }),
  }
}

/** What an agent has to know to be served. */
function guidance(origin: string, { prices, asksForToken }: DiscoveryOptions): string {
  const account = asksForToken ? 'Send the token as `authorization: Bearer <token>`.' : 'No token is asked for.'
  if (prices === undefined) return account
  const ways = [...new Set(prices.ways.map(({ protocol, scheme }) => `${scheme} (${protocol === 'mpp' ? 'MPP' : 'x402'})`))].join(', ')
  return `${account}
Without a token, send the request unpaid: the 402 answer says the price in PAYMENT-REQUIRED (x402) and WWW-Authenticate (MPP). Send the same request again with PAYMENT-SIGNATURE, or Authorization: Payment. A lost answer is fetched with the same request and payment; it is never charged twice.
To know a price before asking, POST the request to ${origin}/v1/quote, or GET ${origin}/v1/quote?model=<id>&input_tokens=<most>&output_tokens=<most>; send its quote_id as x-routeplane-quote. Paid by: ${ways}.`
}

/** @see https://llmstxt.org */
function plainPage(origin: string, options: DiscoveryOptions): string {
  return `# Routeplane

> Model requests, routed to the best provider and paid per request.

- Models and prices: GET ${origin}/v1/models
- Ask in any of four protocols: POST ${origin}/v1/chat/completions, /v1/responses, /v1/messages, /v1beta/models/{model}:generateContent
- MCP over Streamable HTTP: ${origin}${MCP_PATH}
- All routes: ${origin}/openapi.json

${guidance(origin, options)}
`
}
