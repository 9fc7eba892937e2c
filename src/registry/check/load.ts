/** Rows about speed and load: latency, first token, tokens a second, and whether declared limits hold. Bounded. */
import { headerOf } from '../../lib/http-call.ts'
import { globMatches } from '../protocol-name.ts'
import { failureOf } from './judge.ts'
import type { Answered, Skipped } from './probe.ts'
import { say } from './question.ts'
import type { Streamed } from './read-stream.ts'
import { messageOf } from './refusals.ts'
import { row, verdictOf, type Judgement, type Row, type RowGroup } from './row.ts'
import type { Subject } from './subject.ts'

const STREAMS = 3
const WIDTH = 8

const minimal = say('Answer with the single word: hello', { maxOutputTokens: 64 })

export const load: RowGroup = {
  id: 'load',
  title: 'Speed and load',
  async run(subject) {
    const alone = await measureAlone(subject)
    if (alone.kind === 'skipped') return notMeasured(alone.reason)
    const streams = await measureStreams(subject)
    const together = await measureTogether(subject)
    return [
      ...alone.rows,
      ...streams,
      ...together,
      row('error.429', 'answers 429 in words, and says when to come back', judgeRefusals(subject.probe.seen)),
      row('basic.stable', 'answers every ordinary call', judgeStability(subject.probe.seen)),
      row('rate.headers', 'tells what is left of its limits', rateHeaders(subject.probe.seen)),
    ]
  },
}

const ids: readonly (readonly [string, string])[] = [
  ['quality.latency', 'answers in'],
  ['quality.ttft', 'sends its first token in'],
  ['quality.throughput', 'generates'],
  ['load.volume', 'takes several calls at once'],
  ['load.latency', 'stays as quick under load'],
  ['load.quality', 'answers as well under load'],
  ['load.limits', 'holds its declared limit of requests'],
  ['error.429', 'answers 429 in words, and says when to come back'],
  ['basic.stable', 'answers every ordinary call'],
  ['rate.headers', 'tells what is left of its limits'],
]

function notMeasured(reason: string): readonly Row[] {
  return ids.map(([id, title]) => row(id, title, ['not_checked', reason]))
}

type Alone = { readonly kind: 'measured'; readonly rows: readonly Row[] }

async function measureAlone({ probe, settings }: Subject): Promise<Alone | Skipped> {
  const times: number[] = []
  for (let at = 0; at < settings.samples; at++) {
    const reply = await probe.ask(minimal)
    if (reply.kind === 'skipped' && at === 0) return reply
    if (reply.kind === 'answered' && reply.result !== undefined) times.push(reply.ms)
  }
  const evidence: Judgement = times.length === 0 ? ['fail', 'no call was answered'] : ['pass', quantiles(times)]
  return { kind: 'measured', rows: [row('quality.latency', 'answers in', evidence)] }
}

/** Nearest-rank quantiles, in milliseconds. */
function quantiles(times: readonly number[]): string {
  const mean = Math.round(times.reduce((sum, ms) => sum + ms, 0) / times.length)
  return `p50 ${quantile(times, 0.5)} ms, p95 ${quantile(times, 0.95)} ms, mean ${mean} ms of ${times.length} calls`
}

function quantile(times: readonly number[], share: number): number {
  const sorted = times.toSorted((a, b) => a - b)
  return Math.round(sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0)
}

async function measureStreams({ probe }: Subject): Promise<readonly Row[]> {
  const streams: Streamed[] = []
  let skipped: Skipped | undefined
  for (let at = 0; at < STREAMS; at++) {
    const reply = await probe.stream(say('Write one paragraph about the sea.', { maxOutputTokens: 200 }))
    if (reply.kind === 'skipped') skipped ??= reply
    else if (reply.ttftMs !== undefined) streams.push(reply)
  }
  const firsts = streams.flatMap(({ ttftMs }) => ttftMs ?? [])
  const rates = streams.flatMap(({ usage, ms }) =>
    usage?.outputTokens === undefined || ms === 0 ? [] : [(usage.outputTokens * 1000) / ms],
  )
  const without: Judgement = skipped === undefined ? ['fail', 'no stream had content'] : ['not_checked', skipped.reason]
  const unknown: Judgement = streams.length === 0 ? without : ['not_checked', 'the streams do not say how many tokens they had']
  return [
    row('quality.ttft', 'sends its first token in', firsts.length === 0 ? without : ['pass', quantiles(firsts)]),
    row(
      'quality.throughput',
      'generates',
      rates.length === 0 ? unknown : ['pass', `${quantile(rates, 0.5)} tokens/s over the whole time, median of ${rates.length}`],
    ),
  ]
}

async function measureTogether(subject: Subject): Promise<readonly Row[]> {
  const { probe, settings, definition, endpoint } = subject
  const declared = definition.provider.rateLimits.find(({ glob }) => globMatches(glob, endpoint.upstreamModel))?.requestsPerMinute
  const isAtLimit = declared !== undefined && declared < settings.loadRequests
  const count = isAtLimit
    ? Math.min(settings.loadRequests, declared + WIDTH)
    : Math.min(settings.loadRequests, declared ?? settings.loadRequests)
  const replies = await inParallel(count, WIDTH, () => probe.ask(minimal, { paced: false }))
  const answers = replies.filter((reply) => reply.kind === 'answered')
  const skipped = replies.find((reply) => reply.kind === 'skipped')
  if (answers.length === 0) {
    const why: Judgement = ['not_checked', skipped?.reason ?? 'nothing was sent']
    return ids.filter(([id]) => id.startsWith('load.')).map(([id, title]) => row(id, title, why))
  }
  const good = answers.filter(({ result }) => result !== undefined)
  const limited = answers.filter(({ status }) => status === 429)
  const bad = answers.find(({ result, status }) => result === undefined && status !== 429)
  const volume = `${good.length} of ${answers.length} answered, ${WIDTH} at a time, ${limited.length} refused with 429`
  const spoiled = good.find(({ result }) => result?.candidates[0]?.content.length === 0)
  return [
    row(
      'load.volume',
      'takes several calls at once',
      verdictOf(bad === undefined && good.length > 0, bad === undefined ? volume : `${volume}; ${failureOf(bad)}`),
    ),
    row(
      'load.latency',
      'stays as quick under load',
      good.length === 0 ? ['not_checked', volume] : ['pass', quantiles(good.map(({ ms }) => ms))],
    ),
    row(
      'load.quality',
      'answers as well under load',
      good.length === 0
        ? ['not_checked', volume]
        : verdictOf(spoiled === undefined, spoiled === undefined ? 'every answer has content' : 'an answer is empty'),
    ),
    row('load.limits', 'holds its declared limit of requests', limitJudgement(declared, isAtLimit, limited.length, settings.loadRequests)),
  ]
}

/** A provider that takes more than it declares has declared too little, which harms nobody; one that takes less has lied. */
function limitJudgement(declared: number | undefined, isAtLimit: boolean, limited: number, most: number): Judgement {
  if (declared === undefined) return ['not_applicable', 'no limit is declared']
  if (!isAtLimit)
    return limited === 0
      ? ['not_checked', `${declared} a minute are more than the ${most} this check may send (--load)`]
      : ['fail', `429 below the declared ${declared} a minute`]
  return limited > 0
    ? ['pass', `${limited} refused beyond ${declared} a minute`]
    : ['not_checked', `nothing was refused beyond ${declared} a minute`]
}

async function inParallel<Item>(count: number, width: number, work: () => Promise<Item>): Promise<readonly Item[]> {
  const items: Item[] = []
  let started = 0
  const worker = async () => {
    while (started++ < count) items.push(await work())
  }
  await Promise.all(Array.from({ length: Math.min(width, count) }, worker))
  return items
}

function judgeRefusals(seen: readonly Answered[]): Judgement {
  const refused = seen.filter(({ status }) => status === 429)
  const [first] = refused
  if (first === undefined) return ['not_checked', 'no call was refused with 429']
  const silent = refused.find((answer) => messageOf(answer) === undefined)
  if (silent !== undefined) return ['fail', `a 429 without a message: ${silent.text.slice(0, 80)}`]
  const wait = headerOf(first.headers, 'retry-after')
  return ['pass', `${refused.length} times: ${messageOf(first) ?? ''}${wait === undefined ? '; no Retry-After' : `; Retry-After ${wait}`}`]
}

/** What was wrong on purpose answered 4xx; only broken exchanges and 5xx count here. */
function judgeStability(seen: readonly Answered[]): Judgement {
  const broken = seen.filter(({ status, problem }) => status >= 500 || (status === 0 && problem !== undefined))
  const [first] = broken
  if (first === undefined) return ['pass', `${seen.length} calls`]
  return ['fail', `${broken.length} of ${seen.length} calls broke: ${failureOf(first)}`]
}

function rateHeaders(seen: readonly Answered[]): Judgement {
  const names = seen.flatMap(({ headers }) => Object.keys(headers)).filter((name) => /ratelimit/.test(name))
  return names.length === 0 ? ['not_applicable', 'no such headers'] : ['pass', [...new Set(names)].slice(0, 4).join(', ')]
}
