/** Writes what was promised out of a channel of Tempo's reserve as `tempo/session` does on the wire, from the ledger alone. */
import { TEMPO_CLOSE_GRACE_SECONDS, type ReserveDescriptor } from '../../chain/tempo-channel.ts'
import { RouteplaneError } from '../../errors.ts'
import type { ChannelRow, ChannelTerms } from '../../ledger/channel.ts'
import type { AttemptPayment, AttemptRow } from '../../ledger/entry.ts'
import type { Ledger } from '../../ledger/ledger.ts'
import type { Atomic } from '../../money.ts'
import { deriveVoucherKey } from '../../wallet/voucher-key.ts'
import type { TempoOpening } from '../../wallet/wallet.ts'
import type { MppCredential } from '../challenge/mpp.ts'
import { sourceOf } from '../scheme/evm-charge.ts'
import type { SchemeWorld } from '../scheme/scheme.ts'
import { onEvm } from '../proof/proof.ts'

/** The channel as the reserve and its seller name it. */
export function descriptorOf(channel: ChannelTerms): ReserveDescriptor {
  const { payer, receiver: payee, receiverAuthorizer: operator, asset: token, salt, payerAuthorizer: authorizedSigner, opening } = channel
  if (opening === undefined) throw new RouteplaneError('internal', `channel ${channel.id} is none of the reserve`)
  return { payer, payee, operator, token, salt, authorizedSigner, expiringNonceHash: opening }
}

/** How long the payer waits for its own money when the seller is gone. Seconds. */
export const SESSION_WITHDRAW_DELAY = TEMPO_CLOSE_GRACE_SECONDS

/** A voucher over everything that may have been taken up to now; made again, it is the same. */
export async function signSession(
  action: 'voucher' | 'close',
  channel: ChannelRow,
  cumulative: Atomic,
  ledger: Pick<Ledger, 'nonceSalt'>,
): Promise<MppCredential> {
  const payload = { action, ...(await signedVoucher(channel, cumulative, ledger)) }
  return { payload, source: sourceOf(channel.network, channel.payer) }
}

/** A transaction on the reserve, and what carries it to the seller. */
type SignedReserve = { readonly credential: MppCredential; readonly transaction: `0x${string}` }

/** The first voucher, with the transaction that fills the channel: the seller sends it. */
export async function signOpening(
  channel: ChannelRow,
  cumulative: Atomic,
  deposit: AttemptPayment,
  { wallet, ledger }: Pick<SchemeWorld, 'wallet' | 'ledger'>,
): Promise<SignedReserve> {
  const opening = openingOf(channel, deposit)
  const maxFee = deposit.amountAuthorized - opening.value
  const transaction = await wallet.signTempoOpening(opening, {
    attemptId: channel.id,
    payee: channel.receiver,
    maxValue: opening.value,
    maxFee,
  })
  const voucher = await signedVoucher(channel, cumulative, ledger)
  const payload = { action: 'open', type: 'transaction', transaction, authorizedSigner: channel.payerAuthorizer, ...voucher }
  return { credential: { payload, source: sourceOf(channel.network, channel.payer) }, transaction }
}

/** The transaction that adds to a channel, for its seller to send; made again from the row, it is the same. */
export async function signTopUp(
  channel: ChannelRow,
  deposit: Pick<AttemptRow, 'id' | 'payment'>,
  { wallet }: Pick<SchemeWorld, 'wallet'>,
): Promise<SignedReserve> {
  const { payment } = deposit
  if (payment === undefined) throw new RouteplaneError('internal', `top-up ${deposit.id} was never written down`)
  const { value = '0', gas = '0', max_fee_per_gas: maxFeePerGas = '0' } = payment.particulars ?? {}
  const { network, asset, nonce, validBeforeSeconds, amountAuthorized } = onEvm(payment)
  const descriptor = descriptorOf(channel)
  const work = { gas: BigInt(gas), maxFeePerGas: BigInt(maxFeePerGas), validBeforeSeconds, sponsored: false }
  const transaction = await wallet.signTempoReserve(
    { network, asset, ...work, step: 'topUp', channel: descriptor, value: BigInt(value), nonce },
    { attemptId: deposit.id, payee: channel.receiver, maxValue: BigInt(value), maxFee: amountAuthorized - BigInt(value) },
  )
  const added = { channelId: channel.id, descriptor, additionalDeposit: value }
  const payload = { action: 'topUp', type: 'transaction', transaction, ...added }
  return { credential: { payload, source: sourceOf(network, channel.payer) }, transaction }
}

/** The transaction of an opening, out of the rows that were written before it was signed. */
function openingOf(channel: ChannelRow, { particulars = {}, validBeforeSeconds }: AttemptPayment): TempoOpening {
  const { network, asset, receiver: to, receiverAuthorizer: operator, salt, payerAuthorizer: authorizedSigner } = channel
  const { value = '0', gas = '0', max_fee_per_gas: maxFeePerGas = '0' } = particulars
  return {
    network,
    asset,
    to,
    operator,
    salt,
    authorizedSigner,
    validBeforeSeconds,
    sponsored: false,
    value: BigInt(value),
    gas: BigInt(gas),
    maxFeePerGas: BigInt(maxFeePerGas),
  }
}

async function signedVoucher(channel: ChannelRow, cumulative: Atomic, ledger: Pick<Ledger, 'nonceSalt'>) {
  const key = await deriveVoucherKey(await ledger.nonceSalt(), channel.salt)
  const signature = await key.signReserve({ network: channel.network, channelId: channel.id, maxClaimable: cumulative })
  return { channelId: channel.id, descriptor: descriptorOf(channel), cumulativeAmount: cumulative.toString(), signature }
}
