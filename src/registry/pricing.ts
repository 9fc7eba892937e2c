/** Tiered US dollar pricing: picks the tier, bounds a request, prices a usage. Exact; unknown is never zero. */
import type { Needs } from '../completion/features.ts'
import type { Usage } from '../completion/usage.ts'
import type { Usd } from '../money.ts'

/** The first tier is the base; a later one prices the whole request from `fromInputTokens` input tokens on. */
export type Pricing = { readonly tiers: readonly [PriceTier, ...PriceTier[]] }

/** US dollars per unit; `undefined` where the price list is silent. */
export type PriceTier = {
  /** Inclusive: a document's `min_context` as it is, a registry file's exclusive `above_input_tokens` plus one. */
  readonly fromInputTokens: number
  readonly prompt: Usd | undefined
  readonly completion: Usd | undefined
  readonly cacheRead: Usd | undefined
  readonly cacheWrite: Usd | undefined
  readonly reasoning: Usd | undefined
  readonly image: Usd | undefined
  readonly request: Usd | undefined
}

declare const todo: never
export function boundCost(_pricing: Pricing, _needs: Needs, _maxOutputTokens: number): Usd | undefined {
  return todo
}
export function expectedCost(_pricing: Pricing, _needs: Needs): Usd | undefined {
  return todo
}
export function costOf(_pricing: Pricing, _usage: Usage, _images: number): Usd | undefined {
  return todo
}
