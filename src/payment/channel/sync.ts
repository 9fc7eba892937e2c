/** Brings what the ledger believes of a channel in step with the chain: deposits, what was claimed, what came back. */
import { RouteplaneError } from '../../errors.ts'
import type { ChannelRow } from '../../ledger/channel.ts'
import type { Ledger } from '../../ledger/ledger.ts'
import type { Chain, ChannelOnChain } from '../../chain/chain.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Log } from '../../lib/log.ts'
import { fromAtomic, type Atomic } from '../../money.ts'
import type { Resolver } from '../resolver.ts'

export type ChannelWorld = {
  readonly ledger: Ledger
  chainOf(network: string): Chain
  readonly resolver: Pick<Resolver, 'settle' | 'follow' | 'giveBack'>
  readonly clock: Clock
  readonly log: Log
}

/** Looks at deposits under way so often before they are left to the resolver. */
const DEPOSIT_TRIES = 4

/** Ends the deposits that the chain can say something of within so many looks, and gives the channel as it is then. */
export async function settleDeposits(channel: ChannelRow, world: ChannelWorld, tries = DEPOSIT_TRIES): Promise<ChannelRow> {
  for (const attempt of await world.ledger.channels.openDeposits(channel.id)) {
    if ((await world.resolver.settle(attempt, { tries })) === 'open') world.resolver.follow(attempt)
  }
  const after = await find(channel.id, world)
  // Its next deposit would pay for what this one, which never came, was said to have paid.
  if (after.depositing > 0n || after.charged <= after.deposited - after.returned) return after
  await distrust(after, 'said that it had charged what was never in the channel', world)
  return find(channel.id, world)
}

/**
 * Reads the channel off the chain and records what is certain: money that came back, and charges that were claimed.
 *
 * A seller may give a channel's money back whenever it likes; it may claim whatever a voucher of ours promised. When it has
 * claimed more than it had said, it is believed no more.
 *
 * @returns the channel as it is then; unchanged while a deposit of it is still under way.
 */
export async function syncChannel(before: ChannelRow, world: ChannelWorld): Promise<ChannelRow> {
  const channel = await settleDeposits(before, world)
  if ((await world.ledger.channels.openDeposits(channel.id)).length > 0) return channel
  // Nothing of ours ever lay in it; of a channel that was never opened a network may know nothing at all.
  if (channel.deposited === 0n) return channel
  const { balance, claimed } = await readChannel(channel, world)
  if (claimed > channel.charged) await explainClaim(channel, claimed, world)
  // More than we know of lies there when somebody else has filled it: a gift changes nothing.
  const returned = channel.deposited - balance
  const now = world.clock.now()
  const usdOf = (amount: Atomic) => fromAtomic(amount, channel.decimals, 'down')
  if (returned > channel.returned) await world.ledger.channels.returned(channel.id, returned as Atomic, usdOf, now)
  return find(channel.id, world)
}

/** After so long a channel's opening is in a block, or never will be, whatever our clock is wrong by. */
const OPENED_MS = 3_600_000

/** What the chain shows of a channel that has been filled, however long ago it has ended. */
export function readChannel({ id, network, createdAt }: ChannelRow, { chainOf }: Pick<ChannelWorld, 'chainOf'>): Promise<ChannelOnChain> {
  return chainOf(network).channel(id, BigInt(Math.ceil((createdAt + OPENED_MS) / 1_000)))
}

/** A claim above what was agreed is of the one voucher that was left open, or it is a breach. */
async function explainClaim(channel: ChannelRow, claimed: Atomic, world: ChannelWorld): Promise<void> {
  const open = await world.ledger.channels.openVouchers(channel.id)
  const by = open.find(({ base, amount }) => claimed > base && claimed <= base + amount)
  if (by !== undefined) return chargeVoucher(by.attempt, channel, (claimed - by.base) as Atomic, world)
  world.log.error('seller claimed more than it had charged', { channel: channel.id, provider: channel.provider })
  await distrust(channel, `claimed ${claimed} where ${channel.charged} was charged`, world)
}

/** Writes down what a voucher was charged, and ends every attempt of the channel that is known by it. */
export async function chargeVoucher(attempt: string, channel: ChannelRow, amount: Atomic, world: ChannelWorld): Promise<void> {
  const { attempts, channels } = world.ledger
  const open = await channels.openVouchers(channel.id)
  await channels.charge(attempt, amount, world.clock.now())
  for (const { attempt: other } of open) {
    // The attempt that holds the channel now is not over: its own call ends it.
    if ((await attempts.get(other))?.state === 'unknown') await world.resolver.settle(other, { tries: 1 })
  }
}

/** Nothing more is signed for this channel; what is in it can be taken back. */
export async function distrust(
  channel: ChannelRow,
  reason: string,
  { ledger, clock }: Pick<ChannelWorld, 'ledger' | 'clock'>,
): Promise<void> {
  if (channel.state === 'open') await ledger.channels.mark(channel.id, { state: 'distrusted', reason }, clock.now())
}

async function find(id: string, { ledger }: Pick<ChannelWorld, 'ledger'>): Promise<ChannelRow> {
  const channel = await ledger.channels.get(id)
  if (channel === undefined) throw new RouteplaneError('internal', `there is no channel ${id}`)
  return channel
}
