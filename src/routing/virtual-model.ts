/** A name of the user's own over an ordered list of endpoints: own hardware first, hosted second. */

export type VirtualModel = {
  readonly name: string
  /** `priority` walks the list in order; `balanced` lets the ranking decide among them. */
  readonly strategy: 'priority' | 'balanced'
  readonly endpoints: readonly { readonly provider: string; readonly model: string }[]
}
