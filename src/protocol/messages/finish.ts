/** Stop reasons of this wire, in both directions. */
import type { FinishReason } from '../../completion/part.ts'

/** @see https://docs.anthropic.com/en/api/handling-stop-reasons; `error` is what some compatible servers say. */
const reasons: ReadonlyMap<string, FinishReason> = new Map<string, FinishReason>([
  ['end_turn', 'stop'],
  ['stop_sequence', 'stop_sequence'],
  ['max_tokens', 'length'],
  ['model_context_window_exceeded', 'context_window'],
  ['tool_use', 'tool_calls'],
  ['refusal', 'refusal'],
  ['pause_turn', 'pause'],
  ['compaction', 'pause'],
  ['error', 'error'],
])

/** What an answer held, which some servers' reasons contradict. */
export type Shape = { readonly hasCalls: boolean; readonly hasBrokenCall: boolean }

/** Reads why an answer ended; a call whose input does not parse is `malformed_tool_call` unless the answer was cut short. */
export function decodeFinish(raw: string | undefined, { hasCalls, hasBrokenCall }: Shape): FinishReason {
  const known = reasons.get(raw?.toLowerCase() ?? '')
  const ordinary = known === undefined || known === 'stop' || known === 'tool_calls'
  if (!ordinary) return known
  if (hasBrokenCall) return 'malformed_tool_call'
  if (hasCalls) return 'tool_calls'
  return known === 'tool_calls' ? 'stop' : (known ?? 'other')
}

/** The empty string is how some servers write `null`. */
export function readReason(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' && value !== 'null' ? value : undefined
}

export type StopReason =
  | 'end_turn'
  | 'stop_sequence'
  | 'max_tokens'
  | 'model_context_window_exceeded'
  | 'tool_use'
  | 'refusal'
  | 'pause_turn'

/** @returns `undefined` for the reasons that this wire shows as an error. */
export function encodeFinish(reason: FinishReason): StopReason | undefined {
  switch (reason) {
    case 'stop':
    case 'other':
      return 'end_turn'
    case 'stop_sequence':
      return 'stop_sequence'
    case 'length':
      return 'max_tokens'
    case 'context_window':
      return 'model_context_window_exceeded'
    case 'tool_calls':
      return 'tool_use'
    case 'content_filter':
    case 'refusal':
      return 'refusal'
    case 'pause':
      return 'pause_turn'
    case 'malformed_tool_call':
    case 'error':
      return undefined
  }
}
