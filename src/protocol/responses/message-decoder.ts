/** Decodes a message item: its texts, refusals, citations and probabilities. */
import type { Extra } from '../../completion/part.ts'
import { isRecord } from '../../lib/json.ts'
import { CANDIDATE, deltaOf, placeOf, remainder, type Emitter, type ItemDecoder, type Json } from './output-item.ts'

/** One content part while it comes. */
type PartState = { block: number | undefined; text: string; refusal: string; annotations: number; isEnded: boolean }

/** Creates the decoder. Texts become blocks at their first character: an empty part is nothing. */
export function createMessageDecoder(emitter: Emitter): ItemDecoder {
  const { emit } = emitter
  const parts = new Map<number, PartState>()
  let hasRefusal = false

  const partAt = (index: unknown): PartState => {
    const place = placeOf(index)
    const known = parts.get(place)
    if (known !== undefined) return known
    const part: PartState = { block: undefined, text: '', refusal: '', annotations: 0, isEnded: false }
    parts.set(place, part)
    return part
  }
  const addText = (part: PartState, text: string): void => {
    if (text === '' || part.isEnded) return
    if (part.block === undefined) {
      part.block = emitter.nextBlock()
      emit({ type: 'text-start', block: part.block, candidate: CANDIDATE })
    }
    part.text += text
    emit({ type: 'text-delta', block: part.block, text })
  }
  const addRefusal = (part: PartState, text: string): void => {
    if (text === '') return
    hasRefusal = true
    part.refusal += text
    emit({ type: 'refusal-delta', candidate: CANDIDATE, text })
  }
  const addExtra = (extra: Extra): void => emit({ type: 'extra', block: emitter.nextBlock(), candidate: CANDIDATE, extra })
  const addAnnotation = (part: PartState, annotation: unknown): void => {
    if (!isRecord(annotation)) return
    part.annotations++
    addExtra(toCitation(annotation))
  }
  const endPart = (part: PartState): void => {
    if (part.block !== undefined && !part.isEnded) emit({ type: 'text-end', block: part.block })
    part.isEnded = true
  }
  const addWhole = (part: PartState, content: Json): void => {
    addText(part, remainder(content['text'], part.text))
    addRefusal(part, remainder(content['refusal'], part.refusal))
    const annotations = Array.isArray(content['annotations']) ? (content['annotations'] as readonly unknown[]) : []
    for (const annotation of annotations.slice(part.annotations)) addAnnotation(part, annotation)
    endPart(part)
  }
  const addProbabilities = (value: unknown): void => {
    if (Array.isArray(value) && value.length > 0) addExtra({ kind: 'logprobs', raw: { content: value, refusal: null } })
  }
  return {
    begin: () => undefined,
    push: (event) => {
      const part = partAt(event['content_index'])
      switch (event['type']) {
        case 'response.output_text.delta':
          addText(part, deltaOf(event))
          return addProbabilities(event['logprobs'])
        case 'response.output_text.done':
          return addText(part, remainder(event['text'], part.text))
        case 'response.output_text.annotation.added':
          return addAnnotation(part, event['annotation'])
        case 'response.refusal.delta':
          return addRefusal(part, deltaOf(event))
        case 'response.refusal.done':
          return addRefusal(part, remainder(event['refusal'], part.refusal))
        case 'response.content_part.done':
          return isRecord(event['part']) ? addWhole(part, event['part']) : endPart(part)
        default:
          return undefined
      }
    },
    end: (item) => {
      const content = Array.isArray(item['content']) ? (item['content'] as readonly unknown[]) : []
      const isWhole = parts.size === 0
      for (const [index, each] of content.entries()) {
        if (!isRecord(each)) continue
        addWhole(partAt(index), each)
        if (isWhole) addProbabilities(each['logprobs'])
      }
      for (const part of parts.values()) endPart(part)
    },
    get shape() {
      return { isCall: false, isBrokenCall: false, hasRefusal }
    },
  }
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
