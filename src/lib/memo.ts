/** Remembers what was made of a text, for a bounded number of texts. */

/** Enough for every endpoint of a large catalog; beyond it everything is forgotten and learnt again. */
const MAX_TEXTS = 4096
/** Longer texts are one-off: they are not kept. */
const MAX_CHARACTERS = 2048

/** Gives `make` with a memory; what it throws is not remembered. Only for functions whose answer never changes. */
export function memoize<T>(make: (text: string) => T): (text: string) => T {
  const known = new Map<string, T>()
  return (text) => {
    const found = known.get(text)
    if (found !== undefined) return found
    const made = make(text)
    if (known.size >= MAX_TEXTS) known.clear()
    if (text.length <= MAX_CHARACTERS) known.set(text, made)
    return made
  }
}
