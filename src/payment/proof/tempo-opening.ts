/** Proves that a channel of Tempo's reserve was opened by the reserve's own event, and that it never will be by a chain past its validity. */
import { RouteplaneError } from '../../errors.ts'
import { fromAtomic, type Atomic } from '../../money.ts'
import { NEXT_BLOCK_MS, NODE_DOWN_MS, placeKey, type Proof } from './proof.ts'

/** The channel's id is the attempt's nonce: it is made of the very transaction. What the network took for it counts too. */
export const tempoOpening: Proof = {
  id: 'tempo-opening',
  // The fee of the network is known when the transaction is in its block.
  mayChargeLess: true,

  async gather({ network, asset, payer, nonce, validBeforeSeconds, decimals }, { chainOf, now }) {
    try {
      const chain = chainOf(network)
      const block = await chain.latestBlock()
      const opened = await chain.findOpening({ asset, payer, channel: nonce, toBlock: block.number })
      if (opened === undefined) {
        if (block.timestampSeconds >= validBeforeSeconds) return { state: 'released', reason: 'expired unused on chain', now }
        return { state: 'open', reason: 'not opened yet', retryAfterMs: NEXT_BLOCK_MS }
      }
      const { transaction, blockNumber, logIndex } = opened
      const amount = (opened.amount + (opened.fee ?? 0n)) as Atomic
      const isSafe = await chain.safeBlock().then(
        (safe) => safe.number >= blockNumber,
        () => false,
      )
      const finality = isSafe ? 'final' : 'confirmed'
      return { state: 'settled', amount, amountUsd: fromAtomic(amount, decimals, 'up'), finality, transaction, blockNumber, logIndex, now }
    } catch (error) {
      if (!(error instanceof RouteplaneError)) throw error
      return { state: 'open', reason: `the chain cannot be asked: ${error.message}`, retryAfterMs: NODE_DOWN_MS }
    }
  },

  transferKey: ({ transaction, logIndex }) =>
    transaction === undefined || logIndex === undefined ? undefined : placeKey(transaction, logIndex),
  describe: ({ payer, payee, nonce }) => ({ payer: `ChannelOpened by ${payer} with id ${nonce}`, payee: `Transfer to ${payee}` }),
}
