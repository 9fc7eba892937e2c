/** Finds stop sequences in text that arrives in pieces, holding back no more than could still become one. */

export type StopMatcher = {
  /** @returns the text that is certain, and the sequence when one is complete; nothing may be pushed after that. */
  push(text: string): { readonly text: string; readonly matched?: string }
  /** Gives what was held back once it is known that no more comes. */
  end(): string
}

type Automaton = { readonly stop: string; readonly fallback: readonly number[]; state: number }

/**
 * Creates a matcher. The sequence that is complete first wins, the longest when several end together; the text before it
 * is given and the sequence itself is not. How the text is split changes nothing. Empty sequences never match.
 *
 * Linear in the text: each sequence keeps one number, how much of it the text so far ends with (Knuth, Morris, Pratt).
 */
export function createStopMatcher(stops: readonly string[]): StopMatcher {
  const automata: Automaton[] = [...new Set(stops)]
    .filter((stop) => stop !== '')
    .toSorted((a, b) => b.length - a.length)
    .map((stop) => ({ stop, fallback: fallbacksOf(stop), state: 0 }))
  let held = ''
  return {
    push(text) {
      for (let at = 0; at < text.length; at++) {
        const found = step(automata, text.charCodeAt(at))
        if (found === undefined) continue
        const seen = held + text.slice(0, at + 1)
        held = ''
        return { text: seen.slice(0, seen.length - found.length), matched: found }
      }
      const seen = held + text
      const keep = automata.reduce((longest, { state }) => Math.max(longest, state), 0)
      held = seen.slice(seen.length - keep)
      return { text: seen.slice(0, seen.length - keep) }
    },
    end() {
      const rest = held
      held = ''
      return rest
    },
  }
}

/** Advances every automaton by one code unit; the first complete one is the longest, by their order. */
function step(automata: readonly Automaton[], code: number): string | undefined {
  let found: string | undefined
  for (const automaton of automata) {
    const { stop, fallback } = automaton
    let state = automaton.state
    while (state > 0 && stop.charCodeAt(state) !== code) state = fallback[state - 1] ?? 0
    if (stop.charCodeAt(state) === code) state++
    automaton.state = state
    if (state === stop.length) found ??= stop
  }
  return found
}

/** For each prefix of a sequence: the length of its longest proper prefix that is also its suffix. */
function fallbacksOf(stop: string): readonly number[] {
  const fallbacks = [0]
  let length = 0
  for (let at = 1; at < stop.length; at++) {
    while (length > 0 && stop.charCodeAt(length) !== stop.charCodeAt(at)) length = fallbacks[length - 1] ?? 0
    if (stop.charCodeAt(length) === stop.charCodeAt(at)) length++
    fallbacks.push(length)
  }
  return fallbacks
}
