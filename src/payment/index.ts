/** The payment modes, in their default order of preference. */
import { createByok, type ByokDeps } from './byok.ts'
import { createInvoice, type InvoiceDeps } from './invoice.ts'
import type { PaymentMode } from './mode.ts'
import { createX402, type X402Deps } from './x402.ts'

export type PaymentDeps = ByokDeps & X402Deps & InvoiceDeps

export function createPaymentModes(deps: PaymentDeps): readonly PaymentMode[] {
  return [createByok(deps), createX402(deps), createInvoice(deps)]
}
