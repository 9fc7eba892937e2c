/** `tempo/session`: a channel of the network's reserve that the payer fills once; vouchers follow the answer, which is charged for what it was. */
import { tempoReserveAddress } from '../../../chain/tempo-channel.ts'
import { chainIdOf, type AssetRow } from '../../../chain/networks.ts'
import { RouteplaneError, toRouteplaneError } from '../../../errors.ts'
import type { SalePayment } from '../../../ledger/sale.ts'
import type { Atomic } from '../../../money.ts'
import { amountOf } from '../../charge.ts'
import type { Pace, Quote, Settlement, Tender } from '../../till.ts'
import { balanceOf } from '../../x402/collect.ts'
import { member, unfit } from '../../x402/read.ts'
import { challengeFault, mostOf } from '../challenge.ts'
import type { MppDesk, SellingMethod, Taken } from '../method.ts'
import { paymentBy } from '../payment.ts'
import { wantedIn } from '../read.ts'
import { refusalOf } from '../refusal.ts'
import { channelsOn, isUsable, type PaidChannel, type PaidChannels } from '../tempo/channels.ts'
import { endIdle, endWantedBack } from '../tempo/closing.ts'
import { createMeter, type Meter } from '../tempo/meter.ts'

/** A deposit is good for so many of the call that it is asked with. */
const CALLS_IN_DEPOSIT = 10n
/** A voucher never expires; the year 9999, in Unix seconds. */
const NEVER = 253_402_300_799n

export const tempoSession: SellingMethod = {
  id: 'tempo/session',
  charging: 'usage',
  isChannel: true,
  takes: ({ transferMethod }) => transferMethod === 'tip20',
  // The payee may lie elsewhere: whoever ends channels for him is named when they are opened.
  needsKey: true,
  async ask({ priceUsd, pace, resource }, asset, desk) {
    // Vouchers between two events of a stream are posted to where it comes from.
    if (!resource.startsWith('http')) return undefined
    const most = amountOf(priceUsd, asset.decimals)
    const first = pace === undefined ? most : least(amountOf(pace.firstUsd, asset.decimals), most)
    const { account } = await desk.clientOf(asset.network)
    if (account === undefined) return undefined
    const methodDetails = {
      chainId: chainIdOf(asset.network),
      escrowContract: tempoReserveAddress,
      operator: account.address,
      sessionProtocol: 'v2',
    }
    const suggestedDeposit = (most * CALLS_IN_DEPOSIT).toString()
    const about = { recipient: desk.terms.payTo, suggestedDeposit, unitType: 'request' }
    return { method: tempoSession.id, request: { amount: first.toString(), currency: asset.address, methodDetails, ...about }, most }
  },
  take,
  async tend(taken, desk) {
    const { action, channelId } = readSession(taken)
    const channels = channelsOn(desk.channels)
    const isEnd = action === 'close'
    // Everybody can read on chain which channels there are: only its payer stops the sale out of one.
    const channel = isEnd ? await channels.get(channelId) : undefined
    if (channel !== undefined && !(await isPromised(taken, channel))) throw unfit('the voucher is not signed by the payer of the channel')
    if (isEnd && !(await channels.end(channelId, desk.clock.now()).catch(() => true))) {
      throw new RouteplaneError('payment_in_progress', 'a request is being answered out of this channel', { retryAfterMs: 1_000 })
    }
    try {
      const receipt = await officially(taken, desk)
      // Who adds to a channel wants it to go on: the network has forgotten that he had asked for it.
      if (action === 'topUp') await channels.observe(channelId, { closeRequestedAt: 0n })
      if (isEnd) await channels.ended(channelId, true)
      return headersOf(receipt)
    } catch (thrown) {
      if (isEnd) await channels.ended(channelId, false)
      if (thrown instanceof GoneError) throw gone(thrown.message)
      const error = toRouteplaneError(thrown)
      throw error.code === 'facilitator_unavailable' ? error : unfit(error.message)
    }
  },
  payOut: endIdle,
  watch: endWantedBack,
}

async function take(taken: Taken, desk: MppDesk): Promise<Tender> {
  const { presented, asset, isRevived } = taken
  const { challenge, header } = presented
  const { action, channelId, cumulative, payer } = readSession(taken)
  const most = mostOf(challenge)
  if (action === 'topUp' || action === 'close' || cumulative === undefined || most === undefined)
    throw unfit('the payment is no voucher that could pay for a request')
  const first = least(BigInt(wantedIn(challenge)?.amount ?? '0') as Atomic, most)
  // The voucher and the challenge that it answers: the same voucher may be shown for a second request, which is charged by itself.
  const key = ['mpp', asset.network, channelId, cumulative, challenge.id].join(' ').toLowerCase()
  const signed = { payer, nonce: `${channelId}:${cumulative}`, amount: most, validBeforeSeconds: NEVER }
  const payment: SalePayment = { key, ...paymentBy(tempoSession.id, signed, asset, desk) }
  const binding = await desk.bindingKey()
  const channels = channelsOn(desk.channels)
  let meter: Meter | undefined
  return {
    payment,
    charging: 'usage',
    proof: challenge.id,
    credential: JSON.stringify({ header }),
    mismatch: (quote: Quote) => challengeFault(binding, challenge, quote.digest, desk.clock.now()),
    verify: () => verify(taken, { channelId, key, first }, desk),
    pace({ perEventUsd }: Pace) {
      const perEvent = amountOf(perEventUsd, asset.decimals)
      meter = createMeter({ channels, channel: channelId, sale: key, first, perEvent, most, clock: desk.clock })
      return meter.through
    },
    balance: () => balanceOf(payment, desk.chainOf),
    collect: (amount) => collect({ channelId, key, challenge: challenge.id }, amount, isRevived ? undefined : meter, channels, desk),
    booked: () => channels.booked(key),
    cancel: () => channels.release(channelId, key).catch(() => {}),
  }
}

type Action = 'open' | 'topUp' | 'voucher' | 'close'
const actions: readonly Action[] = ['open', 'topUp', 'voucher', 'close']

/** Strictly, for what is read here becomes the key of a sale. */
function readSession({ presented }: Taken) {
  const { payload } = presented
  const action = actions.find((each) => each === payload['action'])
  if (action === undefined) throw unfit('the payment is by an action that sessions do not have')
  const descriptor = member.record(payload, 'descriptor')
  const cumulative = action === 'topUp' ? undefined : member.integer(payload, 'cumulativeAmount')
  return { action, channelId: member.bytes32(payload, 'channelId').toLowerCase(), payer: member.address(descriptor, 'payer'), cumulative }
}

/** Opens the channel or takes the voucher, and sets aside what the answer begins with. */
async function verify(taken: Taken, { channelId, key, first }: Sold, desk: MppDesk): ReturnType<Tender['verify']> {
  try {
    await officially(taken, desk)
    const { missing } = await channelsOn(desk.channels).reserve(channelId, key, first, desk.clock.now(), true)
    return missing === 0n ? { valid: true } : { valid: false, reason: 'the channel does not cover the beginning of the answer' }
  } catch (thrown) {
    const error = toRouteplaneError(thrown)
    if (error.code === 'facilitator_unavailable') throw error
    return { valid: false, reason: error.message, isGone: thrown instanceof GoneError }
  }
}

type Sold = { readonly channelId: string; readonly key: string; readonly first: Atomic }

/** Charges what the answer came to; what its payer has not promised by then is not charged, and he does not get its end. */
async function collect(
  { channelId, key, challenge }: Pick<Sold, 'channelId' | 'key'> & { readonly challenge: string },
  amount: Atomic,
  meter: Meter | undefined,
  channels: PaidChannels,
  { clock }: MppDesk,
): Promise<Settlement> {
  try {
    await meter?.cover(amount)
    const { channel, charged } = await channels.charge(channelId, key, amount, clock.now())
    meter?.charged()
    return { state: 'settled', amount: charged, headers: headersOf(receiptOf(channel, challenge, clock.now())) }
  } catch (thrown) {
    return { state: 'unknown', reason: toRouteplaneError(thrown).code }
  }
}

/** One for each ledger and network: it remembers when it has last looked at a channel on chain. */
const servers = new WeakMap<MppDesk, Map<string, Promise<Official>>>()

type Official = { broadcast(input: { credential: unknown; request: unknown }): Promise<Receipt> }
type Receipt = Readonly<Record<string, unknown>>

/** The channel is over: another has to be opened. */
class GoneError extends Error {}

/** The official server judges the credential, sends what has to be sent, and writes the channel down. */
async function officially(taken: Taken, desk: MppDesk): Promise<Receipt> {
  const { presented, asset } = taken
  const [{ Credential, Errors }, server] = await Promise.all([import('mppx'), serverOf(asset, desk)])
  const credential = Credential.deserialize(presented.header)
  const known = await knownOpening(taken, desk)
  if (known !== undefined) return known
  try {
    return await server.broadcast({ credential, request: credential.challenge.request })
  } catch (cause) {
    const reason = refusalOf(cause)
    throw cause instanceof Errors.ChannelClosedError || cause instanceof Errors.ChannelNotFoundError
      ? new GoneError(reason)
      : new RouteplaneError('invalid_payment', reason)
  }
}

/** An opening that was sent before is not sent again: its channel is here. Its voucher is judged again, for anybody may name a channel. */
async function knownOpening(taken: Taken, desk: MppDesk): Promise<Receipt | undefined> {
  const { action, channelId, cumulative = 0n } = readSession(taken)
  const channel = action === 'open' ? await channelsOn(desk.channels).get(channelId) : undefined
  if (channel === undefined || channel.highestVoucherAmount < cumulative) return undefined
  if (!(await isPromised(taken, channel)))
    throw new RouteplaneError('invalid_payment', 'the voucher is not signed by the payer of the channel')
  if (!isUsable(channel)) throw new GoneError('the channel is closed')
  return receiptOf(channel, taken.presented.challenge.id, desk.clock.now())
}

/** Whether a credential names a channel of ours rightly, with a voucher that is signed as the channel wants it. */
async function isPromised({ presented: { payload } }: Taken, channel: PaidChannel): Promise<boolean> {
  const { Session } = await import('mppx/tempo')
  const { channelId, chainId, escrowContract, authorizedSigner } = channel
  const given = member.record(payload, 'descriptor')
  const isSame = Object.entries(channel.descriptor).every(([name, own]) => member.hex(given, name).toLowerCase() === own.toLowerCase())
  const signature = member.hex(payload, 'signature') as `0x${string}`
  const voucher = { channelId, cumulativeAmount: member.integer(payload, 'cumulativeAmount'), signature }
  return isSame && Session.Precompile.Voucher.verifyVoucher(escrowContract, chainId, voucher, authorizedSigner)
}

function serverOf(asset: AssetRow, desk: MppDesk): Promise<Official> {
  const known = servers.get(desk) ?? new Map<string, Promise<Official>>()
  servers.set(desk, known)
  const server = known.get(asset.network) ?? openServer(asset, desk)
  known.set(asset.network, server)
  server.catch(() => known.delete(asset.network))
  return server
}

async function openServer(asset: AssetRow, desk: MppDesk): Promise<Official> {
  const [{ tempo }, client] = await Promise.all([import('mppx/server'), desk.clientOf(asset.network)])
  return tempo.session({
    account: client.account as never,
    recipient: desk.terms.payTo,
    currency: asset.address,
    decimals: asset.decimals,
    chainId: chainIdOf(asset.network),
    getClient: () => client as never,
    store: channelsOn(desk.channels).store as never,
  }) as unknown as Official
}

function receiptOf({ channelId, highestVoucherAmount, spent, units }: PaidChannel, challengeId: string, now: number): Receipt {
  return {
    method: 'tempo',
    intent: 'session',
    status: 'success',
    timestamp: new Date(now).toISOString(),
    reference: channelId,
    challengeId,
    channelId,
    acceptedCumulative: highestVoucherAmount.toString(),
    spent: spent.toString(),
    units,
  }
}

/** @see https://paymentauth.org (draft-httpauth-payment, section 5.3) */
function headersOf(receipt: Receipt): Record<string, string> {
  return { 'payment-receipt': Buffer.from(JSON.stringify(receipt)).toString('base64url') }
}

function gone(message: string): RouteplaneError {
  return new RouteplaneError('channel_closed', message, { hint: 'Open another channel: ask without a payment to see how.' })
}

function least(a: Atomic, b: Atomic): Atomic {
  return a < b ? a : b
}
