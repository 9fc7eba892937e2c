/** The shape of one step of restoring an answer. */
import type { CompletionPart } from '../completion/part.ts'

/** What a part becomes. A stage keeps its own state, never waits, and keeps the order law of {@link CompletionPart}. */
export type Stage = (part: CompletionPart) => readonly CompletionPart[]

/** Tells whether nothing may follow a part. */
export function isTerminal(part: CompletionPart): boolean {
  return part.type === 'finish' || part.type === 'error'
}
