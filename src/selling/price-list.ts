/** What is sold at which prices, for surfaces that show it before anybody asks. */
import type { Usd } from '../money.ts'
import { withMargin, type ChargeTerms } from './charge.ts'
import type { Till, WayToPay } from './till.ts'

export type PriceList = {
  /** The price of any request for a model; `undefined` where it depends on the request. */
  fixedUsd(model: string): Usd | undefined
  /** What a caller pays for what costs us so much. */
  saleUsd(costUsd: Usd): Usd
  /** The most that any request is sold for. */
  readonly mostUsd: Usd
  /** In the order they are offered. */
  readonly ways: readonly WayToPay[]
}

export function priceList(terms: ChargeTerms, tills: readonly Till[], perRequestUsd: Usd): PriceList {
  return {
    fixedUsd: (model) => terms.prices.get(model),
    saleUsd: (costUsd) => withMargin(costUsd, terms),
    mostUsd: [...terms.prices.values()].reduce((most, price) => (price > most ? price : most), withMargin(perRequestUsd, terms)),
    ways: tills.flatMap(({ ways }) => ways),
  }
}
