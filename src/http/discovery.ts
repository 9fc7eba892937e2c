/** What machines read first: the routes as OpenAPI, made from those that are really mounted, and the same in a page of plain text. */
import type { Hono } from 'hono'
import { MCP_PATH, originOf } from './mcp-route.ts'
import { type AppEnv, type Route, json } from './read-routes.ts'

/** Read without a token: they say what is here, not what it has done. */
export const DISCOVERY_PATHS: readonly string[] = ['/openapi.json', '/llms.txt', '/.well-known/x402']

export type DiscoveryOptions = {
  readonly version: string
  /** Whether callers without an account are served for payment. */
  readonly sells: boolean
  /** Whether callers with an account have to show a token. */
  readonly asksForToken: boolean
  refuseMethod(allow: string): Route
}

type Operation = {
  readonly summary: string
  /** The path for people, where the router's own pattern is none. */
  readonly path?: string
  /** Whether it is sold per call. */
  readonly isSold?: true
}

/** By method and pattern as they are mounted. `test/http/discovery.test.ts` fails when one is missing here, or is here for nothing. */
export const operations: Readonly<Record<string, Operation>> = {
  'POST /v1/chat/completions': { summary: 'Answer in the shape of OpenAI Chat Completions', isSold: true },
  'POST /v1/responses': { summary: 'Answer in the shape of OpenAI Responses', isSold: true },
  'POST /v1/messages': { summary: 'Answer in the shape of Anthropic Messages', isSold: true },
  'POST /v1beta/:call{.+}': {
    summary: 'Answer in the shape of Google generateContent',
    path: '/v1beta/models/{model}:generateContent',
    isSold: true,
  },
  [`POST ${MCP_PATH}`]: { summary: 'Send one JSON-RPC message of the Model Context Protocol', isSold: true },
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
  'POST /v1/route': { summary: 'Say where a request would go and what it could cost; sends nothing' },
  'GET /v1/route/:id': { summary: 'Say where a request has gone' },
  'GET /v1/receipts': { summary: 'List payments, newest first' },
  'GET /v1/receipts/:id': { summary: 'Show one payment' },
  'GET /v1/status': { summary: 'Show the wallet, the caps and what is left of them' },
  'GET /health': { summary: 'Say whether the gateway is alive' },
}

/** Other names of the same, and what only one client or this page itself asks for. */
const ALIASES = /^\/(?:$|v1alpha\/|:version|api\/hello|\.well-known\/|openapi\.json|llms\.txt)/

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
  if (options.sells) mount('/.well-known/x402', ({ env }) => json({ version: 1, resources: soldAt(routes, originOf(env.incoming)) }))
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
function openApi(routes: readonly Mounted[], origin: string, { version, sells, asksForToken }: DiscoveryOptions): unknown {
  const paths: Record<string, Record<string, unknown>> = {}
  for (const { key, method, path } of routes) {
    const { summary = key, isSold } = operations[key] ?? {}
    const parameters = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
      name,
      in: 'path',
      required: true,
      schema: { type: 'string' },
    }))
    const responses = {
      200: { description: 'The answer' },
      ...(sells && isSold === true
        ? { 402: { description: 'How to pay for it: PAYMENT-REQUIRED of x402, and the same in the body' } }
        : {}),
      default: { description: 'An error, in the words of the protocol that was asked' },
    }
    const body =
      method === 'POST' ? { requestBody: { required: true, content: { 'application/json': { schema: { type: 'object' } } } } } : {}
    paths[path] = {
      ...paths[path],
      [method.toLowerCase()]: { summary, ...(parameters.length === 0 ? {} : { parameters }), ...body, responses },
    }
  }
  return {
    openapi: '3.1.1',
    info: { title: 'Routeplane', version, description: 'Model requests, routed to the best provider and paid per request.' },
    servers: [{ url: origin }],
    ...(asksForToken
      ? {
          components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
          security: [{ token: [] }, ...(sells ? [{}] : [])],
        }
      : {}),
    paths,
  }
}

/** @see https://llmstxt.org */
function plainPage(origin: string, { sells, asksForToken }: DiscoveryOptions): string {
  const account = asksForToken ? 'Send the token as `authorization: Bearer <token>`.' : 'No token is asked for.'
  const payment =
    'Without a token, send the request unpaid: the 402 answer says the price in PAYMENT-REQUIRED (x402). Send the same request again with PAYMENT-SIGNATURE. A lost answer is fetched with the same request and payment; it is never charged twice.'
  return `# Routeplane

> Model requests, routed to the best provider and paid per request.

- Models and prices: GET ${origin}/v1/models
- Ask in any of four protocols: POST ${origin}/v1/chat/completions, /v1/responses, /v1/messages, /v1beta/models/{model}:generateContent
- MCP over Streamable HTTP: ${origin}${MCP_PATH}
- All routes: ${origin}/openapi.json

${account}${sells ? `\n${payment}` : ''}
`
}
