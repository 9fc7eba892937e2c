/** What the chain says of an attempt, and the ending that follows: the only way to `settled` or out of `unknown`. */
import type { Chain } from '../chain/chain.ts'
import { fateOf, type Fate } from '../chain/confirm.ts'
import { RouteplaneError } from '../errors.ts'
import type { AttemptPayment } from '../ledger/entry.ts'
import type { Ending } from '../ledger/ledger.ts'
import { fromAtomic } from '../money.ts'

/** `open`: nothing is proven yet; ask again after `retryAfterMs`. */
export type Evidence = Ending | { readonly state: 'open'; readonly reason: string; readonly retryAfterMs: number }

/** About a block of the chains we pay on. */
const NEXT_BLOCK_MS = 2_000
const NODE_DOWN_MS = 5_000

/**
 * Reads what became of a signed authorization.
 *
 * `settled` needs the token's own logs; `released` needs the nonce unused on a chain whose clock is past the validity,
 * or cancelled. A chain that cannot be asked proves nothing.
 *
 * @param claimed - Where the seller says the transfer is: looked at first, believed never.
 */
export async function gatherEvidence(chain: Chain, payment: AttemptPayment, now: number, claimed?: `0x${string}`): Promise<Evidence> {
  const { asset, payer, payee, nonce, validBeforeSeconds } = payment
  const query = { asset, payer, payee, nonce, validBeforeSeconds }
  try {
    const hinted = claimed === undefined ? undefined : await fateOf(chain, { ...query, transaction: claimed })
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
      return { state: 'open', reason: 'not settled yet', retryAfterMs: NEXT_BLOCK_MS }
  }
}
