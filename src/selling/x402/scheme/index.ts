/** The x402 schemes that callers may pay by. */
import { batchSettlement } from './batch-settlement.ts'
import { exact } from './exact.ts'
import { upto } from './upto.ts'

export const sellingSchemes = [exact, upto, batchSettlement] as const
