/** Parses JSON into `unknown`, with a bound on nesting that is checked before the parser runs; the only `JSON.parse`. */
import { RouteplaneError } from '../errors.ts'

/** Deep JSON parses but then overflows the stack of whoever walks it: 64 levels are far beyond any real request. */
export const MAX_JSON_DEPTH = 64

/** @throws {@link RouteplaneError} `invalid_json` or `nesting_too_deep`. */
export function parseJson(text: string, maxDepth: number = MAX_JSON_DEPTH): unknown {
  if (!isNestedWithin(text, maxDepth)) throw new RouteplaneError('nesting_too_deep', `JSON is nested deeper than ${maxDepth} levels`)
  return parseSurveyed(text)
}

/** Parses JSON whose depth has been found to be within bounds. @throws {@link RouteplaneError} `invalid_json`. */
export function parseSurveyed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch (cause) {
    throw new RouteplaneError('invalid_json', `the text is not valid JSON${placeIn((cause as Error).message)}`)
  }
}

/** The parser quotes the text around the fault, which may be a prompt or a key: only the place is passed on. */
function placeIn(message: string): string {
  const position = /at position (\d+)/.exec(message)?.[1]
  if (position !== undefined) return ` (at character ${position})`
  return message.includes('end of JSON input') ? ' (it ends too early)' : ''
}

/** Parses JSON that may be broken; `undefined` when it is. For upstream texts, where broken is an ordinary case. */
export function tryParseJson(text: string, maxDepth: number = MAX_JSON_DEPTH): unknown {
  try {
    return parseJson(text, maxDepth)
  } catch {
    return undefined
  }
}

/** Narrows to a plain object; arrays and null are not. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Tells whether a JSON text keeps within a depth, without parsing it; of a text that is not JSON it says nothing. */
export function isNestedWithin(text: string, maxDepth: number): boolean {
  let depth = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === 0x22) at = endOfString(text, at)
    else if (code === 0x7b || code === 0x5b) {
      if (++depth > maxDepth) return false
    } else if (code === 0x7d || code === 0x5d) depth--
  }
  return true
}

/** Index of the closing quote of the string that opens at `open`, or the text's end; a quote after an odd run of backslashes is inside. */
export function endOfString(text: string, open: number): number {
  for (let at = text.indexOf('"', open + 1); at !== -1; at = text.indexOf('"', at + 1)) {
    let slashes = 0
    while (text.charCodeAt(at - 1 - slashes) === 0x5c) slashes++
    if (slashes % 2 === 0) return at
  }
  return text.length
}
