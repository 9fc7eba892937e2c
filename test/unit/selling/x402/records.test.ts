/** What is kept of a channel beside what its official server keeps: what was charged for which voucher, and for how long a request has it. */
import type { ChannelStorage } from '@x402/evm/batch-settlement/server'
import { describe, expect, it } from 'vitest'
import type { SaleChannels } from '../../../../src/ledger/sale.ts'
import { channelRecords, HELD_LONGER_SECONDS } from '../../../../src/selling/x402/channel/records.ts'

type Channel = Parameters<Parameters<ChannelStorage['updateChannel']>[1]>[0] & object

const ID = `0x${'AB'.repeat(32)}`
const channel = {
  channelId: ID,
  chargedCumulativeAmount: '10',
  signedMaxClaimable: '30',
  signature: '0x',
  balance: '100',
  totalClaimed: '0',
  withdrawRequestedAt: 0,
  refundNonce: 0,
  onchainSyncedAt: 5,
  lastRequestTimestamp: 5,
} as unknown as Channel

function open() {
  const texts = new Map<string, string>()
  const channels: SaleChannels = {
    get: async (id) => texts.get(id),
    list: async () => [...texts.values()],
    async update(id, change) {
      const before = texts.get(id)
      const after = change(before)?.text
      if (after === undefined) texts.delete(id)
      else texts.set(id, after)
      return { before, after }
    },
  }
  return channelRecords(channels)
}

const change = (next: Partial<Channel>) => (current: Channel | undefined) => ({ ...(current ?? channel), ...next })
const pending = { pendingId: 'a', signedMaxClaimable: '30', expiresAt: 1_000 }

describe('the record of a channel', () => {
  it('says what was charged for each voucher, whatever the official server keeps', async () => {
    const { storage, chargeOf } = open()
    await storage.updateChannel(ID, change({ pendingRequest: pending }))
    expect(await chargeOf(ID, '30')).toBeUndefined()
    await storage.updateChannel(ID, change({ chargedCumulativeAmount: '17', signedMaxClaimable: '30' }))
    await storage.updateChannel(ID, () => ({ ...channel, chargedCumulativeAmount: '20', signedMaxClaimable: '37' }))
    expect([await chargeOf(ID, '30'), await chargeOf(ID, '37'), await chargeOf(ID, '38')]).toEqual([7n, 3n, undefined])
  })

  it('is held longer than the official server would, once', async () => {
    const { storage, get } = open()
    await storage.updateChannel(ID, change({ pendingRequest: pending }))
    await storage.updateChannel(ID, change({ lastRequestTimestamp: 6 }))
    expect((await get(ID))?.pendingRequest?.expiresAt).toBe(1_000 + HELD_LONGER_SECONDS * 1_000)
  })

  it('is let go of by the voucher that holds it, and by no other', async () => {
    const { storage, get, letGo } = open()
    await storage.updateChannel(ID, change({ pendingRequest: pending }))
    await letGo(ID, '31')
    expect((await get(ID))?.pendingRequest).toMatchObject({ pendingId: 'a' })
    await letGo(ID, '30')
    const { pendingRequest, onchainSyncedAt } = (await get(ID)) ?? {}
    expect([pendingRequest, onchainSyncedAt]).toEqual([undefined, undefined])
  })
})
