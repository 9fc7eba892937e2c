/** x402 `exact` on EVM chains: one EIP-3009 transfer of exactly the amount asked. */
import type { Scheme } from './scheme.ts'

/** @see https://github.com/coinbase/x402/blob/main/specs/schemes/exact/scheme_exact_evm.md */
export const exact: Scheme = {
  id: 'exact',

  async sign({ attemptId, agreed, nonce, validBeforeSeconds }, wallet) {
    const { amount, asset, payTo } = agreed
    // validAfter 0: clocks of chain and payer may differ, and an early settlement harms nobody.
    const signature = await wallet.signTransfer(
      { network: asset.network, asset: asset.address, to: payTo, value: amount, validAfterSeconds: 0n, validBeforeSeconds, nonce },
      { attemptId, payee: payTo, maxValue: amount },
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
