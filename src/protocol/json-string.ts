/** Decodes the inside of a JSON string that arrives in pieces, cut anywhere, escapes and surrogate pairs included. */

export type JsonStringReader = {
  /**
   * Reads on from `at`, which is inside the string.
   *
   * @returns the decoded text that is certain, and where the string closed (the index after its quote), if it did.
   */
  push(raw: string, at: number): { readonly text: string; readonly closedAt?: number }
  /** Gives what was held back when the text ends inside the string: half an escape is given as it was written. */
  end(): string
  /** Whether everything so far was legal JSON; a mistake is passed on as it was written, never mended. */
  isLegal(): boolean
}

const QUOTE = 0x22
const BACKSLASH = 0x5c

const simpleEscapes: ReadonlyMap<string, string> = new Map([
  ['"', '"'],
  ['\\', '\\'],
  ['/', '/'],
  ['b', '\b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
])

/** @see https://www.rfc-editor.org/rfc/rfc8259#section-7 */
export function createJsonStringReader(): JsonStringReader {
  /** An escape that has begun, backslash included. */
  let escape = ''
  /** A high surrogate whose other half has not come: a delta never ends inside a character. */
  let half = ''
  let legal = true

  const release = (decoded: string): string => {
    const text = half + decoded
    half = /[\uD800-\uDBFF]$/.test(text) ? text.slice(-1) : ''
    return half === '' ? text : text.slice(0, -1)
  }
  const finishEscape = (): string | undefined => {
    const decoded = decodeEscape(escape)
    if (decoded === undefined) return undefined
    if (decoded === escape) legal = false
    escape = ''
    return decoded
  }
  return {
    push(raw, from) {
      let decoded = ''
      let at = from
      while (at < raw.length) {
        if (escape !== '') {
          escape += raw.charAt(at++)
          decoded += finishEscape() ?? ''
          continue
        }
        const end = endOfPlain(raw, at)
        if (end > at && hasControl(raw, at, end)) legal = false
        decoded += raw.slice(at, end)
        at = end + 1
        if (raw.charCodeAt(end) === QUOTE) return { text: release(decoded) + takeHalf(), closedAt: at }
        if (raw.charCodeAt(end) === BACKSLASH) escape = '\\'
      }
      return { text: release(decoded) }
    },
    end() {
      const rest = takeHalf() + escape
      escape = ''
      legal = false
      return rest
    },
    isLegal: () => legal,
  }

  function takeHalf(): string {
    const rest = half
    half = ''
    return rest
  }
}

/** @returns the character; the escape itself when there is no such escape; `undefined` while it is incomplete. */
function decodeEscape(escape: string): string | undefined {
  if (escape.length < 2) return undefined
  if (escape.charAt(1) !== 'u') return simpleEscapes.get(escape.charAt(1)) ?? escape
  if (!/^\\u[0-9A-Fa-f]*$/.test(escape)) return escape
  return escape.length < 6 ? undefined : String.fromCharCode(Number.parseInt(escape.slice(2), 16))
}

/** Index of the next quote or backslash, or the end. */
function endOfPlain(raw: string, from: number): number {
  for (let at = from; at < raw.length; at++) {
    const code = raw.charCodeAt(at)
    if (code === QUOTE || code === BACKSLASH) return at
  }
  return raw.length
}

function hasControl(raw: string, from: number, to: number): boolean {
  for (let at = from; at < to; at++) if (raw.charCodeAt(at) < 0x20) return true
  return false
}
