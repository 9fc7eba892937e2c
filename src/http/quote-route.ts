/** `GET|POST /v1/quote`: what a call would be sold for, promised for a while; nothing is paid, sent or held. */
import type { Context, Hono } from 'hono'
import { bareRequest } from '../completion/bare-request.ts'
import { RouteplaneError } from '../errors.ts'
import type { GatewayCall } from '../gateway/call.ts'
import { createId } from '../lib/id.ts'
import { formatUsd } from '../money.ts'
import type { Routeplane } from '../routeplane.ts'
import { parseBody, readBody } from './body.ts'
import { LOCAL_CALLER } from './caller.ts'
import { type AppEnv, json, type Route } from './read-routes.ts'
import { DECISION_MS, readAnyCall, type RouteDeps } from './route-route.ts'

export const QUOTE_PATH = '/v1/quote'

export type QuoteDeps = Pick<RouteDeps, 'clock' | 'maxBodyBytes' | 'protocols'> & {
  readonly routeplane: Pick<Routeplane, 'cashier' | 'ready'>
}

export function mountQuote(app: Hono<AppEnv>, deps: QuoteDeps, refuseMethod: (allow: string) => Route): void {
  app.get(QUOTE_PATH, async ({ req }) => json(await quote(boundedCall(req.query(), deps), deps)))
  app.post(QUOTE_PATH, async (context) => json(await quote(await readAsked(context, deps), deps)))
  app.all(QUOTE_PATH, refuseMethod('GET, HEAD, POST'))
}

/** A whole request of any protocol, or a model with bounds of tokens. */
async function readAsked({ env: { incoming }, req }: Context<AppEnv>, deps: QuoteDeps): Promise<GatewayCall> {
  const body = await readBody(incoming, deps.maxBodyBytes)
  const members = parseBody(body)
  if (REQUEST_MEMBERS.some((name) => members[name] !== undefined))
    return readAnyCall({ body, members, headers: incoming.headers, protocol: req.query('protocol') }, deps)
  const { model, input_tokens: input, output_tokens: output } = members
  return boundedCall({ model, input_tokens: input, output_tokens: output }, deps)
}

/** What each wire puts its question into. */
const REQUEST_MEMBERS = ['messages', 'input', 'contents'] as const

/** Beyond what any model reads or writes. */
const MOST_TOKENS = 100_000_000

function boundedCall(asked: Readonly<Record<string, unknown>>, { clock }: QuoteDeps): GatewayCall {
  const { model } = asked
  if (typeof model !== 'string' || model === '' || model.length > 512) throw invalid('model', 'must be the id of a model')
  const maxInputTokens = tokensIn(asked, 'input_tokens')
  if (maxInputTokens === undefined) throw invalid('input_tokens', 'is missing: how many tokens will be sent at most')
  const maxOutputTokens = tokensIn(asked, 'output_tokens')
  return {
    id: createId('req', clock.now()),
    caller: LOCAL_CALLER,
    read: {
      model,
      needs: {
        features: [],
        samplingParameters: [],
        inputModalities: ['text'],
        outputModalities: ['text'],
        maxInputTokens,
        expectedInputTokens: maxInputTokens,
        ...(maxOutputTokens === undefined ? {} : { maxOutputTokens }),
        images: 0,
        candidates: 1,
        stream: false,
      },
      extensions: {},
    },
    decode: () => bareRequest(model, []),
    signal: AbortSignal.timeout(DECISION_MS),
  }
}

/** A number in a body, digits in a query. */
function tokensIn(asked: Readonly<Record<string, unknown>>, name: string): number | undefined {
  const value = asked[name]
  if (value === undefined || value === null) return undefined
  const count = typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : value
  if (typeof count === 'number' && Number.isSafeInteger(count) && count >= 0 && count <= MOST_TOKENS) return count
  throw invalid(name, `must be a whole number from 0 to ${MOST_TOKENS}`)
}

function invalid(path: string, problem: string): RouteplaneError {
  return new RouteplaneError('invalid_request', `${path} ${problem}`, { details: { path } })
}

async function quote(call: GatewayCall, { routeplane }: QuoteDeps): Promise<unknown> {
  const { cashier, ready } = routeplane
  if (cashier === undefined) {
    throw new RouteplaneError('not_found', 'nothing is sold per call here', { hint: 'POST /v1/route says what a request could cost.' })
  }
  await ready()
  const quoted = await cashier.quote(call)
  const { id, model, request, maxInputTokens, maxOutputTokens, priceUsd, expiresAt } = quoted.quote
  return {
    object: 'quote',
    quote_id: id,
    model,
    price: formatUsd(priceUsd),
    currency: 'USD',
    // A whole request is quoted to the letter; bounds quote whatever stays within them.
    ...(request === undefined ? { input_tokens: maxInputTokens, output_tokens: maxOutputTokens } : {}),
    offers: quoted.ways.map(({ protocol, scheme, charging, asset, amount }) => ({
      protocol,
      scheme,
      network: asset.network,
      currency: asset.symbol,
      asset: asset.address,
      decimals: asset.decimals,
      amount: amount.toString(),
      charged: charging === 'quote' ? 'exactly' : 'at most',
    })),
    expires_at: new Date(expiresAt).toISOString(),
  }
}
