/** Encodes thoughts as reasoning items, signatures of every wire sealed in them. */
import type { SignatureCarrier } from '../../completion/part.ts'
import { wrapCarrier } from '../carrier.ts'
import type { OutputSink } from './output-sink.ts'

type Thought = { item: { readonly id: string; readonly index: number } | undefined; text: string }

export type ReasoningEncoder = {
  open(block: number): void
  add(block: number, text: string): void
  end(block: number, carriers: readonly SignatureCarrier[]): void
  /** Sends a signature along that belongs to a call or a text: an item of its own, which clients send back like any other. */
  seal(carriers: readonly SignatureCarrier[], itemId: string): void
}

/**
 * Creates the encoder. Thoughts of every form are shown as summaries: those events every client knows.
 *
 * @param onItem - Called before an item begins.
 */
export function createReasoningEncoder(sink: OutputSink, onItem: () => void): ReasoningEncoder {
  const thoughts = new Map<number, Thought>()

  const begin = (): { readonly id: string; readonly index: number } => {
    onItem()
    const id = sink.newId('rs')
    return { id, index: sink.begin({ id, type: 'reasoning', summary: [] }) }
  }
  const sealed = (carrier: SignatureCarrier): void => {
    const { id, index } = begin()
    sink.end(index, { id, type: 'reasoning', summary: [], encrypted_content: wrapCarrier(carrier) })
  }
  return {
    open: (block) => void thoughts.set(block, { item: undefined, text: '' }),
    add: (block, text) => {
      const thought = thoughts.get(block)
      if (thought === undefined || text === '') return
      if (thought.item === undefined) {
        thought.item = begin()
        sink.emit('response.reasoning_summary_part.added', { ...place(thought.item), part: { type: 'summary_text', text: '' } })
      }
      thought.text += text
      sink.emit('response.reasoning_summary_text.delta', { ...place(thought.item), delta: text })
    },
    end: (block, carriers) => {
      const thought = thoughts.get(block)
      thoughts.delete(block)
      const [first, ...rest] = carriers
      if (thought?.item !== undefined) {
        const { item, text } = thought
        const part = { type: 'summary_text', text }
        sink.emit('response.reasoning_summary_text.done', { ...place(item), text })
        sink.emit('response.reasoning_summary_part.done', { ...place(item), part })
        const encrypted = first === undefined ? {} : { encrypted_content: wrapCarrier(first) }
        sink.end(item.index, { id: item.id, type: 'reasoning', summary: [part], ...encrypted })
      } else if (first !== undefined) sealed(first)
      rest.forEach(sealed)
    },
    seal: (carriers, itemId) => {
      for (const carrier of carriers) sealed({ ...carrier, itemId })
    },
  }
}

function place({ id, index }: { readonly id: string; readonly index: number }): Readonly<Record<string, unknown>> {
  return { item_id: id, output_index: index, summary_index: 0 }
}
