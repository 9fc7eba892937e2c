/** What the wallet signs on Tempo: transfers, the opening of channels, and what their payer does with them; the network's fee is money too. */
import type { AssetRow } from '../chain/networks.ts'
import {
  ADDRESS,
  checkOwner,
  checkTimes,
  claimNonce,
  judge,
  refusal,
  requireSignableAsset,
  ZERO_ADDRESS,
  type Judge,
} from './policy-rules.ts'
import { feeUnits } from './tempo-transfer.ts'
import type { SigningGrant, TempoOpening, TempoReserveCall, TempoTransaction, TempoTransfer } from './wallet.ts'

type Granted = { readonly grant: SigningGrant; readonly payer: `0x${string}` }

/** A transfer, whose memo is its nonce. */
export function approveTempoTransfer(transfer: TempoTransfer, granted: Granted, by: Judge): AssetRow {
  const row = judgeTempo(transfer, granted, by)
  claimNonce(by.signed, { ...transfer, nonce: transfer.memo, validAfterSeconds: 0n }, { kind: 'tempo', detail: messageOf(transfer) })
  return row
}

/** The opening of a channel, whose salt is its nonce. */
export function approveTempoOpening(opening: TempoOpening, granted: Granted, by: Judge): AssetRow {
  const row = judgeTempo(opening, granted, by)
  const { authorizedSigner, operator } = opening
  if (!ADDRESS.test(authorizedSigner) || authorizedSigner.toLowerCase() === ZERO_ADDRESS || !ADDRESS.test(operator))
    throw refusal('payee_malformed', 'the channel names no key for its vouchers, or no address as its operator')
  const detail = `${messageOf(opening)} ${authorizedSigner} ${operator}`.toLowerCase()
  claimNonce(by.signed, { ...opening, nonce: opening.salt, validAfterSeconds: 0n }, { kind: 'channel', detail })
  return row
}

/** A call on a channel of the wallet's own; only a top-up has a value. */
export function approveTempoReserve(call: TempoReserveCall, granted: Granted, by: Judge): AssetRow {
  const { step, channel, nonce } = call
  checkOwner(channel, granted.payer)
  if (channel.token.toLowerCase() !== call.asset.toLowerCase()) throw refusal('asset_unknown', 'the channel is of another token')
  const named = { ...call, to: channel.payee }
  const row = step === 'topUp' ? judgeTempo(named, granted, by) : judgeStep(call, granted, by)
  const detail = [messageOf(named), step, ...Object.values(channel)].join(' ').toLowerCase()
  claimNonce(by.signed, { ...named, nonce, validAfterSeconds: 0n }, { kind: 'reserve', detail })
  return row
}

/** What moves nothing has no value to be judged. */
function judgeStep(call: TempoReserveCall, { grant }: Granted, by: Judge): AssetRow {
  if (call.value !== 0n) throw refusal('value_above_grant', 'only a top-up has a value')
  const row = requireSignableAsset(call, by.mainnets, ['tip20'])
  checkTimes({ ...call, validAfterSeconds: 0n }, by)
  checkTempoFee(call, row, grant)
  return row
}

type TempoPayment = TempoTransaction & Pick<TempoTransfer, 'to' | 'value'>

function judgeTempo(payment: TempoPayment, granted: Granted, by: Judge): AssetRow {
  const row = judge({ ...payment, validAfterSeconds: 0n }, granted, ['tip20'], by)
  checkTempoFee(payment, row, granted.grant)
  return row
}

function checkTempoFee(
  transaction: Pick<TempoTransaction, 'gas' | 'maxFeePerGas' | 'sponsored'>,
  { decimals }: AssetRow,
  { maxFee = 0n }: Pick<SigningGrant, 'maxFee'>,
): void {
  const { sponsored, gas, maxFeePerGas } = transaction
  if (gas < 0n || maxFeePerGas < 0n || (!sponsored && feeUnits(transaction, decimals) > maxFee))
    throw refusal('fee_above_grant', 'the fee of the network may be above what was agreed')
}

function messageOf({ network, asset, to, value, validBeforeSeconds, gas, maxFeePerGas, sponsored }: TempoPayment): string {
  return [network, asset, to, value, validBeforeSeconds, gas, maxFeePerGas, sponsored].join(' ').toLowerCase()
}
