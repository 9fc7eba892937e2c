/** The Machine Payments Protocol: its challenge format, its schemes, and what manifests say of it. */
import { mpp as format } from './challenge/mpp.ts'
import type { PaymentProtocol } from './protocol.ts'
import { evmCharge } from './scheme/evm-charge.ts'
import { tempoCharge } from './scheme/tempo-charge.ts'

/** @see https://paymentauth.org */
export const mpp: PaymentProtocol = {
  id: 'mpp',
  formats: [format],
  schemes: [evmCharge, tempoCharge],
  termsOf: ({ mpp: terms }) => terms,
}
