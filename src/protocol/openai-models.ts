/** What a model takes on OpenAI's wires, read off its name: the vendor's own refuse fields that compatible servers need. */

export type OpenAiTraits = {
  /** The vendor's own model, whose server refuses fields it does not know; a compatible one may take many more. */
  readonly own: boolean
  /** Thinks before it answers, and takes no other temperature than its own. */
  readonly reasons: boolean
  /** Takes `stop`; the others are cut off by us. */
  readonly stops: boolean
  /** Takes tools whose input is free text, and choices among several tools. */
  readonly customTools: boolean
  /** Takes marks that say where a cached prefix ends. */
  readonly cacheMarks: boolean
  /** Searches the web by itself when a request says so. */
  readonly searches: boolean
}

/**
 * Reads the traits of a name as an endpoint knows it, with or without its maker.
 *
 * @see https://platform.openai.com/docs/guides/reasoning, prompt-caching and tools-web-search
 */
export function openAiTraits(model: string): OpenAiTraits {
  const name = (model.split('/').at(-1) ?? '').toLowerCase()
  const [, major = '0', minor = '0'] = /^gpt-(\d{1,2})(?:\.(\d{1,2}))?/.exec(name) ?? []
  const isReasoner = /^o\d/.test(name)
  const isGpt5 = Number(major) >= 5
  return {
    own: isReasoner || /^(?:gpt-\d|chatgpt-|codex-)/.test(name),
    reasons: isReasoner || (isGpt5 && !name.includes('chat')),
    stops: !/^o[34]/.test(name),
    customTools: isGpt5,
    cacheMarks: Number(major) > 5 || (Number(major) === 5 && Number(minor) >= 6),
    searches: /-search-(?:preview|api)/.test(name),
  }
}
