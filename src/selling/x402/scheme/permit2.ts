/** What the schemes share whose money moves through Permit2: how a grant is read, and what the chain says became of it. */
import type { Chain, Span } from '../../../chain/chain.ts'
import { permitFateOf, type Fate } from '../../../chain/confirm.ts'
import type { SalePayment } from '../../../ledger/sale.ts'
import { isRecord } from '../../../lib/json.ts'
import type { Atomic } from '../../../money.ts'
import { member, type Signed } from '../read.ts'

/** Nonces of Permit2 are numbers of their own kind. */
const PERMIT2 = 'permit2:'

export function isPermit(payload: Record<string, unknown>): boolean {
  return isRecord(payload['permit2Authorization'])
}

/**
 * Reads a grant with a witness: all of it, for a spelling that one library takes and another does not would be judged good and
 * never be collected.
 *
 * @param parties - The addresses that the witness names.
 * @throws RouteplaneError `invalid_payment`.
 */
export function readPermit(payload: Record<string, unknown>, parties: readonly string[]): Signed {
  const grant = member.record(payload, 'permit2Authorization')
  const permitted = member.record(grant, 'permitted')
  const witness = member.record(grant, 'witness')
  member.hex(payload, 'signature')
  member.address(permitted, 'token')
  member.address(grant, 'spender')
  member.integer(witness, 'validAfter')
  for (const party of parties) member.address(witness, party)
  return {
    payer: member.address(grant, 'from'),
    nonce: `${PERMIT2}${member.integer(grant, 'nonce')}`,
    amount: member.integer(permitted, 'amount') as Atomic,
    validBeforeSeconds: member.integer(grant, 'deadline'),
  }
}

/**
 * Judges a grant by its bit in Permit2's bitmap and by the transfer that carried its nonce, of at most what was offered.
 *
 * @returns `undefined` for a payment that is no grant.
 */
export async function permitFate(chain: Chain, payment: SalePayment, within: Span): Promise<Fate | undefined> {
  if (!payment.nonce.startsWith(PERMIT2)) return undefined
  const nonce = `0x${BigInt(payment.nonce.slice(PERMIT2.length)).toString(16).padStart(64, '0')}` as const
  const { asset, payee, payer, amountOffered, validBeforeSeconds } = payment
  const address = { asset: asset as `0x${string}`, payee: payee as `0x${string}`, payer: payer as `0x${string}` }
  return permitFateOf(chain, { ...address, nonce, amount: amountOffered, validBeforeSeconds, within })
}
