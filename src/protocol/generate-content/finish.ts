/** Finish reasons of this wire, in both directions. */
import type { FinishReason } from '../../completion/part.ts'

/** @see https://ai.google.dev/api/generate-content#FinishReason */
const reasons: ReadonlyMap<string, FinishReason> = new Map<string, FinishReason>([
  ['STOP', 'stop'],
  ['MAX_TOKENS', 'length'],
  ['SAFETY', 'content_filter'],
  ['RECITATION', 'content_filter'],
  ['BLOCKLIST', 'content_filter'],
  ['PROHIBITED_CONTENT', 'content_filter'],
  ['SPII', 'content_filter'],
  ['MODEL_ARMOR', 'content_filter'],
  ['IMAGE_SAFETY', 'content_filter'],
  ['IMAGE_PROHIBITED_CONTENT', 'content_filter'],
  ['IMAGE_RECITATION', 'content_filter'],
  ['MALFORMED_FUNCTION_CALL', 'malformed_tool_call'],
  ['UNEXPECTED_TOOL_CALL', 'malformed_tool_call'],
  ['TOO_MANY_TOOL_CALLS', 'malformed_tool_call'],
  ['CONTINUATION', 'pause'],
  ['MALFORMED_RESPONSE', 'error'],
  ['LANGUAGE', 'other'],
  ['OTHER', 'other'],
  ['NO_IMAGE', 'other'],
  ['IMAGE_OTHER', 'other'],
])

/** What an answer held: this wire says `STOP` also when it stopped for its calls. */
export type Shape = { readonly hasCalls: boolean; readonly hasBrokenCall: boolean }

/** Reads why a candidate ended; a word that is not known is `other`. */
export function decodeFinish(raw: string | undefined, { hasCalls, hasBrokenCall }: Shape): FinishReason {
  const known = reasons.get(raw ?? '')
  if (known !== undefined && known !== 'stop') return known
  if (hasBrokenCall) return 'malformed_tool_call'
  if (hasCalls) return 'tool_calls'
  return known ?? 'other'
}

/** Tells an absent reason from a given one. */
export function readReason(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' && value !== 'FINISH_REASON_UNSPECIFIED' ? value : undefined
}

/**
 * Names the reason on this wire. `CONTINUATION` is never said: the official SDK would ask again on its own, and have the
 * text twice.
 *
 * @returns `undefined` for a reason that can only be shown as an error.
 */
export function encodeFinish(reason: FinishReason): string | undefined {
  switch (reason) {
    case 'stop':
    case 'stop_sequence':
    case 'tool_calls':
    case 'pause':
      return 'STOP'
    case 'length':
    case 'context_window':
      return 'MAX_TOKENS'
    case 'content_filter':
    case 'refusal':
      return 'SAFETY'
    case 'malformed_tool_call':
      return 'MALFORMED_FUNCTION_CALL'
    case 'other':
      return 'OTHER'
    case 'error':
      return undefined
  }
}
