/** `POST /v1/route`: where a request would go and what it could cost; `GET /v1/route/{id}`: where one has gone. */
import type { IncomingHttpHeaders } from 'node:http'
import type { Context, Hono } from 'hono'
import { RouteplaneError } from '../errors.ts'
import type { CompletionRequest } from '../completion/request.ts'
import type { GatewayCall } from '../gateway/call.ts'
import { createId } from '../lib/id.ts'
import type { Protocol, ProtocolId, WireRequest } from '../protocol/protocol.ts'
import { decisionCard, type Routeplane } from '../routeplane.ts'
import { parseBody, readBody } from './body.ts'
import { LOCAL_CALLER } from './caller.ts'
import type { CompletionDeps } from './completion-route.ts'
import { type AppEnv, json, type Route } from './read-routes.ts'

export type RouteDeps = Pick<CompletionDeps, 'clock' | 'maxBodyBytes'> & {
  readonly routeplane: Pick<Routeplane, 'explain' | 'replay'>
  readonly protocols: readonly Protocol[]
}

/** Mounts both; nothing that is sent here reaches a provider. */
export function mountRoute(app: Hono<AppEnv>, deps: RouteDeps, refuseMethod: (allow: string) => Route): void {
  app.post('/v1/route', async (context) => json(decisionCard(await deps.routeplane.explain(await readAsked(context, deps)))))
  app.all('/v1/route', refuseMethod('POST'))
  app.get('/v1/route/:id', async (context) => json(await showKept(context, deps)))
  app.all('/v1/route/:id', refuseMethod('GET, HEAD'))
}

async function readAsked({ env: { incoming }, req }: Context<AppEnv>, deps: RouteDeps): Promise<GatewayCall> {
  const body = await readBody(incoming, deps.maxBodyBytes)
  return readAnyCall({ body, members: parseBody(body), headers: incoming.headers, protocol: req.query('protocol') }, deps)
}

type AnyRequest = {
  readonly body: Buffer
  readonly members: WireRequest['json']
  readonly headers: IncomingHttpHeaders
  /** The wire that the caller names. */
  readonly protocol: string | undefined
}

/** Reads a body as the wire that its caller names, or that its members are of. */
export function readAnyCall(
  { body, members, headers, protocol: named }: AnyRequest,
  { protocols, clock }: Pick<RouteDeps, 'protocols' | 'clock'>,
): GatewayCall {
  const versions = headers['anthropic-version']
  const protocol = protocols.find(({ id }) => id === (named ?? wireOf(members, typeof versions === 'string' ? versions : undefined)))
  if (protocol === undefined) {
    const known = protocols.map(({ id }) => id).join(', ')
    throw new RouteplaneError('invalid_request', `protocol is one of ${known}`, { details: { path: 'protocol' } })
  }
  const wire = toWire(protocol, members, body, headers)
  const read = protocol.caller.read(wire)
  let decoded: CompletionRequest | undefined
  return {
    id: createId('req', clock.now()),
    caller: LOCAL_CALLER,
    read,
    wire: { protocol: protocol.id, request: wire },
    decode: () => (decoded ??= protocol.caller.decodeRequest(wire)),
    signal: AbortSignal.timeout(DECISION_MS),
  }
}

/** Deciding sends nothing and so takes no time; the signal is there because every call has one. */
export const DECISION_MS = 60_000

function wireOf(members: Readonly<Record<string, unknown>>, anthropicVersion: string | undefined): ProtocolId {
  if (members['contents'] !== undefined) return 'generate_content'
  if (members['input'] !== undefined) return 'responses'
  return anthropicVersion === undefined ? 'chat_completions' : 'messages'
}

/** Google's wire has the model in its path, so here it stands in the body. */
function toWire(
  { id, caller }: Protocol,
  members: Readonly<Record<string, unknown>>,
  body: Buffer,
  headers: Readonly<Record<string, string | readonly string[] | undefined>>,
): WireRequest {
  const { model } = members
  const path = id === 'generate_content' && typeof model === 'string' ? `/v1beta/models/${model}:generateContent` : (caller.paths[0] ?? '')
  return { body, json: members, path, query: new URLSearchParams(), headers: ownHeaders(headers) }
}

/** Only what speaks to us decides; credentials of the gateway do not belong to a request. */
function ownHeaders(headers: Readonly<Record<string, string | readonly string[] | undefined>>): Record<string, string> {
  const own = Object.entries(headers).filter(([name]) => name.startsWith('x-routeplane-') || name.startsWith('anthropic-'))
  return Object.fromEntries(own.map(([name, value]) => [name, typeof value === 'string' ? value : (value?.[0] ?? '')]))
}

/** The form of our own ids; anything else cannot name a request and is never handed to the store. */
const ID = /^[a-z0-9_]{1,64}$/

async function showKept({ req }: Context<AppEnv>, { routeplane }: RouteDeps): Promise<unknown> {
  const id = req.param('id') ?? ''
  const card = ID.test(id) ? await routeplane.replay(id) : undefined
  if (card === undefined) throw new RouteplaneError('not_found', 'no decision is kept of a request with this id')
  return card
}
