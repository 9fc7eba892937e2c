/** What is measured: the load of each row, and the one figure it is about. */
import type { LoadReport } from './instruments.ts'
import type { Cost } from './process.ts'

export type Scenario = {
  readonly id: string
  readonly name: string
  readonly unit: string
  readonly better: 'lower' | 'higher'
  readonly connections: number
  readonly body: () => string
  /** `undefined` when this run cannot say. `direct` is the same load without anybody in between, in the same round. */
  read(report: LoadReport, around: { readonly direct: LoadReport; readonly cost: Cost | undefined }): number | undefined
}

/** A request as an agent sends it; `bytes` pads the conversation. */
function body(prompt: string, stream: boolean, bytes = 0): string {
  const filler = 'The quick brown fox jumps over the lazy dog; "quoted", new\nline. '
  const history = bytes === 0 ? [] : [{ role: 'user', content: filler.repeat(Math.ceil(bytes / (filler.length + 3))) }]
  return JSON.stringify({ model: 'bench-model', stream, messages: [...history, { role: 'user', content: prompt }], max_tokens: 256 })
}

/** How many chunks and how far apart, in the mock provider's own words. */
const streamBody = (chunks: number, gapUs: number) => body(`[[bench chunks=${chunks} gap_us=${gapUs}]]`, true)

const requestsPerSecond = (report: LoadReport) => report.requests_per_second

/** Microseconds above the direct way, never below the clock's own noise; of the direct way itself, all of it. */
function added(report: LoadReport, direct: LoadReport, what: 'latency_us' | 'first_token_us'): number | undefined {
  const [own, least] = [report[what]?.p50, direct[what]?.p50]
  if (own === undefined || least === undefined) return undefined
  return report === direct ? own : Math.max(own - least, 0.1)
}

export const scenarios: readonly Scenario[] = [
  {
    id: 'json-1',
    name: 'JSON, one at a time: p50 added',
    unit: 'µs',
    better: 'lower',
    connections: 1,
    body: () => body('Hello', false),
    read: (report, { direct }) => added(report, direct, 'latency_us'),
  },
  {
    id: 'json-32',
    name: 'JSON, 32 at a time',
    unit: 'req/s',
    better: 'higher',
    connections: 32,
    body: () => body('Hello', false),
    read: requestsPerSecond,
  },
  {
    id: 'body-64k',
    name: '64 KB request body, 16 at a time',
    unit: 'req/s',
    better: 'higher',
    connections: 16,
    body: () => body('Hello', false, 65_536),
    read: requestsPerSecond,
  },
  {
    id: 'stream-1',
    name: 'stream, one at a time: first token added',
    unit: 'µs',
    better: 'lower',
    connections: 1,
    body: () => streamBody(20, 0),
    read: (report, { direct }) => added(report, direct, 'first_token_us'),
  },
  {
    id: 'flood-64',
    name: '64 streams flat out',
    unit: 'chunks/s',
    better: 'higher',
    connections: 64,
    body: () => streamBody(2000, 0),
    read: (report) => report.chunks_per_second,
  },
  {
    id: 'paced-64',
    name: '64 streams, a chunk every 5 ms: CPU',
    unit: 'µs/chunk',
    better: 'lower',
    connections: 64,
    body: () => streamBody(100, 5000),
    read: (report, { cost }) => (cost === undefined || report.all_chunks === 0 ? undefined : cost.cpuUs / report.all_chunks),
  },
  {
    id: 'paced-64-ttft',
    name: '64 streams, a chunk every 5 ms: first token',
    unit: 'µs',
    better: 'lower',
    connections: 64,
    body: () => streamBody(100, 5000),
    read: (report) => report.first_token_us?.p50,
  },
]
