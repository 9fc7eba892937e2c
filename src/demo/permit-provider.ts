/** A provider that is paid over Permit2 with the official packages: `exact` for the ceiling, or `upto` for what it delivered. */
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { encodePaymentRequiredHeader, encodePaymentResponseHeader } from '@x402/core/http'
import { x402ResourceServer, type FacilitatorClient } from '@x402/core/server'
import type { Network, PaymentPayload, PaymentRequirements, SettleResponse } from '@x402/core/types'
import { ExactEvmScheme } from '@x402/evm/exact/server'
import { UptoEvmScheme } from '@x402/evm/upto/server'
import type { AssetRow } from '../chain/networks.ts'
import { readPresented } from '../selling/x402/read.ts'
import { closingEvents, errorBody, openingEvent, tokenEvent, wholeReply } from './chat-reply.ts'
import { answerTokens, readChatRequest, type ChatRequest } from './echo-model.ts'
import { ceilingQuote, type PriceList } from './price-list.ts'
import { openProvider, type OpenProvider, type ProviderContext } from './provider-app.ts'

export type PermitProviderOptions = {
  readonly id: string
  readonly scheme: 'exact' | 'upto'
  readonly prices: PriceList
  readonly payTo: `0x${string}`
  readonly facilitator: FacilitatorClient
  readonly asset: AssetRow
  /** May be changed while the provider runs. */
  readonly faults?: PermitFaults
}

/** Ways to misbehave; each request reads them anew. */
export type PermitFaults = {
  mutateChallenge?: (offers: PaymentRequirements[]) => PaymentRequirements[]
  /** Charges this much instead of what was delivered; only under `upto`. Base units. */
  charge?: bigint
  /** Answers this status to a good payment, before anything is settled. */
  failWith?: number
  /** Answers this status after it took the money. */
  failAfter?: number
  /** Takes the money and hangs up. */
  hangUp?: boolean
  mutateReceipt?: (receipt: SettleResponse) => SettleResponse
  /** What its challenges declare besides their offers. */
  extensions?: Readonly<Record<string, unknown>>
  /** Told every payment that comes. */
  onPayment?: (payload: PaymentPayload) => void
  /** Awaited before the settlement. */
  beforeSettle?: () => Promise<void> | void
}

export type PermitProvider = OpenProvider & {
  readonly payTo: `0x${string}`
  readonly schemes: readonly string[]
  readonly faults: PermitFaults
  readonly counters: { requests: number; answered: number }
}

type Shop = Required<PermitProviderOptions> & {
  readonly payments: x402ResourceServer
  readonly counters: PermitProvider['counters']
}

const MAX_TOKENS = 256

/** Starts a provider on a free loopback port; the chain must have the contracts of {@link import('./permit-contracts.ts')}. */
export async function startPermitProvider(options: PermitProviderOptions): Promise<PermitProvider> {
  const { payTo, scheme, asset } = options
  const faults = options.faults ?? {}
  const counters = { requests: 0, answered: 0 }
  const payments = new x402ResourceServer(options.facilitator).register(
    asset.network as Network,
    scheme === 'upto' ? new UptoEvmScheme() : new ExactEvmScheme(),
  )
  await payments.initialize()
  const shop = { ...options, faults, payments, counters }
  const listed = { ...options, models: ['demo/echo'], maxOutputTokens: MAX_TOKENS }
  const opened = await openProvider(listed, (context) => sell(context, shop))
  return { ...opened, payTo, schemes: [scheme], faults, counters }
}

async function sell(context: ProviderContext, shop: Shop): Promise<Response> {
  const { payments, faults, counters, prices, asset } = shop
  counters.requests++
  const request = readChatRequest(new Uint8Array(await context.req.arrayBuffer()))
  const offers = await offersFor(shop, request)
  const header = context.req.header('payment-signature')
  if (header === undefined) return challenge(context, shop, offers, 'payment required')
  const { payload } = readPresented(header, 2)
  faults.onPayment?.(payload)
  const requirements = payments.findMatchingRequirements(offers, payload)
  if (requirements === undefined) return challenge(context, shop, offers, 'no offer matches the payment')
  const verdict = await payments.verifyPayment(payload, requirements)
  if (!verdict.isValid) return challenge(context, shop, offers, verdict.invalidReason ?? 'invalid payment')
  if (faults.failWith !== undefined) return context.json(errorBody('server_error', 'something broke'), faults.failWith as 500)
  const answer = answerTokens(shop.id, request.question, limitOf(request))
  const used = faults.charge ?? ceilingQuote(prices, request.promptTokens, answer.tokens.length, asset.decimals)
  await faults.beforeSettle?.()
  const overrides = shop.scheme === 'upto' ? { amount: used.toString() } : undefined
  const settled = await payments.settlePayment(payload, requirements, undefined, undefined, overrides)
  if (faults.hangUp === true) {
    context.env.outgoing.destroy()
    return RESPONSE_ALREADY_SENT
  }
  const receipt = faults.mutateReceipt?.(settled) ?? settled
  context.header('payment-response', encodePaymentResponseHeader(receipt))
  if (!receipt.success) return challenge(context, shop, offers, receipt.errorReason ?? 'settlement failed')
  if (faults.failAfter !== undefined) return context.json(errorBody('server_error', 'something broke'), faults.failAfter as 500)
  return reply(context, shop, request, answer)
}

function reply(context: ProviderContext, shop: Shop, request: ChatRequest, { tokens, cut }: ReturnType<typeof answerTokens>): Response {
  shop.counters.answered++
  const head = { id: `chatcmpl-${shop.counters.answered}`, createdSeconds: 1_763_596_800, request, cut }
  if (!request.stream) return context.json(wholeReply(head, tokens))
  const events = [openingEvent(head), ...tokens.map((token) => tokenEvent(head, token)), ...closingEvents(head, tokens.length)]
  return context.body(events.join(''), 200, { 'content-type': 'text/event-stream' })
}

async function offersFor({ payments, scheme, prices, payTo, asset, faults }: Shop, request: ChatRequest): Promise<PaymentRequirements[]> {
  const amount = ceilingQuote(prices, request.promptTokens, limitOf(request), asset.decimals)
  const offers = await payments.buildPaymentRequirements({
    scheme,
    network: asset.network as Network,
    payTo,
    price: { asset: asset.address, amount: amount.toString(), extra: { ...asset.domain, assetTransferMethod: 'permit2' } },
    maxTimeoutSeconds: 60,
  })
  return faults.mutateChallenge?.(offers) ?? offers
}

function limitOf(request: ChatRequest): number {
  return Math.min(request.maxTokens ?? MAX_TOKENS, MAX_TOKENS)
}

async function challenge(context: ProviderContext, shop: Shop, offers: PaymentRequirements[], reason: string): Promise<Response> {
  const resource = { url: context.req.url, description: `chat completion by ${shop.id}`, mimeType: 'application/json' }
  context.header(
    'payment-required',
    encodePaymentRequiredHeader(await shop.payments.createPaymentRequiredResponse(offers, resource, reason, shop.faults.extensions)),
  )
  return context.json(errorBody('payment_required', reason), 402)
}
