/** How a caller without an account pays for `complete` over MCP, in the words of x402 and of the Machine Payments Protocol. */
import type { PaymentChallenge } from '../errors.ts'
import type { Completion, GatewayCall } from '../gateway/call.ts'
import { isRecord, tryParseJson } from '../lib/json.ts'
import type { Routeplane } from '../routeplane.ts'
import { challengesIn, credentialHeader, type MppChallenge } from './mpp.ts'

type Meta = Readonly<Record<string, unknown>>
type Cashier = NonNullable<Routeplane['cashier']>

/** @see x402 specification, transports/mcp: "Payment Payload Transmission" and "Settlement Response Delivery" */
const PAYMENT = 'x402/payment'
const SETTLEMENT = 'x402/payment-response'

/** @see https://paymentauth.org (draft-payment-transport-mcp) */
const CREDENTIAL = 'org.paymentauth/credential'
const RECEIPT = 'org.paymentauth/receipt'
/** For results, where the code of an error cannot be said; `mppx` reads it. */
const CHALLENGES = 'org.paymentauth/payment-required'

/** What is sold, as a payment names it; the same through whichever address the tool was called. */
const RESOURCE = 'mcp://tool/complete'

/**
 * Has a call completed for the payment beside it. The payment is for us: it is handed to the till and to nobody else.
 *
 * @throws RouteplaneError `payment_required` with the way to pay, and whatever the cashier refuses with.
 */
export function sell(cashier: Cashier, call: GatewayCall, meta: Meta | undefined): Promise<Completion> {
  const payment = meta?.[PAYMENT]
  const credential = meta?.[CREDENTIAL]
  return cashier.sell(call, {
    resource: RESOURCE,
    headers: {
      ...(payment === undefined ? {} : { 'payment-signature': Buffer.from(JSON.stringify(payment)).toString('base64') }),
      ...(credential === undefined ? {} : { 'payment-authorization': credentialHeader(credential) }),
    },
  })
}

/** By each method of the Machine Payments Protocol, what can be paid with one call of a tool. */
type Announced = { readonly payment: { readonly methods: Record<string, { readonly intents: string[] }> } }

/** What a server announces to who pays it; `undefined` where that protocol is not taken. @see draft-payment-transport-mcp, "MCP Capability Advertisement" */
export function announcedPayment({ ways }: Cashier['prices']): Announced | undefined {
  const methods: Announced['payment']['methods'] = {}
  for (const { protocol, scheme } of ways) {
    const [method = '', intent] = scheme.split('/')
    if (protocol === 'mpp' && intent === 'charge') methods[method] = { intents: [intent] }
  }
  return Object.keys(methods).length === 0 ? undefined : { payment: { methods } }
}

/** A challenge as an error result carries it: the offers of x402 in the result itself, those of MPP beside it. */
export type Asked = { readonly required: Record<string, unknown> | undefined; readonly meta: Meta }

export function askedIn(challenge: PaymentChallenge): Asked {
  const data = challengeData(challenge)
  return { required: decode(challenge.headers['payment-required']), meta: data === undefined ? {} : { [CHALLENGES]: data } }
}

/** JSON-RPC's code for it, which the 2025 revisions give to another purpose too: a payer looks for the challenges. */
export const PAYMENT_REQUIRED = -32042

type ChallengeData = { readonly httpStatus: 402; readonly challenges: readonly MppChallenge[] }

/** What an error of the protocol says to whoever pays by MPP; `undefined` where a result says it, to those who pay by x402 as well. */
export function challengeError(challenge: PaymentChallenge, reason: string, meta: Meta | undefined): ChallengeError | undefined {
  const data = challengeData(challenge)
  const hasPaid = meta?.[CREDENTIAL] !== undefined
  if (data === undefined || (!hasPaid && challenge.headers['payment-required'] !== undefined)) return undefined
  return { ...data, problem: { ...(hasPaid ? FAILED : REQUIRED), status: 402, detail: reason } }
}

type ChallengeError = ChallengeData & { readonly problem: Readonly<Record<string, unknown>> }

const REQUIRED = { type: 'https://paymentauth.org/problems/payment-required', title: 'Payment Required' }
const FAILED = { type: 'https://paymentauth.org/problems/verification-failed', title: 'Verification Failed' }

function challengeData({ headers }: PaymentChallenge): ChallengeData | undefined {
  const challenges = challengesIn(headers['www-authenticate'])
  return challenges.length === 0 ? undefined : { httpStatus: 402, challenges }
}

/** What proves the payment of an answer to its client; nothing for one that was not sold. */
export function settlementMeta({ sale }: Completion, meta: Meta | undefined): Meta {
  const headers = sale?.receipt() ?? {}
  const [settlement, receipt] = [decode(headers['payment-response']), decode(headers['payment-receipt'])]
  const credential = meta?.[CREDENTIAL]
  const challenge = isRecord(credential) ? credential['challenge'] : undefined
  const challengeId = isRecord(challenge) ? challenge['id'] : undefined
  return {
    ...(settlement === undefined ? {} : { [SETTLEMENT]: settlement }),
    ...(receipt === undefined ? {} : { [RECEIPT]: { ...receipt, challengeId } }),
  }
}

function decode(header: string | readonly string[] | undefined): Record<string, unknown> | undefined {
  if (typeof header !== 'string') return undefined
  const value = tryParseJson(Buffer.from(header, 'base64').toString('utf8'))
  return isRecord(value) ? value : undefined
}
