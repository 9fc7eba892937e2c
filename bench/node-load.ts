/** The load generator on Node, where no C compiler is: the same arguments and report as native/load.c. */
import { readFileSync } from 'node:fs'
import { Agent, request, type IncomingMessage } from 'node:http'
import type { LoadReport } from './instruments.ts'

const [port = '', path = '', bodyFile = '', connections = '', warm = '', seconds = '', ...headerLines] = process.argv.slice(2)
const body = readFileSync(bodyFile)
const headers = Object.fromEntries([
  ['content-type', 'application/json'],
  ['content-length', String(body.length)],
  ...headerLines.map((line) => line.split(': ', 2)),
]) as Record<string, string>
const agent = new Agent({ keepAlive: true, maxSockets: Number(connections) })
const from = performance.now() + Number(warm) * 1000
const until = from + Number(seconds) * 1000
const latencies: number[] = []
const firstTokens: number[] = []
const counts = { good: 0, bad: 0, lastBadStatus: 0, broken: 0, chunks: 0, allRequests: 0, allChunks: 0 }

const isMeasured = (now: number) => now >= from && now <= until

function readAnswer(response: IncomingMessage, sentAt: number): Promise<void> {
  let rest = ''
  let seen = false
  response.setEncoding('latin1').on('data', (piece: string) => {
    const now = performance.now()
    const pieces = (rest + piece).split('~tok~')
    rest = (pieces.at(-1) ?? '').slice(-4)
    const found = pieces.length - 1
    counts.allChunks += found
    if (!isMeasured(now)) return
    counts.chunks += found
    if (found > 0 && !seen) firstTokens.push(now - sentAt)
    seen ||= found > 0
  })
  return new Promise((resolve, reject) => response.once('end', resolve).once('error', reject))
}

async function once(): Promise<void> {
  const sentAt = performance.now()
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request({ host: '127.0.0.1', port: Number(port), path, method: 'POST', headers, agent }, resolve)
      .once('error', reject)
      .end(body)
  })
  await readAnswer(response, sentAt)
  const now = performance.now()
  counts.allRequests++
  if (!isMeasured(now)) return
  if (response.statusCode === 200) {
    counts.good++
    latencies.push(now - sentAt)
  } else {
    counts.bad++
    counts.lastBadStatus = response.statusCode ?? 0
  }
}

async function keepBusy(): Promise<void> {
  while (performance.now() < until) {
    await once().catch(() => {
      counts.broken++
    })
  }
}

function percentiles(milliseconds: readonly number[]): { p50: number; p99: number } {
  const sorted = [...milliseconds].sort((a, b) => a - b)
  const at = (share: number) => Math.round((sorted[Math.floor((sorted.length - 1) * share)] ?? 0) * 10_000) / 10
  return { p50: at(0.5), p99: at(0.99) }
}

const workers = Array.from({ length: Number(connections) }, keepBusy)
// A stream that is still running when the time is over must not keep the program: it is cut with its socket.
await Promise.race([Promise.all(workers), new Promise((resolve) => setTimeout(resolve, until - performance.now()))])
agent.destroy()
const report: LoadReport = {
  requests_per_second: counts.good / Number(seconds),
  chunks_per_second: counts.chunks / Number(seconds),
  bad: counts.bad,
  last_bad_status: counts.lastBadStatus,
  broken: counts.broken,
  all_requests: counts.allRequests,
  all_chunks: counts.allChunks,
  ...(latencies.length === 0 ? {} : { latency_us: percentiles(latencies) }),
  ...(firstTokens.length === 0 ? {} : { first_token_us: percentiles(firstTokens) }),
}
process.stdout.write(`${JSON.stringify(report)}\n`, () => process.exit(0))
