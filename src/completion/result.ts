/** A whole answer, and its two ways: parts folded into it, and itself unfolded into parts. */
import type { Content } from './request.ts'
import type { Extra, Finish } from './part.ts'
import type { Usage } from './usage.ts'

export type CompletionResult = {
  readonly id: string
  /** The model the upstream says it served. */
  readonly model: string
  readonly createdSeconds?: number
  readonly candidates: readonly Candidate[]
  readonly usage: Usage | undefined
}

export type Candidate = {
  readonly index: number
  readonly content: readonly Content[]
  readonly extras: readonly Extra[]
  readonly finish: Finish
}
