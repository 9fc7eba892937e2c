/** What a model of this wire takes, read off its name: the vendor's newer ones refuse what its older ones need. */

export type ModelTraits = {
  /** Thinks as much as it likes, told how hard by an effort; older models are given a budget. */
  readonly adaptive: boolean
  /** Takes `temperature`, `top_p` and `top_k` at other values than its own. */
  readonly sampling: boolean
  /** Goes on from a last message of the assistant's. */
  readonly prefill: boolean
  /** Takes messages of the system in the middle of a conversation. */
  readonly systemTurns: boolean
}

/** `claude-opus-4-5-20251101`, `claude-3-7-sonnet-latest`, `anthropic/claude-sonnet-4.6`: a date is no minor version. */
const version = /claude-(?:[a-z]+-)?(\d{1,2})(?:[.-](\d{1,2})(?!\d))?(?!\d)/i

/**
 * Reads the traits. A name that is not the vendor's belongs to a compatible server, which takes what the older models took.
 *
 * @see https://docs.anthropic.com/en/docs/build-with-claude/adaptive-thinking and prefill-claudes-response
 */
export function traitsOf(model: string): ModelTraits {
  const match = version.exec(model)
  const major = Number(match?.[1] ?? 0)
  const minor = Number(match?.[2] ?? 0)
  const isSince46 = major > 4 || (major === 4 && minor >= 6)
  const isAfter46 = major > 4 || (major === 4 && minor > 6)
  return { adaptive: isSince46, sampling: !isAfter46, prefill: !isSince46, systemTurns: isSince46 }
}
