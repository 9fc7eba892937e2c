/** What a Gemini model takes, read off its name; unknown names count as newest, because names like `latest` move on. */

export type ModelTraits = {
  /** 2 for all before the third, and for a name that is no Gemini's. */
  readonly generation: number
  /** How thinking is set: by level, by budget, or not at all. */
  readonly thinking: ThinkingRange | 'level' | 'none'
  /** Calls without a thought signature are refused. */
  readonly needsSignatures: boolean
  /** Function results may hold media of their own. */
  readonly takesResultMedia: boolean
  /** Functions may stand beside hosted tools and beside JSON output. */
  readonly mixesTools: boolean
}

/** Tokens. `min` is what thinking cannot go below: 0 where it can be turned off. */
export type ThinkingRange = { readonly min: number; readonly max: number }

const older = { generation: 2, needsSignatures: false, takesResultMedia: false, mixesTools: false } as const

/**
 * Tells what a model takes.
 *
 * @param model - As the endpoint knows it, with or without a path before the name.
 * @see https://ai.google.dev/gemini-api/docs/thinking
 * @see https://ai.google.dev/gemini-api/docs/gemini-3
 */
export function traitsOf(model: string): ModelTraits {
  const name = (model.split('/').at(-1) ?? '').toLowerCase()
  if (!name.startsWith('gemini')) return { ...older, thinking: 'none' }
  const [, major = '3', minor = '0'] = /^gemini-(\d+)(?:\.(\d+))?(?!\d)/.exec(name) ?? []
  const generation = Number(major)
  if (generation >= 3) return { generation, thinking: 'level', needsSignatures: true, takesResultMedia: true, mixesTools: true }
  if (generation < 2 || Number(minor) < 5) return { ...older, thinking: 'none' }
  return { ...older, thinking: rangeOf(name) }
}

function rangeOf(name: string): ThinkingRange {
  if (name.includes('pro')) return { min: 128, max: 32_768 }
  return { min: 0, max: 24_576 }
}
