/** A model that needs no model: it repeats the question under its provider's name, word by word, the same every time. */
import { RouteplaneError } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'
import { isRecord, parseJson } from '../lib/json.ts'

/** The part of a Chat Completions request that the demo understands. */
export type ChatRequest = {
  readonly model: string
  readonly question: string
  readonly maxTokens: number | undefined
  readonly stream: boolean
  readonly includeUsage: boolean
  /** Estimate by size: what the provider charges its input price for. */
  readonly promptTokens: number
}

/**
 * Reads a request body.
 *
 * @throws {@link RouteplaneError} `invalid_json`, `nesting_too_deep`, `invalid_request`.
 * @see https://platform.openai.com/docs/api-reference/chat/create
 */
export function readChatRequest(body: Uint8Array): ChatRequest {
  const json = parseJson(new TextDecoder().decode(body))
  if (!isRecord(json)) throw invalid('the body must be an object')
  const { model, messages, stream, n } = json
  if (typeof model !== 'string' || model === '') throw invalid('model must be a string')
  if (!Array.isArray(messages) || messages.length === 0) throw invalid('messages must be a list that is not empty')
  if (n !== undefined && n !== null && n !== 1) throw invalid('n must be 1')
  if (stream !== undefined && stream !== null && typeof stream !== 'boolean') throw invalid('stream must be true or false')
  const streamOptions = json['stream_options']
  return {
    model,
    question: lastQuestion(messages),
    maxTokens: readLimit(json['max_completion_tokens'] ?? json['max_tokens']),
    stream: stream === true,
    includeUsage: isRecord(streamOptions) && streamOptions['include_usage'] === true,
    promptTokens: Math.ceil(body.byteLength / 4),
  }
}

/** Splits the answer into tokens of one word each, at most `limit`; `cut` tells that there would have been more. */
export function answerTokens(
  provider: string,
  question: string,
  limit: number,
): { readonly tokens: readonly string[]; readonly cut: boolean } {
  const text = `${provider} heard: ${question}`
  const all = text.match(/\s*\S+/g) ?? []
  return { tokens: all.slice(0, limit), cut: all.length > limit }
}

/** Speaks tokens with a pause before the first and between the others. */
export async function* speak(
  tokens: readonly string[],
  timing: { readonly latencyMs: number; readonly tokenDelayMs: number },
  clock: Clock,
): AsyncGenerator<string> {
  for (const [at, token] of tokens.entries()) {
    const pause = at === 0 ? timing.latencyMs : timing.tokenDelayMs
    if (pause > 0) await clock.sleep(pause)
    yield token
  }
}

function lastQuestion(messages: readonly unknown[]): string {
  const last = messages.findLast((message) => isRecord(message) && message['role'] === 'user')
  const content = isRecord(last) ? last['content'] : undefined
  if (typeof content === 'string') return content
  if (!Array.isArray(content)) throw invalid('there must be a message of role user with text content')
  return content.flatMap((part: unknown) => (isRecord(part) && typeof part['text'] === 'string' ? [part['text']] : [])).join(' ')
}

function readLimit(value: unknown): number | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value === 'number' && Number.isSafeInteger(value) && value > 0) return value
  throw invalid('max_tokens must be a positive integer')
}

function invalid(message: string): RouteplaneError {
  return new RouteplaneError('invalid_request', message)
}
