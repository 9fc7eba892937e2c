/** `exact`: the whole amount or nothing, by the token's own authorization or through Permit2. */
import type { Chain, Span } from '../../../chain/chain.ts'
import { fateOf, type Fate } from '../../../chain/confirm.ts'
import type { SalePayment } from '../../../ledger/sale.ts'
import type { Atomic } from '../../../money.ts'
import { member, type Signed } from '../read.ts'
import { isPermit, permitFate, readPermit } from './permit2.ts'
import type { SellingScheme } from './scheme.ts'

export const exact: SellingScheme = {
  id: 'exact',
  charging: 'quote',
  isJudgedFreely: true,
  inV1: true,
  async open() {
    const { ExactEvmScheme } = await import('@x402/evm/exact/server')
    return new ExactEvmScheme()
  },
  read: (payload) => (isPermit(payload) ? readPermit(payload, ['to']) : readAuthorization(payload)),
  fateOf: async (chain, payment, within) => (await permitFate(chain, payment, within)) ?? authorizationFate(chain, payment, within),
}

function authorizationFate(chain: Chain, payment: SalePayment, within: Span): Promise<Fate> {
  const { asset, payee, payer, nonce, amountOffered, validBeforeSeconds } = payment
  const address = { asset: asset as `0x${string}`, payee: payee as `0x${string}`, payer: payer as `0x${string}` }
  return fateOf(chain, { ...address, nonce: nonce as `0x${string}`, amount: amountOffered, validBeforeSeconds, within })
}

/** @see https://eips.ethereum.org/EIPS/eip-3009 */
function readAuthorization(payload: Record<string, unknown>): Signed {
  const authorization = member.record(payload, 'authorization')
  member.hex(payload, 'signature')
  member.address(authorization, 'to')
  member.integer(authorization, 'validAfter')
  return {
    payer: member.address(authorization, 'from'),
    nonce: member.bytes32(authorization, 'nonce'),
    amount: member.integer(authorization, 'value') as Atomic,
    validBeforeSeconds: member.integer(authorization, 'validBefore'),
  }
}
