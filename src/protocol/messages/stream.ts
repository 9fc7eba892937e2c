/** Decodes the events of a Messages stream into parts; tolerant of every dialect, strict about how an answer ends. */
import { RouteplaneError } from '../../errors.ts'
import type { CompletionPart, Finish, PartStream } from '../../completion/part.ts'
import { isRecord, tryParseJson } from '../../lib/json.ts'
import type { SseItem } from '../../lib/sse.ts'
import {
  badEvent,
  createStep,
  endedInError,
  incomplete,
  raise,
  readAnswer,
  type AnswerDecoder,
  type AnswerState,
} from '../answer-decoder.ts'
import { createBlockDecoder, type BlockDecoder } from './block-decoder.ts'
import { decodeErrorObject } from './error.ts'
import { decodeFinish, readReason } from './finish.ts'
import { decodeUsage, joinUsage } from './usage.ts'

type Json = Readonly<Record<string, unknown>>

/**
 *     before ──message_start──► answering ──message_stop, or end with a stop reason──► over (finish)
 *        └────────────────────────┴──error, broken event, end without a stop reason──► over (error)
 *
 * What comes once an answer is over, such as another message that a proxy has run into it, is not looked at.
 */
export type EventDecoder = AnswerDecoder & {
  /** Takes one parsed event. */
  push(event: Json): readonly CompletionPart[]
}

type State = AnswerState & {
  hasStarted: boolean
  usage: Json | undefined
  reason: string | undefined
  stopSequence: string | undefined
  /** Whether an event about the end has come, be it without a reason. */
  hasEnding: boolean
  readonly blocks: BlockDecoder
}

/** Creates the decoder of one answer. */
export function createEventDecoder(): EventDecoder {
  const state: State = {
    hasStarted: false,
    isOver: false,
    usage: undefined,
    reason: undefined,
    stopSequence: undefined,
    hasEnding: false,
    blocks: createBlockDecoder((part) => void state.out.push(part)),
    out: [],
  }
  const step = createStep(state)
  return {
    push: (event) => step(() => addEvent(state, event)),
    end: () => step(() => endAnswer(state, 'connection')),
    fail: (error) => step(() => raise(error)),
    isOver: () => state.isOver,
    isFinished: () => state.reason !== undefined,
  }
}

/** @see https://docs.anthropic.com/en/docs/build-with-claude/streaming#event-types; unknown ones may come at any time. */
function addEvent(state: State, event: Json): void {
  switch (event['type']) {
    case 'message_start':
      startAnswer(state, isRecord(event['message']) ? event['message'] : {})
      break
    case 'content_block_start':
      start(state, {})
      state.blocks.start(indexOf(event), isRecord(event['content_block']) ? event['content_block'] : {})
      break
    case 'content_block_delta':
      start(state, {})
      state.blocks.delta(indexOf(event), isRecord(event['delta']) ? event['delta'] : {})
      break
    case 'content_block_stop':
      state.blocks.stop(indexOf(event))
      break
    case 'message_delta':
      start(state, {})
      noteEnding(state, isRecord(event['delta']) ? event['delta'] : {})
      addUsage(state, event['usage'])
      break
    case 'message_stop':
      endAnswer(state, 'word')
      break
    case 'error':
      throw decodeErrorObject(event['error'] ?? event)
    default:
      break
  }
}

/** A missing index means the first block. */
function indexOf({ index }: Json): number {
  return typeof index === 'number' ? index : 0
}

/** A second start, as proxies that resume a stream send, only counts for its figures. */
function startAnswer(state: State, message: Json): void {
  start(state, message)
  addUsage(state, message['usage'])
  const content = Array.isArray(message['content']) ? message['content'].filter(isRecord) : []
  for (const [index, block] of content.entries()) {
    state.blocks.start(index, block)
    state.blocks.stop(index)
  }
}

function start(state: State, message: Json): void {
  if (state.hasStarted) return
  state.hasStarted = true
  const { id, model } = message
  state.out.push({ type: 'start', id: typeof id === 'string' ? id : '', model: typeof model === 'string' ? model : '' })
}

function addUsage(state: State, raw: unknown): void {
  if (!isRecord(raw)) return
  state.usage = joinUsage(state.usage, raw)
  const usage = decodeUsage(state.usage)
  if (usage !== undefined) state.out.push({ type: 'usage', usage })
}

function noteEnding(state: State, delta: Json): void {
  state.hasEnding = true
  state.reason = readReason(delta['stop_reason']) ?? state.reason
  if (typeof delta['stop_sequence'] === 'string') state.stopSequence = delta['stop_sequence']
  const details = delta['stop_details']
  const explanation = isRecord(details) ? details['explanation'] : undefined
  if (typeof explanation === 'string' && explanation !== '' && decodeFinish(state.reason, state.blocks.shape()) === 'refusal')
    state.out.push({ type: 'refusal-delta', candidate: 0, text: explanation })
}

function endAnswer(state: State, by: 'word' | 'connection'): void {
  if (state.reason === undefined && (by === 'connection' || !state.hasEnding)) throw incomplete()
  state.blocks.end()
  const reason = decodeFinish(state.reason, state.blocks.shape())
  if (reason === 'error') throw endedInError()
  const finish: Finish = {
    candidate: 0,
    reason,
    ...(state.reason === undefined ? {} : { raw: state.reason }),
    ...(state.stopSequence === undefined ? {} : { stopSequence: state.stopSequence }),
  }
  state.isOver = true
  state.out.push({ type: 'finish', finishes: [finish], usage: decodeUsage(state.usage) })
}

/** Reads a byte stream of events into parts, as {@link readAnswer} does. */
export function decodeStream(bytes: AsyncIterable<Uint8Array>): PartStream {
  return readAnswer(bytes, createEventDecoder(), readItem)
}

function readItem(decoder: EventDecoder, item: SseItem): readonly CompletionPart[] {
  const event = readEvent(item)
  return event instanceof RouteplaneError ? decoder.fail(event) : event === undefined ? [] : decoder.push(event)
}

/**
 * Reads one event. Its own type counts before the name of its line, which some servers leave out; `[DONE]`, which others add,
 * is nothing here.
 *
 * @returns `undefined` for what says nothing, an error for what is no event of this wire.
 */
export function readEvent(item: SseItem): Json | RouteplaneError | undefined {
  if ('comment' in item) return undefined
  const data = item.data.trim()
  if (data === '' || data === '[DONE]') return undefined
  const value = tryParseJson(data)
  if (!isRecord(value)) {
    // Cut in the middle: the missing end is what will be told.
    if (item.truncated === true && value === undefined) return undefined
    return item.event === 'error' ? decodeErrorObject({ message: data }) : badEvent()
  }
  if (typeof value['type'] === 'string' && item.event !== 'error') return value
  if (item.event === 'error') return { type: 'error', error: value['error'] ?? value }
  if (isRecord(value['error'])) return { type: 'error', error: value['error'] }
  return { ...value, type: item.event }
}
