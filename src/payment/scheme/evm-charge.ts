/** MPP `evm/charge`: one EIP-3009 transfer whose nonce is the challenge itself, so that it pays for nothing else. */
import { chainIdOf } from '../../chain/networks.ts'
import type { MppChallenge } from '../challenge/mpp-challenge.ts'
import { eip3009 } from '../proof/eip3009.ts'
import type { Scheme } from './scheme.ts'

/** @see https://paymentauth.org (draft-evm-charge, "Challenge Binding") */
export const evmCharge: Scheme = {
  id: 'evm/charge',
  transactionsPerThousandCalls: 1_000,
  matches: ({ transferMethod }) => transferMethod === 'eip3009',

  async plan({ call: { attemptId }, agreed, validBeforeSeconds }) {
    const nonce = await challengeHash(agreed.terms.raw as MppChallenge)
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

/** Keccak-256 of the challenge's id and realm, one behind the other. */
async function challengeHash({ id, realm }: MppChallenge): Promise<`0x${string}`> {
  const { keccak256, stringToBytes } = await import('viem/utils')
  return keccak256(stringToBytes(`${id}${realm}`))
}

/** Who pays, as the protocol names accounts. @see https://github.com/w3c-ccg/did-pkh/blob/main/did-pkh-method-draft.md */
export function sourceOf(network: string, payer: string): string {
  return `did:pkh:eip155:${chainIdOf(network)}:${payer}`
}
