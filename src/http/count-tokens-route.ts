/** The route that counts the tokens of a Messages request: asked of the vendor where that is free, estimated where it is not. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import type { Hono } from 'hono'
import { RouteplaneError, toRouteplaneError } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'
import { createId } from '../lib/id.ts'
import type { Log } from '../lib/log.ts'
import { countTokensPath, estimateCount, forwardCount, readCount } from '../protocol/messages/count-tokens.ts'
import { messages } from '../protocol/messages/index.ts'
import type { CallerRequest, ForwardedCall, UpstreamTarget, WireRequest } from '../protocol/protocol.ts'
import { parseBody, readBody } from './body.ts'
import { jsonText, sendError } from './error-response.ts'
import { pathOf } from './guard.ts'
import { requestHeaders } from './response-headers.ts'
import type { AppEnv, Route } from './read-routes.ts'

/** One request for a count, ready to be put to an endpoint that speaks Messages. */
export type CountCall = {
  /** `req_…`. */
  readonly id: string
  readonly read: CallerRequest
  /** The call for an endpoint: its own path, bytes and headers, without a credential. */
  forward(target: UpstreamTarget): ForwardedCall
  readonly signal: AbortSignal
}

export type NativeCount = { readonly status: number; readonly body: Uint8Array }

/**
 * Asks the endpoint that would answer the request for its count.
 *
 * A count must never cost anything: only an endpoint that speaks Messages and is reached with the user's own key, or with none,
 * may be asked, and no payment may be made for it.
 *
 * @returns `undefined` when there is no such endpoint, or it could not be reached.
 */
export type AskForCount = (call: CountCall) => Promise<NativeCount | undefined>

export type CountTokensDeps = {
  /** Absent where there is nobody to ask: every count is then an estimate. */
  readonly ask?: AskForCount
  readonly clock: Clock
  readonly log: Log
  readonly maxBodyBytes: number
}

/** Says that a count is our own and not the vendor's. */
export const ESTIMATED_HEADER = 'x-routeplane-estimated'

/** Mounts the route, also without `/v1` for base URLs that were given without it. */
export function mountCountTokens(app: Hono<AppEnv>, deps: CountTokensDeps, refuseMethod: Route): void {
  for (const path of [countTokensPath, countTokensPath.slice('/v1'.length)]) {
    app.post(path, async ({ env }) => {
      await serveCountTokens(deps, env.incoming, env.outgoing)
      return RESPONSE_ALREADY_SENT
    })
    app.all(path, refuseMethod)
  }
}

/** Serves one request to the end. Never rejects: whatever fails becomes an error in the caller's wire. */
export async function serveCountTokens(deps: CountTokensDeps, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const id = createId('req', deps.clock.now())
  const abort = new AbortController()
  outgoing.once('close', () => {
    if (!outgoing.writableFinished) abort.abort(new RouteplaneError('cancelled', 'the caller went away'))
  })
  try {
    const wire = toWire(incoming, await readBody(incoming, deps.maxBodyBytes))
    const read = readCount(wire)
    const native = await deps.ask?.({ id, read, forward: (target) => forwardCount(wire, target), signal: abort.signal })
    if (native !== undefined && isAnswer(native)) return sendJson(outgoing, id, native)
    const body = Buffer.from(jsonText(estimateCount(wire)))
    sendJson(outgoing, id, { status: 200, body }, { [ESTIMATED_HEADER]: '1' })
  } catch (thrown) {
    const error = toRouteplaneError(thrown)
    if (error.fault === 'internal') deps.log.error('count failed', { requestId: id, code: error.code })
    if (abort.signal.aborted) return
    const { status, body } = messages.caller.encodeError(error, id)
    const headers = error.code === 'body_too_large' ? { headers: { connection: 'close' } } : {}
    sendError(outgoing, error, id, { status, body, ...headers })
  }
}

/** Only what the vendor's features need: nothing that says who the caller is goes to an upstream. */
function toWire(incoming: IncomingMessage, body: Buffer): WireRequest {
  const target = incoming.url ?? '/'
  const path = pathOf(target)
  const kept = Object.entries(incoming.headers).filter(([name]) => /^(?:anthropic|x-routeplane)-/.test(name) || name === 'idempotency-key')
  return {
    body,
    json: parseBody(body),
    path,
    query: new URLSearchParams(target.slice(path.length)),
    headers: Object.fromEntries(kept) as Readonly<Record<string, string | undefined>>,
  }
}

/** A count, or what the vendor says about the request itself; other failures are between it and us. */
function isAnswer({ status }: NativeCount): boolean {
  return status === 200 || status === 400 || status === 413
}

function sendJson(
  outgoing: ServerResponse,
  id: string,
  { status, body }: NativeCount,
  headers: Readonly<Record<string, string>> = {},
): void {
  if (outgoing.destroyed) return
  outgoing.writeHead(status, {
    ...requestHeaders(id),
    'content-type': 'application/json',
    'content-length': body.byteLength,
    ...headers,
  })
  outgoing.end(body)
}
