/** The operator's decisions out of a config: what one request may cost, order of payment, attempts, timeouts. */
import type { Config } from '../config/config.ts'
import type { GatewayRules } from '../gateway/context.ts'
import { balancedWeights } from '../selection/index.ts'

/** Answers are text or base64 media; longer ones are a provider out of hand. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024

export function rulesOf(config: Config): GatewayRules {
  const { providers, keys } = config.budget
  const timeouts = new Map(config.providers.map((each) => [each.provider.id, { ...config.upstream.timeouts, ...each.timeouts }]))
  return {
    perRequestUsd: config.budget.perRequestUsd,
    perRequestOfProvider: (id) => (Object.hasOwn(providers, id) ? providers[id]?.perRequestUsd : undefined),
    perRequestOfCaller: (id) => (Object.hasOwn(keys, id) ? keys[id]?.perRequestUsd : undefined),
    approveAboveUsd: config.budget.approveAboveUsd,
    prefer: config.payment.prefer,
    onUnknown: config.payment.onUnknown,
    maxAttempts: config.routing.maxAttempts,
    deadlineMs: config.routing.deadlineMs,
    hideDeprecated: config.registry.hideDeprecated,
    weights: config.routing.weights ?? balancedWeights,
    clampToBudget: config.routing.clampToBudget,
    retrySchema: config.routing.retrySchema,
    explorationShare: config.routing.explorationShare,
    sticky: config.routing.sticky,
    managedAccounts: config.managed.accounts,
    timeoutsOf: (provider) => timeouts.get(provider.id) ?? config.upstream.timeouts,
    maxAnswerBytes: MAX_ANSWER_BYTES,
  }
}
