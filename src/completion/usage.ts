/** Token counts of one answer: inclusive totals, unknown as `undefined`, the upstream's own object kept. */

export type Usage = {
  /** All input tokens, those read from or written to a cache included. */
  readonly inputTokens: number | undefined
  /** All output tokens, reasoning included. */
  readonly outputTokens: number | undefined
  readonly cacheReadTokens?: number
  /** Written to a cache at any lifetime; `cacheWrite1hTokens` is the share with the long one. */
  readonly cacheWriteTokens?: number
  readonly cacheWrite1hTokens?: number
  readonly reasoningTokens?: number
  /** Who counted: the provider, or we from the text when it did not. */
  readonly origin: 'provider' | 'estimated'
  readonly raw?: unknown
}
