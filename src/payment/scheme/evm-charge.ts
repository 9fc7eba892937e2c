/** MPP `evm/charge`: one EIP-3009 transfer whose nonce is the challenge itself, so that it pays for nothing else. */
import { keccakOf } from '../../chain/keccak.ts'
import { chainIdOf } from '../../chain/networks.ts'
import { RouteplaneError } from '../../errors.ts'
import type { MppChallenge } from '../challenge/mpp-challenge.ts'
import { assertFunds } from '../funds.ts'
import { eip3009 } from '../proof/eip3009.ts'
import type { Scheme } from './scheme.ts'

/** @see https://paymentauth.org (draft-evm-charge, "Challenge Binding") */
export const evmCharge: Scheme = {
  id: 'evm/charge',
  transactionsPerThousandCalls: 1_000,
  matches: ({ transferMethod }) => transferMethod === 'eip3009',

  async plan({ call: { attemptId }, agreed, validBeforeSeconds }, world) {
    if (agreed.asset.transferMethod !== 'eip3009')
      throw new RouteplaneError('unsupported_scheme', `${agreed.asset.symbol} on ${agreed.asset.chainName} is not paid by EIP-3009`)
    await assertFunds({ agreed, payer: world.wallet.address, attemptId }, world)
    const { id, realm } = agreed.terms.raw as MppChallenge
    const nonce = await keccakOf(`${id}${realm}`)
    return { attemptId, agreed, proof: eip3009.id, nonce, amount: agreed.amount, validBeforeSeconds }
  },

  async sign({ attemptId, agreed: { asset, payTo }, amount, nonce, validBeforeSeconds }, { wallet }) {
    const signature = await wallet.signTransfer(
      { network: asset.network, asset: asset.address, to: payTo, value: amount, validAfterSeconds: 0n, validBeforeSeconds, nonce },
      { attemptId, payee: payTo, maxValue: amount },
    )
    return {
      payload: {
        type: 'authorization',
        from: wallet.address,
        to: payTo,
        value: amount.toString(),
        validAfter: '0',
        validBefore: validBeforeSeconds.toString(),
        nonce,
        signature,
      },
      source: sourceOf(asset.network, wallet.address),
    }
  },
}

/** Who pays, as the protocol names accounts. @see https://github.com/w3c-ccg/did-pkh/blob/main/did-pkh-method-draft.md */
export function sourceOf(network: string, payer: string): string {
  return `did:pkh:eip155:${chainIdOf(network)}:${payer}`
}
