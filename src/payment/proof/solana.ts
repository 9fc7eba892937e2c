/** Proves a payment on Solana by the transaction that carries our message, and its end by finalized blocks past its blockhash. */
import { RouteplaneError } from '../../errors.ts'
import type { AttemptPayment } from '../../ledger/entry.ts'
import { fromAtomic } from '../../money.ts'
import type { FinalizedHead, SolanaChain } from '../../chain/solana/chain.ts'
import type { MovedTransaction } from '../../chain/solana/history.ts'
import { NEXT_BLOCK_MS, NODE_DOWN_MS, type Evidence, type Proof } from './proof.ts'

/** What is written down of a message before it is signed; the attempt's nonce is its hash. */
export type SolanaParticulars = {
  /** Base64. */
  readonly message: string
  readonly fee_payer: string
  readonly blockhash: string
  readonly memo: string
  /** No later block takes it. */
  readonly last_valid_block_height: string
  /** The newest slot when it was made: no earlier one has it. */
  readonly since_slot: string
}

/**
 * Whose signature names the transaction is the fee payer's, which a silent seller keeps: the history of the wallet's own account is
 * searched for the message itself. Of a message the network takes one transaction at most.
 *
 * @see https://solana.com/docs/core/transactions, "Recent Blockhash"
 */
export const solana: Proof = {
  id: 'solana',
  mayChargeLess: false,
  async gather(payment, { solana: side, claimed, now }) {
    if (side === undefined) return { state: 'open', reason: 'nobody asks the network here', retryAfterMs: NODE_DOWN_MS }
    try {
      const chain = side.chainOf(payment.network)
      // The head comes first: what is searched up to it is then known to be all.
      const head = await chain.finalized()
      const found = await find(chain, payment, head, claimed)
      return found === undefined ? await unseen(chain, payment, head, now) : settledBy(found, payment, now)
    } catch (error) {
      if (!(error instanceof RouteplaneError)) throw error
      return { state: 'open', reason: `the chain cannot be asked: ${error.message}`, retryAfterMs: NODE_DOWN_MS }
    }
  },
  transferKeys: ({ nonce }) => [nonce.toLowerCase()],
  describe: ({ payer, payee, nonce }) => ({
    payer: `message ${nonce} in the history of ${payer}'s account`,
    payee: `token balance of ${payee} in the transaction that carried it`,
  }),
}

type Found = { readonly transaction: MovedTransaction; readonly isFinal: boolean }

/** What cannot be taken back any more, else what the cluster has voted for. */
async function find(
  chain: SolanaChain,
  payment: AttemptPayment,
  head: FinalizedHead,
  claimed: string | undefined,
): Promise<Found | undefined> {
  const { asset, payer, payee, nonce: hash } = payment
  const query = {
    asset,
    payer,
    payee,
    hash,
    sinceSlot: particular(payment, 'since_slot'),
    ...(claimed === undefined ? {} : { transaction: claimed }),
  }
  const final = await chain.findMessage({ ...query, commitment: 'finalized', atSlot: head.slot })
  if (final !== undefined) return { transaction: final, isFinal: true }
  const confirmed = await chain.findMessage({ ...query, commitment: 'confirmed', atSlot: head.slot })
  return confirmed === undefined ? undefined : { transaction: confirmed, isFinal: false }
}

function settledBy({ transaction, isFinal }: Found, payment: AttemptPayment, now: number): Evidence {
  const { succeeded, paid, received, signature, slot: blockNumber } = transaction
  if (!succeeded && isFinal) return { state: 'released', reason: 'its transaction failed on chain', now }
  if (!succeeded) return { state: 'open', reason: 'its transaction failed, which is not final yet', retryAfterMs: NEXT_BLOCK_MS }
  const amount = payment.amountAuthorized
  if (paid !== amount || received !== amount)
    return { state: 'open', reason: 'the balances of its transaction are not what was signed', retryAfterMs: NODE_DOWN_MS }
  const amountUsd = fromAtomic(amount, payment.decimals, 'up')
  const finality = isFinal ? 'final' : 'confirmed'
  return { state: 'settled', amount, amountUsd, finality, transaction: signature, blockNumber, logIndex: 0, now }
}

/** A node that has forgotten the slots in question has seen nothing there, which proves nothing. */
async function unseen(chain: SolanaChain, payment: AttemptPayment, head: FinalizedHead, now: number): Promise<Evidence> {
  const isOver = head.blockHeight > particular(payment, 'last_valid_block_height')
  const wasSeen = payment.blockNumber !== undefined && head.slot >= payment.blockNumber
  if (!isOver && !wasSeen) return { state: 'open', reason: 'not settled yet', retryAfterMs: NEXT_BLOCK_MS }
  if ((await chain.firstSlot()) > particular(payment, 'since_slot'))
    return { state: 'open', reason: 'the node no longer has the blocks that it may be in', retryAfterMs: NODE_DOWN_MS }
  if (isOver) return { state: 'released', reason: 'expired unused on chain', now }
  return { state: 'open', reason: 'not settled yet', retryAfterMs: NEXT_BLOCK_MS, isUnused: true }
}

/** @throws RouteplaneError `internal` for a row that lacks it: its money stays held. */
function particular({ particulars }: AttemptPayment, name: 'since_slot' | 'last_valid_block_height'): bigint {
  const text = particulars?.[name]
  if (text !== undefined && /^\d+$/.test(text)) return BigInt(text)
  throw new RouteplaneError('internal', `a payment on Solana was written down without its ${name}`)
}
