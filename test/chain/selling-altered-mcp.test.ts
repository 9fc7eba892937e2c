/** Payments in the `_meta` of a tool's call: with any member changed none is taken, and once they are, they are served once. */
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import type { PaymentRequired } from '@x402/core/types'
import fc from 'fast-check'
import { McpClient } from 'mppx/mcp/client'
import { describe, expect, it, onTestFinished } from 'vitest'
import { eras, type Era } from '../mcp/client.ts'
import { alterationsOf, type Altered } from '../support/altered.ts'
import { carried, chargeMethods, useWaysToPay, type WayToPay } from '../support/payments.ts'
import { chatWire, openShop, order, salesOf, wires } from '../support/shop.ts'
import { script, words } from '../support/tempo-shop.ts'

const { ways } = useWaysToPay()
const call = { name: 'complete', arguments: { model: 'demo/echo', prompt: 'how are you?', max_output_tokens: 20 } }

async function connect(url: string, era: Era): Promise<Client> {
  const mode = era === '2026-07-28' ? { pin: era } : 'legacy'
  const client = new Client({ name: 'agent', version: '1' }, { versionNegotiation: { mode } })
  await client.connect(new StreamableHTTPClientTransport(new URL(`${url}/mcp`)))
  onTestFinished(() => client.close())
  return client
}

/** What the official client would send, and under which name; nothing is sent. */
async function paymentFor(way: WayToPay, url: string, era: Era): Promise<readonly [name: string, payment: object]> {
  const client = await connect(url, era)
  const { pay, account } = await way.createPayer()
  if (pay !== undefined) {
    const required = (await client.callTool(call)).structuredContent as unknown as PaymentRequired
    return ['x402/payment', await pay(required)]
  }
  let credential: unknown
  const { callTool } = client
  client.callTool = async (params, ...rest) => {
    credential = params._meta?.['org.paymentauth/credential']
    if (credential !== undefined) throw new Error('it is kept')
    return callTool.call(client, params, ...rest)
  }
  const methods = chargeMethods(way, account)
  const payer = McpClient.wrap(client as unknown as Parameters<typeof McpClient.wrap>[0], { methods })
  await payer.callTool(call).catch(() => {})
  return ['org.paymentauth/credential', structuredClone(credential) as object]
}

type Outcome = {
  readonly isError?: boolean
  readonly structuredContent?: {
    readonly text?: string
    readonly code?: string
    readonly x402Version?: number
    readonly accepts?: unknown[]
  }
  readonly _meta?: Readonly<Record<string, unknown>>
  readonly code?: number
  readonly data?: { readonly challenges?: readonly unknown[] }
}

/** What tells a paying client of MCP that it was refused: the way to pay, or that its payment cannot be read. */
function refusalIn({ isError, structuredContent, code, data, _meta }: Outcome): string | undefined {
  if (code === -32042) return Array.isArray(data?.challenges) ? 'asked' : undefined
  if (isError !== true) return undefined
  if (structuredContent?.code === 'invalid_payment' || structuredContent?.code === 'payment_already_used') return structuredContent.code
  const isAsked = (structuredContent?.accepts ?? []).length > 0 || _meta?.['org.paymentauth/payment-required'] !== undefined
  return isAsked ? 'asked' : undefined
}

/** Members that nobody reads, and spellings of the same. */
const SAME = /^(?:resource|extensions|source)(?:\.|:|$)|: (?:told twice|one member more|in capitals|in small letters)/
const named = ({ at, change }: Altered) => `${at}: ${change}`
const sold: readonly string[] = [
  'x402 exact',
  'x402 exact through Permit2',
  'x402 upto',
  'x402 batch-settlement',
  'evm/charge',
  'tempo/charge',
]
const cases = ways.filter(({ name }) => sold.includes(name)).map((way, at) => [way.name, eras[at % 2] ?? eras[0], way] as const)

describe.each(cases)('a payment by %s over MCP, on %s', (_name, era, way) => {
  it('is refused as a payment with any member changed, and buys one answer as it was', async () => {
    const { world, upstream } = await way.open(script)
    const [{ url }, { url: other }] = [await openShop(world), await openShop(world)]
    const [name, payment] = await paymentFor(way, url, era)
    const clients = [await connect(url, era), await connect(other, era)] as const
    const send = async (client: Client, value: unknown, text = 'how are you?') => {
      const input = { ...call, arguments: { ...call.arguments, prompt: text }, _meta: { [name]: value } }
      return client.callTool(input).catch((error: unknown) => error) as Promise<Outcome>
    }
    const changed = alterationsOf(JSON.parse(JSON.stringify(payment))).filter((altered) => !SAME.test(named(altered)))
    const [some = []] = fc.sample(fc.shuffledSubarray([...changed], { minLength: 30, maxLength: 30 }), 1)
    for (const [at, altered] of some.entries()) {
      const outcome = await send(clients[at % 2] ?? clients[0], JSON.parse(altered.json))
      expect([named(altered), refusalIn(outcome) === undefined ? outcome : 'refused']).toEqual([named(altered), 'refused'])
    }
    expect([upstream.requests.length, await salesOf(world)]).toEqual([0, []])

    // The same over HTTP is a payment for something else.
    const header = carried(way.carriage, JSON.stringify(payment))
    for (const wire of wires) expect([402, 400]).toContain((await order(fetch, url, wire, { headers: header })).status)
    const copies = await Promise.all([0, 1, 0, 1, 0, 1].map((at) => send(clients[at] ?? clients[0], payment)))
    const answers = copies.filter(({ isError, structuredContent }) => isError !== true && structuredContent?.text !== undefined)
    expect(new Set(answers.map(({ structuredContent }) => structuredContent?.text))).toEqual(new Set([words.join('')]))
    for (const client of clients) {
      expect((await send(client, payment)).structuredContent?.text).toBe(words.join(''))
      expect(refusalIn(await send(client, payment, 'and now?'))).toBeDefined()
    }
    const [sale, ...others] = await salesOf(world)
    expect([upstream.requests.length, others, sale]).toMatchObject([1, [], { state: 'settled' }])
    expect((await order(fetch, url, chatWire, { headers: header })).status).not.toBe(200)
  })
})
