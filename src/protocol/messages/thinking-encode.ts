/** Encodes how hard a model shall think for Messages: adaptive with an effort, or within a budget. */
import type { CompletionRequest, ReasoningConfig, ReasoningEffort } from '../../completion/request.ts'
import { defined } from '../../lib/defined.ts'
import { approximated, type Loss } from '../loss.ts'
import { budgetToEffort, effortToBudget, effortToMessages, MIN_THINKING_BUDGET } from '../reasoning-effort.ts'
import type { ModelTraits } from './model-traits.ts'

type Json = Readonly<Record<string, unknown>>

export type EncodedThinking = {
  readonly thinking: Json | undefined
  readonly effort: string | undefined
  /** Whether the model may think: then it takes no sampling of another's choice, and no tool can be forced. */
  readonly isOn: boolean
}

const off: EncodedThinking = { thinking: undefined, effort: undefined, isOn: false }
const disabled: EncodedThinking = { thinking: { type: 'disabled' }, effort: undefined, isOn: false }

/** The share of the limit that thoughts may take: what is left is for the answer. */
const MOST_OF_LIMIT = 0.75

type Input = {
  readonly request: CompletionRequest
  readonly traits: ModelTraits
  readonly maxTokens: number
  readonly losses: Loss[]
  /** A tool turn under way whose thoughts cannot be replayed: with a budget, the vendor would miss them. */
  readonly isBroken: boolean
}

/**
 * Encodes the wish.
 *
 * A budget that does not fit below `max_tokens` is lowered, and thinking that does not fit at all is left off: the limit was
 * priced and held as the caller set it, and raising it would spend what nobody has agreed to.
 */
export function encodeThinking(input: Input): EncodedThinking {
  const { request, traits, losses } = input
  const { reasoning, toolChoice } = request
  if (reasoning === undefined) return off
  if (reasoning.effort === 'none') return traits.adaptive ? disabled : off
  const isForced = toolChoice?.mode === 'tool' || toolChoice?.mode === 'required'
  const wished = traits.adaptive ? adaptive(reasoning, losses) : budgeted(reasoning, input)
  if (!wished.isOn || !isForced) return wished
  losses.push(approximated('tool_choice', 'tool_choice.forced', 'a forced tool call leaves no thinking, which is turned off'))
  return { ...wished, thinking: traits.adaptive ? { type: 'disabled' } : undefined, isOn: false }
}

function adaptive(reasoning: ReasoningConfig, losses: Loss[]): EncodedThinking {
  const { effort, budgetTokens } = reasoning
  const meant = effort ?? (budgetTokens === undefined ? undefined : budgetToEffort(budgetTokens))
  if (effort === undefined && meant !== undefined)
    losses.push(approximated('reasoning', 'reasoning.effort', `a budget of ${budgetTokens} tokens becomes the effort ${meant}`))
  if (meant === 'none') return disabled
  const written = meant === undefined ? undefined : effortToMessages(meant)
  if (effort !== undefined && written !== effort) losses.push(effortLoss(effort, String(written)))
  return { thinking: { type: 'adaptive', ...display(reasoning, losses) }, effort: written, isOn: true }
}

function effortLoss(effort: ReasoningEffort, written: string): Loss {
  return approximated('reasoning.effort', 'reasoning.effort', `the effort ${effort} becomes ${written}`)
}

function budgeted(reasoning: ReasoningConfig, { maxTokens, losses, isBroken }: Input): EncodedThinking {
  const { effort, budgetTokens } = reasoning
  const meant = effort ?? (budgetTokens === undefined ? 'medium' : undefined)
  const most = Math.floor(maxTokens * MOST_OF_LIMIT)
  const wanted = Math.max(MIN_THINKING_BUDGET, budgetTokens ?? effortToBudget(meant ?? 'medium', most))
  // A budget of the caller's own that fits is his to set, however little it leaves.
  const budget = budgetTokens !== undefined && wanted < maxTokens ? wanted : Math.min(wanted, most)
  if (isBroken) return leftOff(losses, 'thoughts of the unfinished turn cannot be replayed, so that thinking is turned off')
  if (budget < MIN_THINKING_BUDGET) return leftOff(losses, `the limit of ${maxTokens} tokens leaves no room for thinking`)
  if (meant !== undefined) losses.push(effortLoss(meant, `a budget of ${budget} tokens`))
  else if (budget !== budgetTokens)
    losses.push(approximated('reasoning', 'reasoning.effort', `the budget becomes ${budget} tokens, which fits the limits`))
  return { thinking: { type: 'enabled', budget_tokens: budget, ...display(reasoning, losses) }, effort: undefined, isOn: true }
}

function leftOff(losses: Loss[], how: string): EncodedThinking {
  losses.push(approximated('reasoning', 'reasoning.effort', how))
  return off
}

function display({ display: given }: ReasoningConfig, losses: Loss[]): Json {
  if (given === 'full') losses.push(approximated('reasoning.display', 'reasoning.display', 'thoughts are shown as a summary'))
  return defined({ display: given === 'full' ? 'summarized' : given })
}
