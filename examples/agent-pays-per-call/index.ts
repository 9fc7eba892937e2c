/** An agent without an account pays a gateway for three calls: over x402, over MPP, and over MCP. Ends with 0 when each was paid once. */
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import type { PaymentRequired } from '@x402/core/types'
import { ExactEvmScheme } from '@x402/evm/exact/client'
import { decodePaymentResponseHeader, wrapFetchWithPayment, x402Client } from '@x402/fetch'
import { Receipt } from 'mppx'
import { evm, Mppx } from 'mppx/client'
import { assets } from 'mppx/evm'
import { dollars, openMarket } from '../sell-inference/market.ts'

const market = await openMarket()
const { accounts, balanceOf } = market
const account = await market.createBuyer()
const completions = `${market.url}/v1/chat/completions`
const request = {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ model: 'demo/echo', max_tokens: 20, messages: [{ role: 'user', content: 'hello' }] }),
}
const x402 = new x402Client().register('eip155:*', new ExactEvmScheme(account))

type Paid = { readonly text: string; readonly transaction: string }

/** `fetch` of `@x402/fetch`: the 402 is paid and the request sent again. */
async function overX402(): Promise<Paid> {
  const answer = await wrapFetchWithPayment(fetch, x402)(completions, request)
  return { text: await textOf(answer), transaction: decodePaymentResponseHeader(headerOf(answer, 'payment-response')).transaction }
}

/** The same request, paid in the words of the Machine Payments Protocol. */
async function overMpp(): Promise<Paid> {
  const methods = [evm({ account, currencies: [assets.baseSepolia.USDC], maxAmount: '1' })]
  const answer = await Mppx.create({ polyfill: false, methods }).fetch(completions, request)
  return { text: await textOf(answer), transaction: Receipt.deserialize(headerOf(answer, 'payment-receipt')).reference }
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

try {
  const before = await balanceOf(account.address)
  let left = before
  process.stdout.write(`the agent has      ${dollars(before)}\n`)
  for (const [name, buy] of [['x402', overX402] as const, ['MPP', overMpp] as const, ['MCP', overMcp] as const]) {
    const { text, transaction } = await buy()
    const now = await balanceOf(account.address)
    process.stdout.write(`${name.padEnd(5)} "${text}"  paid ${dollars(left - now)}  receipt ${transaction}\n`)
    if (now >= left || !transaction.startsWith('0x')) throw new Error(`nothing was paid over ${name}`)
    left = now
  }
  const earned = await balanceOf(accounts.seller)
  process.stdout.write(`the agent has      ${dollars(left)}\nthe gateway earned ${dollars(earned)}\n`)
  if (earned !== before - left) throw new Error('what was paid is not what arrived')
} finally {
  await market.close()
}
