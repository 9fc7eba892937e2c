/** Starts a provider that sells Chat Completions for x402 payments: a real seller in miniature, for the demo and for tests. */
import type { HttpBindings } from '@hono/node-server'
import { x402ResourceServer } from '@x402/core/server'
import type { FacilitatorClient } from '@x402/core/server'
import type { Network } from '@x402/core/types'
import { ExactEvmScheme } from '@x402/evm/exact/server'
import { Hono } from 'hono'
import type { Chain } from '../chain/chain.ts'
import { DEFAULT_SYMBOL, findAssetBySymbol } from '../chain/networks.ts'
import { RouteplaneError, answerStatus, toRouteplaneError } from '../errors.ts'
import { systemClock } from '../lib/clock.ts'
import type { Clock } from '../lib/clock.ts'
import { errorBody } from './chat-reply.ts'
import { listen } from './listen.ts'
import { modelsDocument } from './models-document.ts'
import { serveCompletion } from './paid-route.ts'
import type { PriceList } from './price-list.ts'
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

export type PaidProvider = {
  readonly id: string
  /** What a manifest calls the endpoint: `http://127.0.0.1:<port>/v1`. */
  readonly baseUrl: string
  readonly modelsUrl: string
  readonly payTo: `0x${string}`
  readonly prices: PriceList
  readonly models: readonly string[]
  readonly faults: Faults
  readonly counters: Readonly<Counters>
  stop(): Promise<void>
}

/**
 * Starts a provider on a free loopback port.
 *
 * @throws {@link RouteplaneError} `unknown_asset` when the chain's network has no USDC in our table.
 */
export async function startPaidProvider(options: PaidProviderOptions): Promise<PaidProvider> {
  const seller = await createSeller(options)
  const { port, stop } = await listen(createApp(seller))
  const baseUrl = `http://127.0.0.1:${port}/v1`
  return {
    id: options.id,
    baseUrl,
    modelsUrl: `${baseUrl}/models`,
    payTo: options.payTo,
    prices: options.prices,
    models: seller.models,
    faults: seller.faults,
    counters: seller.counters,
    stop,
  }
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

function createApp(seller: Seller): Hono<{ Bindings: HttpBindings }> {
  const app = new Hono<{ Bindings: HttpBindings }>()
  app.get('/v1/models', (context) => context.json(modelsDocument(seller)))
  app.post('/v1/chat/completions', (context) => serveCompletion(context, seller))
  app.notFound((context) => context.json(errorBody('not_found', 'there is nothing here'), 404))
  app.onError((thrown, context) => {
    const error = toRouteplaneError(thrown)
    return context.json(errorBody(error.code, error.message), answerStatus(error) as 400)
  })
  return app
}
