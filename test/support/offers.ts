/** Changes what a seller asks for on its way to the payer, in the words of each protocol: the seller is the one who cheats. */
import { decodePaymentRequiredHeader, encodePaymentRequiredHeader } from '@x402/core/http'
import type { Passed } from '../gateway/relay.ts'

/** The protocols that offers come in. */
export type OfferWire = 'x402-1' | 'x402-2' | 'mpp'

/** What is different about the offers; what is left out stays. */
export type OfferChange = {
  readonly payTo?: string
  readonly asset?: string
  /** A CAIP-2 id. */
  readonly network?: string
  readonly amount?: (amount: bigint) => bigint
  /** The name in the token's EIP-712 domain. */
  readonly domainName?: string
  /** The offer's time is over. */
  readonly isOver?: true
}

type Offer = Record<string, unknown>

/** Rewrites every offer of a 402, seal or no seal; other answers pass as they are. */
export function changeOffers(wire: OfferWire, answer: Passed, change: OfferChange): Passed {
  if (answer.status !== 402) return answer
  if (wire === 'mpp') return rewriteRequests(answer, (request) => mppOffer(request, change), change.isOver === true)
  if (wire === 'x402-1') {
    const challenge = JSON.parse(answer.body) as { accepts: Offer[] }
    return { ...answer, body: JSON.stringify({ ...challenge, accepts: challenge.accepts.map((offer) => elderOffer(offer, change)) }) }
  }
  const challenge = decodePaymentRequiredHeader(String(answer.headers['payment-required']))
  const accepts = challenge.accepts.map((offer) => x402Offer(offer as unknown as Offer, change))
  const header = encodePaymentRequiredHeader({ ...challenge, accepts } as never)
  return { ...answer, headers: { ...answer.headers, 'payment-required': header } }
}

/** Rewrites what x402 offers of version 2 say besides. */
export function rewriteExtra(answer: Passed, change: (extra: Offer) => Offer): Passed {
  if (answer.status !== 402) return answer
  const challenge = decodePaymentRequiredHeader(String(answer.headers['payment-required']))
  const accepts = challenge.accepts.map((offer) => ({ ...offer, extra: change(offer.extra) }))
  return { ...answer, headers: { ...answer.headers, 'payment-required': encodePaymentRequiredHeader({ ...challenge, accepts } as never) } }
}

/** Rewrites the request inside each challenge of the Machine Payments Protocol. */
export function rewriteRequests(answer: Passed, change: (request: Offer) => Offer, isOver = false): Passed {
  const header = String(answer.headers['www-authenticate']).replaceAll(/request="([^"]+)"/g, (_, encoded: string) => {
    const request = JSON.parse(Buffer.from(encoded, 'base64url').toString()) as Offer
    return `request="${Buffer.from(JSON.stringify({ ...request, ...change(request) })).toString('base64url')}"`
  })
  const ended = isOver ? header.replaceAll(/expires="[^"]+"/g, 'expires="2020-01-01T00:00:00Z"') : header
  return { ...answer, headers: { ...answer.headers, 'www-authenticate': ended } }
}

const amountOf = (value: unknown, { amount }: OfferChange) =>
  amount === undefined ? {} : { value: amount(BigInt(String(value))).toString() }
const given = (values: Offer): Offer => Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined))

function x402Offer(offer: Offer, change: OfferChange): Offer {
  const { payTo, asset, network } = change
  return {
    ...offer,
    ...given({ payTo, asset, network, amount: amountOf(offer['amount'], change).value, ...shared(offer, change) }),
  }
}

/** The first version names networks in its own words. */
function elderOffer(offer: Offer, change: OfferChange): Offer {
  const { payTo, asset } = change
  const network = change.network === undefined ? undefined : (elderNames[change.network] ?? change.network)
  return {
    ...offer,
    ...given({ payTo, asset, network, maxAmountRequired: amountOf(offer['maxAmountRequired'], change).value, ...shared(offer, change) }),
  }
}

const elderNames: Readonly<Record<string, string>> = { 'eip155:8453': 'base' }

function shared(offer: Offer, { domainName, isOver }: OfferChange): Offer {
  const extra = domainName === undefined ? undefined : { ...(offer['extra'] as Offer), name: domainName }
  return { extra, maxTimeoutSeconds: isOver === true ? 0 : undefined }
}

function mppOffer(request: Offer, change: OfferChange): Offer {
  const { payTo: recipient, asset: currency, network } = change
  const chainId = network === undefined ? undefined : Number(network.split(':')[1])
  const methodDetails = chainId === undefined ? undefined : { ...(request['methodDetails'] as Offer), chainId }
  return given({ recipient, currency, amount: amountOf(request['amount'], change).value, methodDetails })
}
