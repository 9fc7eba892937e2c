/** A seller that is paid on Solana: the official server and facilitator over our node, and an engine that buys from it. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { x402Facilitator } from '@x402/core/facilitator'
import { decodePaymentSignatureHeader, encodePaymentRequiredHeader, encodePaymentResponseHeader } from '@x402/core/http'
import { x402ResourceServer } from '@x402/core/server'
import type { Network } from '@x402/core/types'
import { toFacilitatorSvmSigner } from '@x402/svm'
import { ExactSvmScheme as ExactSvmFacilitator } from '@x402/svm/exact/facilitator'
import { ExactSvmScheme as ExactSvmServer } from '@x402/svm/exact/server'
import { onTestFinished } from 'vitest'
import type { AttemptRow } from '../../src/ledger/entry.ts'
import { openStates } from '../../src/ledger/rules.ts'
import { encodeBase58 } from '../../src/lib/base58.ts'
import { addressBytes } from '../../src/chain/solana/address.ts'
import { SolanaKey } from '../../src/wallet/solana/key.ts'
import { randomHex } from './chain.ts'
import { readLedger } from './read-ledger.ts'
import { DEVNET, newSolanaKey, startSolanaNode, type SolanaNode } from './solana-node.ts'
import { sse, startUpstream, type Answer, type SeenRequest } from './upstream.ts'

export type SolanaSeller = {
  readonly id: string
  readonly baseUrl: string
  readonly modelsUrl: string
  readonly payTo: string
  readonly feePayer: string
}

/** What a call costs, in base units: less than the bound of the price list. */
export const PRICE = 600n
const pricing = { prompt: '0.000001', completion: '0.00005' }

/** Starts a seller whose offers, verification and settlement are the official packages'. It settles before it answers. */
export async function startSolanaSeller(node: SolanaNode, maxTimeoutSeconds = 60): Promise<SolanaSeller> {
  const [feePayer, payee] = [newSolanaKey(), newSolanaKey()]
  node.giveSol(feePayer.address)
  node.fund(payee.address, 0n)
  const signMessages = async (messages: readonly { readonly content: Uint8Array }[]) =>
    messages.map(({ content }) => ({ [feePayer.address]: feePayer.signMessage(content) }))
  const signer = toFacilitatorSvmSigner({ address: feePayer.address, signMessages } as never, rpcOf(node) as never)
  const facilitator = new x402Facilitator().register(DEVNET as Network, new ExactSvmFacilitator(signer))
  const local = {
    verify: facilitator.verify.bind(facilitator),
    settle: facilitator.settle.bind(facilitator),
    getSupported: async () => facilitator.getSupported(),
  }
  const server = new x402ResourceServer(local as never).register(DEVNET as Network, new ExactSvmServer())
  await server.initialize()
  const price = {
    scheme: 'exact',
    network: DEVNET as Network,
    payTo: payee.address,
    price: `$0.${PRICE.toString().padStart(6, '0')}`,
    maxTimeoutSeconds,
  }
  const accepts = await server.buildPaymentRequirements(price)
  const upstream = await startUpstream((request) => (request.method === 'GET' ? models : serve(request)))
  onTestFinished(() => upstream.close())

  async function serve({ headers, json }: SeenRequest): Promise<Answer> {
    const signature = headers['payment-signature']
    const resource = { url: `${upstream.url}/v1/chat/completions` }
    const ask = async (error?: string): Promise<Answer> => {
      const required = await server.createPaymentRequiredResponse(accepts, resource, error)
      return { status: 402, headers: { 'payment-required': encodePaymentRequiredHeader(required) }, json: {} }
    }
    if (typeof signature !== 'string') return ask('payment required')
    const payload = decodePaymentSignatureHeader(signature)
    const requirement = server.findMatchingRequirements(accepts, payload)
    if (requirement === undefined) return ask('no matching offer')
    const verdict = await server.verifyPayment(payload, requirement)
    if (!verdict.isValid) return ask(verdict.invalidReason)
    const receipt = await server.settlePayment(payload, requirement)
    if (!receipt.success) return ask(receipt.errorReason)
    const paid = { 'payment-response': encodePaymentResponseHeader(receipt) }
    const { stream } = json as { stream?: boolean }
    return stream === true ? { headers: paid, stream: [sse(...chunks, '[DONE]')] } : { headers: paid, json: completion }
  }

  return {
    id: 'solar',
    baseUrl: `${upstream.url}/v1`,
    modelsUrl: `${upstream.url}/v1/models`,
    payTo: payee.address,
    feePayer: feePayer.address,
  }
}

/**
 * The node as the facilitator's signer calls it. The official transport writes a header twice, which Node's `fetch` refuses once the
 * undici of the relays is loaded.
 */
function rpcOf({ rpcUrl }: SolanaNode): object {
  const call = async (method: string, params: readonly unknown[]): Promise<unknown> => {
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
    const response = await fetch(rpcUrl, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
    const { result, error } = (await response.json()) as { result: unknown; error?: { message: string } }
    if (error !== undefined) throw new Error(error.message)
    return result
  }
  const methods = ['getBalance', 'getSignatureStatuses', 'sendTransaction', 'simulateTransaction']
  return Object.fromEntries(methods.map((method) => [method, (...params: unknown[]) => ({ send: () => call(method, params) })]))
}

const models: Answer = {
  json: {
    data: [
      {
        id: 'demo/echo',
        name: 'echo',
        input_modalities: ['text'],
        output_modalities: ['text'],
        context_length: 8_000,
        max_output_length: 256,
        pricing,
      },
    ],
  },
}
const usage = { prompt_tokens: 6, completion_tokens: 3, total_tokens: 9 }
const head = { id: 'chatcmpl-1', created: 1_760_000_000, model: 'demo/echo' }
const completion = {
  ...head,
  object: 'chat.completion',
  choices: [{ index: 0, message: { role: 'assistant', content: 'the sun is up' }, finish_reason: 'stop' }],
  usage,
}
const chunks = [
  {
    ...head,
    object: 'chat.completion.chunk',
    choices: [{ index: 0, delta: { role: 'assistant', content: 'the sun is up' }, finish_reason: null }],
  },
  { ...head, object: 'chat.completion.chunk', choices: [{ index: 0, delta: {}, finish_reason: 'stop' }], usage },
]

export type SolanaWorld = {
  readonly node: SolanaNode
  readonly directory: string
  readonly file: string
  readonly ledgerPath: string
  readonly payer: string
  readonly secret: string
  readonly variables: Readonly<Record<string, string>>
}

export const FUNDS = 1_000_000n

/** Writes config and registry of a buyer with a funded wallet on Solana. */
export async function writeSolanaWorld(
  node: SolanaNode,
  seller: Omit<SolanaSeller, 'feePayer'>,
  lines: readonly string[] = [],
): Promise<SolanaWorld> {
  const directory = await mkdtemp(join(tmpdir(), 'routeplane-solana-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  const seed = Buffer.from(randomHex(32).slice(2), 'hex')
  const payer = new SolanaKey(seed).address
  const secret = encodeBase58(Buffer.concat([seed, addressBytes(payer) ?? Buffer.alloc(0)]))
  node.fund(payer, FUNDS)
  await mkdir(join(directory, 'registry', 'providers'), { recursive: true })
  await writeFile(join(directory, 'registry', 'providers', `${seller.id}.yaml`), manifestOf(seller))
  const file = join(directory, 'routeplane.yaml')
  const config = [
    'skip_auth: true',
    'registry: { path: ./registry }',
    'upstream: { allow_loopback: true }',
    'budget: { per_request_usd: "0.02", per_day_usd: "1" }',
    `wallet: { key_env: TEST_WALLET_KEY, solana: { key_env: TEST_SOLANA_KEY }, rpc: { "${DEVNET}": "${node.rpcUrl}" } }`,
    'ledger: { path: ./ledger.db }',
    ...lines,
  ]
  await writeFile(file, `${config.join('\n')}\n`)
  const variables = { TEST_WALLET_KEY: randomHex(32), TEST_SOLANA_KEY: secret, ROUTEPLANE_HOME: join(directory, 'home') }
  return { node, directory, file, ledgerPath: join(directory, 'ledger.db'), payer, secret, variables }
}

function manifestOf({ id, baseUrl, modelsUrl, payTo }: Omit<SolanaSeller, 'feePayer'>): string {
  return [
    `id: ${id}`,
    `name: ${id}`,
    `endpoint: ${baseUrl}`,
    'protocol: openai',
    `models_url: ${modelsUrl}`,
    'payment:',
    '  modes: [x402]',
    `  x402_address: "${payTo}"`,
    '',
  ].join('\n')
}

/** The attempts of a world's ledger, read as another process would. */
export function attemptsOf(world: Pick<SolanaWorld, 'ledgerPath'>): Promise<readonly AttemptRow[]> {
  return readLedger(world, ({ attempts }) => attempts.list({}))
}

/** Waits until no attempt is open any more. @throws Error after ten seconds. */
export async function closedAttempts(world: Pick<SolanaWorld, 'ledgerPath'>): Promise<readonly AttemptRow[]> {
  for (let tries = 0; ; tries++) {
    const rows = await attemptsOf(world)
    if (!rows.some(({ state }) => openStates.includes(state))) return rows
    if (tries > 100) throw new Error(`still open: ${rows.map(({ state, reason }) => `${state} ${reason}`).join(', ')}`)
    await sleep(100)
  }
}

/** Node and seller of one test. */
export async function openSolanaMarket(): Promise<{ readonly node: SolanaNode; readonly seller: SolanaSeller }> {
  const node = await startSolanaNode()
  return { node, seller: await startSolanaSeller(node) }
}
