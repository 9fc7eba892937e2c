/** Our own request fields and headers, the same on every protocol: fallback models, provider rules, caps. */
import type { Usd } from '../money.ts'

/** @see Routing guide, section 4; the `provider` object is OpenRouter's. */
export type Extensions = {
  /** Overrides `model`; walked in order. At most 8. */
  readonly models?: readonly string[]
  readonly provider?: ProviderRules
  readonly maxCostUsd?: Usd
  readonly paymentPrefer?: readonly string[]
  readonly preset?: string
  readonly strict?: boolean
  readonly onUnknown?: 'wait' | 'fail' | 'allow_double'
  readonly idempotencyKey?: string
}

export type ProviderRules = {
  readonly order?: readonly string[]
  readonly only?: readonly string[]
  readonly ignore?: readonly string[]
  readonly allowFallbacks?: boolean
  readonly requireParameters?: boolean
  readonly quantizations?: readonly string[]
  readonly sort?: string
  readonly maxPrice?: { readonly prompt?: Usd; readonly completion?: Usd; readonly request?: Usd; readonly image?: Usd }
}
