/** Streams the value of one member out of a JSON object that arrives in pieces: `{"input": …}` gives what is inside. */
import { isRecord, tryParseJson } from '../lib/json.ts'
import { createJsonStringReader } from './json-string.ts'

export type MemberReader = {
  /** @returns the part of the value that is certain by now. */
  push(raw: string): string
  /**
   * Says that no more comes.
   *
   * @returns the rest; `intact` is false when the text was not the object it should be. Then what could not be unwrapped
   *   has been given as it was written, so that nothing is lost.
   */
  end(): { readonly text: string; readonly intact: boolean }
}

/** `string`: the member is a string and its characters are given; `json`: any value, given as its JSON text. */
export type MemberForm = 'string' | 'json'

type Phase = 'head' | 'value' | 'tail' | 'whole' | 'plain'

/**
 * Creates a reader of a member that is alone in its object, or first. An object that has others before it is read at its
 * end; a text that does not begin as an object is passed on as it is.
 */
export function createMemberReader(member: string, form: MemberForm): MemberReader {
  const head = createHeadReader(member)
  const value = form === 'string' ? createStringValue() : createJsonValue()
  let phase: Phase = 'head'
  let raw = ''
  let tail = ''

  const take = (piece: string, from: number): string => {
    const step = value.push(piece, from)
    if (step.mismatch === true) {
      phase = 'whole'
      raw += piece
      return ''
    }
    // From its first character on the value is on its way out, and what came before it is done with.
    if (value.hasBegun()) raw = ''
    else raw += piece
    if (step.closedAt === undefined) return step.text
    phase = 'tail'
    tail = piece.slice(step.closedAt)
    return step.text
  }
  return {
    push(piece) {
      if (phase === 'plain') return piece
      if (phase === 'value') return take(piece, 0)
      if (phase === 'tail') tail = (tail + piece).slice(0, MAX_TAIL)
      if (phase === 'whole') raw += piece
      if (phase !== 'head') return ''
      const step = head.push(piece)
      if (step.found === 'plain') {
        phase = 'plain'
        return raw + piece
      }
      if (step.found === 'value') {
        phase = 'value'
        return take(piece, step.at)
      }
      if (step.found === 'other') phase = 'whole'
      raw += piece
      return ''
    },
    end() {
      if (phase === 'tail') return { text: '', intact: value.isLegal() && /^\s*\}\s*$/.test(tail) }
      if (phase === 'plain') return { text: '', intact: false }
      if (phase === 'value' && value.hasBegun()) return { text: value.end(), intact: false }
      return wholeMember(raw, member, form)
    },
  }
}

/** All that may follow is a brace; more than this is only needed to see that it is something else. */
const MAX_TAIL = 64

/** Reads the member of a complete object, or gives the text back. */
function wholeMember(raw: string, member: string, form: MemberForm): { readonly text: string; readonly intact: boolean } {
  const parsed = tryParseJson(raw)
  if (!isRecord(parsed) || !Object.hasOwn(parsed, member)) return { text: raw, intact: raw === '' }
  const found = parsed[member]
  if (form === 'json') return { text: JSON.stringify(found), intact: Object.keys(parsed).length === 1 }
  return typeof found === 'string' ? { text: found, intact: Object.keys(parsed).length === 1 } : { text: raw, intact: false }
}

type HeadStep = { readonly found: 'more' | 'plain' | 'other' } | { readonly found: 'value'; readonly at: number }

/** Walks `{ "member" :` with any white space between; `plain` means that it does not even begin with a brace. */
function createHeadReader(member: string): { push(piece: string): HeadStep } {
  const tokens = ['{', JSON.stringify(member), ':']
  let token = 0
  let inToken = 0
  return {
    push(piece) {
      for (let at = 0; at < piece.length; at++) {
        const wanted = tokens[token] ?? ''
        const char = piece.charAt(at)
        if (inToken === 0 && isSpace(char)) continue
        if (char !== wanted.charAt(inToken)) return { found: token === 0 ? 'plain' : 'other' }
        inToken++
        if (inToken < wanted.length) continue
        inToken = 0
        token++
        if (token === tokens.length) return { found: 'value', at: at + 1 }
      }
      return { found: 'more' }
    },
  }
}

type ValueStep = { readonly text: string; readonly closedAt?: number; readonly mismatch?: true }
type ValueReader = {
  push(piece: string, from: number): ValueStep
  end(): string
  hasBegun(): boolean
  isLegal(): boolean
}

function createStringValue(): ValueReader {
  const inside = createJsonStringReader()
  let begun = false
  return {
    push(piece, from) {
      if (begun) return inside.push(piece, from)
      let at = from
      while (at < piece.length && isSpace(piece.charAt(at))) at++
      if (at === piece.length) return { text: '' }
      if (piece.charAt(at) !== '"') return { text: '', mismatch: true }
      begun = true
      return inside.push(piece, at + 1)
    },
    end: () => inside.end(),
    hasBegun: () => begun,
    isLegal: () => inside.isLegal(),
  }
}

/** Follows nesting and strings only as far as it must to see where the value ends. */
function createJsonValue(): ValueReader {
  let depth = 0
  let inString = false
  let isEscaped = false
  let begun = false
  /** White space that belongs to the value only if more of it follows. */
  let space = ''
  const track = (char: string): void => {
    if (isEscaped) isEscaped = false
    else if (char === '\\') isEscaped = inString
    else if (char === '"') inString = !inString
    else if (!inString && (char === '{' || char === '[')) depth++
    else if (!inString && (char === '}' || char === ']')) depth--
  }
  return {
    push(piece, from) {
      let text = ''
      for (let at = from; at < piece.length; at++) {
        const char = piece.charAt(at)
        const isOutside = depth === 0 && !inString
        if (isOutside && begun && (char === '}' || char === ',')) return { text, closedAt: at }
        if (isOutside && isSpace(char)) {
          if (begun) space += char
          continue
        }
        track(char)
        text += space + char
        space = ''
        begun = true
      }
      return { text }
    },
    end: () => '',
    hasBegun: () => begun,
    isLegal: () => true,
  }
}

function isSpace(char: string): boolean {
  return char === ' ' || char === '\n' || char === '\r' || char === '\t'
}
