/** Counts tokens from text when the upstream did not: marked as estimated, so that nobody takes it for the bill. */
import type { Needs } from '../completion/features.ts'
import type { Usage } from '../completion/usage.ts'
import type { TapReport } from '../protocol/protocol.ts'

/** English text averages about four characters a token in common tokenizers. */
const CHARACTERS_PER_TOKEN = 4

/** Gives the provider's own count, or ours when there is none. */
export function toUsage(report: TapReport, needs: Needs): Usage {
  const { usage } = report
  if (usage !== undefined && usage.inputTokens !== undefined && usage.outputTokens !== undefined) return usage
  return {
    ...usage,
    inputTokens: usage?.inputTokens ?? needs.expectedInputTokens,
    outputTokens: usage?.outputTokens ?? Math.ceil(report.deliveredCharacters / CHARACTERS_PER_TOKEN),
    origin: 'estimated',
  }
}
