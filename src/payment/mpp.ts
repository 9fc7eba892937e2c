/** The Machine Payments Protocol: its challenge format, its schemes, and what manifests say of it. */
import { assetsOf } from '../chain/networks.ts'
import { parseUsd, ZERO_USD } from '../money.ts'
import { mpp as format } from './challenge/mpp.ts'
import type { PaymentProtocol } from './protocol.ts'
import { evmCharge } from './scheme/evm-charge.ts'
import { tempoCharge } from './scheme/tempo-charge.ts'

/** What a Tempo transaction of ours may cost at most; a first payment to an account costs half of it, later ones a twentieth. */
const TEMPO_FEE_USD = parseUsd('0.01')

/** @see https://paymentauth.org */
export const mpp: PaymentProtocol = {
  id: 'mpp',
  formats: [format],
  schemes: [evmCharge, tempoCharge],
  termsOf: ({ mpp: terms }) => terms,
  overheadOf: (terms, networks) =>
    terms.networks.some(
      (network) => networks.includes(network) && assetsOf(network).some(({ transferMethod }) => transferMethod === 'tip20'),
    )
      ? TEMPO_FEE_USD
      : ZERO_USD,
}
