/** Decodes the blocks of an answer, one event after another, into parts. */
import { RouteplaneError } from '../../errors.ts'
import type { CompletionPart, Extra } from '../../completion/part.ts'
import { isRecord, tryParseJson } from '../../lib/json.ts'
import type { Shape } from './finish.ts'
import { decodeRedacted, decodeThinking } from './thinking.ts'

type Json = Readonly<Record<string, unknown>>

export type BlockDecoder = {
  start(index: number, block: Json): void
  delta(index: number, delta: Json): void
  stop(index: number): void
  /** Ends what is still open. */
  end(): void
  /** Whether a call's input does not parse is known once it has ended. */
  shape(): Shape
}

/** A block while it grows. `block` is its number among the parts. */
type Open = { readonly block: number } & (
  | { readonly kind: 'text' }
  | { readonly kind: 'thinking'; signature: string; hasText: boolean }
  | { readonly kind: 'tool'; text: string; readonly given: unknown }
  | { readonly kind: 'other'; raw: Record<string, unknown>; json: string }
)

type State = {
  readonly open: Map<number, Open>
  blocks: number
  hasCalls: boolean
  hasBrokenCall: boolean
  readonly emit: (part: CompletionPart) => void
}

/** Far beyond real answers: a number above is an attack on whoever keeps an array. */
const MAX_INDEX = 9_999

/** Creates the decoder of one answer's blocks; it throws `upstream_bad_stream` for what is no answer's block. */
export function createBlockDecoder(emit: (part: CompletionPart) => void): BlockDecoder {
  const state: State = { open: new Map(), blocks: 0, hasCalls: false, hasBrokenCall: false, emit }
  return {
    start: (index, block) => {
      checkIndex(index)
      // A server that numbers two blocks alike has ended the first.
      close(state, index)
      open(state, index, block)
    },
    delta: (index, delta) => addDelta(state, index, delta),
    stop: (index) => close(state, index),
    end: () => [...state.open.keys()].forEach((index) => close(state, index)),
    shape: () => state,
  }
}

function checkIndex(index: number): void {
  if (!Number.isInteger(index) || index < 0 || index > MAX_INDEX) throw badBlock(`numbered a block beyond ${MAX_INDEX}`)
}

function badBlock(what: string): RouteplaneError {
  return new RouteplaneError('upstream_bad_stream', `the upstream ${what}`)
}

/** What a block of a whole answer holds stands in its start already. */
function open(state: State, index: number, given: Json): void {
  const { emit } = state
  const { type } = given
  switch (type) {
    case 'text': {
      openText(state, index)
      if (Array.isArray(given['citations'])) for (const citation of given['citations']) addCitation(state, index, citation)
      addDelta(state, index, { type: 'text_delta', text: given['text'] })
      break
    }
    case 'thinking':
      openThinking(state, index)
      addDelta(state, index, { type: 'thinking_delta', thinking: given['thinking'] })
      addDelta(state, index, { type: 'signature_delta', signature: given['signature'] })
      break
    case 'redacted_thinking':
      addRedacted(state, given['data'])
      break
    case 'tool_use': {
      const { id, name } = given
      if (typeof name !== 'string' || name === '') throw badBlock('called a tool without naming it')
      const block = state.blocks++
      state.hasCalls = true
      state.open.set(index, { kind: 'tool', block, text: '', given: given['input'] })
      emit({ type: 'tool-input-start', block, candidate: 0, id: typeof id === 'string' ? id : `toolu_${block}`, name, freeform: false })
      break
    }
    default:
      state.open.set(index, { kind: 'other', block: state.blocks++, raw: { ...given }, json: '' })
  }
}

function openText(state: State, index: number): void {
  const block = state.blocks++
  state.open.set(index, { kind: 'text', block })
  state.emit({ type: 'text-start', block, candidate: 0 })
}

function openThinking(state: State, index: number): void {
  const block = state.blocks++
  state.open.set(index, { kind: 'thinking', block, signature: '', hasText: false })
  state.emit({ type: 'reasoning-start', block, candidate: 0, form: 'full' })
}

function addRedacted(state: State, data: unknown): void {
  for (const { carriers } of typeof data === 'string' ? decodeRedacted(data) : []) {
    const block = state.blocks++
    state.emit({ type: 'reasoning-start', block, candidate: 0, form: 'omitted' })
    state.emit({ type: 'reasoning-end', block, carriers })
  }
}

/** A piece of a block that never began begins it, where its kind says which. */
function addDelta(state: State, index: number, delta: Json): void {
  if (!state.open.has(index)) openFor(state, index, delta)
  const block = state.open.get(index)
  if (block === undefined) return
  const { type } = delta
  switch (block.kind) {
    case 'text':
      if (type === 'text_delta') say(state, { type: 'text-delta', block: block.block, text: textOf(delta['text']) })
      else if (type === 'citations_delta') addCitation(state, index, delta['citation'])
      break
    case 'thinking':
      if (type === 'thinking_delta') {
        block.hasText ||= textOf(delta['thinking']) !== ''
        say(state, { type: 'reasoning-delta', block: block.block, text: textOf(delta['thinking']) })
        // SDKs set the signature rather than add to it, so that a server that says it twice means it once.
      } else if (type === 'signature_delta' && textOf(delta['signature']) !== '') block.signature = textOf(delta['signature'])
      break
    case 'tool':
      if (type !== 'input_json_delta') break
      block.text += textOf(delta['partial_json'])
      say(state, { type: 'tool-input-delta', block: block.block, text: textOf(delta['partial_json']) })
      break
    case 'other':
      if (type === 'input_json_delta') block.json += textOf(delta['partial_json'])
      else addOther(block.raw, delta)
  }
}

function openFor(state: State, index: number, delta: Json): void {
  checkIndex(index)
  if (delta['type'] === 'text_delta') openText(state, index)
  else if (delta['type'] === 'thinking_delta') openThinking(state, index)
  else if (delta['type'] === 'input_json_delta') throw badBlock('gave the input of a call that never began')
}

/** A delta of a block that we do not model sets the members it names. */
function addOther(raw: Record<string, unknown>, delta: Json): void {
  for (const [name, value] of Object.entries(delta)) if (name !== 'type' && value !== null) raw[name] = value
}

function say(state: State, part: Extract<CompletionPart, { text: string }>): void {
  if (part.text !== '') state.emit(part)
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

/** Citations of pages have an address; those of the caller's own documents only mean something on this wire. */
function addCitation(state: State, index: number, raw: unknown): void {
  const block = state.open.get(index)
  if (block === undefined || !isRecord(raw)) return
  state.emit({ type: 'extra', block: block.block, candidate: 0, extra: toCitation(raw) })
}

/** @see https://docs.anthropic.com/en/docs/build-with-claude/citations */
function toCitation(raw: Json): Extra {
  const { url, source, title } = raw
  const address = typeof url === 'string' ? url : source
  if (typeof address !== 'string' || !/^https?:\/\//.test(address)) return { kind: 'foreign', wire: 'messages', raw }
  return { kind: 'citation', url: address, ...(typeof title === 'string' ? { title } : {}), raw }
}

function close(state: State, index: number): void {
  const block = state.open.get(index)
  if (block === undefined) return
  state.open.delete(index)
  switch (block.kind) {
    case 'text':
      return state.emit({ type: 'text-end', block: block.block })
    case 'thinking': {
      const { carriers } = decodeThinking(block.hasText ? 'said' : '', block.signature)
      return state.emit({ type: 'reasoning-end', block: block.block, carriers })
    }
    case 'tool':
      return closeTool(state, block)
    case 'other':
      if (block.json !== '') block.raw['input'] = tryParseJson(block.json) ?? block.json
      state.emit({ type: 'extra', block: block.block, candidate: 0, extra: { kind: 'foreign', wire: 'messages', raw: block.raw } })
  }
}

/** Input comes in pieces, or whole with the start of the block; a tool without parameters has none at all. */
function closeTool(state: State, { block, text, given }: Extract<Open, { kind: 'tool' }>): void {
  if (text.trim() === '') {
    const whole = typeof given === 'string' ? given : JSON.stringify(isRecord(given) ? given : {})
    state.emit({ type: 'tool-input-delta', block, text: whole })
    if (tryParseJson(whole) === undefined) state.hasBrokenCall = true
  } else if (tryParseJson(text) === undefined) state.hasBrokenCall = true
  state.emit({ type: 'tool-input-end', block })
}
