/** Decodes the events of a Responses stream into parts; tolerant of servers that leave events out, strict about the end. */
import { RouteplaneError } from '../../errors.ts'
import type { CompletionPart, PartStream } from '../../completion/part.ts'
import type { Usage } from '../../completion/usage.ts'
import { isRecord, tryParseJson } from '../../lib/json.ts'
import type { SseItem } from '../../lib/sse.ts'
import { badEvent, createStep, incomplete, raise, readAnswer, type AnswerDecoder, type AnswerState } from '../answer-decoder.ts'
import { decodeErrorObject } from './error.ts'
import { decodeFinish } from './finish.ts'
import { createItemDecoder, typeOfEvent } from './item-decoder.ts'
import { CANDIDATE, type Emitter, type ItemDecoder, type Json } from './output-item.ts'
import { decodeUsage } from './usage.ts'

/**
 *     before ──response.created, or anything else──► answering ──response.completed | incomplete──► over (finish)
 *        └──────────────────┴──error, response.failed, broken event, end without a terminal event──► over (error)
 */
export type EventDecoder = AnswerDecoder & {
  /** Takes one parsed event. */
  push(event: Json): readonly CompletionPart[]
  /** Takes a whole response, as a terminal event or an answer in one piece has it. */
  finish(response: Json, status: string): readonly CompletionPart[]
}

/** An output item while it comes; `ids` tell whether the final response's item is this one. */
type Slot = { readonly decoder: ItemDecoder; isEnded: boolean; readonly ids: Set<unknown> }

type State = AnswerState & {
  hasStarted: boolean
  blocks: number
  usage: Usage | undefined
  readonly slots: Map<number, Slot>
}

/** Far beyond real answers: a memory guard. */
const MAX_ITEMS = 4_096

/** Creates the decoder of one answer. Only a terminal event finishes it: then it is over. */
export function createEventDecoder(): EventDecoder {
  const state: State = { hasStarted: false, isOver: false, blocks: 0, usage: undefined, slots: new Map(), out: [] }
  const step = createStep(state)
  return {
    push: (event) => step(() => addEvent(state, event)),
    finish: (response, status) => step(() => finishWith(state, response, status)),
    end: () => step(() => raise(incomplete())),
    fail: (error) => step(() => raise(error)),
    isOver: () => state.isOver,
    isFinished: () => state.isOver,
  }
}

function addEvent(state: State, event: Json): void {
  const type = typeof event['type'] === 'string' ? event['type'] : ''
  const response = isRecord(event['response']) ? event['response'] : undefined
  switch (type) {
    case 'error':
      throw decodeFailure(isRecord(event['error']) ? event['error'] : event)
    case 'response.failed':
    case 'response.cancelled':
      noteUsage(state, response ?? {})
      throw decodeFailure(isRecord(response?.['error']) ? response['error'] : { message: 'the response failed' })
    case 'response.completed':
    case 'response.incomplete':
    // Some servers' name for the first.
    case 'response.done':
      return finishWith(state, response ?? {}, type === 'response.incomplete' ? 'incomplete' : 'completed')
    default:
      break
  }
  if (response !== undefined) return start(state, response)
  if (type === '') {
    if (isRecord(event['error']) || typeof event['error'] === 'string') throw decodeFailure(event['error'])
    throw badEvent()
  }
  addItemEvent(state, type, event)
}

/** Tokens of an answer that failed have been spent too. */
function noteUsage(state: State, response: Json): void {
  const usage = decodeUsage(response['usage'])
  if (usage === undefined) return
  start(state, response)
  state.usage = usage
  state.out.push({ type: 'usage', usage })
}

function start(state: State, response: Json): void {
  if (state.hasStarted) return
  state.hasStarted = true
  const { id, model, created_at: created } = response
  const createdSeconds = typeof created === 'number' && created > 0 ? { createdSeconds: Math.floor(created) } : {}
  state.out.push({
    type: 'start',
    id: typeof id === 'string' ? id : '',
    model: typeof model === 'string' ? model : '',
    ...createdSeconds,
  })
}

function addItemEvent(state: State, type: string, event: Json): void {
  const item = isRecord(event['item']) ? event['item'] : undefined
  const named = item === undefined ? typeOfEvent(type) : item['type']
  const index = indexOf(state, event)
  const known = state.slots.get(index)
  if (known === undefined && typeof named !== 'string') return
  start(state, {})
  const slot = known ?? openSlot(state, index, String(named))
  for (const id of [event['item_id'], item?.['id'], item?.['call_id']]) if (typeof id === 'string') slot.ids.add(id)
  if (type === 'response.output_item.added') slot.decoder.begin(item ?? {})
  else if (type === 'response.output_item.done') endSlot(slot, item ?? {})
  else if (!slot.isEnded) slot.decoder.push(event)
}

/** The output index; a server without one means the item of this id, or the last. */
function indexOf({ slots }: State, event: Json): number {
  const { output_index: index, item_id: id } = event
  if (typeof index === 'number' && Number.isInteger(index) && index >= 0) return index
  for (const [at, { ids }] of slots) if (typeof id === 'string' && ids.has(id)) return at
  const isNew = event['type'] === 'response.output_item.added'
  return Math.max(-1, ...slots.keys()) + (isNew || slots.size === 0 ? 1 : 0)
}

function openSlot(state: State, index: number, type: string): Slot {
  if (state.slots.size >= MAX_ITEMS)
    throw new RouteplaneError('upstream_bad_stream', `the upstream gave more than ${MAX_ITEMS} output items`)
  const emitter: Emitter = { emit: (part) => void state.out.push(part), nextBlock: () => state.blocks++ }
  const slot: Slot = { decoder: createItemDecoder(type, emitter), isEnded: false, ids: new Set() }
  state.slots.set(index, slot)
  return slot
}

function endSlot(slot: Slot, item: Json): void {
  if (slot.isEnded) return
  slot.decoder.end(item)
  slot.isEnded = true
}

function finishWith(state: State, response: Json, assumed: string): void {
  start(state, response)
  const given = response['status']
  const status = typeof given === 'string' && given !== 'in_progress' ? given : assumed
  noteUsage(state, response)
  if (isRecord(response['error'])) throw decodeFailure(response['error'])
  endItems(state, Array.isArray(response['output']) ? response['output'].filter(isRecord) : [])
  const details = response['incomplete_details']
  const why = isRecord(details) && typeof details['reason'] === 'string' ? details['reason'] : undefined
  const shapes = [...state.slots.values()].map(({ decoder }) => decoder.shape())
  const reason = decodeFinish(status, why, {
    hasCalls: shapes.some(({ isCall }) => isCall),
    hasBrokenCall: shapes.some(({ isBrokenCall }) => isBrokenCall),
    hasRefusal: shapes.some(({ hasRefusal }) => hasRefusal),
  })
  if (reason === 'error') throw new RouteplaneError('upstream_error', `the upstream ended its answer as ${status.slice(0, 40)}`)
  state.isOver = true
  state.out.push({ type: 'finish', finishes: [{ candidate: CANDIDATE, reason, raw: why ?? status }], usage: state.usage })
}

/** Takes from the final response what no event has brought: all of it from servers that stream nothing but that. */
function endItems(state: State, output: readonly Json[]): void {
  const seen = [...state.slots.values()]
  for (const [index, item] of output.entries()) {
    const isKnown = (slot: Slot) => slot.ids.has(item['id']) || slot.ids.has(item['call_id'])
    const slot = seen.find(isKnown) ?? (seen.length === output.length ? state.slots.get(index) : undefined)
    if (slot !== undefined) endSlot(slot, item)
    else if (seen.length < output.length && typeof item['type'] === 'string') {
      const free = Math.max(-1, ...state.slots.keys()) + 1
      endSlot(openSlot(state, free, item['type']), item)
    }
  }
  for (const slot of state.slots.values()) endSlot(slot, {})
}

/** Codes without a number that say which status the answer would have had. */
const statusOfCode: ReadonlyMap<unknown, number> = new Map([
  ['rate_limit_exceeded', 429],
  ['insufficient_quota', 429],
  ['usage_not_included', 429],
  ['context_length_exceeded', 400],
  ['invalid_prompt', 400],
  ['server_is_overloaded', 503],
])

/** Reads the error of a stream or of a response that failed. */
export function decodeFailure(given: unknown): RouteplaneError {
  const status = isRecord(given) ? statusOfCode.get(given['code']) : undefined
  return decodeErrorObject(isRecord(given) && status !== undefined ? { ...given, status } : given)
}

/** Reads a byte stream of events into parts, as {@link readAnswer} does. */
export function decodeStream(bytes: AsyncIterable<Uint8Array>): PartStream {
  return readAnswer(bytes, createEventDecoder(), readItem)
}

function readItem(decoder: EventDecoder, item: SseItem): readonly CompletionPart[] {
  if ('comment' in item) return []
  const data = item.data.trim()
  if (data === '' || data === '[DONE]') return []
  const event = tryParseJson(data)
  if (isRecord(event))
    return decoder.push(typeof event['type'] === 'string' || item.event === undefined ? event : { ...event, type: item.event })
  // Cut in the middle: the missing end is what will be told.
  return item.truncated === true ? [] : decoder.fail(badEvent())
}
