/** Maps how hard a model shall think between names of effort, token budgets and Google's levels. */
import type { ReasoningEffort } from '../completion/request.ts'

/** @see https://ai.google.dev/api/generate-content#ThinkingConfig, `thinkingLevel` */
export type ThinkingLevel = 'MINIMAL' | 'LOW' | 'MEDIUM' | 'HIGH'

/** The efforts of Anthropic's `output_config.effort`; no thinking at all is `thinking.type: disabled` there. */
export type MessagesEffort = 'low' | 'medium' | 'high' | 'xhigh' | 'max'

const efforts: readonly ReasoningEffort[] = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max']

const budgets = { none: 0, minimal: 512, low: 1024, medium: 8192, high: 24_576 } as const

/** The least that Anthropic takes for `thinking.budget_tokens`. */
export const MIN_THINKING_BUDGET = 1024

/**
 * Gives the budget, in tokens, that an effort stands for.
 *
 * @param modelMaxTokens - The most this model may think. `xhigh` and `max` mean that; when it is unknown they get the
 *   budget of `high`, the largest that every budgeted model takes.
 */
export function effortToBudget(effort: ReasoningEffort, modelMaxTokens?: number): number {
  if (effort === 'xhigh' || effort === 'max') return modelMaxTokens ?? budgets.high
  return modelMaxTokens === undefined ? budgets[effort] : Math.min(budgets[effort], modelMaxTokens)
}

/**
 * Names the effort that a budget in tokens stands for.
 *
 * @returns `undefined` when the budget says nothing: negative means that the model decides.
 */
export function budgetToEffort(budgetTokens: number): ReasoningEffort | undefined {
  if (!Number.isFinite(budgetTokens) || budgetTokens < 0) return undefined
  if (budgetTokens === 0) return 'none'
  if (budgetTokens <= budgets.low) return 'low'
  if (budgetTokens <= budgets.medium) return 'medium'
  return budgetTokens <= budgets.high ? 'high' : 'xhigh'
}

/** @returns `undefined` for `none`, which Anthropic writes as disabled thinking. */
export function effortToMessages(effort: ReasoningEffort): MessagesEffort | undefined {
  if (effort === 'none') return undefined
  return effort === 'minimal' ? 'low' : effort
}

/** Google's scale is shorter at both ends. */
export function effortToLevel(effort: ReasoningEffort): ThinkingLevel {
  switch (effort) {
    case 'none':
    case 'minimal':
      return 'MINIMAL'
    case 'low':
      return 'LOW'
    case 'medium':
      return 'MEDIUM'
    case 'high':
    case 'xhigh':
    case 'max':
      return 'HIGH'
  }
}

/** Names the effort of a level; `undefined` for a level that is not known. */
export function levelToEffort(level: string): ReasoningEffort | undefined {
  switch (level) {
    case 'MINIMAL':
      return 'minimal'
    case 'LOW':
      return 'low'
    case 'MEDIUM':
      return 'medium'
    case 'HIGH':
      return 'high'
    default:
      return undefined
  }
}

/**
 * Fits an effort to what an OpenAI model takes: the nearest below, or the lowest when there is none below.
 *
 * `none` is never raised: a model that cannot stop thinking gets `undefined`, and the caller reports the loss.
 */
export function effortToOpenAi(effort: ReasoningEffort, taken: readonly ReasoningEffort[]): ReasoningEffort | undefined {
  if (taken.includes(effort)) return effort
  if (effort === 'none') return undefined
  const ranked = efforts.filter((each) => each !== 'none' && taken.includes(each))
  return ranked.findLast((each) => efforts.indexOf(each) < efforts.indexOf(effort)) ?? ranked[0]
}

/**
 * Fits a thinking budget to Anthropic's rules: at least 1024 and below `max_tokens`. The limit is raised, never the
 * budget lowered: a budget cut short would think worse than asked without anyone noticing.
 *
 * A raised `max_tokens` costs more: price the request with what comes out of here.
 *
 * @see https://docs.anthropic.com/en/docs/build-with-claude/extended-thinking
 */
export function fitThinkingBudget(budgetTokens: number, maxTokens: number): { readonly budgetTokens: number; readonly maxTokens: number } {
  const fitted = Math.max(MIN_THINKING_BUDGET, Math.ceil(budgetTokens))
  // Whatever was left for the answer itself stays left.
  return { budgetTokens: fitted, maxTokens: maxTokens > fitted ? maxTokens : fitted + maxTokens }
}
