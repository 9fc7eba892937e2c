/** `exact`: the whole amount or nothing, by the token's own authorization or through Permit2. */
import type { Chain } from '../../../chain/chain.ts'
import { fateOf, type Fate } from '../../../chain/confirm.ts'
import type { SalePayment } from '../../../ledger/sale.ts'
import { isRecord } from '../../../lib/json.ts'
import type { Atomic } from '../../../money.ts'
import { invalid, member, type Signed } from '../read.ts'
import type { SellingScheme } from './scheme.ts'

export const exact: SellingScheme = {
  id: 'exact',
  charging: 'quote',
  inV1: true,
  async open() {
    const { ExactEvmScheme } = await import('@x402/evm/exact/server')
    return new ExactEvmScheme()
  },
  read: (payload) => (isRecord(payload['permit2Authorization']) ? readPermit2(payload) : readAuthorization(payload)),
  async fateOf(chain, payment) {
    return payment.nonce.startsWith(PERMIT2) ? undefined : authorizationFate(chain, payment)
  },
}

/** Nonces of Permit2 are numbers of their own kind. */
const PERMIT2 = 'permit2:'

function authorizationFate(chain: Chain, payment: SalePayment): Promise<Fate> {
  const { asset, payee, payer, nonce, amountOffered, validBeforeSeconds } = payment
  const address = { asset: asset as `0x${string}`, payee: payee as `0x${string}`, payer: payer as `0x${string}` }
  return fateOf(chain, { ...address, nonce: nonce as `0x${string}`, amount: amountOffered, validBeforeSeconds })
}

/** @see https://eips.ethereum.org/EIPS/eip-3009 */
function readAuthorization(payload: Record<string, unknown>): Signed {
  const authorization = member.record(payload, 'authorization')
  member.hex(payload, 'signature')
  member.integer(authorization, 'validAfter')
  return {
    payer: member.address(authorization, 'from'),
    nonce: member.bytes32(authorization, 'nonce'),
    amount: member.integer(authorization, 'value') as Atomic,
    validBeforeSeconds: member.integer(authorization, 'validBefore'),
  }
}

/** A Permit2 grant with a witness, the same for every scheme that moves money through it. */
export function readPermit2(payload: Record<string, unknown>): Signed {
  const grant = member.record(payload, 'permit2Authorization')
  const permitted = member.record(grant, 'permitted')
  member.hex(payload, 'signature')
  const nonce = member.integer(grant, 'nonce')
  if (nonce >= 1n << 256n) throw invalid('nonce of the payment is malformed')
  return {
    payer: member.address(grant, 'from'),
    nonce: `${PERMIT2}${nonce}`,
    amount: member.integer(permitted, 'amount') as Atomic,
    validBeforeSeconds: member.integer(grant, 'deadline'),
  }
}
