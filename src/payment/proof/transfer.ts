/** What proofs by a transfer on chain share: how a signature's fate becomes evidence, whatever says what the fate is. */
import type { Chain } from '../../chain/chain.ts'
import type { Fate, FateQuery } from '../../chain/confirm.ts'
import { RouteplaneError } from '../../errors.ts'
import type { AttemptPayment } from '../../ledger/entry.ts'
import { fromAtomic } from '../../money.ts'
import { isHex, NEXT_BLOCK_MS, NODE_DOWN_MS, onEvm, spanOf, type Evidence, type ProofSources } from './proof.ts'

/** Asks for the fate, by the claimed transaction first; a chain that cannot be asked proves nothing. */
export async function transferEvidence(
  payment: AttemptPayment,
  { chainOf, now, claimed }: ProofSources,
  fateOf: (chain: Chain, query: FateQuery) => Promise<Fate>,
): Promise<Evidence> {
  const { asset, payer, payee, nonce, validBeforeSeconds } = onEvm(payment)
  const query = { asset, payer, payee, nonce, validBeforeSeconds, within: spanOf(payment) }
  try {
    const chain = chainOf(payment.network)
    const hinted = !isHex(claimed) ? undefined : await fateOf(chain, { ...query, transaction: claimed })
    // A claim that leads nowhere says nothing: look for the nonce itself.
    const fate = hinted === undefined || hinted.fate === 'diverted' ? await fateOf(chain, query) : hinted
    return toEvidence(fate, payment, now)
  } catch (error) {
    if (!(error instanceof RouteplaneError)) throw error
    return { state: 'open', reason: `the chain cannot be asked: ${error.message}`, retryAfterMs: NODE_DOWN_MS }
  }
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
