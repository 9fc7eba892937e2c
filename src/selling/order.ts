/** One request that is to be sold: what it is, and how its sender is asked for payment. */
import { RouteplaneError } from '../errors.ts'
import type { Completion, GatewayCall } from '../gateway/call.ts'
import type { GatewayContext } from '../gateway/context.ts'
import type { Usd } from '../money.ts'
import type { ChargeTerms } from './charge.ts'
import { priceOf } from './quote.ts'
import type { Quote, RequestHeaders, Tender, Till } from './till.ts'

/** What a request carries besides its wire: where it was sent, and the headers that may pay for it. */
export type Carried = { readonly resource: string; readonly headers: RequestHeaders }

/** What selling needs to know and to ask. */
export type SellingOptions = {
  readonly terms: ChargeTerms
  readonly tills: readonly Till[]
  readonly context: GatewayContext
  /** Answers a call on the operator's account. */
  complete(call: GatewayCall): Promise<Completion>
}

export type Asked = { readonly call: GatewayCall; readonly carried: Carried; readonly digest: string }
/** `promisedUsd` is the price that was quoted for it before, whatever it would cost now. */
export type Order = Asked & { readonly promisedUsd: Usd | undefined }

/** Prices it, and sees that somebody can serve it. @throws RouteplaneError what the request itself is refused with. */
export function quoteOf({ call, carried, digest, promisedUsd }: Order, { terms, context }: SellingOptions): Quote {
  // Asked in any case: what nobody can serve is refused, and not sold.
  return { digest, resource: carried.resource, model: call.read.model, ...priceOf(call, terms, context, promisedUsd) }
}

/** Makes the one 402 that every till adds its own words to. */
export async function required(order: Order, reason: string, options: SellingOptions, failed?: Tender): Promise<RouteplaneError> {
  const quote = quoteOf(order, options)
  const asks = await Promise.all(options.tills.map((till) => till.ask(quote, reason, failed)))
  if (asks.every(({ headers }) => Object.keys(headers).length === 0)) {
    return new RouteplaneError('unauthorized', 'nothing is sold here by a way to pay that fits this call', {
      hint: 'Ask the operator of this gateway for a key, or call it over HTTP.',
    })
  }
  return new RouteplaneError('payment_required', reason, {
    hint: 'Pay as one of the offers says and send the same request with the payment, or use an API key.',
    challenge: {
      headers: Object.assign({}, ...asks.map(({ headers }) => headers)) as Record<string, string>,
      body: Object.assign({}, ...asks.map(({ body }) => body)) as Record<string, unknown>,
    },
  })
}
