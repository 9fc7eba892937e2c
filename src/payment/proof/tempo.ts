/** Proves a payment on Tempo by the memo that the token logs with it, and its end by a chain past its validity without one. */
import { RouteplaneError } from '../../errors.ts'
import { fromAtomic, type Atomic } from '../../money.ts'
import { NEXT_BLOCK_MS, NODE_DOWN_MS, type Proof } from './proof.ts'

/**
 * The memo is the attempt's nonce. What the network took for the transaction left the wallet too, and counts.
 *
 * The logs are asked up to the very block whose time is compared: nodes behind one address may lag each other.
 */
export const tempo: Proof = {
  id: 'tempo',
  // The fee of the network is known when the transaction is in its block.
  mayChargeLess: true,

  async gather(payment, { chainOf, now, claimed }) {
    const { network, asset, payer, payee, nonce, validBeforeSeconds, decimals } = payment
    try {
      const chain = chainOf(network)
      const block = await chain.latestBlock()
      const query = { asset, payer, payee, memo: nonce, toBlock: block.number }
      const transfer = await chain.findMemoTransfer({ ...query, ...(claimed === undefined ? {} : { transaction: claimed }) })
      if (transfer === undefined) {
        if (block.timestampSeconds >= validBeforeSeconds) return { state: 'released', reason: 'expired unused on chain', now }
        return { state: 'open', reason: 'not settled yet', retryAfterMs: NEXT_BLOCK_MS }
      }
      const { transaction, blockNumber, logIndex } = transfer
      const amount = (transfer.amount + (transfer.fee ?? 0n)) as Atomic
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

  transferKey: ({ nonce }) => nonce.toLowerCase(),
  describe: ({ payer, payee, nonce }) => ({ payer: `TransferWithMemo by ${payer} with memo ${nonce}`, payee: `Transfer to ${payee}` }),
}
