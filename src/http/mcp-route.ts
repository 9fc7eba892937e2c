/** The MCP endpoint: one path in front of a server that is opened at its first request, and the document about its tokens. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Hono } from 'hono'
import { type RouteplaneError, answerStatus } from '../errors.ts'
import type { Caller } from '../gateway/call.ts'
import { lazily } from '../lib/lazy.ts'
import type { CallerCheck } from './caller.ts'
import { parseMessage, readBody } from './body.ts'
import type { ErrorAnswer } from './error-response.ts'
import type { AppEnv, Route } from './read-routes.ts'

export const MCP_PATH = '/mcp'

/** @see RFC 9728, section 3.1: the well-known part goes between the host and the path of the resource. */
export const MCP_METADATA_PATH = `/.well-known/oauth-protected-resource${MCP_PATH}`

/** Where it is looked for by clients that know the address of the gateway only. */
export const METADATA_PATHS: readonly string[] = [MCP_METADATA_PATH, '/.well-known/oauth-protected-resource']

export type McpEndpoint = {
  answer(request: Request, body: unknown, caller: Caller): Promise<Response>
  close(): Promise<void>
}

export type McpRouteOptions = {
  /** Called at the first request. */
  open(): Promise<McpEndpoint>
  readonly callerOf: CallerCheck
  refuseMethod(allow: string): Route
}

/** Larger messages are not sent by any client that talks to a model. */
const MAX_BODY_BYTES = 4 * 1024 * 1024

/** @returns what ends the endpoint, if it was ever opened. */
export function mountMcp(app: Hono<AppEnv>, { open, callerOf, refuseMethod }: McpRouteOptions): () => Promise<void> {
  const endpoint = lazily(open)
  app.on(['GET', 'POST', 'DELETE'], MCP_PATH, async ({ env: { incoming, outgoing } }) => {
    const body = incoming.method === 'POST' ? parseMessage(await readBody(incoming, MAX_BODY_BYTES)) : undefined
    const { answer } = await endpoint.get()
    const response = await answer(toRequest(incoming, outgoing), body, await callerOf(incoming))
    if (!response.headers.has('cache-control')) response.headers.set('cache-control', 'no-store')
    response.headers.set('x-content-type-options', 'nosniff')
    return response
  })
  app.all(MCP_PATH, refuseMethod('GET, POST, DELETE'))
  for (const path of METADATA_PATHS) {
    app.get(path, ({ env }) => Response.json(metadata(env.incoming)))
    app.all(path, refuseMethod('GET, HEAD'))
  }
  return async () => (await endpoint.begun())?.close()
}

/** The request without its body, which has been read; its signal tells when the caller goes away. */
function toRequest({ headers, method = 'GET', url = MCP_PATH, rawHeaders }: IncomingMessage, outgoing: ServerResponse): Request {
  const gone = new AbortController()
  outgoing.once('close', () => gone.abort())
  const fields = new Headers()
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) fields.append(rawHeaders[at] ?? '', rawHeaders[at + 1] ?? '')
  return new Request(`http://${headers.host ?? 'localhost'}${url}`, { method, headers: fields, signal: gone.signal })
}

/** Tokens are the gateway's own and come from its operator, so there is no authorization server to name. @see RFC 9728, section 2 */
function metadata(incoming: IncomingMessage): unknown {
  return { resource: `${originOf(incoming)}${MCP_PATH}`, resource_name: 'Routeplane', bearer_methods_supported: ['header'] }
}

/** The address as the caller has it; what a proxy says of the scheme is told back to who sent it and to nobody else. */
export function originOf({ headers }: IncomingMessage): string {
  return `${headers['x-forwarded-proto'] === 'https' ? 'https' : 'http'}://${headers.host ?? 'localhost'}`
}

/** An error as a JSON-RPC message without an id, for requests that were refused before anybody looked for one. */
export function encodeRpcError(error: RouteplaneError, requestId: string): ErrorAnswer {
  const { code, message, hint, money } = error
  const data = { code, hint, money, request_id: requestId }
  return { status: answerStatus(error), body: { jsonrpc: '2.0', id: null, error: { code: RPC_CODES[code] ?? -32000, message, data } } }
}

/** @see JSON-RPC 2.0, section 5.1 */
const RPC_CODES: Readonly<Partial<Record<RouteplaneError['code'], number>>> = {
  invalid_json: -32700,
  invalid_request: -32600,
  duplicate_key: -32600,
  nesting_too_deep: -32600,
  internal: -32603,
}
