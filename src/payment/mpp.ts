/** The Machine Payments Protocol: its challenge format, its schemes, and what manifests say of it. */
import { assetsOf } from '../chain/networks.ts'
import { parseUsd, ZERO_USD } from '../money.ts'
import { mpp as format } from './challenge/mpp.ts'
import type { PaymentProtocol } from './protocol.ts'
import { evmCharge } from './scheme/evm-charge.ts'
import { tempoCharge } from './scheme/tempo-charge.ts'
import { tempoSession } from './scheme/tempo-session.ts'

/** What a Tempo transaction of ours may cost at most; a first payment to an account costs half of it, later ones a twentieth. */
const TEMPO_FEE_USD = parseUsd('0.01')

/** @see https://paymentauth.org */
export const mpp: PaymentProtocol = {
  id: 'mpp',
  formats: [format],
  schemes: [evmCharge, tempoCharge, tempoSession],
  termsOf: ({ mpp: terms }) => terms,
  // Where a token of another network is taken too, nobody has to pay on Tempo: its fee must not make every call dearer.
  overheadOf(terms, networks) {
    const usable = terms.networks.filter((network) => networks.includes(network))
    return usable.length > 0 && usable.every(isTempo) ? TEMPO_FEE_USD : ZERO_USD
  },
}

function isTempo(network: string): boolean {
  return assetsOf(network).some(({ transferMethod }) => transferMethod === 'tip20')
}
