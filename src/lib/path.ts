/** Where something stands inside a document. */

/** Keys and indices from the top: `['providers', 'acme', 'models', 0]`. */
export type Path = readonly (string | number)[]

/** Writes a path the way people read JSON: `messages[0].tool_calls[1].function.name`; empty for the document as a whole. */
export function formatPath(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, step) => {
    if (typeof step === 'number') return `${text}[${step}]`
    return text === '' ? String(step) : `${text}.${String(step)}`
  }, '')
}
