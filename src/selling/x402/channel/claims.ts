/** Claims what was charged to channels of x402, many at once, and has it sent to the payee: whoever has emptied his keeps nobody from it. */
import type { FacilitatorClient } from '@x402/core/server'
import type { Network } from '@x402/core/types'
import type { BatchSettlementChannelManager } from '@x402/evm/batch-settlement/server'
import { toRouteplaneError } from '../../../errors.ts'
import type { PayingOut } from '../scheme/scheme.ts'
import { channelRecords, recordsOn, type ChannelRecord, type ChannelRecords } from './records.ts'

/** @returns how many channels were claimed from. @throws whatever the facilitator fails with when what was claimed is to be sent. */
export async function claimAndSettle(
  paying: PayingOut,
  client: FacilitatorClient,
  network: Network,
  token: `0x${string}`,
): Promise<number> {
  const { payTo, channels } = paying
  const records = channelRecords(channels)
  const { BatchSettlementEvmScheme } = await import('@x402/evm/batch-settlement/server')
  const manager = new BatchSettlementEvmScheme(payTo, { storage: records.storage }).createChannelManager(client, network, token)
  const own = await recordsOn(records, network, token)
  const claimable = own.filter((each) => BigInt(each.chargedCumulativeAmount) > BigInt(each.totalClaimed))
  const claimed = claimable.length === 0 ? 0 : await claimFrom(claimable, manager, records, paying, network)
  if (claimed > 0) await manager.settle()
  // What was claimed before may not have been sent then; mostly there is nothing.
  else if (own.length > 0) await manager.settle().catch(() => {})
  return claimed
}

/** One claim that the contract does not take fails those that are sent with it: they are sent in halves then. */
async function claimFrom(
  wanted: readonly ChannelRecord[],
  manager: BatchSettlementChannelManager,
  records: ChannelRecords,
  paying: PayingOut,
  network: Network,
): Promise<number> {
  const ids = new Set(wanted.map(({ channelId }) => channelId))
  try {
    const claims = await manager.claim({ selectClaimChannels: (all) => all.filter(({ channelId }) => ids.has(channelId)) })
    return claims.reduce((sum, { vouchers }) => sum + vouchers, 0)
  } catch (thrown) {
    const [only, ...others] = wanted
    if (only === undefined || others.length === 0) {
      if (only !== undefined) await giveUp(only, thrown, records, paying, network)
      return 0
    }
    const middle = Math.ceil(wanted.length / 2)
    const first = await claimFrom(wanted.slice(0, middle), manager, records, paying, network)
    return first + (await claimFrom(wanted.slice(middle), manager, records, paying, network))
  }
}

/** What the chain says is gone is not asked for again. */
async function giveUp(
  { channelId, chargedCumulativeAmount }: ChannelRecord,
  thrown: unknown,
  records: ChannelRecords,
  { chainOf, log }: PayingOut,
  network: Network,
): Promise<void> {
  log.warn('a channel of a payer could not be claimed from', { channel: channelId, code: toRouteplaneError(thrown).code })
  const { balance } = await chainOf(network).channel(channelId as `0x${string}`)
  if (balance < BigInt(chargedCumulativeAmount)) await records.end(channelId)
}
