/** An agent without an account pays a gateway per call: over x402, over MPP on two networks, and over MCP. Ends with 0 when each call was paid once. */
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import type { PaymentRequired } from '@x402/core/types'
import { ExactEvmScheme } from '@x402/evm/exact/client'
import { decodePaymentResponseHeader, wrapFetchWithPayment, x402Client } from '@x402/fetch'
import { Receipt } from 'mppx'
import { evm, Mppx, sessionManager, tempo } from 'mppx/client'
import { assets } from 'mppx/evm'
import { createClient, http } from 'viem'
import { tempoModerato } from 'viem/chains'
import { dollars, openMarket } from '../sell-inference/market.ts'

const market = await openMarket()
const { accounts } = market
const account = await market.createBuyer()
const completions = `${market.url}/v1/chat/completions`
/** A new one for each call: what a client has written into the headers of one is not for the next. */
const request = (stream = false) => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ model: 'demo/echo', stream, max_tokens: 20, messages: [{ role: 'user', content: 'hello' }] }),
})
const x402 = new x402Client().register('eip155:*', new ExactEvmScheme(account))

type Paid = { readonly text: string; readonly transaction: string }

/** `fetch` of `@x402/fetch`: the 402 is paid and the request sent again. */
async function overX402(): Promise<Paid> {
  const answer = await wrapFetchWithPayment(fetch, x402)(completions, request())
  return { text: await textOf(answer), transaction: decodePaymentResponseHeader(headerOf(answer, 'payment-response')).transaction }
}

/** The same request, paid in the words of the Machine Payments Protocol. */
async function overMpp(): Promise<Paid> {
  const methods = [evm({ account, currencies: [assets.baseSepolia.USDC], maxAmount: '1' })]
  const answer = await Mppx.create({ polyfill: false, methods }).fetch(completions, request())
  return { text: await textOf(answer), transaction: Receipt.deserialize(headerOf(answer, 'payment-receipt')).reference }
}

const onTempo = await market.tempo.createBuyer()
const getClient = () => createClient({ account: onTempo, chain: tempoModerato, transport: http(market.tempo.rpcUrl), pollingInterval: 25 })

/** The same on Tempo: one signed transfer. */
async function overTempo(): Promise<Paid> {
  const methods = [tempo.charge({ account: onTempo, getClient })]
  const answer = await Mppx.create({ polyfill: false, methods }).fetch(completions, request())
  return { text: await textOf(answer), transaction: Receipt.deserialize(headerOf(answer, 'payment-receipt')).reference }
}

/** A channel on Tempo: one deposit, a voucher whenever the stream has used up the last, and what is left comes back at the end. */
async function overSession(): Promise<Paid> {
  const session = sessionManager({ account: onTempo, getClient, maxDeposit: '1' })
  const events = await session.sse(completions, request(true))
  let text = ''
  for await (const event of events) if (event !== '[DONE]') text += deltaOf(event)
  const receipt = await session.close()
  return { text, transaction: receipt?.txHash ?? '' }
}

function deltaOf(event: string): string {
  const { choices } = JSON.parse(event) as { choices: readonly { delta: { content?: string } }[] }
  return choices.map(({ delta }) => delta.content ?? '').join('')
}

/** A tool that says what it costs, and is called again with the payment in `_meta`. */
async function overMcp(): Promise<Paid> {
  const client = new Client({ name: 'agent', version: '1' })
  await client.connect(new StreamableHTTPClientTransport(new URL(`${market.url}/mcp`)))
  const call = { name: 'complete', arguments: { model: 'demo/echo', prompt: 'hello', max_output_tokens: 20 } }
  const asked = await client.callTool(call)
  const payment = await x402.createPaymentPayload(asked.structuredContent as unknown as PaymentRequired)
  const answer = await client.callTool({ ...call, _meta: { 'x402/payment': payment } })
  await client.close()
  const { text } = answer.structuredContent as { text: string }
  const receipt = answer._meta?.['x402/payment-response'] as { transaction: string } | undefined
  return { text, transaction: receipt?.transaction ?? '' }
}

async function textOf(answer: Response): Promise<string> {
  const body = (await answer.json()) as { choices?: { message: { content: string } }[] }
  const text = body.choices?.[0]?.message.content
  if (text === undefined) throw new Error(`the gateway answered ${answer.status}: ${JSON.stringify(body)}`)
  return text
}

function headerOf({ headers }: Response, name: string): string {
  return headers.get(name) ?? ''
}

/** In the order they are shown, each with the chain that it is paid on. */
const ways = [
  { name: 'x402', buy: overX402, on: market, from: account },
  { name: 'MPP evm/charge', buy: overMpp, on: market, from: account },
  { name: 'MPP tempo/charge', buy: overTempo, on: market.tempo, from: onTempo },
  { name: 'MPP tempo/session', buy: overSession, on: market.tempo, from: onTempo },
  { name: 'MCP', buy: overMcp, on: market, from: account },
]

try {
  for (const { name, buy, on, from } of ways) {
    const [had, earned] = await Promise.all([on.balanceOf(from.address), on.balanceOf(accounts.seller)])
    const { text, transaction } = await buy()
    const spent = had - (await on.balanceOf(from.address))
    const price = (await on.balanceOf(accounts.seller)) - earned
    process.stdout.write(`${name.padEnd(17)} "${text}"  earned ${dollars(price)}  receipt ${transaction}\n`)
    // Whoever sends a transaction of his own, as for a channel, pays its fee on top.
    if (price <= 0n || spent < price || !transaction.startsWith('0x')) throw new Error(`nothing was paid over ${name}`)
  }
} finally {
  await market.close()
}
