/** The routes that only read: models, receipts, health. */
import type { Context, Hono } from 'hono'
import type { HttpBindings } from '@hono/node-server'
import { RouteplaneError } from '../errors.ts'
import { formatUsd } from '../money.ts'
import type { Routeplane, Status } from '../routeplane.ts'
import { jsonText } from './error-response.ts'
import { anthropicModelCard, endpointsCard, modelCard, modelDetail } from '../card/model-card.ts'
import { saleCard } from '../card/sale-card.ts'
import { receiptCard, verificationCard } from '../card/receipt-card.ts'

export type AppEnv = { Bindings: HttpBindings }
type Reads = Pick<Routeplane, 'cashier' | 'catalog' | 'providers' | 'ready' | 'receipts' | 'sales' | 'status'>

/** A route, or the answer to methods that a path does not take. */
export type Route = (context: Context<AppEnv>) => Response | Promise<Response>

/** Mounts every reading route, and answers 405 on their paths to every other method. */
export function mountReadRoutes(app: Hono<AppEnv>, routeplane: Reads, version: string, refuseMethod: (allow: string) => Route): void {
  const mount = (path: string, route: Route) => {
    app.get(path, route)
    app.all(path, refuseMethod('GET, HEAD'))
  }
  for (const prefix of ['/v1', '']) {
    mount(`${prefix}/models`, async (context) => json(await listModels(routeplane, context)))
    mount(`${prefix}/models/:id{.+}`, async (context) => json(await showModel(routeplane, context)))
  }
  mount('/v1/receipts', async (context) => json(await listReceipts(routeplane, context)))
  mount('/v1/receipts/:id', async (context) => json(await showReceipt(routeplane, context)))
  mount('/health', () => json({ status: 'ok', version }))
  mount('/v1/status', async () => json(statusCard(await routeplane.status())))
  // Claude Code asks whether anybody is there.
  mount('/api/hello', () => json({ message: 'hello' }))
  mount('/', () => json({ name: 'routeplane', version }))
}

export function json(value: unknown): Response {
  const headers = { 'content-type': 'application/json', 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' }
  return new Response(jsonText(value), { headers })
}

/** The list in the shape of whom the caller takes us for: only Anthropic's clients name a version of their API. */
async function listModels({ cashier, catalog, ready }: Reads, context: Context<AppEnv>): Promise<unknown> {
  await ready()
  if (isAnthropic(context)) return anthropicPage(catalog.models().map(anthropicModelCard), context.req.query())
  return { object: 'list', data: catalog.models().map((listing) => modelCard(listing, cashier?.prices)) }
}

function isAnthropic(context: Context<AppEnv>): boolean {
  return context.req.header('anthropic-version') !== undefined
}

type Card = Readonly<Record<string, unknown>>

const MAX_ANTHROPIC_PAGE = 1_000

/** Cuts a page as the query says; the default is all, because clients that do not page would miss the rest. */
function anthropicPage(cards: readonly Card[], query: Readonly<Record<string, string>>): unknown {
  const { limit = String(MAX_ANTHROPIC_PAGE), after_id: after, before_id: before } = query
  if (!/^[1-9]\d{0,3}$/.test(limit) || Number(limit) > MAX_ANTHROPIC_PAGE)
    throw new RouteplaneError('invalid_request', `limit must be a whole number from 1 to ${MAX_ANTHROPIC_PAGE}`, {
      details: { path: 'limit' },
    })
  const from = after === undefined ? 0 : cards.findIndex(({ id }) => id === after) + 1
  const to = before === undefined ? cards.length : cards.findIndex(({ id }) => id === before)
  const isUnknown = (after !== undefined && from === 0) || to === -1
  if (isUnknown) throw new RouteplaneError('invalid_request', 'after_id and before_id must be ids of the list')
  const data = before === undefined ? cards.slice(from, from + Number(limit)) : cards.slice(Math.max(from, to - Number(limit)), to)
  const hasMore = before === undefined ? from + data.length < cards.length : to - data.length > from
  return { data, has_more: hasMore, first_id: data[0]?.['id'] ?? null, last_id: data.at(-1)?.['id'] ?? null }
}

const ENDPOINTS = '/endpoints'

/** An id may hold slashes, so what follows it is told apart by whether such a model is known. */
async function showModel({ cashier, catalog, providers, ready }: Reads, context: Context<AppEnv>): Promise<unknown> {
  await ready()
  const id = context.req.param('id') ?? ''
  const listing = catalog.model(id)
  if (listing !== undefined)
    return isAnthropic(context) ? anthropicModelCard(listing) : modelDetail(listing, providers.standing, cashier?.prices)
  const of = id.endsWith(ENDPOINTS) ? catalog.model(id.slice(0, -ENDPOINTS.length)) : undefined
  if (of !== undefined) return endpointsCard(of, providers.standing)
  throw new RouteplaneError('model_not_found', `there is no model ${JSON.stringify(id.slice(0, 100))}`)
}

const MAX_PAGE = 200
const DEFAULT_PAGE = 50

/** Newest first; `before` takes the last id of the page before. */
async function listReceipts({ receipts }: Reads, context: Context<AppEnv>): Promise<unknown> {
  const { limit = String(DEFAULT_PAGE), before, request_id: requestId } = context.req.query()
  if (!/^[1-9]\d{0,2}$/.test(limit) || Number(limit) > MAX_PAGE) {
    throw new RouteplaneError('invalid_request', `limit must be a whole number from 1 to ${MAX_PAGE}`)
  }
  for (const id of [before, requestId]) {
    if (id !== undefined && !ID.test(id)) throw new RouteplaneError('invalid_request', 'before and request_id must be ids')
  }
  const wanted = Number(limit)
  const rows = await receipts.list({
    limit: wanted + 1,
    ...(before === undefined ? {} : { before }),
    ...(requestId === undefined ? {} : { requestId }),
  })
  const page = rows.slice(0, wanted)
  return { object: 'list', data: page.map(receiptCard), has_more: rows.length > wanted, last_id: page.at(-1)?.id }
}

/** The form of our own ids; anything else cannot name a receipt and is never handed to the store. */
const ID = /^[a-z0-9_]{1,64}$/

async function showReceipt({ receipts, sales }: Reads, context: Context<AppEnv>): Promise<unknown> {
  const id = context.req.param('id') ?? ''
  const sold = id.startsWith('sale_') && ID.test(id) ? await sales.get(id) : undefined
  if (sold !== undefined) return saleCard(sold)
  const receipt = ID.test(id) ? await receipts.get(id) : undefined
  if (receipt === undefined) throw new RouteplaneError('receipt_not_found', 'there is no receipt with this id')
  if (context.req.query('verify') !== '1') return receiptCard(receipt)
  return { ...receiptCard(receipt), verification: verificationCard(await receipts.verify(id)) }
}

function statusCard(status: Status): unknown {
  const { wallet } = status
  return {
    version: status.version,
    network: status.network,
    wallet:
      wallet === undefined
        ? undefined
        : {
            address: wallet.address,
            network: wallet.network,
            asset: wallet.asset,
            balance_usd: wallet.balanceUsd === undefined ? undefined : formatUsd(wallet.balanceUsd),
            held_usd: formatUsd(wallet.heldUsd),
          },
    caps: status.caps.map((cap) => ({
      scope: cap.scope,
      window: cap.window,
      cap_usd: formatUsd(cap.capUsd),
      available_usd: formatUsd(cap.availableUsd),
      resets_at: cap.resetsAt === undefined ? undefined : new Date(cap.resetsAt).toISOString(),
    })),
    open_attempts: status.openAttempts,
    providers: status.providers,
    models: status.models,
  }
}
