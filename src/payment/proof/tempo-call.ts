/** Proves what a transaction of ours on Tempo came to, by its own hash: what it moved with its fee, or the fee of one that failed. */
import { RouteplaneError } from '../../errors.ts'
import { fromAtomic, type Atomic } from '../../money.ts'
import { NEXT_BLOCK_MS, NODE_DOWN_MS, onEvm, placeKeys, type Proof } from './proof.ts'

/**
 * The hash is in the row before the transaction leaves: a row without one never left, and no network takes it once its validity
 * is over.
 */
export const tempoCall: Proof = {
  id: 'tempo-call',
  mayChargeLess: true,

  async gather(payment, { chainOf, now }) {
    const { network, asset, payer, decimals, transaction, validBeforeSeconds } = onEvm(payment)
    try {
      const chain = chainOf(network)
      const block = await chain.latestBlock()
      const transfers = transaction === undefined ? undefined : await chain.transfersIn({ asset, payer, transaction })
      const [first] = transfers ?? []
      if (first !== undefined) {
        const amount = (transfers ?? []).reduce((sum, { amount: moved, fee = 0n }) => sum + moved + fee, 0n) as Atomic
        const safe = await chain.safeBlock().catch(() => undefined)
        const finality = safe !== undefined && safe.number >= first.blockNumber ? 'final' : 'confirmed'
        const amountUsd = fromAtomic(amount, decimals, 'up')
        const { blockNumber, logIndex } = first
        return { state: 'settled', amount, amountUsd, finality, transaction: first.transaction, blockNumber, logIndex, now }
      }
      if (transfers !== undefined) return { state: 'released', reason: 'it cost nothing', now }
      if (block.timestampSeconds >= validBeforeSeconds) return { state: 'released', reason: 'expired unused on chain', now }
      return { state: 'open', reason: 'not in a block yet', retryAfterMs: NEXT_BLOCK_MS }
    } catch (error) {
      if (!(error instanceof RouteplaneError)) throw error
      return { state: 'open', reason: `the chain cannot be asked: ${error.message}`, retryAfterMs: NODE_DOWN_MS }
    }
  },

  transferKeys: placeKeys,
  describe: ({ payer, transaction }) => ({ payer: `transaction ${transaction ?? 'unknown'} of ${payer}`, payee: 'Transfers of it' }),
}
