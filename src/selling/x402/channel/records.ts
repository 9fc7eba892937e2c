/** What the official server keeps of each channel of x402, in our ledger, with what was charged for which voucher. */
import type { ChannelStorage } from '@x402/evm/batch-settlement/server'
import { isRecord, parseJson } from '../../../lib/json.ts'
import type { SaleChannels } from '../../../ledger/sale.ts'
import type { Atomic } from '../../../money.ts'

type Official = NonNullable<Awaited<ReturnType<ChannelStorage['get']>>>

/** Amounts in base units, as digits. */
export type ChannelRecord = Official & { readonly charges?: readonly Charge[] }

type Charge = readonly [maxClaimable: string, amount: string]

/** Seconds for which a request keeps its channel beyond the time that its offer held: answers may take longer. */
export const HELD_LONGER_SECONDS = 300
/** Charges that are remembered: a sale is booked right after its charge, or by who takes up what a crash has left. */
const KEPT_CHARGES = 32

export type ChannelRecords = {
  /** One change at a time, in however many processes. */
  readonly storage: ChannelStorage
  get(id: string): Promise<ChannelRecord | undefined>
  /** Those that may be claimed from. */
  list(): Promise<readonly ChannelRecord[]>
  /** What was charged for a voucher: its highest amount names it. */
  chargeOf(id: string, maxClaimable: string): Promise<Atomic | undefined>
  /** Frees a channel from the request that a dead process was answering for this voucher, and has the chain looked at anew. */
  letGo(id: string, maxClaimable: string): Promise<void>
  /** Says that nothing more can be had of a channel: it is not listed until it changes again. */
  end(id: string): Promise<void>
}

export function channelRecords(channels: SaleChannels): ChannelRecords {
  const get = async (id: string) => read(await channels.get(id.toLowerCase()))
  const list = async () => (await channels.list('0x')).flatMap((text) => read(text) ?? [])
  const update = (id: string, change: (record: ChannelRecord | undefined) => ChannelRecord | undefined, hasEnded = false) =>
    channels.update(id.toLowerCase(), (text) => {
      const current = read(text)
      const next = change(current)
      const after = next === current ? text : next === undefined ? undefined : JSON.stringify(next)
      return after === undefined ? undefined : { text: after, hasEnded }
    })
  return {
    get,
    list,
    storage: {
      get,
      list: async () => [...(await list())],
      async updateChannel(id, change) {
        const { before, after } = await update(id, (current) => amended(current, change(current)))
        const channel = read(after)
        if (before === after) return { channel, status: 'unchanged' }
        return { channel, status: after === undefined ? 'deleted' : 'updated' }
      },
    },
    async chargeOf(id, maxClaimable) {
      const charge = (await get(id))?.charges?.find(([most]) => most === maxClaimable)
      return charge === undefined ? undefined : (BigInt(charge[1]) as Atomic)
    },
    async letGo(id, maxClaimable) {
      if ((await get(id))?.pendingRequest?.signedMaxClaimable !== maxClaimable) return
      await update(id, (record) => {
        if (record?.pendingRequest?.signedMaxClaimable !== maxClaimable) return record
        const { pendingRequest: _ofTheDead, onchainSyncedAt: _ofBefore, ...kept } = record
        return kept
      })
    },
    end: async (id) => void (await update(id, (record) => record, true)),
  }
}

/** A change of the official server's, with what it does not keep: who has been charged, and a request's channel for long enough. */
function amended(current: ChannelRecord | undefined, next: Official | undefined): ChannelRecord | undefined {
  if (next === undefined || next === current) return next
  const charged = BigInt(next.chargedCumulativeAmount) - BigInt(current?.chargedCumulativeAmount ?? next.chargedCumulativeAmount)
  const before = current?.charges ?? []
  const charges = charged > 0n ? [...before, [next.signedMaxClaimable, charged.toString()] as const].slice(-KEPT_CHARGES) : before
  const { pendingRequest } = next
  if (pendingRequest === undefined || pendingRequest.pendingId === current?.pendingRequest?.pendingId) return { ...next, charges }
  const expiresAt = pendingRequest.expiresAt + HELD_LONGER_SECONDS * 1_000
  return { ...next, charges, pendingRequest: { ...pendingRequest, expiresAt } }
}

function read(text: string | undefined): ChannelRecord | undefined {
  const value = text === undefined ? undefined : parseJson(text)
  return isRecord(value) ? (value as unknown as ChannelRecord) : undefined
}
