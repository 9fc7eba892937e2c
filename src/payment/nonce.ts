/** Derives an authorization's nonce from its attempt: the same attempt can sign again, and never a second payment. */
import { createHmac } from 'node:crypto'

/**
 * Gives the 32-byte nonce of an attempt: HMAC-SHA256 of what makes the attempt one, under the ledger's secret salt.
 *
 * A payee who knew the salt could link or predict payments; the chain refuses the second use of a nonce.
 */
export function deriveNonce(salt: Uint8Array, attemptId: string, payee: string, amount: bigint): `0x${string}` {
  const nonce = createHmac('sha256', salt).update(`${attemptId}\n${payee.toLowerCase()}\n${amount}`).digest('hex')
  return `0x${nonce}`
}
