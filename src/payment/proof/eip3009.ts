/** Proves an EIP-3009 transfer by the token's own logs, and its end by the unused nonce on a chain past its validity. */
import { fateOf, type Fate } from '../../chain/confirm.ts'
import { RouteplaneError } from '../../errors.ts'
import type { AttemptPayment } from '../../ledger/entry.ts'
import { fromAtomic } from '../../money.ts'
import { NEXT_BLOCK_MS, NODE_DOWN_MS, type Evidence, type Proof } from './proof.ts'

/**
 * `settled` needs the token's own logs; `released` needs the nonce unused on a chain whose clock is past the validity,
 * or cancelled.
 *
 * @see https://eips.ethereum.org/EIPS/eip-3009
 */
export const eip3009: Proof = {
  id: 'eip3009',
  mayChargeLess: false,

  async gather(payment, { chainOf, now, claimed }) {
    const { asset, payer, payee, nonce, validBeforeSeconds } = payment
    const query = { asset, payer, payee, nonce, validBeforeSeconds }
    try {
      const chain = chainOf(payment.network)
      const hinted = claimed === undefined ? undefined : await fateOf(chain, { ...query, transaction: claimed })
      // A claim that leads nowhere says nothing: look for the nonce itself.
      const fate = hinted === undefined || hinted.fate === 'diverted' ? await fateOf(chain, query) : hinted
      return toEvidence(fate, payment, now)
    } catch (error) {
      if (!(error instanceof RouteplaneError)) throw error
      return { state: 'open', reason: `the chain cannot be asked: ${error.message}`, retryAfterMs: NODE_DOWN_MS }
    }
  },

  transferKey: ({ nonce }) => nonce.toLowerCase(),
  describe: ({ payer, payee, nonce }) => ({
    payer: `AuthorizationUsed by ${payer} with nonce ${nonce}`,
    payee: `Transfer to ${payee}`,
  }),
}

function toEvidence(fate: Fate, payment: AttemptPayment, now: number): Evidence {
  switch (fate.fate) {
    case 'transferred': {
      const { amount, transaction, blockNumber, logIndex } = fate.transfer
      const amountUsd = fromAtomic(amount, payment.decimals, 'up')
      return { state: 'settled', amount, amountUsd, finality: fate.final ? 'final' : 'confirmed', transaction, blockNumber, logIndex, now }
    }
    case 'canceled':
      return { state: 'released', reason: 'cancelled on chain', now }
    case 'expired':
      return { state: 'released', reason: 'expired unused on chain', now }
    case 'diverted':
      return { state: 'open', reason: 'the nonce is used, its transfer is not found yet', retryAfterMs: NEXT_BLOCK_MS }
    case 'open':
      return { state: 'open', reason: 'not settled yet', retryAfterMs: NEXT_BLOCK_MS, isUnused: true }
  }
}
