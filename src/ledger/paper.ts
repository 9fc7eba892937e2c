/** Papers of a payment: what its seller signed about it, kept as it came, with what we found when we looked at the signature. */

export const paperKinds = ['offer', 'receipt'] as const
export type PaperKind = (typeof paperKinds)[number]

/**
 * - `good`: signed by the payee, about this very payment.
 * - `wrong`: not what it says it is; `reason` says why.
 * - `unchecked`: in a form whose key we cannot know.
 */
export const paperVerdicts = ['good', 'wrong', 'unchecked'] as const
export type PaperVerdict = (typeof paperVerdicts)[number]

export type Paper = {
  readonly kind: PaperKind
  readonly verdict: PaperVerdict
  readonly reason: string
  /** JSON, as the seller wrote it; not proof of anything unless the verdict is `good`. */
  readonly text: string
}

/** Characters of a paper that are kept; a longer one is no paper. */
export const MAX_PAPER = 4_096

export type PaperStore = {
  /** Keeps a paper; the first of its kind stays. */
  keep(attempt: string, paper: Paper): Promise<void>
  of(attempt: string): Promise<readonly Paper[]>
}
