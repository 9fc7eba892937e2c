/** Gets a channel's money back from its seller, who need only agree. */
import { RouteplaneError } from '../../errors.ts'
import type { ChannelRow } from '../../ledger/channel.ts'
import { readBody, type HttpResponse } from '../../lib/http-call.ts'
import type { Challenge, ChallengeFormat, Terms } from '../challenge/challenge.ts'
import { correctChannel } from './correct.ts'
import { signRefund } from './credential.ts'
import { chargeVoucher, readChannel, syncChannel, type ChannelWorld } from './sync.ts'

/** Asks the channel's seller what it was paid for, with these headers besides. */
export type AskSeller = (headers: Readonly<Record<string, string>>) => Promise<HttpResponse>

const MAX_CHALLENGE_BYTES = 64 * 1024

/**
 * Asks the seller to give back what it has not charged. Nothing is paid for it, and only the chain says that it was done.
 *
 * @returns the channel as it is then: `closed` once nothing of ours is left in it.
 * @throws RouteplaneError `upstream_error` when the seller does not do it, with the other way in the hint.
 */
export async function refundChannel(before: ChannelRow, ask: AskSeller, format: ChallengeFormat, world: ChannelWorld): Promise<ChannelRow> {
  let channel = await syncChannel(before, world)
  // A second time after a correction, when a charge came to light that we did not know of.
  for (let tries = 0; tries < 2 && (await leftIn(channel, world)) > 0n; tries++) {
    const response = await askRefund(channel, ask, format, world)
    if (response.status >= 200 && response.status < 300) break
    const refusal = format.read(response, '')
    const correction = await correctChannel({ channel }, refusal, world)
    channel = await syncChannel(channel, world)
    if (correction !== 'corrected') throw notGiven(channel, refusal)
  }
  channel = await syncChannel(channel, world)
  if ((await leftIn(channel, world)) > 0n) throw notGiven(channel, undefined)
  await endVouchers(channel, world)
  await world.ledger.channels.mark(channel.id, { state: 'closed', reason: 'refunded' }, world.clock.now())
  return { ...channel, state: 'closed' }
}

async function askRefund(channel: ChannelRow, ask: AskSeller, format: ChallengeFormat, world: ChannelWorld): Promise<HttpResponse> {
  const first = await ask({})
  const challenge = first.status === 402 ? format.read(first, await readBody(first, MAX_CHALLENGE_BYTES)) : undefined
  const terms = challenge?.terms.find((offer) => isOf(offer, channel))
  if (challenge === undefined || terms === undefined) throw notGiven(channel, challenge)
  const response = await ask(format.attach(await signRefund(channel, world), terms, challenge))
  await readBody(response, MAX_CHALLENGE_BYTES)
  return response
}

function isOf(offer: Terms, channel: ChannelRow): boolean {
  return (
    offer.scheme === 'batch-settlement' &&
    offer.network === channel.network &&
    offer.payTo.toLowerCase() === channel.receiver.toLowerCase() &&
    offer.asset.toLowerCase() === channel.asset.toLowerCase()
  )
}

/** What the chain still holds for us: neither claimed by the seller nor given back. */
async function leftIn(channel: ChannelRow, world: ChannelWorld): Promise<bigint> {
  const { balance, claimed } = await readChannel(channel, world)
  return balance - claimed
}

/** Ends what is open of a channel that has ended: what no charge is known of now never will have one: nothing is left to take it from. */
export async function endVouchers(channel: ChannelRow, world: ChannelWorld): Promise<void> {
  for (const { attempt } of await world.ledger.channels.openVouchers(channel.id)) {
    await chargeVoucher(attempt, channel, 0n as typeof channel.charged, world)
  }
}

export function notGiven(channel: ChannelRow, refusal: Challenge | undefined): RouteplaneError {
  const words = refusal?.error === undefined ? '' : `: ${refusal.error}`
  return new RouteplaneError('upstream_error', `${channel.provider} has not given the channel's money back${words}`, {
    hint: `Take it back without its help by "routeplane channels withdraw ${channel.id}".`,
    details: { channel: channel.id, provider: channel.provider },
  })
}
