/** Finish reasons of this wire and its kin, in both directions. */
import type { FinishReason } from '../../completion/part.ts'

/** OpenAI's five, and what compatible servers say instead. Lower case. */
const reasons: ReadonlyMap<string, FinishReason> = new Map<string, FinishReason>([
  ['stop', 'stop'],
  ['eos', 'stop'],
  ['eos_token', 'stop'],
  ['end_turn', 'stop'],
  ['complete', 'stop'],
  ['completed', 'stop'],
  ['stop_sequence', 'stop_sequence'],
  ['length', 'length'],
  ['max_tokens', 'length'],
  ['model_length', 'context_window'],
  ['model_context_window_exceeded', 'context_window'],
  ['tool_calls', 'tool_calls'],
  ['tool_use', 'tool_calls'],
  ['function_call', 'tool_calls'],
  ['content_filter', 'content_filter'],
  ['safety', 'content_filter'],
  ['recitation', 'content_filter'],
  ['prohibited_content', 'content_filter'],
  ['sensitive', 'content_filter'],
  ['refusal', 'refusal'],
  ['malformed_function_call', 'malformed_tool_call'],
  ['error', 'error'],
  ['abort', 'error'],
  ['network_error', 'error'],
  ['insufficient_system_resource', 'error'],
])

/** What an answer held, which some vendors' reasons contradict. */
export type Shape = { readonly hasCalls: boolean; readonly hasBrokenCall: boolean; readonly hasRefusal: boolean }

/**
 * Reads why a candidate ended. Calls make an ordinary stop `tool_calls`, a refusal makes it `refusal`; a call whose arguments do
 * not parse is `malformed_tool_call` unless the answer was cut short. `native` is what a gateway says its upstream said.
 */
export function decodeFinish(raw: string | undefined, native: string | undefined, shape: Shape): FinishReason {
  const known = reasons.get(raw?.toLowerCase() ?? '')
  const truth = reasons.get(native?.toLowerCase() ?? '')
  if (known === 'error' || truth === 'error') return 'error'
  if (truth === 'malformed_tool_call') return truth
  const ordinary = known === undefined || known === 'stop' || known === 'tool_calls'
  if (!ordinary) return known
  if (shape.hasBrokenCall) return 'malformed_tool_call'
  if (shape.hasCalls) return 'tool_calls'
  if (shape.hasRefusal) return 'refusal'
  return known ?? 'other'
}

/** Tells an absent reason from a given one; the empty string is how some servers write `null`. */
export function readReason(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' && value !== 'null' ? value : undefined
}

/** @returns `undefined` for the reasons that this wire shows as an error. */
export function encodeFinish(
  reason: FinishReason,
  hasRefusalText: boolean,
): 'stop' | 'length' | 'tool_calls' | 'content_filter' | undefined {
  switch (reason) {
    case 'stop':
    case 'stop_sequence':
    case 'pause':
    case 'other':
      return 'stop'
    case 'length':
    case 'context_window':
      return 'length'
    case 'tool_calls':
      return 'tool_calls'
    case 'content_filter':
      return 'content_filter'
    case 'refusal':
      return hasRefusalText ? 'stop' : 'content_filter'
    case 'malformed_tool_call':
    case 'error':
      return undefined
  }
}
