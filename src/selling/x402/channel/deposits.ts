/** Looks whether what payers have put into their channels still lies there: a reorganisation takes back what was seen in a block. */
import type { Network } from '@x402/core/types'
import { toRouteplaneError } from '../../../errors.ts'
import type { PayingOut } from '../scheme/scheme.ts'
import { channelRecords, recordsOn, type ChannelRecord } from './records.ts'

/** Milliseconds since its last call after which nothing is taken back from a channel unseen: the next call asks the chain anyway. */
const IN_USE_MS = 15 * 60_000

/**
 * What is missing on the chain buys nothing more: the next voucher is judged by what is there. What was charged stays in the
 * books, for the transaction mostly comes into a later block.
 *
 * @param now - Unix milliseconds.
 */
export async function watchDeposits({ channels, chainOf, log }: PayingOut, network: Network, token: string, now: number): Promise<void> {
  const records = channelRecords(channels)
  const isLooked = ({ onchainSyncedAt, pendingRequest, lastRequestTimestamp }: ChannelRecord) =>
    onchainSyncedAt !== undefined && pendingRequest === undefined && now - lastRequestTimestamp < IN_USE_MS
  for (const { channelId, balance } of (await recordsOn(records, network, token)).filter(isLooked)) {
    try {
      const seen = await chainOf(network).channel(channelId as `0x${string}`)
      if (seen.balance >= BigInt(balance)) continue
      await records.doubt(channelId)
      log.warn('what was put into the channel of a payer is not on the chain any more', { channel: channelId })
    } catch (thrown) {
      log.warn('a channel of a payer cannot be looked at', { channel: channelId, code: toRouteplaneError(thrown).code })
    }
  }
}
