/** Runs the app on a Node server with bounds on every phase of a connection, and drains it on close. */
import { type IncomingMessage, type RequestListener, type Server, type ServerResponse, createServer } from 'node:http'
import { type AddressInfo, type Socket, isIPv4 } from 'node:net'
import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import { getRequestListener } from '@hono/node-server'
import { RouteplaneError } from '../errors.ts'
import { systemClock } from '../lib/clock.ts'
import { createId } from '../lib/id.ts'
import type { Routeplane } from '../routeplane.ts'
import { type App, type AppOptions, createApp, MAX_BODY_BYTES } from './app.ts'
import { jsonText, plainErrorBody, sendError } from './error-response.ts'
import { MAX_HEADERS, createAddressGuard } from './guard.ts'
import { mountResponsesSocket } from './responses-socket.ts'

export type ServeOptions = AppOptions & {
  readonly host: string
  /** 0 lets the system choose. */
  readonly port: number
  /** How long answers under way may take to finish on close; default 10,000 ms. */
  readonly drainMs?: number
}

const DRAIN_MS = 10_000
const SWEEP_MS = 50

export type HttpServer = {
  /** Without a trailing slash; with the port that was really bound. */
  readonly url: string
  readonly port: number
  /** Stops taking requests, lets the running ones finish within the bound, cuts the rest. */
  close(): Promise<void>
}

/**
 * Binds and serves.
 *
 * @throws RouteplaneError `config_invalid` for `skipAuth` on an address that other machines can reach, a missing token,
 *   and an address that cannot be bound.
 */
export async function serveHttp(routeplane: Routeplane, options: ServeOptions): Promise<HttpServer> {
  if (options.skipAuth && !isLoopback(options.host)) {
    throw new RouteplaneError('config_invalid', `the gateway must not listen on ${options.host} without authentication`, {
      hint: 'Listen on 127.0.0.1, or set auth_token and remove skip_auth.',
    })
  }
  const allowHosts = [...(options.allowHosts ?? []), inUrl(options.host)]
  const app = createApp(routeplane, { ...options, allowHosts })
  const { server, answered, silent } = createBoundedServer(createListener(app, { ...options, allowHosts }), app.encodeError)
  await listen(server, options)
  const { port } = server.address() as AddressInfo
  const sockets = mountResponsesSocket({
    server,
    answered,
    clock: options.clock ?? systemClock,
    maxBodyBytes: options.maxBodyBytes ?? MAX_BODY_BYTES,
    admits: app.admits,
  })
  const close = async () => {
    sockets.close(options.drainMs ?? DRAIN_MS)
    await Promise.all([drain(server, silent, options.drainMs ?? DRAIN_MS), app.close()])
  }
  return { url: `http://${inUrl(options.host)}:${port}`, port, close }
}

/** Addresses are checked before the adapter makes a URL of them: it would answer the odd ones itself. */
function createListener(app: App, options: ServeOptions & { readonly allowHosts: readonly string[] }): RequestListener {
  const guard = createAddressGuard(options.allowHosts)
  const { now } = options.clock ?? systemClock
  const adapter = getRequestListener(app.fetch, { overrideGlobalObjects: false })
  return (incoming, outgoing) => {
    const refusal = guard(incoming)
    if (refusal === undefined) {
      if (!app.direct(incoming, outgoing)) void adapter(incoming, outgoing)
      return
    }
    const { error, status, headers } = refusal
    const id = createId('req', now())
    const body = app.encodeError(incoming, error, id)?.body
    sendError(outgoing, error, id, { status, body, headers: { ...headers, connection: 'close' } })
  }
}

type BoundedServer = {
  readonly server: Server
  /** Resolves when no answer is under way on a connection. */
  answered(socket: Duplex): Promise<unknown>
  /** Connections opened ahead of a first request: to Node they are busy with it, and not idle. */
  silent(): readonly Socket[]
}

/** Node's defaults wait minutes for headers and keep any number of them. @see Node HTTP guide, "server.headersTimeout" and after */
function createBoundedServer(listener: RequestListener, encodeError: App['encodeError']): BoundedServer {
  const bounds = { headersTimeout: 10_000, requestTimeout: 60_000, connectionsCheckingInterval: 5_000, noDelay: true }
  // Node would answer a missing Host without a body; the guard says what is wrong.
  const server = createServer({ ...bounds, requireHostHeader: false })
  // One more than the guard takes, so that it can tell too many from just enough.
  server.maxHeadersCount = MAX_HEADERS + 1
  // Node refuses the request after such a limit with a bare 503, although the caller did nothing wrong: no limit.
  server.maxRequestsPerSocket = 0
  server.maxConnections = 10_000
  // Longer than the pools of common clients keep a socket: who reuses one that we close just then sees a lost request.
  server.keepAliveTimeout = 75_000
  const answering = new WeakMap<Duplex, Set<ServerResponse>>()
  const take = (incoming: IncomingMessage, outgoing: ServerResponse) => {
    const open = answering.get(incoming.socket) ?? new Set()
    answering.set(incoming.socket, open.add(outgoing))
    outgoing.once('close', () => open.delete(outgoing))
    listener(incoming, outgoing)
  }
  server.on('request', take)
  // Node would answer an expectation that it does not know without a body; ignoring it is as good. @see RFC 9110, section 10.1.1
  server.on('checkExpectation', take)
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    // Bytes of ours in the middle of another answer would be read as a part of it.
    const open = answering.get(socket) ?? new Set()
    if (!socket.writable || owesAnswer(open) || error.code === 'ECONNRESET') return void socket.destroy()
    const [broken] = open
    socket.end(rawRefusal(error.code, (refusal, id) => broken && encodeError(broken.req, refusal, id)?.body))
  })
  const answered = (socket: Duplex) => Promise.all([...(answering.get(socket) ?? [])].map((outgoing) => once(outgoing, 'close')))
  const connections = new Set<Socket>()
  server.on('connection', (socket) => {
    connections.add(socket)
    socket.once('close', () => connections.delete(socket))
  })
  const silent = () => [...connections].filter(({ bytesRead }) => bytesRead === 0)
  return { server, answered, silent }
}

/** A lone request whose body broke off has had no answer, and gets the parser's; whatever came whole is owed its own. */
function owesAnswer(open: ReadonlySet<ServerResponse>): boolean {
  return open.size > 1 || [...open].some(({ req, headersSent }) => req.complete || headersSent)
}

/**
 * What the parser refused never became a request, so the answer is written by hand.
 *
 * @param encode - The body for a request of which the head was read; the plain one stands in for `undefined`.
 */
function rawRefusal(code: string | undefined, encode: (error: RouteplaneError, requestId: string) => unknown): string {
  const [status, error] = refusalOf(code)
  const id = createId('req', systemClock.now())
  const body = jsonText(encode(error, id) ?? plainErrorBody(error, id))
  const lines = [`HTTP/1.1 ${status}`, 'content-type: application/json', `content-length: ${Buffer.byteLength(body)}`, 'connection: close']
  return `${lines.join('\r\n')}\r\n\r\n${body}`
}

function refusalOf(code: string | undefined): readonly [statusLine: string, error: RouteplaneError] {
  if (code === 'HPE_HEADER_OVERFLOW') {
    const error = new RouteplaneError('header_too_large', 'the request line or the header fields are too large')
    return ['431 Request Header Fields Too Large', error]
  }
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT')
    return ['408 Request Timeout', new RouteplaneError('invalid_request', 'the request was not complete in time')]
  return ['400 Bad Request', new RouteplaneError('http_parse', 'the request is not valid HTTP/1.1')]
}

function listen(server: Server, { host, port }: ServeOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => reject(bindError(cause, host, port)))
    server.listen({ host: host.replace(/^\[|\]$/g, ''), port }, resolve)
  })
}

function bindError(cause: NodeJS.ErrnoException, host: string, port: number): RouteplaneError {
  if (cause.code === 'EADDRINUSE') {
    return new RouteplaneError('config_invalid', `port ${port} on ${host} is already in use`, {
      hint: 'Stop the other process, or choose another port with listen.port.',
      cause,
    })
  }
  return new RouteplaneError('config_invalid', `cannot listen on ${host} port ${port}: ${cause.code ?? cause.message}`, { cause })
}

function drain(server: Server, silent: () => readonly Socket[], drainMs: number): Promise<void> {
  return new Promise((resolve) => {
    const cut = setTimeout(() => server.closeAllConnections(), drainMs)
    // A connection that was busy becomes idle later, and would keep the server open until its caller lets go.
    const sweep = setInterval(() => {
      server.closeIdleConnections()
      for (const socket of silent()) socket.destroy()
    }, SWEEP_MS)
    server.close(() => {
      clearTimeout(cut)
      clearInterval(sweep)
      resolve()
    })
    server.closeIdleConnections()
  })
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host === '[::1]' || (isIPv4(host) && host.startsWith('127.'))
}

function inUrl(host: string): string {
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host
}
