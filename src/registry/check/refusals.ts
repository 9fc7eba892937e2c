/** Rows about errors: the right status, and words that say what is wrong. */
import { isRecord } from '../../lib/json.ts'
import { excerpt, failureOf, judged } from './judge.ts'
import type { Answered, AskOptions } from './probe.ts'
import { say } from './question.ts'
import { row, verdictOf, type Judgement, type RowGroup } from './row.ts'
import type { Subject } from './subject.ts'

export const refusals: RowGroup = {
  id: 'errors',
  title: 'Errors',
  async run(subject) {
    const wrongKey = await judgeWrongKey(subject)
    const missing = await refusal(subject, { change: withoutPrompt })
    const mistyped = await refusal(subject, { change: (body) => ({ ...body, ...wrongLimit(body) }) })
    const broken = await refusal(subject, { raw: '{"model": ' })
    const unknown = await refusal(subject, { change: (body) => ({ ...body, model: 'routeplane-check/no-such-model' }) })
    const answers = [missing, mistyped, broken, unknown]
    return [
      row('error.401', 'answers 401 to a wrong key', wrongKey),
      row(
        'error.400',
        'answers 400 to a request without a prompt',
        judgeAll([missing], (answer) => isOneOf(answer, [400, 422])),
      ),
      row(
        'edge.invalid',
        'refuses a parameter of the wrong type',
        judgeAll([mistyped], (answer) => isOneOf(answer, [400, 422])),
      ),
      row(
        'error.json',
        'refuses a body that is not JSON',
        judgeAll([broken], (answer) => isOneOf(answer, [400, 415, 422])),
      ),
      row('error.status', 'answers 4xx to a model it does not have', unknownModel(subject, unknown)),
      row('error.message', 'says in words what is wrong', judgeAll(answers, hasMessage)),
    ]
  },
}

type Reply = Awaited<ReturnType<Subject['probe']['ask']>>

function refusal({ probe }: Subject, options: AskOptions): Promise<Reply> {
  return probe.ask(say('Hello', { maxOutputTokens: 16 }), options)
}

/** By whatever name the wire has for it. */
function withoutPrompt(body: Record<string, unknown>): unknown {
  const { messages: _messages, input: _input, contents: _contents, ...rest } = body
  return rest
}

function wrongLimit(body: Record<string, unknown>): Record<string, unknown> {
  const generation = body['generationConfig']
  if (isRecord(generation)) return { generationConfig: { ...generation, maxOutputTokens: 'many' } }
  const name = ['max_tokens', 'max_completion_tokens', 'max_output_tokens'].find((each) => each in body) ?? 'max_tokens'
  return { [name]: 'many' }
}

/** In Google's format the model stands in the path. */
function unknownModel({ protocols }: Subject, reply: Reply): Judgement {
  if (protocols[0]?.id === 'generate_content') return ['not_checked', 'the model stands in the path of this format']
  return judgeAll([reply], (answer) => isOneOf(answer, [400, 404, 422]))
}

async function judgeWrongKey(subject: Subject): Promise<Judgement> {
  const { provider } = subject.definition
  if (provider.access.kind === 'none') return ['not_applicable', 'it takes no keys']
  const reply = await subject.probe.ask(say('Hello', { maxOutputTokens: 16 }), { key: 'wrong' })
  return judged(reply, (answer) => {
    if (answer.status === 402) return ['not_applicable', 'it asks to be paid instead (402)']
    return isOneOf(answer, [401])
  })
}

function judgeAll(replies: readonly Reply[], judge: (answer: Answered) => Judgement): Judgement {
  const judgements = replies.map((reply) => judged(reply, judge))
  return (
    judgements.find(([verdict]) => verdict === 'fail') ??
    judgements.find(([verdict]) => verdict === 'not_checked') ??
    judgements[0] ?? ['not_checked', 'nothing was asked']
  )
}

function isOneOf(answer: Answered, statuses: readonly number[]): Judgement {
  if (statuses.includes(answer.status)) return ['pass', `status ${answer.status}: ${excerpt(messageOf(answer) ?? answer.text)}`]
  return ['fail', `wanted ${statuses.join(' or ')}: ${failureOf(answer)}`]
}

function hasMessage(answer: Answered): Judgement {
  const message = messageOf(answer)
  return verdictOf(
    message !== undefined,
    message === undefined ? `no message in ${excerpt(answer.text) || 'an empty body'}` : excerpt(message),
  )
}

/** Where the four formats and most of their imitators put it. */
export function messageOf({ json }: Answered): string | undefined {
  const error = isRecord(json) ? (json['error'] ?? json['detail'] ?? json['message']) : undefined
  const message = isRecord(error) ? error['message'] : error
  return typeof message === 'string' && message.trim() !== '' ? message : undefined
}
