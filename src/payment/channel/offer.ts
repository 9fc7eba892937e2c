/** Reads what an offer of `batch-settlement` says beside its price, and refuses channels that nobody should fill. */
import { withdrawDelayBounds } from '../../chain/channel-id.ts'
import { RouteplaneError } from '../../errors.ts'
import { isRecord } from '../../lib/json.ts'
import { parseAtomic, type Atomic, type Usd } from '../../money.ts'

/** What the user allows his money to be put into. */
export type ChannelPolicy = {
  /** The most that may lie in one channel. */
  readonly maxDepositUsd: Usd
  /** How many channels one seller may have: so many calls can be under way to it at once. */
  readonly perSeller: number
  /** Seconds the user is ready to wait for his money when the seller is gone. */
  readonly maxWithdrawDelay: number
}

export type ChannelOffer = {
  readonly receiverAuthorizer: `0x${string}`
  /** Seconds. */
  readonly withdrawDelay: number
  /** What the seller would like to see put in; its wish, no more. */
  readonly minDeposit?: Atomic
}

const ADDRESS = /^0x(?!0{40}$)[0-9a-fA-F]{40}$/

/**
 * @param raw - The offer as it came.
 * @throws RouteplaneError `bad_challenge` without a key that can refund, or for a delay that the contract or the user does not allow.
 */
export function readChannelOffer(raw: unknown, policy: Pick<ChannelPolicy, 'maxWithdrawDelay'>): ChannelOffer {
  const extra = isRecord(raw) && isRecord(raw['extra']) ? raw['extra'] : {}
  const { receiverAuthorizer, withdrawDelay = withdrawDelayBounds.shortest, minDeposit } = extra
  if (typeof receiverAuthorizer !== 'string' || !ADDRESS.test(receiverAuthorizer))
    throw refused('it names no receiverAuthorizer, so nothing of a deposit could be refunded')
  if (typeof withdrawDelay !== 'number' || !Number.isInteger(withdrawDelay)) throw refused('its withdrawDelay is not a number of seconds')
  const { shortest, longest } = withdrawDelayBounds
  if (withdrawDelay < shortest || withdrawDelay > longest) throw refused(`its withdrawDelay of ${withdrawDelay} s cannot be had`)
  if (withdrawDelay > policy.maxWithdrawDelay)
    throw refused(`its withdrawDelay of ${withdrawDelay} s is above payment.channels.max_withdraw_delay_seconds`)
  const wish = readWish(minDeposit)
  return {
    receiverAuthorizer: receiverAuthorizer as `0x${string}`,
    withdrawDelay,
    ...(wish === undefined ? {} : { minDeposit: wish }),
  }
}

function readWish(text: unknown): Atomic | undefined {
  try {
    return typeof text === 'string' ? parseAtomic(text) : undefined
  } catch {
    return undefined
  }
}

function refused(why: string): RouteplaneError {
  return new RouteplaneError('bad_challenge', `the provider offers a payment channel, but ${why}`)
}
