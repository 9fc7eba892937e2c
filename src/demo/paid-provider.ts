/** Starts a provider that sells Chat Completions for x402 payments: a real seller in miniature, for the demo and for tests. */
import { x402ResourceServer } from '@x402/core/server'
import type { FacilitatorClient } from '@x402/core/server'
import type { Network } from '@x402/core/types'
import { ExactEvmScheme } from '@x402/evm/exact/server'
import type { Chain } from '../chain/chain.ts'
import { DEFAULT_SYMBOL, findAssetBySymbol } from '../chain/networks.ts'
import { RouteplaneError } from '../errors.ts'
import { systemClock } from '../lib/clock.ts'
import type { Clock } from '../lib/clock.ts'
import { serveCompletion } from './paid-route.ts'
import type { PriceList } from './price-list.ts'
import { openProvider, type OpenProvider } from './provider-app.ts'
import { createSaleBook } from './sale.ts'
import type { Counters, Faults, Seller } from './seller.ts'

export type { Counters, Faults } from './seller.ts'

export type PaidProviderOptions = {
  /** Stands in answers, so that one can see who gave them. */
  readonly id: string
  readonly prices: PriceList
  readonly payTo: `0x${string}`
  readonly facilitator: FacilitatorClient
  readonly chain: Chain
  /** Ids of what is sold, all at the same prices; `demo/echo` unless given. */
  readonly models?: readonly string[]
  /** Limit and default of an answer, in tokens. */
  readonly maxOutputTokens?: number
  /** Before the first token. */
  readonly latencyMs?: number
  /** Between two tokens. */
  readonly tokenDelayMs?: number
  /** How long an offer says that its payment must stay valid. */
  readonly maxTimeoutSeconds?: number
  readonly clock?: Clock
  /** May be changed while the provider runs. */
  readonly faults?: Faults
}

export type PaidProvider = OpenProvider & {
  readonly payTo: `0x${string}`
  readonly prices: PriceList
  readonly models: readonly string[]
  readonly faults: Faults
  readonly counters: Readonly<Counters>
}

/**
 * Starts a provider on a free loopback port.
 *
 * @throws {@link RouteplaneError} `unknown_asset` when the chain's network has no USDC in our table.
 */
export async function startPaidProvider(options: PaidProviderOptions): Promise<PaidProvider> {
  const seller = await createSeller(options)
  const { payTo, prices, models, faults, counters } = seller
  const opened = await openProvider(seller, (context) => serveCompletion(context, seller))
  return { ...opened, payTo, prices, models, faults, counters }
}

async function createSeller(options: PaidProviderOptions): Promise<Seller> {
  const { network } = options.chain
  const asset = findAssetBySymbol(network, DEFAULT_SYMBOL)
  if (asset === undefined) throw new RouteplaneError('unknown_asset', `there is no ${DEFAULT_SYMBOL} on ${network} in our table`)
  const payments = new x402ResourceServer(options.facilitator).register(network as Network, new ExactEvmScheme())
  await payments.initialize()
  const clock = options.clock ?? systemClock
  return {
    id: options.id,
    payTo: options.payTo,
    prices: options.prices,
    models: options.models ?? ['demo/echo'],
    maxOutputTokens: options.maxOutputTokens ?? 256,
    maxTimeoutSeconds: options.maxTimeoutSeconds ?? 60,
    timing: { latencyMs: options.latencyMs ?? 0, tokenDelayMs: options.tokenDelayMs ?? 0 },
    asset,
    payments,
    chain: options.chain,
    clock,
    book: createSaleBook(clock),
    faults: options.faults ?? {},
    counters: { requests: 0, paid: 0, handlerRuns: 0 },
  }
}
