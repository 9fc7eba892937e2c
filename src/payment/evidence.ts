/** What the chain says of an attempt, and the ending that follows: the only way to `settled` or out of `unknown`. */
import type { Chain, TransferEvidence } from '../chain/chain.ts'
import { RouteplaneError } from '../errors.ts'
import type { AttemptPayment } from '../ledger/entry.ts'
import type { Ending, Finality } from '../ledger/ledger.ts'
import { fromAtomic } from '../money.ts'

/** Seconds past `validBefore` on the chain's own clock before an unused nonce counts as dead: a reorg may lag. */
const EXPIRY_MARGIN_SECONDS = 12n

/** `open`: nothing is proven yet; ask again after `retryAfterMs`. */
export type Evidence = Ending | { readonly state: 'open'; readonly reason: string; readonly retryAfterMs: number }

/**
 * Reads what became of a signed authorization.
 *
 * `settled` needs the token's own logs; `released` needs the nonce unused on a chain whose clock is past the validity,
 * or cancelled. A chain that cannot be asked proves nothing.
 *
 * @param claimed - Where the seller says the transfer is: looked at first, believed never.
 */
export async function gatherEvidence(chain: Chain, payment: AttemptPayment, now: number, claimed?: `0x${string}`): Promise<Evidence> {
  try {
    // The block is read first, so that the nonce is known to be unused at that time or later.
    const head = await chain.latestBlock()
    const state = await chain.authorizationState(payment.asset, payment.payer, payment.nonce)
    if (state === 'used') return await settledOrCancelled(chain, payment, now, claimed)
    if (head.timestampSeconds > payment.validBeforeSeconds + EXPIRY_MARGIN_SECONDS) {
      return { state: 'released', reason: 'expired unused on chain', now }
    }
    const leftSeconds = payment.validBeforeSeconds + EXPIRY_MARGIN_SECONDS - head.timestampSeconds
    return { state: 'open', reason: 'not settled yet', retryAfterMs: Math.min(5_000, Number(leftSeconds) * 1_000 + 1_000) }
  } catch (error) {
    if (!(error instanceof RouteplaneError)) throw error
    return { state: 'open', reason: `the chain cannot be asked: ${error.message}`, retryAfterMs: 5_000 }
  }
}

async function settledOrCancelled(chain: Chain, payment: AttemptPayment, now: number, claimed?: `0x${string}`): Promise<Evidence> {
  const { asset, payer, payee, nonce } = payment
  const query = { asset, payer, payee, nonce }
  const hinted = claimed === undefined ? undefined : await chain.findTransfer({ ...query, transaction: claimed })
  const found = hinted ?? (await chain.findTransfer(query))
  if (found !== undefined) return settled(chain, payment, found, now)
  if ((await chain.findCancellation({ asset, payer, nonce })) !== undefined) return { state: 'released', reason: 'cancelled on chain', now }
  return { state: 'open', reason: 'the nonce is used, its transfer is not indexed yet', retryAfterMs: 1_000 }
}

async function settled(chain: Chain, payment: AttemptPayment, found: TransferEvidence, now: number): Promise<Ending> {
  const { amount, transaction, blockNumber, logIndex } = found
  return {
    state: 'settled',
    amount,
    amountUsd: fromAtomic(amount, payment.decimals, 'up'),
    finality: await finalityOf(chain, blockNumber),
    transaction,
    blockNumber,
    logIndex,
    now,
  }
}

/** `final` at or below the block the network holds safe; a node that does not know one leaves it at `confirmed`. */
export async function finalityOf(chain: Chain, blockNumber: bigint): Promise<Finality> {
  const safe = await chain.safeBlock().catch(() => undefined)
  return safe !== undefined && blockNumber <= safe.number ? 'final' : 'confirmed'
}
