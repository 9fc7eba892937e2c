/** Stands before a seller on a port of its own, sees what passes, and may change or lose the answers. */
import { request as send } from 'undici'
import { onTestFinished } from 'vitest'
import { decodePaymentSignatureHeader } from '@x402/core/http'
import type { Signed } from '../support/authorization.ts'
import type { SellerEntry } from '../support/engine.ts'
import { startUpstream, type Answer, type SeenRequest } from '../support/upstream.ts'

export type Passed = {
  readonly status: number
  readonly headers: Readonly<Record<string, string | readonly string[]>>
  readonly body: string
}

/** `paid` counts the requests that carried a payment, this one included. */
export type Tamper = (answer: Passed, request: SeenRequest, paid: number) => Answer

export type Relay = SellerEntry & {
  /** The `PAYMENT-SIGNATURE`, `X-PAYMENT` or `Authorization: Payment` of each request that had one, as it came. */
  readonly credentials: readonly string[]
  readonly requests: readonly SeenRequest[]
}

export type RelayOptions = {
  /** Answers in the seller's place, who then never hears of the request; `undefined` lets it pass. */
  readonly instead?: (request: SeenRequest, paid: number) => Answer | undefined | Promise<Answer | undefined>
  /** Changes what the seller has answered. */
  readonly tamper?: Tamper
  /** Sends each request that carried a payment to the seller once more, and keeps what he answers to that for itself. */
  readonly isReplaying?: boolean
}

/** Starts a relay, which ends when the test has finished. Models documents pass as they are. */
export async function startRelay(
  seller: SellerEntry,
  { instead, tamper = (answer) => answer, isReplaying = false }: RelayOptions = {},
): Promise<Relay> {
  const credentials: string[] = []
  const upstream = await startUpstream(async (request) => {
    const credential = credentialIn(request)
    if (typeof credential === 'string') credentials.push(credential)
    const paid = typeof credential === 'string' ? credentials.length : 0
    if (request.method === 'GET') return pass(seller, request)
    const given = await instead?.(request, paid)
    if (given !== undefined) return given
    const answer = await pass(seller, request)
    if (isReplaying && paid > 0) await pass(seller, request)
    return tamper(answer, request, paid)
  })
  onTestFinished(() => upstream.close())
  return {
    id: seller.id,
    baseUrl: `${upstream.url}/v1`,
    modelsUrl: `${upstream.url}/v1/models`,
    payTo: seller.payTo,
    ...(seller.mode === undefined ? {} : { mode: seller.mode }),
    ...(seller.schemes === undefined ? {} : { schemes: seller.schemes }),
    credentials,
    requests: upstream.requests,
  }
}

function credentialIn({ headers }: SeenRequest): string | undefined {
  const signature = headers['payment-signature'] ?? headers['x-payment']
  if (typeof signature === 'string') return signature
  return headers.authorization?.startsWith('Payment ') === true ? headers.authorization : undefined
}

const HOP_HEADERS = ['host', 'connection', 'content-length', 'transfer-encoding', 'keep-alive', 'date']

async function pass(seller: SellerEntry, request: SeenRequest): Promise<Passed> {
  const { origin } = new URL(seller.baseUrl)
  const isPost = request.method === 'POST'
  const answer = await send(`${origin}${request.path}`, {
    method: isPost ? 'POST' : 'GET',
    headers: endToEnd(request.headers),
    ...(isPost ? { body: request.body } : {}),
  })
  return { status: answer.statusCode, headers: endToEnd(answer.headers), body: await answer.body.text() }
}

function endToEnd(headers: Readonly<Record<string, string | string[] | undefined>>): Record<string, string | string[]> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) => (value === undefined || HOP_HEADERS.includes(name) ? [] : [[name, value]])),
  )
}

/** The signed transfer inside a `PAYMENT-SIGNATURE`, in the terms of the token. */
export function readSigned(credential: string | undefined): Signed {
  const { payload, accepted } = decodePaymentSignatureHeader(credential ?? '')
  const { from, to, value, validAfter, validBefore, nonce } = payload.authorization as Record<string, string>
  return {
    ...{ network: accepted.network, asset: accepted.asset as `0x${string}`, from: from as `0x${string}`, to: to as `0x${string}` },
    ...{ value: BigInt(value ?? ''), validAfterSeconds: BigInt(validAfter ?? ''), validBeforeSeconds: BigInt(validBefore ?? '') },
    ...{ nonce: nonce as `0x${string}`, signature: payload.signature as `0x${string}` },
  }
}
