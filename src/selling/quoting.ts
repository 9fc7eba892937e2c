/** Promises prices before they are asked for, and knows which promise a request may hold us to. */
import { createHash } from 'node:crypto'
import { RouteplaneError } from '../errors.ts'
import type { GatewayCall } from '../gateway/call.ts'
import type { GatewayContext } from '../gateway/context.ts'
import type { SaleQuote } from '../ledger/sale.ts'
import { createId } from '../lib/id.ts'
import { stableText } from '../lib/stable-json.ts'
import type { ChargeTerms } from './charge.ts'
import { priceOf } from './quote.ts'
import type { RequestHeaders } from './till.ts'

/** With this header a request names the quote it wants to be asked for. */
export const QUOTE_HEADER = 'x-routeplane-quote'

/** Milliseconds for which a quote holds. */
export const QUOTE_MS = 300_000
/** An equal quote of the same price is given again while so much of it is left. */
const WORTH_GIVING_MS = QUOTE_MS / 2
/** At most so many hold at once: strangers ask for them, and each is a row that is kept. */
const MOST_QUOTES = 10_000

export type Quoting = {
  /** Promises today's price of a request; without a wire, of any text request of its model and bounds of tokens. */
  promise(call: GatewayCall): Promise<SaleQuote>
  /**
   * Finds the quote that a request is bought under: the one it names, or else the lowest that was made for an equal request.
   * What was asked on a quote may still be paid for as long as the asking holds.
   *
   * @throws RouteplaneError `invalid_quote` for one that is named, does not fit, and has not been paid on.
   */
  bindingOf(call: GatewayCall, headers: RequestHeaders, isPaid: boolean): Promise<SaleQuote | undefined>
}

export function createQuoting({ terms, context }: { readonly terms: ChargeTerms; readonly context: GatewayContext }): Quoting {
  const { clock } = context
  const { quotes } = context.ledger.sales
  const offerMs = terms.offerSeconds * 1_000
  return {
    async promise(call) {
      const now = clock.now()
      const priceUsd = priceOf(call, terms, context)
      const { model, needs } = call.read
      const request = requestOf(call)
      const bounds = { maxInputTokens: needs.maxInputTokens, maxOutputTokens: needs.maxOutputTokens }
      const known = (await quotes.of(model, now + WORTH_GIVING_MS)).find(
        (quote) => quote.priceUsd === priceUsd && isSameRequest(quote, { request, ...bounds }),
      )
      if (known !== undefined) return known
      const about = { id: createId('quote', now), model, ...bounds, priceUsd, expiresAt: now + QUOTE_MS }
      const quote = { ...about, ...(request === undefined ? {} : { request }) }
      await quotes.add(quote, now, { most: MOST_QUOTES, keptMs: offerMs })
      return quote
    },
    async bindingOf(call, headers, isPaid) {
      const id = headers[QUOTE_HEADER]
      const holding = await quotes.of(call.read.model, clock.now() - (isPaid ? offerMs : 0))
      if (id !== undefined) {
        const named = holding.find((quote) => quote.id === id && covers(quote, call))
        if (named !== undefined || isPaid) return named
        throw new RouteplaneError('invalid_quote', 'the quote that is named is unknown, over, or of another request', {
          hint: `Ask /v1/quote anew, or leave ${QUOTE_HEADER} out.`,
        })
      }
      const equal = holding.filter((quote) => quote.request !== undefined && covers(quote, call))
      return equal.toSorted((a, b) => (a.priceUsd < b.priceUsd ? -1 : 1))[0]
    },
  }
}

/** Names a request by what it says, however its members are ordered and whether or not it is streamed, which costs the same. */
function requestOf({ wire, read }: GatewayCall): string | undefined {
  if (wire === undefined) return undefined
  const { model: _inThePathOfSomeWires, stream: _alsoInThePath, stream_options: _ofTheStream, ...members } = wire.request.json
  return createHash('sha256')
    .update(stableText([wire.protocol, read.model, members]))
    .digest('hex')
}

type Bounds = Pick<SaleQuote, 'maxInputTokens' | 'maxOutputTokens'> & { readonly request?: string | undefined }

function isSameRequest(a: Bounds, b: Bounds): boolean {
  if (a.request !== undefined || b.request !== undefined) return a.request === b.request
  return a.maxInputTokens === b.maxInputTokens && a.maxOutputTokens === b.maxOutputTokens
}

function covers(quote: SaleQuote, call: GatewayCall): boolean {
  if (quote.request !== undefined) return quote.request === requestOf(call)
  const { needs } = call.read
  const isText = needs.images === 0 && needs.candidates === 1 && !needs.features.includes('web_search')
  if (!isText || needs.maxInputTokens > quote.maxInputTokens) return false
  return quote.maxOutputTokens === undefined || (needs.maxOutputTokens ?? Infinity) <= quote.maxOutputTokens
}
