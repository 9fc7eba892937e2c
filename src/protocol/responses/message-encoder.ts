/** Encodes texts, refusals and citations as message items. */
import type { Extra } from '../../completion/part.ts'
import { isRecord } from '../../lib/json.ts'
import type { OutputSink } from './output-sink.ts'

type Json = Readonly<Record<string, unknown>>

/** A content part; it stays open after its block has ended, because citations of it may follow. */
type Part = {
  readonly kind: 'output_text' | 'refusal'
  readonly block: number | undefined
  text: string
  readonly annotations: Json[]
  readonly logprobs: unknown[]
  hasEnded: boolean
  isClosed: boolean
}

type Message = { readonly index: number; readonly id: string; readonly parts: Part[]; isLeft: boolean; isClosed: boolean }

export type MessageEncoder = {
  addText(block: number, text: string): void
  endText(block: number): void
  addRefusal(text: string): void
  /** Adds an annotation to the last text, or what a citation or file annotation says to an empty one. */
  annotate(annotation: Json): void
  addProbabilities(list: readonly unknown[]): void
  /** Says that an item of another kind begins: a text after it is another message. */
  leave(): void
  /** Closes everything. */
  close(status: 'completed' | 'incomplete'): void
}

/** Creates the encoder: blocks of text that follow each other are parts of one message. */
export function createMessageEncoder(sink: OutputSink): MessageEncoder {
  const messages: Message[] = []

  const current = (): Message => {
    const last = messages.at(-1)
    if (last !== undefined && !last.isLeft && !last.isClosed) return last
    const id = sink.newId('msg')
    const index = sink.begin({ id, type: 'message', status: 'in_progress', role: 'assistant', content: [] })
    const message: Message = { index, id, parts: [], isLeft: false, isClosed: false }
    messages.push(message)
    return message
  }
  const addPart = (kind: Part['kind'], block: number | undefined): { readonly message: Message; readonly part: Part } => {
    const message = current()
    for (const part of message.parts) if (part.hasEnded) closePart(sink, message, part)
    const part: Part = { kind, block, text: '', annotations: [], logprobs: [], hasEnded: block === undefined, isClosed: false }
    message.parts.push(part)
    sink.emit('response.content_part.added', { ...place(message, part), part: emptyPart(kind) })
    return { message, part }
  }
  const find = (matches: (part: Part) => boolean): { readonly message: Message; readonly part: Part } | undefined => {
    for (const message of messages) {
      const part = message.parts.find((each) => !each.isClosed && matches(each))
      if (part !== undefined) return { message, part }
    }
    return undefined
  }
  const closeIfOver = (message: Message): void => {
    if (message.isLeft && message.parts.every(({ hasEnded }) => hasEnded)) closeMessage(sink, message, 'completed')
  }
  return {
    addText: (block, text) => {
      if (text === '') return
      const { message, part } = find((each) => each.block === block) ?? addPart('output_text', block)
      part.text += text
      sink.emit('response.output_text.delta', { ...place(message, part), delta: text, logprobs: [] })
    },
    endText: (block) => {
      const found = find((each) => each.block === block)
      if (found === undefined) return
      found.part.hasEnded = true
      closeIfOver(found.message)
    },
    addRefusal: (text) => {
      if (text === '') return
      const { message, part } = find(({ kind }) => kind === 'refusal') ?? addPart('refusal', undefined)
      part.text += text
      sink.emit('response.refusal.delta', { ...place(message, part), delta: text })
    },
    annotate: (annotation) => {
      const last = messages.at(-1)
      const open = last?.parts.findLast(({ kind, isClosed }) => kind === 'output_text' && !isClosed)
      const { message, part } = last === undefined || open === undefined ? addPart('output_text', undefined) : { message: last, part: open }
      const at = part.annotations.push(annotation) - 1
      sink.emit('response.output_text.annotation.added', { ...place(message, part), annotation_index: at, annotation })
    },
    addProbabilities: (list) => {
      const part = messages.at(-1)?.parts.findLast(({ kind, isClosed }) => kind === 'output_text' && !isClosed)
      part?.logprobs.push(...list)
    },
    leave: () => {
      const last = messages.at(-1)
      if (last === undefined || last.isLeft) return
      last.isLeft = true
      closeIfOver(last)
    },
    close: (status) => {
      for (const message of messages) closeMessage(sink, message, message === messages.at(-1) ? status : 'completed')
    },
  }
}

function place(message: Message, part: Part): Json {
  return { item_id: message.id, output_index: message.index, content_index: message.parts.indexOf(part) }
}

function emptyPart(kind: Part['kind']): Json {
  return kind === 'refusal' ? { type: kind, refusal: '' } : { type: kind, text: '', annotations: [], logprobs: [] }
}

function wholePart({ kind, text, annotations, logprobs }: Part): Json {
  return kind === 'refusal' ? { type: kind, refusal: text } : { type: kind, text, annotations, logprobs }
}

function closePart(sink: OutputSink, message: Message, part: Part): void {
  if (part.isClosed) return
  part.isClosed = true
  const at = place(message, part)
  if (part.kind === 'refusal') sink.emit('response.refusal.done', { ...at, refusal: part.text })
  else sink.emit('response.output_text.done', { ...at, text: part.text, logprobs: part.logprobs })
  sink.emit('response.content_part.done', { ...at, part: wholePart(part) })
}

function closeMessage(sink: OutputSink, message: Message, status: 'completed' | 'incomplete'): void {
  if (message.isClosed) return
  message.isClosed = true
  for (const part of message.parts) closePart(sink, message, part)
  const { id, index, parts } = message
  sink.end(index, { id, type: 'message', status, role: 'assistant', content: parts.map(wholePart) })
}

/** @see https://platform.openai.com/docs/api-reference/responses/object, `annotations` */
export function encodeCitation(extra: Extract<Extra, { kind: 'citation' }>): Json {
  const { url, title, start, end } = extra
  return { type: 'url_citation', url, title: title ?? url, start_index: start ?? 0, end_index: end ?? 0 }
}

/** Probabilities are listed under `content` on Chat Completions, and bare on this wire; both are read. */
export function encodeProbabilities(raw: unknown): readonly unknown[] {
  const list = isRecord(raw) ? raw['content'] : raw
  return Array.isArray(list) ? list.filter(isRecord).map((token) => ({ bytes: [], top_logprobs: [], ...token })) : []
}

/** Tells the annotations that only this wire has from its items. */
export function isAnnotationType(type: unknown): boolean {
  return typeof type === 'string' && /citation$|^file_path$/.test(type)
}
