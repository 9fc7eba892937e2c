/** `batch-settlement`: the caller opens a channel with one deposit, then pays by vouchers, each call for what was delivered. */
import { batchSettlementTypes } from '../../../../contracts-abi/batch-settlement.ts'
import { channelDomain, channelIdOf, type ChannelConfig } from '../../../chain/channel-id.ts'
import type { SaleChannels } from '../../../ledger/sale.ts'
import type { Atomic } from '../../../money.ts'
import { claimAndSettle } from '../channel/claims.ts'
import { watchDeposits } from '../channel/deposits.ts'
import { channelRecords, HELD_LONGER_SECONDS } from '../channel/records.ts'
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
    return new BatchSettlementEvmScheme(payTo, { storage: channelRecords(channels).storage, withdrawDelay: WITHDRAW_DELAY_SECONDS })
  },
  read: readVoucher,
  fateOf: () => Promise.resolve(undefined),
  channel: { signatureFault, objection, takeOver, chargedBefore, voucherOf, heldLongerSeconds: HELD_LONGER_SECONDS },
  watch: watchDeposits,
  payOut: claimAndSettle,
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
  const signed = { payer: member.address(config, 'payer'), nonce, amount: most as Atomic, validBeforeSeconds: NEVER }
  return payload['type'] === 'deposit' ? { ...signed, deposit: readDeposit(member.record(payload, 'deposit')) } : signed
}

/** Which channel it is out of is public, and so is the next amount: only the signature shows whose voucher it is. */
async function signatureFault(payload: Record<string, unknown>, network: string): Promise<string | undefined> {
  const { channelId, maxClaimableAmount, signature } = voucherIn(payload)
  const config = payload['channelConfig'] as ChannelConfig
  // The code at a payer's address may call a voucher good when it is shown here and bad when it is claimed.
  if (BigInt(config.payerAuthorizer) === 0n) return 'the channel names no payerAuthorizer, whose key its vouchers are to be signed by'
  const { recoverTypedDataAddress } = await import('viem')
  const { Voucher } = batchSettlementTypes
  const message = { channelId, maxClaimableAmount: BigInt(maxClaimableAmount) }
  const signed = { domain: channelDomain(network), types: { Voucher }, primaryType: 'Voucher', message, signature } as const
  try {
    const isItsOwn = (await channelIdOf(config, network)) === channelId.toLowerCase()
    if (isItsOwn && (await recoverTypedDataAddress(signed)).toLowerCase() === config.payerAuthorizer.toLowerCase()) return undefined
  } catch {
    // Addresses with a wrong checksum, and signatures that are no point of the curve.
  }
  return 'the payment is not signed by its payer'
}

function voucherIn(payload: Record<string, unknown>) {
  return payload['voucher'] as Record<'channelId' | 'maxClaimableAmount' | 'signature', Hex>
}

/** What is claimed in time is ours; what is bought while the payer's time runs might not be. */
async function objection(channels: SaleChannels, payload: Record<string, unknown>): Promise<string | undefined> {
  const channel = await channelRecords(channels).get(voucherIn(payload).channelId)
  return channel === undefined || channel.withdrawRequestedAt === 0 ? undefined : 'the payer of the channel is taking it back'
}

async function takeOver(channels: SaleChannels, payload: Record<string, unknown>): Promise<void> {
  const { channelId, maxClaimableAmount } = voucherIn(payload)
  await channelRecords(channels).letGo(channelId, maxClaimableAmount)
}

async function chargedBefore(channels: SaleChannels, payload: Record<string, unknown>): Promise<Atomic | undefined> {
  const { channelId, maxClaimableAmount } = voucherIn(payload)
  return channelRecords(channels).chargeOf(channelId, maxClaimableAmount)
}

/** The voucher that a deposit came with: its money may lie in the channel already. */
function voucherOf(payload: Record<string, unknown>): Record<string, unknown> | undefined {
  const { type, channelConfig, voucher } = payload
  return type === 'deposit' ? { type: 'voucher', channelConfig, voucher } : undefined
}

type Hex = `0x${string}`

/** Strictly, though the official facilitator judges it: what is spelled otherwise makes that one fail instead of refuse. */
function readDeposit(deposit: Record<string, unknown>): Atomic {
  const authorization = member.record(deposit, 'authorization')
  const amount = member.integer(deposit, 'amount') as Atomic
  if (authorization['permit2Authorization'] === undefined) {
    const transfer = member.record(authorization, 'erc3009Authorization')
    for (const name of ['validAfter', 'validBefore']) member.integer(transfer, name)
    member.bytes32(transfer, 'salt')
    member.hex(transfer, 'signature')
    return amount
  }
  const grant = member.record(authorization, 'permit2Authorization')
  const permitted = member.record(grant, 'permitted')
  for (const name of ['from', 'spender']) member.address(grant, name)
  for (const name of ['nonce', 'deadline']) member.integer(grant, name)
  member.address(permitted, 'token')
  member.integer(permitted, 'amount')
  member.bytes32(member.record(grant, 'witness'), 'channelId')
  member.hex(grant, 'signature')
  return amount
}
