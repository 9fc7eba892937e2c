/** Judges a payment before it is claimed: junk in a payer's name claims nothing, keeps nobody from paying, and leaves no trace. */
import { draws, openOf } from './cover.ts'
import { required, type Order, type SellingOptions } from './order.ts'
import type { Tender, Verdict } from './till.ts'

/** A payment that may be claimed. */
export type Judged = {
  /** Of copies that came together, the one that was judged. */
  readonly tender: Tender
  /** Says what is left to be said once it is claimed. */
  readonly verify: Tender['verify']
  /** Whether nothing else of its payer was to be collected when that began. */
  readonly isAlone: boolean
}

/** @returns a function that throws `payment_required` for a payment that is none, `facilitator_unavailable` when nobody can tell. */
export function createJudging(options: SellingOptions): (order: Order, tender: Tender) => Promise<Judged> {
  const underWay = new Map<string, ReturnType<typeof judge>>()
  return async (order, tender) => {
    const { credential } = tender
    const judging = underWay.get(credential) ?? judge(tender, options).finally(() => underWay.delete(credential))
    underWay.set(credential, judging)
    const { verdict, ...judged } = await judging
    if (!verdict.valid) throw await required(order, verdict.reason, options, judged.tender)
    return judged
  }
}

/**
 * A plain signature shows by itself whose payment it is. One of a contract is asked of the node, and nothing is claimed before that
 * has answered; so is everything else that can be judged without changing anything.
 */
async function judge(tender: Tender, options: SellingOptions): Promise<Judged & { readonly verdict: Verdict }> {
  const isAlone = !draws(tender) || (await openOf(tender.payment, options)).length === 0
  if (tender.isJudgedFreely !== true) {
    const verdict = (await tender.judge?.()) ?? { valid: true }
    return { tender, verify: () => tender.verify(), isAlone, verdict }
  }
  const verdict = await tender.verify()
  return { tender, verify: () => Promise.resolve(verdict), isAlone, verdict }
}
