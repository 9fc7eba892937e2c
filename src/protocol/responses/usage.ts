/** Token counts on this wire: inclusive totals, both details objects always there. */
import type { Usage } from '../../completion/usage.ts'
import { defined } from '../../lib/defined.ts'
import { isRecord } from '../../lib/json.ts'

/** No context or answer is this long: a count above it is a lie or an error, and is treated as unknown. */
const IMPLAUSIBLE_TOKENS = 1_000_000_000

/**
 * Reads a `usage` object; counts that are negative, fractional or absurd are unknown, never zero.
 *
 * @returns `undefined` when the object counts nothing at all.
 * @see https://platform.openai.com/docs/api-reference/responses/object, `usage`
 */
export function decodeUsage(raw: unknown): Usage | undefined {
  if (!isRecord(raw)) return undefined
  const input = isRecord(raw['input_tokens_details']) ? raw['input_tokens_details'] : {}
  const output = isRecord(raw['output_tokens_details']) ? raw['output_tokens_details'] : {}
  const inputTokens = readCount(raw['input_tokens'])
  const outputTokens = readCount(raw['output_tokens'])
  if (inputTokens === undefined && outputTokens === undefined) return undefined
  return {
    inputTokens,
    outputTokens,
    ...defined({
      cacheReadTokens: readCount(input['cached_tokens']),
      cacheWriteTokens: readCount(input['cache_write_tokens']),
      reasoningTokens: readCount(output['reasoning_tokens']),
    }),
    origin: 'provider',
    raw,
  }
}

function readCount(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= IMPLAUSIBLE_TOKENS ? value : undefined
}

/**
 * Writes counts for a caller; `null` unless both totals are known.
 *
 * The details are mandatory on this wire and in its clients' parsers: a bucket that nobody counted is shown as none of it,
 * because its tokens are within the total either way.
 */
export function encodeUsage(usage: Usage | undefined): Readonly<Record<string, unknown>> | null {
  if (usage?.inputTokens === undefined || usage.outputTokens === undefined) return null
  const { inputTokens, outputTokens, cacheReadTokens = 0, cacheWriteTokens, reasoningTokens = 0 } = usage
  return {
    input_tokens: inputTokens,
    input_tokens_details: { cached_tokens: cacheReadTokens, ...defined({ cache_write_tokens: cacheWriteTokens }) },
    output_tokens: outputTokens,
    output_tokens_details: { reasoning_tokens: reasoningTokens },
    total_tokens: inputTokens + outputTokens,
  }
}
