/** A facilitator of somebody else's, over HTTP; what it says of a payment is an answer, whatever status it says it with. */
import { HTTPFacilitatorClient, type FacilitatorClient } from '@x402/core/server'
import { SettleError, VerifyError } from '@x402/core/types'

/** Longer than a block, and no longer than a caller waits. */
const TIMEOUT_MS = 20_000
/** From here on it speaks of itself and not of the payment. */
const SERVER_ERROR = 500

/** @throws from `verify` and `settle` when it cannot be reached, or does not know. */
export function createRemoteFacilitator(url: string): FacilitatorClient {
  const client = new HTTPFacilitatorClient({ url, timeoutMs: TIMEOUT_MS })
  return {
    getSupported: () => client.getSupported(),
    async verify(payload, requirements) {
      try {
        return await client.verify(payload, requirements)
      } catch (cause) {
        if (!(cause instanceof VerifyError) || cause.statusCode >= SERVER_ERROR) throw cause
        return { isValid: false, invalidReason: cause.invalidReason ?? 'invalid_payment' }
      }
    },
    async settle(payload, requirements) {
      try {
        return await client.settle(payload, requirements)
      } catch (cause) {
        if (!(cause instanceof SettleError) || cause.statusCode >= SERVER_ERROR) throw cause
        const { errorReason = 'settlement_failed', transaction, network } = cause
        return { success: false, errorReason, transaction, network }
      }
    },
  }
}
