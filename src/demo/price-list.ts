/** What a demo provider charges: its published prices, and the ceiling it quotes for one request. */
import { addUsd, parseUsd, times, toAtomic } from '../money.ts'
import type { Atomic } from '../money.ts'

/** US dollars as decimal strings: per token for the first two, per call for the last; as a models document writes them. */
export type PriceList = { readonly prompt: string; readonly completion: string; readonly request?: string }

/**
 * Quotes the most a request can cost, in base units, rounded up: `exact` payments cannot be corrected downwards later.
 * Never zero, which nobody can pay.
 */
export function ceilingQuote(prices: PriceList, promptTokens: number, maxTokens: number, decimals: number): Atomic {
  const usd = addUsd(
    times(parseUsd(prices.prompt), BigInt(promptTokens)),
    times(parseUsd(prices.completion), BigInt(maxTokens)),
    parseUsd(prices.request ?? '0'),
  )
  const amount = toAtomic(usd, decimals, 'up')
  return amount === 0n ? (1n as Atomic) : amount
}
