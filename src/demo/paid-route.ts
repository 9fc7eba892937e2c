/** `POST /v1/chat/completions` of a demo provider: quote, challenge, claim, verify, serve, settle, answer. */
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { encodePaymentRequiredHeader, encodePaymentResponseHeader } from '@x402/core/http'
import type { PaymentRequirements, SettleResponse } from '@x402/core/types'
import { stream } from 'hono/streaming'
import { RouteplaneError } from '../errors.ts'
import type { Collected } from '../selling/x402/collect.ts'
import { readPresented } from '../selling/x402/read.ts'
import { broadcast } from './broadcast.ts'
import { closingEvents, commentEvent, errorBody, errorEvent, openingEvent, tokenEvent, wholeReply } from './chat-reply.ts'
import type { ReplyHead } from './chat-reply.ts'
import { answerTokens, readChatRequest, speak } from './echo-model.ts'
import type { ChatRequest } from './echo-model.ts'
import type { ProviderContext } from './provider-app.ts'
import { digestOf, readSigned } from './sale.ts'
import type { Sale } from './sale.ts'
import { answerLimit, offersFor } from './seller.ts'
import type { Seller } from './seller.ts'
import { createSettler } from './settlement.ts'
import type { SignedPayment } from './settlement.ts'

/** All that the steps after the claim need. */
type Exchange = {
  readonly context: ProviderContext
  readonly seller: Seller
  readonly offers: PaymentRequirements[]
  readonly sale: Sale
  readonly head: ReplyHead
  readonly signed: SignedPayment
}

/** Serves one completion. @throws RouteplaneError for a request that is wrong whoever pays for it. */
export async function serveCompletion(context: ProviderContext, seller: Seller): Promise<Response> {
  seller.counters.requests++
  if (seller.faults.refuseWith !== undefined) return failure(context, seller.faults.refuseWith, 'upstream_error', 'not now')
  const body = new Uint8Array(await context.req.arrayBuffer())
  const request = readChatRequest(body)
  if (!seller.models.includes(request.model)) throw new RouteplaneError('model_not_found', `${request.model} is not sold here`)
  const offers = await offersFor(seller, request)
  const header = context.req.header('payment-signature')
  if (header === undefined) return challenge(context, seller, offers, 'payment required')
  const { payload } = readPresented(header, 2)
  const requirements = seller.payments.findMatchingRequirements(offers, payload)
  if (requirements === undefined) return challenge(context, seller, offers, 'no offer matches the payment')
  const signed = readSigned(payload, requirements, seller)
  const digest = digestOf(context.req.path, body)
  const sale = seller.book.claim(signed.payment, () => openSale(seller, signed, request, digest))
  if (sale.digest !== digest) return failure(context, 422, 'payment_already_used', 'this payment was made for another request')
  const head = replyHead(seller, request, signed, sale)
  return serveSale({ context, seller, offers, sale, head, signed })
}

async function serveSale(exchange: Exchange): Promise<Response> {
  const { context, seller, sale, offers, signed } = exchange
  const verdict = await sale.verdict.catch(() => undefined)
  if (verdict === undefined || !verdict.isValid) seller.book.drop(signed.payment, sale)
  if (verdict === undefined) return unavailable(context, 'verification_unavailable', 'the payment could not be verified')
  if (!verdict.isValid) return challenge(context, seller, offers, verdict.invalidReason ?? 'invalid payment')
  if (seller.faults.challengeAgain === true) return challenge(context, seller, offers, 'payment required')
  return exchange.head.request.stream ? streamReply(exchange) : sendReply(exchange)
}

function openSale(seller: Seller, signed: SignedPayment, request: ChatRequest, digest: string): Sale {
  let answer: AsyncIterable<string> | undefined
  let deliveries = 0
  const { beforeSettle } = seller.faults
  return {
    digest,
    validBeforeSeconds: signed.payment.validBeforeSeconds,
    createdSeconds: Math.floor(seller.clock.now() / 1000),
    verdict: seller.payments.verifyPayment(signed.payload, signed.requirements),
    settler: createSettler({
      server: seller.payments,
      chain: seller.chain,
      signed,
      onSettled: () => seller.counters.paid++,
      ...(beforeSettle === undefined ? {} : { beforeSettle }),
    }),
    answer: () => (answer ??= beginAnswer(seller, request)),
    isFirstDelivery: () => deliveries++ === 0,
  }
}

function beginAnswer(seller: Seller, request: ChatRequest): AsyncIterable<string> {
  seller.counters.handlerRuns++
  const { tokens } = answerTokens(seller.id, request.question, answerLimit(seller, request))
  return broadcast(speak(tokens, seller.timing, seller.clock))
}

/** Derived from the payment and its claim, so that every copy of an answer is the same. */
function replyHead(seller: Seller, request: ChatRequest, { payment }: SignedPayment, sale: Sale): ReplyHead {
  const { cut } = answerTokens(seller.id, request.question, answerLimit(seller, request))
  return { id: `chatcmpl-${payment.nonce.slice(2, 26)}`, createdSeconds: sale.createdSeconds, request, cut }
}

/** Whole answers are paid before they leave. */
async function sendReply(exchange: Exchange): Promise<Response> {
  const { context, seller, sale, head } = exchange
  const tokens: string[] = []
  for await (const token of sale.answer()) tokens.push(token)
  const settlement = await sale.settler.settle()
  if (settlement.state !== 'settled') return unsettled(exchange, settlement)
  if (seller.faults.afterSettle === 'drop-connection' && sale.isFirstDelivery()) return hangUp(context)
  sendReceipt(context, settlement.receipt)
  if (seller.faults.failAfterPayment !== undefined)
    return failure(context, seller.faults.failAfterPayment, 'server_error', 'something broke')
  return context.json(wholeReply(head, tokens))
}

/**
 * Streams begin while the payment settles, and their last token waits for it. A settlement that was left open before is
 * decided first: then there is nothing to gain by beginning.
 */
async function streamReply(exchange: Exchange): Promise<Response> {
  const { context, seller, sale } = exchange
  const wasOpen = sale.settler.known()?.state === 'unknown'
  const settling = sale.settler.settle()
  if (wasOpen || seller.faults.failAfterPayment !== undefined) await settling
  const known = sale.settler.known()
  if (known !== undefined && known.state !== 'settled') return unsettled(exchange, known)
  if (known !== undefined) sendReceipt(context, known.receipt)
  if (seller.faults.failAfterPayment !== undefined)
    return failure(context, seller.faults.failAfterPayment, 'server_error', 'something broke')
  context.header('content-type', 'text/event-stream; charset=utf-8')
  context.header('cache-control', 'private, no-store')
  const isFirst = sale.isFirstDelivery()
  return stream(
    context,
    async (out) => {
      for await (const event of replyEvents(exchange, settling, { hasReceipt: known !== undefined, isFirst })) {
        if (out.aborted) return
        if (event === 'hang-up') context.env.outgoing.destroy()
        else await out.write(event)
      }
    },
    // The reader has gone; the sale goes on without him.
    async () => {},
  )
}

type Delivery = { readonly hasReceipt: boolean; readonly isFirst: boolean }

async function* replyEvents(exchange: Exchange, settling: Promise<Collected>, delivery: Delivery): AsyncGenerator<string> {
  const { sale, head, seller } = exchange
  const cutAfter = delivery.isFirst ? seller.faults.cutStreamAfter : undefined
  yield openingEvent(head)
  let count = 0
  let held: string | undefined
  for await (const token of sale.answer()) {
    if (held !== undefined) yield tokenEvent(head, held)
    if (count === cutAfter) return yield 'hang-up'
    held = token
    count++
  }
  const settlement = await settling
  if (settlement.state !== 'settled') return yield errorEvent(reasonOf(settlement), 'the payment was not settled')
  if (delivery.isFirst && seller.faults.afterSettle === 'drop-connection') return yield 'hang-up'
  if (held !== undefined) yield tokenEvent(head, held)
  const closing = closingEvents(head, count)
  yield* closing.slice(0, -1)
  if (!delivery.hasReceipt) yield commentEvent('payment-response', encodePaymentResponseHeader(settlement.receipt))
  yield* closing.slice(-1)
}

function reasonOf(settlement: Exclude<Collected, { state: 'settled' }>): string {
  return settlement.state === 'unknown' ? 'settlement_unknown' : settlement.reason
}

/** Only a payment that is certain to have moved nothing may be asked for anew. */
function unsettled(exchange: Exchange, settlement: Exclude<Collected, { state: 'settled' }>): Response | Promise<Response> {
  const { context, seller, offers, signed } = exchange
  if (settlement.state === 'unknown') return unavailable(context, 'settlement_unknown', 'send the same payment again to learn its outcome')
  const { network } = signed.requirements
  sendReceipt(context, { success: false, errorReason: settlement.reason, transaction: '', network, payer: signed.payment.payer })
  return challenge(context, seller, offers, settlement.reason)
}

/** @see https://github.com/coinbase/x402/blob/main/specs/transports-v2/http.md, "Payment Required Signaling" */
async function challenge(context: ProviderContext, seller: Seller, offers: PaymentRequirements[], reason: string): Promise<Response> {
  const resource = { url: context.req.url, description: `chat completion by ${seller.id}`, mimeType: 'application/json' }
  const required = await seller.payments.createPaymentRequiredResponse(offers, resource, reason)
  context.header('payment-required', encodePaymentRequiredHeader(required))
  context.header('cache-control', 'no-store')
  return failure(context, 402, 'payment_required', reason)
}

function unavailable(context: ProviderContext, code: string, message: string): Response {
  context.header('retry-after', '1')
  return failure(context, 503, code, message)
}

function sendReceipt(context: ProviderContext, receipt: SettleResponse): void {
  context.header('payment-response', encodePaymentResponseHeader(receipt))
  context.header('cache-control', 'private, no-store')
}

function failure(context: ProviderContext, status: number, code: string, message: string): Response {
  return context.json(errorBody(code, message), status as 400)
}

function hangUp(context: ProviderContext): Response {
  context.env.outgoing.destroy()
  return RESPONSE_ALREADY_SENT
}
