/** Carries HTTP calls to upstreams: pooled connections, clocks by phase, guarded addresses, bounded answers. */
import { Agent, buildConnector, type Dispatcher } from 'undici'
import { RouteplaneError } from '../errors.ts'
import type { HttpCall, HttpHeaders, HttpResponse, Transport, TransportTimeouts } from '../lib/http-call.ts'
import { headerOf } from '../lib/http-call.ts'
import { memoize } from '../lib/memo.ts'
import { nextTurn } from '../lib/next-turn.ts'
import { createByteQueue, type ByteQueue } from '../lib/byte-queue.ts'
import type { CancelSignal } from '../lib/cancel.ts'
import { guardedLookup, guardedUrl, type AddressRules } from './address-guard.ts'
import { createDeadlines, type Deadlines } from './deadlines.ts'
import { canInflate, inflate, tooLarge } from './inflate.ts'
import { readOverContinue } from './interim.ts'
import { toTransportError, type ExchangePhase } from './transport-error.ts'

export type TransportConfig = AddressRules & {
  readonly timeouts?: Partial<TransportTimeouts>
  /** Bytes of body an answer may have when the call sets no limit of its own. */
  readonly maxBytes?: number
  readonly maxHeaderBytes?: number
  /** See `Deadlines`: the rate below which a body without line ends counts as stalled. */
  readonly minBytesPerSecond?: number
}

/** A transport with its connections; `close` ends them, and whatever is still under way with them. */
export type ClosableTransport = Transport & { close(): Promise<void> }

export const DEFAULT_TIMEOUTS: TransportTimeouts = { connectMs: 10_000, firstByteMs: 60_000, idleMs: 120_000 }

const DEFAULT_MAX_BYTES = 64 * 1024 * 1024
/** Payment challenges travel in headers and are some kilobytes each. */
const DEFAULT_MAX_HEADER_BYTES = 64 * 1024
const DEFAULT_MIN_BYTES_PER_SECOND = 16
const HIGH_WATER_BYTES = 256 * 1024
/** Our own connect clock is the one that decides; the agent's only cleans up behind it. */
const AGENT_CONNECT_MS = 60_000
/** After a reader leaves, an answer that is all but over may end by itself, so that its connection can be used again. */
const DRAIN_MS = 100
const DRAIN_BYTES = 16 * 1024

/** Set by the connection itself: a caller's value would contradict the framing. */
const OWN_HEADERS: ReadonlySet<string> = new Set(['host', 'connection', 'content-length', 'transfer-encoding', 'accept-encoding'])

/**
 * Creates a transport over one pool of connections.
 *
 * Refuses redirects, plain http to anything but this machine, user names in URLs, and every host that is or resolves to
 * a private address; a name is resolved once and connected to as resolved, so that a second answer cannot slip in.
 *
 * Errors carry `details.phase` and `details.sent`; `sent` is `false` only when no byte of the request can have left.
 * Beyond those of the `Transport` port, the body may throw `upstream_timeout` (head but no first event) and `cancelled`.
 */
export function createTransport(config: TransportConfig): ClosableTransport {
  const agent = new Agent({
    connect: createConnect(config),
    headersTimeout: 0,
    bodyTimeout: 0,
    maxHeaderSize: config.maxHeaderBytes ?? DEFAULT_MAX_HEADER_BYTES,
    pipelining: 1,
  })
  const targetOf = memoize((text): Target => {
    const { origin, pathname, search } = guardedUrl(text, config.allowLoopback)
    return { origin, path: `${pathname}${search}` }
  })
  const timeoutsOf = createTimeouts(config)
  const send: Transport = async (call, options) => {
    const target = targetOf(call.url)
    if (options.signal.aborted) throw cancelled(options.signal, false)
    const response = await dispatch(agent, target, call, {
      timeouts: timeoutsOf(options.timeouts),
      maxBytes: options.maxBytes ?? config.maxBytes ?? DEFAULT_MAX_BYTES,
      minBytesPerSecond: config.minBytesPerSecond ?? DEFAULT_MIN_BYTES_PER_SECOND,
      signal: options.signal,
    })
    // Answers that have come at once go on in step.
    await nextTurn()
    return response
  }
  return Object.assign(send, { close: () => agent.destroy() })
}

function createConnect(rules: AddressRules): buildConnector.connector {
  const connect = buildConnector({ lookup: guardedLookup(rules), timeout: AGENT_CONNECT_MS })
  return (options, callback) =>
    connect(options, (...outcome) => {
      if (outcome[0] === null) readOverContinue(outcome[1])
      callback(...outcome)
    })
}

/** A URL that the guard has let pass. */
type Target = { readonly origin: string; readonly path: string }

type ExchangeSettings = {
  readonly timeouts: TransportTimeouts
  readonly maxBytes: number
  readonly minBytesPerSecond: number
  readonly signal: CancelSignal
}

/** A provider's timeouts are one object that stays: what they come to is worked out once. */
function createTimeouts(config: TransportConfig): (own: Partial<TransportTimeouts> | undefined) => TransportTimeouts {
  const usual = { ...DEFAULT_TIMEOUTS, ...config.timeouts }
  const known = new WeakMap<Partial<TransportTimeouts>, TransportTimeouts>()
  return (own) => {
    if (own === undefined) return usual
    const found = known.get(own) ?? { ...usual, ...own }
    known.set(own, found)
    return found
  }
}

/** One call under way. `draining`: the reader has left and the rest is thrown away. */
type Exchange = {
  readonly settings: ExchangeSettings
  readonly deadlines: Deadlines
  readonly queue: ByteQueue
  readonly resolve: (response: HttpResponse) => void
  readonly reject: (error: Error) => void
  readonly onAbort: () => void
  phase: ExchangePhase
  controller: Dispatcher.DispatchController | undefined
  receivedBytes: number
  drain: { readonly timer: NodeJS.Timeout; bytes: number } | undefined
}

function dispatch(agent: Agent, { origin, path }: Target, call: HttpCall, settings: ExchangeSettings): Promise<HttpResponse> {
  return new Promise((resolve, reject) => {
    const exchange = createExchange(settings, resolve, reject)
    settings.signal.addEventListener('abort', exchange.onAbort, { once: true })
    agent.dispatch(
      {
        origin,
        path,
        method: call.method,
        headers: requestHeaders(call.headers),
        ...(call.body === undefined ? {} : { body: call.body }),
      },
      handlerOf(exchange),
    )
  })
}

/** Names and values in turn, as undici writes them: an object would be taken apart again. A name given twice is sent as given last. */
function requestHeaders(headers: Readonly<Record<string, string>>): string[] {
  const sent = ['user-agent', 'routeplane', 'accept-encoding', 'identity']
  for (const given in headers) {
    const name = given.toLowerCase()
    if (OWN_HEADERS.has(name)) continue
    let at = 0
    while (at < sent.length && sent[at] !== name) at += 2
    sent[at] = name
    sent[at + 1] = headers[given] as string
  }
  return sent
}

function createExchange(settings: ExchangeSettings, resolve: (response: HttpResponse) => void, reject: (error: Error) => void): Exchange {
  const exchange: Exchange = {
    settings,
    deadlines: createDeadlines({
      timeouts: settings.timeouts,
      minBytesPerSecond: settings.minBytesPerSecond,
      expire: (error) => fail(exchange, error),
    }),
    queue: createByteQueue({
      highWaterBytes: HIGH_WATER_BYTES,
      onFull: () => {
        exchange.controller?.pause()
        exchange.deadlines.pause()
      },
      onDrained: () => {
        if (exchange.phase !== 'body') return
        exchange.deadlines.resume()
        exchange.controller?.resume()
      },
      onLeave: () => leave(exchange),
    }),
    resolve,
    reject,
    onAbort: () => abort(exchange),
    phase: 'connect',
    controller: undefined,
    receivedBytes: 0,
    drain: undefined,
  }
  return exchange
}

function handlerOf(exchange: Exchange): Dispatcher.DispatchHandler {
  return {
    onRequestStart: (controller) => {
      if (exchange.phase === 'over') return controller.abort(new Error('the call ended before it was sent'))
      exchange.controller = controller
      exchange.phase = 'head'
      exchange.deadlines.sent()
    },
    onResponseStart: (_, status, headers) => {
      if (status >= 200 && exchange.phase === 'head') begin(exchange, status, headers)
    },
    onResponseData: (_, chunk) => receive(exchange, chunk),
    onResponseEnd: () => {
      const isRead = exchange.phase === 'body'
      close(exchange)
      if (isRead) exchange.queue.end()
    },
    onResponseError: (_, error) => fail(exchange, toTransportError(error, exchange.phase)),
  }
}

/** Judges the response's head, and gives the response to the caller. */
function begin(exchange: Exchange, status: number, headers: HttpHeaders): void {
  const { settings, queue } = exchange
  if (status >= 300 && status < 400 && status !== 304) {
    return fail(
      exchange,
      new RouteplaneError('redirect_refused', `the upstream answered ${status}, and redirects are not followed`, {
        details: { phase: 'head', status, sent: true },
      }),
    )
  }
  const length = headerOf(headers, 'content-length')
  if (length !== undefined && Number(length) > settings.maxBytes) return fail(exchange, tooLarge(settings.maxBytes))
  const coding = headerOf(headers, 'content-encoding')?.trim().toLowerCase()
  const isPlain = coding === undefined || coding === '' || coding === 'identity'
  if (!isPlain && !canInflate(coding)) {
    return fail(
      exchange,
      new RouteplaneError('upstream_error', 'the upstream used a content coding that was not asked for', {
        details: { phase: 'head', status, sent: true },
      }),
    )
  }
  exchange.phase = 'body'
  exchange.deadlines.head(isPlain && (headerOf(headers, 'content-type') ?? '').toLowerCase().startsWith('text/event-stream'))
  if (isPlain) return exchange.resolve({ status, headers, body: queue.bytes })
  const { 'content-encoding': _coding, 'content-length': _length, ...rest } = headers
  exchange.resolve({ status, headers: rest, body: inflate(queue.bytes, coding, settings.maxBytes) })
}

function receive(exchange: Exchange, chunk: Buffer): void {
  if (exchange.drain !== undefined) {
    exchange.drain.bytes += chunk.length
    if (exchange.drain.bytes > DRAIN_BYTES) stop(exchange)
    return
  }
  if (exchange.phase !== 'body') return
  exchange.receivedBytes += chunk.length
  if (exchange.receivedBytes > exchange.settings.maxBytes) return fail(exchange, tooLarge(exchange.settings.maxBytes))
  exchange.deadlines.arrived(chunk)
  exchange.queue.push(chunk)
}

/** Ends the exchange with an error: at the caller's promise before the head, in the body's iteration after it. */
function fail(exchange: Exchange, error: RouteplaneError): void {
  const { phase } = exchange
  if (phase === 'over') return
  close(exchange)
  if (phase === 'body') exchange.queue.fail(error)
  else exchange.reject(error)
  exchange.controller?.abort(error)
}

function abort(exchange: Exchange): void {
  const { phase, settings } = exchange
  if (phase === 'over') return
  const error = cancelled(settings.signal, phase !== 'connect')
  close(exchange)
  if (phase === 'body') exchange.queue.abort(error)
  else exchange.reject(error)
  exchange.controller?.abort(error)
}

function leave(exchange: Exchange): void {
  if (exchange.phase !== 'body') return
  exchange.phase = 'draining'
  exchange.deadlines.stop()
  exchange.drain = { timer: setTimeout(() => stop(exchange), DRAIN_MS), bytes: 0 }
  exchange.controller?.resume()
}

function stop(exchange: Exchange): void {
  if (exchange.phase === 'over') return
  close(exchange)
  exchange.controller?.abort(new Error('the reader left'))
}

function close(exchange: Exchange): void {
  exchange.phase = 'over'
  exchange.deadlines.stop()
  clearTimeout(exchange.drain?.timer)
  exchange.settings.signal.removeEventListener('abort', exchange.onAbort)
}

function cancelled(signal: CancelSignal, sent: boolean): RouteplaneError {
  if (signal.reason instanceof RouteplaneError) return signal.reason
  return new RouteplaneError('cancelled', 'the call was cancelled', { details: { sent } })
}
