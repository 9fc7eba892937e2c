/** Ends channels on Tempo for what was charged out of them: those that nobody uses, and in time those that their payers take back. */
import { TEMPO_CLOSE_GRACE_SECONDS } from '../../../chain/tempo-channel.ts'
import { RouteplaneError, toRouteplaneError } from '../../../errors.ts'
import type { MppDesk, TempoClient } from '../method.ts'
import { CHARGED_MS, channelsOn, type PaidChannel } from './channels.ts'

/** Of the time that a payer has to wait for his money; answers under way may take the rest of it before they lose their channel. */
const WAIT_SECONDS = TEMPO_CLOSE_GRACE_SECONDS / 2

type ClosingDesk = Pick<MppDesk, 'channels' | 'chainOf' | 'clientOf' | 'clock' | 'log'>

/** Ends channels out of which nobody has bought for so long. @returns how many. */
export async function endIdle(desk: ClosingDesk, idleMs: number): Promise<number> {
  const now = desk.clock.now()
  return endEach(desk, async (channel) => {
    return now - lastUsed(channel) >= idleMs && (await channelsOn(desk.channels).end(channel.channelId, now))
  })
}

/** Ends channels that their payers have asked the chain for, before it gives them what is ours. @returns how many. */
export function endWantedBack(desk: ClosingDesk): Promise<number> {
  const channels = channelsOn(desk.channels)
  return endEach(desk, async (channel) => {
    const { channelId, spent, chainId } = channel
    const chain = desk.chainOf(networkOf(chainId))
    // At the latest: sales are forgotten after a while.
    const lastSeen = Math.max(lastUsed(channel), desk.clock.now() - CHARGED_MS)
    const { balance, claimed, withdrawal } = await chain.channel(channelId, BigInt(Math.ceil(lastSeen / 1_000)))
    await channels.observe(channelId, { settledOnChain: claimed, closeRequestedAt: BigInt(withdrawal?.initiatedAtSeconds ?? 0) })
    if (balance === claimed && claimed < spent)
      throw new RouteplaneError('channel_closed', `the payer has taken ${spent - claimed} back that was charged and not claimed in time`)
    if (balance === claimed) await channels.ended(channelId, true)
    if (withdrawal === undefined) return false
    const { timestampSeconds } = await chain.latestBlock()
    const isLate = timestampSeconds >= BigInt(withdrawal.initiatedAtSeconds + WAIT_SECONDS)
    return channels.end(channelId, desk.clock.now(), isLate)
  })
}

/** Unix milliseconds. */
function lastUsed({ usedAt = 0, sales = {} }: PaidChannel): number {
  return Math.max(usedAt, ...Object.values(sales).map(({ at }) => at))
}

/** @param take - Stops the sale out of a channel that is to be ended, and says whether it is this caller's to end. */
async function endEach(desk: ClosingDesk, take: (channel: PaidChannel) => Promise<boolean>): Promise<number> {
  let ended = 0
  const channels = channelsOn(desk.channels)
  for (const channel of await channels.list()) {
    if (channel.finalized || channel.spent <= channel.settledOnChain) continue
    try {
      if (!(await take(channel))) continue
      await endOne(channel, desk)
      ended++
    } catch (thrown) {
      const { code, message } = toRouteplaneError(thrown)
      // Whatever it came to, there is nothing left to be had, and no more to be said.
      if (code === 'channel_closed') await channels.ended(channel.channelId, true)
      desk.log.warn('a channel of a payer could not be ended', { channel: channel.channelId, code, reason: message })
    }
  }
  return ended
}

/** @throws whatever the transaction fails with: then the channel is as it was, and is tried again. */
async function endOne({ channelId, chainId }: PaidChannel, { channels: store, clientOf }: ClosingDesk): Promise<void> {
  const channels = channelsOn(store)
  let isFinal = false
  try {
    const channel = await channels.get(channelId)
    if (channel === undefined) return
    await close(channel, await clientOf(networkOf(chainId)))
    isFinal = true
  } finally {
    await channels.ended(channelId, isFinal)
  }
}

function networkOf(chainId: number): string {
  return `eip155:${chainId}`
}

/** Takes what was charged, and gives the rest back. */
async function close({ channelId: _named, ...channel }: PaidChannel, client: TempoClient): Promise<void> {
  const { highestVoucher, highestVoucherAmount, descriptor, spent, escrowContract } = channel
  if (highestVoucher === null) throw new RouteplaneError('internal', 'a channel that was charged has no voucher')
  const { Session } = await import('mppx/tempo')
  const { closeOnChain, waitForSuccessfulReceipt } = Session.Precompile.Chain
  const options = { account: client.account, candidateFeeTokens: [descriptor.token] } as never
  const { signature } = highestVoucher
  try {
    const hash = await closeOnChain(client, descriptor as never, highestVoucherAmount, spent, signature, escrowContract, options)
    await waitForSuccessfulReceipt(client, hash)
  } catch (cause) {
    throw new RouteplaneError('upstream_error', 'the transaction that ends it failed', { cause })
  }
}
