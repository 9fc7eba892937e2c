/** The x402 schemes that callers may pay by. */
import { exact } from './exact.ts'
import { upto } from './upto.ts'

export const sellingSchemes = [exact, upto] as const
