/** Proves an EIP-3009 transfer by the token's own logs, and its end by the unused nonce on a chain past its validity. */
import { fateOf } from '../../chain/confirm.ts'
import type { Proof } from './proof.ts'
import { transferEvidence } from './transfer.ts'

/**
 * `settled` needs the token's own logs; `released` needs the nonce unused on a chain whose clock is past the validity,
 * or cancelled.
 *
 * @see https://eips.ethereum.org/EIPS/eip-3009
 */
export const eip3009: Proof = {
  id: 'eip3009',
  mayChargeLess: false,
  gather: (payment, sources) => transferEvidence(payment, sources, fateOf),
  transferKeys: ({ nonce }) => [nonce.toLowerCase()],
  describe: ({ payer, payee, nonce }) => ({
    payer: `AuthorizationUsed by ${payer} with nonce ${nonce}`,
    payee: `Transfer to ${payee}`,
  }),
}
