/** Proves a Permit2 signature transfer by its bit in the bitmap and the transfer of the transaction that carried its nonce. */
import { permitFateOf } from '../../chain/confirm.ts'
import { placeKeys, type Proof } from './proof.ts'
import { transferEvidence } from './transfer.ts'

/** Of the whole amount, as the exact proxy moves it. */
export const permit2 = permitProof('permit2', false)

/**
 * Of any amount up to the ceiling. Until the deadline nothing is over: a settlement of nothing leaves the permit unspent.
 */
export const permit2Ceiling = permitProof('permit2-ceiling', true)

function permitProof(id: string, mayChargeLess: boolean): Proof {
  return {
    id,
    mayChargeLess,
    gather: (payment, sources) =>
      transferEvidence(payment, sources, (chain, query) => permitFateOf(chain, { ...query, amount: payment.amountAuthorized })),
    transferKeys: placeKeys,
    describe: ({ payer, payee, nonce }) => ({
      payer: `Permit2 nonce ${nonce} of ${payer}, spent`,
      payee: `Transfer to ${payee} in the transaction that carried it`,
    }),
  }
}
