/** The payment modes, in their default order of preference. */
import { createByok, type ByokDeps } from './byok.ts'
import { createChallenged } from './challenged.ts'
import { createInvoice, type InvoiceDeps } from './invoice.ts'
import type { PaymentMode } from './mode.ts'
import { mpp } from './mpp.ts'
import type { ChallengedDeps } from './order.ts'
import type { PaymentProtocol } from './protocol.ts'
import { x402 } from './x402.ts'

export type PaymentDeps = ByokDeps & ChallengedDeps & InvoiceDeps

/** The protocols that ask by a 402. */
const protocols: readonly PaymentProtocol[] = [x402, mpp]

export function createPaymentModes(deps: PaymentDeps): readonly PaymentMode[] {
  return [createByok(deps), ...protocols.map((protocol) => createChallenged(protocol, deps)), createInvoice(deps)]
}
