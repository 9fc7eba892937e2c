/** Reads the JSON of one event, also when a server has run several documents together. */
import { endOfString, tryParseJson } from '../../lib/json.ts'

/** @returns the documents in order, `undefined` when any of the text is no JSON. */
export function splitJson(text: string): readonly unknown[] | undefined {
  const whole = tryParseJson(text)
  if (whole !== undefined) return [whole]
  const documents: unknown[] = []
  let from = 0
  while (from < text.length) {
    const to = endOfObject(text, from)
    const value = to === undefined ? undefined : tryParseJson(text.slice(from, to))
    if (to === undefined || value === undefined) return undefined
    documents.push(value)
    from = to
    while (/\s/.test(text[from] ?? '')) from++
  }
  return documents.length === 0 ? undefined : documents
}

/** Index after the object that begins at `from`. */
function endOfObject(text: string, from: number): number | undefined {
  if (text[from] !== '{') return undefined
  let depth = 0
  for (let at = from; at < text.length; at++) {
    const character = text[at]
    if (character === '"') at = endOfString(text, at)
    else if (character === '{') depth++
    else if (character === '}' && --depth === 0) return at + 1
  }
  return undefined
}
