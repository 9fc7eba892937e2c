/** Pays a call with its first send, under an offer its provider made before, and answers a refusal without putting more money at risk. */
import { RouteplaneError } from '../errors.ts'
import { fromAtomic } from '../money.ts'
import type { Challenge } from './challenge/challenge.ts'
import { agreeOn, validBefore, type Funded, type Order } from './order.ts'
import { offersIn } from './seller-papers.ts'
import type { SignedCall } from './send-signed.ts'
import { signOnce } from './sign-once.ts'
import type { StandingOffers } from './standing-offers.ts'

/**
 * Signs an order under a standing offer that covers it.
 *
 * @returns `undefined` when there is none, or it would not be agreed to now: the provider is asked first then.
 * @throws RouteplaneError as {@link signOnce}.
 */
export async function signUnasked(order: Order, offers: StandingOffers, deps: Funded): Promise<SignedCall | undefined> {
  const { call } = order
  if (deps.preemptive === 'never' || (deps.preemptive === 'when_alone' && call.hasNext)) return undefined
  const standing = offers.recall(call)
  const agreed = standing && (await agreeOn(standing.challenge.terms, order, deps).catch(() => undefined))
  if (standing === undefined || agreed?.scheme.renew === undefined) return undefined
  const signed = await signOnce(order, { agreed, ...standing }, deps, true)
  return {
    ...signed,
    unasked: {
      accepted: () => offers.accepted(call),
      async refused(challenge) {
        offers.refused(call)
        const renewed = challenge && (await renew(order, signed, challenge, deps))
        if (challenge !== undefined && renewed !== undefined) offers.learn(call, { format: signed.format, challenge })
        return renewed
      },
    },
  }
}

/**
 * Signs the same payment again under the terms that are asked now: of both signatures the chain takes at most one, and what is
 * held covers either.
 *
 * @returns `undefined` when the new terms are for another kind of payment, or another token: the refusal stands.
 * @throws RouteplaneError when they are not acceptable.
 */
async function renew(
  order: Order,
  { plan, format, mode }: SignedCall,
  challenge: Challenge,
  deps: Funded,
): Promise<SignedCall | undefined> {
  const { call, held } = order
  const { scheme, asset } = plan.agreed
  const alike = challenge.terms.filter(
    (terms) => terms.scheme === scheme.id && terms.network === asset.network && terms.asset.toLowerCase() === asset.address.toLowerCase(),
  )
  if (alike.length === 0) return undefined
  const agreed = await agreeOn(alike, order, deps)
  if (agreed.scheme !== scheme || agreed.payTo !== plan.agreed.payTo) return undefined
  const now = deps.clock.now()
  const latest = validBefore(agreed, call, now)
  const validBeforeSeconds = latest < plan.validBeforeSeconds ? latest : plan.validBeforeSeconds
  const renewed = await scheme.renew?.({ call, plan, agreed, validBeforeSeconds }, deps)
  if (renewed === undefined || call.signal.aborted) return undefined
  const amountUsd = fromAtomic(renewed.amount, asset.decimals, 'up')
  if (amountUsd > held.heldUsd) throw new RouteplaneError('internal', `scheme ${scheme.id} renewed for more than is held`)
  await deps.ledger.attempts.renew(call.attemptId, { amount: renewed.amount, amountUsd, now })
  const payload = await scheme.sign(renewed, deps)
  const extensions = await scheme.extend?.(renewed, deps)
  const besides = { attemptId: call.attemptId, ...(extensions === undefined ? {} : { extensions }) }
  const attach = (written: unknown) => format.attach(written, agreed.terms, challenge, besides)
  const headers = attach(payload)
  return { mode, plan: renewed, format, attach, headers, offers: offersIn(challenge.extensions) }
}
