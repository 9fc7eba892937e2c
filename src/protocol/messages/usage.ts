/** Token counts on this wire: what a cache gave or took stands beside the input here, and inside it everywhere else. */
import type { Usage } from '../../completion/usage.ts'
import { defined } from '../../lib/defined.ts'
import { isRecord } from '../../lib/json.ts'

type Json = Readonly<Record<string, unknown>>

/** No context or answer is this long: a count above it is a lie or an error, and is treated as unknown. */
const IMPLAUSIBLE_TOKENS = 1_000_000_000

const inputFields = ['input_tokens', 'cache_creation_input_tokens', 'cache_read_input_tokens'] as const

/**
 * Joins the counts of a stream's beginning with those that came later. Later ones are totals and win, but an input of nothing
 * does not undo one that was counted: some servers repeat the fields without the figures.
 */
export function joinUsage(before: unknown, after: unknown): Json | undefined {
  if (!isRecord(after)) return isRecord(before) ? before : undefined
  if (!isRecord(before)) return after
  const news = Object.entries(after).filter(([, value]) => value !== null && value !== undefined)
  const isCounted = inputFields.some((field) => typeof after[field] === 'number' && after[field] > 0)
  const kept = isCounted ? news : news.filter(([name]) => !inputFields.some((field) => field === name && isPositive(before[field])))
  return { ...before, ...Object.fromEntries(kept) }
}

function isPositive(value: unknown): boolean {
  return typeof value === 'number' && value > 0
}

/**
 * Reads a `usage` object into inclusive totals; counts that are negative, fractional or absurd are unknown, never zero. Where
 * the vendor lists the iterations of an answer, they are what is billed: the top level leaves some of them out.
 *
 * @returns `undefined` when the object counts nothing at all.
 * @see https://docs.anthropic.com/en/api/messages#response-usage
 */
export function decodeUsage(raw: unknown): Usage | undefined {
  if (!isRecord(raw)) return undefined
  const rounds = Array.isArray(raw['iterations']) ? raw['iterations'].filter(isRecord) : []
  const counted = rounds.length === 0 ? [raw] : rounds
  const inputTokens = allOf(counted.map(inclusiveInput))
  const outputTokens = allOf(counted.map((each) => readCount(each['output_tokens'])))
  if (inputTokens === undefined && outputTokens === undefined) return undefined
  const details = isRecord(raw['output_tokens_details']) ? raw['output_tokens_details'] : {}
  return {
    inputTokens,
    outputTokens,
    ...defined({
      cacheReadTokens: sumOf(counted.map((each) => readCount(each['cache_read_input_tokens']))),
      cacheWriteTokens: sumOf(counted.map(writtenTokens)),
      cacheWrite1hTokens: sumOf(counted.map((each) => lifetimes(each).long)),
      reasoningTokens: readCount(details['thinking_tokens']),
    }),
    origin: 'provider',
    raw,
  }
}

function inclusiveInput(each: Json): number | undefined {
  const fresh = readCount(each['input_tokens'])
  return fresh === undefined ? undefined : sumOf([fresh, readCount(each['cache_read_input_tokens']), writtenTokens(each)])
}

/** The total, or what its lifetimes add up to when a server gives only those. */
function writtenTokens(each: Json): number | undefined {
  const { short, long } = lifetimes(each)
  return readCount(each['cache_creation_input_tokens']) ?? sumOf([short, long])
}

function lifetimes(each: Json): { readonly short: number | undefined; readonly long: number | undefined } {
  const given = isRecord(each['cache_creation']) ? each['cache_creation'] : {}
  return { short: readCount(given['ephemeral_5m_input_tokens']), long: readCount(given['ephemeral_1h_input_tokens']) }
}

/** Adds what is known; `undefined` when nothing is. */
function sumOf(counts: readonly (number | undefined)[]): number | undefined {
  const known = counts.filter((count) => count !== undefined)
  return known.length === 0 ? undefined : known.reduce((sum, count) => sum + count, 0)
}

/** Adds only if all are known. */
function allOf(counts: readonly (number | undefined)[]): number | undefined {
  return counts.includes(undefined) ? undefined : sumOf(counts)
}

function readCount(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= IMPLAUSIBLE_TOKENS ? value : undefined
}

/** What stands in for counts that nobody gave: the wire's types take no gaps. */
export type Estimate = { readonly inputTokens: number; readonly outputTokens: number }

/** Writes counts for a caller, the cache's taken out of the input again. */
export function encodeUsage(usage: Usage | undefined, estimate: Estimate): Json {
  const read = usage?.cacheReadTokens
  const written = usage?.cacheWriteTokens
  const total = usage?.inputTokens ?? estimate.inputTokens
  const cached = sumOf([read, written])
  const thinking = usage?.reasoningTokens
  return {
    input_tokens: cached === undefined ? total : Math.max(0, total - cached),
    cache_creation_input_tokens: written ?? null,
    cache_read_input_tokens: read ?? null,
    cache_creation: encodeLifetimes(written, usage?.cacheWrite1hTokens),
    output_tokens: usage?.outputTokens ?? estimate.outputTokens,
    ...(thinking === undefined ? {} : { output_tokens_details: { thinking_tokens: thinking } }),
    server_tool_use: null,
    service_tier: null,
  }
}

function encodeLifetimes(written: number | undefined, long: number | undefined): Json | null {
  if (written === undefined || long === undefined || long > written) return null
  return { ephemeral_5m_input_tokens: written - long, ephemeral_1h_input_tokens: long }
}
