/** The keys that sign vouchers of payment channels: one a channel, derived from a secret, none of them the wallet's. */
import { createHmac } from 'node:crypto'
import { batchSettlementTypes } from '../../contracts-abi/batch-settlement.ts'
import { tempoReserveTypes } from '../../contracts-abi/tempo-channels.ts'
import { channelDomain } from '../chain/channel-id.ts'
import { reserveDomain } from '../chain/tempo-channel.ts'
import { readPrivateKey } from './key.ts'

export type Voucher = { readonly network: string; readonly channelId: `0x${string}`; readonly maxClaimable: bigint }

export type VoucherKey = {
  readonly address: `0x${string}`
  /** The same voucher always gives the same signature (RFC 6979): whoever shows one of ours can be told from a forger. */
  sign(voucher: Voucher): Promise<`0x${string}`>
  /** The same over a channel of Tempo's reserve. */
  signReserve(voucher: Voucher): Promise<`0x${string}`>
}

/**
 * Derives the key of one channel. It moves nothing but what lies in that channel, so a process that holds the ledger's secret
 * may pay from the channel while the wallet's own key stays locked.
 *
 * @param salt - The channel's own, which no other has.
 */
export async function deriveVoucherKey(secret: Uint8Array, salt: `0x${string}`): Promise<VoucherKey> {
  const digits = createHmac('sha256', secret).update(`voucher key\n${salt.toLowerCase()}`).digest('hex')
  const key = await readPrivateKey(digits)
  return {
    address: key.address,
    sign: ({ network, channelId, maxClaimable }) =>
      key.signTypedData({
        domain: channelDomain(network),
        types: { Voucher: batchSettlementTypes.Voucher },
        primaryType: 'Voucher',
        message: { channelId, maxClaimableAmount: maxClaimable },
      }),
    signReserve: ({ network, channelId, maxClaimable }) =>
      key.signTypedData({
        domain: reserveDomain(network),
        types: tempoReserveTypes,
        primaryType: 'Voucher',
        message: { channelId, cumulativeAmount: maxClaimable },
      }),
  }
}
