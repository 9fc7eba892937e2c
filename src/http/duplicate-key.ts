/** Finds a member that a JSON object names twice: readers disagree on which one counts, and one of them pays. */
import { parseJson } from '../lib/json.ts'

/**
 * How deep objects are looked into. Everything that is priced or capped on any wire sits above this depth; deeper
 * ones are tool schemas and content, where a check would cost time on every large agent request.
 */
const MAX_DEPTH = 3

/** @param text - Valid JSON. @returns The repeated name, as it is after unescaping. */
export function findDuplicateKey(text: string): string | undefined {
  const keys: (Set<string> | undefined)[] = []
  let expectsKey = false
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === 0x22) {
      const end = endOfString(text, at)
      const own = expectsKey ? keys.at(-1) : undefined
      const key = own === undefined ? '' : keyAt(text, at, end)
      if (own?.has(key) === true) return key
      own?.add(key)
      expectsKey = false
      at = end
    } else if (code === 0x7b || code === 0x5b) {
      const isObject = code === 0x7b
      keys.push(isObject && keys.length < MAX_DEPTH ? new Set() : undefined)
      expectsKey = isObject
    } else if (code === 0x7d || code === 0x5d) {
      keys.pop()
      expectsKey = false
    } else if (code === 0x2c) expectsKey = keys.at(-1) !== undefined
  }
  return undefined
}

/** `"mod\u0065l"` is the same member as `"model"`, so an escaped key is compared as what it means. */
function keyAt(text: string, start: number, end: number): string {
  const raw = text.slice(start + 1, end)
  return raw.includes('\\') ? (parseJson(text.slice(start, end + 1)) as string) : raw
}

function endOfString(text: string, from: number): number {
  for (let at = text.indexOf('"', from + 1); at !== -1; at = text.indexOf('"', at + 1)) {
    let slashes = 0
    while (text.charCodeAt(at - 1 - slashes) === 0x5c) slashes++
    if (slashes % 2 === 0) return at
  }
  return text.length
}
