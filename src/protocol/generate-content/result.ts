/** A whole generateContent answer: decoded from an upstream, encoded for a caller. */
import { RouteplaneError } from '../../errors.ts'
import { foldAll, unfoldResult } from '../../completion/fold.ts'
import type { CompletionPart } from '../../completion/part.ts'
import type { CompletionResult } from '../../completion/result.ts'
import { defined } from '../../lib/defined.ts'
import { isRecord } from '../../lib/json.ts'
import type { EncodeContext } from '../protocol.ts'
import { createAnswerEncoder, type AnswerEncoder } from './answer.ts'
import { decodeErrorObject } from './error.ts'
import { blockReason, createChunkDecoder } from './stream.ts'
import { encodeUsage } from './usage.ts'

type Json = Readonly<Record<string, unknown>>

/**
 * Reads a whole answer: one chunk that says everything, or, from a stream that was not asked for as events, all of them in
 * an array.
 *
 * @throws {@link RouteplaneError} `upstream_error` for an error in a 200 body, an error as finish reason, or a body that is no answer.
 */
export function decodeResult(body: unknown): CompletionResult {
  const chunks = Array.isArray(body) ? body.filter(isRecord) : isRecord(body) ? [body] : []
  const broken = chunks.find(({ error }) => isRecord(error) || (typeof error === 'string' && error !== ''))
  if (broken !== undefined) throw decodeErrorObject(broken['error'])
  const saysSomething = chunks.some(
    ({ candidates, promptFeedback }) =>
      (Array.isArray(candidates) && candidates.some(isRecord)) || blockReason(promptFeedback) !== undefined,
  )
  if (!saysSomething) throw new RouteplaneError('upstream_error', 'the upstream did not answer with generated content')
  const decoder = createChunkDecoder({ isWhole: !Array.isArray(body) })
  return foldAll([...chunks.flatMap((chunk) => decoder.push(chunk)), ...decoder.end()])
}

/** @throws {@link RouteplaneError} `upstream_error` for a finish that this wire can only show as an error. */
export function encodeResult(result: CompletionResult, context: EncodeContext): unknown {
  const answer = createAnswerEncoder()
  const candidates = new Map<number, Json[]>()
  for (const part of unfoldResult(result)) {
    for (const placed of answer.push(part)) {
      const parts = candidates.get(placed.candidate) ?? []
      candidates.set(placed.candidate, addPart(parts, placed.part))
    }
  }
  return defined({
    candidates: result.candidates.map(({ finish, index }) => encodeCandidate(answer, finish, candidates.get(index) ?? [])),
    usageMetadata: encodeUsage(result.usage),
    modelVersion: result.model === '' ? context.model : result.model,
    createTime: result.createdSeconds === undefined ? undefined : new Date(result.createdSeconds * 1000).toISOString(),
    responseId: result.id === '' ? context.requestId : result.id,
  })
}

/** A signature that follows its text stands on that text when the answer is whole. */
function addPart(parts: Json[], part: Json): Json[] {
  const last = parts.at(-1)
  const isBare = part['text'] === '' && typeof part['thoughtSignature'] === 'string'
  if (
    !isBare ||
    last === undefined ||
    typeof last['text'] !== 'string' ||
    last['thought'] !== part['thought'] ||
    'thoughtSignature' in last
  )
    return [...parts, part]
  return [...parts.slice(0, -1), { ...last, thoughtSignature: part['thoughtSignature'] }]
}

/** Parts are never empty: clients take an answer without any for a broken one. */
function encodeCandidate(
  answer: AnswerEncoder,
  finish: Extract<CompletionPart, { type: 'finish' }>['finishes'][number],
  parts: Json[],
): Json {
  const { members, signature } = answer.end(finish)
  const signed = signature === undefined ? parts : addPart(parts, { text: '', thoughtSignature: signature })
  return { content: { parts: signed.length === 0 ? [{ text: '' }] : signed, role: 'model' }, ...members, index: finish.candidate }
}
