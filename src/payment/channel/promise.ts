/** Finds or opens the channel that an attempt is paid from, fills it when it must be, and writes the promise down. */
import { createHash } from 'node:crypto'
import { depositCollectorAddress, depositNonceOf } from '../../chain/channel-id.ts'
import { RouteplaneError } from '../../errors.ts'
import { freeIn } from '../../ledger/channel-rules.ts'
import type { ChannelRow } from '../../ledger/channel.ts'
import { createId } from '../../lib/id.ts'
import { fromAtomic, toAtomic, type Atomic, type Usd } from '../../money.ts'
import { budgetExceeded, limitsAt } from '../budget.ts'
import { assertFunds } from '../funds.ts'
import { eip3009 } from '../proof/eip3009.ts'
import type { PaidCall } from '../mode.ts'
import type { PlanInput, SchemeWorld } from '../scheme/scheme.ts'
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
    if (await channels.lease(channel.id, attempt, world.clock.now())) return settleDeposits(channel, world)
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
  try {
    await world.ledger.channels.promise(channel.id, voucher, world.clock.now())
  } catch (error) {
    if (deposit !== undefined) await world.resolver.giveBack(deposit, 'its voucher could not be written down')
    throw error
  }
}

/** Puts in what is wished for, or, where wallet or budget do not allow that, no more than this call needs. */
async function prepareDeposit(channel: ChannelRow, missing: Atomic, input: Promised, world: SchemeWorld): Promise<string> {
  const wished = depositOf(channel, missing, readChannelOffer(input.agreed.terms.raw, world.channels), input, world.channels)
  try {
    return await holdDeposit(channel, wished, input, world)
  } catch (error) {
    const isTooMuch = error instanceof RouteplaneError && (error.code === 'insufficient_funds' || error.code === 'budget_exceeded')
    if (!isTooMuch || wished === missing) throw error
    return holdDeposit(channel, missing, input, world)
  }
}

/**
 * Holds and writes down a deposit as an attempt of its own: it is a transfer on chain, and its money counts in full until it comes back.
 *
 * @returns the attempt's id.
 * @throws RouteplaneError `budget_exceeded`, `insufficient_funds`.
 */
async function holdDeposit(channel: ChannelRow, amount: Atomic, input: Promised, world: SchemeWorld): Promise<string> {
  const { call, agreed } = input
  const { asset } = agreed
  const amountUsd = fromAtomic(amount, asset.decimals, 'up')
  const now = world.clock.now()
  const id = createId('att', now)
  const provider = call.endpoint.provider.id
  await assertFunds({ agreed: { asset, amount }, payer: world.wallet.address, attemptId: id }, world)
  const outcome = await world.ledger.attempts.hold({
    id,
    requestId: `${call.requestId}-deposit`,
    provider,
    model: call.endpoint.upstreamModel,
    mode: 'x402',
    amount: amountUsd,
    requestCap: world.channels.maxDepositUsd,
    budgets: limitsAt(world.budgets, now, { provider }),
    now,
  })
  if (!outcome.granted) throw budgetExceeded(amountUsd, outcome)
  try {
    await intendDeposit(id, channel, { amount, amountUsd }, input, world)
  } catch (error) {
    await world.resolver.giveBack(id, 'it could not be written down')
    throw error
  }
  return id
}

type Sum = { readonly amount: Atomic; readonly amountUsd: Usd }

async function intendDeposit(id: string, channel: ChannelRow, sum: Sum, input: Promised, world: SchemeWorld): Promise<void> {
  const { call, agreed, validBeforeSeconds } = input
  const { asset } = agreed
  const salt = depositSaltOf(await world.ledger.nonceSalt(), id)
  await world.ledger.attempts.intend(id, {
    protocol: 'x402-2',
    scheme: agreed.terms.scheme,
    proof: eip3009.id,
    network: asset.network,
    asset: asset.address,
    decimals: asset.decimals,
    payer: world.wallet.address,
    payee: depositCollectorAddress,
    ...sum,
    nonce: await depositNonceOf(channel.id, salt),
    validBeforeSeconds,
    particulars: { channel: channel.id },
    resource: call.http.url,
    bodyDigest: createHash('sha256')
      .update(call.http.body ?? '')
      .digest('hex'),
    now: world.clock.now(),
  })
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
