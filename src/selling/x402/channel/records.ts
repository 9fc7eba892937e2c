/** What the official server keeps of each channel of x402, in our ledger, with what was charged for which voucher. */
import type { ChannelStorage } from '@x402/evm/batch-settlement/server'
import type { Network } from '@x402/core/types'
import { channelIdOf } from '../../../chain/channel-id.ts'
import { isRecord, parseJson } from '../../../lib/json.ts'
import type { SaleChannels } from '../../../ledger/sale.ts'
import type { Atomic } from '../../../money.ts'

type Official = NonNullable<Awaited<ReturnType<ChannelStorage['get']>>>

type Voucher = Pick<Official, 'signedMaxClaimable' | 'signature'>

/** Amounts in base units, as digits; `charged` is the last voucher that something was charged on. */
export type ChannelRecord = Official & { readonly charges?: readonly Charge[]; readonly charged?: Voucher | undefined }

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
  list(): Promise<Official[]>
  /** What was charged for a voucher: its highest amount names it. */
  chargeOf(id: string, maxClaimable: string): Promise<Atomic | undefined>
  /** Frees a channel from the request that a dead process was answering for this voucher, and has the chain looked at anew. */
  letGo(id: string, maxClaimable: string): Promise<void>
  /** Has the chain asked before anything is sold out of a channel again. */
  doubt(id: string): Promise<void>
  /** Says that nothing more can be had of a channel: it is not listed until it changes again. */
  end(id: string): Promise<void>
}

export function channelRecords(channels: SaleChannels): ChannelRecords {
  const get = async (id: string) => read(await channels.get(id.toLowerCase()))
  // Nothing can be claimed by a voucher that nothing was charged on.
  const list = async () =>
    (await channels.list('0x')).flatMap((text) => shown(read(text)) ?? []).filter(({ signature }) => signature !== undefined)
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
      get: async (id) => shown(await get(id)),
      list,
      async updateChannel(id, change) {
        const { before, after } = await update(id, (current) => {
          const seen = shown(current)
          const next = change(seen)
          return next === seen ? current : amended(current, next)
        })
        const channel = shown(read(after))
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
    doubt: async (id) =>
      void (await update(id, (record) => {
        if (record?.onchainSyncedAt === undefined) return record
        const { onchainSyncedAt: _believed, ...kept } = record
        return kept
      })),
    end: async (id) => void (await update(id, (record) => record, true)),
  }
}

/** A change of the official server's, with what it does not keep: who has been charged, and a request's channel for long enough. */
function amended(current: ChannelRecord | undefined, next: Official | undefined): ChannelRecord | undefined {
  if (next === undefined) return undefined
  const charged = BigInt(next.chargedCumulativeAmount) - BigInt(current?.chargedCumulativeAmount ?? next.chargedCumulativeAmount)
  const before = current?.charges ?? []
  const charges = charged > 0n ? [...before, [next.signedMaxClaimable, charged.toString()] as const].slice(-KEPT_CHARGES) : before
  const { pendingRequest, signedMaxClaimable, signature } = next
  const kept = { ...next, charges, charged: charged > 0n ? { signedMaxClaimable, signature } : current?.charged }
  if (pendingRequest === undefined || pendingRequest.pendingId === current?.pendingRequest?.pendingId) return kept
  const expiresAt = pendingRequest.expiresAt + HELD_LONGER_SECONDS * 1_000
  return { ...kept, pendingRequest: { ...pendingRequest, expiresAt } }
}

/**
 * The official server shows a channel's last voucher to who is wrong about where it stands, and anybody can be. A voucher is money to
 * whoever shows it to us until something was charged on it: before that, none leaves the ledger.
 */
function shown(record: ChannelRecord | undefined): Official | undefined {
  if (record === undefined) return undefined
  const { charged, charges: _ours, signedMaxClaimable: _promised, signature: _ofIt, ...channel } = record
  // Where there is none, the server sends its client to the chain.
  return { ...channel, ...charged } as Official
}

/** Of one network and token: the contract of another knows nothing of them. */
export async function recordsOn(records: ChannelRecords, network: Network, token: string): Promise<readonly ChannelRecord[]> {
  const all = await records.list()
  const isOwn = async ({ channelConfig, channelId }: ChannelRecord) =>
    channelConfig.token.toLowerCase() === token.toLowerCase() && (await channelIdOf(channelConfig, network)) === channelId.toLowerCase()
  const own = await Promise.all(all.map(isOwn))
  return all.filter((_, at) => own[at])
}

function read(text: string | undefined): ChannelRecord | undefined {
  const value = text === undefined ? undefined : parseJson(text)
  return isRecord(value) ? (value as unknown as ChannelRecord) : undefined
}
