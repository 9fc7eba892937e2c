/** Encodes how hard the model shall think: as a level for newer models, as a budget for those before. */
import type { ReasoningConfig } from '../../completion/request.ts'
import { defined } from '../../lib/defined.ts'
import { approximated, omitted, type Loss } from '../loss.ts'
import { budgetToEffort, effortToBudget, effortToLevel } from '../reasoning-effort.ts'
import type { ModelTraits, ThinkingRange } from './generation.ts'

type ThinkingConfig = { readonly includeThoughts?: boolean; readonly thinkingBudget?: number; readonly thinkingLevel?: string }

const PATH = 'reasoning'

/** @see https://ai.google.dev/gemini-api/docs/thinking */
export function encodeThinking(reasoning: ReasoningConfig | undefined, traits: ModelTraits, losses: Loss[]): ThinkingConfig | undefined {
  if (reasoning === undefined || Object.keys(reasoning).length === 0) return undefined
  if (traits.thinking === 'none') {
    // Not to think is what such a model does anyway.
    const { effort, budgetTokens, adaptive } = reasoning
    const asks = effort !== undefined || budgetTokens !== undefined || adaptive === true
    if (effort !== 'none') losses.push(omitted(PATH, asks ? 'reasoning.effort' : 'reasoning.display', 'the model does not think'))
    return undefined
  }
  const amount = traits.thinking === 'level' ? encodeLevel(reasoning, losses) : encodeBudget(reasoning, traits.thinking, losses)
  return defined({ includeThoughts: wantsThoughts(reasoning), ...amount })
}

/** Thoughts are shown unless they are unwanted: wires that cannot ask for them show what there is. */
function wantsThoughts({ effort, display }: ReasoningConfig): boolean | undefined {
  if (effort === 'none') return undefined
  return display !== 'omitted'
}

function encodeLevel({ effort, budgetTokens }: ReasoningConfig, losses: Loss[]): ThinkingConfig {
  const meant = effort ?? (budgetTokens === undefined ? undefined : budgetToEffort(budgetTokens))
  if (meant === undefined) return {}
  const level = effortToLevel(meant)
  losses.push(approximated(PATH, 'reasoning.effort', `said as the thinking level ${level}`))
  return { thinkingLevel: level }
}

function encodeBudget({ effort, budgetTokens, adaptive }: ReasoningConfig, range: ThinkingRange, losses: Loss[]): ThinkingConfig {
  if (effort === undefined && budgetTokens === undefined) return adaptive === true ? { thinkingBudget: -1 } : {}
  const wanted = budgetTokens ?? (effort === undefined ? 0 : effortToBudget(effort, range.max))
  const budget = Math.min(Math.max(wanted, range.min), range.max)
  if (budgetTokens !== budget) losses.push(approximated(PATH, 'reasoning.effort', `said as a budget of ${budget} tokens`))
  return { thinkingBudget: budget }
}
