/** The requests a check asks, in the neutral model, and what they can cost. */
import { bareRequest } from '../../completion/bare-request.ts'
import type { Needs } from '../../completion/features.ts'
import type { CompletionRequest, Content, Tool, Turn } from '../../completion/request.ts'

/** Enough for a short answer of a model that thinks first. */
export const SHORT_ANSWER_TOKENS = 512

export type Question = Partial<Omit<CompletionRequest, 'model' | 'stream'>>

export function user(text: string, ...more: readonly Content[]): Turn {
  return { role: 'user', parts: [{ type: 'text', text }, ...more] }
}

export function assistant(text: string): Turn {
  return { role: 'assistant', parts: [{ type: 'text', text }] }
}

/** A question of one line. */
export function say(text: string, more: Question = {}): Question {
  return { turns: [user(text)], ...more }
}

/** Fills a question up to a whole request. */
export function requestOf(question: Question, model: string, stream: boolean): CompletionRequest {
  return { ...bareRequest(model, []), maxOutputTokens: SHORT_ANSWER_TOKENS, ...question, stream }
}

/** A token is at least one byte of the body, so its bytes bound the tokens. */
export function needsOf(request: CompletionRequest, bodyBytes: number): Needs {
  const images = request.turns.flatMap(({ parts }) => parts).filter(({ type }) => type === 'image').length
  return {
    features: [],
    samplingParameters: [],
    inputModalities: ['text'],
    outputModalities: ['text'],
    maxInputTokens: bodyBytes,
    expectedInputTokens: Math.ceil(bodyBytes / 4),
    ...(request.maxOutputTokens === undefined ? {} : { maxOutputTokens: request.maxOutputTokens }),
    images,
    candidates: request.candidates,
    stream: request.stream,
  }
}

/** A tool that every model with tools can be made to call. */
export const weatherTool: Extract<Tool, { type: 'function' }> = {
  type: 'function',
  name: 'get_weather',
  description: 'Gives the weather of a city.',
  schema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'], additionalProperties: false },
}
