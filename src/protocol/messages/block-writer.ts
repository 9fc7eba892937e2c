/** Writes the blocks of an answer one after another, however the parts they are made of interleave. */
import { RouteplaneError } from '../../errors.ts'
import type { CompletionPart } from '../../completion/part.ts'
import { wireToolId } from '../tool-ids.ts'
import { attachedData, slotsOf } from './thinking.ts'

type Json = Readonly<Record<string, unknown>>

/** A part of a block. */
export type BlockPart = Extract<CompletionPart, { type: `${'text' | 'reasoning' | 'tool-input'}-${'start' | 'delta' | 'end'}` }>

/** An event of a Messages stream. */
export type StreamEvent = Json & { readonly type: string }

export type EmitEvent = (event: StreamEvent) => void

export type BlockWriter = {
  write(part: BlockPart): void
  /** Writes a citation into a text block. */
  cite(block: number, citation: unknown): void
  isText(block: number): boolean
  /** Writes a block that comes in one piece. */
  whole(block: Json): void
  /** Ends what is open, and writes what is still waiting. */
  end(): void
  /** Characters of text, thought and input written so far. */
  characters(): number
}

/** A block whose turn has not come yet keeps what it was given. */
type Held = {
  readonly start: Extract<BlockPart, { type: `${string}-start` }> | { readonly type: 'whole'; readonly raw: Json }
  readonly deltas: Json[]
  /** The whole text of a free-form tool: it can only be written as JSON once it is there. */
  freeformText: string
  hasText: boolean
  isEnded: boolean
  carriers: Parameters<typeof attachedData>[0]
}

type Writer = {
  readonly emit: EmitEvent
  readonly held: Map<number, Held>
  /** Blocks with something to write, in the order in which they came to have it. */
  readonly queue: Held[]
  /** Whether the first of the queue has been begun. */
  isOpen: boolean
  index: number
  characters: number
}

/**
 * Creates the writer. A block is begun when there is something in it, and another one waits until it has ended: SDKs fire
 * their events for the last block only.
 */
export function createBlockWriter(emit: EmitEvent): BlockWriter {
  const writer: Writer = { emit, held: new Map(), queue: [], isOpen: false, index: 0, characters: 0 }
  return {
    write: (part) => writePart(writer, part),
    cite: (block, citation) => addDelta(writer, heldOf(writer, block), { type: 'citations_delta', citation }),
    isText: (block) => {
      const held = writer.held.get(block)
      return held?.start.type === 'text-start' && !held.isEnded
    },
    whole: (raw) => {
      writer.queue.push({ ...hold({ type: 'whole', raw }), isEnded: true })
      advance(writer)
    },
    end: () => endAll(writer),
    characters: () => writer.characters,
  }
}

function hold(start: Held['start']): Held {
  return { start, deltas: [], freeformText: '', hasText: false, isEnded: false, carriers: [] }
}

function heldOf({ held }: Writer, block: number): Held {
  const found = held.get(block)
  if (found === undefined) throw new RouteplaneError('internal', `a part belongs to block ${block}, which never began`)
  return found
}

function writePart(writer: Writer, part: BlockPart): void {
  switch (part.type) {
    case 'text-start':
    case 'reasoning-start':
      writer.held.set(part.block, hold(part))
      return
    case 'tool-input-start': {
      const held = hold(part)
      writer.held.set(part.block, held)
      writer.queue.push(held)
      return advance(writer)
    }
    case 'text-delta':
    case 'reasoning-delta':
    case 'tool-input-delta':
      return addText(writer, heldOf(writer, part.block), part)
    case 'text-end':
    case 'reasoning-end':
    case 'tool-input-end':
      return endBlock(writer, heldOf(writer, part.block), part.carriers ?? [])
  }
}

function addText(writer: Writer, held: Held, { type, text }: Extract<BlockPart, { text: string }>): void {
  if (text === '') return
  writer.characters += text.length
  held.hasText = true
  if (held.start.type === 'tool-input-start' && held.start.freeform) held.freeformText += text
  else if (type === 'text-delta') addDelta(writer, held, { type: 'text_delta', text })
  else if (type === 'reasoning-delta') addDelta(writer, held, { type: 'thinking_delta', thinking: text })
  else addDelta(writer, held, { type: 'input_json_delta', partial_json: text })
}

function addDelta(writer: Writer, held: Held, delta: Json): void {
  if (writer.isOpen && writer.queue[0] === held) {
    // What was written before it has left already: nothing of an open block waits.
    writer.emit({ type: 'content_block_delta', index: writer.index, delta })
    return
  }
  if (!writer.queue.includes(held)) writer.queue.push(held)
  held.deltas.push(delta)
  advance(writer)
}

function endBlock(writer: Writer, held: Held, carriers: Held['carriers']): void {
  if (held.isEnded) return
  held.isEnded = true
  held.carriers = carriers
  const { start } = held
  if (start.type === 'tool-input-start' && start.freeform) {
    held.deltas.push({ type: 'input_json_delta', partial_json: JSON.stringify({ input: held.freeformText }) })
  }
  const isSilent = !held.hasText && carriers.length === 0 && !writer.queue.includes(held)
  if (isSilent) return
  if (!writer.queue.includes(held)) writer.queue.push(held)
  advance(writer)
}

function endAll(writer: Writer): void {
  for (const held of writer.held.values()) endBlock(writer, held, [])
}

/** Writes as much as the order of blocks allows. */
function advance(writer: Writer): void {
  for (let held = writer.queue[0]; held !== undefined; held = writer.queue[0]) {
    if (!writer.isOpen && canOpen(held)) {
      writer.isOpen = true
      writer.emit({ type: 'content_block_start', index: writer.index, content_block: contentBlock(held.start) })
    }
    for (const delta of held.deltas.splice(0)) writer.emit({ type: 'content_block_delta', index: writer.index, delta })
    if (!held.isEnded) return
    if (writer.isOpen) closeBlock(writer, held)
    writer.queue.shift()
    writeRedacted(writer, held)
  }
}

/** A thought without words is only begun when its signature has a place in it, and text that has only carriers never. */
function canOpen({ start, hasText, carriers, deltas }: Held): boolean {
  if (start.type === 'whole' || start.type === 'tool-input-start' || hasText) return true
  if (start.type === 'text-start') return deltas.length > 0
  return slotsOf(false, carriers).signature !== undefined
}

function closeBlock(writer: Writer, held: Held): void {
  const { index } = writer
  if (held.start.type === 'reasoning-start') {
    // Whole and last: clients set it rather than add to it.
    const { signature } = slotsOf(held.hasText, held.carriers)
    writer.emit({ type: 'content_block_delta', index, delta: { type: 'signature_delta', signature } })
  }
  writer.emit({ type: 'content_block_stop', index })
  writer.index++
  writer.isOpen = false
}

function writeRedacted(writer: Writer, { start, hasText, carriers }: Held): void {
  for (const data of redactedOf(start, hasText, carriers)) {
    writer.emit({ type: 'content_block_start', index: writer.index, content_block: { type: 'redacted_thinking', data } })
    writer.emit({ type: 'content_block_stop', index: writer.index++ })
  }
}

function redactedOf(start: Held['start'], hasText: boolean, carriers: Held['carriers']): readonly string[] {
  switch (start.type) {
    case 'reasoning-start':
      return slotsOf(hasText, carriers).redacted
    case 'tool-input-start':
      return attachedData(carriers, wireToolId(start.id, 'anthropic'))
    case 'text-start':
      return attachedData(carriers, undefined)
    case 'whole':
      return []
  }
}

function contentBlock(start: Held['start']): Json {
  switch (start.type) {
    case 'text-start':
      return { type: 'text', text: '' }
    case 'reasoning-start':
      return { type: 'thinking', thinking: '', signature: '' }
    case 'tool-input-start':
      return { type: 'tool_use', id: wireToolId(start.id, 'anthropic'), name: start.name, input: {} }
    case 'whole':
      return start.raw
  }
}
