/** Decodes a reasoning item: a summary, open thoughts, or only what is encrypted. */
import type { ReasoningForm, SignatureCarrier } from '../../completion/part.ts'
import { isRecord } from '../../lib/json.ts'
import { CANDIDATE, deltaOf, placeOf, remainder, type Emitter, type ItemDecoder, type Json } from './output-item.ts'

/** A block of one form; its paragraphs are the parts of the summary, or of the open thoughts. */
type Thought = { block: number | undefined; readonly paragraphs: Map<number, string>; last: number }

/** Between the paragraphs of one thought, as {@link unfoldResult} joins them. */
const PARAGRAPH = '\n\n'

/** Creates the decoder. A summary and open thoughts in one item are two blocks; the first carries what is encrypted. */
export function createReasoningDecoder({ emit, nextBlock }: Emitter): ItemDecoder {
  const thoughts: Readonly<Record<'summary' | 'full', Thought>> = { summary: newThought(), full: newThought() }
  let first: number | undefined
  let isEnded = false

  const open = (form: ReasoningForm): number => {
    const block = nextBlock()
    first ??= block
    emit({ type: 'reasoning-start', block, candidate: CANDIDATE, form })
    return block
  }
  const add = (form: 'summary' | 'full', index: number, text: string): void => {
    if (text === '' || isEnded) return
    const thought = thoughts[form]
    const isNew = thought.block !== undefined && index !== thought.last
    thought.block ??= open(form)
    thought.last = index
    thought.paragraphs.set(index, (thought.paragraphs.get(index) ?? '') + text)
    emit({ type: 'reasoning-delta', block: thought.block, text: isNew ? `${PARAGRAPH}${text}` : text })
  }
  const addWhole = (form: 'summary' | 'full', index: number, text: unknown): void => {
    add(form, index, remainder(text, thoughts[form].paragraphs.get(index) ?? ''))
  }
  return {
    begin: () => undefined,
    push: (event) => {
      const inSummary = placeOf(event['summary_index'])
      const inContent = placeOf(event['content_index'])
      switch (event['type']) {
        case 'response.reasoning_summary_text.delta':
          return add('summary', inSummary, deltaOf(event))
        case 'response.reasoning_summary_text.done':
          return addWhole('summary', inSummary, event['text'])
        case 'response.reasoning_text.delta':
        // Open Responses' name for the same.
        case 'response.reasoning.delta':
          return add('full', inContent, deltaOf(event))
        case 'response.reasoning_text.done':
        case 'response.reasoning.done':
          return addWhole('full', inContent, event['text'])
        default:
          return undefined
      }
    },
    end: (item) => {
      if (isEnded) return
      for (const [index, text] of textsOf(item['summary']).entries()) addWhole('summary', index, text)
      for (const [index, text] of textsOf(item['content']).entries()) addWhole('full', index, text)
      isEnded = true
      const carriers = carriersOf(item)
      const blocks = [thoughts.summary.block, thoughts.full.block].filter((block) => block !== undefined)
      if (blocks.length === 0 && carriers.length > 0) blocks.push(open('omitted'))
      for (const block of blocks) emit({ type: 'reasoning-end', block, carriers: block === first ? carriers : [] })
    },
    shape: () => ({ isCall: false, isBrokenCall: false, hasRefusal: false }),
  }
}

function newThought(): Thought {
  return { block: undefined, paragraphs: new Map(), last: 0 }
}

function textsOf(parts: unknown): readonly unknown[] {
  return Array.isArray(parts) ? parts.map((part: unknown) => (isRecord(part) ? part['text'] : undefined)) : []
}

/** What is encrypted belongs to its item's id and comes back with it. */
function carriersOf(item: Json): readonly SignatureCarrier[] {
  const { id, encrypted_content: value } = item
  if (typeof value !== 'string' || value === '') return []
  return [{ wire: 'responses', kind: 'encrypted_content', value, ...(typeof id === 'string' ? { itemId: id } : {}) }]
}
