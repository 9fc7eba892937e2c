/** Reads a seller's 402 that says our channel is out of step, and believes of it only what our own signature or the chain proves. */
import type { ChannelRow, VoucherRow } from '../../ledger/channel.ts'
import { isRecord } from '../../lib/json.ts'
import { parseAtomic, type Atomic } from '../../money.ts'
import type { Challenge } from '../challenge/challenge.ts'
import { voucherSignature } from './credential.ts'
import { chargeVoucher, distrust, syncChannel, type ChannelWorld } from './sync.ts'

/**
 * What a refusal came to: the channel is in step and the call may be paid; this very call has been charged and its answer is
 * lost; the seller is still busy with the channel; or there is nothing to believe.
 */
export type Correction = 'corrected' | 'paid' | 'busy' | 'refused'

/** The channel of a refused call, the attempt that the call is, and whether an earlier send of its voucher may have been charged. */
type Refused = { readonly channel: ChannelRow; readonly attempt?: string; readonly unanswered?: boolean }

const PREFIX = 'invalid_batch_settlement_evm_'

/** The seller's words for a channel of which the chain knows more than we do. */
const askTheChain: readonly string[] = [
  'cumulative_below_claimed',
  'cumulative_exceeds_balance',
  'channel_not_found',
  'missing_channel',
  'refund_no_balance',
]

/** @param challenge - The 402 that answered a signed call, or `undefined` when it could not be read. */
export async function correctChannel(refused: Refused, challenge: Challenge | undefined, world: ChannelWorld): Promise<Correction> {
  const { channel, attempt } = refused
  const error = challenge?.error?.startsWith(PREFIX) === true ? challenge.error.slice(PREFIX.length) : ''
  if (error === 'channel_busy') return 'busy'
  if (error === 'cumulative_amount_mismatch') return correctCharge(refused, challenge, world)
  if (!askTheChain.includes(error)) return 'refused'
  const after = await syncChannel(channel, world)
  const own = attempt === undefined ? undefined : await world.ledger.channels.voucher(attempt)
  if (own?.charged !== undefined && own.charged > 0n) return 'paid'
  return after.charged !== channel.charged || after.returned !== channel.returned ? 'corrected' : 'refused'
}

/**
 * Takes over what the seller says it has charged, when it shows the voucher that allowed it: one of ours, still open, and
 * enough for what it has charged. Anything else is refused; what contradicts our own books ends the trust.
 */
async function correctCharge(refused: Refused, challenge: Challenge | undefined, world: ChannelWorld): Promise<Correction> {
  const { channel, attempt } = refused
  const said = readState(challenge, channel.id)
  if (said === undefined) return 'refused'
  const open = await world.ledger.channels.openVouchers(channel.id)
  const fitting = open.filter(({ base, amount }) => base + amount === said.signed && said.charged > base && said.charged <= base + amount)
  const by = chargedOf(fitting, refused)
  const isOurs =
    by !== undefined && said.signature.toLowerCase() === (await voucherSignature(channel, said.signed, world.ledger)).toLowerCase()
  if (isOurs) {
    await chargeVoucher(by.attempt, channel, (said.charged - by.base) as Atomic, world)
    // A resent voucher that was charged the first time: a second promise would pay for the same call twice.
    return by.attempt === attempt ? 'paid' : 'corrected'
  }
  world.log.warn('seller and ledger disagree on a channel', { channel: channel.id, provider: channel.provider })
  await distrust(channel, `said that ${said.charged} was charged where ${channel.charged} was agreed, without our signature for it`, world)
  return 'refused'
}

/**
 * Calls on one base and for one amount have one voucher between them, and the seller has charged one of them. A call that is
 * refused at its first send is not the one; one that was sent before may be, and is then not paid a second time.
 */
function chargedOf(fitting: readonly VoucherRow[], { attempt, unanswered = false }: Refused): VoucherRow | undefined {
  const own = fitting.find((voucher) => voucher.attempt === attempt)
  const other = fitting.find((voucher) => voucher.attempt !== attempt)
  return unanswered ? (own ?? other) : (other ?? own)
}

type SaidState = { readonly charged: Atomic; readonly signed: Atomic; readonly signature: string }

function readState(challenge: Challenge | undefined, channelId: string): SaidState | undefined {
  for (const { raw } of challenge?.terms ?? []) {
    const extra = isRecord(raw) && isRecord(raw['extra']) ? raw['extra'] : {}
    const { channelState, voucherState } = extra
    if (!isRecord(channelState) || !isRecord(voucherState)) continue
    const { channelId: named, chargedCumulativeAmount } = channelState
    const { signedMaxClaimable, signature } = voucherState
    if (typeof named !== 'string' || named.toLowerCase() !== channelId.toLowerCase() || typeof signature !== 'string') continue
    const charged = readAmount(chargedCumulativeAmount)
    const signed = readAmount(signedMaxClaimable)
    if (charged !== undefined && signed !== undefined) return { charged, signed, signature }
  }
  return undefined
}

/** @returns `undefined` for anything but a plain decimal integer. */
export function readAmount(value: unknown): Atomic | undefined {
  try {
    return typeof value === 'string' ? parseAtomic(value) : undefined
  } catch {
    return undefined
  }
}
