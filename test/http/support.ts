/** A tiny wire, a scripted gateway and raw sockets, so that the HTTP surface can be tried without an engine. */
import { noAllowances, noKeys, noProviders, noSales } from '../support/no-providers.ts'
import { connect } from 'node:net'
import type { CompletionPart, PartStream } from '../../src/completion/part.ts'
import type { CompletionResult } from '../../src/completion/result.ts'
import type { CompletionRequest } from '../../src/completion/request.ts'
import { RouteplaneError, answerStatus } from '../../src/errors.ts'
import type { Completion, CompletionHead, GatewayCall } from '../../src/gateway/call.ts'
import type { ServeOptions } from '../../src/http/serve.ts'
import { serveHttp } from '../../src/http/serve.ts'
import { isRecord } from '../../src/lib/json.ts'
import { Secret, silentLog } from '../../src/lib/log.ts'
import { type Usd, parseUsd } from '../../src/money.ts'
import type { Protocol, WireRequest } from '../../src/protocol/protocol.ts'
import type { ModelListing, Routeplane } from '../../src/routeplane.ts'
import { collectParts } from '../support/parts.ts'

export const TOKEN = 'rp-test-token-5f0c'

/** Enough of chat completions for the surface: reads `model` and `stream`, writes text. */
export const chat: Protocol = {
  id: 'chat_completions',
  aliases: [],
  caller: {
    paths: ['/v1/chat/completions'],
    read: ({ json }) => {
      if (typeof json.model !== 'string') throw new RouteplaneError('invalid_request', 'model must be a string')
      return {
        model: json.model,
        needs: {
          features: [],
          samplingParameters: [],
          inputModalities: ['text'],
          outputModalities: ['text'],
          maxInputTokens: 100,
          expectedInputTokens: 10,
          images: 0,
          candidates: 1,
          stream: json.stream === true,
        },
        extensions: {},
      }
    },
    decodeRequest: decode,
    pathOf: (path) => path,
    presetMembers: () => new Map(),
    encodeResult: (result, { model }) => ({
      id: result.id,
      object: 'chat.completion',
      created: 0,
      model,
      choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: textOf(result) } }],
    }),
    encodeStream: encodeEvents,
    encodeError: (error, requestId) => {
      const body = {
        error: { message: error.message, type: error.fault, code: error.code, hint: error.hint, money: error.money, requestId },
      }
      return { status: answerStatus(error), body, event: `data: ${JSON.stringify(body)}\n\n` }
    },
  },
  upstream: {
    encodeRequest: never,
    forward: never,
    limitOutput: never,
    authorize: never,
    decodeResult: never,
    decodeStream: never,
    decodeError: never,
    createTap: never,
    createUsageFilter: never,
  },
}

/** The same wire at Google's kind of path, for what only such paths can do. */
export const google: Protocol = {
  ...chat,
  id: 'generate_content',
  caller: {
    ...chat.caller,
    paths: ['/v1beta/models/:model{.+}'],
    read: (wire) => chat.caller.read({ ...wire, json: { model: wire.path, stream: wire.path.endsWith(':streamGenerateContent') } }),
    encodeError: (error, requestId) => {
      const body = { error: { code: answerStatus(error), status: error.code.toUpperCase(), message: error.message, requestId } }
      return { status: answerStatus(error), body, event: `data: ${JSON.stringify(body)}\n\n` }
    },
  },
}

function never(): never {
  throw new Error('the surface must not call the upstream side')
}

function decode({ json }: WireRequest): CompletionRequest {
  return {
    model: String(json.model),
    system: [],
    turns: [],
    tools: [],
    sampling: {},
    stop: [],
    candidates: 1,
    output: { kind: 'text' },
    outputModalities: ['text'],
    stream: json.stream === true,
    state: {},
    account: {},
    unknown: [],
  }
}

function textOf(result: CompletionResult): string {
  return (result.candidates[0]?.content ?? []).map((content) => (content.type === 'text' ? content.text : '')).join('')
}

async function* encodeEvents(stream: PartStream, { model }: { readonly model: string }): AsyncIterable<string> {
  const chunk = (choices: unknown) =>
    `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 0, model, choices })}\n\n`
  yield chunk([{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null }])
  for (const part of await collectParts(stream)) {
    if (part.type === 'text-delta') yield chunk([{ index: 0, delta: { content: part.text }, finish_reason: null }])
    if (part.type === 'error')
      return void (yield `data: ${JSON.stringify({ error: { message: part.error.message, code: part.error.code } })}\n\n`)
  }
  yield chunk([{ index: 0, delta: {}, finish_reason: 'stop' }])
  yield 'data: [DONE]\n\n'
}

/** Folds text and nothing else. */
export async function foldText(stream: PartStream): Promise<CompletionResult> {
  let text = ''
  for (const part of await collectParts(stream)) {
    if (part.type === 'text-delta') text += part.text
    if (part.type === 'error') throw part.error
  }
  return {
    id: 'c',
    model: 'm',
    candidates: [{ index: 0, content: [{ type: 'text', text }], extras: [], finish: { candidate: 0, reason: 'stop' } }],
    usage: undefined,
  }
}

export const HEAD: CompletionHead = {
  requestId: 'req_1',
  provider: 'acme',
  model: 'acme/one',
  attempts: 1,
  mode: 'byok',
  losses: [],
  warnings: [],
}

export function completionOf(answer: Completion['answer'], head: Partial<CompletionHead> = {}): Completion {
  const closed = Promise.resolve({ usage: undefined, costUsd: undefined, paidUsd: undefined, totalMs: 1 })
  return { head: { ...HEAD, ...head }, answer, closed }
}

export function nativeJson(value: unknown, head: Partial<CompletionHead> = {}): Completion {
  const body = Buffer.from(JSON.stringify(value))
  return completionOf({ lane: 'native', status: 200, headers: { 'content-type': 'application/json' }, body }, head)
}

export function nativeStream(body: AsyncIterable<Uint8Array>): Completion {
  return completionOf({ lane: 'native', status: 200, headers: { 'content-type': 'text/event-stream' }, body })
}

export async function* textParts(...texts: readonly string[]): AsyncGenerator<readonly CompletionPart[]> {
  yield [{ type: 'start', id: 'c', model: 'm' }]
  for (const text of texts) yield [{ type: 'text-delta', block: 0, text }]
  yield [{ type: 'finish', finishes: [{ candidate: 0, reason: 'stop' }], usage: undefined }]
}

const NO_PRICES = {
  fromInputTokens: 0,
  prompt: undefined,
  completion: undefined,
  cacheRead: undefined,
  cacheWrite: undefined,
  reasoning: undefined,
  image: undefined,
  request: undefined,
}

export const LISTING = {
  id: 'acme/one',
  name: 'One',
  endpoints: [endpoint('dear', '0.000003', '0.000015', 8_000), endpoint('cheap', '0.0000001', '0.0000004', 128_000)],
} satisfies ModelListing

function endpoint(provider: string, prompt: string, completion: string, contextLength: number): ModelListing['endpoints'][number] {
  return {
    provider: {
      id: provider,
      name: provider,
      baseUrl: `https://${provider}.test`,
      status: 'active',
      kind: 'third_party',
      source: 'config',
      access: { kind: 'none' },
      payment: { modes: ['byok', 'x402'] },
      protocols: [],
      rateLimits: [],
      weight: 1,
    },
    modelId: 'acme/one',
    upstreamModel: `one-${provider}`,
    name: 'One',
    protocols: ['chat_completions'],
    pricing: { tiers: [{ ...NO_PRICES, prompt: parseUsd(prompt), completion: parseUsd(completion) }] },
    contextLength,
    inputModalities: ['text'],
    outputModalities: ['text'],
    features: ['tools'],
    samplingParameters: undefined,
    isReady: true,
  }
}

/** A gateway whose answers are scripted, and whose other views are fixed. */
export function scripted(complete: (call: GatewayCall) => Promise<Completion>, more: Partial<Routeplane> = {}): Routeplane {
  return {
    complete,
    explain: never,
    replay: async () => undefined,
    reload: async () => {},
    providers: noProviders,
    sales: noSales,
    keys: noKeys,
    allowances: noAllowances,
    catalog: { models: () => [LISTING], model: (id) => (id === LISTING.id ? LISTING : undefined) },
    receipts: {
      list: async () => [],
      get: async () => undefined,
      papers: async () => [],
      verify: never,
      reconcile: never,
      reconcileAll: never,
    },
    holdings: async () => [],
    verifyLedger: async () => ({ ok: true }),
    presets: { list: () => [], get: () => undefined, set: never, delete: never },
    invoices: { list: async () => [], statement: async () => undefined, close: async () => undefined },
    approvals: { list: async () => [], decide: () => Promise.reject(new Error('not here')) },
    channels: {
      list: async () => [],
      close: () => Promise.reject(new Error('not here')),
      withdrawal: () => Promise.reject(new Error('not here')),
      quoteWithdrawal: () => Promise.reject(new Error('not here')),
      withdraw: () => Promise.reject(new Error('not here')),
    },
    status: async () => ({
      version: '1',
      network: 'eip155:84532',
      caps: [{ scope: 'all', window: 'total', capUsd: parseUsd('5'), availableUsd: 1n as Usd }],
      openAttempts: 0,
      providers: 2,
      models: 1,
    }),
    ready: async () => {},
    close: async () => {},
    ...more,
  }
}

export function serve(routeplane: Routeplane, options: Partial<ServeOptions> = {}): ReturnType<typeof serveHttp> {
  return serveHttp(routeplane, {
    host: '127.0.0.1',
    port: 0,
    token: new Secret(TOKEN),
    skipAuth: false,
    protocols: [chat, google],
    foldParts: foldText,
    log: silentLog,
    version: '1.2.3',
    ...options,
  })
}

export type RawAnswer = { readonly status: number; readonly headers: string; readonly body: string; readonly all: string }

/** Sends bytes as they are and reads until the server closes; what a client library would refuse to send included. */
export function sendRaw(port: number, bytes: string | Uint8Array): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes))
    socket.on('data', (chunk) => chunks.push(chunk))
    socket.on('error', (error: NodeJS.ErrnoException) =>
      error.code === 'ECONNRESET' || error.code === 'EPIPE' ? undefined : reject(error),
    )
    socket.on('close', () => {
      const all = Buffer.concat(chunks).toString('latin1')
      const split = all.indexOf('\r\n\r\n')
      const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(all)?.[1] ?? 0)
      resolve({ status, headers: all.slice(0, split), body: all.slice(split + 4), all })
    })
  })
}

/** A request as text; `connection: close` makes {@link sendRaw} end. */
export function rawRequest(line: string, headers: Readonly<Record<string, string>>, body = ''): string {
  const fields = { connection: 'close', ...headers, ...(body === '' ? {} : { 'content-length': String(Buffer.byteLength(body)) }) }
  return `${line} HTTP/1.1\r\n${Object.entries(fields)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')}\r\n${body}`
}

/** The error code of an answer's body, in either envelope of this file. */
export function codeOf(body: string): unknown {
  const parsed: unknown = JSON.parse(body)
  return isRecord(parsed) && isRecord(parsed.error) ? (parsed.error.status ?? parsed.error.code) : undefined
}

export type Deferred<T> = { readonly promise: Promise<T>; resolve(value: T): void; reject(reason: Error): void }

/** A promise settled from outside: the tests' way to hold an answer back without a clock. */
export function deferred<T = void>(): Deferred<T> {
  let settle: Omit<Deferred<T>, 'promise'> | undefined
  const promise = new Promise<T>((resolve, reject) => {
    settle = { resolve, reject }
  })
  return { promise, resolve: (value) => settle?.resolve(value), reject: (reason) => settle?.reject(reason) }
}
