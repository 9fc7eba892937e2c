/** One attempt: encode for the endpoint, send under a payment mode, and resolve at the first content of the answer. */
import type { CompletionPart, PartStream } from '../completion/part.ts'
import { isContent } from '../completion/part.ts'
import { unfoldResult } from '../completion/fold.ts'
import type { CompletionResult } from '../completion/result.ts'
import { amend, RouteplaneError, toRouteplaneError } from '../errors.ts'
import type { CancelSignal } from '../lib/cancel.ts'
import type { Clock } from '../lib/clock.ts'
import { headerOf, readBody, readBytes, retryAfterOf, type HttpCall, type HttpResponse } from '../lib/http-call.ts'
import { isRecord, tryParseJson } from '../lib/json.ts'
import { readAhead } from '../lib/stream.ts'
import type { Usd } from '../money.ts'
import type { Payment, PaymentMode } from '../payment/mode.ts'
import { createEventFilter } from '../protocol/event-filter.ts'
import type { ByteFilter } from '../protocol/protocol.ts'
import { nothingToRestore, restoreParts, type Restore } from '../protocol/restore.ts'
import type { Attempt } from '../routing/plan.ts'
import type { GatewayCall, NativeAnswer, PartsAnswer } from './call.ts'
import type { GatewayContext } from './context.ts'
import type { NativeLane, TranslateLane } from './lane.ts'
import { meterParts, tapStream, type Meter } from './meter.ts'

/** An attempt whose answer has begun. */
export type Started = {
  readonly answer: NativeAnswer | PartsAnswer
  readonly payment: Payment
  readonly meter: Meter
}

export type AttemptOptions = {
  readonly id: string
  readonly attempt: Attempt
  readonly mode: PaymentMode
  readonly call: GatewayCall
  /** How the call is said to the endpoint, as it was when the endpoint was chosen. */
  readonly lane: NativeLane | TranslateLane
  readonly capUsd: Usd
  /** Whether another attempt is planned after this one. */
  readonly hasNext: boolean
  readonly preset: string | undefined
  readonly signal: CancelSignal
}

const MAX_ERROR_BYTES = 256 * 1024
/** Slower than nearly every served model: an authorization should outlive the answer. Tokens a second. */
const SLOW_TOKENS_PER_SECOND = 20

/**
 * Runs one attempt to its first content.
 *
 * @throws RouteplaneError with what happened to the money; its hold and its payment have been closed or are followed.
 */
export async function startAttempt(options: AttemptOptions, context: GatewayContext): Promise<Started> {
  const { attempt, mode, call, capUsd, hasNext, signal, lane } = options
  const { endpoint, boundUsd } = attempt.candidate
  const sending = prepare(options)
  const startedAt = context.clock.monotonic()
  const { response, payment } = await mode.send({
    requestId: call.id,
    attemptId: options.id,
    caller: call.caller,
    ...(options.preset === undefined ? {} : { preset: options.preset }),
    ...(call.fingerprint === undefined ? {} : { fingerprint: call.fingerprint }),
    endpoint,
    http: sending.http,
    wire: lane.protocol.id,
    boundUsd,
    capUsd,
    hasNext,
    answerSeconds: slowestSeconds(lane.needs.maxOutputTokens),
    onUnknown: call.read.extensions.onUnknown ?? context.rules.onUnknown,
    signal,
    transport: (http) =>
      context.transport(http, { signal, timeouts: context.rules.timeoutsOf(endpoint.provider), maxBytes: context.rules.maxAnswerBytes }),
    ...(call.onProgress === undefined ? {} : { onProgress: call.onProgress }),
  })
  try {
    if (response.status < 200 || response.status >= 300) throw await readUpstreamError(response, lane, context.clock)
    const { answer, meter } = await begin(sending, response, call, { startedAt, now: () => context.clock.monotonic() })
    return { answer, payment, meter }
  } catch (thrown) {
    await payment.close({ delivered: false, usage: undefined, costUsd: undefined })
    throw payment.blame(toRouteplaneError(thrown))
  }
}

/** How long an answer may take; a caller who set no limit gets the shortest validity, since nothing is known. */
function slowestSeconds(maxOutputTokens: number | undefined): number {
  return maxOutputTokens === undefined ? 0 : maxOutputTokens / SLOW_TOKENS_PER_SECOND
}

/** A lane with the call that is sent on it. */
type Sending = {
  readonly lane: NativeLane | TranslateLane
  readonly http: HttpCall
  /** Of a stream that is forwarded. */
  createFilter(): ByteFilter
}

function prepare({ attempt, call, lane }: AttemptOptions): Sending {
  const { stream } = call.read.needs
  const { baseUrl } = attempt.candidate.endpoint.provider
  const headers = { 'content-type': 'application/json', accept: stream ? 'text/event-stream' : 'application/json' }
  if (lane.kind === 'native') {
    const { upstream } = lane.protocol
    const { path, body, hideUsageChunk, headers: own } = upstream.forward(lane.request, lane.target)
    const http: HttpCall = { method: 'POST', url: baseUrl + path, headers: { ...own, ...headers }, body }
    return { lane, http, createFilter: hideUsageChunk ? upstream.createUsageFilter : createEventFilter }
  }
  const { path, headers: own } = lane.encoded
  return {
    lane,
    http: { method: 'POST', url: baseUrl + path, headers: { ...own, ...headers }, body: Buffer.from(lane.text()) },
    createFilter: createEventFilter,
  }
}

/** Keeps the upstream's own words beside our reading of them: on the native lane the caller gets them as they are. */
async function readUpstreamError(response: HttpResponse, lane: Sending['lane'], clock: Pick<Clock, 'now'>): Promise<RouteplaneError> {
  const body = await readBody(response, MAX_ERROR_BYTES).catch(() => '')
  const error = lane.protocol.upstream.decodeError(response.status, body)
  const retryAfterMs = retryAfterOf(response.headers, clock.now())
  return amend(error, {
    details: { ...error.details, status: response.status },
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    reply: {
      wire: lane.protocol.id,
      status: response.status,
      contentType: headerOf(response.headers, 'content-type') ?? 'application/json',
      body: Buffer.from(body),
    },
  })
}

type Timing = { readonly startedAt: number; now(): number }

type Begun = Promise<Omit<Started, 'payment'>>

async function begin(sending: Sending, given: HttpResponse, call: GatewayCall, timing: Timing): Begun {
  const { lane } = sending
  const form = formOf(given)
  const { streamed, response } = form instanceof Promise ? await form : form
  if (!streamed) return beginWhole(sending, response, call, timing)
  const { upstream } = lane.protocol
  if (lane.kind === 'translate') return beginParts(upstream.decodeStream(response.body), lane.restore, timing)
  // Asked for a whole answer, and streamed it: the caller still gets a whole one, put together from the stream.
  if (!call.read.needs.stream) return beginParts(upstream.decodeStream(response.body), nothingToRestore, timing)
  return beginNativeStream(sending, response, timing)
}

/** Types that say nothing of what they are given to. */
const SAYS_NOTHING = /^(?:text\/plain|(?:application|binary)\/octet-stream)?\s*(?:;|$)/
/** How a stream of events begins, read as Latin-1; a byte order mark may stand before it. */
const FIRST_FIELD = /^(?:\u00ef\u00bb\u00bf)?\s*(?:data|event|id|retry)?:/
const FIRST_FIELD_BYTES = 16

type Form = { readonly streamed: boolean; readonly response: HttpResponse }

/** Tells a stream of events by its type and, where that says nothing, by its first field: what may be paid for is not thrown away. */
function formOf(response: HttpResponse): Form | Promise<Form> {
  const type = (headerOf(response.headers, 'content-type') ?? '').trim().toLowerCase()
  if (type.includes('text/event-stream')) return { streamed: true, response }
  return SAYS_NOTHING.test(type) ? formByFirstField(response) : { streamed: false, response }
}

async function formByFirstField(response: HttpResponse): Promise<Form> {
  let head = ''
  const { stream: body } = await readAhead(response.body, (bytes) => {
    head += Buffer.from(bytes.subarray(0, FIRST_FIELD_BYTES)).toString('latin1')
    return FIRST_FIELD.test(head) || head.trim().length >= FIRST_FIELD_BYTES
  })
  if (!FIRST_FIELD.test(head)) return { streamed: false, response: { ...response, body } }
  return { streamed: true, response: { ...response, headers: { ...response.headers, 'content-type': 'text/event-stream' }, body } }
}

async function beginWhole({ lane }: Sending, response: HttpResponse, call: GatewayCall, timing: Timing): Begun {
  const body = await readBytes(response, Number.MAX_SAFE_INTEGER)
  // A byte order mark may be ignored. @see RFC 8259, section 8.1
  const json = tryParseJson(
    Buffer.from(body.buffer, body.byteOffset, body.byteLength)
      .toString('utf8')
      .replace(/^\ufeff/, ''),
  )
  if (!isRecord(json)) throw new RouteplaneError('upstream_error', 'the provider answered with something that is not a JSON object')
  const result = lane.protocol.upstream.decodeResult(json)
  // Asked for a stream, answered whole: the caller still gets his stream, made from the answer.
  if (lane.kind === 'translate') return beginParts(asStream(unfoldResult(result)), lane.restore, timing)
  if (call.read.needs.stream) return beginParts(asStream(unfoldResult(result)), nothingToRestore, timing)
  const ttftMs = timing.now() - timing.startedAt
  const meter: Meter = {
    ttftMs: () => ttftMs,
    read: () => ({
      usage: result.usage,
      model: result.model,
      deliveredCharacters: textLength(result),
      finishReason: result.candidates[0]?.finish.reason,
    }),
  }
  return { answer: { lane: 'native', status: response.status, headers: response.headers, body }, meter }
}

function textLength({ candidates }: CompletionResult): number {
  let length = 0
  for (const { content } of candidates)
    for (const each of content) if (each.type === 'text' || each.type === 'refusal') length += each.text.length
  return length
}

/** All of an answer at once. */
async function* asStream(parts: Iterable<CompletionPart>): AsyncGenerator<readonly CompletionPart[]> {
  yield [...parts]
}

async function beginNativeStream({ lane, createFilter }: Sending, response: HttpResponse, timing: Timing): Begun {
  const tapped = tapStream(response.body, lane.protocol.upstream.createTap(), createFilter())
  const { ended, stream } = await readAhead(tapped.body, () => tapped.hasContent())
  const error = ended ? tapped.report().error : undefined
  if (error !== undefined) throw error
  const ttftMs = timing.now() - timing.startedAt
  const meter: Meter = { ttftMs: () => ttftMs, read: tapped.report }
  return { answer: { lane: 'native', status: response.status, headers: response.headers, body: stream }, meter }
}

/** What the translation did to the request is undone before anybody looks: what counts is what the caller sees. */
async function beginParts(source: PartStream, restore: Restore, timing: Timing): Begun {
  let isViolated = false
  const restored = restoreParts(source, restore, {
    onSchema: ({ outcome }) => {
      isViolated ||= outcome === 'violated'
    },
  })
  const { seen, stream } = await readAhead(restored, (parts) => parts.some(isAnswer))
  const first = seen.at(-1)?.find(isAnswer)
  if (first === undefined) throw new RouteplaneError('stream_incomplete', 'the provider ended its answer before saying anything')
  if (first.type === 'error') throw first.error
  const firstAt = timing.now()
  const metered = meterParts(stream, firstAt - timing.startedAt)
  const verdict = restore.schema === undefined ? {} : { violatesSchema: () => isViolated }
  return { answer: { lane: 'translate', parts: metered.parts, ...verdict }, meter: metered.meter }
}

/** Whether somebody has answered, be it that he could not. */
function isAnswer(part: CompletionPart): boolean {
  return isContent(part) || part.type === 'error'
}
