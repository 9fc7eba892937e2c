/** x402 `exact` on Solana: a transfer of exactly the amount asked, which we sign first and the seller's facilitator pays for and sends. */
import { createHmac } from 'node:crypto'
import type { SolanaAssetRow } from '../../chain/networks.ts'
import { isSolanaAddress } from '../../chain/solana/address.ts'
import { messageHash, writeTransaction } from '../../chain/solana/message.ts'
import { RouteplaneError } from '../../errors.ts'
import { isRecord } from '../../lib/json.ts'
import type { Terms } from '../challenge/challenge.ts'
import { assertFunds } from '../funds.ts'
import { solana, type SolanaParticulars } from '../proof/solana.ts'
import type { Scheme, SchemeWorld } from './scheme.ts'
import { buildSolanaMessage } from './solana-transaction.ts'

/** A blockhash is good for 150 blocks of at least 0.4 s; a network under load makes them slower. An estimate, for those who ask. */
const VALIDITY_SECONDS = 150n
const MAX_MEMO_BYTES = 256

/** @see https://github.com/coinbase/x402/blob/main/specs/schemes/exact/scheme_exact_svm.md */
export const exactSolana: Scheme<SolanaAssetRow> = {
  id: 'exact',
  onSolana: true,
  transactionsPerThousandCalls: 1_000,
  // Servers name the only way there is `default`, or not at all.
  matches: ({ transferMethod }) => transferMethod === 'spl' || transferMethod === 'default',

  flaw(terms, payer) {
    const { feePayer, memo } = extraOf(terms)
    if (typeof feePayer !== 'string' || !isSolanaAddress(feePayer)) return 'it names no fee payer'
    if (feePayer === payer) return 'it names our own wallet as the fee payer'
    if (memo !== undefined && (typeof memo !== 'string' || Buffer.byteLength(memo) > MAX_MEMO_BYTES)) return 'its memo cannot be written'
    return undefined
  },

  async plan({ call: { attemptId }, agreed }, world) {
    const { wallet, chainOf } = sideOf(world)
    const { asset, payTo, amount, terms } = agreed
    await assertFunds({ agreed, payer: wallet.address, attemptId }, world)
    const chain = chainOf(asset.network)
    const { blockhash, lastValidBlockHeight, slot } = await chain.recentBlockhash()
    const feePayer = String(extraOf(terms).feePayer)
    const memo = await memoOf(terms, attemptId, world)
    const message = await buildSolanaMessage({
      network: asset.network,
      rpcUrl: chain.rpcUrl,
      payer: wallet.address,
      payee: payTo,
      mint: asset.address,
      decimals: asset.decimals,
      amount,
      feePayer,
      memo,
      blockhash,
      lastValidBlockHeight,
    })
    const particulars: SolanaParticulars = {
      message: Buffer.from(message).toString('base64'),
      fee_payer: feePayer,
      blockhash,
      memo,
      last_valid_block_height: lastValidBlockHeight.toString(),
      since_slot: slot.toString(),
    }
    const validBeforeSeconds = BigInt(Math.floor(world.clock.now() / 1_000)) + VALIDITY_SECONDS
    return { attemptId, agreed, proof: solana.id, nonce: messageHash(message), amount, validBeforeSeconds, particulars }
  },

  async sign({ attemptId, agreed: { asset, payTo }, amount, validBeforeSeconds, particulars = {} }, world) {
    const { message: encoded = '', fee_payer: feePayer = '', blockhash = '', memo = '' } = particulars
    const message = Buffer.from(encoded, 'base64')
    const transfer = {
      network: asset.network,
      asset: asset.address,
      to: payTo,
      value: amount,
      feePayer,
      blockhash,
      memo,
      validBeforeSeconds,
      message,
    }
    const signature = await sideOf(world).wallet.signTransfer(transfer, { attemptId, payee: payTo, maxValue: amount })
    // The fee payer's comes first, and is the seller's to give.
    const transaction = writeTransaction({ signatures: [new Uint8Array(signature.length), signature], message })
    return { transaction: Buffer.from(transaction).toString('base64') }
  },
}

function extraOf({ raw }: Terms): Readonly<Record<string, unknown>> {
  const extra = isRecord(raw) ? raw['extra'] : undefined
  return isRecord(extra) ? extra : {}
}

/** The seller's where he has one; else ours, which no other attempt has, so that no two messages are alike. */
async function memoOf(terms: Terms, attemptId: string, { ledger }: SchemeWorld): Promise<string> {
  const { memo } = extraOf(terms)
  if (typeof memo === 'string' && memo !== '') return memo
  return createHmac('sha256', await ledger.nonceSalt())
    .update(attemptId)
    .digest('hex')
    .slice(0, 32)
}

function sideOf({ solana: side }: SchemeWorld) {
  if (side?.wallet === undefined) throw new RouteplaneError('internal', 'a payment on Solana was planned without a wallet for it')
  return { wallet: side.wallet, chainOf: side.chainOf }
}
