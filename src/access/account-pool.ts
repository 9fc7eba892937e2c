/** Which of several keys for one provider is shown next: one that was refused or limited rests for a while. */
import type { Clock } from '../lib/clock.ts'
import type { Secret } from '../lib/log.ts'

/** One of the user's own accounts with a provider. */
export type Account = { readonly label: string; readonly key: Secret }

/** `failover` asks the first that is not resting, `balance` each in turn. */
export const accountStrategies = ['failover', 'balance'] as const
export type AccountStrategy = (typeof accountStrategies)[number]

export type AccountPool = {
  /** Every account, each once, in the order to ask them now; who rests comes last, whoever has the least of it left first. */
  take(): readonly Account[]
  /** Lets an account rest for so many milliseconds. */
  rest(account: Account, ms: number): void
}

export function createAccountPool(accounts: readonly Account[], strategy: AccountStrategy, clock: Pick<Clock, 'now'>): AccountPool {
  const restsUntil = new Map<Account, number>()
  let turn = 0
  const restOf = (account: Account, now: number) => Math.max(now, restsUntil.get(account) ?? now)
  return {
    take() {
      const first = strategy === 'balance' ? turn++ % accounts.length : 0
      const now = clock.now()
      const turned = [...accounts.slice(first), ...accounts.slice(0, first)]
      return turned.toSorted((a, b) => restOf(a, now) - restOf(b, now))
    },
    rest(account, ms) {
      restsUntil.set(account, clock.now() + ms)
    },
  }
}
