/** WebSocket mode of the Responses wire: a turn is a streaming request made inside this process, and its events are messages. */
import type { IncomingHttpHeaders, IncomingMessage, Server } from 'node:http'
import type { Duplex } from 'node:stream'
import type { WebSocket, WebSocketServer } from 'ws'
import { RouteplaneError, toRouteplaneError } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'
import { createId } from '../lib/id.ts'
import { isRecord, tryParseJson } from '../lib/json.ts'
import { spliceJson } from '../lib/json-splice.ts'
import { createSseDecoder } from '../lib/sse.ts'
import { invalidRequest } from '../protocol/invalid-request.ts'
import type { WireRequest } from '../protocol/protocol.ts'
import { encodeError } from '../protocol/responses/error.ts'
import { responses } from '../protocol/responses/index.ts'
import { encodeResponse } from '../protocol/responses/response-object.ts'
import { parseBody, readBody } from './body.ts'
import { jsonText } from './error-response.ts'
import { pathOf } from './guard.ts'
import type { StoredResponse } from './response-store.ts'
import { goOnFrom, itemsOf, watchResponse } from './responses-routes.ts'
import { declineUpgrade, postInside } from './upgrade.ts'

export type SocketOptions = {
  readonly server: Server
  readonly clock: Clock
  readonly maxBodyBytes: number
  /** Resolves when nothing that came before on the connection is owed an answer. */
  answered(socket: Duplex): Promise<unknown>
  /** Whether requests with the headers of this handshake would be let through. */
  admits(incoming: IncomingMessage): boolean
}

const PATH = '/v1/responses'
const PATHS: readonly string[] = [PATH, '/responses']
/** Turns that may wait for the one under way; a client sends the next one when it has the answer. */
const MAX_WAITING = 4
/** Unsent bytes at which a slow client is waited for. */
const HIGH_WATER_BYTES = 1024 * 1024
const MAX_ERROR_BYTES = 256 * 1024
const PING_MS = 30_000
const LIFETIME_MS = 60 * 60 * 1000

/**
 * Takes handshakes at the wire's path from callers that are let in; every other offer to upgrade is declined.
 *
 * @see https://developers.openai.com/api/docs/guides/websocket-mode
 */
export function mountResponsesSocket(options: SocketOptions): { close(drainMs: number): void } {
  const { server, admits, maxBodyBytes } = options
  const sessions = new Set<Session>()
  let sockets: Promise<WebSocketServer> | undefined
  // Loaded at the first handshake: most gateways never see one.
  const load = () =>
    (sockets ??= import('ws').then(({ WebSocketServer: Sockets }) => new Sockets({ noServer: true, maxPayload: maxBodyBytes })))
  const take = async (incoming: IncomingMessage, socket: Duplex, head: Buffer) => {
    await options.answered(socket)
    if (socket.destroyed) return
    if (isHandshake(incoming) && admits(incoming)) {
      const loaded = await load()
      loaded.handleUpgrade(incoming, socket, head, (client) => open({ incoming, client, options, sessions }))
    } else declineUpgrade(server, incoming, socket, head)
    socket.off('error', ignore)
    socket.resume()
  }
  server.on('upgrade', (incoming: IncomingMessage, socket: Duplex, head: Buffer) => {
    // Nobody else listens now: an error would end the process, and bytes would be lost.
    socket.on('error', ignore)
    socket.pause()
    take(incoming, socket, head).catch(() => socket.destroy())
  })
  return {
    close(drainMs) {
      for (const session of sessions) session.leave(drainMs)
    },
  }
}

/** A broken connection is destroyed as well, which is looked at. */
const ignore = (): void => {}

function isHandshake({ method, url = '', headers }: IncomingMessage): boolean {
  return method === 'GET' && headers.upgrade?.toLowerCase() === 'websocket' && PATHS.includes(pathOf(url))
}

type Session = {
  /** Ends the connection, or lets the turn under way end first, but for no longer than `drainMs`. */
  leave(drainMs: number): void
}

type Opening = {
  readonly incoming: IncomingMessage
  readonly client: WebSocket
  readonly options: SocketOptions
  readonly sessions: Set<Session>
}

function open({ incoming, client, options, sessions }: Opening): void {
  const gone = new AbortController()
  const talk: Talk = { client, options, headers: ownHeaders(incoming.headers), signal: gone.signal, last: undefined }
  const waiting: Buffer[] = []
  const until = options.clock.monotonic() + LIFETIME_MS
  let isBusy = false
  let isLeaving = false
  let isAlive = true
  const rest = () => {
    if (isLeaving) client.close(1001, 'the gateway is going away')
    else if (options.clock.monotonic() >= until) {
      send(client, errorEvent(new RouteplaneError('invalid_request', 'the connection is 60 minutes old: open another'), LIMIT_REACHED))
      client.close(1000)
    }
  }
  const work = async () => {
    isBusy = true
    for (let text = waiting.shift(); text !== undefined; text = waiting.shift()) await takeTurn(talk, text)
    isBusy = false
    rest()
  }
  const session: Session = {
    leave(drainMs) {
      isLeaving = true
      setTimeout(() => client.terminate(), drainMs).unref()
      if (!isBusy) rest()
    },
  }
  const watch = setInterval(() => {
    if (!isAlive) return client.terminate()
    isAlive = false
    client.ping()
    if (!isBusy) rest()
  }, PING_MS)
  sessions.add(session)
  client.on('pong', () => (isAlive = true))
  client.on('error', () => client.terminate())
  client.on('close', () => {
    clearInterval(watch)
    sessions.delete(session)
    gone.abort(new RouteplaneError('cancelled', 'the caller went away'))
  })
  client.on('message', (data) => {
    if (waiting.push(data as Buffer) > MAX_WAITING) client.close(1008, 'too many turns at once')
    else if (!isBusy) void work()
  })
}

const LIMIT_REACHED = 'websocket_connection_limit_reached'

/** What a turn needs of its connection. */
type Talk = {
  readonly client: WebSocket
  readonly options: SocketOptions
  readonly headers: IncomingHttpHeaders
  readonly signal: AbortSignal
  /** The last answer, whether or not it is kept anywhere else. */
  last: StoredResponse | undefined
}

/** A key for one request would make all turns the same one. */
const OF_THE_HANDSHAKE =
  /^(?:connection|upgrade|keep-alive|content-.*|transfer-encoding|te|trailer|expect|sec-websocket-.*|idempotency-key)$/

function ownHeaders(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const kept = Object.entries(headers).filter(([name]) => !OF_THE_HANDSHAKE.test(name))
  return { ...Object.fromEntries(kept), 'content-type': 'application/json' }
}

/** Never rejects. An answer that fails is no longer there to go on from. */
async function takeTurn(talk: Talk, text: Buffer): Promise<void> {
  try {
    const { wire, generate } = readTurn(talk, text)
    if (generate) await relay(talk, wire)
    else prepare(talk, wire)
  } catch (thrown) {
    talk.last = undefined
    if (!talk.signal.aborted) send(talk.client, errorEvent(toRouteplaneError(thrown)))
  }
}

/** @throws RouteplaneError as the route does, for what is no turn at all. */
function readTurn({ last }: Talk, text: Buffer): { readonly wire: WireRequest; readonly generate: boolean } {
  const { type, generate, ...json } = parseBody(text)
  if (type !== 'response.create') throw invalidRequest('type', 'must be response.create')
  if (generate !== undefined && typeof generate !== 'boolean') throw invalidRequest('generate', 'must be of type boolean')
  const body = spliceJson(text, { set: new Map([['stream', true]]), remove: ['type', 'generate'] })
  const wire = { body, json: { ...json, stream: true }, path: PATH, query: new URLSearchParams(), headers: {} }
  const goesOn = last !== undefined && json['previous_response_id'] === last.id
  return { wire: goesOn ? goOnFrom(last, wire) : wire, generate: generate !== false }
}

async function relay(talk: Talk, wire: WireRequest): Promise<void> {
  const { client, options, headers, signal } = talk
  const answer = await postInside(options.server, { path: PATH, headers, body: wire.body, signal })
  if (answer.statusCode !== 200) {
    talk.last = undefined
    const body = tryParseJson((await readBody(answer, MAX_ERROR_BYTES)).toString())
    return send(client, { type: 'error', status: answer.statusCode, ...challengeIn(answer), ...(isRecord(body) ? body : {}) })
  }
  const decoder = createSseDecoder()
  const events = watchResponse()
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    events.push(chunk)
    for (const item of decoder.push(chunk)) {
      // The end of the stream is no event here.
      if ('data' in item && item.data !== '[DONE]') await sendText(client, item.data)
    }
  }
  remember(talk, wire, events.end())
}

/** How to pay stands in headers, which the event carries as clients of this wire read them. */
function challengeIn({ headers }: IncomingMessage): { readonly headers?: Readonly<Record<string, unknown>> } {
  const named = CHALLENGES.flatMap((name) => (headers[name] === undefined ? [] : [[name, headers[name]] as const]))
  return named.length === 0 ? {} : { headers: Object.fromEntries(named) }
}

const CHALLENGES = ['payment-required', 'www-authenticate'] as const

/** Only the whole conversation is worth keeping: of one that goes on from elsewhere the beginning is not known. */
function remember(talk: Talk, { json }: WireRequest, response: Readonly<Record<string, unknown>> | undefined): void {
  const { id } = response ?? {}
  const isWhole = json['previous_response_id'] === undefined || json['previous_response_id'] === null
  talk.last =
    response === undefined || typeof id !== 'string' || !isWhole
      ? undefined
      : { id, createdMs: talk.options.clock.now(), input: itemsOf(json['input']), response }
}

/** Takes what a turn brings without answering it: there is nothing here that would be the quicker for it. */
function prepare(talk: Talk, wire: WireRequest): void {
  const { client, options } = talk
  const nowSeconds = Math.floor(options.clock.now() / 1000)
  const { model } = responses.caller.read(wire)
  const request = responses.caller.decodeRequest(wire)
  const facts = { id: createId('resp', options.clock.now()), model, createdSeconds: nowSeconds, output: [] }
  const context = { requestId: '', model, nowSeconds, request }
  send(client, { type: 'response.created', sequence_number: 0, response: encodeResponse({ ...facts, status: 'in_progress' }, context) })
  const response = encodeResponse({ ...facts, status: 'completed' }, context)
  send(client, { type: 'response.completed', sequence_number: 1, response })
  remember(talk, wire, response)
}

function errorEvent(error: RouteplaneError, code?: string): Readonly<Record<string, unknown>> {
  const { status, body } = encodeError(error, '')
  const own = isRecord(body) && isRecord(body['error']) ? body['error'] : {}
  return { type: 'error', status, error: code === undefined ? own : { ...own, code } }
}

function send(client: WebSocket, event: Readonly<Record<string, unknown>>): void {
  client.send(jsonText(event))
}

/** Resolves when a slow client has taken enough. */
function sendText(client: WebSocket, text: string): Promise<void> | undefined {
  if (client.bufferedAmount >= HIGH_WATER_BYTES) {
    return new Promise((resolve, reject) => client.send(text, (error) => (error instanceof Error ? reject(error) : resolve())))
  }
  client.send(text)
  return undefined
}
