/** Finds or opens the channel that an attempt is paid from, fills it when it must be, and writes the promise down. */
import { depositCollectorAddress, depositNonceOf } from '../../chain/channel-id.ts'
import { RouteplaneError } from '../../errors.ts'
import { freeIn } from '../../ledger/channel-rules.ts'
import type { ChannelRow } from '../../ledger/channel.ts'
import { toAtomic, type Atomic } from '../../money.ts'
import { eip3009 } from '../proof/eip3009.ts'
import type { PaidCall } from '../mode.ts'
import type { PlanInput, SchemeWorld } from '../scheme/scheme.ts'
import { holdDeposit, orGiveBack, type Deposit } from './deposit.ts'
import { deriveChannel, depositSaltOf, type ChannelParties } from './identity.ts'
import { readChannelOffer, type ChannelOffer, type ChannelPolicy } from './offer.ts'
import { settleDeposits } from './sync.ts'

/** The part of a call that a promise is made for. */
export type Promised = Pick<PlanInput, 'call' | 'agreed' | 'validBeforeSeconds'>

/** How long a call waits for a channel that others hold, and how often it looks. Milliseconds. */
const PATIENCE_MS = 10_000
const LOOK_MS = 100

/**
 * Leases a channel to the attempt: one that is free, else a new one while the seller may have more, else the first to become free.
 *
 * @throws RouteplaneError `overloaded` when every channel stays held.
 */
export async function leaseChannel(input: Promised, world: SchemeWorld): Promise<ChannelRow> {
  const { call, agreed } = input
  const offer = readChannelOffer(agreed.terms.raw, world.channels)
  const parties = partiesOf(input, offer, world)
  return untilLeased(() => tryLease(call.attemptId, parties, world), call, world)
}

/** @throws RouteplaneError `overloaded` when there is no channel to lease for longer than a call should wait. */
export async function untilLeased(
  tryLease: () => Promise<ChannelRow | undefined>,
  { signal }: Pick<PaidCall, 'signal'>,
  world: Pick<SchemeWorld, 'clock'>,
): Promise<ChannelRow> {
  const deadline = world.clock.now() + PATIENCE_MS
  for (;;) {
    const leased = await tryLease()
    if (leased !== undefined) return leased
    if (world.clock.now() >= deadline || signal.aborted)
      throw new RouteplaneError('overloaded', 'every payment channel of this provider is in use', {
        hint: 'Raise payment.channels.per_provider to let more calls be paid at once.',
      })
    await world.clock.sleep(LOOK_MS, signal).catch(() => {})
  }
}

async function tryLease(attempt: string, parties: ChannelParties, world: SchemeWorld): Promise<ChannelRow | undefined> {
  const { channels } = world.ledger
  const { receiver, receiverAuthorizer, network, asset, payer, withdrawDelay } = parties
  const every = await channels.list({ receiver, receiverAuthorizer, network, asset, payer })
  const known = every.filter((channel) => channel.withdrawDelay === withdrawDelay)
  const usable = known.filter(({ state }) => state === 'open')
  // The one with most in it first: a deposit is a transaction, a voucher is none.
  for (const channel of usable.toSorted((a, b) => (freeIn(a) > freeIn(b) ? -1 : 1))) {
    if (!(await channels.lease(channel.id, attempt, world.clock.now()))) continue
    const settled = await settleDeposits(channel, world)
    if (settled.state === 'open') return settled
  }
  if (usable.length >= world.channels.perSeller) return undefined
  const terms = await deriveChannel(await world.ledger.nonceSalt(), parties, known.length)
  const isOurs = await channels.open(terms, attempt, world.clock.now())
  return isOurs ? channels.get(terms.id) : undefined
}

function partiesOf({ call, agreed }: Promised, offer: ChannelOffer, world: SchemeWorld): ChannelParties {
  return {
    network: agreed.asset.network,
    asset: agreed.asset.address,
    decimals: agreed.asset.decimals,
    payer: world.wallet.address,
    receiver: agreed.payTo,
    receiverAuthorizer: offer.receiverAuthorizer,
    withdrawDelay: offer.withdrawDelay,
    provider: call.endpoint.provider.id,
    resource: call.http.url,
    wire: call.wire,
    model: call.endpoint.upstreamModel,
  }
}

/** Writes down what the attempt may be charged out of a channel that it holds, with the deposit that covers it. */
export async function promiseFrom(channel: ChannelRow, input: Promised, world: SchemeWorld): Promise<void> {
  const { call, agreed } = input
  if (channel.depositing > 0n)
    throw new RouteplaneError('overloaded', 'a deposit to this provider is not known to have arrived', {
      hint: 'It is looked after; try again in a minute.',
    })
  const missing = agreed.amount - freeIn(channel)
  const deposit = missing > 0n ? await prepareDeposit(channel, missing as Atomic, input, world) : undefined
  const voucher = { attempt: call.attemptId, amount: agreed.amount, ...(deposit === undefined ? {} : { deposit }) }
  await orGiveBack(deposit, world, () => world.ledger.channels.promise(channel.id, voucher, world.clock.now()))
}

/** Puts in what is wished for, or, where wallet or budget do not allow that, no more than this call needs. */
async function prepareDeposit(channel: ChannelRow, missing: Atomic, input: Promised, world: SchemeWorld): Promise<string> {
  const wished = depositOf(channel, missing, readChannelOffer(input.agreed.terms.raw, world.channels), input, world.channels)
  try {
    return await holdIn(channel, wished, input, world)
  } catch (error) {
    const isTooMuch = error instanceof RouteplaneError && (error.code === 'insufficient_funds' || error.code === 'budget_exceeded')
    if (!isTooMuch || wished === missing) throw error
    return holdIn(channel, missing, input, world)
  }
}

function holdIn(channel: ChannelRow, amount: Atomic, input: Promised, world: SchemeWorld): Promise<string> {
  const { validBeforeSeconds } = input
  const intentOf: Deposit['intentOf'] = async (id) => {
    const salt = depositSaltOf(await world.ledger.nonceSalt(), id)
    const nonce = await depositNonceOf(channel.id, salt)
    const particulars = { channel: channel.id }
    return { protocol: 'x402-2', proof: eip3009.id, payee: depositCollectorAddress, nonce, validBeforeSeconds, particulars }
  }
  return holdDeposit(input, { amount, mode: 'x402', intentOf }, world)
}

/**
 * What the seller would like, or ten calls like this one; never above the user's limit, and never less than is needed.
 *
 * @throws RouteplaneError `price_above_cap` when the user's limit does not cover the call.
 */
function depositOf(channel: ChannelRow, missing: Atomic, offer: ChannelOffer, { agreed }: Promised, policy: ChannelPolicy): Atomic {
  const room = toAtomic(policy.maxDepositUsd, channel.decimals, 'down') - freeIn(channel)
  if (missing > room)
    throw new RouteplaneError('price_above_cap', 'the call costs more than payment.channels.max_deposit_usd lets a channel hold')
  const wanted = offer.minDeposit ?? ((agreed.amount * 10n) as Atomic)
  const atLeast = wanted > missing ? wanted : missing
  return (atLeast < room ? atLeast : room) as Atomic
}
