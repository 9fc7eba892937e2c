/** One event of a streamed answer, and the opaque values that must come back to their issuer unchanged. */
import type { RouteplaneError } from '../errors.ts'
import type { Usage } from './usage.ts'
import type { WireId } from './request.ts'

/** A signature, an encrypted thought or the like: replayed only to the provider and family that issued it. */
export type SignatureCarrier = {
  readonly wire: WireId
  readonly provider?: string
  readonly modelFamily?: string
  readonly kind: 'signature' | 'redacted' | 'encrypted_content' | 'thought_signature' | 'reasoning_details'
  readonly value: string
  readonly itemId?: string
}

export type ReasoningForm = 'full' | 'summary' | 'omitted'

/**
 * The order: `start`, then for each block its `-start`, deltas and `-end` (blocks may interleave), `usage` any number of
 * times (cumulative, the last wins), then exactly one of `finish` or `error`. Nothing follows these two.
 */
export type CompletionPart =
  | { readonly type: 'start'; readonly id: string; readonly model: string; readonly createdSeconds?: number }
  | { readonly type: 'text-start'; readonly block: number; readonly candidate: number }
  | { readonly type: 'text-delta'; readonly block: number; readonly text: string }
  | { readonly type: 'text-end'; readonly block: number; readonly carriers?: readonly SignatureCarrier[] }
  | { readonly type: 'refusal-delta'; readonly candidate: number; readonly text: string }
  | { readonly type: 'reasoning-start'; readonly block: number; readonly candidate: number; readonly form: ReasoningForm }
  | { readonly type: 'reasoning-delta'; readonly block: number; readonly text: string }
  | { readonly type: 'reasoning-end'; readonly block: number; readonly carriers: readonly SignatureCarrier[] }
  | {
      readonly type: 'tool-input-start'
      readonly block: number
      readonly candidate: number
      readonly id: string
      readonly name: string
      readonly freeform: boolean
    }
  | { readonly type: 'tool-input-delta'; readonly block: number; readonly text: string }
  | { readonly type: 'tool-input-end'; readonly block: number; readonly carriers?: readonly SignatureCarrier[] }
  /** A citation, an image, a hosted tool's call or result, or anything else only some wires can show. */
  | { readonly type: 'extra'; readonly block: number; readonly candidate: number; readonly extra: Extra }
  | { readonly type: 'usage'; readonly usage: Usage }
  | { readonly type: 'finish'; readonly finishes: readonly Finish[]; readonly usage: Usage | undefined }
  | { readonly type: 'error'; readonly error: RouteplaneError }

export type Extra =
  | {
      readonly kind: 'citation'
      readonly url: string
      readonly title?: string
      readonly start?: number
      readonly end?: number
      readonly raw: unknown
    }
  | { readonly kind: 'image'; readonly mimeType: string; readonly base64: string }
  | { readonly kind: 'audio'; readonly mimeType: string; readonly base64: string; readonly transcript?: string }
  | { readonly kind: 'logprobs'; readonly raw: unknown }
  | { readonly kind: 'foreign'; readonly wire: WireId; readonly raw: unknown }

/**
 * The parts of an answer while they come, in order. Those that one read of its source has brought are one item, so that a stage
 * costs a turn of the event loop's queue for each read and not for each part. No item is empty.
 */
export type PartStream = AsyncIterable<readonly CompletionPart[]>

/** How one candidate ended. `raw` is the wire's own word, kept because the map is lossy. */
export type Finish = {
  readonly candidate: number
  readonly reason: FinishReason
  readonly raw?: string
  readonly stopSequence?: string
}

export type FinishReason =
  | 'stop'
  | 'stop_sequence'
  | 'length'
  | 'context_window'
  | 'tool_calls'
  | 'content_filter'
  | 'refusal'
  | 'pause'
  | 'malformed_tool_call'
  | 'error'
  | 'other'

/** Tells whether a part is something the caller would see: after it nobody else may answer. */
export function isContent(part: CompletionPart): boolean {
  switch (part.type) {
    case 'text-delta':
    case 'refusal-delta':
    case 'reasoning-delta':
    case 'tool-input-start':
    case 'extra':
    case 'finish':
      return true
    default:
      return false
  }
}
