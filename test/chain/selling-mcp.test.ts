/** Callers without an account buy completions over MCP, with the official clients of MCP, of x402 and of MPP. */
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { decodePaymentRequiredHeader } from '@x402/core/http'
import type { PaymentRequired } from '@x402/core/types'
import { evm } from 'mppx/client'
import { assets } from 'mppx/evm'
import { McpClient } from 'mppx/mcp/client'
import type { PrivateKeyAccount } from 'viem/accounts'
import { describe, expect, it, onTestFinished } from 'vitest'
import { eras, type Era } from '../mcp/client.ts'
import { useDemoNetwork } from '../support/chain.ts'
import { closedBooks, expectBalanced } from '../support/engine.ts'
import { OPERATOR_TOKEN, chatWire, createBuyer, salesOf, x402ClientOf, startShop } from '../support/shop.ts'

const current = useDemoNetwork()

const openStall = (...charge: readonly string[]) =>
  startShop(current(), { charge: ['networks: ["eip155:84532"]', 'margin: "0.5"', ...charge] })

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
  it('is told beforehand by which methods it can pay, which the operator is not', async () => {
    const { url } = await openStall()
    const announcedTo = async (headers: Record<string, string>) => (await connect(url, era, headers)).getServerCapabilities()?.experimental
    expect(await announcedTo({})).toEqual({ payment: { methods: { evm: { intents: ['charge'] } } } })
    expect(await announcedTo({ authorization: `Bearer ${OPERATOR_TOKEN}` })).toBeUndefined()
  })

  it('is told the price, pays it once, and gets answer and receipt', async () => {
    const { url, world, provider } = await openStall()
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

type Credential = { challenge: Record<string, unknown>; payload: Record<string, string> }
type Sold = { readonly receipt?: Record<string, unknown>; readonly structuredContent?: unknown; readonly isError?: boolean }

/** The official client, wrapped by the official payer; `credentials` are what it has sent. */
async function connectPayer(url: string, era: Era, account: PrivateKeyAccount) {
  const client = await connect(url, era)
  const credentials: Credential[] = []
  const { callTool } = client
  client.callTool = async (params, ...rest) => {
    const credential = params._meta?.['org.paymentauth/credential'] as Credential | undefined
    if (credential !== undefined) credentials.push(structuredClone(credential))
    return callTool.call(client, params, ...rest)
  }
  const methods = [evm({ account, currencies: [assets.baseSepolia.USDC], maxAmount: '1' })]
  const payer = McpClient.wrap(client as unknown as Parameters<typeof McpClient.wrap>[0], { methods })
  const buy = async (): Promise<Sold> => payer.callTool({ name: 'complete', arguments: question })
  return { buy, credentials }
}

const show = async (url: string, era: Era, credential: unknown, input: Record<string, unknown> = question) =>
  (await connect(url, era)).callTool({ name: 'complete', arguments: input, _meta: { 'org.paymentauth/credential': credential } })

const forgeries: readonly (readonly [string, (credential: Credential) => void])[] = [
  ['pays less than was asked', ({ payload }) => (payload['value'] = '1')],
  ['has a challenge of its own making', ({ challenge }) => (challenge['id'] = 'A'.repeat(43))],
  ['has another price in its challenge', ({ challenge }) => (challenge['request'] = { ...(challenge['request'] as object), amount: '1' })],
  ['is of somebody else', ({ payload }) => (payload['from'] = `0x${'22'.repeat(20)}`)],
]

describe.each(eras)('a caller with the official MPP client, on %s', (era) => {
  it.each([
    ['beside x402', []],
    ['alone', ['schemes: [evm/charge]']],
  ])('pays once where MPP is offered %s, and gets answer and receipt', async (_name, charge) => {
    const { url, world, provider } = await openStall(...charge)
    const buyer = await createBuyer(current())
    const { buy, credentials } = await connectPayer(url, era, buyer)
    const { receipt, structuredContent } = await buy()
    expect(structuredContent).toMatchObject({ text: 'thrift heard: how are you?' })
    const [sale, ...others] = await salesOf(world)
    expect([others, sale]).toMatchObject([[], { state: 'settled', protocol: 'mpp', payer: buyer.address }])
    expect(receipt).toMatchObject({
      method: 'evm',
      status: 'success',
      reference: sale?.transaction,
      challengeId: credentials[0]?.challenge['id'],
    })
    expect(await current().chain.balanceOf(current().asset.address, world.payTo)).toBe(sale?.amountSettled)

    // A lost answer is fetched with the same credential, and another question is not answered for it.
    expect((await show(url, era, credentials[0])).structuredContent).toMatchObject({ text: 'thrift heard: how are you?' })
    expect(await show(url, era, credentials[0], { ...question, prompt: 'and now?' })).toMatchObject({
      isError: true,
      structuredContent: { code: 'payment_already_used' },
    })
    expect([(await salesOf(world)).length, provider.counters.handlerRuns]).toEqual([1, 1])
    expectBalanced(await closedBooks(world))
  })

  it('is answered once for copies that arrive together', async () => {
    const { url, world, provider } = await openStall()
    const { buy, credentials } = await connectPayer(url, era, await createBuyer(current()))
    await Promise.all([buy(), buy()])
    expect([(await salesOf(world)).length, provider.counters.handlerRuns]).toEqual([2, 2])
    const copies = await Promise.all(Array.from({ length: 5 }, () => show(url, era, credentials[0])))
    expect(copies.map(({ structuredContent }) => (structuredContent as { text?: string }).text)).toEqual(
      copies.map(() => 'thrift heard: how are you?'),
    )
    expect([(await salesOf(world)).length, provider.counters.handlerRuns]).toEqual([2, 2])
  })

  it('is asked anew for a forged credential, and told when one cannot be read', async () => {
    const { url, world } = await openStall()
    const { buy, credentials } = await connectPayer(url, era, await createBuyer(current()))
    await buy()
    const payer = await connect(url, era)
    const pay = (credential: unknown) =>
      payer.callTool({ name: 'complete', arguments: question, _meta: { 'org.paymentauth/credential': credential } })
    const demand = { httpStatus: 402, challenges: [{ method: 'evm', intent: 'charge', request: { currency: current().asset.address } }] }
    for (const [name, forge] of forgeries) {
      const forged = structuredClone(credentials[0] as Credential)
      forged.payload['nonce'] = `0x${'33'.repeat(32)}`
      forge(forged)
      const answer = await pay(forged).catch((error: unknown) => error)
      expect(answer, name).toMatchObject(
        era === '2026-07-28'
          ? { isError: true, _meta: { 'org.paymentauth/payment-required': demand } }
          : { code: -32042, data: { ...demand, problem: { status: 402, title: 'Verification Failed' } } },
      )
    }
    for (const unreadable of [
      'Payment abc',
      { challenge: { id: 'x', request: {} } },
      { challenge: { id: 'x', request: [] }, payload: {} },
    ]) {
      expect(await pay(unreadable)).toMatchObject({ isError: true, structuredContent: { code: 'invalid_payment' } })
    }
    expect((await salesOf(world)).map(({ state }) => state)).toEqual(['settled'])
  })

  it('cannot pay twice for one call', async () => {
    const { url, world } = await openStall()
    const client = await connect(url, era)
    const required = (await ask(client)).structuredContent as unknown as PaymentRequired
    const payment = await x402ClientOf(await createBuyer(current())).createPaymentPayload(required)
    const { buy, credentials } = await connectPayer(url, era, await createBuyer(current()))
    await buy()
    const both = { 'x402/payment': payment, 'org.paymentauth/credential': credentials[0] }
    expect(await client.callTool({ name: 'complete', arguments: question, _meta: both })).toMatchObject({
      isError: true,
      structuredContent: { code: 'invalid_payment' },
    })
    expect(await salesOf(world)).toHaveLength(1)
  })
})

it('is asked by an error of the protocol where it can pay by MPP alone', async () => {
  const { url } = await openStall('schemes: [evm/charge]')
  const demand = { httpStatus: 402, challenges: [{ method: 'evm', intent: 'charge' }], problem: { title: 'Payment Required' } }
  await expect(ask(await connect(url, '2025-11-25'))).rejects.toMatchObject({ code: -32042, data: demand })
})

it('shows a stranger what there is to buy, and nothing of the operator', async () => {
  const { url } = await openStall()
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
  const { url, world } = await openStall()
  const operator = await connect(url, '2025-11-25', { authorization: `Bearer ${OPERATOR_TOKEN}` })
  expect((await operator.listTools()).tools).toHaveLength(3)
  expect((await ask(operator)).structuredContent).toMatchObject({ text: 'thrift heard: how are you?', payment_mode: 'x402' })
  expect(await salesOf(world)).toEqual([])
})

it('says at its discovery pages what it sells and how', async () => {
  const { url } = await openStall()
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
