/** Takes a channel's money back without its seller: two transactions of the wallet with a delay between them, and the chain says where it stands. */
import { withdrawalCall, type WithdrawalStep } from '../../chain/channel-id.ts'
import { requireAsset } from '../../chain/networks.ts'
import { reserveCall, type ReserveStep } from '../../chain/tempo-channel.ts'
import type { ContractCall, TransactionQuote } from '../../chain/transaction.ts'
import { RouteplaneError } from '../../errors.ts'
import type { ChannelRow } from '../../ledger/channel.ts'
import type { Atomic } from '../../money.ts'
import type { Wallet } from '../../wallet/wallet.ts'
import { assertCoins, COIN_DECIMALS } from '../funds.ts'
import { descriptorOf } from '../session/credential.ts'
import { endOwnCalls, quoteReserve, sendReserve } from '../session/own-call.ts'
import { endVouchers } from './close.ts'
import { configOf } from './identity.ts'
import { readChannel, syncChannel, type ChannelWorld } from './sync.ts'

export type WithdrawalWorld = ChannelWorld & { readonly wallet: Wallet | undefined }

export type Withdrawal = {
  readonly channel: ChannelRow
  /** What is to be sent now; `wait` while the delay runs, `nothing` once nothing of ours is left. */
  readonly next: WithdrawalStep | 'wait' | 'nothing'
  /** Base units that come back, unless the seller claims of them before the second step. */
  readonly amount: Atomic
  /** The two transactions, for an owner who sends them from elsewhere. */
  readonly calls: Readonly<Record<WithdrawalStep, ContractCall>>
  /** Unix milliseconds from which the second is accepted; absent until the first lies on chain. */
  readonly finishAt?: number
}

/** What a transaction may cost, and what there is to pay it with: in the network's coin, or in the token where that pays for gas. */
export type WithdrawalCost = {
  readonly most: bigint
  readonly has: bigint
  readonly decimals: number
  /** Absent for the network's own coin. */
  readonly symbol?: string
}

/**
 * Says where a withdrawal stands, and records what has happened of it.
 *
 * @throws RouteplaneError `overloaded` while a deposit, or a transaction of the withdrawal, is not known to have arrived.
 */
export async function planWithdrawal(before: ChannelRow, world: WithdrawalWorld): Promise<Withdrawal> {
  if (before.state === 'closed') return { channel: before, next: 'nothing', amount: 0n as Atomic, calls: await callsOf(before, 0n) }
  await endOwnCalls(before, world)
  const channel = await syncChannel(before, world)
  if (channel.depositing > 0n) {
    throw new RouteplaneError('overloaded', 'a deposit into this channel is not known to have arrived yet', {
      hint: 'It ends by itself within minutes; run this again then.',
    })
  }
  const chain = world.chainOf(channel.network)
  const found = channel.deposited === 0n ? undefined : await readChannel(channel, world)
  const amount = (found === undefined ? 0n : found.balance - found.claimed) as Atomic
  const withdrawal = found?.withdrawal
  const calls = await callsOf(channel, amount)
  const now = world.clock.now()
  if (amount === 0n) {
    await endVouchers(channel, world)
    await world.ledger.channels.mark(channel.id, { state: 'closed', reason: 'nothing is left in it' }, now)
    return { channel: { ...channel, state: 'closed' }, next: 'nothing', amount, calls }
  }
  if (withdrawal === undefined) return { channel, next: 'begin', amount, calls }
  const finishAt = (withdrawal.initiatedAtSeconds + channel.withdrawDelay) * 1_000
  await world.ledger.channels.mark(channel.id, { state: 'withdrawing', reason: 'begun on chain', withdrawAt: finishAt }, now)
  // The contract compares with the time of its block, not with ours.
  const isDue = Number((await chain.latestBlock()).timestampSeconds) * 1_000 >= finishAt
  return { channel: { ...channel, state: 'withdrawing', withdrawAt: finishAt }, next: isDue ? 'finish' : 'wait', amount, calls, finishAt }
}

/** @throws RouteplaneError `insufficient_funds` without the coins for it, `upstream_error` when the contract would refuse the step. */
export async function quoteWithdrawal(withdrawal: Withdrawal, step: WithdrawalStep, world: WithdrawalWorld): Promise<WithdrawalCost> {
  const { channel } = withdrawal
  const wallet = ownWallet(channel, world)
  if (channel.opening === undefined) {
    const quote = await quoteInCoins(withdrawal, step, { ...world, wallet })
    return { most: quote.gas * quote.maxFeePerGas, has: quote.coins, decimals: COIN_DECIMALS }
  }
  const asset = requireAsset(channel.network, channel.asset)
  const [{ fee }, has] = await Promise.all([
    quoteReserve({ channel, step: reserveSteps[step], value: 0n }, world),
    world.chainOf(channel.network).balanceOf(asset.address, wallet.address),
  ])
  return { most: fee, has, decimals: asset.decimals, symbol: asset.symbol }
}

/**
 * Sends a step and waits for its block. From the first one on nothing more is promised out of the channel.
 *
 * @param most - What was agreed that the transaction may cost, in the units of {@link quoteWithdrawal}.
 * @returns the transaction's hash.
 * @throws RouteplaneError `insufficient_funds` without what it costs, `overloaded` while another transaction is under way.
 */
export async function sendWithdrawal(
  withdrawal: Withdrawal,
  { step, most }: { readonly step: WithdrawalStep; readonly most: bigint },
  world: WithdrawalWorld,
): Promise<`0x${string}`> {
  const { channel, amount } = withdrawal
  const wallet = ownWallet(channel, world)
  const markBegun = () =>
    channel.state === 'withdrawing'
      ? undefined
      : world.ledger.channels.mark(channel.id, { state: 'withdrawing', reason: 'asked for' }, world.clock.now())
  if (channel.opening !== undefined)
    return sendReserve({ channel, step: reserveSteps[step], value: 0n }, { most: most as Atomic, before: markBegun }, { ...world, wallet })
  const { nonce, gas, maxFeePerGas, maxPriorityFeePerGas } = await quoteInCoins(withdrawal, step, { ...world, wallet })
  const fees = { network: channel.network, nonce, gas, maxFeePerGas, maxPriorityFeePerGas }
  const signed = await wallet.signWithdrawal({ ...fees, channel: configOf(channel), step, amount }, { maxFee: most })
  await markBegun()
  return world.chainOf(channel.network).sendTransaction(signed)
}

/** What a step costs where the network's own coin pays for it. @throws RouteplaneError `insufficient_funds`, `upstream_error`. */
async function quoteInCoins(
  { channel, amount }: Withdrawal,
  step: WithdrawalStep,
  { wallet, chainOf }: Pick<ChannelWorld, 'chainOf'> & { readonly wallet: Wallet },
): Promise<TransactionQuote> {
  const call = await withdrawalCall(configOf(channel), step, amount)
  const quote = await chainOf(channel.network).quoteTransaction(wallet.address, call)
  assertCoins(quote, wallet.address, requireAsset(channel.network, channel.asset))
  return quote
}

const reserveSteps = { begin: 'requestClose', finish: 'withdraw' } as const satisfies Record<WithdrawalStep, ReserveStep>

async function callsOf(channel: ChannelRow, amount: bigint): Promise<Withdrawal['calls']> {
  const callOf = (step: WithdrawalStep) =>
    channel.opening === undefined
      ? withdrawalCall(configOf(channel), step, amount)
      : reserveCall(descriptorOf(channel), reserveSteps[step], 0n)
  const [begin, finish] = await Promise.all([callOf('begin'), callOf('finish')])
  return { begin, finish }
}

function ownWallet({ payer, id }: ChannelRow, { wallet }: WithdrawalWorld): Wallet {
  const hint = `Or send the transactions from ${payer} yourself: routeplane channels withdraw ${id} --print`
  if (wallet === undefined) throw new RouteplaneError('keystore_missing', 'there is no wallet to send from', { hint })
  if (wallet.address.toLowerCase() === payer.toLowerCase()) return wallet
  throw new RouteplaneError('invalid_key', `the channel was filled by ${payer}, and this wallet is ${wallet.address}`, { hint })
}
