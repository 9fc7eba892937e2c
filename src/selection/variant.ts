/** The suffixes a model ref may carry: an axis to rank along, the balanced default, or our own supply. */
import type { Endpoint } from '../registry/endpoint.ts'
import { variantAxes } from './index.ts'

type VariantAxisId = (typeof variantAxes)[number]['id']

/** `discount` is the only one that says who may serve; all others only say in which order. */
export type Variant = 'balanced' | VariantAxisId | 'discount'

export const variants: readonly Variant[] = ['balanced', ...variantAxes.map((axis) => axis.id), 'discount']

export function isVariant(word: string): word is Variant {
  return variants.some((variant) => variant === word)
}

/** What a ranking goes by. */
export type SortOrder = 'balanced' | VariantAxisId

/** Tells whether a word of `provider.sort` is an order; `price` is what OpenRouter's field calls cost. */
export function sortOrderOf(word: string): SortOrder | undefined {
  if (word === 'price') return 'cost'
  return isVariant(word) && word !== 'discount' ? word : undefined
}

/** Gives the order a variant ranks by. */
export function orderOfVariant(variant: Variant | undefined): SortOrder {
  return variant === undefined || variant === 'discount' ? 'balanced' : variant
}

/**
 * Says why an endpoint is not in the discounted supply; `undefined` when it is.
 *
 * @param openWeights - Of the model; unknown is not open.
 */
export function discountRefusal(endpoint: Endpoint, openWeights: boolean | undefined): string | undefined {
  if (endpoint.provider.kind !== 'managed') return ':discount is served by managed supply only'
  return openWeights === true ? undefined : ':discount is for open-weight models only'
}
