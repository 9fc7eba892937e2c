/** Decodes what one candidate says, delta by delta, into parts. */
import type { Extra, FinishReason } from '../../completion/part.ts'
import { isRecord } from '../../lib/json.ts'
import { decodeFinish, readReason } from './finish.ts'
import { detailCarriers, detailedThought, detailsOf, plainThought } from './reasoning.ts'
import { createToolCalls, type Emitter, type ToolCalls } from './tool-calls.ts'

type Json = Readonly<Record<string, unknown>>

/** An answer's candidate while it comes. */
export type CandidateDecoder = {
  readonly index: number
  readonly emitter: Emitter
  readonly calls: ToolCalls
  openText: number | undefined
  openThought: number | undefined
  /** A plain thought has come: details, whenever they come, only repeat it. */
  hasPlainThought: boolean
  /** Pieces of `reasoning_details` seen since the thought began. */
  details: Json[]
  hasRefusal: boolean
  /** Base64 pieces of a spoken answer, each decodable by itself. */
  readonly audio: { readonly pieces: Buffer[]; transcript: string }
  reason: string | undefined
  nativeReason: string | undefined
}

export function createCandidate(index: number, responseId: () => string, emitter: Emitter): CandidateDecoder {
  return {
    index,
    emitter,
    calls: createToolCalls(index, responseId, emitter),
    openText: undefined,
    openThought: undefined,
    hasPlainThought: false,
    details: [],
    hasRefusal: false,
    audio: { pieces: [], transcript: '' },
    reason: undefined,
    nativeReason: undefined,
  }
}

/** Takes one choice of a chunk; `delta` is its delta, or the message of a whole answer. Empty members are no-ops. */
export function addDelta(candidate: CandidateDecoder, choice: Json, delta: Json): void {
  addThought(candidate, delta)
  addContent(candidate, delta['content'])
  if (typeof delta['refusal'] === 'string' && delta['refusal'] !== '') {
    candidate.hasRefusal = true
    candidate.emitter.emit({ type: 'refusal-delta', candidate: candidate.index, text: delta['refusal'] })
  }
  addCalls(candidate, delta)
  addAudio(candidate, delta['audio'])
  addExtras(candidate, choice, delta)
  candidate.reason = readReason(choice['finish_reason']) ?? candidate.reason
  candidate.nativeReason = readReason(choice['native_finish_reason']) ?? candidate.nativeReason
}

/** Ends all that is open and says why the candidate ended. */
export function endCandidate(candidate: CandidateDecoder): FinishReason {
  closeText(candidate)
  closeThought(candidate)
  candidate.calls.end()
  const { pieces, transcript } = candidate.audio
  if (pieces.length > 0) {
    const base64 = Buffer.concat(pieces).toString('base64')
    addExtra(candidate, { kind: 'audio', mimeType: 'audio/*', base64, ...(transcript === '' ? {} : { transcript }) })
  }
  return decodeFinish(candidate.reason, candidate.nativeReason, {
    hasCalls: candidate.calls.count() > 0,
    hasBrokenCall: candidate.calls.hasBroken(),
    hasRefusal: candidate.hasRefusal,
  })
}

function addThought(candidate: CandidateDecoder, delta: Json): void {
  const details = detailsOf(delta)
  const plain = plainThought(delta)
  candidate.hasPlainThought ||= plain !== ''
  const text = candidate.hasPlainThought ? plain : detailedThought(details)
  if (text === '' && details.length === 0) return
  const block = openThought(candidate)
  candidate.details.push(...details)
  if (text !== '') candidate.emitter.emit({ type: 'reasoning-delta', block, text })
}

function openThought(candidate: CandidateDecoder): number {
  if (candidate.openThought !== undefined) return candidate.openThought
  closeText(candidate)
  const block = candidate.emitter.nextBlock()
  candidate.openThought = block
  candidate.emitter.emit({ type: 'reasoning-start', block, candidate: candidate.index, form: 'full' })
  return block
}

function closeThought(candidate: CandidateDecoder): void {
  const { openThought: block } = candidate
  if (block === undefined) return
  candidate.emitter.emit({ type: 'reasoning-end', block, carriers: detailCarriers(candidate.details) })
  candidate.openThought = undefined
  candidate.details = []
}

/** Content is text, or with some vendors a list of typed pieces with thoughts among them. */
function addContent(candidate: CandidateDecoder, content: unknown): void {
  if (typeof content === 'string') return addText(candidate, content)
  if (!Array.isArray(content)) return
  for (const piece of content.filter(isRecord)) {
    const { type, text, thinking } = piece
    if (type === 'thinking') {
      const thoughts = Array.isArray(thinking) ? thinking.filter(isRecord).map((thought) => thought['text']) : [thinking]
      addThought(candidate, { reasoning: thoughts.filter((thought) => typeof thought === 'string').join('') })
    } else if (typeof text === 'string') addText(candidate, text)
    else if (type === 'image_url') addImage(candidate, piece)
    else addExtra(candidate, { kind: 'foreign', wire: 'chat_completions', raw: piece })
  }
}

function addText(candidate: CandidateDecoder, text: string): void {
  if (text === '') return
  closeThought(candidate)
  if (candidate.openText === undefined) {
    candidate.openText = candidate.emitter.nextBlock()
    candidate.emitter.emit({ type: 'text-start', block: candidate.openText, candidate: candidate.index })
  }
  candidate.emitter.emit({ type: 'text-delta', block: candidate.openText, text })
}

function closeText(candidate: CandidateDecoder): void {
  if (candidate.openText === undefined) return
  candidate.emitter.emit({ type: 'text-end', block: candidate.openText })
  candidate.openText = undefined
}

function addCalls(candidate: CandidateDecoder, delta: Json): void {
  const { tool_calls: calls, function_call: call } = delta
  const pieces = Array.isArray(calls) ? calls.filter(isRecord) : []
  const all = isRecord(call) ? [...pieces, { index: 0, function: call }] : pieces
  if (all.length === 0) return
  closeThought(candidate)
  closeText(candidate)
  for (const piece of all) candidate.calls.add(piece)
}

function addAudio(candidate: CandidateDecoder, audio: unknown): void {
  if (!isRecord(audio)) return
  if (typeof audio['data'] === 'string') candidate.audio.pieces.push(Buffer.from(audio['data'], 'base64'))
  if (typeof audio['transcript'] === 'string') candidate.audio.transcript += audio['transcript']
}

function addExtras(candidate: CandidateDecoder, choice: Json, delta: Json): void {
  for (const annotation of recordsOf(delta['annotations'])) addExtra(candidate, toCitation(annotation))
  for (const image of recordsOf(delta['images'])) addImage(candidate, image)
  const { logprobs } = choice
  const hasProbabilities = isRecord(logprobs) && Object.values(logprobs).some((list) => Array.isArray(list) && list.length > 0)
  if (hasProbabilities) addExtra(candidate, { kind: 'logprobs', raw: logprobs })
}

function recordsOf(value: unknown): readonly Json[] {
  return Array.isArray(value) ? value.filter(isRecord) : []
}

/** @see https://platform.openai.com/docs/api-reference/chat/object#chat/object-choices (annotations). */
function toCitation(annotation: Json): Extra {
  const cited = annotation['url_citation']
  if (!isRecord(cited) || typeof cited['url'] !== 'string') return { kind: 'foreign', wire: 'chat_completions', raw: annotation }
  const { title, start_index: start, end_index: end } = cited
  return {
    kind: 'citation',
    url: cited['url'],
    ...(typeof title === 'string' ? { title } : {}),
    ...(typeof start === 'number' ? { start } : {}),
    ...(typeof end === 'number' ? { end } : {}),
    raw: annotation,
  }
}

function addImage(candidate: CandidateDecoder, image: Json): void {
  const given = isRecord(image['image_url']) ? image['image_url']['url'] : undefined
  const match = typeof given === 'string' ? /^data:([^;,]+);base64,/.exec(given.slice(0, 200)) : null
  if (match === null || typeof given !== 'string') addExtra(candidate, { kind: 'foreign', wire: 'chat_completions', raw: image })
  else addExtra(candidate, { kind: 'image', mimeType: match[1] ?? '', base64: given.slice(match[0].length) })
}

/** Adds what is no text: each stands in a block of its own. */
export function addExtra(candidate: CandidateDecoder, extra: Extra): void {
  candidate.emitter.emit({ type: 'extra', block: candidate.emitter.nextBlock(), candidate: candidate.index, extra })
}
