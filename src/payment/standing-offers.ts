/** Remembers what providers asked for, so that a call whose price is known can be paid with its first send. */
import type { Clock } from '../lib/clock.ts'
import { isRecord } from '../lib/json.ts'
import type { Usd } from '../money.ts'
import { endpointKey } from '../registry/endpoint.ts'
import type { Pricing } from '../registry/pricing.ts'
import type { Challenge, ChallengeFormat, Terms } from './challenge/challenge.ts'
import type { PaidCall } from './mode.ts'

/**
 * - `when_alone`: only where nobody else is left to try. Whoever has been sent a signature must be waited for when he fails, and
 *   who was only asked for his price can be passed over.
 * - `always`, `never`: as they say.
 */
export const preemptiveChoices = ['when_alone', 'always', 'never'] as const
export type Preemptive = (typeof preemptiveChoices)[number]

export type StandingOffer = { readonly format: ChallengeFormat; readonly challenge: Challenge }

/** The part of a call that its price depends on. */
type Priced = Pick<PaidCall, 'endpoint' | 'http' | 'boundUsd'>

export type StandingOffers = {
  /** Keeps an offer that was made for a call; one that holds for that call alone is not kept. */
  learn(call: Priced, offer: StandingOffer): void
  /**
   * Gives an offer that covers the call: made for a call of the very same bound, or the same for calls of different ones.
   * `undefined` when there is none, or when its provider does not take payments that it has not asked for.
   */
  recall(call: Priced): StandingOffer | undefined
  /** The provider took a payment that it had not asked for. */
  accepted(call: Priced): void
  /** It did not: after two in a row it is asked first, for a while. */
  refused(call: Priced): void
}

/** An offer says nothing of its age; price lists are polled about as often. */
const LIFETIME_MS = 10 * 60_000
const REFUSALS = 2
const PAUSE_MS = 10 * 60_000
const MAX_PLACES = 1_000
/** Bounds of one place, of which the latest are kept. */
const MAX_BOUNDS = 16

type Sighting = { readonly offer: StandingOffer; readonly price: string; readonly at: number }

type Place = {
  /** The price list under which the offers were made: with another they mean nothing. */
  readonly prices: string
  /** By the bound of the call, oldest first. */
  readonly seen: Map<Usd, Sighting>
  refusals: number
  pausedUntil: number
}

export function createStandingOffers({ now }: Pick<Clock, 'now'>): StandingOffers {
  const places = new Map<string, Place>()
  const find = (call: Priced) => {
    const place = places.get(keyOf(call))
    return place?.prices === textOf(call.endpoint.pricing) ? place : undefined
  }
  const latest = (call: Priced): Place => {
    const known = find(call)
    const place = known ?? { prices: textOf(call.endpoint.pricing), seen: new Map(), refusals: 0, pausedUntil: 0 }
    putLast(places, keyOf(call), place, MAX_PLACES)
    return place
  }

  return {
    learn(call, offer) {
      if (call.boundUsd === undefined || !offer.challenge.terms.every(isStanding)) return
      const sighting = { offer, price: priceOf(offer.challenge), at: now() }
      putLast(latest(call).seen, call.boundUsd, sighting, MAX_BOUNDS)
    },
    recall(call) {
      const place = find(call)
      if (place === undefined || call.boundUsd === undefined || now() < place.pausedUntil) return undefined
      for (const [bound, { at }] of place.seen) if (now() - at >= LIFETIME_MS) place.seen.delete(bound)
      return (place.seen.get(call.boundUsd) ?? flatOffer([...place.seen.values()]))?.offer
    },
    accepted(call) {
      const place = find(call)
      if (place !== undefined) place.refusals = 0
    },
    refused(call) {
      const place = find(call)
      if (place === undefined) return
      place.seen.clear()
      place.refusals += 1
      if (place.refusals < REFUSALS) return
      place.refusals = 0
      place.pausedUntil = now() + PAUSE_MS
    },
  }
}

/** The latest of several offers that ask for the same, whatever the call was. */
function flatOffer(seen: readonly Sighting[]): Sighting | undefined {
  return seen.length > 1 && new Set(seen.map(({ price }) => price)).size === 1 ? seen.at(-1) : undefined
}

/** Moves a key to the end, and drops the first one when there are too many. */
function putLast<Key, Value>(map: Map<Key, Value>, key: Key, value: Value, most: number): void {
  map.delete(key)
  map.set(key, value)
  if (map.size <= most) return
  for (const oldest of map.keys()) {
    map.delete(oldest)
    return
  }
}

function keyOf({ endpoint, http }: Priced): string {
  return `${endpointKey(endpoint)} ${http.url}`
}

function textOf(pricing: Pricing | undefined): string {
  return pricing?.tiers.map((tier) => Object.values(tier).join(' ')).join('\n') ?? ''
}

function priceOf({ terms }: Challenge): string {
  return JSON.stringify(terms.map(({ scheme, network, asset, amount, payTo }) => [scheme, network, asset, amount, payTo]))
}

/** What an offer's `extra` may say without being about one call. A word that is not here might name a quote, or a state. */
const standingExtras: ReadonlySet<string> = new Set([
  'name',
  'version',
  'assetTransferMethod',
  'paymentFlow',
  'facilitatorAddress',
  'receiverAuthorizer',
  'withdrawDelay',
  'minDeposit',
])

function isStanding({ expiresAt, bodyDigest, raw }: Terms): boolean {
  if (expiresAt !== undefined || bodyDigest !== undefined || !isRecord(raw)) return false
  const { extra } = raw
  return !isRecord(extra) || Object.keys(extra).every((key) => standingExtras.has(key))
}
