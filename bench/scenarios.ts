/** What is measured: the load of each row, and the one figure it is about. */
import type { LoadReport } from './instruments.ts'
import type { Cost } from './process.ts'

/** The wire that is asked in; the mock provider speaks Chat Completions alone, so that the other is translated. */
export type Caller = 'chat' | 'messages'

export const callerPaths: Readonly<Record<Caller, string>> = { chat: '/v1/chat/completions', messages: '/v1/messages' }

export type Scenario = {
  readonly id: string
  readonly name: string
  readonly unit: string
  readonly better: 'lower' | 'higher'
  readonly connections: number
  readonly caller: Caller
  /** Whose figures the others' are shares of. */
  readonly reference: string
  /** The same in either wire, but for what the model is called. */
  body(model: string): string
  /** `undefined` when this run cannot say. `direct` is the same load without anybody in between, in the same round. */
  read(report: LoadReport, around: { readonly direct: LoadReport; readonly cost: Cost | undefined }): number | undefined
}

/** A request as an agent sends it, in words that both wires have; `bytes` pads the conversation. */
function body(model: string, prompt: string, stream: boolean, bytes = 0): string {
  const filler = 'The quick brown fox jumps over the lazy dog; "quoted", new\nline. '
  const history = bytes === 0 ? [] : [{ role: 'user', content: filler.repeat(Math.ceil(bytes / (filler.length + 3))) }]
  return JSON.stringify({ model, stream, messages: [...history, { role: 'user', content: prompt }], max_tokens: 256 })
}

/** How many chunks and how far apart, in the mock provider's own words. */
const streamBody = (model: string, chunks: number, gapUs: number) => body(model, `[[bench chunks=${chunks} gap_us=${gapUs}]]`, true)

const requestsPerSecond = (report: LoadReport) => report.requests_per_second

/** Microseconds above the direct way, never below the clock's own noise; of the direct way itself, all of it. */
function added(report: LoadReport, direct: LoadReport, what: 'latency_us' | 'first_token_us'): number | undefined {
  const [own, least] = [report[what]?.p50, direct[what]?.p50]
  if (own === undefined || least === undefined) return undefined
  return report === direct ? own : Math.max(own - least, 0.1)
}

function cpuPerChunk({ all_chunks: chunks }: LoadReport, { cost }: { readonly cost: Cost | undefined }): number | undefined {
  return cost === undefined || chunks === 0 ? undefined : cost.cpuUs / chunks
}

const native = { caller: 'chat', reference: 'nginx' } as const
/** From Messages to Chat Completions: what a coding agent's gateway does all day. */
const cross = { caller: 'messages', reference: 'llms' } as const

export const scenarios: readonly Scenario[] = [
  {
    id: 'json-1',
    name: 'JSON, one at a time: p50 added',
    unit: 'µs',
    better: 'lower',
    connections: 1,
    ...native,
    body: (model) => body(model, 'Hello', false),
    read: (report, { direct }) => added(report, direct, 'latency_us'),
  },
  {
    id: 'json-32',
    name: 'JSON, 32 at a time',
    unit: 'req/s',
    better: 'higher',
    connections: 32,
    ...native,
    body: (model) => body(model, 'Hello', false),
    read: requestsPerSecond,
  },
  {
    id: 'body-64k',
    name: '64 KB request body, 16 at a time',
    unit: 'req/s',
    better: 'higher',
    connections: 16,
    ...native,
    body: (model) => body(model, 'Hello', false, 65_536),
    read: requestsPerSecond,
  },
  {
    id: 'stream-1',
    name: 'stream, one at a time: first token added',
    unit: 'µs',
    better: 'lower',
    connections: 1,
    ...native,
    body: (model) => streamBody(model, 20, 0),
    read: (report, { direct }) => added(report, direct, 'first_token_us'),
  },
  {
    id: 'flood-64',
    name: '64 streams flat out',
    unit: 'chunks/s',
    better: 'higher',
    connections: 64,
    ...native,
    body: (model) => streamBody(model, 2000, 0),
    read: (report) => report.chunks_per_second,
  },
  {
    id: 'paced-64',
    name: '64 streams, a chunk every 5 ms: CPU',
    unit: 'µs/chunk',
    better: 'lower',
    connections: 64,
    ...native,
    body: (model) => streamBody(model, 100, 5000),
    read: cpuPerChunk,
  },
  {
    id: 'paced-64-ttft',
    name: '64 streams, a chunk every 5 ms: first token',
    unit: 'µs',
    better: 'lower',
    connections: 64,
    ...native,
    body: (model) => streamBody(model, 100, 5000),
    read: (report) => report.first_token_us?.p50,
  },
  {
    id: 'cross-json-32',
    name: 'translated JSON, 32 at a time',
    unit: 'req/s',
    better: 'higher',
    connections: 32,
    ...cross,
    body: (model) => body(model, 'Hello', false),
    read: requestsPerSecond,
  },
  {
    id: 'cross-stream-1',
    name: 'translated stream, one at a time: first token added',
    unit: 'µs',
    better: 'lower',
    connections: 1,
    ...cross,
    body: (model) => streamBody(model, 20, 0),
    read: (report, { direct }) => added(report, direct, 'first_token_us'),
  },
  {
    id: 'cross-flood-64',
    name: '64 translated streams flat out',
    unit: 'chunks/s',
    better: 'higher',
    connections: 64,
    ...cross,
    body: (model) => streamBody(model, 2000, 0),
    read: (report) => report.chunks_per_second,
  },
  {
    id: 'cross-paced-64',
    name: '64 translated streams, a chunk every 5 ms: CPU',
    unit: 'µs/chunk',
    better: 'lower',
    connections: 64,
    ...cross,
    body: (model) => streamBody(model, 100, 5000),
    read: cpuPerChunk,
  },
]
