/** MPP `tempo/session`: one deposit into a channel of the network's reserve, then vouchers as the answer comes, charged by the unit. */
import { transactionHash } from '../../chain/keccak.ts'
import { headerOf } from '../../lib/http-call.ts'
import { RouteplaneError } from '../../errors.ts'
import { toAtomic, type Atomic } from '../../money.ts'
import { distrust } from '../channel/sync.ts'
import { decodeJson } from '../challenge/mpp-challenge.ts'
import { deriveNonce } from '../nonce.ts'
import { voucher as voucherProof } from '../proof/voucher.ts'
import { concludeVoucher, promiseOf } from '../session/charge.ts'
import { signOpening, signSession } from '../session/credential.ts'
import { promiseSession } from '../session/promise.ts'
import { payStream, readSpent } from '../session/stream.ts'
import type { Scheme } from './scheme.ts'

/** @see https://paymentauth.org (draft-tempo-session) */
export const tempoSession: Scheme = {
  id: 'tempo/session',
  // A deposit is good for ten calls, unless the seller wishes for more.
  transactionsPerThousandCalls: 100,
  matches: ({ transferMethod }) => transferMethod === 'tempo',

  async plan({ call, agreed, challenge, priceUsd, validBeforeSeconds }, world) {
    const { asset, payTo } = agreed
    if (asset.transferMethod !== 'tip20')
      throw new RouteplaneError('unsupported_scheme', `${asset.symbol} on ${asset.chainName} is no token of Tempo`)
    // The offer's price is for a unit; the call may need as many as our own bound on its price allows.
    const bound = toAtomic(priceUsd, asset.decimals, 'down')
    const channel = await promiseSession({ call, agreed, challenge, bound }, world)
    return {
      attemptId: call.attemptId,
      agreed,
      proof: voucherProof.id,
      // A voucher has no nonce: this names the attempt among the payer's payments.
      nonce: deriveNonce(await world.ledger.nonceSalt(), call.attemptId, payTo, bound),
      amount: bound,
      validBeforeSeconds,
      particulars: { channel: channel.id, attempt: call.attemptId },
    }
  },

  async abandon({ attemptId }, { ledger, resolver }) {
    const promised = await ledger.channels.voucher(attemptId).catch(() => undefined)
    if (promised?.deposit !== undefined) await resolver.giveBack(promised.deposit, 'its call was given up before it was signed')
  },

  async sign(plan, world) {
    const { voucher, channel } = await promiseOf(plan, world)
    const cumulative = (voucher.base + voucher.amount) as Atomic
    if (voucher.deposit === undefined) return signSession('voucher', channel, cumulative, world.ledger)
    const payment = (await world.ledger.attempts.get(voucher.deposit))?.payment
    if (payment === undefined) throw new RouteplaneError('internal', `deposit ${voucher.deposit} was never written down`)
    const { credential, transaction } = await signOpening(channel, cumulative, payment, world)
    // From here on the channel may be opened, whatever becomes of the call it came with.
    const sent = { reason: `sent with ${plan.attemptId}`, transaction: await transactionHash(transaction), now: world.clock.now() }
    await world.ledger.attempts.end(voucher.deposit, { state: 'unknown', ...sent })
    world.resolver.follow(voucher.deposit)
    return credential
  },

  async receive(answer, world) {
    const { response, plan } = answer
    if (headerOf(response.headers, 'content-type')?.toLowerCase().startsWith('text/event-stream') === true)
      return { ...response, body: payStream(answer, world) }
    const receipt = decodeJson(headerOf(response.headers, 'payment-receipt') ?? '')
    await concludeVoucher(plan, readSpent(receipt, answer), world)
    return response
  },

  async correct({ plan, status }, world) {
    if (status !== 410) return undefined
    const { channel } = await promiseOf(plan, world)
    await distrust(channel, 'the seller says that it is gone', world)
    return undefined
  },
}
