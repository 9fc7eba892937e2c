/** Probabilities of tokens: this wire keeps what was chosen and what stood beside it in two lists. */
import { isRecord } from '../../lib/json.ts'

type Json = Readonly<Record<string, unknown>>

function recordsOf(value: unknown): readonly Json[] {
  return Array.isArray(value) ? value.filter(isRecord) : []
}

/**
 * Reads `logprobsResult` as the one list of tokens that Chat Completions has.
 *
 * @returns `undefined` when nothing was chosen.
 * @see https://ai.google.dev/api/generate-content#LogprobsResult
 */
export function decodeLogprobs(result: unknown): Json | undefined {
  if (!isRecord(result)) return undefined
  const chosen = recordsOf(result['chosenCandidates'])
  if (chosen.length === 0) return undefined
  const top = recordsOf(result['topCandidates'])
  const content = chosen.map((candidate, index) => ({
    ...tokenOf(candidate),
    top_logprobs: recordsOf(top[index]?.['candidates']).map(tokenOf),
  }))
  return { content, refusal: null }
}

function tokenOf({ token, logProbability }: Json): Json {
  return { token: typeof token === 'string' ? token : '', logprob: typeof logProbability === 'number' ? logProbability : 0, bytes: null }
}

/** Writes lists of tokens, in the form of Chat Completions, as one result; `undefined` when there is none. */
export function encodeLogprobs(raws: readonly unknown[]): Json | undefined {
  const tokens = raws.flatMap((raw) => (isRecord(raw) ? recordsOf(raw['content']) : []))
  if (tokens.length === 0) return undefined
  return {
    chosenCandidates: tokens.map(candidateOf),
    topCandidates: tokens.map((token) => ({ candidates: recordsOf(token['top_logprobs']).map(candidateOf) })),
  }
}

function candidateOf({ token, logprob }: Json): Json {
  return { token, logProbability: logprob }
}
