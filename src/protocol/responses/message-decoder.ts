/** Decodes a message item: its texts, refusals, citations and probabilities. */
import type { Extra } from '../../completion/part.ts'
import { isRecord } from '../../lib/json.ts'
import { CANDIDATE, deltaOf, placeOf, remainder, type Emitter, type ItemDecoder, type Json } from './output-item.ts'

/** One content part while it comes. */
type PartState = { block: number | undefined; text: string; refusal: string; annotations: number; isEnded: boolean }

type State = { readonly emitter: Emitter; readonly parts: Map<number, PartState>; hasRefusal: boolean }

/** Creates the decoder. Texts become blocks at their first character: an empty part is nothing. */
export function createMessageDecoder(emitter: Emitter): ItemDecoder {
  const state: State = { emitter, parts: new Map(), hasRefusal: false }
  return {
    begin: () => undefined,
    push: (event) => addEvent(state, event),
    end: (item) => {
      const content = Array.isArray(item['content']) ? (item['content'] as readonly unknown[]) : []
      const isWhole = state.parts.size === 0
      for (const [index, each] of content.entries()) {
        if (!isRecord(each)) continue
        addWhole(state, partAt(state, index), each)
        if (isWhole) addProbabilities(state, each['logprobs'])
      }
      for (const part of state.parts.values()) endPart(state, part)
    },
    shape: () => ({ isCall: false, isBrokenCall: false, hasRefusal: state.hasRefusal }),
  }
}

function addEvent(state: State, event: Json): void {
  const part = partAt(state, event['content_index'])
  switch (event['type']) {
    case 'response.output_text.delta':
      addText(state, part, deltaOf(event))
      return addProbabilities(state, event['logprobs'])
    case 'response.output_text.done':
      return addText(state, part, remainder(event['text'], part.text))
    case 'response.output_text.annotation.added':
      return addAnnotation(state, part, event['annotation'])
    case 'response.refusal.delta':
      return addRefusal(state, part, deltaOf(event))
    case 'response.refusal.done':
      return addRefusal(state, part, remainder(event['refusal'], part.refusal))
    case 'response.content_part.done':
      return isRecord(event['part']) ? addWhole(state, part, event['part']) : endPart(state, part)
    default:
      return undefined
  }
}

function partAt({ parts }: State, index: unknown): PartState {
  const place = placeOf(index)
  const known = parts.get(place)
  if (known !== undefined) return known
  const part: PartState = { block: undefined, text: '', refusal: '', annotations: 0, isEnded: false }
  parts.set(place, part)
  return part
}

function addText({ emitter }: State, part: PartState, text: string): void {
  if (text === '' || part.isEnded) return
  if (part.block === undefined) {
    part.block = emitter.nextBlock()
    emitter.emit({ type: 'text-start', block: part.block, candidate: CANDIDATE })
  }
  part.text += text
  emitter.emit({ type: 'text-delta', block: part.block, text })
}

function addRefusal(state: State, part: PartState, text: string): void {
  if (text === '' || part.isEnded) return
  state.hasRefusal = true
  part.refusal += text
  state.emitter.emit({ type: 'refusal-delta', candidate: CANDIDATE, text })
}

function addExtra({ emitter }: State, extra: Extra): void {
  emitter.emit({ type: 'extra', block: emitter.nextBlock(), candidate: CANDIDATE, extra })
}

function addAnnotation(state: State, part: PartState, annotation: unknown): void {
  if (!isRecord(annotation)) return
  part.annotations++
  addExtra(state, toCitation(annotation))
}

function addProbabilities(state: State, value: unknown): void {
  if (Array.isArray(value) && value.length > 0) addExtra(state, { kind: 'logprobs', raw: { content: value, refusal: null } })
}

/** Takes a part as its end shows it: whatever its events have left out comes now. */
function addWhole(state: State, part: PartState, content: Json): void {
  addText(state, part, remainder(content['text'], part.text))
  addRefusal(state, part, remainder(content['refusal'], part.refusal))
  const annotations = Array.isArray(content['annotations']) ? (content['annotations'] as readonly unknown[]) : []
  for (const annotation of annotations.slice(part.annotations)) addAnnotation(state, part, annotation)
  endPart(state, part)
}

function endPart({ emitter }: State, part: PartState): void {
  if (part.block !== undefined && !part.isEnded) emitter.emit({ type: 'text-end', block: part.block })
  part.isEnded = true
}

/** Only citations of the web mean something to other wires. */
function toCitation(annotation: Json): Extra {
  const { type, url, title, start_index: start, end_index: end } = annotation
  if (type !== 'url_citation' || typeof url !== 'string') return { kind: 'foreign', wire: 'responses', raw: annotation }
  return {
    kind: 'citation',
    url,
    ...(typeof title === 'string' ? { title } : {}),
    ...(typeof start === 'number' ? { start } : {}),
    ...(typeof end === 'number' ? { end } : {}),
    raw: annotation,
  }
}
