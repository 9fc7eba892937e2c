/** x402 as a payment protocol: its challenge formats, its schemes, and the manifest's own block. */
import { x402V1 } from './challenge/x402-v1.ts'
import { x402V2 } from './challenge/x402-v2.ts'
import type { PaymentProtocol } from './protocol.ts'
import { batchSettlement } from './scheme/batch-settlement.ts'
import { exact } from './scheme/exact.ts'
import { exactSolana } from './scheme/exact-solana.ts'
import { exactPermit2, upto } from './scheme/permit2.ts'

/** @see https://github.com/coinbase/x402/blob/main/specs/x402-specification-v2.md */
export const x402: PaymentProtocol = {
  id: 'x402',
  formats: [x402V2, x402V1],
  schemes: [exact, exactPermit2, upto, batchSettlement, exactSolana],
  termsOf: ({ x402: terms }) => terms,
}
