/** Token counts on this wire: inclusive totals, with the spellings that vendors use for their details. */
import type { Usage } from '../../completion/usage.ts'
import { defined } from '../../lib/defined.ts'
import { isRecord } from '../../lib/json.ts'

/** No context or answer is this long: a count above it is a lie or an error, and is treated as unknown. */
const IMPLAUSIBLE_TOKENS = 1_000_000_000

/**
 * Reads a `usage` object; counts that are negative, fractional or absurd are unknown, never zero.
 *
 * `prompt_tokens` includes what was cached and `completion_tokens` what was thought. One vendor leaves the thoughts out of
 * the completion but not out of the total: where prompt + completion + reasoning is exactly the total, they are added.
 *
 * @returns `undefined` when the object counts nothing at all.
 * @see https://platform.openai.com/docs/api-reference/chat/object#chat/object-usage
 */
export function decodeUsage(raw: unknown): Usage | undefined {
  if (!isRecord(raw)) return undefined
  const prompt = isRecord(raw['prompt_tokens_details']) ? raw['prompt_tokens_details'] : {}
  const completion = isRecord(raw['completion_tokens_details']) ? raw['completion_tokens_details'] : {}
  const inputTokens = readCount(raw['prompt_tokens'])
  const reasoningTokens = readCount(completion['reasoning_tokens'])
  const outputTokens = withThoughts(readCount(raw['completion_tokens']), inputTokens, reasoningTokens, readCount(raw['total_tokens']))
  if (inputTokens === undefined && outputTokens === undefined) return undefined
  return {
    inputTokens,
    outputTokens,
    ...defined({
      cacheReadTokens: readCount(prompt['cached_tokens'] ?? raw['prompt_cache_hit_tokens'] ?? raw['cached_tokens']),
      cacheWriteTokens: readCount(prompt['cache_write_tokens']),
      reasoningTokens,
    }),
    origin: 'provider',
    raw,
  }
}

function withThoughts(
  output: number | undefined,
  input: number | undefined,
  thoughts: number | undefined,
  total: number | undefined,
): number | undefined {
  if (output === undefined || input === undefined || thoughts === undefined || thoughts === 0) return output
  return input + output + thoughts === total ? output + thoughts : output
}

function readCount(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= IMPLAUSIBLE_TOKENS ? value : undefined
}

/** Writes counts for a caller; `undefined` unless both totals are known, because the wire's types take no gaps. */
export function encodeUsage(usage: Usage | undefined): Readonly<Record<string, unknown>> | undefined {
  if (usage?.inputTokens === undefined || usage.outputTokens === undefined) return undefined
  const prompt = defined({ cached_tokens: usage.cacheReadTokens, cache_write_tokens: usage.cacheWriteTokens })
  const completion = defined({ reasoning_tokens: usage.reasoningTokens })
  return defined({
    prompt_tokens: usage.inputTokens,
    completion_tokens: usage.outputTokens,
    total_tokens: usage.inputTokens + usage.outputTokens,
    prompt_tokens_details: Object.keys(prompt).length === 0 ? undefined : prompt,
    completion_tokens_details: Object.keys(completion).length === 0 ? undefined : completion,
  })
}
