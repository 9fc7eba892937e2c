/** Writes down what a call of a session came to, by the word its seller can be held to. */
import { RouteplaneError } from '../../errors.ts'
import type { ChannelRow, VoucherRow } from '../../ledger/channel.ts'
import type { Atomic } from '../../money.ts'
import { chargeVoucher, distrust } from '../channel/sync.ts'
import type { SchemeWorld, SigningPlan } from '../scheme/scheme.ts'

export async function promiseOf(
  { attemptId }: Pick<SigningPlan, 'attemptId'>,
  { ledger }: Pick<SchemeWorld, 'ledger'>,
): Promise<{ readonly voucher: VoucherRow; readonly channel: ChannelRow }> {
  const voucher = await ledger.channels.voucher(attemptId)
  const channel = voucher === undefined ? undefined : await ledger.channels.get(voucher.channel)
  if (voucher === undefined || channel === undefined) throw new RouteplaneError('internal', `attempt ${attemptId} has promised nothing`)
  return { voucher, channel }
}

/**
 * Unsaid, or more than was promised, is counted in full: the seller holds the voucher for it, and closing the channel is all that
 * could show less.
 *
 * @param spent - Base units that the seller has taken from the channel in all, this call included.
 */
export async function concludeVoucher(plan: SigningPlan, spent: Atomic | undefined, world: SchemeWorld): Promise<void> {
  const { voucher, channel } = await promiseOf(plan, world)
  if (voucher.charged !== undefined) return
  const isSound = spent !== undefined && spent <= voucher.base + voucher.amount
  const charged = !isSound ? voucher.amount : spent > voucher.base ? spent - voucher.base : 0n
  await chargeVoucher(plan.attemptId, channel, charged as Atomic, world)
  if (spent === undefined || isSound) return
  world.log.error('seller charged what was not promised', { attempt: plan.attemptId, channel: channel.id, provider: channel.provider })
  await distrust(channel, 'said that it had charged what was not promised', world)
}
