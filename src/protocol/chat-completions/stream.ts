/** Decodes chunks of Chat Completions into parts; tolerant of every dialect, strict about how an answer ends. */
import { RouteplaneError, toRouteplaneError } from '../../errors.ts'
import type { CompletionPart, Finish } from '../../completion/part.ts'
import type { Usage } from '../../completion/usage.ts'
import { isRecord } from '../../lib/json.ts'
import { createSseDecoder, type SseItem } from '../../lib/sse.ts'
import { addDelta, addExtra, createCandidate, endCandidate, type CandidateDecoder } from './candidate.ts'
import { decodeErrorObject } from './error.ts'
import { splitJson } from './split-json.ts'
import { decodeUsage } from './usage.ts'

type Json = Readonly<Record<string, unknown>>

/**
 *     before ──chunk──► answering ──[DONE], or end with every candidate finished──► over (finish)
 *        └────────────────┴──error, broken event, end without a finish──► over (error)
 */
export type ChunkDecoder = {
  /** Takes one parsed chunk. */
  push(chunk: Json): readonly CompletionPart[]
  /** Takes the end of the answer: said by the upstream, or only by the connection. */
  end(by: 'word' | 'connection'): readonly CompletionPart[]
  fail(error: RouteplaneError): readonly CompletionPart[]
  isOver(): boolean
  /** Whether every candidate that has begun has said why it ended. */
  isFinished(): boolean
}

type State = {
  id: string
  hasStarted: boolean
  isOver: boolean
  blocks: number
  usage: Usage | undefined
  citations: readonly string[]
  readonly candidates: Map<number, CandidateDecoder>
  out: CompletionPart[]
}

/** More candidates than anybody may ask for: a memory guard. */
const MAX_CANDIDATES = 128

/** Creates the decoder of one answer. It never throws: what goes wrong is its last part. */
export function createChunkDecoder(): ChunkDecoder {
  const state: State = {
    id: '',
    hasStarted: false,
    isOver: false,
    blocks: 0,
    usage: undefined,
    citations: [],
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
    end: (by) => run(() => endAnswer(state, by)),
    fail: (error) => run(() => finishWith(state, error)),
    isOver: () => state.isOver,
    isFinished: () => isFinished(state),
  }
}

function isFinished({ candidates }: State): boolean {
  return candidates.size > 0 && [...candidates.values()].every(({ reason }) => reason !== undefined)
}

function finishWith(state: State, error: RouteplaneError): void {
  state.isOver = true
  state.out.push({ type: 'error', error })
}

function addChunk(state: State, chunk: Json): void {
  const { error, choices } = chunk
  if (isGiven(error)) throw decodeErrorObject(error)
  if (chunk['object'] === 'error') throw decodeErrorObject(chunk)
  const list = Array.isArray(choices) ? choices.filter(isRecord) : []
  if (list.length > 0) start(state, chunk)
  for (const choice of list) addChoice(state, choice)
  if (Array.isArray(chunk['citations'])) state.citations = chunk['citations'].filter((url) => typeof url === 'string')
  addUsage(state, usageIn(chunk, list))
}

/** The usual place, and two others: beside a vendor's own id, and inside the last choice. */
function usageIn(chunk: Json, choices: readonly Json[]): Usage | undefined {
  const vendor = isRecord(chunk['x_groq']) ? chunk['x_groq']['usage'] : undefined
  const places = [chunk['usage'], vendor, ...choices.map((choice) => choice['usage'])]
  return places.map(decodeUsage).find((usage) => usage !== undefined)
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
  const { id, model, created } = chunk
  state.id = typeof id === 'string' ? id : ''
  const createdSeconds = typeof created === 'number' && created > 0 ? { createdSeconds: created } : {}
  state.out.push({ type: 'start', id: state.id, model: typeof model === 'string' ? model : '', ...createdSeconds })
}

function addChoice(state: State, choice: Json): void {
  if (isGiven(choice['error'])) throw decodeErrorObject(choice['error'])
  const delta = choice['delta'] ?? choice['message']
  addDelta(candidateOf(state, choice['index']), choice, isRecord(delta) ? delta : {})
}

/** Some servers send an empty `error` with every chunk. */
function isGiven(error: unknown): boolean {
  return error !== undefined && error !== null && error !== '' && error !== false
}

/** A missing index means the only candidate there is. */
function candidateOf(state: State, given: unknown): CandidateDecoder {
  const index = typeof given === 'number' && Number.isInteger(given) && given >= 0 ? given : 0
  const known = state.candidates.get(index)
  if (known !== undefined) return known
  if (state.candidates.size >= MAX_CANDIDATES)
    throw new RouteplaneError('upstream_bad_stream', 'the upstream gave more candidates than can be asked for')
  const emitter = { emit: (part: CompletionPart) => void state.out.push(part), nextBlock: () => state.blocks++ }
  const candidate = createCandidate(index, () => state.id, emitter)
  state.candidates.set(index, candidate)
  return candidate
}

function endAnswer(state: State, by: 'word' | 'connection'): void {
  if (state.candidates.size === 0 || (by === 'connection' && !isFinished(state))) throw incomplete()
  const candidates = [...state.candidates.values()].toSorted((a, b) => a.index - b.index)
  const [first] = candidates
  for (const url of new Set(state.citations)) if (first !== undefined) addExtra(first, { kind: 'citation', url, raw: url })
  const finishes = candidates.map((candidate): Finish => {
    const reason = endCandidate(candidate)
    return { candidate: candidate.index, reason, ...(candidate.reason === undefined ? {} : { raw: candidate.reason }) }
  })
  if (finishes.some(({ reason }) => reason === 'error')) {
    throw new RouteplaneError('upstream_error', 'the upstream ended its answer with an error as the reason')
  }
  state.isOver = true
  state.out.push({ type: 'finish', finishes, usage: state.usage })
}

function incomplete(): RouteplaneError {
  return new RouteplaneError('stream_incomplete', 'the upstream ended its answer without saying that it was finished')
}

/**
 * Reads a byte stream of events into parts: one `finish` or `error` last, whatever happens, and nothing after it.
 *
 * `[DONE]` ends an answer, and so does the connection's end once every candidate has a finish reason; what comes after is
 * not looked at. A source that throws ends the answer with its error, unless the answer was finished already.
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
    yield* chunks.end('connection')
  } catch (error) {
    yield* chunks.isFinished() ? chunks.end('connection') : chunks.fail(toRouteplaneError(error))
  }
}

const DONE = '[DONE]'

function decodeItem(chunks: ChunkDecoder, item: SseItem): readonly CompletionPart[] {
  if ('comment' in item) return []
  const data = item.data.trim()
  if (data === '') return []
  if (data === DONE) return chunks.end('word')
  const isError = item.event === 'error'
  const values = splitJson(data)
  if (values === undefined) {
    // Cut in the middle: the missing end is what will be told.
    if (item.truncated === true) return []
    return chunks.fail(isError ? decodeErrorObject(data) : badEvent())
  }
  return values.flatMap((value) => {
    if (!isRecord(value)) return chunks.fail(badEvent())
    return chunks.push(isError && value['error'] === undefined ? { error: value } : value)
  })
}

function badEvent(): RouteplaneError {
  return new RouteplaneError('upstream_bad_stream', 'the upstream sent an event that is not a chunk of an answer')
}
