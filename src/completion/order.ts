/** Checks that the parts of an answer come in the order their contract promises. */
import { RouteplaneError } from '../errors.ts'
import type { CompletionPart, PartStream } from './part.ts'

/** @returns what is wrong with the next part, `undefined` when it may come now. */
export type OrderCheck = (part: CompletionPart) => string | undefined

type Kind = 'text' | 'reasoning' | 'tool-input'

/**
 * Creates a check of one answer: `start` first, deltas and ends only within a block of their own kind, every block ended
 * before `finish`, and nothing after `finish` or `error`. An error may come at any time, also alone.
 */
export function createOrderCheck(): OrderCheck {
  const open = new Map<number, Kind>()
  const used = new Set<number>()
  let hasStarted = false
  let isOver = false

  const begin = (block: number, kind: Kind): string | undefined => {
    if (used.has(block)) return `block ${block} begins twice`
    used.add(block)
    open.set(block, kind)
    return undefined
  }
  const within = (block: number, kind: Kind): string | undefined => {
    const found = open.get(block)
    return found === kind ? undefined : `block ${block} is ${found ?? 'not open'}, and a ${kind} part came`
  }
  const inOrder = (part: CompletionPart): string | undefined => {
    if (part.type === 'start') return 'start came twice'
    if (part.type === 'finish') return open.size === 0 ? undefined : `finish came with block ${[...open.keys()].join(', ')} open`
    if (!('block' in part) || part.type === 'extra') return undefined
    const kind = kindOf(part.type)
    return part.type.endsWith('-start') ? begin(part.block, kind) : within(part.block, kind)
  }
  return (part) => {
    if (isOver) return `${part.type} came after the end`
    if (part.type === 'error' || part.type === 'finish') isOver = true
    if (part.type === 'error') return undefined
    if (!hasStarted) {
      hasStarted = true
      return part.type === 'start' ? undefined : `${part.type} came before start`
    }
    const wrong = inOrder(part)
    if (part.type === 'text-end' || part.type === 'reasoning-end' || part.type === 'tool-input-end') open.delete(part.block)
    return wrong
  }
}

function kindOf(type: `${Kind}-${'start' | 'delta' | 'end'}`): Kind {
  if (type.startsWith('text')) return 'text'
  return type.startsWith('reasoning') ? 'reasoning' : 'tool-input'
}

/** Passes parts on, and throws `internal` at the first one out of order or when the end is missing. */
export async function* assertOrder(stream: PartStream): AsyncGenerator<readonly CompletionPart[], void, undefined> {
  const check = createOrderCheck()
  let last: CompletionPart | undefined
  for await (const parts of stream) {
    for (const part of parts) {
      const wrong = check(part)
      if (wrong !== undefined) throw new RouteplaneError('internal', `the parts of an answer are out of order: ${wrong}`)
      last = part
    }
    yield parts
  }
  if (last?.type !== 'finish' && last?.type !== 'error') {
    throw new RouteplaneError('internal', 'the parts of an answer end without finish or error')
  }
}
