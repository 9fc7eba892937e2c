/** Encodes parts as the chunks of a Chat Completions stream. */
import { RouteplaneError } from '../../errors.ts'
import type { CompletionPart, Extra, PartStream } from '../../completion/part.ts'
import { isRecord } from '../../lib/json.ts'
import { encodeJsonEvent, encodeSseEvent } from '../../lib/sse.ts'
import { writeAnswer, type Emit } from '../answer-writer.ts'
import type { EncodeContext } from '../protocol.ts'
import { encodeDetails, encodeSignature } from './carriers.ts'
import { encodeError } from './error.ts'
import { encodeFinish } from './finish.ts'
import { brokenFinish, encodeCitation, encodeImage } from './result.ts'
import { encodeUsage } from './usage.ts'

type Json = Readonly<Record<string, unknown>>

/** What must be remembered of the answer so far. */
type Encoder = {
  readonly emit: Emit
  readonly wantsUsage: boolean
  id: string
  model: string
  created: number
  readonly candidates: Map<number, { calls: number; hasRefusal: boolean }>
  /** Candidates whose role has been sent. */
  readonly introduced: Set<number>
  /** Which candidate a block belongs to, and for a tool call its number there. */
  readonly blocks: Map<number, { readonly candidate: number; readonly call?: number; readonly freeform?: boolean }>
}

/**
 * Writes one event a chunk:
 *
 *     role (each candidate's first) → content, refusal, reasoning_content, tool_calls (numbered from 0) → finish_reason (each)
 *       → usage (if asked for) → [DONE]
 *
 * An error, thrown or as a part, is an event with `error`, after which nothing follows, no `[DONE]` either: SDKs throw on it.
 *
 * @see https://platform.openai.com/docs/api-reference/chat/streaming
 */
export function encodeStream(stream: PartStream, context: EncodeContext): AsyncIterable<string> {
  return writeAnswer(stream, (emit) => {
    const encoder = createEncoder(context, emit)
    return { write: (part) => encodePart(encoder, part), fail: (error) => emit(encodeError(error, context.requestId).event) }
  })
}

function createEncoder(context: EncodeContext, emit: Emit): Encoder {
  const options = context.request.account['stream_options']
  return {
    emit,
    wantsUsage: isRecord(options) && options['include_usage'] === true,
    id: `chatcmpl-${context.requestId}`,
    model: context.model,
    created: context.nowSeconds,
    candidates: new Map(),
    introduced: new Set(),
    blocks: new Map(),
  }
}

function encodePart(encoder: Encoder, part: CompletionPart): void {
  switch (part.type) {
    case 'start':
      introduce(encoder, part)
      break
    case 'text-start':
    case 'reasoning-start':
      encoder.blocks.set(part.block, { candidate: part.candidate })
      break
    case 'text-delta':
      delta(encoder, candidateOf(encoder, part.block), { content: part.text })
      break
    case 'reasoning-delta':
    case 'reasoning-end':
      encodeThought(encoder, part)
      break
    case 'refusal-delta':
      stateOf(encoder, part.candidate).hasRefusal = true
      delta(encoder, part.candidate, { refusal: part.text })
      break
    case 'extra':
      encodeExtra(encoder, part.candidate, part.extra)
      break
    case 'finish':
      encodeFinishes(encoder, part)
      break
    case 'error':
      throw part.error
    case 'text-end':
    case 'usage':
      break
    default:
      encodeTool(encoder, part)
  }
}

function introduce(encoder: Encoder, part: Extract<CompletionPart, { type: 'start' }>): void {
  if (part.id !== '') encoder.id = part.id
  if (part.model !== '') encoder.model = part.model
  encoder.created = part.createdSeconds ?? encoder.created
}

type ThoughtPart = Extract<CompletionPart, { type: 'reasoning-delta' | 'reasoning-end' }>

function encodeThought(encoder: Encoder, part: ThoughtPart): void {
  const candidate = candidateOf(encoder, part.block)
  if (part.type === 'reasoning-delta') {
    delta(encoder, candidate, { reasoning_content: part.text })
    return
  }
  const details = encodeDetails(part.carriers)
  if (details.length > 0) delta(encoder, candidate, { reasoning_details: details })
}

type ToolPart = Extract<CompletionPart, { type: `tool-input-${string}` }>

function encodeTool(encoder: Encoder, part: ToolPart): void {
  if (part.type === 'tool-input-start') {
    const { block, candidate, id, name, freeform } = part
    const call = stateOf(encoder, candidate).calls++
    encoder.blocks.set(block, { candidate, call, freeform })
    const what = freeform ? { type: 'custom', custom: { name, input: '' } } : { type: 'function', function: { name, arguments: '' } }
    delta(encoder, candidate, { tool_calls: [{ index: call, id, ...what }] })
    return
  }
  const known = encoder.blocks.get(part.block)
  if (known?.call === undefined) throw new RouteplaneError('internal', `a tool part belongs to block ${part.block}, which is no tool call`)
  if (part.type === 'tool-input-delta') {
    const what = known.freeform === true ? { custom: { input: part.text } } : { function: { arguments: part.text } }
    delta(encoder, known.candidate, { tool_calls: [{ index: known.call, ...what }] })
    return
  }
  const signature = encodeSignature(part.carriers ?? [])
  if (Object.keys(signature).length > 0)
    delta(encoder, known.candidate, { tool_calls: [{ index: known.call, function: {}, ...signature }] })
}

function encodeExtra(encoder: Encoder, candidate: number, extra: Extra): void {
  if (extra.kind === 'citation') delta(encoder, candidate, { annotations: encodeCitation(extra) })
  else if (extra.kind === 'image') delta(encoder, candidate, { images: encodeImage(extra) })
  else if (extra.kind === 'audio')
    delta(encoder, candidate, { audio: { id: 'audio_0', data: extra.base64, transcript: extra.transcript ?? '' } })
  else if (extra.kind === 'logprobs') delta(encoder, candidate, {}, { logprobs: extra.raw })
}

function encodeFinishes(encoder: Encoder, part: Extract<CompletionPart, { type: 'finish' }>): void {
  for (const { candidate, reason } of part.finishes) {
    const word = encodeFinish(reason, stateOf(encoder, candidate).hasRefusal)
    if (word === undefined) throw brokenFinish()
    delta(encoder, candidate, {}, { finish_reason: word })
  }
  const usage = encodeUsage(part.usage)
  if (encoder.wantsUsage && usage !== undefined) chunk(encoder, [], { usage })
  encoder.emit(encodeSseEvent({ data: '[DONE]' }))
}

function candidateOf(encoder: Encoder, block: number): number {
  const known = encoder.blocks.get(block)
  if (known === undefined) throw new RouteplaneError('internal', `a part belongs to block ${block}, which never began`)
  return known.candidate
}

function stateOf(encoder: Encoder, candidate: number): { calls: number; hasRefusal: boolean } {
  const known = encoder.candidates.get(candidate)
  if (known !== undefined) return known
  const state = { calls: 0, hasRefusal: false }
  encoder.candidates.set(candidate, state)
  return state
}

/** Writes a chunk for one candidate, and before its first one the role, without which SDKs have nobody speaking. */
function delta(encoder: Encoder, candidate: number, what: Json, choice: Json = {}): void {
  if (!encoder.introduced.has(candidate)) {
    encoder.introduced.add(candidate)
    chunk(encoder, [{ index: candidate, delta: { role: 'assistant', content: '' }, finish_reason: null }])
  }
  chunk(encoder, [{ index: candidate, delta: what, finish_reason: null, ...choice }])
}

function chunk(encoder: Encoder, choices: readonly Json[], rest: Json = encoder.wantsUsage ? { usage: null } : {}): void {
  const { id, model, created } = encoder
  encoder.emit(encodeJsonEvent({ id, object: 'chat.completion.chunk', created, model, choices, ...rest }))
}
