/** The methods of the Machine Payments Protocol that we sell by. */
import type { SellingMethod } from '../method.ts'
import { evmCharge } from './evm-charge.ts'
import { tempoCharge } from './tempo-charge.ts'
import { tempoSession } from './tempo-session.ts'

export const sellingMethods = [evmCharge, tempoCharge, tempoSession] as const satisfies readonly SellingMethod[]
