/** The inline suffix of a model ref: re-ranks along one axis, or pins to managed supply; never widens who may answer. */
import { axes, isSort, type Sort } from './index.ts'

export type Variant = Sort | 'discount'

/** Derived from the axes, so that a new axis has its variant at once. */
export const variants: readonly Variant[] = ['balanced', ...axes.map(({ id }) => id), 'discount']

export function isVariant(text: string): text is Variant {
  return text === 'discount' || isSort(text)
}
