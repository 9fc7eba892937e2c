/** Cuts an answer at the stop sequences its upstream was not told of. */
import type { CompletionPart, Finish } from '../completion/part.ts'
import type { Usage } from '../completion/usage.ts'
import type { Stage } from './restore-stage.ts'
import { createStopMatcher, type StopMatcher } from './stop-matcher.ts'

type OpenBlock = { readonly started: Start['type']; readonly candidate: number; readonly matcher: StopMatcher | undefined }

type State = {
  /** Blocks that have begun and not ended, and those of stopped candidates, whose rest is swallowed. */
  readonly open: Map<number, OpenBlock>
  readonly swallowed: Set<number>
  readonly stopped: Map<number, string>
  usage: Usage | undefined
}

/**
 * Makes the stage. Only text is searched, each block for itself: not thoughts, not tool calls. A candidate that stops has
 * its open blocks ended and the rest of it swallowed; when all have stopped the stage itself finishes the answer.
 */
export function cutAtStop(stops: readonly string[], candidates: number): Stage {
  const state: State = { open: new Map(), swallowed: new Set(), stopped: new Map(), usage: undefined }
  return (part) => {
    switch (part.type) {
      case 'text-start':
      case 'reasoning-start':
      case 'tool-input-start':
        return begin(state, part, part.type === 'text-start' ? createStopMatcher(stops) : undefined)
      case 'text-delta':
        return text(state, part, candidates)
      case 'text-end':
      case 'reasoning-end':
      case 'tool-input-end':
        return end(state, part)
      case 'finish':
        return [{ ...part, finishes: part.finishes.map((finish) => stoppedFinish(state, finish)) }]
      case 'error':
        return [...[...state.open].flatMap(([block, { matcher }]) => heldText(block, matcher)), part]
      default:
        return pass(state, part)
    }
  }
}

/** Passes on what holds no searched text, unless its candidate has stopped. */
function pass(state: State, part: CompletionPart): readonly CompletionPart[] {
  if (part.type === 'usage') state.usage = part.usage
  if ('block' in part && state.swallowed.has(part.block)) return []
  return 'candidate' in part && state.stopped.has(part.candidate) ? [] : [part]
}

type Start = Extract<CompletionPart, { readonly type: 'text-start' | 'reasoning-start' | 'tool-input-start' }>
type End = Extract<CompletionPart, { readonly type: 'text-end' | 'reasoning-end' | 'tool-input-end' }>
type Text = Extract<CompletionPart, { readonly type: 'text-delta' }>

function begin(state: State, part: Start, matcher: StopMatcher | undefined): readonly CompletionPart[] {
  if (state.stopped.has(part.candidate)) {
    state.swallowed.add(part.block)
    return []
  }
  state.open.set(part.block, { started: part.type, candidate: part.candidate, matcher })
  return [part]
}

function text(state: State, part: Text, candidates: number): readonly CompletionPart[] {
  if (state.swallowed.has(part.block)) return []
  const block = state.open.get(part.block)
  if (block?.matcher === undefined) return [part]
  const { text: certain, matched } = block.matcher.push(part.text)
  const delta = textDelta(part.block, certain)
  if (matched === undefined) return delta
  state.stopped.set(block.candidate, matched)
  const ended = [...delta, ...closeBlocks(state, block.candidate)]
  return state.stopped.size < candidates ? ended : [...ended, finishOf(state)]
}

function end(state: State, part: End): readonly CompletionPart[] {
  if (state.swallowed.delete(part.block)) return []
  const matcher = state.open.get(part.block)?.matcher
  state.open.delete(part.block)
  return [...heldText(part.block, matcher), part]
}

/** Ends what a stopped candidate has open, and marks it so that its real ends are swallowed. */
function closeBlocks(state: State, candidate: number): readonly CompletionPart[] {
  const ends: CompletionPart[] = []
  for (const [block, { started, candidate: owner, matcher }] of state.open) {
    if (owner !== candidate) continue
    state.open.delete(block)
    state.swallowed.add(block)
    ends.push(...heldText(block, matcher), endOf(started, block))
  }
  return ends
}

function endOf(started: Start['type'], block: number): CompletionPart {
  if (started === 'reasoning-start') return { type: 'reasoning-end', block, carriers: [] }
  return started === 'text-start' ? { type: 'text-end', block } : { type: 'tool-input-end', block }
}

/** A stopped answer is finished by us: the upstream's own count will never come, and is not guessed here. */
function finishOf(state: State): CompletionPart {
  const finishes = [...state.stopped.keys()]
    .toSorted((a, b) => a - b)
    .map((candidate) => stoppedFinish(state, { candidate, reason: 'stop' }))
  return { type: 'finish', finishes, usage: state.usage }
}

function stoppedFinish(state: State, finish: Finish): Finish {
  const stopSequence = state.stopped.get(finish.candidate)
  return stopSequence === undefined ? finish : { candidate: finish.candidate, reason: 'stop_sequence', stopSequence }
}

function heldText(block: number, matcher: StopMatcher | undefined): readonly CompletionPart[] {
  return textDelta(block, matcher?.end() ?? '')
}

function textDelta(block: number, delta: string): readonly CompletionPart[] {
  return delta === '' ? [] : [{ type: 'text-delta', block, text: delta }]
}
