/** A provider that sells completions over payment channels with the official packages: one deposit, then vouchers, charged for what was delivered. */
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { encodePaymentRequiredHeader, encodePaymentResponseHeader } from '@x402/core/http'
import { x402ResourceServer } from '@x402/core/server'
import type { FacilitatorClient } from '@x402/core/server'
import type { Network, PaymentPayload, PaymentRequirements, SettleResponse } from '@x402/core/types'
import { BatchSettlementEvmScheme, InMemoryChannelStorage } from '@x402/evm/batch-settlement/server'
import type { BatchSettlementChannelManager } from '@x402/evm/batch-settlement/server'
import { privateKeyToAccount } from 'viem/accounts'
import type { AssetRow } from '../chain/networks.ts'
import { randomBytesOf } from '../lib/id.ts'
import { readPresented } from '../selling/x402/read.ts'
import { closingEvents, commentEvent, errorBody, openingEvent, tokenEvent, wholeReply } from './chat-reply.ts'
import { answerTokens, readChatRequest, type ChatRequest } from './echo-model.ts'
import { ceilingQuote, type PriceList } from './price-list.ts'
import { openProvider, type OpenProvider, type ProviderContext } from './provider-app.ts'

export type ChannelProviderOptions = {
  readonly id: string
  readonly prices: PriceList
  readonly payTo: `0x${string}`
  readonly facilitator: FacilitatorClient
  readonly asset: AssetRow
  readonly withdrawDelaySeconds?: number
  /** May be changed while the provider runs. */
  readonly faults?: ChannelFaults
}

/** Ways to misbehave; each request reads them anew. */
export type ChannelFaults = {
  /** Changes the offers before they are sent. */
  mutateChallenge?: (offers: PaymentRequirements[]) => PaymentRequirements[]
  /** Changes what a good payment is said to have come to. */
  mutateReceipt?: (receipt: SettleResponse) => SettleResponse
  /** Awaited after the payment is verified and before the answer is made. */
  beforeAnswer?: () => Promise<void> | void
  /** Answers every payment by this word of the protocol, without looking at it. */
  refuse?: string
  /** Hangs up as soon as the payment is verified, and works on for nobody. */
  hangUp?: boolean
  /** Takes the money and hangs up. */
  afterSettle?: 'drop-connection'
  /** Verifies the payment, then answers this status without taking it. */
  failWith?: number
}

export type ChannelProvider = OpenProvider & {
  readonly payTo: `0x${string}`
  readonly faults: ChannelFaults
  readonly counters: { requests: number; answered: number }
  /** Claims what the vouchers are good for, and pays it out. */
  readonly claims: BatchSettlementChannelManager
  /** Loses all that the provider knows of its channels. */
  forget(): void
}

type Shop = Required<Pick<ChannelProviderOptions, 'id' | 'prices' | 'payTo' | 'asset' | 'faults'>> & {
  readonly payments: x402ResourceServer
  readonly counters: { requests: number; answered: number }
}

/** Starts a provider on a free loopback port; the chain must have the contracts of {@link import('./channel-contracts.ts')}. */
export async function startChannelProvider(options: ChannelProviderOptions): Promise<ChannelProvider> {
  const { id, prices, payTo, asset, facilitator, faults = {} } = options
  const counters = { requests: 0, answered: 0 }
  const network = asset.network as Network
  const storage = new InMemoryChannelStorage()
  const scheme = new BatchSettlementEvmScheme(payTo, {
    storage,
    receiverAuthorizerSigner: privateKeyToAccount(`0x${Buffer.from(randomBytesOf(32)).toString('hex')}`),
    withdrawDelay: options.withdrawDelaySeconds ?? 900,
  })
  const payments = new x402ResourceServer(facilitator).register(network, scheme)
  await payments.initialize()
  const shop = { id, prices, payTo, asset, payments, faults, counters }
  const listed = { id, prices, models: ['demo/echo'], maxOutputTokens: MAX_TOKENS }
  return {
    ...(await openProvider(listed, (context) => sell(context, shop))),
    payTo,
    faults,
    counters,
    claims: scheme.createChannelManager(facilitator, network, asset.address),
    forget: () => void storage.list().then((rows) => rows.map((row) => storage.updateChannel(row.channelId, () => undefined))),
  }
}

const MAX_TOKENS = 256

async function sell(context: ProviderContext, shop: Shop): Promise<Response> {
  shop.counters.requests++
  const request = readChatRequest(new Uint8Array(await context.req.arrayBuffer()))
  const offers = await offersFor(shop, request)
  const header = context.req.header('payment-signature')
  if (header === undefined) return challenge(context, shop, offers, 'payment required')
  const { payload } = readPresented(header, 2)
  if (shop.faults.refuse !== undefined) return challenge(context, shop, offers, shop.faults.refuse)
  const requirements = shop.payments.findMatchingRequirements(offers, payload)
  if (requirements === undefined) return challenge(context, shop, offers, 'no offer matches the payment')
  const verdict = await shop.payments.verifyPayment(payload, requirements)
  if (!verdict.isValid) return challenge(context, shop, offers, verdict.invalidReason ?? 'invalid payment', payload)
  if (verdict.skipHandler !== undefined) return settleAlone(context, shop, payload, requirements, verdict.skipHandler.body)
  const { hangUp = false } = shop.faults
  if (hangUp) context.env.outgoing.destroy()
  await shop.faults.beforeAnswer?.()
  const answer = await workOn(context, shop, request, payload, requirements)
  return hangUp ? RESPONSE_ALREADY_SENT : answer
}

async function workOn(
  context: ProviderContext,
  shop: Shop,
  request: ChatRequest,
  payload: PaymentPayload,
  requirements: PaymentRequirements,
): Promise<Response> {
  if (shop.faults.failWith === undefined) return serveAnswer(context, shop, request, payload, requirements)
  await shop.payments.createPaymentCancellationDispatcher(payload, requirements).cancel({ reason: 'handler_failed' })
  return context.json(errorBody('server_error', 'something broke'), shop.faults.failWith as 500)
}

/** Charges what was delivered, which is known before the last byte leaves. */
async function serveAnswer(
  context: ProviderContext,
  shop: Shop,
  request: ChatRequest,
  payload: PaymentPayload,
  requirements: PaymentRequirements,
): Promise<Response> {
  const { tokens, cut } = answerTokens(shop.id, request.question, limitOf(request))
  const charge = ceilingQuote(shop.prices, request.promptTokens, tokens.length, shop.asset.decimals)
  const settled = await shop.payments.settlePayment(payload, requirements, undefined, undefined, { amount: charge.toString() })
  if (shop.faults.afterSettle === 'drop-connection') {
    context.env.outgoing.destroy()
    return RESPONSE_ALREADY_SENT
  }
  const receipt = shop.faults.mutateReceipt?.(settled) ?? settled
  if (!receipt.success) return challenge(context, shop, [requirements], receipt.errorReason ?? 'settlement_failed', payload)
  shop.counters.answered++
  const head = { id: `chatcmpl-${shop.counters.answered}`, createdSeconds: 1_763_596_800, request, cut }
  if (!request.stream) {
    context.header('payment-response', encodePaymentResponseHeader(receipt))
    return context.json(wholeReply(head, tokens))
  }
  // Headers leave before the count is known in a real stream: the receipt comes after the last token.
  const events = [openingEvent(head), ...tokens.map((token) => tokenEvent(head, token)), ...closingEvents(head, tokens.length)]
  const receiptEvent = commentEvent('payment-response', encodePaymentResponseHeader(receipt))
  return context.body([...events.slice(0, -1), receiptEvent, ...events.slice(-1)].join(''), 200, { 'content-type': 'text/event-stream' })
}

/** A refund is settled without an answer to sell. */
async function settleAlone(
  context: ProviderContext,
  shop: Shop,
  payload: PaymentPayload,
  requirements: PaymentRequirements,
  body: unknown,
): Promise<Response> {
  const receipt = await shop.payments.settlePayment(payload, requirements)
  context.header('payment-response', encodePaymentResponseHeader(receipt))
  if (!receipt.success) return challenge(context, shop, [requirements], receipt.errorReason ?? 'settlement_failed', payload)
  return context.json(body as object)
}

async function offersFor(shop: Shop, request: ChatRequest): Promise<PaymentRequirements[]> {
  const { asset } = shop
  const amount = ceilingQuote(shop.prices, request.promptTokens, limitOf(request), asset.decimals)
  const offers = await shop.payments.buildPaymentRequirements({
    scheme: 'batch-settlement',
    network: asset.network as Network,
    payTo: shop.payTo,
    price: { asset: asset.address, amount: amount.toString(), extra: { ...asset.domain } },
    maxTimeoutSeconds: 60,
  })
  return shop.faults.mutateChallenge?.(offers) ?? offers
}

function limitOf(request: ChatRequest): number {
  return Math.min(request.maxTokens ?? MAX_TOKENS, MAX_TOKENS)
}

/** The scheme adds to an offer what it knows of the channel when the payment was out of step with it. */
async function challenge(
  context: ProviderContext,
  shop: Shop,
  offers: PaymentRequirements[],
  reason: string,
  payload?: PaymentPayload,
): Promise<Response> {
  const resource = { url: context.req.url, description: `chat completion by ${shop.id}`, mimeType: 'application/json' }
  const required = await shop.payments.createPaymentRequiredResponse(offers, resource, reason, undefined, undefined, payload)
  context.header('payment-required', encodePaymentRequiredHeader(required))
  context.header('cache-control', 'no-store')
  return context.json(errorBody('payment_required', reason), 402)
}
