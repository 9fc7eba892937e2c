/** x402 `exact` on EVM chains: one EIP-3009 transfer of exactly the amount asked. */
import { assertFunds } from '../funds.ts'
import { deriveNonce } from '../nonce.ts'
import { eip3009 } from '../proof/eip3009.ts'
import { renewedPlan, type Scheme } from './scheme.ts'

/** @see https://github.com/coinbase/x402/blob/main/specs/schemes/exact/scheme_exact_evm.md */
export const exact: Scheme = {
  id: 'exact',
  transactionsPerThousandCalls: 1_000,
  matches: ({ transferMethod }) => transferMethod === 'eip3009',

  async plan({ call: { attemptId }, agreed, validBeforeSeconds }, world) {
    await assertFunds({ agreed, payer: world.wallet.address, attemptId }, world)
    const nonce = deriveNonce(await world.ledger.nonceSalt(), attemptId, agreed.payTo, agreed.amount)
    return { attemptId, agreed, proof: eip3009.id, nonce, amount: agreed.amount, validBeforeSeconds }
  },

  async renew(renewal, world) {
    await assertFunds({ agreed: renewal.agreed, payer: world.wallet.address, attemptId: renewal.plan.attemptId }, world)
    return renewedPlan(renewal)
  },

  async sign({ attemptId, agreed: { asset, payTo }, amount, nonce, validBeforeSeconds, replaces }, { wallet }) {
    // validAfter 0: clocks of chain and payer may differ, and an early settlement harms nobody.
    const signature = await wallet.signTransfer(
      { network: asset.network, asset: asset.address, to: payTo, value: amount, validAfterSeconds: 0n, validBeforeSeconds, nonce },
      { attemptId, payee: payTo, maxValue: amount, ...(replaces === undefined ? {} : { replaces: true }) },
    )
    return {
      authorization: {
        from: wallet.address,
        to: payTo,
        value: amount.toString(),
        validAfter: '0',
        validBefore: validBeforeSeconds.toString(),
        nonce,
      },
      signature,
    }
  },
}
