/** Callers without an account buy completions over MCP, with the official clients of MCP and of x402. */
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { decodePaymentRequiredHeader } from '@x402/core/http'
import type { PaymentRequired } from '@x402/core/types'
import { describe, expect, it, onTestFinished } from 'vitest'
import { eras, type Era } from '../mcp/client.ts'
import { useDemoNetwork } from '../support/chain.ts'
import { closedBooks, expectBalanced } from '../support/engine.ts'
import { OPERATOR_TOKEN, chatWire, createBuyer, openShop, salesOf, writeShop, x402ClientOf } from '../support/shop.ts'

const current = useDemoNetwork()
const prices = { prompt: '0.00001', completion: '0.00005' }

async function startShop() {
  const provider = await current().startProvider({ id: 'thrift', prices })
  const world = await writeShop(current(), { sellers: [provider], charge: ['margin: "0.5"'] })
  return { ...(await openShop(world)), provider }
}

async function connect(url: string, era: Era, headers: Record<string, string> = {}): Promise<Client> {
  const client = new Client(
    { name: 'agent', version: '1' },
    { versionNegotiation: { mode: era === '2026-07-28' ? { pin: era } : 'legacy' } },
  )
  await client.connect(new StreamableHTTPClientTransport(new URL(`${url}/mcp`), { requestInit: { headers } }))
  onTestFinished(() => client.close())
  return client
}

const question = { model: 'demo/echo', prompt: 'how are you?', max_output_tokens: 20 }
const ask = (client: Client, payment?: unknown, input: Record<string, unknown> = question) =>
  client.callTool({ name: 'complete', arguments: input, ...(payment === undefined ? {} : { _meta: { 'x402/payment': payment } }) })

/** The schemes that a request of the same gateway is offered over HTTP. */
async function offeredOverHttp(url: string): Promise<readonly string[]> {
  const body = JSON.stringify(chatWire.body(false, 'how are you?'))
  const { headers } = await fetch(url + chatWire.path(false), { method: 'POST', headers: { 'content-type': 'application/json' }, body })
  return decodePaymentRequiredHeader(headers.get('payment-required') ?? '').accepts.map(({ scheme }) => scheme)
}

describe.each(eras)('a caller without an account, on %s', (era) => {
  it('is told the price, pays it once, and gets answer and receipt', async () => {
    const { url, world, provider } = await startShop()
    const buyer = await createBuyer(current())
    const client = await connect(url, era)
    // So that the client holds results against the announced schema.
    await client.listTools()
    const unpaid = await ask(client)
    expect(unpaid.isError).toBe(true)
    const required = unpaid.structuredContent as unknown as PaymentRequired
    expect(required).toMatchObject({ x402Version: 2, resource: { url: 'mcp://tool/complete' } })
    expect(required.accepts.map(({ scheme }) => scheme)).toEqual(await offeredOverHttp(url))
    expect(JSON.parse((unpaid.content as unknown as [{ text: string }])[0].text)).toEqual(required)
    expect(provider.counters.requests).toBe(0)

    const payment = await x402ClientOf(buyer).createPaymentPayload(required)
    const paid = await ask(client, payment)
    expect(paid.structuredContent).toMatchObject({ text: 'thrift heard: how are you?', finish_reason: 'stop' })
    const [sale] = await salesOf(world)
    expect(paid._meta?.['x402/payment-response']).toMatchObject({ success: true, transaction: sale?.transaction, payer: buyer.address })
    const ours = ['paid_usd', 'cost_usd', 'quoted_usd', 'receipt_id', 'transaction', 'caps_left', 'payment_mode']
    expect(Object.keys(paid.structuredContent as object).filter((name) => ours.includes(name))).toEqual([])
    expect(JSON.stringify(provider.counters)).not.toContain('x402/payment')

    // A lost answer is fetched with the same payment, and another question is not answered for it.
    expect((await ask(client, payment)).structuredContent).toMatchObject({ text: 'thrift heard: how are you?' })
    expect(await ask(client, payment, { ...question, prompt: 'and now?' })).toMatchObject({ isError: true })
    const sales = await salesOf(world)
    expect(sales.map(({ state }) => state)).toEqual(['settled'])
    expect(await current().chain.balanceOf(current().asset.address, world.payTo)).toBe(sale?.amountSettled)
    expectBalanced(await closedBooks(world))
  })
})

it('shows a stranger what there is to buy, and nothing of the operator', async () => {
  const { url } = await startShop()
  const stranger = await connect(url, '2025-11-25')
  expect((await stranger.listTools()).tools.map(({ name }) => name)).toEqual(['list_models', 'complete'])
  expect((await stranger.listResourceTemplates()).resourceTemplates.map(({ uriTemplate }) => uriTemplate)).toEqual([
    'routeplane://models/{+id}',
  ])
  await expect(stranger.readResource({ uri: 'routeplane://presets' })).rejects.toMatchObject({ code: -32602 })
  await expect(stranger.callTool({ name: 'set_preset', arguments: { name: 'a', model: 'x/y' } })).rejects.toMatchObject({ code: -32602 })
  expect(await ask(stranger, undefined, { ...question, dry_run: true })).toMatchObject({
    isError: true,
    structuredContent: { code: 'invalid_request' },
  })
  expect(await ask(stranger, { x402Version: 2, nonsense: true })).toMatchObject({
    isError: true,
    structuredContent: { code: 'invalid_payment' },
  })
  const listening = await fetch(`${url}/mcp`, { headers: { accept: 'text/event-stream' } })
  expect(listening.status).toBe(401)
})

it('charges nobody who shows the token', async () => {
  const { url, world } = await startShop()
  const operator = await connect(url, '2025-11-25', { authorization: `Bearer ${OPERATOR_TOKEN}` })
  expect((await operator.listTools()).tools).toHaveLength(3)
  expect((await ask(operator)).structuredContent).toMatchObject({ text: 'thrift heard: how are you?', payment_mode: 'x402' })
  expect(await salesOf(world)).toEqual([])
})

it('says at its discovery pages what it sells and how', async () => {
  const { url } = await startShop()
  const { resources } = (await (await fetch(`${url}/.well-known/x402`)).json()) as { resources: readonly string[] }
  expect(resources.toSorted()).toEqual(
    ['/mcp', '/v1/chat/completions', '/v1/messages', '/v1/responses', '/v1beta/models/{model}:generateContent'].map((path) => url + path),
  )
  const { paths, security } = (await (await fetch(`${url}/openapi.json`)).json()) as {
    readonly paths: Readonly<Record<string, Readonly<Record<string, { readonly responses: object }>>>>
    readonly security: unknown
  }
  expect(security).toEqual([{ token: [] }, {}])
  const charged = Object.entries(paths).filter(([, { post }]) => post !== undefined && '402' in post.responses)
  expect(charged.map(([path]) => url + path).toSorted()).toEqual(resources.toSorted())
  expect(await (await fetch(`${url}/llms.txt`)).text()).toContain('PAYMENT-SIGNATURE')
})
