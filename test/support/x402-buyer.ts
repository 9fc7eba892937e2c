/** Buys completions with the official x402 client, step by step, so that a test can stand between the steps. */
import { x402Client } from '@x402/core/client'
import { decodePaymentRequiredHeader, decodePaymentResponseHeader, x402HTTPClient } from '@x402/core/http'
import type { Network, PaymentRequired, SettleResponse } from '@x402/core/types'
import { ExactEvmScheme } from '@x402/evm/exact/client'
import { request } from 'undici'
import { privateKeyToAccount } from 'viem/accounts'
import type { DemoNetwork } from '../../src/demo/network.ts'
import type { PaidProvider } from '../../src/demo/paid-provider.ts'

export type Answer = {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: string
  readonly required: PaymentRequired | undefined
  readonly receipt: SettleResponse | undefined
}

export const question = { model: 'demo/echo', messages: [{ role: 'user', content: 'how are you today?' }], max_tokens: 20 }

/** Posts a completion and reads all of it; rejects when the connection breaks. */
export async function post(provider: PaidProvider, body: object | string, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
  const response = await request(`${provider.baseUrl}/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
  const text = await response.body.text()
  const required = response.headers['payment-required']
  const receipt = response.headers['payment-response']
  return {
    status: response.statusCode,
    headers: response.headers,
    body: text,
    required: typeof required === 'string' ? decodePaymentRequiredHeader(required) : undefined,
    receipt: typeof receipt === 'string' ? decodePaymentResponseHeader(receipt) : undefined,
  }
}

/** Asks for the price and signs it: gives the header that pays for the body. */
export async function pay(network: DemoNetwork, provider: PaidProvider, body: object): Promise<Record<string, string>> {
  const account = privateKeyToAccount(network.payer.privateKey.reveal() as `0x${string}`)
  const client = new x402HTTPClient(new x402Client().register(network.network as Network, new ExactEvmScheme(account)))
  const { required } = await post(provider, body)
  if (required === undefined) throw new Error('the provider did not ask to be paid')
  return client.encodePaymentSignatureHeader(await client.createPaymentPayload(required))
}

/** The text of a whole answer or of a stream. */
export function textOf(body: string): string {
  if (!body.includes('data: '))
    return (JSON.parse(body) as { choices: { message: { content: string } }[] }).choices[0]?.message.content ?? ''
  return eventsOf(body)
    .map((event) => event.choices?.[0]?.delta?.content ?? '')
    .join('')
}

export type StreamEvent = {
  readonly id?: string
  readonly choices?: readonly { readonly delta?: { readonly content?: string }; readonly finish_reason?: string | null }[]
  readonly usage?: Readonly<Record<string, number>>
  readonly error?: { readonly code: string }
}

/** The JSON events of a stream, the terminal one left out. */
export function eventsOf(body: string): readonly StreamEvent[] {
  const lines = body.split('\n').filter((line) => line.startsWith('data: ') && line !== 'data: [DONE]')
  return lines.map((line) => JSON.parse(line.slice(6)) as StreamEvent)
}

/** The receipt that a stream carries as a comment. */
export function commentReceipt(body: string): SettleResponse | undefined {
  const line = body.split('\n').find((candidate) => candidate.startsWith(': payment-response '))
  return line === undefined ? undefined : decodePaymentResponseHeader(line.slice(': payment-response '.length))
}
