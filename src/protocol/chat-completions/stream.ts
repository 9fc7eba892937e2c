/** Decodes chunks of Chat Completions into parts; tolerant of every dialect, strict about how an answer ends. */
import type { PartStream } from '../../completion/part.ts'
import type { Usage } from '../../completion/usage.ts'
import { isRecord } from '../../lib/json.ts'
import { createStep, endedInError, incomplete, isError, raise, readAnswer, type AnswerState } from '../answer-decoder.ts'
import { candidateAt, finishesOf, noteUsage } from '../candidates.ts'
import { readChunkItem, type ChunkDecoder } from '../chunk-events.ts'
import { addDelta, addExtra, createCandidate, endCandidate, type CandidateDecoder } from './candidate.ts'
import { decodeErrorObject } from './error.ts'
import { decodeUsage } from './usage.ts'

type Json = Readonly<Record<string, unknown>>

type State = AnswerState & {
  id: string
  hasStarted: boolean
  blocks: number
  usage: Usage | undefined
  citations: readonly string[]
  readonly candidates: Map<number, CandidateDecoder>
  /** Candidates of which something has come. */
  readonly spoken: Set<CandidateDecoder['index']>
}

/**
 * Creates the decoder of one answer.
 *
 *     before ──chunk──► answering ──[DONE], or end with every candidate finished──► over (finish)
 *        └────────────────┴──error, broken event, end without a finish──► over (error)
 */
export function createChunkDecoder(): ChunkDecoder {
  const state: State = {
    id: '',
    hasStarted: false,
    isOver: false,
    blocks: 0,
    usage: undefined,
    citations: [],
    candidates: new Map(),
    spoken: new Set(),
    out: [],
  }
  const step = createStep(state)
  return {
    push: (chunk) => step(() => addChunk(state, chunk)),
    done: () => step(() => endAnswer(state)),
    end: () => step(() => (isFinished(state) ? endAnswer(state) : raise(incomplete()))),
    fail: (error) => step(() => raise(error)),
    isOver: () => state.isOver,
    isFinished: () => isFinished(state),
  }
}

function isFinished({ candidates }: State): boolean {
  return candidates.size > 0 && [...candidates.values()].every(({ reason }) => reason !== undefined)
}

function addChunk(state: State, chunk: Json): void {
  const { error, choices } = chunk
  if (isError(error)) throw decodeErrorObject(error)
  if (chunk['object'] === 'error') throw decodeErrorObject(chunk)
  const list = Array.isArray(choices) ? choices.filter(isRecord) : []
  if (list.length > 0) start(state, chunk)
  for (const choice of list) addChoice(state, choice)
  if (Array.isArray(chunk['citations'])) state.citations = chunk['citations'].filter((url) => typeof url === 'string')
  noteUsage(state, usageIn(chunk, list))
}

/** The usual place, and two others: beside a vendor's own id, and inside the last choice. */
function usageIn(chunk: Json, choices: readonly Json[]): Usage | undefined {
  const vendor = isRecord(chunk['x_groq']) ? chunk['x_groq']['usage'] : undefined
  let usage = decodeUsage(chunk['usage']) ?? decodeUsage(vendor)
  for (const choice of choices) usage ??= decodeUsage(choice['usage'])
  return usage
}

function start(state: State, chunk: Json): void {
  if (state.hasStarted) return
  state.hasStarted = true
  const { id, model, created } = chunk
  state.id = typeof id === 'string' ? id : ''
  const createdSeconds = typeof created === 'number' && created > 0 ? { createdSeconds: created } : {}
  state.out.push({ type: 'start', id: state.id, model: typeof model === 'string' ? model : '', ...createdSeconds })
}

function addChoice(state: State, choice: Json): void {
  if (isError(choice['error'])) throw decodeErrorObject(choice['error'])
  const candidate = candidateOf(state, choice['index'])
  addDelta(candidate, choice, deltaOf(choice, state.spoken.has(candidate.index)))
}

/** What a choice adds. A whole message, with which some vendors end a stream, says again what has come in pieces. */
function deltaOf({ delta, message, text }: Json, hasSpoken: boolean): Json {
  if (isRecord(delta)) return delta
  if (isRecord(message)) return hasSpoken ? {} : message
  return typeof text === 'string' ? { content: text } : {}
}

function candidateOf(state: State, given: unknown): CandidateDecoder {
  return candidateAt(state.candidates, given, (index) =>
    createCandidate(index, () => state.id, {
      emit: (part) => {
        state.spoken.add(index)
        state.out.push(part)
      },
      nextBlock: () => state.blocks++,
    }),
  )
}

function endAnswer(state: State): void {
  if (state.candidates.size === 0) throw incomplete()
  const candidates = [...state.candidates.values()].toSorted((a, b) => a.index - b.index)
  const [first] = candidates
  for (const url of new Set(state.citations)) if (first !== undefined) addExtra(first, { kind: 'citation', url, raw: url })
  const finishes = finishesOf(candidates, endCandidate)
  if (finishes.some(({ reason }) => reason === 'error')) throw endedInError()
  state.isOver = true
  state.out.push({ type: 'finish', finishes, usage: state.usage })
}

/**
 * Reads a byte stream of events into parts, as {@link readAnswer} does. `[DONE]` ends an answer, and so does the connection's end
 * once every candidate has a finish reason.
 */
export function decodeStream(bytes: AsyncIterable<Uint8Array>): PartStream {
  return readAnswer(bytes, createChunkDecoder(), readChunkItem)
}
