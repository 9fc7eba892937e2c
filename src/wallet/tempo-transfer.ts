/** A payment on Tempo as the transaction it is signed as: one call of the token, a nonce that expires, a fee in that token. */
import { chainIdOf } from '../chain/networks.ts'
import type { TempoTransfer } from './wallet.ts'

/** The nonce key of transactions that need no counter: each may run once until it expires, thirty seconds at most. */
const EXPIRING_NONCE_KEY = 2n ** 256n - 1n

/** The longest the network lets such a transaction live. */
export const TEMPO_VALIDITY_SECONDS = 30

/** Base units of the token that a transaction may cost besides its value, rounded up. */
export function feeUnits({ gas, maxFeePerGas }: Pick<TempoTransfer, 'gas' | 'maxFeePerGas'>, decimals: number): bigint {
  const divisor = 10n ** BigInt(18 - decimals)
  return (gas * maxFeePerGas + divisor - 1n) / divisor
}

/**
 * Builds a transfer's transaction and has it signed.
 *
 * @param sign - Over the hash that the network checks.
 * @see https://docs.tempo.xyz/protocol/transactions/spec-tempo-transaction
 */
export async function serializeTempo(
  transfer: TempoTransfer,
  sign: (hash: `0x${string}`) => Promise<`0x${string}`>,
): Promise<`0x76${string}`> {
  const [envelopes, signatures] = await Promise.all([import('ox/tempo/TxEnvelopeTempo'), import('ox/Signature')])
  const { asset, gas, maxFeePerGas, sponsored, validBeforeSeconds } = transfer
  const envelope = envelopes.from({
    chainId: chainIdOf(transfer.network),
    calls: [{ to: asset, value: 0n, data: await transferInput(transfer) }],
    gas,
    maxFeePerGas,
    maxPriorityFeePerGas: 0n,
    nonceKey: EXPIRING_NONCE_KEY,
    nonce: 0n,
    validBefore: Number(validBeforeSeconds),
    ...(sponsored ? { feePayerSignature: null } : { feeToken: asset }),
  })
  const signature = signatures.fromHex(await sign(envelopes.getSignPayload(envelope)))
  return envelopes.serialize(envelopes.from(envelope, { signature }))
}

/** The call of the token. */
export async function transferInput({ to, value, memo }: Pick<TempoTransfer, 'to' | 'value' | 'memo'>): Promise<`0x${string}`> {
  const [{ encodeFunctionData }, { tip20Abi }] = await Promise.all([import('viem'), import('../../contracts-abi/tip20.ts')])
  return encodeFunctionData({ abi: tip20Abi, functionName: 'transferWithMemo', args: [to, value, memo] })
}
