/** Finds or opens the channel that a session is paid from, and writes down what may be taken out of it before anything is signed. */
import { createHmac } from 'node:crypto'
import type { AssetRow } from '../../chain/networks.ts'
import { reserveIdOf, tempoReserveAddress } from '../../chain/tempo-channel.ts'
import { RouteplaneError } from '../../errors.ts'
import { freeIn } from '../../ledger/channel-rules.ts'
import type { ChannelRow, ChannelTerms } from '../../ledger/channel.ts'
import { formatUsd, fromAtomic, toAtomic, type Atomic } from '../../money.ts'
import { feeUnits, openingCall, openingHashOf } from '../../wallet/tempo-transfer.ts'
import { deriveVoucherKey } from '../../wallet/voucher-key.ts'
import { holdDeposit, orGiveBack, type Deposit } from '../channel/deposit.ts'
import { untilLeased } from '../channel/promise.ts'
import { chargeVoucher, settleDeposits } from '../channel/sync.ts'
import type { MppChallenge } from '../challenge/mpp-challenge.ts'
import { tempoOpening } from '../proof/tempo.ts'
import type { PlanInput, SchemeWorld } from '../scheme/scheme.ts'
import { lastSecondAfter } from '../scheme/tempo-validity.ts'
import { SESSION_WITHDRAW_DELAY } from './credential.ts'
import { readSessionOffer, type SessionOffer } from './offer.ts'
import { topUpSession } from './top-up.ts'

/** A node estimates the work of an opening as if its channel lay there already. */
const GAS_ROOM = 2n

/** What a call of a session needs: the price of a unit first, `bound` at most. */
export type SessionCall = Pick<PlanInput, 'call' | 'agreed' | 'challenge'> & { readonly bound: Atomic }

/** Leases a channel that holds the whole bound, adds to one that does not, or opens one, and promises the first unit out of it. */
export async function promiseSession(input: SessionCall, world: SchemeWorld): Promise<ChannelRow> {
  const offer = readSessionOffer(input.agreed.terms.raw as MppChallenge, input.agreed.amount)
  return untilLeased(() => tryLease(input, offer, world), input.call, world)
}

async function tryLease(input: SessionCall, offer: SessionOffer, world: SchemeWorld): Promise<ChannelRow | undefined> {
  const { call, agreed, bound } = input
  const { channels } = world.ledger
  const parties = { receiver: agreed.payTo, receiverAuthorizer: offer.operator, network: agreed.asset.network, asset: agreed.asset.address }
  const known = await channels.list({ ...parties, payer: world.wallet.address })
  const open = known.filter(({ state, opening }) => state === 'open' && opening !== undefined)
  // Channels that others are paying from, and those whose opening has not been seen yet, count against what the user allows.
  let busy = 0
  for (const candidate of open.toSorted((a, b) => (freeIn(a) > freeIn(b) ? -1 : 1))) {
    if (!(await channels.lease(candidate.id, call.attemptId, world.clock.now()))) {
      busy++
      continue
    }
    const channel = await settleSession(candidate, call.attemptId, world)
    // A seller takes no voucher below the highest it has; one that would promise more than this call may cost is not signed.
    const first = max(agreed.amount, (channel.signed - channel.charged) as Atomic)
    const isUsable = channel.state === 'open' && first <= bound
    const filled = isUsable ? await filledFor(channel, input, offer, world) : undefined
    if (filled !== undefined) {
      await channels.promise(filled.id, { attempt: call.attemptId, amount: first }, world.clock.now())
      return filled
    }
    if (channel.depositing > 0n) busy++
    await channels.release(channel.id, call.attemptId)
  }
  return busy < world.channels.perSeller ? openSession(input, offer, world) : undefined
}

/** The channel, when it holds what a call may cost, or has been topped up so that it does. */
async function filledFor(
  channel: ChannelRow,
  input: SessionCall,
  { suggestedDeposit: wish }: SessionOffer,
  world: SchemeWorld,
): Promise<ChannelRow | undefined> {
  if (freeIn(channel) >= input.bound) return channel
  if (channel.depositing > 0n) return undefined
  return topUpSession(channel, { ...input, ...(wish === undefined ? {} : { wish }) }, world)
}

/** Brings a leased channel in step: what a call that broke off may have been charged is counted in full, for the seller can take it. */
async function settleSession(before: ChannelRow, attempt: string, world: SchemeWorld): Promise<ChannelRow> {
  const { channels } = world.ledger
  // One look: an opening that was never sent would keep every call waiting until its time is over.
  const channel = await settleDeposits(before, world, 1)
  for (const voucher of await channels.openVouchers(channel.id))
    if (voucher.attempt !== attempt) await chargeVoucher(voucher.attempt, channel, voucher.amount, world)
  if (channel.deposited === 0n && channel.depositing === 0n)
    await channels.mark(channel.id, { state: 'closed', reason: 'was never opened on chain' }, world.clock.now())
  return (await channels.get(channel.id)) ?? channel
}

/** Writes a new channel, its deposit and its first promise down; the seller sends the transaction that opens it. */
async function openSession(input: SessionCall, offer: SessionOffer, world: SchemeWorld): Promise<ChannelRow | undefined> {
  const { call, agreed, bound } = input
  const { ledger, clock } = world
  const opening = await planOpening(input, offer, world)
  const deposit = await holdOpening(input, opening, world)
  return orGiveBack(deposit, world, async () => {
    if (!(await ledger.channels.open(opening.terms, call.attemptId, clock.now())))
      throw new RouteplaneError('internal', `channel ${opening.terms.id} is there already`)
    const promised = { attempt: call.attemptId, amount: agreed.amount < bound ? agreed.amount : bound }
    await ledger.channels.promise(opening.terms.id, { ...promised, deposit, reaching: opening.value }, clock.now())
    return ledger.channels.get(opening.terms.id)
  })
}

type Opening = {
  readonly terms: ChannelTerms
  readonly value: Atomic
  readonly fee: Atomic
  readonly gas: bigint
  readonly maxFeePerGas: bigint
  readonly validBeforeSeconds: bigint
}

async function planOpening(
  { call, agreed, bound }: SessionCall,
  { operator, suggestedDeposit }: SessionOffer,
  world: SchemeWorld,
): Promise<Opening> {
  const { asset, payTo: to } = agreed
  const secret = await world.ledger.nonceSalt()
  const salt = `0x${createHmac('sha256', secret).update(`session\n${call.attemptId}`).digest('hex')}` as const
  const { address: authorizedSigner } = await deriveVoucherKey(secret, salt)
  const chain = world.chainOf(asset.network)
  const limit = toAtomic(world.channels.maxDepositUsd, asset.decimals, 'down')
  const parts = { asset: asset.address, to, operator, salt, authorizedSigner }
  const { data: input } = await openingCall({ ...parts, value: bound })
  const [quote, block] = await Promise.all([
    chain.quoteTempo({ from: world.wallet.address, to: tempoReserveAddress, input, feeToken: asset.address }),
    chain.latestBlock(),
  ])
  const work = { gas: quote.gas * GAS_ROOM, maxFeePerGas: quote.maxFeePerGas }
  const fee = feeUnits(work, asset.decimals) as Atomic
  const wanted = max(suggestedDeposit ?? ((bound * 10n) as Atomic), bound)
  // What a failed opening takes must be less than what one that succeeded has put in: nothing else tells them apart.
  const least = max(bound, (fee + 1n) as Atomic)
  const most = (limit - fee) as Atomic
  const value = most < wanted ? most : max(wanted, least)
  if (value < least || value > most) throw tooDear((least + fee) as Atomic, limit, asset)
  const validBeforeSeconds = lastSecondAfter(block, world.clock.now())
  const transaction = { ...parts, ...work, network: asset.network, value, validBeforeSeconds, sponsored: false }
  const hash = await openingHashOf(transaction, world.wallet.address)
  const descriptor = {
    payer: world.wallet.address,
    payee: to,
    operator,
    token: asset.address,
    salt,
    authorizedSigner,
    expiringNonceHash: hash,
  }
  const terms: ChannelTerms = {
    id: await reserveIdOf(descriptor, asset.network),
    network: asset.network,
    asset: asset.address,
    decimals: asset.decimals,
    payer: world.wallet.address,
    payerAuthorizer: authorizedSigner,
    receiver: to,
    receiverAuthorizer: operator,
    withdrawDelay: SESSION_WITHDRAW_DELAY,
    salt,
    opening: hash,
    provider: call.endpoint.provider.id,
    resource: call.http.url,
    wire: call.wire,
    model: call.endpoint.upstreamModel,
  }
  return { terms, value, fee, ...work, validBeforeSeconds }
}

function tooDear(needed: Atomic, limit: Atomic, { decimals, chainName }: Pick<AssetRow, 'decimals' | 'chainName'>): RouteplaneError {
  const [most, allowed] = [needed, limit].map((amount) => formatUsd(fromAtomic(amount, decimals, 'up')))
  return new RouteplaneError(
    'price_above_cap',
    `a channel for this call takes up to $${most} with the fee of ${chainName}; payment.channels.max_deposit_usd allows $${allowed}`,
  )
}

function holdOpening(input: SessionCall, opening: Opening, world: SchemeWorld): Promise<string> {
  const { terms, value, fee, gas, maxFeePerGas, validBeforeSeconds } = opening
  const particulars = { channel: terms.id, value: value.toString(), gas: gas.toString(), max_fee_per_gas: maxFeePerGas.toString() }
  const intentOf: Deposit['intentOf'] = async () => {
    return { protocol: 'mpp', proof: tempoOpening.id, payee: tempoReserveAddress, nonce: terms.id, validBeforeSeconds, particulars }
  }
  return holdDeposit(input, { amount: (value + fee) as Atomic, mode: 'mpp', intentOf }, world)
}

function max(a: Atomic, b: Atomic): Atomic {
  return a > b ? a : b
}
