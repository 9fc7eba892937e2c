/** What a channel may do, without any storage: a promise is covered, a charge is within its promise, nothing goes backwards. */
import { RouteplaneError } from '../errors.ts'
import type { Atomic } from '../money.ts'
import type { ChannelRow, ChannelState, VoucherRow } from './channel.ts'

/** Where a channel may go from each state. */
export const channelMoves = {
  open: ['distrusted', 'withdrawing', 'closed'],
  distrusted: ['withdrawing', 'closed'],
  withdrawing: ['closed'],
  closed: [],
} as const satisfies Record<ChannelState, readonly ChannelState[]>

export const channelStates = Object.keys(channelMoves) as readonly ChannelState[]

/** Base units in the channel that nobody has charged, as far as both sides agree; deposits under way are not among them. */
export function freeIn(channel: Pick<ChannelRow, 'deposited' | 'returned' | 'charged'>): Atomic {
  const free = channel.deposited - channel.returned - channel.charged
  return (free > 0n ? free : 0n) as Atomic
}

/**
 * Plans the voucher of an attempt. Its base is what is certain to be charged: a guess that is too high would promise more
 * than the call may cost, one that is too low is put right by the seller, with our own signature for proof.
 *
 * @throws RouteplaneError `internal` when the channel is not open or does not hold so much.
 */
export function planVoucher(channel: ChannelRow, wanted: Pick<VoucherRow, 'attempt' | 'amount' | 'deposit'>): VoucherRow {
  if (channel.state !== 'open') throw new RouteplaneError('internal', `channel ${channel.id} is ${channel.state}`)
  if (wanted.amount <= 0n) throw new RouteplaneError('internal', 'a voucher promises nothing')
  const covered = channel.deposited + channel.depositing - channel.returned
  if (channel.charged + wanted.amount > covered)
    throw new RouteplaneError('internal', `channel ${channel.id} does not hold what is promised`)
  return { ...wanted, channel: channel.id, base: channel.charged }
}

/** @throws RouteplaneError `internal` for a charge above the promise, or a second one that differs from the first. */
export function checkCharge(voucher: VoucherRow, amount: Atomic): void {
  if (amount < 0n || amount > voucher.amount)
    throw new RouteplaneError('internal', `voucher of ${voucher.attempt} would be charged above what it promised`)
  if (voucher.charged !== undefined && voucher.charged !== amount)
    throw new RouteplaneError('internal', `voucher of ${voucher.attempt} is charged already, at another amount`)
}

/** @throws RouteplaneError `internal` for a move that does not exist. */
export function checkChannelMove(channel: Pick<ChannelRow, 'id' | 'state'>, to: ChannelState): void {
  if (channel.state === to) return
  if ((channelMoves[channel.state] as readonly ChannelState[]).includes(to)) return
  throw new RouteplaneError('internal', `channel ${channel.id} is ${channel.state} and cannot become ${to}`)
}

/** @throws RouteplaneError `internal` when more would have come back than was put in, or less than before. */
export function checkReturn(channel: Pick<ChannelRow, 'id' | 'deposited' | 'returned'>, total: Atomic): void {
  if (total < channel.returned || total > channel.deposited)
    throw new RouteplaneError('internal', `channel ${channel.id} cannot have given back so much`)
}
