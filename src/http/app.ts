/** The HTTP surface: completion routes of every wire, the reading routes, and one guard in front of them all. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { Hono } from 'hono'
import type { PartStream } from '../completion/part.ts'
import type { CompletionResult } from '../completion/result.ts'
import { RouteplaneError, toRouteplaneError } from '../errors.ts'
import { type ResponseStore, createMemoryResponseStore } from './response-store.ts'
import { type Clock, systemClock } from '../lib/clock.ts'
import { createId } from '../lib/id.ts'
import type { Log, Secret } from '../lib/log.ts'
import type { Protocol } from '../protocol/protocol.ts'
import type { Routeplane } from '../routeplane.ts'
import { createTokenCheck } from './auth.ts'
import { createCallerCheck, createPublicPaths, keyIn, patternOf } from './caller.ts'
import { type CompletionDeps, serveCompletion } from './completion-route.ts'
import { mountCountTokens } from './count-tokens-route.ts'
import { mountDiscovery } from './discovery.ts'
import { isGoogleClient, mountGoogleRoutes } from './google-routes.ts'
import { mountResponses } from './mount-responses.ts'
import { type ErrorAnswer, sendError } from './error-response.ts'
import { type Guard, type Refusal, createGuard, notAllowed, pathOf } from './guard.ts'
import { createKeepAlive } from './keep-alive.ts'
import { MCP_PATH, type McpEndpoint, encodeRpcError, mountMcp } from './mcp-route.ts'
import { mountQuote } from './quote-route.ts'
import { type AppEnv, type Route, mountReadRoutes } from './read-routes.ts'
import { mountReload } from './reload-route.ts'
import { mountRoute } from './route-route.ts'

export type AppOptions = {
  readonly protocols: readonly Protocol[]
  foldParts(parts: PartStream): Promise<CompletionResult>
  readonly log: Log
  /** What callers must show; required unless `skipAuth`. */
  readonly token?: Secret
  readonly skipAuth: boolean
  /** Host names besides the loopback ones under which callers reach the gateway. */
  readonly allowHosts?: readonly string[]
  readonly version?: string
  /** Takes the operator's config anew; absent where there is none to take. */
  reload?(): Promise<void>
  /** Where answers of the Responses wire are kept for those who go on from them; in memory unless given. */
  readonly responses?: ResponseStore
  /** Opens the MCP server at its first request; without it there is none at `/mcp`. */
  readonly mcp?: () => Promise<McpEndpoint>
  readonly clock?: Clock
  /** Default 32 MiB. */
  readonly maxBodyBytes?: number
  /** Silence on a stream after which a comment is sent; default 15,000 ms. */
  readonly keepAliveMs?: number
  /** How long a caller may leave an answer unread; default 60,000 ms. */
  readonly stallMs?: number
}

export const MAX_BODY_BYTES = 32 * 1024 * 1024

export type App = {
  /** Takes every request, as a web one. */
  readonly fetch: Hono<AppEnv>['fetch']
  /**
   * Answers a plain completion request without making a web request of it, which would cost more than routing and guarding it;
   * `false`, having touched nothing, for every other request: the answer to those is `fetch`'s.
   */
  direct(incoming: IncomingMessage, outgoing: ServerResponse): boolean
  /** The answer to an error of a request that never came here, in the envelope of the path it names; `undefined` for the plain one. */
  encodeError(incoming: IncomingMessage, error: RouteplaneError, requestId: string): ErrorAnswer | undefined
  /** Whether a POST with the headers of this request would be let through; what a WebSocket's turns are. */
  admits(incoming: IncomingMessage): boolean
  /** Ends what outlives single requests. */
  close(): Promise<void>
}

/**
 * Builds the app. It needs the Node request and response in its bindings, as `@hono/node-server` gives them.
 *
 * @throws RouteplaneError `config_invalid` when there is neither a token nor `skipAuth`.
 */
export function createApp(routeplane: Routeplane, options: AppOptions): App {
  const { clock = systemClock, log, protocols } = options
  const { token } = tokenOf(options)
  const sells = routeplane.cashier !== undefined
  const completions = protocols.flatMap(({ caller }) => caller.paths.flatMap(withBare))
  const sold = sells && options.mcp !== undefined ? [...completions, MCP_PATH] : completions
  const isPublic = createPublicPaths(sold, { sells })
  const guard = createGuard({
    allowHosts: options.allowHosts ?? [],
    ...(token === undefined ? {} : { token }),
    isPublic,
  })
  const encode = createErrorEncoder(protocols)
  const send = (incoming: IncomingMessage, outgoing: ServerResponse, { error, status, headers }: Refusal) => {
    const id = createId('req', clock.now())
    const encoded = encode(incoming, error, id)
    sendError(outgoing, error, id, { ...encoded, status, headers: { ...headers, ...closing(incoming) } })
    return RESPONSE_ALREADY_SENT
  }
  const refuseMethod =
    (allow: string): Route =>
    ({ env }) =>
      send(env.incoming, env.outgoing, notAllowed(allow))

  const callerOf = createCallerCheck({ token, sells, keys: routeplane.keys })
  const app = new Hono<AppEnv>()
  /** Every path has the guard before it; one that is served has something behind it. */
  const isServed = ({ method, path }: { readonly method: string; readonly path: string }) => app.router.match(method, path)[0].length > 1
  app.use('*', async ({ env, req }, next) => {
    const refusal = guard(env.incoming)
    // How a body has to be written is of no use to know where nothing is read.
    if (refusal?.error.code === 'unsupported_media_type' && !isServed(req)) return send(env.incoming, env.outgoing, nothingAt(env.incoming))
    if (refusal !== undefined) return send(env.incoming, env.outgoing, refusal)
    // Looked up before anything is read for it; the completions ask again for whom they answer.
    if (keyIn(env.incoming) !== undefined) await callerOf(env.incoming)
    await next()
    return undefined
  })
  const deps = completionDeps(routeplane, options, callerOf)
  // Before the completions: the pattern of Google's wire takes every path below its models.
  mountGoogleRoutes(app, routeplane, { maxBodyBytes: deps.maxBodyBytes, refuseMethod })
  mountCountTokens(app, deps, refuseMethod('POST'))
  mountResponses(app, { store: deps.responses, callerOf, maxBodyBytes: deps.maxBodyBytes })
  mountCompletions(app, protocols, deps, refuseMethod('POST'))
  mountRoute(app, { ...deps, routeplane, protocols }, refuseMethod)
  mountQuote(app, { ...deps, routeplane, protocols }, refuseMethod)
  mountReload(app, options.reload, refuseMethod('POST'))
  mountReadRoutes(app, routeplane, options.version ?? 'unknown', refuseMethod)
  const closeMcp = options.mcp === undefined ? undefined : mountMcp(app, { open: options.mcp, callerOf, refuseMethod })
  mountDiscovery(app, {
    version: options.version ?? 'unknown',
    ...(routeplane.cashier === undefined || token === undefined ? {} : { prices: routeplane.cashier.prices }),
    asksForToken: token !== undefined,
    refuseMethod,
  })
  app.notFound(({ env }) => send(env.incoming, env.outgoing, nothingAt(env.incoming)))
  app.onError((thrown, { env }) => {
    const error = toRouteplaneError(thrown)
    if (error.fault === 'internal') log.error('request failed', { code: error.code, cause: thrown.stack ?? thrown.message })
    const id = createId('req', clock.now())
    sendError(env.outgoing, error, id, encode(env.incoming, error, id))
    return RESPONSE_ALREADY_SENT
  })
  return {
    fetch: app.fetch,
    direct: createDirect(protocols, deps, guard),
    encodeError: encode,
    admits: (incoming) => guard(asPost(incoming)) === undefined,
    close: async () => closeMcp?.(),
  }
}

/** A base URL with a version for a client that adds one itself. */
const TWO_VERSIONS = /^\/v1[a-z]*\/v1[a-z]*\//

function nothingAt({ url = '' }: IncomingMessage): Refusal {
  const hint = TWO_VERSIONS.test(url)
    ? 'This client adds the version to its base URL itself: give it the address alone, without /v1.'
    : 'GET /openapi.json lists what is served.'
  return { error: new RouteplaneError('not_found', 'there is nothing at this path', { hint }), status: 404 }
}

/** The same request as a POST of JSON. */
function asPost(incoming: IncomingMessage): IncomingMessage {
  const headers = { ...incoming.headers, 'content-type': 'application/json' }
  return Object.create(incoming, { method: { value: 'POST' }, headers: { value: headers } }) as IncomingMessage
}

/** Only for bodies that say beforehand that they will be read to their end: what is left of others has to be cleared away. */
function createDirect(protocols: readonly Protocol[], deps: CompletionDeps, guard: Guard): App['direct'] {
  const routes = new Map(
    protocols.flatMap((protocol) =>
      protocol.caller.paths.filter(isFixed).flatMap((path) => withBare(path).map((each) => [each, protocol])),
    ),
  )
  return (incoming, outgoing) => {
    const protocol = incoming.method === 'POST' ? routes.get(incoming.url ?? '') : undefined
    if (protocol === undefined || !(Number(incoming.headers['content-length']) <= deps.maxBodyBytes)) return false
    if (guard(incoming) !== undefined) return false
    void serveCompletion(protocol, deps, incoming, outgoing)
    return true
  }
}

function isFixed(path: string): boolean {
  return !/[:*{]/.test(path)
}

function tokenOf({ token, skipAuth }: AppOptions): { readonly token?: ReturnType<typeof createTokenCheck> } {
  if (skipAuth) return {}
  if (token === undefined || token.reveal() === '') {
    throw new RouteplaneError('config_invalid', 'the gateway has no token and authentication is not turned off', {
      hint: 'Set auth_token, or skip_auth: true for a gateway that only this machine can reach.',
    })
  }
  return { token: createTokenCheck(token) }
}

function completionDeps(routeplane: Routeplane, options: AppOptions, callerOf: CompletionDeps['callerOf']): CompletionDeps {
  const { clock = systemClock } = options
  return {
    routeplane,
    callerOf,
    clock,
    log: options.log,
    keepAlive: createKeepAlive(options.keepAliveMs ?? 15_000),
    maxBodyBytes: options.maxBodyBytes ?? MAX_BODY_BYTES,
    stallMs: options.stallMs ?? 60_000,
    foldParts: options.foldParts,
    responses: options.responses ?? createMemoryResponseStore({ clock }),
  }
}

/** Mounts each wire at its paths, and at the same paths without `/v1` for base URLs that were given without it. */
function mountCompletions(app: Hono<AppEnv>, protocols: readonly Protocol[], deps: CompletionDeps, refuseMethod: Route): void {
  for (const protocol of protocols) {
    for (const path of new Set(protocol.caller.paths.flatMap(withBare))) {
      app.post(path, async ({ env }) => {
        await serveCompletion(protocol, deps, env.incoming, env.outgoing)
        return RESPONSE_ALREADY_SENT
      })
      app.all(path, refuseMethod)
    }
  }
}

function withBare(path: string): readonly string[] {
  return path.startsWith('/v1/') ? [path, path.slice('/v1'.length)] : [path]
}

type ErrorEncoder = (incoming: IncomingMessage, error: RouteplaneError, requestId: string) => ErrorAnswer | undefined

/**
 * Answers errors that no route has made in the envelope of the wire whose path was called: below a wire's own paths and,
 * where those begin with a version that only it has, below that. Elsewhere what only its clients send tells the wire.
 */
function createErrorEncoder(protocols: readonly Protocol[]): ErrorEncoder {
  const owners = protocols.flatMap((protocol) =>
    protocol.caller.paths.flatMap(withBare).map((path) => ({ protocol, below: pathsOf(path) })),
  )
  return (incoming, error, requestId) => {
    const path = pathOf(incoming.url ?? '')
    if (path === MCP_PATH) return encodeRpcError(error, requestId)
    const owner = owners.find(({ below }) => below.test(path))?.protocol
    const client =
      incoming.headers['anthropic-version'] !== undefined ? 'messages' : isGoogleClient(incoming) ? 'generate_content' : undefined
    const wire = owner ?? protocols.find(({ id }) => id === client)
    return wire?.caller.encodeError(error, requestId)
  }
}

/** `/v1beta/models/:call` stands for all of `/v1beta/`. */
function pathsOf(path: string): RegExp {
  const [, version = ''] = path.split('/')
  return isFixed(path) ? new RegExp(`^${path}(?:/|$)`) : isFixed(version) ? new RegExp(`^/${version}/`) : patternOf(path)
}

/** A refused request's body is never read, so its connection cannot be used again. */
function closing({ method }: IncomingMessage): Readonly<Record<string, string>> {
  return method === 'GET' || method === 'HEAD' ? {} : { connection: 'close' }
}
