/** The contract of a payment protocol that asks by a 402: its challenges, its schemes, and what manifests say of it. */
import type { Usd } from '../money.ts'
import type { PaymentModeName, ProviderPayment, X402Terms } from '../registry/endpoint.ts'
import type { ChallengeFormat } from './challenge/challenge.ts'
import type { AnyScheme } from './scheme/scheme.ts'

export type PaymentProtocol = {
  readonly id: PaymentModeName
  /** Most preferred first: a 402 that speaks several is answered in the first. */
  readonly formats: readonly ChallengeFormat[]
  readonly schemes: readonly AnyScheme[]
  /** The payee, networks, assets and schemes that a manifest allows under this protocol; `undefined` when it names none. */
  termsOf(payment: ProviderPayment): X402Terms | undefined
  /** What paying on these networks may cost the wallet besides the price; nothing unless given. */
  overheadOf?(terms: X402Terms, networks: readonly string[]): Usd
}
