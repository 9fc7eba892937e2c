/** The headers that say what became of a request, safe to write whatever text a provider put into them. */
import type { CompletionHead, SoldAs } from '../gateway/call.ts'
import { formatUsd } from '../money.ts'
import { formatLossHeader } from '../protocol/loss.ts'

export type ResponseHeaders = Readonly<Record<string, string>>

const MAX_VALUE = 1024

/** Nothing to clean: visible ASCII, blanks inside only. */
const PLAIN = /^[!-~](?:[ -~]*[!-~])?$/

/** Makes text fit for a header field: one line, latin-1, bounded. @see RFC 9110, section 5.5 */
export function cleanHeader(text: string): string {
  if (text.length <= MAX_VALUE && PLAIN.test(text)) return text
  return text
    .slice(0, MAX_VALUE)
    .replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ')
    .replace(/[^\u0020-\u00ff]/g, '?')
    .trim()
}

/** Headers of every answer to a request; SDKs look for its id under three names. */
export function requestHeaders(requestId: string): Record<string, string> {
  return {
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'x-routeplane-request-id': requestId,
    'x-request-id': requestId,
    'request-id': requestId,
  }
}

/** Headers of an answer whose origin is known; what is not known is left out. @see Routing guide, section 4 */
export function completionHeaders(head: CompletionHead, sale?: SoldAs): Record<string, string> {
  const loss = formatLossHeader(head.losses)
  const headers: Record<string, string> = {
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'x-routeplane-request-id': head.requestId,
    'x-request-id': head.requestId,
    'request-id': head.requestId,
    'x-routeplane-provider': cleanHeader(head.provider),
    'x-routeplane-model': cleanHeader(head.model),
    'x-routeplane-attempts': String(head.attempts),
    'x-routeplane-payment-mode': cleanHeader(head.mode),
  }
  if (head.replayed === true) headers['x-routeplane-replayed'] = '1'
  if (head.costUsd !== undefined && sale === undefined) headers['x-routeplane-cost-usd'] = formatUsd(head.costUsd)
  if (head.receiptId !== undefined && sale === undefined) headers['x-routeplane-receipt'] = cleanHeader(head.receiptId)
  if (loss !== undefined) headers['x-routeplane-loss'] = cleanHeader(loss)
  if (head.warnings.length > 0) headers['x-routeplane-warning'] = cleanHeader(head.warnings.join('; '))
  return sale === undefined ? headers : { ...headers, ...saleHeaders(sale) }
}

/** What concerns the caller's own payment; our provider's price and receipt are none of his business. */
function saleHeaders(sale: SoldAs): Record<string, string> {
  return { 'cache-control': 'private, no-store', 'x-routeplane-sale': sale.id, ...sale.receipt() }
}
