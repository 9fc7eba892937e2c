/** x402 as a payment protocol: its challenge formats, its schemes, and the manifest's own block. */
import { x402V2 } from './challenge/x402-v2.ts'
import type { PaymentProtocol } from './protocol.ts'
import { batchSettlement } from './scheme/batch-settlement.ts'
import { exact } from './scheme/exact.ts'

/** @see https://github.com/coinbase/x402/blob/main/specs/x402-specification-v2.md */
export const x402: PaymentProtocol = {
  id: 'x402',
  formats: [x402V2],
  schemes: [exact, batchSettlement],
  termsOf: ({ x402: terms }) => terms,
}
