/** Rows about streams: events as the format has them, tokens as they come, and signs of life before the first. */
import { excerpt } from './judge.ts'
import type { Skipped } from './probe.ts'
import { say } from './question.ts'
import type { Streamed } from './read-stream.ts'
import { row, verdictOf, type Judgement, type RowGroup } from './row.ts'

/** Routers give up on a silent provider; a comment this often tells them it is alive. */
const SILENCE_MS = 15_000

export const streaming: RowGroup = {
  id: 'streaming',
  title: 'Streaming',
  async run({ probe }) {
    const streamed = await probe.stream(say('Count from 1 to 20 in words.'))
    return [
      row('format.sse', 'streams server-sent events', judged(streamed, isStream)),
      row('parameter.stream', 'streams when told to', judged(streamed, hasContent)),
      row('response.streaming', 'ends its stream as the format demands', judged(streamed, endsWell)),
      row('streaming.chunks', 'sends tokens as they come', judged(streamed, comesInPieces)),
      row('streaming.usage', 'says at the end how many tokens were used', judged(streamed, hasUsage)),
      row('streaming.keep_alive', 'sends keep-alive comments while it thinks', judged(streamed, keepsAlive)),
    ]
  },
}

function judged(reply: Streamed | Skipped, judge: (streamed: Streamed) => Judgement): Judgement {
  return reply.kind === 'skipped' ? ['not_checked', reply.reason] : judge(reply)
}

function isStream({ status, contentType, events, problem, body }: Streamed): Judgement {
  const isGood = status === 200 && contentType.includes('text/event-stream') && events > 0
  return verdictOf(
    isGood,
    isGood
      ? `${events} events`
      : [`status ${status}`, contentType, problem, excerpt(body)].filter((part) => part !== undefined && part !== '').join(', '),
  )
}

function hasContent({ text, problem }: Streamed): Judgement {
  return verdictOf(text !== '', text === '' ? (problem ?? 'no content') : JSON.stringify(excerpt(text)))
}

function endsWell({ problem, finish }: Streamed): Judgement {
  return verdictOf(problem === undefined && finish !== undefined, problem ?? finish ?? 'no finish reason')
}

function comesInPieces({ pieces, text, ttftMs, ms }: Streamed): Judgement {
  if (text === '') return ['fail', 'no content']
  return verdictOf(pieces > 1, `${pieces} pieces, the first after ${ttftMs ?? ms} of ${ms} ms`)
}

function hasUsage({ usage }: Streamed): Judgement {
  const { inputTokens, outputTokens } = usage ?? {}
  if (inputTokens === undefined || outputTokens === undefined) return ['fail', 'the stream has no usage']
  return ['pass', `${inputTokens} in, ${outputTokens} out`]
}

function keepsAlive({ silenceMs, comments, ttftMs }: Streamed): Judgement {
  if (silenceMs > SILENCE_MS) return ['fail', `${silenceMs} ms without a byte before the first content`]
  return comments > 0 ? ['pass', `${comments} comments`] : ['not_applicable', `the first content came after ${ttftMs ?? 0} ms`]
}
