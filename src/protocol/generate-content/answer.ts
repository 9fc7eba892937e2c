/** Turns the parts of an answer into parts of this wire, one candidate beside the other. */
import { RouteplaneError } from '../../errors.ts'
import type { CompletionPart, Extra, Finish, SignatureCarrier } from '../../completion/part.ts'
import { readToolArguments } from '../../completion/tool-arguments.ts'
import { defined } from '../../lib/defined.ts'
import { isRecord } from '../../lib/json.ts'
import { FREEFORM_MEMBER } from '../restore.ts'
import { encodeCitations } from './citations.ts'
import { encodeFinish } from './finish.ts'
import { encodeLogprobs } from './logprobs.ts'
import { encodeSignature } from './signature.ts'

type Json = Readonly<Record<string, unknown>>

const WIRE = 'generate_content'

/** A part of this wire for one candidate. */
export type Placed = { readonly candidate: number; readonly part: Json }

type Citation = Extract<Extra, { kind: 'citation' }>

type Candidate = {
  /** Signatures that wait for the slot their caller sends back: a call, or the answer's end. */
  waiting: SignatureCarrier[]
  /** What was said, for the places of citations. */
  readonly said: string[]
  readonly citations: Citation[]
  readonly logprobs: unknown[]
  hasBrokenCall: boolean
}

type Block =
  | { readonly kind: 'text'; readonly candidate: number }
  | {
      readonly kind: 'tool'
      readonly candidate: number
      readonly id: string
      readonly name: string
      readonly freeform: boolean
      text: string
    }

export type AnswerEncoder = {
  /** @throws {@link RouteplaneError} `internal` for a part of a block that never began. */
  push(part: CompletionPart): readonly Placed[]
  /**
   * Ends one candidate: its finish reason, its metadata, and a signature for its last part when one still waits.
   *
   * @throws {@link RouteplaneError} `upstream_error` for a reason that this wire can only show as an error.
   */
  end(finish: Finish): { readonly members: Json; readonly signature: string | undefined }
}

export function createAnswerEncoder(): AnswerEncoder {
  const candidates = new Map<number, Candidate>()
  const blocks = new Map<number, Block>()
  const stateOf = (index: number): Candidate => {
    const known = candidates.get(index)
    if (known !== undefined) return known
    const state: Candidate = { waiting: [], said: [], citations: [], logprobs: [], hasBrokenCall: false }
    candidates.set(index, state)
    return state
  }
  return {
    push: (part) => pushPart(part, { blocks, stateOf }),
    end: (finish) => endCandidate(finish, stateOf(finish.candidate)),
  }
}

type Step = { readonly blocks: Map<number, Block>; readonly stateOf: (index: number) => Candidate }

function pushPart(part: CompletionPart, { blocks, stateOf }: Step): readonly Placed[] {
  switch (part.type) {
    case 'text-start':
    case 'reasoning-start':
      blocks.set(part.block, { kind: 'text', candidate: part.candidate })
      return []
    case 'text-delta': {
      const { candidate } = blockOf(blocks, part.block)
      stateOf(candidate).said.push(part.text)
      return [{ candidate, part: { text: part.text } }]
    }
    case 'reasoning-delta':
      return [{ candidate: blockOf(blocks, part.block).candidate, part: { text: part.text, thought: true } }]
    case 'text-end':
    case 'reasoning-end': {
      const block = blockOf(blocks, part.block)
      return endText(block, part.type === 'reasoning-end', part.carriers ?? [], stateOf(block.candidate))
    }
    case 'tool-input-start':
    case 'tool-input-delta':
    case 'tool-input-end':
      return pushCall(part, { blocks, stateOf })
    case 'refusal-delta':
      stateOf(part.candidate).said.push(part.text)
      return [{ candidate: part.candidate, part: { text: part.text } }]
    case 'extra':
      return placeExtra(part.candidate, part.extra, stateOf(part.candidate))
    default:
      return []
  }
}

function pushCall(part: Extract<CompletionPart, { type: `tool-input-${string}` }>, { blocks, stateOf }: Step): readonly Placed[] {
  if (part.type === 'tool-input-start') {
    const { block, candidate, id, name, freeform } = part
    blocks.set(block, { kind: 'tool', candidate, id, name, freeform, text: '' })
    return []
  }
  const block = blockOf(blocks, part.block)
  if (block.kind !== 'tool') throw new RouteplaneError('internal', `a tool part belongs to block ${part.block}, which is no tool call`)
  if (part.type === 'tool-input-end') return endCall(block, part.carriers ?? [], stateOf(block.candidate))
  block.text += part.text
  return []
}

function blockOf(blocks: ReadonlyMap<number, Block>, number: number): Block {
  const block = blocks.get(number)
  if (block === undefined) throw new RouteplaneError('internal', `a part belongs to block ${number}, which never began`)
  return block
}

/** Google's own signature stays on its part; others wait, because clients throw thoughts away, signature and all. */
function endText({ candidate }: Block, isThought: boolean, carriers: readonly SignatureCarrier[], state: Candidate): readonly Placed[] {
  const own = carriers.filter(({ wire, kind }) => wire === WIRE && kind === 'thought_signature')
  state.waiting.push(...carriers.filter((carrier) => !own.includes(carrier)))
  const thoughtSignature = encodeSignature(own)
  if (thoughtSignature === undefined) return []
  return [{ candidate, part: { text: '', ...(isThought ? { thought: true } : {}), thoughtSignature } }]
}

/**
 * Calls go out whole. One whose arguments are no object cannot be said on this wire: it is left out, and the finish reason
 * says that a call was malformed.
 *
 * @see https://ai.google.dev/gemini-api/docs/thought-signatures
 */
function endCall(block: Extract<Block, { kind: 'tool' }>, carriers: readonly SignatureCarrier[], state: Candidate): readonly Placed[] {
  const { candidate, id, name, freeform, text } = block
  const given = readToolArguments(text)
  const args = freeform ? { [FREEFORM_MEMBER]: text } : given.kind === 'json' ? given.value : undefined
  if (!isRecord(args)) {
    state.hasBrokenCall = true
    return []
  }
  const all = [...state.waiting, ...carriers]
  state.waiting = []
  const thoughtSignature = encodeSignature(all)
  return [{ candidate, part: defined({ functionCall: { id, name, args }, thoughtSignature }) }]
}

function placeExtra(candidate: number, extra: Extra, state: Candidate): readonly Placed[] {
  switch (extra.kind) {
    case 'image':
    case 'audio':
      return [{ candidate, part: { inlineData: { mimeType: extra.mimeType, data: extra.base64 } } }]
    case 'citation':
      state.citations.push(extra)
      return []
    case 'logprobs':
      state.logprobs.push(extra.raw)
      return []
    case 'foreign':
      return extra.wire === WIRE && isRecord(extra.raw) ? [{ candidate, part: extra.raw }] : []
  }
}

function endCandidate(finish: Finish, state: Candidate): { readonly members: Json; readonly signature: string | undefined } {
  const isCutShort = finish.reason === 'length' || finish.reason === 'context_window'
  const finishReason = encodeFinish(state.hasBrokenCall && !isCutShort ? 'malformed_tool_call' : finish.reason)
  if (finishReason === undefined) throw new RouteplaneError('upstream_error', 'the model ended its answer with an error')
  const text = state.said.join('')
  const members = defined({
    finishReason,
    finishMessage: state.hasBrokenCall ? 'The arguments of a function call could not be read.' : undefined,
    groundingMetadata: encodeCitations(state.citations, text),
    logprobsResult: encodeLogprobs(state.logprobs),
  })
  return { members, signature: encodeSignature(state.waiting) }
}
