/** A payment on Tempo as the transaction it is signed as: one call, a nonce that expires, a fee in the token that is paid. */
import { chainIdOf } from '../chain/networks.ts'
import { tempoReserveAbi, tempoReserveAddress } from '../../contracts-abi/tempo-channels.ts'
import type { ContractCall } from '../chain/transaction.ts'
import type { TempoOpening, TempoTransaction, TempoTransfer } from './wallet.ts'

/** The nonce key of transactions that need no counter: each may run once until it expires, thirty seconds at most. */
const EXPIRING_NONCE_KEY = 2n ** 256n - 1n

/** The longest the network lets such a transaction live. */
export const TEMPO_VALIDITY_SECONDS = 30

/** Base units of the token that a transaction may cost besides its value, rounded up. */
export function feeUnits({ gas, maxFeePerGas }: Pick<TempoTransaction, 'gas' | 'maxFeePerGas'>, decimals: number): bigint {
  const divisor = 10n ** BigInt(18 - decimals)
  return (gas * maxFeePerGas + divisor - 1n) / divisor
}

/**
 * Builds a payment's transaction and has it signed.
 *
 * @param sign - Over the hash that the network checks.
 * @see https://docs.tempo.xyz/protocol/transactions/spec-tempo-transaction
 */
export async function serializeTempo(
  transaction: TempoTransaction,
  call: ContractCall,
  sign: (hash: `0x${string}`) => Promise<`0x${string}`>,
): Promise<`0x76${string}`> {
  const [envelopes, signatures] = await Promise.all([import('ox/tempo/TxEnvelopeTempo'), import('ox/Signature')])
  const envelope = envelopes.from(envelopeOf(transaction, call))
  const signature = signatures.fromHex(await sign(envelopes.getSignPayload(envelope)))
  return envelopes.serialize(envelopes.from(envelope, { signature }))
}

/**
 * Gives the hash that names an opening for its channel: of what the payer signs, and of the payer.
 *
 * @see https://tips.sh/1034-1, "Channel identity"
 */
export async function openingHashOf(opening: TempoOpening, payer: `0x${string}`): Promise<`0x${string}`> {
  const [envelopes, { concat, keccak256 }] = await Promise.all([import('ox/tempo/TxEnvelopeTempo'), import('viem')])
  const envelope = envelopes.from(envelopeOf(opening, await openingCall(opening)))
  return keccak256(concat([envelopes.encodeForSigning(envelope), payer]))
}

function envelopeOf({ network, asset, gas, maxFeePerGas, sponsored, validBeforeSeconds }: TempoTransaction, { to, data }: ContractCall) {
  return {
    chainId: chainIdOf(network),
    calls: [{ to, value: 0n, data }],
    gas,
    maxFeePerGas,
    maxPriorityFeePerGas: 0n,
    nonceKey: EXPIRING_NONCE_KEY,
    nonce: 0n,
    validBefore: Number(validBeforeSeconds),
    ...(sponsored ? { feePayerSignature: null } : { feeToken: asset }),
  }
}

/** The call that fills a new channel of the reserve: its address is ours to know, never the seller's to say. */
export async function openingCall(
  opening: Omit<TempoOpening, keyof TempoTransaction> & Pick<TempoOpening, 'asset'>,
): Promise<ContractCall> {
  const { encodeFunctionData } = await import('viem')
  const { to, operator, asset, value, salt, authorizedSigner } = opening
  const data = encodeFunctionData({
    abi: tempoReserveAbi,
    functionName: 'open',
    args: [to, operator, asset, value, salt, authorizedSigner],
  })
  return { to: tempoReserveAddress, data }
}

/** The call of the token. */
export async function transferCall(transfer: Pick<TempoTransfer, 'asset' | 'to' | 'value' | 'memo'>): Promise<ContractCall> {
  return { to: transfer.asset, data: await transferInput(transfer) }
}

/** What the token is called with. */
export async function transferInput({ to, value, memo }: Pick<TempoTransfer, 'to' | 'value' | 'memo'>): Promise<`0x${string}`> {
  const [{ encodeFunctionData }, { tip20Abi }] = await Promise.all([import('viem'), import('../../contracts-abi/tip20.ts')])
  return encodeFunctionData({ abi: tip20Abi, functionName: 'transferWithMemo', args: [to, value, memo] })
}
