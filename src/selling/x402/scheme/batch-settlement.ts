/** `batch-settlement`: the caller opens a channel with one deposit, then pays by vouchers, each call for what was delivered. */
import type { ChannelStorage } from '@x402/evm/batch-settlement/server'
import { batchSettlementTypes } from '../../../../contracts-abi/batch-settlement.ts'
import { channelDomain, channelIdOf, type ChannelConfig } from '../../../chain/channel-id.ts'
import { isRecord, parseJson } from '../../../lib/json.ts'
import type { SaleChannels } from '../../../ledger/sale.ts'
import type { Atomic } from '../../../money.ts'
import { invalid, member, type Signed } from '../read.ts'
import type { SellingScheme } from './scheme.ts'

/** Seconds that a caller who takes his deposit back on his own must wait: long enough to claim what he owes. */
const WITHDRAW_DELAY_SECONDS = 3_600
/** A voucher never expires; the year 9999, in Unix seconds. */
const NEVER = 253_402_300_799n

export const batchSettlement: SellingScheme = {
  id: 'batch-settlement',
  charging: 'usage',
  inV1: false,
  isCorrected: true,
  // Whose signature claims vouchers.
  needs: 'receiverAuthorizer',
  async open({ payTo, channels }) {
    const { BatchSettlementEvmScheme } = await import('@x402/evm/batch-settlement/server')
    return new BatchSettlementEvmScheme(payTo, { storage: storageOn(channels), withdrawDelay: WITHDRAW_DELAY_SECONDS })
  },
  read: readVoucher,
  isSigned,
  fateOf: () => Promise.resolve(undefined),
  async payOut({ payTo, channels }, client, network, token) {
    const { BatchSettlementEvmScheme } = await import('@x402/evm/batch-settlement/server')
    const scheme = new BatchSettlementEvmScheme(payTo, { storage: storageOn(channels), withdrawDelay: WITHDRAW_DELAY_SECONDS })
    const manager = scheme.createChannelManager(client, network, token)
    if ((await manager.getClaimableVouchers()).length === 0) return 0
    const { claims } = await manager.claimAndSettle()
    return claims.reduce((sum, { vouchers }) => sum + vouchers, 0)
  },
}

/** @see https://github.com/coinbase/x402, `specs/schemes/batch-settlement` */
function readVoucher(payload: Record<string, unknown>): Signed {
  if (payload['type'] !== 'deposit' && payload['type'] !== 'voucher') throw invalid('the payment is neither a deposit nor a voucher')
  const voucher = member.record(payload, 'voucher')
  const config = member.record(payload, 'channelConfig')
  member.hex(voucher, 'signature')
  const most = member.integer(voucher, 'maxClaimableAmount')
  const nonce = `${member.bytes32(voucher, 'channelId')}:${most}`
  for (const name of ['payerAuthorizer', 'receiver', 'receiverAuthorizer', 'token']) member.address(config, name)
  member.bytes32(config, 'salt')
  if (payload['type'] === 'deposit') readDeposit(member.record(payload, 'deposit'))
  return { payer: member.address(config, 'payer'), nonce, amount: most as Atomic, validBeforeSeconds: NEVER }
}

/** Which channel it is out of is public, and so is the next amount: only the signature shows whose voucher it is. */
async function isSigned(payload: Record<string, unknown>, network: string): Promise<boolean | undefined> {
  const { channelId, maxClaimableAmount, signature } = payload['voucher'] as Record<'channelId' | 'maxClaimableAmount' | 'signature', Hex>
  const config = payload['channelConfig'] as ChannelConfig
  if (BigInt(config.payerAuthorizer) === 0n) return undefined
  const { recoverTypedDataAddress } = await import('viem')
  const { Voucher } = batchSettlementTypes
  const message = { channelId, maxClaimableAmount: BigInt(maxClaimableAmount) }
  const signed = { domain: channelDomain(network), types: { Voucher }, primaryType: 'Voucher', message, signature } as const
  try {
    const isItsOwn = (await channelIdOf(config, network)) === channelId.toLowerCase()
    return isItsOwn && (await recoverTypedDataAddress(signed)).toLowerCase() === config.payerAuthorizer.toLowerCase()
  } catch {
    // Addresses with a wrong checksum, and signatures that are no point of the curve.
    return false
  }
}

type Hex = `0x${string}`

/** Strictly, though the official facilitator judges it: what is spelled otherwise makes that one fail instead of refuse. */
function readDeposit(deposit: Record<string, unknown>): void {
  const authorization = member.record(deposit, 'authorization')
  member.integer(deposit, 'amount')
  if (authorization['permit2Authorization'] === undefined) {
    const transfer = member.record(authorization, 'erc3009Authorization')
    for (const name of ['validAfter', 'validBefore']) member.integer(transfer, name)
    member.bytes32(transfer, 'salt')
    member.hex(transfer, 'signature')
    return
  }
  const grant = member.record(authorization, 'permit2Authorization')
  const permitted = member.record(grant, 'permitted')
  for (const name of ['from', 'spender']) member.address(grant, name)
  for (const name of ['nonce', 'deadline']) member.integer(grant, name)
  member.address(permitted, 'token')
  member.integer(permitted, 'amount')
  member.bytes32(member.record(grant, 'witness'), 'channelId')
  member.hex(grant, 'signature')
}

type Channel = NonNullable<Awaited<ReturnType<ChannelStorage['get']>>>
type Voucher = Pick<Channel, 'signedMaxClaimable' | 'signature'>
/** A channel as it lies in the ledger, with the last voucher that something was charged on. */
type Kept = Channel & { readonly charged?: Voucher | undefined }

/** What the official server keeps of a channel, in our ledger: one change at a time, in however many processes. */
function storageOn(channels: SaleChannels): ChannelStorage {
  return {
    get: async (id) => shown(read(await channels.get(id.toLowerCase()))),
    // Nothing can be claimed without a voucher.
    list: async () =>
      (await channels.list('0x')).flatMap((text) => shown(read(text)) ?? []).filter(({ signature }) => signature !== undefined),
    async updateChannel(id, update) {
      const { before, after } = await channels.update(id.toLowerCase(), (text) => {
        const kept = read(text)
        const current = shown(kept)
        const next = update(current)
        if (next === undefined) return undefined
        return { text: next === current && text !== undefined ? text : written(next, kept), hasEnded: false }
      })
      const channel = shown(read(after))
      if (before === after) return { channel, status: 'unchanged' }
      return { channel, status: after === undefined ? 'deleted' : 'updated' }
    },
  }
}

function written(next: Channel, kept: Kept | undefined): string {
  const isCharged = kept !== undefined && next.chargedCumulativeAmount !== kept.chargedCumulativeAmount
  const { signedMaxClaimable, signature } = next
  return JSON.stringify({ ...next, charged: isCharged ? { signedMaxClaimable, signature } : kept?.charged })
}

/**
 * The official server shows the last voucher of a channel to who is wrong about it, and anybody can be. A voucher is money to whoever
 * shows it to us, until it has been charged: no other is known outside of the ledger.
 */
function shown(kept: Kept | undefined): Channel | undefined {
  if (kept === undefined) return undefined
  const { charged, signedMaxClaimable: _promised, signature: _ofIt, ...channel } = kept
  // The server takes a channel without a voucher for one that has to be looked up on chain.
  return { ...channel, ...charged } as Channel
}

function read(text: string | undefined): Kept | undefined {
  const value = text === undefined ? undefined : parseJson(text)
  return isRecord(value) ? (value as unknown as Kept) : undefined
}
