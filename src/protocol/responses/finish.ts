/** How an answer ends on this wire: a status and sometimes a reason, in both directions. */
import type { FinishReason } from '../../completion/part.ts'

/** What an answer held: this wire's `completed` does not say. */
export type Shape = { readonly hasCalls: boolean; readonly hasBrokenCall: boolean; readonly hasRefusal: boolean }

/** @see https://platform.openai.com/docs/api-reference/responses/object, `status` and `incomplete_details` */
export function decodeFinish(status: string, reason: string | undefined, shape: Shape): FinishReason {
  if (status === 'failed' || status === 'cancelled') return 'error'
  if (status === 'incomplete') {
    if (reason === 'max_output_tokens' || reason === 'max_tokens') return 'length'
    return reason === 'content_filter' ? 'content_filter' : 'other'
  }
  if (status !== 'completed') return 'other'
  if (shape.hasBrokenCall) return 'malformed_tool_call'
  if (shape.hasCalls) return 'tool_calls'
  return shape.hasRefusal ? 'refusal' : 'stop'
}

export type Ending =
  | { readonly status: 'completed' }
  | { readonly status: 'incomplete'; readonly reason: 'max_output_tokens' | 'content_filter' }
  | { readonly status: 'failed' }

export function encodeFinish(reason: FinishReason): Ending {
  switch (reason) {
    case 'stop':
    case 'stop_sequence':
    case 'tool_calls':
    case 'refusal':
    case 'pause':
    case 'other':
      return { status: 'completed' }
    case 'length':
    case 'context_window':
      return { status: 'incomplete', reason: 'max_output_tokens' }
    case 'content_filter':
      return { status: 'incomplete', reason: 'content_filter' }
    case 'malformed_tool_call':
    case 'error':
      return { status: 'failed' }
  }
}
