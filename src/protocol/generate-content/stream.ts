/** Decodes chunks of generateContent into parts; tolerant of every dialect, strict about how an answer ends. */
import { RouteplaneError, toRouteplaneError } from '../../errors.ts'
import type { CompletionPart, Finish } from '../../completion/part.ts'
import type { Usage } from '../../completion/usage.ts'
import { isRecord } from '../../lib/json.ts'
import { createSseDecoder, type SseItem } from '../../lib/sse.ts'
import { splitJson } from '../chat-completions/split-json.ts'
import { addCandidate, createCandidate, endCandidate, type CandidateDecoder } from './candidate.ts'
import { decodeErrorObject } from './error.ts'
import { decodeUsage } from './usage.ts'

type Json = Readonly<Record<string, unknown>>

/**
 *     before ──chunk──► answering ──connection's end, with every candidate finished or the prompt blocked──► over (finish)
 *        └────────────────┴──error, broken event, end without a finish──► over (error)
 */
export type ChunkDecoder = {
  /** Takes one parsed chunk. */
  push(chunk: Json): readonly CompletionPart[]
  /** Takes the end of the answer. */
  end(): readonly CompletionPart[]
  fail(error: RouteplaneError): readonly CompletionPart[]
  isOver(): boolean
  /** Whether every candidate that has begun has said why it ended, or the prompt was blocked. */
  isFinished(): boolean
}

type State = {
  readonly isWhole: boolean
  id: string
  hasStarted: boolean
  isOver: boolean
  blocks: number
  usage: Usage | undefined
  /** Why the prompt was not answered. */
  blocked: string | undefined
  readonly candidates: Map<number, CandidateDecoder>
  out: CompletionPart[]
}

/** More candidates than anybody may ask for: a memory guard. */
const MAX_CANDIDATES = 128

/** Creates the decoder of one answer. It never throws: what goes wrong is its last part. */
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
  const run = (work: () => void): readonly CompletionPart[] => {
    state.out = []
    if (state.isOver) return state.out
    try {
      work()
    } catch (error) {
      finishWith(state, toRouteplaneError(error))
    }
    return state.out
  }
  return {
    push: (chunk) => run(() => addChunk(state, chunk)),
    end: () => run(() => endAnswer(state)),
    fail: (error) => run(() => finishWith(state, error)),
    isOver: () => state.isOver,
    isFinished: () => isFinished(state),
  }
}

function isFinished({ candidates, blocked }: State): boolean {
  if (candidates.size === 0) return blocked !== undefined
  return [...candidates.values()].every(({ reason }) => reason !== undefined)
}

function finishWith(state: State, error: RouteplaneError): void {
  state.isOver = true
  state.out.push({ type: 'error', error })
}

function addChunk(state: State, chunk: Json): void {
  if (isGiven(chunk['error'])) throw decodeErrorObject(chunk['error'])
  const candidates = Array.isArray(chunk['candidates']) ? chunk['candidates'].filter(isRecord) : []
  const blocked = blockReason(chunk['promptFeedback'])
  if (candidates.length > 0 || blocked !== undefined) start(state, chunk)
  state.blocked ??= blocked
  for (const candidate of candidates) addCandidate(candidateOf(state, candidate['index']), candidate)
  addUsage(state, decodeUsage(chunk['usageMetadata']))
}

/** Some servers send an empty `error` with every chunk. */
function isGiven(error: unknown): boolean {
  return error !== undefined && error !== null && error !== '' && error !== false
}

/** @see https://ai.google.dev/api/generate-content#PromptFeedback: without a reason it only rates. */
export function blockReason(feedback: unknown): string | undefined {
  const reason = isRecord(feedback) ? feedback['blockReason'] : undefined
  return typeof reason === 'string' && reason !== '' && reason !== 'BLOCK_REASON_UNSPECIFIED' ? reason : undefined
}

function addUsage(state: State, usage: Usage | undefined): void {
  if (usage === undefined) return
  const known = state.usage
  state.usage = usage
  const isNews = known?.inputTokens !== usage.inputTokens || known?.outputTokens !== usage.outputTokens
  if (state.hasStarted && isNews) state.out.push({ type: 'usage', usage })
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

/** A missing index means the first: protobuf's JSON form leaves zeros out. */
function candidateOf(state: State, given: unknown): CandidateDecoder {
  const index = typeof given === 'number' && Number.isInteger(given) && given >= 0 ? given : 0
  const known = state.candidates.get(index)
  if (known !== undefined) return known
  if (state.candidates.size >= MAX_CANDIDATES)
    throw new RouteplaneError('upstream_bad_stream', 'the upstream gave more candidates than can be asked for')
  const emitter = { emit: (part: CompletionPart) => void state.out.push(part), nextBlock: () => state.blocks++ }
  const candidate = createCandidate({ index, responseId: () => state.id, emitter, isWhole: state.isWhole })
  state.candidates.set(index, candidate)
  return candidate
}

function endAnswer(state: State): void {
  if (!isFinished(state)) throw incomplete()
  const candidates = [...state.candidates.values()].toSorted((a, b) => a.index - b.index)
  const finishes = candidates.map((candidate): Finish => {
    const reason = endCandidate(candidate)
    return { candidate: candidate.index, reason, ...(candidate.reason === undefined ? {} : { raw: candidate.reason }) }
  })
  if (finishes.some(({ reason }) => reason === 'error'))
    throw new RouteplaneError('upstream_error', 'the upstream ended its answer with an error as the reason')
  const blocked: readonly Finish[] =
    finishes.length === 0 && state.blocked !== undefined ? [{ candidate: 0, reason: 'content_filter', raw: state.blocked }] : []
  state.isOver = true
  state.out.push({ type: 'finish', finishes: [...finishes, ...blocked], usage: state.usage })
}

function incomplete(): RouteplaneError {
  return new RouteplaneError('stream_incomplete', 'the upstream ended its answer without saying that it was finished')
}

/**
 * Reads a byte stream of events into parts: one `finish` or `error` last, whatever happens, and nothing after it.
 *
 * This wire has no closing word: an answer ends with its connection, and is whole when every candidate has a finish reason.
 * A source that throws ends the answer with its error, unless the answer was finished already.
 */
export async function* decodeStream(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<CompletionPart, void, undefined> {
  const events = createSseDecoder()
  const chunks = createChunkDecoder()
  try {
    for await (const read of bytes) {
      for (const item of events.push(read)) yield* decodeItem(chunks, item)
      if (chunks.isOver()) return
    }
    for (const item of events.end()) yield* decodeItem(chunks, item)
    yield* chunks.end()
  } catch (error) {
    yield* chunks.isFinished() ? chunks.end() : chunks.fail(toRouteplaneError(error))
  }
}

/** Servers that are only compatible close with the word of another wire. */
const DONE = '[DONE]'

function decodeItem(chunks: ChunkDecoder, item: SseItem): readonly CompletionPart[] {
  if ('comment' in item) return []
  const data = item.data.trim()
  if (data === '') return []
  if (data === DONE) return chunks.end()
  const values = splitJson(data)
  if (values === undefined) {
    // Cut in the middle: the missing end is what will be told.
    if (item.truncated === true) return []
    return chunks.fail(badEvent())
  }
  return values.flatMap((value) => {
    if (!isRecord(value)) return chunks.fail(badEvent())
    return chunks.push(item.event === 'error' && value['error'] === undefined ? { error: value } : value)
  })
}

function badEvent(): RouteplaneError {
  return new RouteplaneError('upstream_bad_stream', 'the upstream sent an event that is not a chunk of an answer')
}
