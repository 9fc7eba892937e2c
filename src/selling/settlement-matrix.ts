/** What a caller is charged: one pure function over how his answer ended, of which the table in the docs is made. */

/** `quote` schemes move what was signed or nothing (`exact`); `usage` schemes may take less of it (`upto`, channels, sessions). */
export const chargings = ['quote', 'usage'] as const
/** How much of the answer the caller was given. `none`: it failed before its first part. */
export const deliveries = ['none', 'part', 'all'] as const
/** Who ended it: the answer itself, the caller by leaving, the provider by failing, this gateway by dying. */
export const closers = ['end', 'caller', 'provider', 'gateway'] as const
/** Whether it is known what the answer came to: counted by the provider, estimated by us, or neither. */
export const knowledges = ['counted', 'estimated', 'unknown'] as const

export type Charging = (typeof chargings)[number]
export type Delivery = (typeof deliveries)[number]
export type Closer = (typeof closers)[number]
export type Knowledge = (typeof knowledges)[number]

export type Outcome = { readonly charging: Charging; readonly delivery: Delivery; readonly closedBy: Closer; readonly usage: Knowledge }

export type Verdict = {
  /** `usage` is the price of what was delivered, never above the quote. */
  readonly charge: 'nothing' | 'quote' | 'usage'
  /** What the same payment gets when it comes again. */
  readonly again: 'the same answer' | 'another try, already paid' | 'another try' | 'a refusal'
}

/**
 * Decides what is collected for an answer.
 *
 * An answer without a first part costs nothing, whoever is to blame. From then on a quoted payment is collected whole, since it
 * cannot be collected in part, and whatever its payer did not get stays his to fetch. A metered one is collected for what was
 * delivered; when nobody knows what that came to, unknown is not zero and the quote stands, but a gateway that died has lost
 * its own count and asks for nothing.
 */
export function settlementOf({ charging, delivery, closedBy, usage }: Outcome): Verdict {
  if (delivery === 'none') return { charge: 'nothing', again: 'another try' }
  if (charging === 'quote') {
    const isOwed = closedBy === 'provider' || closedBy === 'gateway'
    return { charge: 'quote', again: isOwed ? 'another try, already paid' : 'the same answer' }
  }
  if (closedBy === 'gateway') return { charge: 'nothing', again: 'another try' }
  const charge = usage === 'unknown' ? 'quote' : 'usage'
  return { charge, again: delivery === 'all' ? 'the same answer' : 'a refusal' }
}

/** Every case there is; answers that nothing was delivered of, or that ended by themselves, are not told apart further. */
export function everyOutcome(): readonly Outcome[] {
  return chargings
    .flatMap((charging) =>
      deliveries.flatMap((delivery) => closers.flatMap((closedBy) => knowledges.map((usage) => ({ charging, delivery, closedBy, usage })))),
    )
    .filter(isPossible)
}

function isPossible({ delivery, closedBy, usage }: Outcome): boolean {
  if (delivery === 'all') return closedBy === 'end' || closedBy === 'caller' || closedBy === 'gateway'
  if (closedBy === 'end') return false
  return delivery === 'part' || usage === 'unknown'
}
