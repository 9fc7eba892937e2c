/** MPP `tempo/charge`: a signed Tempo transaction that the seller sends, with a memo that names the challenge. */
import { createHmac } from 'node:crypto'
import { keccakOf, transactionHash } from '../../chain/keccak.ts'
import { RouteplaneError } from '../../errors.ts'
import { isRecord } from '../../lib/json.ts'
import { formatUsd, fromAtomic, type Atomic } from '../../money.ts'
import { feeUnits, transferInput } from '../../wallet/tempo-transfer.ts'
import type { MppChallenge } from '../challenge/mpp-challenge.ts'
import { assertFunds } from '../funds.ts'
import { tempo } from '../proof/tempo.ts'
import { sourceOf } from './evm-charge.ts'
import type { Scheme, SigningPlan } from './scheme.ts'
import { lastSecondAfter } from './tempo-validity.ts'

/** What a nonce that expires and our signature cost above the node's estimate. */
const SPARE_GAS = 20_000n

/** @see https://paymentauth.org (draft-tempo-charge) */
export const tempoCharge: Scheme = {
  id: 'tempo/charge',
  transactionsPerThousandCalls: 1_000,
  matches: ({ transferMethod }) => transferMethod === 'tempo',

  async plan({ call, agreed, heldUsd, validBeforeSeconds }, world) {
    const { wallet, ledger, chainOf } = world
    const { asset, payTo, amount } = agreed
    if (asset.transferMethod !== 'tip20')
      throw new RouteplaneError('unsupported_scheme', `${asset.symbol} on ${asset.chainName} is no token of Tempo`)
    const challenge = agreed.terms.raw as MppChallenge
    const attempt = createHmac('sha256', await ledger.nonceSalt())
      .update(call.attemptId)
      .digest()
    const nonce = await memoOf(challenge, attempt)
    const chain = chainOf(asset.network)
    const input = await transferInput({ to: payTo, value: amount, memo: nonce })
    const [quote, block] = await Promise.all([
      chain.quoteTempo({ from: wallet.address, to: asset.address, input, feeToken: asset.address }),
      chain.latestBlock(),
    ])
    const work = { gas: quote.gas + SPARE_GAS, maxFeePerGas: quote.maxFeePerGas }
    const fee = isSponsored(challenge) ? 0n : feeUnits(work, asset.decimals)
    const whole = (amount + fee) as Atomic
    const wholeUsd = fromAtomic(whole, asset.decimals, 'up')
    if (wholeUsd > heldUsd) {
      throw new RouteplaneError(
        'price_above_cap',
        `with the fee of ${asset.chainName} the call may cost $${formatUsd(wholeUsd)}, above the $${formatUsd(heldUsd)} held for it`,
      )
    }
    await assertFunds({ agreed: { ...agreed, amount: whole }, payer: wallet.address, attemptId: call.attemptId }, world)
    const networkLimit = lastSecondAfter(block, world.clock.now())
    return {
      attemptId: call.attemptId,
      agreed,
      proof: tempo.id,
      nonce,
      amount: whole,
      validBeforeSeconds: validBeforeSeconds < networkLimit ? validBeforeSeconds : networkLimit,
      particulars: { gas: work.gas.toString(), max_fee_per_gas: work.maxFeePerGas.toString(), fee: fee.toString() },
    }
  },

  async sign(plan, { wallet, ledger, clock }) {
    const { asset, payTo, amount: value, terms } = plan.agreed
    const fee = particular(plan, 'fee')
    const sponsored = isSponsored(terms.raw as MppChallenge)
    const transfer = {
      network: asset.network,
      asset: asset.address,
      to: payTo,
      value,
      memo: plan.nonce,
      validBeforeSeconds: plan.validBeforeSeconds,
      gas: particular(plan, 'gas'),
      maxFeePerGas: particular(plan, 'max_fee_per_gas'),
      sponsored,
    }
    const signature = await wallet.signTempoTransfer(transfer, { attemptId: plan.attemptId, payee: payTo, maxValue: value, maxFee: fee })
    // Should it fail, only its hash leads to the fee that it has cost; whoever sponsors it makes another transaction of it, and pays.
    if (!sponsored) {
      const signed = { reason: 'its transaction is with the seller', transaction: await transactionHash(signature), now: clock.now() }
      await ledger.attempts.end(plan.attemptId, { state: 'unknown', ...signed })
    }
    return { payload: { type: 'transaction', signature }, source: sourceOf(asset.network, wallet.address) }
  },
}

function particular({ particulars }: SigningPlan, name: string): bigint {
  return BigInt(particulars?.[name] ?? '0')
}

/** Whether the seller signs for the network's fee. */
function isSponsored({ request }: MppChallenge): boolean {
  const details = request['methodDetails']
  return isRecord(details) && details['feePayer'] === true
}

/**
 * The memo of a payment: a mark of the protocol, its version, the seller, ourselves, and the challenge. What stands for
 * ourselves differs from attempt to attempt, so that no two payments share a memo.
 *
 * @see https://paymentauth.org (draft-tempo-charge, "Attribution Memo")
 */
async function memoOf({ id, realm }: MppChallenge, attempt: Uint8Array): Promise<`0x${string}`> {
  const fingerprint = async (text: string, bytes: number) => (await keccakOf(text)).slice(2, 2 + 2 * bytes)
  const ourselves = Buffer.from(attempt.subarray(0, 10)).toString('hex')
  return `0x${await fingerprint('mpp', 4)}01${await fingerprint(realm, 10)}${ourselves}${await fingerprint(id, 7)}`
}
