/** How a caller without an account pays for `complete` over MCP: x402 in the members that its MCP transport names. */
import type { PaymentChallenge } from '../errors.ts'
import type { Completion, GatewayCall } from '../gateway/call.ts'
import { isRecord, tryParseJson } from '../lib/json.ts'
import type { Routeplane } from '../routeplane.ts'

type Meta = Readonly<Record<string, unknown>>
type Cashier = NonNullable<Routeplane['cashier']>

/** @see x402 specification, transports/mcp: "Payment Payload Transmission" and "Settlement Response Delivery" */
const PAYMENT = 'x402/payment'
const SETTLEMENT = 'x402/payment-response'

/** What is sold, as a payment names it; the same through whichever address the tool was called. */
const RESOURCE = 'mcp://tool/complete'

/**
 * Has a call completed for the payment beside it. The payment is for us: it is handed to the till and to nobody else.
 *
 * @throws RouteplaneError `payment_required` with the way to pay, and whatever the cashier refuses with.
 */
export function sell(cashier: Cashier, call: GatewayCall, meta: Meta | undefined): Promise<Completion> {
  const payment = meta?.[PAYMENT]
  const headers = payment === undefined ? {} : { 'payment-signature': Buffer.from(JSON.stringify(payment)).toString('base64') }
  return cashier.sell(call, { resource: RESOURCE, headers })
}

/** The offers of a challenge as MCP clients read them, or `undefined` when it has none of x402. */
export function paymentRequired({ headers }: PaymentChallenge): Record<string, unknown> | undefined {
  return decode(headers['payment-required'])
}

/** What proves the payment of an answer to its client; nothing for one that was not sold. */
export function settlementMeta({ sale }: Completion): Meta | undefined {
  const settlement = decode(sale?.receipt()['payment-response'])
  return settlement === undefined ? undefined : { [SETTLEMENT]: settlement }
}

function decode(header: string | readonly string[] | undefined): Record<string, unknown> | undefined {
  if (typeof header !== 'string') return undefined
  const value = tryParseJson(Buffer.from(header, 'base64').toString('utf8'))
  return isRecord(value) ? value : undefined
}
