/** The contract of a scheme: how agreed terms become an intent and a credential. */
import type { Wallet } from '../../wallet/wallet.ts'
import type { Credential } from '../challenge/challenge.ts'
import type { AgreedTerms } from '../terms.ts'

/** What is signed for one attempt, fixed before the wallet is asked so that it can be signed again unchanged. */
export type SigningPlan = {
  readonly attemptId: string
  readonly agreed: AgreedTerms
  readonly nonce: `0x${string}`
  readonly validBeforeSeconds: bigint
}

export type Scheme = {
  /** As the wire names it. */
  readonly id: string
  /** @throws RouteplaneError `policy_refused` from the wallet. */
  sign(plan: SigningPlan, wallet: Wallet): Promise<Credential>
}
