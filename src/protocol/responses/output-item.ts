/** What the decoders of output items share: where parts go, and how whole texts complete their deltas. */
import type { CompletionPart } from '../../completion/part.ts'

export type Json = Readonly<Record<string, unknown>>

/** Where parts go, and where block numbers come from. */
export type Emitter = { readonly emit: (part: CompletionPart) => void; readonly nextBlock: () => number }

/** What an item turned out to hold, for the reason an answer ended. */
export type ItemShape = { readonly isCall: boolean; readonly isBrokenCall: boolean; readonly hasRefusal: boolean }

export type ItemDecoder = {
  /** Takes what `response.output_item.added` says of the item. */
  begin(item: Json): void
  /** Takes an event that belongs to the item. */
  push(event: Json): void
  /** Takes the whole item: what no delta has brought yet is given now, and all that is open is ended. */
  end(item: Json): void
  shape(): ItemShape
}

/** The answer has one candidate on this wire. */
export const CANDIDATE = 0

/** Gives what a whole text has beyond its beginning; nothing when it tells another story than its deltas did. */
export function remainder(whole: unknown, given: string): string {
  return typeof whole === 'string' && whole.startsWith(given) ? whole.slice(given.length) : ''
}

/** A delta must be text; another type in its place is no news. */
export function deltaOf(event: Json): string {
  return typeof event['delta'] === 'string' ? event['delta'] : ''
}

/** The place of a part in its item; absent means the first. */
export function placeOf(value: unknown): number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < MAX_PARTS ? value : 0
}

/** Far beyond real items: a memory guard. */
const MAX_PARTS = 4_096
