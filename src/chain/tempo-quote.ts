/** What a transaction on Tempo may cost: its work by the node's estimate, and the price of work at this moment. */
import type { PublicClient } from 'viem'
import { tempo } from '../../contracts-abi/assets.ts'
import { RouteplaneError } from '../errors.ts'
import { chainIdOf } from './networks.ts'

/** Whom the fee of a transaction goes to. */
export const tempoFeeManager = tempo.feeManager

export type TempoCall = {
  readonly from: `0x${string}`
  readonly to: `0x${string}`
  readonly input: `0x${string}`
  /** The token that the fee is paid in. */
  readonly feeToken: `0x${string}`
}

export type TempoQuote = {
  readonly gas: bigint
  /** Units of 10⁻¹⁸ US dollars for a unit of gas, with room for blocks that fill up until the transaction is in. */
  readonly maxFeePerGas: bigint
}

/** A base fee may rise by an eighth from block to block. */
const PRICE_ROOM_PERCENT = 130n

/**
 * Asks the node.
 *
 * @see https://docs.tempo.xyz/protocol/transactions/spec-tempo-transaction
 */
export async function quoteTempo(client: PublicClient, network: string, call: TempoCall): Promise<TempoQuote> {
  const { from, to, input, feeToken } = call
  const chainId = `0x${chainIdOf(network).toString(16)}`
  const calls = [{ to, value: '0x0', data: input }]
  const shape = { from, type: '0x76', chainId, calls, feeToken }
  const ask = client.request as (call: { readonly method: string; readonly params?: readonly unknown[] }) => Promise<unknown>
  const [gas, price] = await Promise.all([
    ask({ method: 'eth_estimateGas', params: [shape] }).then(readQuantity),
    ask({ method: 'eth_gasPrice' }).then(readQuantity),
  ])
  return { gas, maxFeePerGas: (price * PRICE_ROOM_PERCENT) / 100n }
}

function readQuantity(value: unknown): bigint {
  if (typeof value === 'string' && /^0x[0-9a-fA-F]{1,32}$/.test(value)) return BigInt(value)
  throw new RouteplaneError('upstream_error', 'the node answered no quantity')
}
