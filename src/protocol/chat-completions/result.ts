/** A whole Chat Completions answer: decoded from an upstream, encoded for a caller. */
import { RouteplaneError } from '../../errors.ts'
import { foldAll } from '../../completion/fold.ts'
import type { Extra } from '../../completion/part.ts'
import type { Content } from '../../completion/request.ts'
import type { Candidate, CompletionResult } from '../../completion/result.ts'
import { defined } from '../../lib/defined.ts'
import { isRecord } from '../../lib/json.ts'
import type { EncodeContext } from '../protocol.ts'
import { encodeDetails, encodeSignature } from './carriers.ts'
import { decodeErrorObject } from './error.ts'
import { encodeFinish } from './finish.ts'
import { createChunkDecoder } from './stream.ts'
import { readPlainResult } from './plain-result.ts'
import { encodeUsage } from './usage.ts'

type Json = Readonly<Record<string, unknown>>

/**
 * Reads a whole answer: it is one chunk that says everything, so that both lanes read every dialect alike.
 *
 * @throws {@link RouteplaneError} `upstream_error` for an error in a 200 body, an error as finish reason, or a body that is no answer.
 */
export function decodeResult(body: unknown): CompletionResult {
  if (!isRecord(body)) throw noAnswer()
  return readPlainResult(body) ?? decodeAnyResult(body)
}

/** The same by way of the decoder of streams, whatever the answer holds. */
export function decodeAnyResult(body: Json): CompletionResult {
  const { choices } = body
  if (!Array.isArray(choices) || !choices.some(isRecord)) {
    throw isRecord(body['error']) || typeof body['error'] === 'string' ? decodeErrorObject(body['error']) : noAnswer()
  }
  const decoder = createChunkDecoder()
  const parts = [...decoder.push({ ...body, choices: choices.filter(isRecord).map(numberCalls) }), ...decoder.done()]
  return foldAll(parts)
}

/** In a whole message the place in the list is a call's number, whatever else it says. */
function numberCalls(choice: Json, position: number): Json {
  const { message } = choice
  if (!isRecord(message)) throw noAnswer()
  const calls = Array.isArray(message['tool_calls']) ? message['tool_calls'].filter(isRecord) : []
  const index = typeof choice['index'] === 'number' ? choice['index'] : position
  return { ...choice, index, message: { ...message, tool_calls: calls.map((call, at) => ({ ...call, index: at })) } }
}

function noAnswer(): RouteplaneError {
  return new RouteplaneError('upstream_error', 'the upstream did not answer with a chat completion')
}

/** @throws {@link RouteplaneError} `upstream_error` for a finish that this wire can only show as an error. */
export function encodeResult(result: CompletionResult, context: EncodeContext): unknown {
  return defined({
    id: result.id === '' ? `chatcmpl-${context.requestId}` : result.id,
    object: 'chat.completion',
    created: result.createdSeconds ?? context.nowSeconds,
    model: result.model === '' ? context.model : result.model,
    choices: result.candidates.map(encodeCandidate),
    usage: encodeUsage(result.usage),
  })
}

function encodeCandidate(candidate: Candidate): unknown {
  const { content, extras } = candidate
  const refusal = joined(content, 'refusal')
  const reason = encodeFinish(candidate.finish.reason, refusal !== null)
  if (reason === undefined) throw brokenFinish()
  const calls = content.filter((part) => part.type === 'tool-call')
  const images = extras.flatMap(encodeImage)
  const annotations = extras.flatMap(encodeCitation)
  return {
    index: candidate.index,
    finish_reason: reason,
    logprobs: encodeLogprobs(extras),
    message: defined({
      role: 'assistant',
      content: joined(content, 'text'),
      refusal,
      ...encodeThoughts(content),
      tool_calls: calls.length === 0 ? undefined : calls.map((call) => encodeCall(call)),
      annotations: annotations.length === 0 ? undefined : annotations,
      images: images.length === 0 ? undefined : images,
      audio: encodeAudio(extras),
    }),
  }
}

/** The error for answers whose reason to end has no word on this wire. */
export function brokenFinish(): RouteplaneError {
  return new RouteplaneError('upstream_error', 'the model ended its answer with an error or a tool call that cannot be read')
}

/** This wire has one text an answer: blocks run on. */
function joined(content: readonly Content[], type: 'text' | 'refusal'): string | null {
  const texts = content.flatMap((part) => (part.type === type ? [part.text] : []))
  return texts.length === 0 ? null : texts.join('')
}

function encodeThoughts(content: readonly Content[]): Json {
  const thoughts = content.filter((part) => part.type === 'reasoning')
  const text = thoughts.flatMap((thought) => thought.text).join('')
  const details = thoughts.flatMap(({ carriers }) => encodeDetails(carriers))
  return defined({ reasoning_content: text === '' ? undefined : text, reasoning_details: details.length === 0 ? undefined : details })
}

function encodeCall(call: Extract<Content, { type: 'tool-call' }>): unknown {
  const extra = encodeSignature(call.carriers ?? [])
  if (call.arguments.kind === 'text')
    return { id: call.id, type: 'custom', custom: { name: call.name, input: call.arguments.text }, ...extra }
  return { id: call.id, type: 'function', function: { name: call.name, arguments: call.arguments.text }, ...extra }
}

/** Annotations must be whole for strict clients: a citation without a place cites nothing in particular. */
export function encodeCitation(extra: Extra): readonly unknown[] {
  if (extra.kind !== 'citation') return []
  const { url, title, start, end } = extra
  return [{ type: 'url_citation', url_citation: { start_index: start ?? 0, end_index: end ?? 0, url, title: title ?? url } }]
}

export function encodeImage(extra: Extra): readonly unknown[] {
  if (extra.kind !== 'image') return []
  return [{ type: 'image_url', image_url: { url: `data:${extra.mimeType};base64,${extra.base64}` } }]
}

function encodeAudio(extras: readonly Extra[]): Json | undefined {
  const audio = extras.find((extra) => extra.kind === 'audio')
  return audio === undefined ? undefined : { id: 'audio_0', data: audio.base64, transcript: audio.transcript ?? '', expires_at: 0 }
}

/** Lists of one answer's tokens, chunk after chunk, are one list. */
function encodeLogprobs(extras: readonly Extra[]): Json | null {
  const raws = extras.flatMap((extra) => (extra.kind === 'logprobs' && isRecord(extra.raw) ? [extra.raw] : []))
  if (raws.length === 0) return null
  const list = (name: string): unknown => {
    const lists = raws.map((raw) => raw[name]).filter((value) => Array.isArray(value))
    return lists.length === 0 ? null : lists.flat()
  }
  return { content: list('content'), refusal: list('refusal') }
}
