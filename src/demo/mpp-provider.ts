/** Starts a provider that sells Chat Completions over the Machine Payments Protocol, with the official server package. */
import { Mppx } from 'mppx/server'
import { RouteplaneError } from '../errors.ts'
import { systemClock } from '../lib/clock.ts'
import { randomBytesOf } from '../lib/id.ts'
import { formatUsd, fromAtomic } from '../money.ts'
import { closingEvents, errorBody, openingEvent, tokenEvent, wholeReply } from './chat-reply.ts'
import type { ReplyHead } from './chat-reply.ts'
import { answerTokens, readChatRequest, speak } from './echo-model.ts'
import type { ChatRequest } from './echo-model.ts'
import type { MppMethod } from './mpp-method.ts'
import { ceilingQuote } from './price-list.ts'
import type { PriceList } from './price-list.ts'
import { openProvider, type OpenProvider, type ProviderContext } from './provider-app.ts'
import { answerLimit } from './seller.ts'

export type MppProviderOptions = {
  /** Stands in answers, so that one can see who gave them. */
  readonly id: string
  readonly prices: PriceList
  /** How it is paid; the caller may choose. */
  readonly methods: readonly MppMethod[]
  readonly models?: readonly string[]
  readonly maxOutputTokens?: number
  /** Between two tokens. */
  readonly tokenDelayMs?: number
  /** Answers this status once it has the money; may be changed while the provider runs. */
  readonly faults?: { failAfterPayment?: number }
}

export type MppProvider = OpenProvider & {
  readonly payTo: `0x${string}`
  /** Completion requests, and answers begun. */
  readonly counters: Readonly<{ requests: number; handlerRuns: number }>
}

/** Binds challenges to their content; lives as long as the provider. */
const SECRET_BYTES = 32

/** Starts a provider on a free loopback port. */
export async function startMppProvider(options: MppProviderOptions): Promise<MppProvider> {
  const [method] = options.methods
  if (method === undefined) throw new RouteplaneError('config_invalid', 'a provider needs a way to be paid')
  const shop = createShop(options)
  const opened = await openProvider(shop, (context) => serveCompletion(context, shop))
  return { ...opened, payTo: method.payTo, counters: shop.counters }
}

type Shop = MppProviderOptions & {
  readonly models: readonly string[]
  readonly maxOutputTokens: number
  readonly counters: { requests: number; handlerRuns: number }
  readonly gate: Gate
}

/** What the official package makes of a request: a challenge, or leave to answer it. */
type Gate = (
  request: Request,
  amount: string,
) => Promise<{ status: 402; challenge: Response } | { status: 200; withReceipt(response: Response): Response }>

function createShop(options: MppProviderOptions): Shop {
  const payments = Mppx.create({
    realm: `${options.id}.demo`,
    secretKey: Buffer.from(randomBytesOf(SECRET_BYTES)).toString('hex'),
    methods: options.methods.map(({ server }) => server),
  })
  const gate: Gate = (request, amount) => payments.compose(...options.methods.map(({ id }) => [id, { amount }] as never))(request)
  return {
    ...options,
    models: options.models ?? ['demo/echo'],
    maxOutputTokens: options.maxOutputTokens ?? 256,
    counters: { requests: 0, handlerRuns: 0 },
    gate,
  }
}

async function serveCompletion(context: ProviderContext, shop: Shop): Promise<Response> {
  shop.counters.requests++
  const raw = context.req.raw
  const request = readChatRequest(new Uint8Array(await raw.clone().arrayBuffer()))
  const limit = answerLimit(shop, request)
  const [method] = shop.methods
  const decimals = method?.decimals ?? 6
  const amount = formatUsd(fromAtomic(ceilingQuote(shop.prices, request.promptTokens, limit, decimals), decimals, 'up'))
  const gate = await shop.gate(raw, amount)
  if (gate.status === 402) return gate.challenge
  if (shop.faults?.failAfterPayment !== undefined) {
    return gate.withReceipt(context.json(errorBody('server_error', 'something broke'), shop.faults.failAfterPayment as 500))
  }
  shop.counters.handlerRuns++
  return gate.withReceipt(answer(shop, request, limit))
}

function answer(shop: Shop, request: ChatRequest, limit: number): Response {
  const { tokens, cut } = answerTokens(shop.id, request.question, limit)
  const head: ReplyHead = {
    id: `chatcmpl-${Buffer.from(randomBytesOf(12)).toString('hex')}`,
    createdSeconds: Math.floor(systemClock.now() / 1000),
    request,
    cut,
  }
  if (!request.stream) return Response.json(wholeReply(head, tokens))
  const events = replyEvents(head, tokens, shop.tokenDelayMs ?? 0)
  return new Response(ReadableStream.from(events).pipeThrough(new TextEncoderStream()), {
    headers: { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'private, no-store' },
  })
}

async function* replyEvents(head: ReplyHead, tokens: readonly string[], tokenDelayMs: number): AsyncGenerator<string> {
  yield openingEvent(head)
  for await (const token of speak(tokens, { latencyMs: 0, tokenDelayMs }, systemClock)) yield tokenEvent(head, token)
  yield* closingEvents(head, tokens.length)
}
