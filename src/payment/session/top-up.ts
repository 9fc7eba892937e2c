/** Adds to a channel that is used up instead of opening another: the seller sends our transaction, and only the chain says that it came. */
import { freeIn } from '../../ledger/channel-rules.ts'
import { transactionHash } from '../../chain/keccak.ts'
import { tempoReserveAddress } from '../../chain/tempo-channel.ts'
import { RouteplaneError, toRouteplaneError } from '../../errors.ts'
import type { ChannelRow } from '../../ledger/channel.ts'
import { readBody } from '../../lib/http-call.ts'
import { toAtomic, type Atomic } from '../../money.ts'
import { mpp } from '../challenge/mpp.ts'
import { holdDeposit, type Deposit } from '../channel/deposit.ts'
import { deriveNonce } from '../nonce.ts'
import { tempoCall } from '../proof/tempo.ts'
import type { PlanInput, SchemeWorld } from '../scheme/scheme.ts'
import { lastSecondAfter } from '../scheme/tempo-validity.ts'
import { signTopUp } from './credential.ts'
import { quoteReserve } from './own-call.ts'

const MAX_ANSWER_BYTES = 64 * 1024

/** A node estimates a top-up by the state of now; a little more lets it change. */
const GAS_ROOM_PERCENT = 150n

/** A call that is to be paid from a channel that it holds, and what it needs there at most. */
export type TopUpCall = Pick<PlanInput, 'call' | 'agreed' | 'challenge'> & {
  readonly bound: Atomic
  /** What the seller would like to see put in. */
  readonly wish?: Atomic
}

/**
 * Adds what is wished for, or ten calls like this one, or what this call needs where the budget allows no more.
 *
 * @param channel - Leased to the call's attempt, with nothing else under way into it.
 * @returns the channel as it is then; `undefined` when the user's limit leaves no room for it, and nothing was signed.
 * @throws RouteplaneError `budget_exceeded`, `insufficient_funds`, `policy_refused`: nothing of it was signed; `overloaded` when the
 *   chain has not shown it in time.
 */
export async function topUpSession(channel: ChannelRow, input: TopUpCall, world: SchemeWorld): Promise<ChannelRow | undefined> {
  const { call } = input
  const { ledger, resolver, clock, log } = world
  const deposit = await holdTopUp(channel, input, world)
  if (deposit === undefined) return undefined
  const giveBack = async (error: unknown): Promise<never> => {
    await resolver.giveBack(deposit.id, 'nothing of it was signed')
    throw error
  }
  const { credential, transaction } = await ledger.channels
    .fund(channel.id, { attempt: call.attemptId, deposit: deposit.id, reaching: deposit.value })
    .then(() => ledger.attempts.get(deposit.id))
    .then((row) => signTopUp(channel, { id: deposit.id, ...(row?.payment === undefined ? {} : { payment: row.payment }) }, world))
    .catch(giveBack)
  const sent = { reason: `sent with ${call.attemptId}`, transaction: await transactionHash(transaction), now: clock.now() }
  await ledger.attempts.end(deposit.id, { state: 'unknown', ...sent })
  await tellSeller(credential, input).catch((error: unknown) => {
    log.warn('the answer to a top-up is lost', { channel: channel.id, message: toRouteplaneError(error).message })
  })
  if ((await resolver.settle(deposit.id, { tries: 4 })) === 'open') resolver.follow(deposit.id)
  const after = await ledger.channels.get(channel.id)
  if (after !== undefined && freeIn(after) >= input.bound) return after
  throw new RouteplaneError('overloaded', 'what was added to the channel of this provider is not known to have arrived', {
    hint: 'It is looked after; try again in a minute.',
  })
}

async function tellSeller(credential: Parameters<typeof mpp.attach>[0], { call, agreed, challenge }: TopUpCall): Promise<void> {
  const own = Object.entries(call.http.headers).filter(([name]) => !name.toLowerCase().startsWith('content-'))
  const headers = { ...Object.fromEntries(own), ...mpp.attach(credential, agreed.terms, challenge) }
  const answer = await call.transport({ method: 'POST', url: call.http.url, headers })
  await readBody(answer, MAX_ANSWER_BYTES)
  if (answer.status < 200 || answer.status > 299)
    throw new RouteplaneError('payment_rejected', `the provider answered ${answer.status} to a top-up`)
}

type Held = { readonly id: string; readonly value: Atomic }

async function holdTopUp(channel: ChannelRow, input: TopUpCall, world: SchemeWorld): Promise<Held | undefined> {
  const { agreed, bound, wish } = input
  const { network, decimals } = agreed.asset
  const missing = (bound - freeIn(channel)) as Atomic
  const chain = world.chainOf(network)
  const [quote, block] = await Promise.all([quoteReserve({ channel, step: 'topUp', value: missing }, world), chain.latestBlock()])
  const work = { gas: (quote.gas * GAS_ROOM_PERCENT) / 100n, maxFeePerGas: quote.maxFeePerGas }
  const fee = ((quote.fee * GAS_ROOM_PERCENT) / 100n + 1n) as Atomic
  const room = toAtomic(world.channels.maxDepositUsd, decimals, 'down') - freeIn(channel) - fee
  const wanted = wish ?? bound * 10n
  const most = wanted < room ? wanted : room
  // One that costs as much as it adds is no gain; and a failed one must be told from a success by what it took.
  if (most < missing || most <= fee) return undefined
  const validBeforeSeconds = lastSecondAfter(block, world.clock.now())
  const hold = async (value: Atomic): Promise<Held> => {
    const particulars = { channel: channel.id, step: 'topUp', value: value.toString(), gas: work.gas.toString() }
    const intentOf: Deposit['intentOf'] = async (id) => ({
      protocol: 'mpp',
      proof: tempoCall.id,
      payee: tempoReserveAddress,
      validBeforeSeconds,
      nonce: deriveNonce(await world.ledger.nonceSalt(), id, channel.receiver, value),
      particulars: { ...particulars, max_fee_per_gas: work.maxFeePerGas.toString() },
    })
    return { id: await holdDeposit(input, { amount: (value + fee) as Atomic, mode: 'mpp', intentOf }, world), value }
  }
  return hold(most as Atomic).catch((error: unknown) => {
    const isTooMuch = error instanceof RouteplaneError && (error.code === 'insufficient_funds' || error.code === 'budget_exceeded')
    if (!isTooMuch || most === missing || missing <= fee) throw error
    return hold(missing)
  })
}
