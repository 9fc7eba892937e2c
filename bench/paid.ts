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

/** Medians: milliseconds to the first token of a stream, at once and after a model has thought; whole answers a second, eight at a time. */
export type PaidRow = {
  readonly who: string
  readonly firstTokenMs: number
  readonly thinkingMs: number
  readonly requestsPerSecond: number
}
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

type Payer = { readonly who: string; readonly pay: Pay }

async function measureRows(payers: readonly Payer[], origin: string, calls: number): Promise<readonly PaidRow[]> {
  const rows: PaidRow[] = []
  for (const { who, pay } of payers) rows.push(await measureRow(who, pay, origin, calls))
  return rows
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
  const token: Pay = (url, init) => fetch(url, { ...init, headers: { ...init.headers, authorization: `Bearer ${TOKEN}` } })
  const mpp = Mppx.create({ polyfill: false, methods: [evm({ account, currencies: [assets.baseSepolia.USDC], maxAmount: '1' })] })
  return [
    { who: 'token', pay: token },
    { who: 'exact', pay: only('exact', new ExactEvmScheme(account)) },
    { who: 'upto', pay: only('upto', new UptoEvmScheme(account)) },
    { who: 'batch-settlement', pay: only('batch-settlement', channelOf(account, network)) },
    { who: 'evm/charge', pay: mpp.fetch as Pay },
  ]
}

async function tempoPayersOf(network: TempoNetwork): Promise<readonly Payer[]> {
  const account = privateKeyToAccount(generatePrivateKey())
  await network.mint(account.address, FUNDS)
  await allowReserve(network, account.address)
  const getClient = () => createClient({ account, chain: tempoModerato, transport: http(network.rpcUrl), pollingInterval: 25 })
  const charge = Mppx.create({ polyfill: false, methods: [tempo.charge({ account, getClient })] })
  const session = Mppx.create({ polyfill: false, methods: [tempo.session({ account, getClient, maxDeposit: '5' })] })
  return [
    { who: 'tempo/charge', pay: charge.fetch as Pay },
    { who: 'tempo/session', pay: session.fetch as Pay },
  ]
}

function channelOf(account: PrivateKeyAccount, { rpcUrl }: DemoNetwork) {
  const signer = toClientEvmSigner(account, createPublicClient({ transport: http(rpcUrl) }))
  return new BatchSettlementEvmScheme(signer, { depositPolicy: { depositMultiplier: 1_000 } })
}

function only(scheme: string, client: Parameters<x402Client['register']>[1]): Pay {
  const chosen = new x402Client((_version, offers) => {
    const offer = offers.find((each) => each.scheme === scheme)
    if (offer === undefined) throw new Error(`${scheme} is not offered`)
    return offer
  })
  return wrapFetchWithPayment(fetch, chosen.register('eip155:*', client)) as Pay
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
const THINKING = '[[bench chunks=20 gap_us=1000 first_us=250000]]'
/** Each takes its time. */
const THINKING_CALLS = 12

/** A channel takes one call at a time, so that its payer does too; and an account of Tempo, whose transactions have an order. */
const oneAtATime = ['batch-settlement', 'tempo/charge', 'tempo/session']

async function measureRow(who: string, pay: Pay, origin: string, calls: number): Promise<PaidRow> {
  const url = `${origin}/v1/chat/completions`
  await whole(pay, url)
  const firsts: number[] = []
  for (let call = 0; call < calls; call++) firsts.push(await firstToken(pay, url))
  const thinking: number[] = []
  for (let call = 0; call < Math.min(calls, THINKING_CALLS); call++) thinking.push(await firstToken(pay, url, THINKING))
  const lanes = oneAtATime.includes(who) ? 1 : AT_ONCE
  const startedAt = performance.now()
  await Promise.all(
    Array.from({ length: lanes }, async () => {
      for (let call = 0; call < calls; call++) await whole(pay, url)
    }),
  )
  const requestsPerSecond = (lanes * calls * 1_000) / (performance.now() - startedAt)
  return { who, firstTokenMs: median(firsts), thinkingMs: median(thinking), requestsPerSecond }
}

async function whole(pay: Pay, url: string): Promise<void> {
  const answer = await pay(url, request(false))
  const text = await answer.text()
  if (answer.status !== 200) throw new Error(`the gateway answered ${answer.status}: ${text.slice(0, 300)}`)
}

/** Milliseconds from the first request, which asks for the price, to the first byte of the paid answer. */
async function firstToken(pay: Pay, url: string, content?: string): Promise<number> {
  const startedAt = performance.now()
  const answer = await pay(url, request(true, content))
  if (answer.status !== 200) throw new Error(`the gateway answered ${answer.status}: ${(await answer.text()).slice(0, 300)}`)
  const reader = answer.body?.getReader()
  await reader?.read()
  const took = performance.now() - startedAt
  while ((await reader?.read())?.done === false);
  return took
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
  const [token] = rows
  const line = ({ who, firstTokenMs, thinkingMs, requestsPerSecond }: PaidRow) => {
    const added = token === undefined ? Number.NaN : firstTokenMs - token.firstTokenMs
    const more = token === undefined ? Number.NaN : (thinkingMs / token.thinkingMs - 1) * 100
    return `| ${who} | ${firstTokenMs.toFixed(1)} | ${added.toFixed(1)} | ${thinkingMs.toFixed(0)} (+${more.toFixed(0)} %) | ${requestsPerSecond.toFixed(1)} |`
  }
  return `| paid by | first token, ms | added, ms | from a model that thinks 250 ms | req/s |
|---|---|---|---|---|
${rows.map(line).join('\n')}

MCP tool call: ${mcpCallMs.toFixed(1)} ms, ${(mcpCallMs - httpCallMs).toFixed(1)} ms above the same request (${httpCallMs.toFixed(1)} ms)`
}
