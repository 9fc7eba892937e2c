/** x402 `batch-settlement` on EVM chains: one deposit into a channel, then a voucher a call, charged for what was delivered. */
import { RouteplaneError } from '../../errors.ts'
import { correctChannel, readAmount } from '../channel/correct.ts'
import { signPromise } from '../channel/credential.ts'
import { readChannelOffer } from '../channel/offer.ts'
import { leaseChannel, promiseFrom } from '../channel/promise.ts'
import { chargeVoucher, distrust } from '../channel/sync.ts'
import { deriveNonce } from '../nonce.ts'
import { voucher as voucherProof } from '../proof/voucher.ts'
import { renewedPlan, type PaidAnswer, type PlanInput, type Scheme, type SchemeWorld, type SigningPlan } from './scheme.ts'

/** @see https://github.com/coinbase/x402/tree/main/specs/schemes, "batch-settlement" */
export const batchSettlement: Scheme = {
  id: 'batch-settlement',
  // A deposit is good for ten calls, unless the seller wishes for more.
  transactionsPerThousandCalls: 100,
  matches: ({ transferMethod }) => transferMethod === 'eip3009',

  async plan(input, world) {
    const channel = await leaseChannel(input, world)
    await promiseFrom(channel, input, world)
    return planOf(input, channel.id, await world.ledger.nonceSalt())
  },

  async abandon({ attemptId }, { ledger, resolver }) {
    const promised = await ledger.channels.voucher(attemptId).catch(() => undefined)
    if (promised?.deposit !== undefined) await resolver.giveBack(promised.deposit, 'its call was given up before it was signed')
  },

  async sign(plan, world) {
    const { channel, voucher } = await promiseOf(plan, world)
    // From here on the deposit may be cashed, whatever becomes of the call it came with.
    if (voucher.deposit !== undefined) {
      const now = world.clock.now()
      await world.ledger.attempts.end(voucher.deposit, { state: 'unknown', reason: `sent with ${plan.attemptId}`, now })
      world.resolver.follow(voucher.deposit)
    }
    return signPromise(channel, voucher, world)
  },

  async receive(answer, world) {
    await recordCharge(answer, world)
    return answer.response
  },

  async correct({ call, plan, unanswered, challenge }, world) {
    const { channel } = await promiseOf(plan, world)
    const correction = await correctChannel({ channel, attempt: plan.attemptId, unanswered }, challenge, world)
    if (correction === 'busy') return 'again'
    const current = correction === 'corrected' ? await world.ledger.channels.get(channel.id) : undefined
    if (current === undefined) return undefined
    await promiseFrom(current, { call, agreed: plan.agreed, validBeforeSeconds: plan.validBeforeSeconds }, world)
    return batchSettlement.sign(plan, world)
  },

  /** Vouchers are cumulative: of two over the same base the seller can cash one, and a deposit that has left stands for both. */
  async renew(renewal, world) {
    const { call, agreed, validBeforeSeconds } = renewal
    const { channel, voucher } = await promiseOf(renewal.plan, world)
    // What has been charged for this call is known by now, and it will not be paid again.
    if (voucher.charged !== undefined) return undefined
    const offer = readChannelOffer(agreed.terms.raw, world.channels)
    const isSame =
      offer.receiverAuthorizer.toLowerCase() === channel.receiverAuthorizer.toLowerCase() && offer.withdrawDelay === channel.withdrawDelay
    if (!isSame) return undefined
    if (voucher.deposit === undefined) await promiseFrom(channel, { call, agreed, validBeforeSeconds }, world)
    else await world.ledger.channels.promise(channel.id, { attempt: call.attemptId, amount: agreed.amount }, world.clock.now())
    return renewedPlan(renewal)
  },
}

function planOf({ call, agreed, validBeforeSeconds }: PlanInput, channel: string, secret: Uint8Array): SigningPlan {
  return {
    attemptId: call.attemptId,
    agreed,
    proof: voucherProof.id,
    // A voucher has no nonce: this names the attempt among the payer's payments.
    nonce: deriveNonce(secret, call.attemptId, agreed.payTo, agreed.amount),
    amount: agreed.amount,
    validBeforeSeconds,
    particulars: { channel, attempt: call.attemptId },
  }
}

async function promiseOf({ attemptId }: SigningPlan, { ledger }: Pick<SchemeWorld, 'ledger'>) {
  const voucher = await ledger.channels.voucher(attemptId)
  const channel = voucher === undefined ? undefined : await ledger.channels.get(voucher.channel)
  if (voucher === undefined || channel === undefined) throw new RouteplaneError('internal', `attempt ${attemptId} has promised nothing`)
  return { voucher, channel }
}

/**
 * Writes down what the seller says the call came to. Unsaid, it stays open until the channel is used again; more than was
 * promised, or two sums that do not agree, is counted in full, and nothing more is signed for that channel.
 */
async function recordCharge({ plan, claim }: PaidAnswer, world: SchemeWorld): Promise<void> {
  if (typeof claim !== 'object' || !claim.success || claim.charge === undefined) return
  const { voucher, channel } = await promiseOf(plan, world)
  const charged = readAmount(claim.charge.amount)
  const total = claim.charge.cumulative === undefined ? undefined : readAmount(claim.charge.cumulative)
  const isSound = charged !== undefined && charged <= voucher.amount && (total === undefined || total === voucher.base + charged)
  await chargeVoucher(plan.attemptId, channel, isSound ? charged : voucher.amount, world)
  if (isSound) return
  world.log.error('seller charged what was not promised', { attempt: plan.attemptId, channel: channel.id, provider: channel.provider })
  await distrust(channel, 'said that it had charged what was not promised', world)
}
