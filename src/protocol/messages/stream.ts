/** Decodes the events of a Messages stream into parts; tolerant of every dialect, strict about how an answer ends. */
import { RouteplaneError, toRouteplaneError } from '../../errors.ts'
import type { CompletionPart, Finish } from '../../completion/part.ts'
import { isRecord, tryParseJson } from '../../lib/json.ts'
import { createSseDecoder, type SseItem } from '../../lib/sse.ts'
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
export type EventDecoder = {
  /** Takes one parsed event. */
  push(event: Json): readonly CompletionPart[]
  /** Takes the end of the connection. */
  end(): readonly CompletionPart[]
  fail(error: RouteplaneError): readonly CompletionPart[]
  isOver(): boolean
  /** Whether the answer has said why it ended. */
  isFinished(): boolean
}

type State = {
  hasStarted: boolean
  isOver: boolean
  usage: Json | undefined
  reason: string | undefined
  stopSequence: string | undefined
  /** Whether an event about the end has come, be it without a reason. */
  hasEnding: boolean
  readonly blocks: BlockDecoder
  out: CompletionPart[]
}

/** Creates the decoder of one answer. It never throws: what goes wrong is its last part. */
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
  const run = (work: () => void): readonly CompletionPart[] => {
    state.out = []
    if (state.isOver) return state.out
    try {
      work()
    } catch (error) {
      finishWith(state, toRouteplaneError(error))
    }
    return state.out
  }
  return {
    push: (event) => run(() => addEvent(state, event)),
    end: () => run(() => endAnswer(state, 'connection')),
    fail: (error) => run(() => finishWith(state, error)),
    isOver: () => state.isOver,
    isFinished: () => state.reason !== undefined,
  }
}

function finishWith(state: State, error: RouteplaneError): void {
  state.isOver = true
  state.out.push({ type: 'error', error })
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
  if (reason === 'error') throw new RouteplaneError('upstream_error', 'the upstream ended its answer with an error as the reason')
  const finish: Finish = {
    candidate: 0,
    reason,
    ...(state.reason === undefined ? {} : { raw: state.reason }),
    ...(state.stopSequence === undefined ? {} : { stopSequence: state.stopSequence }),
  }
  state.isOver = true
  state.out.push({ type: 'finish', finishes: [finish], usage: decodeUsage(state.usage) })
}

function incomplete(): RouteplaneError {
  return new RouteplaneError('stream_incomplete', 'the upstream ended its answer without saying that it was finished')
}

/**
 * Reads a byte stream of events into parts: one `finish` or `error` last, whatever happens, and nothing after it.
 *
 * A source that throws ends the answer with its error, unless the answer was finished already.
 */
export async function* decodeStream(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<CompletionPart, void, undefined> {
  const sse = createSseDecoder()
  const events = createEventDecoder()
  try {
    for await (const read of bytes) {
      for (const item of sse.push(read)) yield* decodeItem(events, item)
      if (events.isOver()) return
    }
    for (const item of sse.end()) yield* decodeItem(events, item)
    yield* events.end()
  } catch (error) {
    yield* events.isFinished() ? events.end() : events.fail(toRouteplaneError(error))
  }
}

function decodeItem(events: EventDecoder, item: SseItem): readonly CompletionPart[] {
  const event = readEvent(item)
  return event instanceof RouteplaneError ? events.fail(event) : event === undefined ? [] : events.push(event)
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
    return item.event === 'error'
      ? decodeErrorObject({ message: data })
      : new RouteplaneError('upstream_bad_stream', 'the upstream sent an event that is no part of a message')
  }
  if (typeof value['type'] === 'string' && item.event !== 'error') return value
  if (item.event === 'error') return { type: 'error', error: value['error'] ?? value }
  if (isRecord(value['error'])) return { type: 'error', error: value['error'] }
  return { ...value, type: item.event }
}
