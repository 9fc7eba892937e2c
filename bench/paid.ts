/** What selling costs: paid calls of each scheme beside calls with the operator's token, of one gateway, on a local chain. */
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { x402Client } from '@x402/core/client'
import { toClientEvmSigner } from '@x402/evm'
import { BatchSettlementEvmScheme } from '@x402/evm/batch-settlement/client'
import { ExactEvmScheme } from '@x402/evm/exact/client'
import { UptoEvmScheme } from '@x402/evm/upto/client'
import { wrapFetchWithPayment } from '@x402/fetch'
import { evm, Mppx, tempo } from 'mppx/client'
import { assets } from 'mppx/evm'
import { createClient, createPublicClient, http } from 'viem'
import { generatePrivateKey, privateKeyToAccount, type PrivateKeyAccount } from 'viem/accounts'
import { tempoModerato } from 'viem/chains'
import { installChannelContracts } from '../src/demo/channel-contracts.ts'
import { startDemoNetwork, type DemoNetwork } from '../src/demo/network.ts'
import { approvePermits, installPermitContracts } from '../src/demo/permit-contracts.ts'
import { startReserveNode } from '../src/demo/reserve-node.ts'
import { allowReserve } from '../src/demo/session-provider.ts'
import { startTempoNetwork, type TempoNetwork } from '../src/demo/tempo-network.ts'
import type { Atomic } from '../src/money.ts'
import { median } from './cold-start.ts'
import { freePort, startServer, stop } from './process.ts'

/** What a first token takes from the first request on, in milliseconds: as its client's own fetch sees the parts of it. */
type FirstToken = {
  readonly wholeMs: number
  /** The first request and its 402; zero of calls that are not paid for. */
  readonly askedMs: number
  /** From the 402 to the request that pays: the client reads the offers and signs. */
  readonly signedMs: number
  /** From the last request to its first byte. */
  readonly servedMs: number
}
/** Medians of a model that thinks for {@link THINKING_MS}; whole answers a second, eight at a time. */
export type PaidRow = FirstToken & { readonly who: string; readonly requestsPerSecond: number }
export type PaidReport = { readonly rows: readonly PaidRow[]; readonly httpCallMs: number; readonly mcpCallMs: number }

const TOKEN = 'bench-token-of-at-least-32-characters'
const AT_ONCE = 8
const GAS = '0x3635c9adc5dea00000'
/** More than any bench spends. */
const FUNDS = 1_000_000_000n as Atomic

type Pay = (url: string, init: RequestInit) => Promise<Response>

/** @param calls - Of each kind, for each row. */
export async function measurePaid(program: string, mockPort: number, calls: number): Promise<PaidReport> {
  const onBase = await measureOnBase(program, mockPort, calls)
  return { ...onBase, rows: [...onBase.rows, ...(await measureOnTempo(program, mockPort, calls))] }
}

async function measureOnBase(program: string, mockPort: number, calls: number): Promise<PaidReport> {
  const network = await startDemoNetwork()
  try {
    await installChannelContracts(network.anvil.rpc)
    await installPermitContracts(network.anvil.rpc)
    return await withShop(program, network, mockPort, async (origin) => {
      const rows = await measureRows(await payersOf(network), origin, calls)
      return { rows, ...(await measureMcp(origin, calls)) }
    })
  } finally {
    await network.stop()
  }
}

/** One transaction a call, and a channel with vouchers. */
async function measureOnTempo(program: string, mockPort: number, calls: number): Promise<readonly PaidRow[]> {
  const chain = await startTempoNetwork()
  const node = await startReserveNode(chain)
  const network = { ...chain, rpcUrl: node.url }
  try {
    return await withShop(program, network, mockPort, async (origin) => measureRows(await tempoPayersOf(network), origin, calls))
  } finally {
    node.stop()
    await chain.stop()
  }
}

type Payer = { readonly who: string; readonly pay: Pay; readonly watched: Watched[] }

/** A request that a client has sent, and when its answer began. */
type Watched = { readonly url: string; readonly hasBody: boolean; readonly startedAt: number; readonly endedAt: number }

/** Gives a client a fetch whose times are seen. */
function watch(who: string, make: (own: typeof fetch) => Pay): Payer {
  const watched: Watched[] = []
  const own: typeof fetch = async (input, init) => {
    const startedAt = performance.now()
    const answer = await fetch(input, init)
    const isRequest = input instanceof Request
    const hasBody = isRequest ? input.body !== null : (init?.body ?? undefined) !== undefined
    watched.push({ url: isRequest ? input.url : String(input), hasBody, startedAt, endedAt: performance.now() })
    return answer
  }
  return { who, pay: make(own), watched }
}

async function withShop<T>(program: string, network: Shop, mockPort: number, use: (origin: string) => Promise<T>): Promise<T> {
  const gateway = await startGateway(program, network, mockPort)
  try {
    return await use(`http://127.0.0.1:${gateway.port}`)
  } finally {
    await stop(gateway)
  }
}

type Shop = Pick<DemoNetwork, 'network' | 'rpcUrl' | 'anvil' | 'mint'>

async function startGateway(program: string, network: Shop, mockPort: number) {
  const key = generatePrivateKey()
  const { address } = privateKeyToAccount(key)
  await network.anvil.rpc('anvil_setBalance', [address, GAS])
  // Gas is paid in dollars on Tempo.
  await network.mint(address, FUNDS)
  const home = mkdtempSync(join(tmpdir(), 'routeplane-bench-paid-'))
  const port = await freePort()
  const config = `
listen: { host: 127.0.0.1, port: ${port} }
auth_token: ${TOKEN}
providers:
  bench:
    api_base: http://127.0.0.1:${mockPort}/v1
    api_key: bench-key
    models: [{ id: bench-model, pricing: { prompt: "0.000001", completion: "0.000002" }, context_length: 128000, max_output_length: 4096 }]
upstream: { allow_loopback: true }
ledger: { path: ./ledger.db }
wallet: { network: testnet, rpc: { "${network.network}": "${network.rpcUrl}" } }
charge: { pay_to: "${privateKeyToAccount(generatePrivateKey()).address}", networks: ["${network.network}"], facilitator: { key_env: BENCH_GAS_KEY } }
`
  writeFileSync(join(home, 'routeplane.yaml'), config)
  const env = { HOME: home, ROUTEPLANE_HOME: home, BENCH_GAS_KEY: key }
  return startServer('a gateway that sells', [process.execPath, program, 'serve', '-c', join(home, 'routeplane.yaml')], port, {
    cwd: home,
    env,
  })
}

async function payersOf(network: DemoNetwork): Promise<readonly Payer[]> {
  const account = privateKeyToAccount(generatePrivateKey())
  await network.mint(account.address, FUNDS)
  await approvePermits(network.anvil.rpc, network.asset.address, account.address, FUNDS)
  const mpp = { polyfill: false, methods: [evm({ account, currencies: [assets.baseSepolia.USDC], maxAmount: '1' })] } as const
  return [
    tokenPayer(),
    only('exact', new ExactEvmScheme(account)),
    only('upto', new UptoEvmScheme(account)),
    only('batch-settlement', channelOf(account, network)),
    watch('evm/charge', (own) => Mppx.create({ ...mpp, fetch: own }).fetch as Pay),
  ]
}

/** What the others are compared with. */
function tokenPayer(): Payer {
  return watch('token', (own) => (url, init) => own(url, { ...init, headers: { ...init.headers, authorization: `Bearer ${TOKEN}` } }))
}

async function tempoPayersOf(network: TempoNetwork): Promise<readonly Payer[]> {
  const account = privateKeyToAccount(generatePrivateKey())
  await network.mint(account.address, FUNDS)
  await allowReserve(network, account.address)
  const getClient = () => createClient({ account, chain: tempoModerato, transport: http(network.rpcUrl), pollingInterval: 25 })
  const charge = tempo.charge({ account, getClient })
  const session = tempo.session({ account, getClient, maxDeposit: '5' })
  return [
    tokenPayer(),
    watch('tempo/charge', (own) => Mppx.create({ polyfill: false, methods: [charge], fetch: own }).fetch as Pay),
    watch('tempo/session', (own) => Mppx.create({ polyfill: false, methods: [session], fetch: own }).fetch as Pay),
  ]
}

function channelOf(account: PrivateKeyAccount, { rpcUrl }: DemoNetwork) {
  const signer = toClientEvmSigner(account, createPublicClient({ transport: http(rpcUrl) }))
  return new BatchSettlementEvmScheme(signer, { depositPolicy: { depositMultiplier: 1_000 } })
}

function only(scheme: string, client: Parameters<x402Client['register']>[1]): Payer {
  const chosen = new x402Client((_version, offers) => {
    const offer = offers.find((each) => each.scheme === scheme)
    if (offer === undefined) throw new Error(`${scheme} is not offered`)
    return offer
  })
  chosen.register('eip155:*', client)
  return watch(scheme, (own) => wrapFetchWithPayment(own, chosen) as Pay)
}

const asked = { times: 0 }

/** No two are the same: the same request with the same voucher would be a call that is asked for again, and not be sold anew. */
const request = (stream: boolean, content = 'Hello'): RequestInit => {
  const messages = [{ role: 'user', content: `${content} ${++asked.times}` }]
  return {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'bench-model', stream, max_tokens: 256, messages }),
  }
}

/** What a hosted model takes to its first token, more or less; in the mock provider's own words. */
const THINKING_MS = 250
const THINKING = `[[bench chunks=20 gap_us=1000 first_us=${THINKING_MS * 1_000}]]`
/** Rounds that are not counted: whatever is compiled, connected and opened at first. */
const COLD_ROUNDS = 8

/** A channel takes one call at a time, so that its payer does too; and an account of Tempo, whose transactions have an order. */
const oneAtATime = ['batch-settlement', 'tempo/charge', 'tempo/session']

/** First tokens in rounds in which each payer has his turn, so that what slows the machine slows all of them. */
async function measureRows(payers: readonly Payer[], origin: string, calls: number): Promise<readonly PaidRow[]> {
  const url = `${origin}/v1/chat/completions`
  const seen = payers.map((): FirstToken[] => [])
  for (let round = -COLD_ROUNDS; round < calls; round++) {
    for (const [at, payer] of payers.entries()) {
      const took = await firstToken(payer, url)
      if (round >= 0) seen[at]?.push(took)
    }
  }
  const rows: PaidRow[] = []
  for (const [at, payer] of payers.entries()) {
    rows.push({ who: payer.who, ...medians(seen[at] ?? []), requestsPerSecond: await capacity(payer, url, calls) })
  }
  return rows
}

function medians(all: readonly FirstToken[]): FirstToken {
  const of = (part: keyof FirstToken) => median(all.map((each) => each[part]))
  return { wholeMs: of('wholeMs'), askedMs: of('askedMs'), signedMs: of('signedMs'), servedMs: of('servedMs') }
}

async function capacity({ who, pay }: Payer, url: string, calls: number): Promise<number> {
  const lanes = oneAtATime.includes(who) ? 1 : AT_ONCE
  const startedAt = performance.now()
  await Promise.all(
    Array.from({ length: lanes }, async () => {
      for (let call = 0; call < calls; call++) await whole(pay, url)
    }),
  )
  return (lanes * calls * 1_000) / (performance.now() - startedAt)
}

async function whole(pay: Pay, url: string): Promise<void> {
  const answer = await pay(url, request(false))
  const text = await answer.text()
  if (answer.status !== 200) throw new Error(`the gateway answered ${answer.status}: ${text.slice(0, 300)}`)
}

async function firstToken({ pay, watched }: Payer, url: string): Promise<FirstToken> {
  watched.splice(0)
  const startedAt = performance.now()
  const answer = await pay(url, request(true, THINKING))
  if (answer.status !== 200) throw new Error(`the gateway answered ${answer.status}: ${(await answer.text()).slice(0, 300)}`)
  const reader = answer.body?.getReader()
  await reader?.read()
  const endedAt = performance.now()
  // Before the last event is read: a session's client posts a voucher between two of them.
  const [first, last] = [watched[0], watched.findLast(({ url: asked, hasBody }) => asked === url && hasBody)]
  while ((await reader?.read())?.done === false);
  if (first === undefined || last === undefined) throw new Error('the client has sent nothing')
  const isPaid = first !== last
  return {
    wholeMs: endedAt - startedAt,
    askedMs: isPaid ? first.endedAt - first.startedAt : 0,
    signedMs: isPaid ? last.startedAt - first.endedAt : 0,
    servedMs: endedAt - last.startedAt,
  }
}

/** The same call with the same token, as a tool of the MCP server and as a plain request. */
async function measureMcp(origin: string, calls: number): Promise<{ readonly httpCallMs: number; readonly mcpCallMs: number }> {
  const client = new Client({ name: 'bench', version: '1.0.0' })
  const headers = { authorization: `Bearer ${TOKEN}` }
  await client.connect(new StreamableHTTPClientTransport(new URL(`${origin}/mcp`), { requestInit: { headers } }))
  const [plain, tool]: [number[], number[]] = [[], []]
  for (let call = 0; call < calls; call++) {
    const startedAt = performance.now()
    await whole((url, init) => fetch(url, { ...init, headers: { ...init.headers, ...headers } }), `${origin}/v1/chat/completions`)
    const between = performance.now()
    await client.callTool({ name: 'complete', arguments: { model: 'bench-model', prompt: 'Hello', max_output_tokens: 256 } })
    plain.push(between - startedAt)
    tool.push(performance.now() - between)
  }
  await client.close()
  return { httpCallMs: median(plain), mcpCallMs: median(tool) }
}

export function paidTable({ rows, httpCallMs, mcpCallMs }: PaidReport): string {
  return `${rowsTable(rows)}

MCP tool call: ${mcpCallMs.toFixed(1)} ms, ${(mcpCallMs - httpCallMs).toFixed(1)} ms above the same request (${httpCallMs.toFixed(1)} ms)`
}

/** The calls with a token of each gateway stand before those that are compared with them. */
function rowsTable(rows: readonly PaidRow[]): string {
  let token: PaidRow | undefined
  const lines: string[] = []
  for (const row of rows) {
    if (row.who === 'token') token = row
    const { who, wholeMs, askedMs, signedMs, servedMs, requestsPerSecond } = row
    const unpaidMs = token?.wholeMs ?? Number.NaN
    const parts = [servedMs - unpaidMs, askedMs, signedMs].map((ms) => ms.toFixed(1)).join(' | ')
    const more = `${(wholeMs - unpaidMs).toFixed(1)} (${((wholeMs / unpaidMs - 1) * 100).toFixed(1)} %)`
    lines.push(`| ${who} | ${wholeMs.toFixed(1)} | ${more} | ${parts} | ${requestsPerSecond.toFixed(1)} |`)
  }
  return `| paid by | first token of a model that thinks ${THINKING_MS} ms | added, ms | of it ours: judged, claimed, begun | the 402 | the client signs | req/s |
|---|---|---|---|---|---|---|
${lines.join('\n')}`
}
