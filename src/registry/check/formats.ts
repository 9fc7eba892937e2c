/** Rows about the wire formats: each declared one answers a plain question in the structure of its vendor. */
import type { ProtocolId, Protocol } from '../../protocol/protocol.ts'
import type { Answered, Skipped } from './probe.ts'
import { assistant, say, user, type Question } from './question.ts'
import { failureOf, hasText, judged } from './judge.ts'
import { row, verdictOf, type Judgement, type Row, type RowGroup } from './row.ts'
import { checkTranslation } from './translate.ts'
import type { Subject } from './subject.ts'

export const formats: RowGroup = {
  id: 'formats',
  title: 'Formats and answers',
  async run(subject) {
    const asked = say('Answer with the single word: hello')
    const first = await subject.probe.ask(asked)
    const history: Question = { turns: [user('My name is Ada.'), assistant('Hello Ada.'), user('What is my name? Answer with one word.')] }
    const system: Question = {
      ...say('Who are you? Answer with one word.'),
      system: [{ text: 'You are a helpful clock.', role: 'system' }],
    }
    return [
      ...(await formatRows(subject, first, asked)),
      row('test.basic', 'answers a plain question', judged(first, hasText)),
      row(
        'parameter.model',
        'serves the model that is asked for',
        judged(first, (answer) => servedModel(answer, subject)),
      ),
      row('parameter.messages', 'takes a conversation', judged(await subject.probe.ask(history), hasText)),
      row('capability.system', 'takes a system message', judged(await subject.probe.ask(system), hasText)),
      row('response.usage', 'says how many tokens were used', judged(first, usage)),
      row(
        'compat.translation',
        'can be answered in every other format',
        judged(first, (answer) => checkTranslation(answer, subject)),
      ),
    ]
  },
}

const wires: readonly { readonly id: ProtocolId; readonly row: string; readonly title: string }[] = [
  { id: 'chat_completions', row: 'format.openai', title: 'serves Chat Completions (OpenAI)' },
  { id: 'responses', row: 'format.responses', title: 'serves Responses (OpenAI)' },
  { id: 'messages', row: 'format.anthropic', title: 'serves Messages (Anthropic)' },
  { id: 'generate_content', row: 'format.google', title: 'serves generateContent (Google)' },
]

async function formatRows(subject: Subject, first: Answered | Skipped, asked: Question): Promise<readonly Row[]> {
  const rows: Row[] = []
  for (const wire of wires) {
    const protocol = subject.protocols.find(({ id }) => id === wire.id)
    rows.push(row(wire.row, wire.title, await formatOf(subject, wire.id, protocol, first, asked)))
  }
  return rows
}

async function formatOf(
  subject: Subject,
  id: ProtocolId,
  protocol: Protocol | undefined,
  first: Answered | Skipped,
  asked: Question,
): Promise<Judgement> {
  if (!subject.endpoint.protocols.includes(id)) return ['not_applicable', 'not declared']
  if (protocol === undefined) return ['not_checked', 'this build does not speak it']
  return judged(id === subject.protocols[0]?.id ? first : await subject.probeOf(protocol).ask(asked), hasText)
}

/** A relabelled model is the oldest fraud; a vendor's own suffix of date or quantization is none. */
function servedModel({ result, ...answer }: Answered, { endpoint }: Subject): Judgement {
  if (result === undefined) return ['fail', failureOf(answer)]
  if (result.model === '') return ['not_applicable', 'the answer does not say which model made it']
  const [asked, served] = [endpoint.upstreamModel, result.model].map((id) => id.toLowerCase().split('/').at(-1) ?? '')
  const isSame = asked !== undefined && served !== undefined && (served.startsWith(asked) || asked.startsWith(served))
  return verdictOf(isSame, isSame ? result.model : `asked for ${endpoint.upstreamModel}, answered by ${result.model}`)
}

function usage({ result, ...answer }: Answered): Judgement {
  if (result === undefined) return ['fail', failureOf(answer)]
  const { inputTokens, outputTokens } = result.usage ?? {}
  if (inputTokens === undefined || outputTokens === undefined) return ['fail', 'the answer has no usage, or not all of it']
  return ['pass', `${inputTokens} in, ${outputTokens} out`]
}
