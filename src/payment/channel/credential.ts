/** Signs what was promised out of a channel, and writes it as `batch-settlement` does on the wire. */
import { RouteplaneError } from '../../errors.ts'
import type { ChannelRow, VoucherRow } from '../../ledger/channel.ts'
import type { SchemeWorld } from '../scheme/scheme.ts'
import { configOf, depositSaltOf, voucherKeyOf } from './identity.ts'
import { onEvm } from '../proof/proof.ts'

/**
 * Makes the payload of an attempt from the ledger alone, so that it can be made again unchanged: a voucher, with the deposit it
 * draws on when both were promised together.
 *
 * @see https://github.com/coinbase/x402/tree/main/specs/schemes, "batch-settlement"
 */
export async function signPromise(channel: ChannelRow, voucher: VoucherRow, world: SchemeWorld): Promise<unknown> {
  const signed = await signVoucher(channel, voucher.base + voucher.amount, world)
  const channelConfig = configOf(channel)
  if (voucher.deposit === undefined) return { type: 'voucher', channelConfig, voucher: signed }
  return { type: 'deposit', channelConfig, voucher: signed, deposit: await signDeposit(voucher.deposit, world) }
}

/** Asks the seller to give back what it has not charged; it costs nothing and promises nothing new. */
export async function signRefund(channel: ChannelRow, world: Pick<SchemeWorld, 'ledger'>): Promise<unknown> {
  return { type: 'refund', channelConfig: configOf(channel), voucher: await signVoucher(channel, channel.charged, world) }
}

async function signVoucher(channel: ChannelRow, maxClaimable: bigint, { ledger }: Pick<SchemeWorld, 'ledger'>) {
  return {
    channelId: channel.id,
    maxClaimableAmount: maxClaimable.toString(),
    signature: await voucherSignature(channel, maxClaimable, ledger),
  }
}

/** The one signature of ours over this amount in this channel: made again, it is the same. */
export async function voucherSignature(channel: ChannelRow, maxClaimable: bigint, ledger: SchemeWorld['ledger']): Promise<`0x${string}`> {
  const key = await voucherKeyOf(await ledger.nonceSalt(), channel)
  return key.sign({ network: channel.network, channelId: channel.id, maxClaimable })
}

async function signDeposit(attempt: string, { ledger, wallet }: SchemeWorld) {
  const payment = (await ledger.attempts.get(attempt))?.payment
  if (payment === undefined) throw new RouteplaneError('internal', `deposit ${attempt} was never written down`)
  const { network, asset, amountAuthorized: value, validBeforeSeconds, nonce } = onEvm(payment)
  const signature = await wallet.signDeposit({ network, asset, value, validBeforeSeconds, nonce }, { attemptId: attempt, maxValue: value })
  return {
    amount: value.toString(),
    authorization: {
      erc3009Authorization: {
        validAfter: '0',
        validBefore: validBeforeSeconds.toString(),
        salt: depositSaltOf(await ledger.nonceSalt(), attempt),
        signature,
      },
    },
  }
}
