/** Decodes what one candidate says, chunk by chunk, into parts. */
import { RouteplaneError } from '../../errors.ts'
import type { CompletionPart, Extra, FinishReason, SignatureCarrier } from '../../completion/part.ts'
import { isRecord, tryParseJson } from '../../lib/json.ts'
import { deriveToolId } from '../tool-ids.ts'
import { decodeCitations } from './citations.ts'
import { decodeFinish, readReason } from './finish.ts'
import { decodeLogprobs } from './logprobs.ts'
import { addPartialArgument, type PartialCall } from './partial-call.ts'
import { ownCarrier } from './signature.ts'

type Json = Readonly<Record<string, unknown>>

const WIRE = 'generate_content'

/** Where parts go, and where block numbers come from. */
export type Emitter = { readonly emit: (part: CompletionPart) => void; readonly nextBlock: () => number }

/** An answer's candidate while it comes. */
export type CandidateDecoder = {
  readonly index: number
  readonly responseId: () => string
  readonly emitter: Emitter
  /** In a whole answer each part is a block; in a stream a text goes on in the next chunk. */
  readonly isWhole: boolean
  open: { readonly kind: 'text' | 'reasoning'; readonly block: number } | undefined
  partial: PartialCall | undefined
  calls: number
  hasBrokenCall: boolean
  /** What was said, for the places of citations. */
  readonly said: string[]
  grounding: unknown
  recitation: unknown
  reason: string | undefined
}

export function createCandidate(options: Pick<CandidateDecoder, 'index' | 'responseId' | 'emitter' | 'isWhole'>): CandidateDecoder {
  return {
    ...options,
    open: undefined,
    partial: undefined,
    calls: 0,
    hasBrokenCall: false,
    said: [],
    grounding: undefined,
    recitation: undefined,
    reason: undefined,
  }
}

/** More calls than any answer has: a memory guard. */
const MAX_CALLS = 1_024

/** Takes one candidate of a chunk. @throws {@link RouteplaneError} `upstream_bad_stream` for pieces that fit nowhere. */
export function addCandidate(candidate: CandidateDecoder, json: Json): void {
  const content = isRecord(json['content']) ? json['content'] : {}
  const parts = Array.isArray(content['parts']) ? content['parts'].filter(isRecord) : []
  for (const part of parts) addPart(candidate, part)
  candidate.grounding = json['groundingMetadata'] ?? candidate.grounding
  candidate.recitation = json['citationMetadata'] ?? candidate.recitation
  const logprobs = decodeLogprobs(json['logprobsResult'])
  if (logprobs !== undefined) addExtra(candidate, { kind: 'logprobs', raw: logprobs })
  candidate.reason = readReason(json['finishReason']) ?? candidate.reason
}

/** Ends all that is open and says why the candidate ended. */
export function endCandidate(candidate: CandidateDecoder): FinishReason {
  close(candidate)
  if (candidate.partial !== undefined) {
    candidate.hasBrokenCall = true
    endPartial(candidate, candidate.partial)
  }
  for (const citation of decodeCitations(candidate.grounding, candidate.recitation, candidate.said.join(''))) addExtra(candidate, citation)
  return decodeFinish(candidate.reason, { hasCalls: candidate.calls > 0, hasBrokenCall: candidate.hasBrokenCall })
}

function addPart(candidate: CandidateDecoder, part: Json): void {
  const { text, functionCall: call, inlineData } = part
  const signature = typeof part['thoughtSignature'] === 'string' && part['thoughtSignature'] !== '' ? part['thoughtSignature'] : undefined
  if (isRecord(call)) addCall(candidate, call, signature)
  else if (isRecord(inlineData)) addBlob(candidate, inlineData, part)
  else if (typeof text === 'string') addText(candidate, text, part['thought'] === true ? 'reasoning' : 'text', signature)
  else if (signature !== undefined) addText(candidate, '', 'text', signature)
  else if (Object.keys(part).length > 0) addForeign(candidate, part)
}

/** A signature ends its block: what follows is not what was signed. */
function addText(candidate: CandidateDecoder, text: string, kind: 'text' | 'reasoning', signature: string | undefined): void {
  if (text === '' && signature === undefined) return
  const block = openBlock(candidate, kind)
  if (text !== '') candidate.emitter.emit({ type: `${kind}-delta`, block, text })
  if (kind === 'text') candidate.said.push(text)
  if (signature !== undefined) close(candidate, [ownCarrier(signature)])
  else if (candidate.isWhole) close(candidate)
}

function openBlock(candidate: CandidateDecoder, kind: 'text' | 'reasoning'): number {
  if (candidate.open?.kind === kind) return candidate.open.block
  close(candidate)
  const { emitter, index } = candidate
  const block = emitter.nextBlock()
  candidate.open = { kind, block }
  // What the API calls thoughts are summaries of them.
  if (kind === 'reasoning') emitter.emit({ type: 'reasoning-start', block, candidate: index, form: 'summary' })
  else emitter.emit({ type: 'text-start', block, candidate: index })
  return block
}

function close(candidate: CandidateDecoder, carriers: readonly SignatureCarrier[] = []): void {
  const { open, emitter } = candidate
  if (open === undefined) return
  candidate.open = undefined
  if (open.kind === 'reasoning') emitter.emit({ type: 'reasoning-end', block: open.block, carriers })
  else emitter.emit({ type: 'text-end', block: open.block, ...(carriers.length === 0 ? {} : { carriers }) })
}

/**
 * Calls come whole; one platform streams their arguments, in pieces that say whether more will come.
 *
 * @see https://ai.google.dev/api/caching#FunctionCall
 */
function addCall(candidate: CandidateDecoder, call: Json, signature: string | undefined): void {
  close(candidate)
  const { name, partialArgs } = call
  const isNamed = typeof name === 'string' && name !== ''
  if (candidate.partial === undefined && !isNamed) {
    // The end mark of a call that has ended already.
    if (Object.keys(call).length === 0) return
    throw new RouteplaneError('upstream_bad_stream', 'the upstream called a tool without naming it')
  }
  if (candidate.partial !== undefined && isNamed) endPartial(candidate, candidate.partial)
  const partial = (candidate.partial ??= beginCall(candidate, String(name), call['id']))
  partial.signature ??= signature
  addArguments(candidate, partial, call['args'])
  for (const piece of Array.isArray(partialArgs) ? partialArgs.filter(isRecord) : []) {
    if (!addPartialArgument(partial, piece)) candidate.hasBrokenCall = true
  }
  if (call['willContinue'] !== true) endPartial(candidate, partial)
}

/** Arguments are an object by the reference; a server that sends its text means what is written there. */
function addArguments(candidate: CandidateDecoder, call: PartialCall, given: unknown): void {
  if (given === undefined || given === null || given === '') return
  const value = typeof given === 'string' ? tryParseJson(given) : given
  if (isRecord(value)) {
    // Taken as it is: copying would set the prototype of an object that has such a member.
    call.args = value
    return
  }
  call.written = typeof given === 'string' ? given : JSON.stringify(given)
  candidate.hasBrokenCall = true
}

function beginCall(candidate: CandidateDecoder, name: string, given: unknown): PartialCall {
  if (candidate.calls >= MAX_CALLS) throw new RouteplaneError('upstream_bad_stream', `the upstream called more than ${MAX_CALLS} tools`)
  const ordinal = candidate.calls++
  const id = typeof given === 'string' && given !== '' ? given : deriveToolId(candidate.responseId(), candidate.index, ordinal)
  return { id, name, args: {}, open: new Set(), written: undefined, signature: undefined }
}

function endPartial(candidate: CandidateDecoder, call: PartialCall): void {
  const { emitter, index } = candidate
  const block = emitter.nextBlock()
  const carriers = call.signature === undefined ? {} : { carriers: [ownCarrier(call.signature)] }
  candidate.partial = undefined
  emitter.emit({ type: 'tool-input-start', block, candidate: index, id: call.id, name: call.name, freeform: false })
  emitter.emit({ type: 'tool-input-delta', block, text: call.written ?? JSON.stringify(call.args) })
  emitter.emit({ type: 'tool-input-end', block, ...carriers })
}

function addBlob(candidate: CandidateDecoder, { mimeType, data }: Json, part: Json): void {
  const kind = typeof mimeType === 'string' ? /^(image|audio)\//.exec(mimeType)?.[1] : undefined
  if (typeof mimeType !== 'string' || typeof data !== 'string' || kind === undefined) return addForeign(candidate, part)
  addExtra(candidate, { kind: kind === 'image' ? 'image' : 'audio', mimeType, base64: data })
}

function addForeign(candidate: CandidateDecoder, part: Json): void {
  addExtra(candidate, { kind: 'foreign', wire: WIRE, raw: part })
}

/** Adds what is no text: each stands in a block of its own. */
function addExtra(candidate: CandidateDecoder, extra: Extra): void {
  close(candidate)
  candidate.emitter.emit({ type: 'extra', block: candidate.emitter.nextBlock(), candidate: candidate.index, extra })
}
