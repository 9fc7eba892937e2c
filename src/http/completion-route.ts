/** One route for every wire: reads a request, has it completed, and writes the answer straight to the Node response. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { type PaymentChallenge, RouteplaneError, isCommitted, toRouteplaneError } from '../errors.ts'
import type { CompletionResult } from '../completion/result.ts'
import type { PartStream } from '../completion/part.ts'
import type { CompletionRequest } from '../completion/request.ts'
import { type CancelSignal, createCanceller } from '../lib/cancel.ts'
import type { Caller, Completion, GatewayCall, NativeAnswer, PartsAnswer } from '../gateway/call.ts'
import type { Clock } from '../lib/clock.ts'
import { headerOf } from '../lib/http-call.ts'
import { createId } from '../lib/id.ts'
import { isRecord, tryParseJson } from '../lib/json.ts'
import type { Log } from '../lib/log.ts'
import { nextTurn } from '../lib/next-turn.ts'
import { isEventStream } from '../protocol/event-stream.ts'
import type { CallerRequest, EncodeContext, Protocol, WireRequest } from '../protocol/protocol.ts'
import type { Routeplane } from '../routeplane.ts'
import { parseBody, readBody } from './body.ts'
import { paidEvents, pipe, withVerdict } from './answer-events.ts'
import type { CallerCheck } from './caller.ts'
import { type ErrorAnswer, sendError } from './error-response.ts'
import { type EventWriter, createEventWriter } from './event-writer.ts'
import { decodePath, isBareCredential, pathOf } from './guard.ts'
import type { ResponseStore } from './response-store.ts'
import type { KeepAlive } from './keep-alive.ts'
import { type AnswerWatch, keepAnswers } from './response-keeping.ts'
import { completionHeaders, requestHeaders } from './response-headers.ts'

export type CompletionDeps = {
  readonly routeplane: Pick<Routeplane, 'complete' | 'cashier'>
  readonly callerOf: CallerCheck
  readonly keepAlive: KeepAlive
  readonly clock: Clock
  readonly log: Log
  readonly maxBodyBytes: number
  readonly stallMs: number
  readonly responses: ResponseStore | undefined
  /** Folds parts into a whole answer; throws what an error part carries. */
  foldParts(parts: PartStream): Promise<CompletionResult>
}

/** All that belongs to one request while it is answered. */
type Exchange = {
  readonly id: string
  readonly protocol: Protocol
  readonly outgoing: ServerResponse
  readonly deps: CompletionDeps
}

/** A request that has been read: what the gateway is asked, and how it will be answered. */
type Asked = {
  readonly call: GatewayCall
  readonly wire: WireRequest
  readonly read: CallerRequest
  readonly writer: EventWriter
  readonly stored: boolean
}

/** Serves one request to the end. Never rejects: whatever fails becomes an answer in the caller's wire, or a log line. */
export async function serveCompletion(
  protocol: Protocol,
  deps: CompletionDeps,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  const exchange: Exchange = { id: createId('req', deps.clock.now()), protocol, outgoing, deps }
  const abort = createCanceller()
  const onClose = () => {
    if (!outgoing.writableFinished) abort.abort(new RouteplaneError('cancelled', 'the caller went away'))
  }
  outgoing.once('close', onClose)
  let writer: EventWriter | undefined
  try {
    const caller = await deps.callerOf(incoming)
    if (caller.pays && (await tended(exchange, incoming))) return
    const body = await readBody(incoming, deps.maxBodyBytes)
    // Requests that have come at once go on in step.
    await nextTurn()
    const given = toWire(incoming, body)
    // Strangers share one name, so nothing is kept in it that another of them could ask for.
    const store = caller.pays ? undefined : deps.responses
    const { wire, watch } =
      protocol.id === 'responses' ? await keepAnswers(store, caller.id, given, deps.clock) : { wire: given, watch: undefined }
    const read = protocol.caller.read(wire)
    writer = openWriter(exchange, wire, read)
    const asked: Asked = {
      call: toCall(exchange, caller, { wire, read, signal: abort.signal }),
      wire,
      read,
      writer: watched(writer, watch),
      stored: watch !== undefined,
    }
    await answer(exchange, asked, await complete(exchange, caller, asked.call, incoming))
    await watch?.end()
  } catch (thrown) {
    refuse(exchange, toRouteplaneError(thrown), writer, abort.signal)
  } finally {
    writer?.stop()
  }
}

/** A payer may send a voucher by itself: for an answer that is under way, or to end his channel. */
async function tended({ id, outgoing, deps }: Exchange, incoming: IncomingMessage): Promise<boolean> {
  const taken = isBareCredential(incoming) ? await deps.routeplane.cashier?.tend(carriedBy(incoming)) : undefined
  if (taken === undefined) return false
  outgoing.writeHead(204, { ...requestHeaders(id), 'cache-control': 'no-store', ...taken }).end()
  return true
}

/** Who has no key pays for the call; nobody else is asked to. */
function complete({ deps }: Exchange, caller: Caller, call: GatewayCall, incoming: IncomingMessage): Promise<Completion> {
  const { cashier } = deps.routeplane
  return caller.pays && cashier !== undefined ? cashier.sell(call, carriedBy(incoming)) : deps.routeplane.complete(call)
}

function carriedBy({ headers, url = '/' }: IncomingMessage) {
  return { resource: `http://${headers.host ?? ''}${pathOf(url)}`, headers }
}

/** Lets somebody see what is written. */
function watched(writer: EventWriter, watch: AnswerWatch | undefined): EventWriter {
  if (watch === undefined) return writer
  return {
    ...writer,
    write(piece) {
      watch.push(piece)
      return writer.write(piece)
    },
    whole(body) {
      watch.push(body)
      return writer.whole(body)
    },
  }
}

/** Headers that carry the gateway's own secrets, and so must not come near an upstream. */
const PRIVATE_HEADERS: ReadonlySet<string> = new Set([
  'authorization',
  'proxy-authorization',
  'x-api-key',
  'x-goog-api-key',
  'cookie',
  // A caller's payment is for us alone.
  'payment-signature',
  'x-payment',
  'payment-authorization',
])

const NO_QUERY = new URLSearchParams()

function toWire(incoming: IncomingMessage, body: Buffer): WireRequest {
  const target = incoming.url ?? '/'
  const path = pathOf(target)
  const headers: Record<string, string | undefined> = {}
  for (const name of Object.keys(incoming.headers)) if (!PRIVATE_HEADERS.has(name)) headers[name] = incoming.headers[name] as string
  return {
    body,
    json: parseBody(body),
    // The guard has let only one level of escapes through, so a reader that decodes again changes nothing.
    path: decodePath(path) ?? path,
    query: path.length === target.length ? NO_QUERY : new URLSearchParams(target.slice(path.length)),
    headers,
  }
}

type Given = { readonly wire: WireRequest; readonly read: CallerRequest; readonly signal: CancelSignal }

function toCall({ id, protocol }: Exchange, caller: Caller, { wire, read, signal }: Given): GatewayCall {
  let decoded: CompletionRequest | undefined
  return {
    id,
    caller: caller.id,
    ...(caller.models === undefined ? {} : { models: caller.models }),
    read,
    wire: { protocol: protocol.id, request: wire },
    decode: () => (decoded ??= protocol.caller.decodeRequest(wire)),
    signal,
    // Strangers share one name: one of them must not be taken for another who tries again.
    ...(caller.pays ? {} : retryOf(wire)),
  }
}

/** What the official SDKs of OpenAI and Anthropic (those that Stainless generates) say with each request. */
function retryOf({ headers }: WireRequest): { readonly retry?: number } {
  const count = headers['x-stainless-retry-count']
  return count !== undefined && /^\d{1,3}$/.test(count) ? { retry: Number(count) } : {}
}

function openWriter({ id, outgoing, deps }: Exchange, wire: WireRequest, read: CallerRequest): EventWriter {
  return createEventWriter(outgoing, {
    keepAlive: deps.keepAlive,
    stallMs: deps.stallMs,
    ...(read.needs.stream && isEventStream(wire) ? { earlyHeaders: () => asEvents(requestHeaders(id)) } : {}),
  })
}

/** Adds what an answer in one piece is headed with. */
function asWhole(headers: Record<string, string>, body: Uint8Array, contentType = 'application/json'): Record<string, string> {
  headers['content-type'] = contentType
  headers['content-length'] = String(body.byteLength)
  return headers
}

/** Adds what an answer in pieces is headed with. */
function asEvents(headers: Record<string, string>, contentType = 'text/event-stream; charset=utf-8'): Record<string, string> {
  headers['content-type'] = contentType
  headers['x-accel-buffering'] = 'no'
  return headers
}

function answer(exchange: Exchange, asked: Asked, completion: Completion): Promise<void> {
  return completion.answer.lane === 'native'
    ? answerNative(asked, completion, completion.answer)
    : answerTranslated(exchange, asked, completion, completion.answer)
}

/** The upstream's own bytes: a whole body in one write, or each read of the stream as it comes. */
async function answerNative({ call, writer, wire }: Asked, completion: Completion, native: NativeAnswer): Promise<void> {
  const headers = completionHeaders(completion.head, completion.sale)
  const contentType = headerOf(native.headers, 'content-type')
  if (native.body instanceof Uint8Array) {
    // A comment may have been sent already: the caller then reads events, and gets to know that there are none.
    if (writer.started()) throw new RouteplaneError('upstream_bad_stream', 'the upstream answered a streaming request with a whole body')
    writer.head(native.status, asWhole(headers, native.body, contentType), false)
    await writer.whole(native.body)
    return
  }
  const isEvents = isEventStream(wire)
  writer.head(
    native.status,
    asEvents(headers, isEvents ? contentType : 'application/json'),
    isEvents && (contentType?.startsWith('text/event-stream') ?? true),
  )
  await pipe(paidEvents(native.body, isEvents ? completion.sale : undefined, call), writer)
}

async function answerTranslated(
  exchange: Exchange,
  asked: Asked,
  { head, sale }: Completion,
  { parts, violatesSchema }: PartsAnswer,
): Promise<void> {
  const { protocol, deps } = exchange
  const context: EncodeContext = {
    // Of an answer that is given again, the first request's: what is named by it keeps its name.
    requestId: head.requestId,
    model: asked.read.model,
    nowSeconds: Math.floor(deps.clock.now() / 1000),
    request: asked.call.decode(),
    stored: asked.stored,
  }
  if (asked.read.needs.stream) {
    const events = isEventStream(asked.wire)
    asked.writer.head(200, asEvents(completionHeaders(head, sale), events ? undefined : 'application/json'), events)
    const written = protocol.caller.encodeStream(parts, context)
    return pipe(
      events ? paidEvents(violatesSchema === undefined ? written : withVerdict(written, violatesSchema), sale, asked.call) : written,
      asked.writer,
    )
  }
  const body = Buffer.from(JSON.stringify(protocol.caller.encodeResult(await deps.foldParts(parts), context)))
  // Not before: the end of a sold answer waits for its payment, and what proves that stands here.
  const headers = completionHeaders(head, sale)
  if (violatesSchema?.() === true) headers['x-routeplane-schema'] = 'violated'
  asked.writer.head(200, asWhole(headers, body), false)
  await asked.writer.whole(body)
}

function refuse(exchange: Exchange, error: RouteplaneError, writer: EventWriter | undefined, signal: CancelSignal): void {
  const { id, protocol, outgoing, deps } = exchange
  logFailure(deps.log, id, error)
  if (signal.aborted) return
  const encoded = ownWords(error, protocol) ?? protocol.caller.encodeError(error, id)
  if (writer?.started()) return writer.fail(protocol.caller.encodeError(error, id).event)
  sendError(outgoing, error, id, {
    status: encoded.status,
    body: encoded.body,
    // The rest of an oversized body is still on its way; this connection cannot carry another request.
    ...(error.code === 'body_too_large' ? { headers: { connection: 'close' } } : {}),
    ...(error.challenge === undefined ? {} : paymentRequired(error, error.challenge, id)),
  })
}

/** One answer that clients of every way to pay understand, and that still says what it is to those who know none. */
function paymentRequired(error: RouteplaneError, challenge: PaymentChallenge, requestId: string): ErrorAnswer {
  const { code, message, hint } = error
  return { status: 402, headers: challenge.headers, body: { error: message, code, hint, request_id: requestId, ...challenge.body } }
}

/** Statuses that speak of the request itself: agents recover by the upstream's wording of them. */
const FORWARDED_STATUSES = new Set([400, 413, 422])

/** What the upstream said of the request, when it said it in the caller's own wire and no money is involved. */
function ownWords({ reply, money }: RouteplaneError, protocol: Protocol): { readonly status: number; readonly body: unknown } | undefined {
  if (reply === undefined || reply.wire !== protocol.id || isCommitted(money) || !FORWARDED_STATUSES.has(reply.status)) return undefined
  const body = tryParseJson(Buffer.from(reply.body).toString('utf8'))
  return isRecord(body) ? { status: reply.status, body } : undefined
}

function logFailure(log: Log, requestId: string, error: RouteplaneError): void {
  const fields = { requestId, code: error.code, money: error.money, message: error.message }
  if (error.fault === 'internal') {
    const { cause } = error
    log.error('request failed', { ...fields, cause: cause instanceof Error ? (cause.stack ?? cause.message) : undefined })
  } else if (isCommitted(error.money)) log.warn('request failed after a signature', fields)
  else log.debug('request refused', fields)
}
