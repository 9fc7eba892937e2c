/** A gateway that sells: an engine with `charge`, a token of its operator's, and callers with wallets and official clients. */
import { x402Client, x402HTTPClient } from '@x402/core/client'
import type { FacilitatorClient } from '@x402/core/server'
import type { PaymentRequired, SettleResponse } from '@x402/core/types'
import { decodePaymentResponseHeader } from '@x402/core/http'
import { wrapFetchWithPayment } from '@x402/fetch'
import { ExactEvmScheme } from '@x402/evm/exact/client'
import { UptoEvmScheme } from '@x402/evm/upto/client'
import { privateKeyToAccount, type PrivateKeyAccount } from 'viem/accounts'
import { foldParts } from '../../src/completion/fold.ts'
import { createFacilitatorApp } from '../../src/demo/facilitator.ts'
import { listen } from '../../src/demo/listen.ts'
import type { DemoNetwork, DemoProviderOptions } from '../../src/demo/network.ts'
import type { PaidProvider } from '../../src/demo/paid-provider.ts'
import { serveHttp } from '../../src/http/serve.ts'
import type { SaleRow } from '../../src/ledger/sale.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { createLog, Secret } from '../../src/lib/log.ts'
import { createMcpHttp } from '../../src/mcp/http.ts'
import type { Atomic } from '../../src/money.ts'
import { protocols } from '../../src/protocol/index.ts'
import { onTestFinished } from 'vitest'
import { randomHex } from './chain.ts'
import { startUpstream, type Script, type Upstream } from './upstream.ts'
import { openEngine, writeWorld, type TestEngine, type World, type WorldNetwork, type WorldOptions } from './engine.ts'
import { readLedger } from './read-ledger.ts'

export const OPERATOR_TOKEN = 'operator-token-of-at-least-32-characters'
const FACILITATOR_KEY = 'TEST_FACILITATOR_KEY'
const MUCH_GAS = '0x3635c9adc5dea00000'

export type ShopWorld = World & { readonly payTo: `0x${string}` }

export type ShopOptions = WorldOptions & {
  /** Lines under `charge:`, besides who is paid and who settles. */
  readonly charge?: readonly string[]
  /** Instead of a facilitator in the gateway itself. */
  readonly facilitator?: string
}

/** Writes the files of a gateway that sells, paid to an address of its own and settled by a key that has gas. */
export async function writeShop(network: WorldNetwork, options: ShopOptions): Promise<ShopWorld> {
  const key = randomHex(32)
  const payTo = privateKeyToAccount(randomHex(32)).address
  await network.anvil.rpc('anvil_setBalance', [privateKeyToAccount(key).address, MUCH_GAS])
  const facilitator = options.facilitator ?? `{ key_env: ${FACILITATOR_KEY} }`
  const charge = [`  pay_to: "${payTo}"`, `  facilitator: ${facilitator}`, ...(options.charge ?? []).map((line) => `  ${line}`)]
  const world = await writeWorld(network, {
    ...options,
    auth: `auth_token: ${OPERATOR_TOKEN}`,
    lines: ['charge:', ...charge, ...(options.lines ?? [])],
  })
  return { ...world, payTo, variables: { ...world.variables, [FACILITATOR_KEY]: key } }
}

/** A gateway that sells what a provider with a key serves: nothing but the caller's payment is on the chain. */
export async function writeKeyedShop(
  network: WorldNetwork,
  script: Script,
  options: Partial<ShopOptions> = {},
): Promise<{ readonly upstream: Upstream; readonly world: ShopWorld }> {
  const upstream = await startUpstream(script)
  onTestFinished(() => upstream.close())
  const lines = [
    'providers:',
    '  keyed:',
    `    api_base: ${upstream.url}/v1`,
    '    api_key: upstream-key',
    '    models: [{ id: demo/echo, pricing: { prompt: "0.00001", completion: "0.00005" } }]',
  ]
  return { upstream, world: await writeShop(network, { sellers: [], lines, ...options }) }
}

/** A facilitator over HTTP with its wires in a test's hands. @returns what is written under `facilitator`. */
export async function startFacilitator(network: DemoNetwork, wrap: (client: FacilitatorClient) => FacilitatorClient): Promise<string> {
  const { port, stop } = await listen(createFacilitatorApp(wrap(network.facilitator.client)))
  onTestFinished(stop)
  return `{ urls: ["http://127.0.0.1:${port}"] }`
}

/** A gateway that sells what a provider of the demo is paid for, open to callers. */
export async function startShop(
  network: DemoNetwork,
  options: Partial<ShopOptions> = {},
  seller: Partial<DemoProviderOptions> = {},
): Promise<Shop & { readonly provider: PaidProvider }> {
  const provider = await network.startProvider({ id: 'thrift', prices: { prompt: '0.00001', completion: '0.00005' }, ...seller })
  const world = await writeShop(network, { sellers: [provider], ...options })
  return { ...(await openShop(world)), provider }
}

export type Shop = { readonly url: string; readonly engine: TestEngine; readonly world: ShopWorld }

/** Opens a gateway on the files; closed when the test has finished. */
export async function openShop(world: ShopWorld): Promise<Shop> {
  const engine = await openEngine(world)
  const log = createLog('debug', () => {}, systemClock.now)
  const server = await serveHttp(engine.routeplane, {
    ...{ host: '127.0.0.1', port: 0, skipAuth: false, token: new Secret(OPERATOR_TOKEN), drainMs: 1_000 },
    ...{ log, protocols, foldParts, version: 'test' },
    mcp: async () => createMcpHttp(engine.routeplane, { log, version: 'test' }),
  })
  onTestFinished(() => server.close())
  return { url: server.url, engine, world }
}

/** A caller with money and no account with anybody. */
export async function createBuyer(network: Pick<WorldNetwork, 'mint'>, funds = 5_000_000n): Promise<PrivateKeyAccount> {
  const account = privateKeyToAccount(randomHex(32))
  await network.mint(account.address, funds as Atomic)
  return account
}

/** The official client of x402 v2; it may pay by whatever it has schemes for. */
export function x402ClientOf(account: PrivateKeyAccount, schemes: readonly ('exact' | 'upto')[] = ['exact']): x402Client {
  const client = new x402Client((_version, offers) => {
    const wanted = offers.find(({ scheme }) => schemes.includes(scheme as 'exact'))
    if (wanted === undefined) throw new Error('no offer is by a wanted scheme')
    return wanted
  })
  if (schemes.includes('exact')) client.register('eip155:*', new ExactEvmScheme(account))
  if (schemes.includes('upto')) client.register('eip155:*', new UptoEvmScheme(account))
  return client
}

/** `fetch` that pays, unmodified from its package. */
export function payingFetch(account: PrivateKeyAccount, schemes?: readonly ('exact' | 'upto')[], send: typeof fetch = fetch): typeof fetch {
  return wrapFetchWithPayment(send, x402ClientOf(account, schemes)) as typeof fetch
}

export type Wire = {
  readonly name: string
  path(stream: boolean): string
  body(stream: boolean, text: string): object
  textOf(body: string): string
}

const joined = (body: string, pick: (event: never) => string | undefined) =>
  body
    .split('\n')
    .filter((line) => line.startsWith('data: {'))
    .map((line) => pick(JSON.parse(line.slice(6)) as never) ?? '')
    .join('')
const isStream = (body: string) => body.includes('data: ')
const model = 'demo/echo'

type ChatEvent = { choices?: { delta?: { content?: string } }[] }
type MessageEvent = { type: string; delta?: { text?: string } }
type ResponseEvent = { type: string; delta?: string }
type ContentEvent = { candidates?: { content?: { parts?: { text?: string }[] } }[] }

/** One question in each wire, with and without a stream, and the text of its answer. */
export const wires: readonly Wire[] = [
  {
    name: 'chat_completions',
    path: () => '/v1/chat/completions',
    body: (stream, text) => ({ model, stream, max_tokens: 20, messages: [{ role: 'user', content: text }] }),
    textOf: (body) =>
      isStream(body)
        ? joined(body, (event: ChatEvent) => event.choices?.[0]?.delta?.content)
        : ((JSON.parse(body) as { choices: { message: { content: string } }[] }).choices[0]?.message.content ?? ''),
  },
  {
    name: 'messages',
    path: () => '/v1/messages',
    body: (stream, text) => ({ model, stream, max_tokens: 20, messages: [{ role: 'user', content: text }] }),
    textOf: (body) =>
      isStream(body)
        ? joined(body, (event: MessageEvent) => (event.type === 'content_block_delta' ? event.delta?.text : undefined))
        : ((JSON.parse(body) as { content: { text: string }[] }).content[0]?.text ?? ''),
  },
  {
    name: 'responses',
    path: () => '/v1/responses',
    body: (stream, text) => ({ model, stream, max_output_tokens: 20, input: text }),
    textOf: (body) =>
      isStream(body)
        ? joined(body, (event: ResponseEvent) => (event.type === 'response.output_text.delta' ? event.delta : undefined))
        : ((JSON.parse(body) as { output: { content?: { text: string }[] }[] }).output.flatMap(({ content }) => content ?? [])[0]?.text ??
          ''),
  },
  {
    name: 'generate_content',
    path: (stream) => `/v1beta/models/${model}:${stream ? 'streamGenerateContent?alt=sse' : 'generateContent'}`,
    body: (_stream, text) => ({ contents: [{ role: 'user', parts: [{ text }] }], generationConfig: { maxOutputTokens: 20 } }),
    textOf: (body) =>
      isStream(body)
        ? joined(body, (event: ContentEvent) => event.candidates?.[0]?.content?.parts?.[0]?.text)
        : ((JSON.parse(body) as ContentEvent).candidates?.[0]?.content?.parts?.[0]?.text ?? ''),
  },
]

export const [chatWire] = wires as [Wire]

export type Bought = {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** What proves the payment, from the header or from the comment at the end of a stream. */
  readonly receipt: SettleResponse | undefined
}

/** Sends one request and reads its answer to the end. */
export async function order(send: typeof fetch, url: string, wire: Wire, options: OrderOptions = {}): Promise<Bought> {
  const { stream = false, text = 'how are you?', headers = {} } = options
  const response = await send(url + wire.path(stream), {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(wire.body(stream, text)),
  })
  const body = await response.text()
  return { status: response.status, headers: response.headers, text: body, receipt: receiptIn(response.headers, body) }
}

export type OrderOptions = { readonly stream?: boolean; readonly text?: string; readonly headers?: Readonly<Record<string, string>> }

export function receiptIn(headers: Headers, body: string): SettleResponse | undefined {
  const comment = /^: (?:x-)?payment-response (\S+)$/m.exec(body)?.[1]
  const text = headers.get('payment-response') ?? headers.get('x-payment-response') ?? comment
  return text === undefined ? undefined : decodePaymentResponseHeader(text)
}

/** Asks for the price and signs it, without sending the payment: a test can stand between the two. */
export async function signFor(
  account: PrivateKeyAccount,
  url: string,
  wire: Wire,
  options: OrderOptions = {},
): Promise<{ readonly required: PaymentRequired; readonly headers: Record<string, string> }> {
  const { stream = false, text = 'how are you?' } = options
  const response = await fetch(url + wire.path(stream), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(wire.body(stream, text)),
  })
  const client = new x402HTTPClient(x402ClientOf(account))
  const body: unknown = await response.json()
  if (response.status !== 402) throw new Error(`asked for a price and got ${response.status}: ${JSON.stringify(body)}`)
  const required = client.getPaymentRequiredResponse((name) => response.headers.get(name), body)
  return { required, headers: client.encodePaymentSignatureHeader(await client.createPaymentPayload(required)) }
}

/** The sales in the ledger, newest first, read as another process would. */
export function salesOf(world: ShopWorld): Promise<readonly SaleRow[]> {
  return readLedger(world, ({ sales }) => sales.list({}))
}

/** Asks again while the request is being answered. */
export async function untilAnswered<T extends { readonly status: number }>(ask: () => Promise<T>): Promise<T> {
  for (let tries = 0; ; tries++) {
    const answer = await ask()
    if (answer.status !== 409 || tries > 100) return answer
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
