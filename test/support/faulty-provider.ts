/** A provider on loopback that fails by script and seed, in a time of its own: hours of traffic pass in seconds, the same each run. */
import { systemClock, type Clock } from '../../src/lib/clock.ts'
import { sse, startUpstream, type Answer, type Step, type Upstream } from './upstream.ts'

/**
 * A time in which only waiting takes any: a request under way is either at work, and then time stands still, or it waits for an
 * answer that is due later.
 */
export type PlayedTime = {
  readonly clock: Clock
  /** Resolves when so much time has passed. */
  pass(ms: number): Promise<void>
  /** Does work that time waits for, unless it waits itself. */
  during<Result>(work: () => Promise<Result>): Promise<Result>
  /** Lets time run; whatever falls due on the way is done to its end, one after another. With `Infinity` until nothing is due. */
  runUntil(ms: number): Promise<void>
}

export function createPlayedTime(): PlayedTime {
  const startedAt = Date.UTC(2026, 10, 20, 12)
  let now = 0
  let atWork = 0
  let onQuiet: (() => void) | undefined
  const due: { readonly at: number; readonly wake: () => void }[] = []
  const count = (change: 1 | -1) => {
    atWork += change
    if (atWork === 0) onQuiet?.()
  }
  const quiet = () =>
    new Promise<void>((resolve) => {
      onQuiet = resolve
      if (atWork === 0) resolve()
    })
  return {
    clock: { now: () => startedAt + now, monotonic: () => now, sleep: (ms, signal) => systemClock.sleep(ms, signal) },
    pass: (ms) =>
      new Promise((resolve) => {
        const wake = () => {
          count(1)
          resolve()
        }
        due.push({ at: now + ms, wake })
        count(-1)
      }),
    async during(work) {
      count(1)
      return work().finally(() => count(-1))
    },
    async runUntil(ms) {
      for (;;) {
        await quiet()
        const [next] = due.toSorted((a, b) => a.at - b.at)
        if (next === undefined || next.at > ms) break
        due.splice(due.indexOf(next), 1)
        now = next.at
        next.wake()
      }
      if (ms < Infinity) now = ms
    },
  }
}

const HEALTHY_MS = 200
const SLOW_MS = 2_000

const head = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1_760_000_000, model: 'served' }
const choice = (delta: object, finish: string | null = null) => sse({ ...head, choices: [{ index: 0, delta, finish_reason: finish }] })
const content = choice({ role: 'assistant', content: 'So it is said.' })
const ended = (usage: object) => sse({ ...head, choices: [], usage }, '[DONE]')
const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 }
const whole = [content, choice({}, 'stop'), ended(usage)]

const streamed = (...stream: readonly Step[]): Answer => ({ stream })
const refused = (status: number, headers: Readonly<Record<string, string>> = {}): Answer => ({
  status,
  headers,
  json: { error: { message: `scripted ${status}`, type: 'scripted', code: 'scripted' } },
})

/** What can be wrong with an answer. `ms` is how long it takes to its first content, or to its failure. */
export const faults = [
  { id: 'latency', ms: SLOW_MS, answer: () => streamed(...whole) },
  { id: 'rate-limit', ms: 5, answer: () => refused(429, { 'retry-after': '20' }) },
  { id: 'server-error', ms: 50, answer: () => refused(503) },
  { id: 'stall', ms: 0, answer: () => streamed('stall') },
  { id: 'cut', ms: HEALTHY_MS, answer: () => streamed(content, 'cut') },
  { id: 'error-finish', ms: HEALTHY_MS, answer: () => streamed(content, choice({}, 'error'), ended(usage)) },
  { id: 'wrong-usage', ms: HEALTHY_MS, answer: () => streamed(...whole.slice(0, 2), ended({ prompt_tokens: -7, completion_tokens: 1e9 })) },
  { id: 'slow-first-token', ms: SLOW_MS, answer: () => streamed(choice({ role: 'assistant', content: '' }), ...whole) },
  { id: 'slow-with-comments', ms: SLOW_MS, answer: () => streamed(': keep-alive\n\n', ': keep-alive\n\n', ...whole) },
] as const satisfies readonly { readonly id: string; readonly ms: number; answer(): Answer }[]

export type FaultId = (typeof faults)[number]['id']

/** From `fromMs` of played time on, a share of the answers has a fault; the next phase takes its place. */
export type Phase = { readonly fromMs: number; readonly fault?: FaultId; readonly share?: number }

/** Starts a provider of Chat Completions streams. Phases count in played time; before the first one it is healthy. */
export async function startFaultyProvider(
  time: PlayedTime,
  { seed, phases }: { readonly seed: number; readonly phases: readonly Phase[] },
): Promise<Upstream> {
  const draw = createDraw(seed)
  return startUpstream(async () => {
    const phase = phases.findLast(({ fromMs }) => time.clock.monotonic() >= fromMs)
    const fault = draw() < (phase?.share ?? 1) ? faults.find(({ id }) => id === phase?.fault) : undefined
    await time.pass(fault?.ms ?? HEALTHY_MS)
    return fault?.answer() ?? streamed(...whole)
  })
}

/** Numbers from 0 up to 1 that a seed fixes (mulberry32). */
function createDraw(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000
  }
}

/** One request of the traffic: when it was sent, and who answered; `undefined` when nobody did. */
export type Sent = { readonly atMs: number; readonly provider: string | undefined }

/** Sends `perSecond` requests a second of played time, whether or not those before have been answered, until `isDone` says so. */
export async function sendTraffic(
  time: PlayedTime,
  send: () => Promise<string | undefined>,
  { perSecond, seconds, isDone = () => false }: { perSecond: number; seconds: number; isDone?(sent: readonly Sent[]): boolean },
): Promise<readonly Sent[]> {
  const sent: Sent[] = []
  const underWay: Promise<unknown>[] = []
  const startedAt = time.clock.monotonic()
  for (let at = 0; at < seconds * perSecond && !isDone(sent); at++) {
    await time.runUntil(startedAt + (at * 1_000) / perSecond)
    const atMs = time.clock.monotonic()
    underWay.push(time.during(send).then((provider) => sent.push({ atMs, provider })))
  }
  await time.runUntil(Infinity)
  await Promise.all(underWay)
  return sent.toSorted((a, b) => a.atMs - b.atMs)
}

/** The share of a provider among the requests from `fromMs` up to `toMs`; `NaN` when there are none. */
export function shareOf(sent: readonly Sent[], provider: string, fromMs: number, toMs: number): number {
  const between = sent.filter(({ atMs }) => atMs >= fromMs && atMs < toMs)
  return between.filter((each) => each.provider === provider).length / between.length
}
