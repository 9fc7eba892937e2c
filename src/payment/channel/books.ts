/** Lays what the ledger believes of payment channels beside what lies in them on chain: all that ever left for one, row by row. */
import { toRouteplaneError } from '../../errors.ts'
import type { ChannelRow } from '../../ledger/channel.ts'
import type { Atomic } from '../../money.ts'
import { readChannel, syncChannel, type ChannelWorld } from './sync.ts'

/** What was put into a channel has been claimed by its seller, has come back, or lies there. Base units of its asset. */
export type ChannelBooks = {
  readonly channel: ChannelRow
  /** Claimed by the seller on chain; absent when the chain could not be asked. */
  readonly claimed?: Atomic
  /** Lies there, neither claimed nor given back; absent like `claimed`. */
  readonly left?: Atomic
  /** How the books differ from the chain, or why that is not known; absent when they agree. */
  readonly problem?: string
}

/** The channels of a wallet's token: every refund, withdrawal and close that has happened is recorded first. */
export async function channelBooks(
  token: Pick<ChannelRow, 'network' | 'asset' | 'payer'>,
  world: ChannelWorld,
): Promise<readonly ChannelBooks[]> {
  const channels = await world.ledger.channels.list(token)
  return Promise.all(channels.map((channel) => booksOf(channel, world)))
}

async function booksOf(before: ChannelRow, world: ChannelWorld): Promise<ChannelBooks> {
  try {
    const channel = await syncChannel(before, world)
    if (channel.depositing > 0n) return { channel, problem: 'a deposit is not known to have arrived' }
    if (channel.deposited === 0n) return { channel, claimed: 0n as Atomic, left: 0n as Atomic }
    const { balance, claimed } = await readChannel(channel, world)
    const left = (balance - claimed) as Atomic
    const problem = problemOf(channel, { balance, claimed })
    return { channel, claimed, left, ...(problem === undefined ? {} : { problem }) }
  } catch (error) {
    return { channel: before, problem: toRouteplaneError(error).message }
  }
}

/** More than was put in is somebody's gift, and no difference of ours. */
function problemOf(channel: ChannelRow, { balance, claimed }: { readonly balance: bigint; readonly claimed: bigint }): string | undefined {
  if (claimed > channel.charged) return 'its seller has claimed more than was charged'
  if (balance < channel.deposited - channel.returned) return 'less lies in it than was put in and has not come back'
  return undefined
}
