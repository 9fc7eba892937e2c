/** Encodes the parts of an answer as the events of one response, and as the response itself. */
import type { EncodeContext } from '../protocol.ts'
import { RouteplaneError } from '../../errors.ts'
import type { CompletionPart, Extra } from '../../completion/part.ts'
import type { Usage } from '../../completion/usage.ts'
import { isRecord } from '../../lib/json.ts'
import { createCallEncoder, type CallEncoder } from './call-encoder.ts'
import { encodeResponseError } from './error.ts'
import { encodeFinish } from './finish.ts'
import { TEXT_SIGNATURE } from './items.ts'
import { createMessageEncoder, encodeCitation, encodeProbabilities, isAnnotationType, type MessageEncoder } from './message-encoder.ts'
import { CANDIDATE } from './output-item.ts'
import { createOutputSink, type OutputSink } from './output-sink.ts'
import { createReasoningEncoder, type ReasoningEncoder } from './reasoning-encoder.ts'
import { encodeResponse, type ResponseFacts } from './response-object.ts'

type Json = Readonly<Record<string, unknown>>

export type OutputEncoder = {
  /** @returns the events that a part makes; none after the last one. */
  push(part: CompletionPart): readonly Json[]
  /** Ends the response as failed; items that are not finished are not shown as if they were. */
  fail(error: RouteplaneError): readonly Json[]
  /** The response as its terminal event has it; `undefined` before. */
  response(): Json | undefined
}

type State = {
  readonly context: EncodeContext
  readonly sink: OutputSink
  readonly messages: MessageEncoder
  readonly thoughts: ReasoningEncoder
  readonly calls: CallEncoder
  /** Blocks of candidates that this wire cannot show. */
  readonly hidden: Set<number>
  identity: Pick<ResponseFacts, 'id' | 'model' | 'createdSeconds'>
  hasStarted: boolean
  usage: Usage | undefined
  response: Json | undefined
}

/** Creates the encoder of one answer. */
export function createOutputEncoder(context: EncodeContext): OutputEncoder {
  const base = context.requestId.replace(/^req_/, '')
  const sink = createOutputSink(base)
  const messages = createMessageEncoder(sink)
  const onItem = (): void => messages.leave()
  const state: State = {
    context,
    sink,
    messages,
    thoughts: createReasoningEncoder(sink, onItem),
    calls: createCallEncoder(sink, context.request.tools, onItem),
    hidden: new Set(),
    identity: { id: `resp_${base}`, model: context.model, createdSeconds: context.nowSeconds },
    hasStarted: false,
    usage: undefined,
    response: undefined,
  }
  return {
    push: (part) => {
      if (state.response === undefined) encodePart(state, part)
      return sink.take()
    },
    fail: (error) => {
      if (state.response === undefined) fail(state, error)
      return sink.take()
    },
    response: () => state.response,
  }
}

/** This wire shows one candidate. */
function isHidden({ hidden }: State, part: CompletionPart): boolean {
  if (!('candidate' in part) || part.candidate === CANDIDATE) return 'block' in part && hidden.has(part.block)
  if ('block' in part) hidden.add(part.block)
  return true
}

function encodePart(state: State, part: CompletionPart): void {
  if (isHidden(state, part)) return
  const { messages, thoughts, calls } = state
  switch (part.type) {
    case 'start':
      return start(state, part)
    case 'text-start':
      return
    case 'text-delta':
      return messages.addText(part.block, part.text)
    case 'text-end':
      return endText(state, part)
    case 'refusal-delta':
      return messages.addRefusal(part.text)
    case 'reasoning-start':
      return thoughts.open(part.block)
    case 'reasoning-delta':
      return thoughts.add(part.block, part.text)
    case 'reasoning-end':
      return thoughts.end(part.block, part.carriers)
    case 'tool-input-start':
      return calls.open(part)
    case 'tool-input-delta':
      return calls.add(part.block, part.text)
    case 'tool-input-end':
      return endCall(state, part)
    case 'extra':
      return encodeExtra(state, part.extra)
    case 'usage':
      state.usage = part.usage
      return
    case 'finish':
      return finish(state, part)
    case 'error':
      return fail(state, part.error)
  }
}

function endText({ messages, thoughts }: State, part: Extract<CompletionPart, { type: 'text-end' }>): void {
  messages.endText(part.block)
  thoughts.seal(part.carriers ?? [], TEXT_SIGNATURE)
}

function endCall({ calls, thoughts }: State, part: Extract<CompletionPart, { type: 'tool-input-end' }>): void {
  const callId = calls.end(part.block)
  if (callId !== undefined) thoughts.seal(part.carriers ?? [], callId)
}

function start(state: State, part: Extract<CompletionPart, { type: 'start' }>): void {
  const { identity } = state
  state.identity = {
    // Only ids of this wire's own form are kept: clients ask for a response by them.
    id: /^resp_[A-Za-z0-9_-]{1,180}$/.test(part.id) ? part.id : identity.id,
    model: part.model === '' ? identity.model : part.model,
    createdSeconds: part.createdSeconds ?? identity.createdSeconds,
  }
  announce(state)
}

function announce(state: State): void {
  if (state.hasStarted) return
  state.hasStarted = true
  const response = encodeResponse({ ...state.identity, status: 'in_progress', output: [] }, state.context)
  state.sink.emit('response.created', { response })
  state.sink.emit('response.in_progress', { response })
}

function encodeExtra(state: State, extra: Extra): void {
  const { messages } = state
  switch (extra.kind) {
    case 'citation':
      return messages.annotate(encodeCitation(extra))
    case 'logprobs':
      return messages.addProbabilities(encodeProbabilities(extra.raw))
    case 'image':
      return addImage(state, extra)
    case 'foreign':
      return addForeign(state, extra)
    case 'audio':
      // No item of this wire holds sound: what was said is still told.
      return extra.transcript === undefined || extra.transcript === '' ? undefined : messages.addText(-1, extra.transcript)
  }
}

function addImage({ sink, messages }: State, extra: Extract<Extra, { kind: 'image' }>): void {
  messages.leave()
  const item = { id: sink.newId('ig'), type: 'image_generation_call', output_format: extra.mimeType.replace(/^image\//, '') }
  const index = sink.begin({ ...item, status: 'in_progress', result: null })
  const place = { item_id: item.id, output_index: index }
  sink.emit('response.image_generation_call.in_progress', place)
  sink.emit('response.image_generation_call.completed', place)
  sink.end(index, { ...item, status: 'completed', result: extra.base64 })
}

/** This wire's own items and annotations are shown as they are; of another wire's, a search that was made. */
function addForeign({ sink, messages }: State, { wire, raw }: Extract<Extra, { kind: 'foreign' }>): void {
  if (!isRecord(raw) || typeof raw['type'] !== 'string') return
  if (wire === 'responses' && isAnnotationType(raw['type'])) return messages.annotate(raw)
  const item = wire === 'responses' ? { id: sink.newId('item'), ...raw } : toSearchCall(raw, sink)
  if (item === undefined) return
  messages.leave()
  sink.end(sink.begin(item), item)
}

/** @see https://docs.anthropic.com/en/docs/agents-and-tools/tool-use/web-search-tool, `server_tool_use` */
function toSearchCall(raw: Json, sink: OutputSink): Json | undefined {
  if (raw['type'] !== 'server_tool_use' || raw['name'] !== 'web_search') return undefined
  const query = isRecord(raw['input']) ? raw['input']['query'] : undefined
  if (typeof query !== 'string') return undefined
  return { id: sink.newId('ws'), type: 'web_search_call', status: 'completed', action: { type: 'search', query, queries: [query] } }
}

function finish(state: State, part: Extract<CompletionPart, { type: 'finish' }>): void {
  announce(state)
  const { sink, messages, calls } = state
  const reason = part.finishes.find(({ candidate }) => candidate === CANDIDATE)?.reason ?? 'other'
  const ending = encodeFinish(reason)
  if (ending.status === 'failed') return fail(state, brokenFinish())
  messages.close(ending.status)
  calls.close()
  const usage = part.usage ?? state.usage
  const facts = { ...state.identity, status: ending.status, output: sink.output(), usage }
  state.response = encodeResponse(ending.status === 'incomplete' ? { ...facts, incompleteReason: ending.reason } : facts, state.context)
  sink.emit(`response.${ending.status}`, { response: state.response })
}

/** The error for answers whose reason to end has no word on this wire. */
function brokenFinish(): RouteplaneError {
  return new RouteplaneError('upstream_error', 'the model ended its answer with an error or a tool call that cannot be read')
}

function fail(state: State, error: RouteplaneError): void {
  announce(state)
  const { sink, identity, usage, context } = state
  const failure = encodeResponseError(error, context.requestId)
  state.response = encodeResponse({ ...identity, status: 'failed', output: sink.output(), usage, error: failure }, context)
  sink.emit('response.failed', { response: state.response })
}
