/** Several facilitators as one: the first healthy one verifies, one payment stays with one of them, a silent one is left alone. */
import type { FacilitatorClient } from '@x402/core/server'
import type { PaymentPayload } from '@x402/core/types'
import { RouteplaneError } from '../../errors.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Log } from '../../lib/log.ts'

export type { FacilitatorClient } from '@x402/core/server'

export type PooledFacilitator = { readonly name: string; readonly client: FacilitatorClient }

/** A facilitator that failed is not asked again for so long, unless there is no other. */
const REST_MS = 30_000
export const RETRY_AFTER_MS = 5_000

/**
 * Makes one client of many.
 *
 * A settlement that failed is never taken to another facilitator: the first may have sent its transaction all the same. Only
 * verifying, which moves nothing, falls through.
 *
 * @throws RouteplaneError `facilitator_unavailable`, from every method, when nobody answers: a sale is refused, never given away.
 */
export function createPool(members: readonly PooledFacilitator[], clock: Pick<Clock, 'monotonic'>, log: Log): FacilitatorClient {
  const restingUntil = new Map<string, number>()
  const chosen = new WeakMap<object, PooledFacilitator>()
  const failed = ({ name }: PooledFacilitator, cause: unknown) => {
    restingUntil.set(name, clock.monotonic() + REST_MS)
    log.warn('facilitator failed', { facilitator: name, reason: cause instanceof Error ? cause.name : 'unknown' })
  }
  const inOrder = () => {
    const isResting = ({ name }: PooledFacilitator) => (restingUntil.get(name) ?? -Infinity) > clock.monotonic()
    return [...members.filter((each) => !isResting(each)), ...members.filter(isResting)]
  }
  const firstOf = async <T>(ask: (member: PooledFacilitator) => Promise<T>): Promise<T> => {
    let last: unknown
    for (const member of inOrder()) {
      try {
        const answer = await ask(member)
        restingUntil.delete(member.name)
        return answer
      } catch (cause) {
        last = cause
        failed(member, cause)
      }
    }
    throw unavailable(last)
  }
  const ownerOf = (payload: PaymentPayload) => chosen.get(payload) ?? inOrder()[0]
  return {
    verify: (payload, requirements) =>
      firstOf(async (member) => {
        const verdict = await member.client.verify(payload, requirements)
        chosen.set(payload, member)
        return verdict
      }),
    settle: async (payload, requirements) => {
      const member = ownerOf(payload)
      if (member === undefined) throw unavailable(undefined)
      try {
        return await member.client.settle(payload, requirements)
      } catch (cause) {
        failed(member, cause)
        throw unavailable(cause)
      }
    },
    getSupported: () => firstOf(({ client }) => client.getSupported()),
  }
}

/** The error of who cannot tell whether a payment is good. */
export function unavailable(cause: unknown): RouteplaneError {
  return new RouteplaneError('facilitator_unavailable', 'payments cannot be checked at the moment', {
    hint: 'Send the same request again later; a payment that was made stays good.',
    retryAfterMs: RETRY_AFTER_MS,
    cause,
  })
}
