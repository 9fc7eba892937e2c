/** What of a token can still be spent: its balance less what payments under way may take. */
import { subtractUsd, ZERO_USD, type Usd } from '../money.ts'
import type { WalletStatus } from '../routeplane.ts'

/** @returns `undefined` while the balance is unknown. */
export function spendableOf({ balanceUsd, heldUsd }: Pick<WalletStatus, 'balanceUsd' | 'heldUsd'>): Usd | undefined {
  if (balanceUsd === undefined) return undefined
  return balanceUsd > heldUsd ? subtractUsd(balanceUsd, heldUsd) : ZERO_USD
}
