/** Proves payments on Tempo, transfers, openings of channels and calls on them, by what the network logs of them, and their end by a chain past their validity. */
import type { Chain, TransferEvidence } from '../../chain/chain.ts'
import { RouteplaneError } from '../../errors.ts'
import { fromAtomic, type Atomic } from '../../money.ts'
import { sameHex } from '../../chain/evidence.ts'
import { tempoFeeManager } from '../../chain/tempo-quote.ts'
import {
  isHex,
  NEXT_BLOCK_MS,
  NODE_DOWN_MS,
  onEvm,
  placeKeys,
  spanOf,
  type EvmPayment,
  type Evidence,
  type Proof,
  type ProofSources,
} from './proof.ts'

/** A transfer by the memo that the token logs with it: the memo is the attempt's nonce. */
export const tempo: Proof = {
  id: 'tempo',
  mayChargeLess: true,
  ownsTransaction: true,
  gather: (payment, sources) =>
    tempoEvidence(onEvm(payment), sources, 'not settled yet', (chain, { asset, payer, payee, nonce: memo }, toBlock) => {
      const claimed = isHex(sources.claimed) ? { transaction: sources.claimed } : {}
      return chain.findMemoTransfer({ asset, payer, payee, memo, toBlock, within: spanOf(payment), ...claimed })
    }),
  // One that failed has logged its fee alone, without the memo.
  transferKeys: (payment) => [payment.nonce.toLowerCase(), ...placeKeys(payment)],
  describe: ({ payer, payee, nonce }) => ({ payer: `TransferWithMemo by ${payer} with memo ${nonce}`, payee: `Transfer to ${payee}` }),
}

/** The opening of a channel by the reserve's own event: the channel's id, which is made of the very transaction, is the attempt's nonce. */
export const tempoOpening: Proof = {
  id: 'tempo-opening',
  mayChargeLess: true,
  ownsTransaction: true,
  gather: (payment, sources) =>
    tempoEvidence(onEvm(payment), sources, 'not opened yet', (chain, { asset, payer, nonce: channel }, toBlock) =>
      chain.findOpening({ asset, payer, channel, toBlock, within: spanOf(payment) }),
    ),
  transferKeys: placeKeys,
  describe: ({ payer, payee, nonce }) => ({ payer: `ChannelOpened by ${payer} with id ${nonce}`, payee: `Transfer to ${payee}` }),
}

/** A transaction on a channel of ours, by its own hash alone: a row without one never left. */
export const tempoCall: Proof = {
  id: 'tempo-call',
  mayChargeLess: true,
  ownsTransaction: true,
  gather: (payment, sources) => tempoEvidence(onEvm(payment), sources, 'not in a block yet', async () => undefined),
  transferKeys: placeKeys,
  describe: ({ payer, transaction }) => ({ payer: `transaction ${transaction ?? 'unknown'} of ${payer}`, payee: 'Transfers of it' }),
}

type Find = (chain: Chain, payment: EvmPayment, toBlock: bigint) => Promise<TransferEvidence | undefined>

/**
 * What the network took for the transaction left the wallet too, and counts; it is known when the transaction is in its block, so
 * less may be charged than was held.
 *
 * The logs are asked up to the very block whose time is compared: nodes behind one address may lag each other.
 */
async function tempoEvidence(payment: EvmPayment, { chainOf, now }: ProofSources, unseen: string, find: Find): Promise<Evidence> {
  try {
    const chain = chainOf(payment.network)
    const block = await chain.latestBlock()
    const transfer = (await find(chain, payment, block.number)) ?? (await ownTransfer(payment, chain))
    const open = { state: 'open', reason: unseen, retryAfterMs: NEXT_BLOCK_MS } as const
    if (transfer !== undefined) return transfer.blockNumber > block.number ? open : await settledBy(transfer, payment, chain, now)
    if (block.timestampSeconds >= payment.validBeforeSeconds) return { state: 'released', reason: 'expired unused on chain', now }
    return { ...open, isUnused: true }
  } catch (error) {
    if (!(error instanceof RouteplaneError)) throw error
    return { state: 'open', reason: `the chain cannot be asked: ${error.message}`, retryAfterMs: NODE_DOWN_MS }
  }
}

/**
 * What left the wallet by the very transaction that was signed, whatever it came to: where it failed, that is its fee alone. Its
 * hash is in the row where nobody else signs it.
 */
async function ownTransfer({ asset, payer, transaction }: EvmPayment, chain: Chain): Promise<TransferEvidence | undefined> {
  if (transaction === undefined) return undefined
  const transfers = (await chain.transfersIn({ asset, payer, transaction })) ?? []
  const [first] = transfers
  const sumOf = (amountOf: (transfer: TransferEvidence) => bigint) =>
    transfers.reduce((sum, transfer) => sum + amountOf(transfer), 0n) as Atomic
  return first === undefined ? undefined : { ...first, amount: sumOf(({ amount }) => amount), fee: sumOf(({ fee = 0n }) => fee) }
}

async function settledBy(transfer: TransferEvidence, { decimals, payee }: EvmPayment, chain: Chain, now: number): Promise<Evidence> {
  const { transaction, blockNumber, logIndex } = transfer
  const amount = (transfer.amount + (transfer.fee ?? 0n)) as Atomic
  const isSafe = await chain.safeBlock().then(
    (safe) => safe.number >= blockNumber,
    () => false,
  )
  const finality = isSafe ? 'final' : 'confirmed'
  const isFeeAlone = sameHex(transfer.payee, tempoFeeManager) && !sameHex(payee, tempoFeeManager)
  const place = { transaction, blockNumber, logIndex }
  const settled = { state: 'settled', amount, amountUsd: fromAtomic(amount, decimals, 'up'), finality, ...place, now } as const
  return isFeeAlone ? { ...settled, isFeeAlone } : settled
}
