/** A seller of x402's first version: offers in the body, short network names, and the official facilitator of that version behind it. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { FacilitatorClient } from '@x402/core/server'
import type { PaymentPayload, PaymentRequirements } from '@x402/core/types'
import { closingEvents, openingEvent, tokenEvent, wholeReply } from '../../src/demo/chat-reply.ts'
import { readChatRequest } from '../../src/demo/echo-model.ts'
import type { DemoNetwork } from '../../src/demo/network.ts'
import { randomHex } from './chain.ts'
import type { SellerEntry } from './engine.ts'

export type ElderOptions = {
  readonly id?: string
  /** Changes the body of each 402. */
  readonly change?: ElderChange
  /** Headers of a 402 besides. */
  readonly extraHeaders?: (payTo: string) => Record<string, string>
  readonly facilitator?: FacilitatorClient
}
export type ElderChallenge = ReturnType<typeof challengeFor>
export type ElderChange = (challenge: ElderChallenge) => unknown
export type ElderSeller = SellerEntry & { readonly counters: { challenged: number; answered: number }; stop(): Promise<void> }

export const ELDER_PRICE = '90'

function challengeFor({ asset }: Pick<DemoNetwork, 'asset'>, payTo: string) {
  const offer = {
    ...{ scheme: 'exact', network: 'base-sepolia', maxAmountRequired: ELDER_PRICE, resource: 'http://seller.example/' },
    ...{ description: 'a chat', mimeType: 'application/json', payTo: payTo as string, maxTimeoutSeconds: 60 },
    ...{ asset: asset.address as string, outputSchema: null, extra: { ...asset.domain } },
  }
  return { x402Version: 1, error: 'X-PAYMENT header is required', accepts: [offer] }
}

const price = { prompt: '0.000001', completion: '0.000005' }
const models = { data: [{ id: 'demo/echo', name: 'echo', context_length: 1_000, max_output_length: 256, pricing: price }] }
const tokens = ['as', ' in', ' the', ' old', ' days']

/** Starts it on a free loopback port; a payment is settled before the answer leaves. */
export async function startElderSeller(network: DemoNetwork, options: ElderOptions = {}): Promise<ElderSeller> {
  const { id = 'elder', change = (challenge) => challenge, extraHeaders = () => ({}), facilitator = network.facilitator.client } = options
  const counters = { challenged: 0, answered: 0 }
  const payTo = randomHex(20)
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const send = (status: number, body: unknown, headers: Record<string, string> = {}) => {
      response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
    }
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    if (request.method === 'GET') return send(200, models)
    const challenge = challengeFor(network, payTo)
    const header = request.headers['x-payment']
    if (typeof header !== 'string') {
      counters.challenged++
      return send(402, change(challenge), extraHeaders(payTo))
    }
    const payload = JSON.parse(Buffer.from(header, 'base64').toString()) as PaymentPayload
    const requirements = challenge.accepts[0] as unknown as PaymentRequirements
    const verdict = await facilitator.verify(payload, requirements)
    if (!verdict.isValid) return send(402, { ...challenge, error: verdict.invalidReason })
    const settled = await facilitator.settle(payload, requirements)
    if (!settled.success) return send(402, { ...challenge, error: settled.errorReason })
    counters.answered++
    const receipt = { 'x-payment-response': Buffer.from(JSON.stringify(settled)).toString('base64') }
    const head = { id: 'chatcmpl-1', createdSeconds: 1, request: readChatRequest(Buffer.concat(chunks)), cut: false }
    if (!head.request.stream) return send(200, wholeReply(head, tokens), receipt)
    const events = [openingEvent(head), ...tokens.map((token) => tokenEvent(head, token)), ...closingEvents(head, tokens.length)]
    response.writeHead(200, { 'content-type': 'text/event-stream', ...receipt }).end(events.join(''))
  }
  const server = createServer((request, response) => void serve(request, response).catch(() => response.destroy()))
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`
  const stop = async () => {
    server.close()
    server.closeAllConnections()
  }
  return { id, baseUrl, modelsUrl: `${baseUrl}/models`, payTo, counters, stop }
}
