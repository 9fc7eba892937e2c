/** A gateway for the MCP suites, scripted by the model's name; what a payment would do is told on stderr. */
import type { CancelSignal } from '../../src/lib/cancel.ts'
import { noAllowances, noKeys, noProviders, noSales } from '../support/no-providers.ts'
import type { CompletionPart } from '../../src/completion/part.ts'
import { RouteplaneError } from '../../src/errors.ts'
import type { Completion, CompletionSummary, GatewayCall } from '../../src/gateway/call.ts'
import { parseUsd } from '../../src/money.ts'
import { createPresetStore } from '../../src/routing/preset.ts'
import type { ModelListing, Routeplane } from '../../src/routeplane.ts'
import { oneByOne } from '../support/parts.ts'

const tell = (line: string) => void process.stderr.write(`${line}\n`)

const SUMMARY: CompletionSummary = {
  usage: { inputTokens: 7, outputTokens: 2, origin: 'provider' },
  finishReason: 'stop',
  modelServed: 'one-2026',
  costUsd: parseUsd('0.0003'),
  paidUsd: parseUsd('0.0004'),
  receiptId: 'att_1',
  transaction: '0xabc',
  paymentStatus: 'settled',
  totalMs: 5,
}

function completion(call: GatewayCall, parts: AsyncIterable<CompletionPart>, closed: Promise<CompletionSummary>): Completion {
  const head = {
    requestId: call.id,
    provider: 'acme',
    model: call.read.model,
    attempts: 1,
    mode: 'x402',
    costUsd: parseUsd('0.0005'),
    losses: [{ path: 'seed', feature: 'seed', action: 'omitted' as const, how: 'left out' }],
    warnings: ['retires soon'],
  }
  return { head, answer: { lane: 'translate', parts: oneByOne(parts) }, closed }
}

async function* say(...texts: readonly string[]): AsyncIterable<CompletionPart> {
  yield { type: 'start', id: 'c', model: 'm' }
  for (const text of texts) yield { type: 'text-delta', block: 0, text }
  yield { type: 'finish', finishes: [{ candidate: 0, reason: 'stop' }], usage: undefined }
}

/** Holds its answer until it is aborted, and then takes its time to record the payment. */
async function* hang(signal: CancelSignal): AsyncIterable<CompletionPart> {
  yield { type: 'text-delta', block: 0, text: 'never more than ' }
  tell('hanging')
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
  throw signal.reason as Error
}

const recorded = (signal: CancelSignal): Promise<CompletionSummary> =>
  new Promise((resolve) => {
    signal.addEventListener('abort', () =>
      setTimeout(() => {
        tell('payment recorded')
        resolve({ usage: undefined, costUsd: undefined, paidUsd: undefined, totalMs: 1 })
      }, 50),
    )
  })

async function* breakOff(): AsyncIterable<CompletionPart> {
  yield { type: 'text-delta', block: 0, text: 'half an ' }
  yield { type: 'error', error: new RouteplaneError('stream_incomplete', 'the upstream broke off', { money: 'settled' }) }
}

async function answer(call: GatewayCall, print: () => void): Promise<Completion> {
  const { model } = call.read
  call.onProgress?.({ step: 'attempt', provider: 'acme', model, mode: 'x402', attempt: 1 })
  call.onProgress?.({ step: 'held', amountUsd: parseUsd('0.01') })
  call.onProgress?.({ step: 'signed', amountUsd: parseUsd('0.0005'), payee: '0x02' })
  print()
  switch (model) {
    case 'acme/hang':
      return completion(call, hang(call.signal), recorded(call.signal))
    case 'acme/broken':
      return completion(call, breakOff(), Promise.resolve(SUMMARY))
    case 'acme/refused':
      throw new RouteplaneError('budget_exceeded', 'the day is spent', { hint: 'Ask the operator.', details: { cap: parseUsd('5') } })
    case 'acme/unknown':
      throw new RouteplaneError('payment_outcome_unknown', 'nobody knows', { money: 'unknown' })
    case 'acme/elder':
      throw new RouteplaneError('store_unavailable', 'the ledger is newer', { details: { reason: 'version' } })
    case 'acme/crash':
      throw new TypeError('secret internals')
    case 'acme/long':
      return completion(call, say('a'.repeat(500), 'b'.repeat(500), 'c'.repeat(500)), Promise.resolve(SUMMARY))
    default: {
      const { turns, system } = call.decode()
      const { needs, extensions } = call.read
      const heard = { model, turns: turns.map(({ role, parts }) => [role, parts]), system, needs, extensions }
      const text = JSON.stringify(heard, (_key, value: unknown) => (typeof value === 'bigint' ? value.toString() : value))
      return completion(call, say(text), Promise.resolve(SUMMARY))
    }
  }
}

type Endpoint = ModelListing['endpoints'][number]

function listing(id: string, price: string | undefined, mode: 'byok' | 'x402'): ModelListing {
  const endpoint: Endpoint = {
    provider: {
      id: `${mode}-shop`,
      name: mode,
      baseUrl: 'https://acme.test',
      status: 'active',
      kind: 'third_party',
      source: 'config',
      access: { kind: 'none' },
      payment: { modes: [mode] },
      protocols: [],
      rateLimits: [],
      weight: 1,
    },
    modelId: id,
    upstreamModel: id,
    name: id,
    protocols: ['chat_completions'],
    pricing: price === undefined ? undefined : { tiers: [tier(price)] },
    contextLength: 8_000,
    inputModalities: ['text'],
    outputModalities: ['text'],
    features: mode === 'x402' ? ['tools'] : undefined,
    samplingParameters: undefined,
    isReady: true,
  }
  return { id, name: id.toUpperCase(), endpoints: [endpoint], ...(price === undefined ? {} : { uptime: 0.99 }) }
}

function tier(price: string): NonNullable<Endpoint['pricing']>['tiers'][0] {
  const usd = parseUsd(price)
  const silent = { cacheRead: undefined, cacheWrite: undefined, reasoning: undefined, image: undefined, request: undefined }
  return { fromInputTokens: 0, prompt: usd, completion: usd, ...silent }
}

const MODELS = [listing('acme/b', '0.000002', 'x402'), listing('acme/a', '0.000001', 'byok'), listing('other/c', undefined, 'x402')]

const RECEIPT: NonNullable<Awaited<ReturnType<Routeplane['receipts']['get']>>> = {
  id: 'att_1',
  requestId: 'req_1',
  provider: 'acme',
  model: 'acme/a',
  mode: 'x402',
  state: 'settled',
  heldUsd: parseUsd('0.0004'),
  owner: 'test',
  createdAt: 0,
  updatedAt: 0,
}

/** Its answers depend on the model's name alone; presets live in memory. `print` is called at every completion. */
export function createGateway(print: () => void = () => {}): Routeplane {
  const presets = createPresetStore([{ name: 'operator', model: 'acme/a', maxCostUsd: parseUsd('0.01') }])
  return {
    complete: (call) => answer(call, print),
    explain: async (call) => ({
      requestId: call.id,
      requested: call.read.model,
      resolved: [call.read.model],
      capUsd: parseUsd('0.5'),
      candidates: [
        {
          endpoint: 'acme:a',
          model: call.read.model,
          rank: 1,
          score: 1,
          terms: {},
          losses: [{ path: 'seed', feature: 'seed', action: 'omitted', how: 'left out' }],
        },
      ],
      refused: [{ endpoint: 'x:y', model: 'y', reason: 'payment', detail: 'no key' }],
      attempts: [{ endpoint: 'acme:a', mode: 'x402', boundUsd: parseUsd('0.002'), warnings: ['retires soon'] }],
    }),
    replay: async () => undefined,
    reload: async () => {},
    providers: noProviders,
    sales: noSales,
    keys: noKeys,
    allowances: noAllowances,
    catalog: { models: () => MODELS, model: (id) => MODELS.find((model) => model.id === id) },
    receipts: {
      list: async () => [RECEIPT],
      get: async (id) => (id === RECEIPT.id ? RECEIPT : undefined),
      papers: async () => [],
      verify: () => Promise.reject(new Error('not here')),
      reconcile: () => Promise.reject(new Error('not here')),
      reconcileAll: () => Promise.reject(new Error('not here')),
    },
    holdings: async () => [],
    verifyLedger: async () => ({ ok: true }),
    invoices: { list: async () => [], statement: async () => undefined, close: async () => undefined },
    approvals: { list: async () => [], decide: () => Promise.reject(new Error('not here')) },
    channels: {
      list: async () => [],
      close: () => Promise.reject(new Error('not here')),
      withdrawal: () => Promise.reject(new Error('not here')),
      quoteWithdrawal: () => Promise.reject(new Error('not here')),
      withdraw: () => Promise.reject(new Error('not here')),
    },
    presets: {
      list: () => presets.list(),
      get: (name) => presets.get(name),
      set: async (preset) => presets.set(preset),
      delete: async (name) => presets.delete(name),
    },
    status: async () => ({
      version: '1',
      network: 'eip155:84532',
      caps: [
        { scope: 'request', window: 'request', capUsd: parseUsd('0.5'), availableUsd: parseUsd('0.5') },
        { scope: 'all', window: 'day', capUsd: parseUsd('5'), availableUsd: parseUsd('4.75') },
      ],
      openAttempts: 0,
      providers: 2,
      models: 3,
    }),
    ready: async () => {},
    close: async () => tell('gateway closed'),
  }
}
