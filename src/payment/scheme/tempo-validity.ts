/** How long a transaction on Tempo may live: the network refuses one that would live for more than half a minute. */
import type { ChainBlock } from '../../chain/chain.ts'
import { TEMPO_VALIDITY_SECONDS } from '../../wallet/tempo-transfer.ts'

/** The network's limit, less what clocks differ by. */
const VALIDITY_SECONDS = TEMPO_VALIDITY_SECONDS - 5
/** A signature must have some time left by our own clock too, or the wallet refuses it, and the seller has none to send it. */
const LEAST_SECONDS = 10

/**
 * Unix seconds, counted from the network's newest block. Where that is old, nothing has happened on the network for a while, and
 * its next block will have the time of the wall: then they are counted from ours.
 */
export function lastSecondAfter({ timestampSeconds }: Pick<ChainBlock, 'timestampSeconds'>, nowMs: number): bigint {
  const nowSeconds = BigInt(Math.floor(nowMs / 1_000))
  const byNetwork = timestampSeconds + BigInt(VALIDITY_SECONDS)
  return byNetwork < nowSeconds + BigInt(LEAST_SECONDS) ? nowSeconds + BigInt(VALIDITY_SECONDS) : byNetwork
}
