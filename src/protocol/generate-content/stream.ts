/** Decodes chunks of generateContent into parts; tolerant of every dialect, strict about how an answer ends. */
import type { Finish, PartStream } from '../../completion/part.ts'
import type { Usage } from '../../completion/usage.ts'
import { isRecord } from '../../lib/json.ts'
import { createStep, endedInError, incomplete, isError, raise, readAnswer, type AnswerState } from '../answer-decoder.ts'
import { candidateAt, finishesOf, noteUsage } from '../candidates.ts'
import { readChunkItem, type ChunkDecoder } from '../chunk-events.ts'
import { addCandidate, createCandidate, endCandidate, type CandidateDecoder } from './candidate.ts'
import { decodeErrorObject } from './error.ts'
import { decodeUsage } from './usage.ts'

type Json = Readonly<Record<string, unknown>>

type State = AnswerState & {
  readonly isWhole: boolean
  id: string
  hasStarted: boolean
  blocks: number
  usage: Usage | undefined
  /** Why the prompt was not answered. */
  blocked: string | undefined
  readonly candidates: Map<number, CandidateDecoder>
}

/**
 * Creates the decoder of one answer.
 *
 *     before ──chunk──► answering ──connection's end, with every candidate finished or the prompt blocked──► over (finish)
 *        └────────────────┴──error, broken event, end without a finish──► over (error)
 *
 * @param options - `isWhole` when its one chunk says everything.
 */
export function createChunkDecoder(options: { readonly isWhole: boolean } = { isWhole: false }): ChunkDecoder {
  const state: State = {
    isWhole: options.isWhole,
    id: '',
    hasStarted: false,
    isOver: false,
    blocks: 0,
    usage: undefined,
    blocked: undefined,
    candidates: new Map(),
    out: [],
  }
  const step = createStep(state)
  return {
    push: (chunk) => step(() => addChunk(state, chunk)),
    // Servers that are only compatible close with another wire's word.
    done: () => step(() => endAnswer(state)),
    end: () => step(() => endAnswer(state)),
    fail: (error) => step(() => raise(error)),
    isOver: () => state.isOver,
    isFinished: () => isFinished(state),
  }
}

function isFinished({ candidates, blocked }: State): boolean {
  if (candidates.size === 0) return blocked !== undefined
  return [...candidates.values()].every(({ reason }) => reason !== undefined)
}

function addChunk(state: State, chunk: Json): void {
  if (isError(chunk['error'])) throw decodeErrorObject(chunk['error'])
  const candidates = Array.isArray(chunk['candidates']) ? chunk['candidates'].filter(isRecord) : []
  const blocked = blockReason(chunk['promptFeedback'])
  if (candidates.length > 0 || blocked !== undefined) start(state, chunk)
  state.blocked ??= blocked
  for (const candidate of candidates) addCandidate(candidateOf(state, candidate['index']), candidate)
  noteUsage(state, decodeUsage(chunk['usageMetadata']))
}

/** @see https://ai.google.dev/api/generate-content#PromptFeedback: without a reason it only rates. */
export function blockReason(feedback: unknown): string | undefined {
  const reason = isRecord(feedback) ? feedback['blockReason'] : undefined
  return typeof reason === 'string' && reason !== '' && reason !== 'BLOCK_REASON_UNSPECIFIED' ? reason : undefined
}

function start(state: State, chunk: Json): void {
  if (state.hasStarted) return
  state.hasStarted = true
  const { responseId, modelVersion, createTime } = chunk
  state.id = typeof responseId === 'string' ? responseId : ''
  const createdMs = typeof createTime === 'string' ? Date.parse(createTime) : Number.NaN
  const created = Number.isFinite(createdMs) && createdMs > 0 ? { createdSeconds: Math.floor(createdMs / 1000) } : {}
  state.out.push({ type: 'start', id: state.id, model: typeof modelVersion === 'string' ? modelVersion : '', ...created })
}

function candidateOf(state: State, given: unknown): CandidateDecoder {
  return candidateAt(state.candidates, given, (index) =>
    createCandidate({
      index,
      responseId: () => state.id,
      emitter: { emit: (part) => void state.out.push(part), nextBlock: () => state.blocks++ },
      isWhole: state.isWhole,
    }),
  )
}

function endAnswer(state: State): void {
  if (!isFinished(state)) throw incomplete()
  const candidates = [...state.candidates.values()].toSorted((a, b) => a.index - b.index)
  const finishes = finishesOf(candidates, endCandidate)
  if (finishes.some(({ reason }) => reason === 'error')) throw endedInError()
  const blocked: readonly Finish[] =
    finishes.length === 0 && state.blocked !== undefined ? [{ candidate: 0, reason: 'content_filter', raw: state.blocked }] : []
  state.isOver = true
  state.out.push({ type: 'finish', finishes: [...finishes, ...blocked], usage: state.usage })
}

/**
 * Reads a byte stream of events into parts, as {@link readAnswer} does. This wire has no closing word: an answer ends with its
 * connection, and is whole when every candidate has a finish reason; servers that are only compatible close with another's.
 */
export function decodeStream(bytes: AsyncIterable<Uint8Array>): PartStream {
  return readAnswer(bytes, createChunkDecoder(), readChunkItem)
}
