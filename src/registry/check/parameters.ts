/** Rows about parameters: each declared one is sent and must be taken; two of them must also show in the answer. */
import { samplingParameters, type SamplingParameter } from '../../completion/features.ts'
import type { Sampling } from '../../completion/request.ts'
import { excerpt, failureOf, judged, textOf } from './judge.ts'
import type { Answered } from './probe.ts'
import { say, type Question } from './question.ts'
import { row, type Judgement, type Row, type RowGroup } from './row.ts'
import type { Subject } from './subject.ts'

const COUNT = 'Count from 1 to 9, separated by single blanks, and write nothing else.'

/** Values at both ends where a range is promised. */
const trials: Readonly<Record<Exclude<SamplingParameter, 'stop' | 'max_tokens'>, readonly Sampling[]>> = {
  temperature: [{ temperature: 0 }, { temperature: 2 }],
  top_p: [{ topP: 0.5 }],
  top_k: [{ topK: 20 }],
  min_p: [{ minP: 0.05 }],
  top_a: [{ topA: 0.1 }],
  frequency_penalty: [{ frequencyPenalty: -2 }, { frequencyPenalty: 2 }],
  presence_penalty: [{ presencePenalty: -2 }, { presencePenalty: 2 }],
  repetition_penalty: [{ repetitionPenalty: 1.1 }],
  seed: [{ seed: 7 }],
  logit_bias: [{ logitBias: { '50256': -100 } }],
}

/** What every listed provider is expected to take; the others only where they are declared. */
const expected: ReadonlySet<SamplingParameter> = new Set([
  'max_tokens',
  'temperature',
  'top_p',
  'frequency_penalty',
  'presence_penalty',
  'stop',
])

const SHORT = 32

export const parameters: RowGroup = {
  id: 'parameters',
  title: 'Parameters',
  async run(subject) {
    const rows: Row[] = []
    for (const name of samplingParameters) rows.push(row(`parameter.${name}`, `takes ${name}`, await judgeParameter(name, subject)))
    return rows
  },
}

async function judgeParameter(name: SamplingParameter, subject: Subject): Promise<Judgement> {
  const declared = subject.endpoint.samplingParameters
  if (declared !== undefined && !declared.includes(name)) return ['not_applicable', 'not declared']
  if (declared === undefined && !expected.has(name)) return ['not_applicable', 'no parameters are declared']
  const isPromised = declared !== undefined
  if (name === 'stop') return judgeStop(subject, isPromised)
  if (name === 'max_tokens') return judgeLimit(subject)
  return judgeSampling(
    trials[name].map((sampling) => limited(name, sampling, subject)),
    subject,
    isPromised,
  )
}

/** Messages takes a temperature up to 1. @see https://docs.anthropic.com/en/api/messages, "temperature" */
function limited(name: SamplingParameter, sampling: Sampling, { protocols }: Subject): Sampling {
  return name === 'temperature' && sampling.temperature === 2 && protocols[0]?.id === 'messages' ? { temperature: 1 } : sampling
}

async function judgeSampling(values: readonly Sampling[], { probe }: Subject, isPromised: boolean): Promise<Judgement> {
  const taken: string[] = []
  for (const sampling of values) {
    const question: Question = { ...say(COUNT), sampling, maxOutputTokens: SHORT }
    if (!isOnWire(question, probe)) return ['not_applicable', 'the format has no such parameter']
    const reply = await probe.ask(question)
    const shown = Object.values(sampling)
      .map((value) => JSON.stringify(value))
      .join()
    if (reply.kind === 'skipped') return ['not_checked', reply.reason]
    if (reply.result === undefined) return refused(reply, shown, isPromised)
    taken.push(shown)
  }
  return ['pass', `took ${taken.join(' and ')}`]
}

/** What nobody promised may be refused, as long as it is refused clearly. */
function refused(answer: Answered, shown: string, isPromised: boolean): Judgement {
  const isClear = answer.status === 400 || answer.status === 422
  if (isClear && !isPromised) return ['not_applicable', `refused, and not declared: ${failureOf(answer)}`]
  return ['fail', `${shown}: ${failureOf(answer)}`]
}

/** A parameter that changes nothing in the body is not one of this wire. */
function isOnWire(question: Question, probe: Subject['probe']): boolean {
  const plain: Question = { ...question, sampling: {} }
  return JSON.stringify(probe.encode(question)) !== JSON.stringify(probe.encode(plain))
}

async function judgeStop({ probe }: Subject, isPromised: boolean): Promise<Judgement> {
  const reply = await probe.ask({ ...say(COUNT), stop: ['4'], maxOutputTokens: 64 })
  return judged(reply, (answer) => {
    if (answer.result === undefined) return refused(answer, 'stop', isPromised)
    const text = textOf(answer)
    if (text.includes('4')) return ['fail', `asked to stop before "4", answered ${JSON.stringify(excerpt(text))}`]
    return ['pass', `stopped: ${JSON.stringify(excerpt(text))}`]
  })
}

/** A limit that is taken and not kept costs the caller money. */
async function judgeLimit({ probe }: Subject): Promise<Judgement> {
  const limit = 16
  const reply = await probe.ask({ ...say('Write a poem of twenty lines about the sea.'), maxOutputTokens: limit })
  return judged(reply, (answer) => {
    if (answer.result === undefined) return ['fail', failureOf(answer)]
    const used = answer.result.usage?.outputTokens
    if (used !== undefined && used > limit) return ['fail', `asked for at most ${limit}, answered and counted ${used}`]
    const words = textOf(answer).trim().split(/\s+/).length
    if (words > limit) return ['fail', `asked for at most ${limit} tokens, answered ${words} words`]
    return ['pass', used === undefined ? `${words} words` : `${used} of ${limit} tokens`]
  })
}
