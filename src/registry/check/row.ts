/** One line of a provider check: what was asked, what came of it, and what was seen. */
import type { Subject } from './subject.ts'

export const verdicts = ['pass', 'fail', 'not_applicable', 'not_checked'] as const
export type Verdict = (typeof verdicts)[number]

export type Row = {
  /** Stable, such as `error.401`. */
  readonly id: string
  /** What a listed provider does, as a sentence without its subject. */
  readonly title: string
  readonly verdict: Verdict
  /** What was seen, so that a reviewer can judge for himself. Never a key. */
  readonly evidence: string
}

/** Rows that belong together, and the work of finding them out. */
export type RowGroup = {
  readonly id: string
  readonly title: string
  /** Never throws for what a provider does: that is what rows are for. */
  run(subject: Subject): Promise<readonly Row[]>
}

export type Judgement = readonly [verdict: Verdict, evidence: string]

/** Names a row once, for whatever judgement it gets. */
export function row(id: string, title: string, [verdict, evidence]: Judgement): Row {
  return { id, title, verdict, evidence }
}

/** A yes or a no with the same evidence either way. */
export function verdictOf(holds: boolean, evidence: string): Judgement {
  return [holds ? 'pass' : 'fail', evidence]
}

/** For what a listing may leave out. */
export function stated(value: string | number | undefined, missing: Verdict = 'not_applicable'): Judgement {
  return value === undefined ? [missing, 'not stated'] : ['pass', String(value)]
}
