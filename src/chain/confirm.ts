/** Says what became of a signed authorization, from the chain alone, and waits until that is certain. */
import type { Clock } from '../lib/clock.ts'
import type { CancelSignal } from '../lib/cancel.ts'
import type { CancellationEvidence, Chain, ChainBlock, TransferEvidence, TransferQuery } from './chain.ts'

/**
 * - `transferred`: the agreed transfer lies on the chain; `final` once the network holds its block to be safe.
 * - `canceled`, `expired`: it moved nothing and never will.
 * - `diverted`: the nonce is used, but not by the agreed transfer as far as the blocks searched show.
 * - `open`: it can still be cashed. It is money.
 */
export type Fate =
  | { readonly fate: 'transferred'; readonly transfer: TransferEvidence; readonly final: boolean }
  | { readonly fate: 'canceled'; readonly cancellation: CancellationEvidence }
  | { readonly fate: 'expired'; readonly atBlock: ChainBlock }
  | { readonly fate: 'diverted' }
  | { readonly fate: 'open' }

export type FateQuery = TransferQuery & { readonly validBeforeSeconds: bigint }

/**
 * Judges an authorization now.
 *
 * Expiry is read off the chain's own clock and never off ours: the token compares `validBefore` with the block's time,
 * and no later block is earlier. The state is asked at that very block, for nodes behind one address may lag each other.
 *
 * @throws RouteplaneError as every read of {@link Chain}: a node that fails decides nothing.
 */
export async function fateOf(chain: Chain, query: FateQuery): Promise<Fate> {
  const block = await chain.latestBlock()
  const state = await chain.authorizationState(query.asset, query.payer, query.nonce, block.number)
  if (state === 'unused') {
    return block.timestampSeconds >= query.validBeforeSeconds ? { fate: 'expired', atBlock: block } : { fate: 'open' }
  }
  const transfer = await chain.findTransfer(query)
  if (transfer !== undefined) return { fate: 'transferred', transfer, final: await isSafe(chain, transfer) }
  const cancellation = await chain.findCancellation(query)
  return cancellation === undefined ? { fate: 'diverted' } : { fate: 'canceled', cancellation }
}

export type WaitOptions = {
  readonly clock: Clock
  /** Between two looks; about a block. */
  readonly pollMs: number
  readonly signal?: CancelSignal
}

/**
 * Looks until the authorization is no longer open. Ends by itself: every authorization expires.
 *
 * @throws the signal's reason when aborted, and whatever a read throws.
 */
export async function awaitFate(chain: Chain, query: FateQuery, options: WaitOptions): Promise<Exclude<Fate, { fate: 'open' }>> {
  for (;;) {
    const fate = await fateOf(chain, query)
    if (fate.fate !== 'open') return fate
    await options.clock.sleep(options.pollMs, options.signal)
  }
}

/**
 * Judges a Permit2 signature transfer of at most `amount` now. Permit2 takes it until its deadline's own second.
 *
 * @throws RouteplaneError as every read of {@link Chain}.
 */
export async function permitFateOf(chain: Chain, query: FateQuery): Promise<Fate> {
  const block = await chain.latestBlock()
  const state = await chain.permitState(query.payer, query.nonce, block.number)
  if (state === 'unused') {
    return block.timestampSeconds > query.validBeforeSeconds ? { fate: 'expired', atBlock: block } : { fate: 'open' }
  }
  const transfer = await chain.findPermitTransfer(query)
  return transfer === undefined ? { fate: 'diverted' } : { fate: 'transferred', transfer, final: await isSafe(chain, transfer) }
}

/** A network without a safe head leaves a transfer confirmed, never final. */
async function isSafe(chain: Chain, transfer: TransferEvidence): Promise<boolean> {
  return chain.safeBlock().then(
    (safe) => safe.number >= transfer.blockNumber,
    () => false,
  )
}
