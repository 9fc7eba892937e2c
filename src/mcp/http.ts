/** Serves MCP over Streamable HTTP: the 2026 revision request by request, the 2025 ones in sessions, both with the same servers. */
import {
  type AuthInfo,
  type McpRequestContext,
  type McpServer,
  createMcpHandler,
  isInitializeRequest,
  isLegacyRequest,
  legacyStatelessFallback,
} from '@modelcontextprotocol/server'
import { RouteplaneError } from '../errors.ts'
import type { Caller } from '../gateway/call.ts'
import { systemClock } from '../lib/clock.ts'
import { within } from '../lib/within.ts'
import type { Routeplane } from '../routeplane.ts'
import { createApprovals } from './approval.ts'
import { type McpOptions, createMcpServer } from './server.ts'
import { type Asked, createSessions } from './sessions.ts'

export type McpHttpOptions = Omit<McpOptions, 'onCall' | 'isForOneRequest' | 'caller'> & {
  readonly maxSessions?: number
  readonly idleMs?: number
  /** How long calls under way may take to finish on close, and then again to record what they have paid; default 5,000 ms. */
  readonly drainMs?: number
  /** Adds what an embedder wants to offer besides our own tools. */
  readonly extend?: (server: McpServer) => void
}

export type McpHttp = {
  /**
   * Answers one request whose address, origin, token, media type and size have been checked already.
   *
   * @param body - Its JSON; `undefined` for requests without one.
   * @param caller - Whose tools, resources and sessions it is about; who pays for each call is given no session.
   */
  answer(request: Request, body: unknown, caller: Caller): Promise<Response>
  /** Takes no more requests, lets calls finish within the bound, then aborts the rest and lets payments be recorded. */
  close(): Promise<void>
}

/** @see MCP specification 2025-11-25 and 2026-07-28, "Streamable HTTP" */
export function createMcpHttp(routeplane: Routeplane, options: McpHttpOptions): McpHttp {
  const { clock = systemClock, log, drainMs = 5_000, extend } = options
  const running = new Set<Promise<unknown>>()
  const onCall = (call: Promise<unknown>) => {
    running.add(call)
    void call.finally(() => running.delete(call))
  }
  const approvals = createApprovals(clock)
  const build = (caller: Caller, isForOneRequest: boolean): McpServer => {
    const prices = caller.pays ? routeplane.cashier?.prices : undefined
    const sold = prices === undefined ? {} : { prices }
    const server = createMcpServer(async () => routeplane, { approvals, ...options, ...sold, onCall, isForOneRequest, caller })
    extend?.(server)
    return server
  }
  const onerror = (error: Error) => log.debug('mcp request not handled', { message: error.message.slice(0, 300) })
  const buildOne = ({ authInfo }: McpRequestContext) => build(callerIn(authInfo), true)
  const modern = createMcpHandler(buildOne, { legacy: 'reject', onerror })
  const single = legacyStatelessFallback(buildOne, onerror)
  const sessions = createSessions({ ...options, clock, build: (caller) => build(caller, false) })
  const state = { isClosing: false }

  const answerLegacy = async (asked: Asked): Promise<Response> => {
    const { request, body, caller } = asked
    const id = request.headers.get('mcp-session-id')
    if (id !== null) return (await sessions.answer(id, asked)) ?? refuse(404, -32001, 'there is no session of this id; initialize anew')
    // Nothing of who pays for each call outlives his request, so that no number of them fills the memory.
    if (caller.pays || !isInitializeRequest(body)) return single(request, { parsedBody: body, authInfo: authInfoOf(caller) })
    return (await sessions.open(asked)) ?? refuse(429, -32000, 'too many sessions are open', { 'retry-after': '60' })
  }
  return {
    async answer(request, body, caller) {
      if (state.isClosing) return refuse(503, -32000, 'the gateway is shutting down', { 'retry-after': '5' })
      if (await isLegacyRequest(request, body)) return answerLegacy({ request, body, caller })
      return modern.fetch(request, { parsedBody: body, authInfo: authInfoOf(caller) })
    },
    async close() {
      state.isClosing = true
      sessions.stopListening()
      const settled = () => Promise.allSettled(running)
      await within(drainMs, settled(), clock)
      await Promise.allSettled([modern.close(), sessions.close()])
      if (!(await within(drainMs, settled(), clock))) log.warn('shutdown took too long; open payments are resolved at the next start')
    },
  }
}

/** How the SDK passes on who asks: tokens have been checked already, and go no further. */
function authInfoOf(caller: Caller): AuthInfo {
  return { token: '', clientId: caller.id, scopes: [], extra: { caller } }
}

function callerIn(authInfo: AuthInfo | undefined): Caller {
  const caller = authInfo?.extra?.['caller'] as Caller | undefined
  if (caller === undefined) throw new RouteplaneError('internal', 'a request came without its caller')
  return caller
}

function refuse(status: number, code: number, message: string, headers: Readonly<Record<string, string>> = {}): Response {
  return Response.json({ jsonrpc: '2.0', error: { code, message }, id: null }, { status, headers })
}
