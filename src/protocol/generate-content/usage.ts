/** Token counts on this wire: thoughts stand beside the answer's tokens, what was cached within the prompt's. */
import type { Usage } from '../../completion/usage.ts'
import { defined } from '../../lib/defined.ts'
import { isRecord } from '../../lib/json.ts'

/** No context or answer is this long: a count above it is a lie or an error, and is treated as unknown. */
const IMPLAUSIBLE_TOKENS = 1_000_000_000

/**
 * Reads `usageMetadata`; counts that are negative, fractional or absurd are unknown, never zero.
 *
 * Input is the prompt, tool results that the vendor added included; output is the candidates' tokens and the thoughts.
 * An answer that was all thought, or none, has no `candidatesTokenCount`: the total tells it then. Where prompt and candidates
 * alone are the total, a compatible server has counted the thoughts among the candidates.
 *
 * @returns `undefined` when the object counts nothing at all.
 * @see https://ai.google.dev/api/generate-content#UsageMetadata
 */
export function decodeUsage(raw: unknown): Usage | undefined {
  if (!isRecord(raw)) return undefined
  const prompt = readCount(raw['promptTokenCount'])
  const thoughts = readCount(raw['thoughtsTokenCount'])
  const toolPrompt = readCount(raw['toolUsePromptTokenCount'])
  const inputTokens = sum(prompt, toolPrompt)
  const candidates = readCount(raw['candidatesTokenCount'])
  const total = readCount(raw['totalTokenCount'])
  const hasThoughts = candidates !== undefined && sum(inputTokens, candidates) === total
  const outputTokens = candidates === undefined ? rest(total, inputTokens) : hasThoughts ? candidates : sum(candidates, thoughts)
  if (inputTokens === undefined && outputTokens === undefined) return undefined
  return {
    inputTokens,
    outputTokens,
    ...defined({ cacheReadTokens: readCount(raw['cachedContentTokenCount']), reasoningTokens: thoughts }),
    origin: 'provider',
    raw,
  }
}

/** A count that is not there adds nothing to one that is. */
function sum(base: number | undefined, more: number | undefined): number | undefined {
  if (base === undefined || more === undefined) return base
  return base + more
}

function rest(total: number | undefined, part: number | undefined): number | undefined {
  return total === undefined || part === undefined || total < part ? undefined : total - part
}

/** Protobuf's JSON form writes 64-bit counts as strings. */
function readCount(value: unknown): number | undefined {
  const count = typeof value === 'string' && /^\d{1,10}$/.test(value) ? Number(value) : value
  return typeof count === 'number' && Number.isInteger(count) && count >= 0 && count <= IMPLAUSIBLE_TOKENS ? count : undefined
}

/** Writes counts for a caller; what is unknown is left out, which this wire allows. */
export function encodeUsage(usage: Usage | undefined): Readonly<Record<string, number>> | undefined {
  if (usage === undefined) return undefined
  const { inputTokens, outputTokens, reasoningTokens, cacheReadTokens } = usage
  const hasTotal = inputTokens !== undefined && outputTokens !== undefined
  const counts = defined({
    promptTokenCount: inputTokens,
    candidatesTokenCount: withoutThoughts(outputTokens, reasoningTokens),
    thoughtsTokenCount: reasoningTokens,
    cachedContentTokenCount: cacheReadTokens,
    totalTokenCount: hasTotal ? inputTokens + outputTokens : undefined,
  })
  return Object.keys(counts).length === 0 ? undefined : counts
}

/** A provider that counts more thoughts than output has counted them apart from it. */
function withoutThoughts(output: number | undefined, thoughts: number | undefined): number | undefined {
  if (output === undefined || thoughts === undefined) return output
  return thoughts > output ? output : output - thoughts
}
