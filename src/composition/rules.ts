/** The operator's decisions out of a config: rolling caps, order of payment, attempts, timeouts. */
import type { Config } from '../config/config.ts'
import type { GatewayRules } from '../gateway/context.ts'
import type { BudgetCaps } from '../payment/budget.ts'
import { balancedWeights } from '../selection/index.ts'

/** Answers are text or base64 media; longer ones are a provider out of hand. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024

export function rulesOf(config: Config): GatewayRules {
  const timeouts = new Map(config.providers.map((each) => [each.provider.id, { ...config.upstream.timeouts, ...each.timeouts }]))
  return {
    perRequestUsd: config.budget.perRequestUsd,
    prefer: config.payment.prefer,
    onUnknown: config.payment.onUnknown,
    maxAttempts: config.routing.maxAttempts,
    deadlineMs: config.routing.deadlineMs,
    hideDeprecated: config.registry.hideDeprecated,
    weights: config.routing.weights ?? balancedWeights,
    explorationShare: config.routing.explorationShare,
    managedAccounts: config.managed.accounts,
    timeoutsOf: (provider) => timeouts.get(provider.id) ?? config.upstream.timeouts,
    maxAnswerBytes: MAX_ANSWER_BYTES,
  }
}

export function capsOf({ budget }: Config): BudgetCaps {
  return {
    perDay: budget.perDayUsd,
    ...(budget.perHourUsd === undefined ? {} : { perHour: budget.perHourUsd }),
    ...(budget.perMonthUsd === undefined ? {} : { perMonth: budget.perMonthUsd }),
    ...(budget.totalUsd === undefined ? {} : { total: budget.totalUsd }),
  }
}
