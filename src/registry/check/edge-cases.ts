/** Rows about unusual prompts: empty, tiny, in every script, longer than the context, and several at once. */
import { excerpt, failureOf, judged, textOf } from './judge.ts'
import type { Answered } from './probe.ts'
import { say } from './question.ts'
import { row, verdictOf, type Judgement, type RowGroup } from './row.ts'
import type { Subject } from './subject.ts'

const TOGETHER = 5

export const edgeCases: RowGroup = {
  id: 'edge',
  title: 'Edge cases',
  async run(subject) {
    const { probe } = subject
    return [
      row('edge.empty', 'answers an empty prompt, or refuses it clearly', judged(await probe.ask(say('')), answeredOrRefused)),
      row('edge.minimal', 'answers a prompt of one letter', judged(await probe.ask(say('a')), answeredOrRefused)),
      row('edge.unicode', 'keeps every script and sign', await judgeUnicode(subject)),
      row('edge.long', 'refuses clearly what is longer than its context', await judgeTooLong(subject)),
      row('edge.concurrent', 'keeps concurrent answers apart', await judgeConcurrent(subject)),
    ]
  },
}

function answeredOrRefused(answer: Answered): Judgement {
  if (answer.result !== undefined) return ['pass', `answered ${JSON.stringify(excerpt(textOf(answer)))}`]
  const isClear = answer.status === 400 || answer.status === 413 || answer.status === 422
  return verdictOf(isClear, failureOf(answer))
}

/** Signs of four bytes, right-to-left text, a combining mark, and what looks like markup. */
const SCRIPTS = 'Zürich 漢字 עברית 🦊 é <b>&amp;</b> \\n "quoted"'

/** A model may leave a sign out; a sign that comes back broken is the provider's doing. */
async function judgeUnicode({ probe }: Subject): Promise<Judgement> {
  const reply = await probe.ask(say(`Repeat exactly, and write nothing else: ${SCRIPTS}`))
  return judged(reply, (answer) => {
    if (answer.result === undefined) return ['fail', failureOf(answer)]
    const text = textOf(answer)
    return verdictOf(!text.includes('\ufffd') && !/Ã.|â‚¬|ðŸ/.test(text), JSON.stringify(excerpt(text)))
  })
}

/** Words of one token in every tokenizer there is, and one and a half times as many as would fit. */
async function judgeTooLong({ endpoint, probe }: Subject): Promise<Judgement> {
  const { contextLength } = endpoint
  if (contextLength === undefined) return ['not_applicable', 'no context length is stated']
  const words = Math.ceil(contextLength * 1.5)
  if (words > 1_000_000) return ['not_checked', `${words} words are too many to send`]
  const reply = await probe.ask(say('word '.repeat(words), { maxOutputTokens: 16 }))
  return judged(reply, (answer) => {
    if (answer.result === undefined) return answeredOrRefused(answer)
    const counted = answer.result.usage?.inputTokens
    return [
      'fail',
      `a prompt of ${words} words was answered${counted === undefined ? '' : ` and counted as ${counted} tokens`}: it was cut without a word, or the context is longer than stated`,
    ]
  })
}

/** Each is asked for a word of its own; somebody else's word in an answer is a leak between callers. */
async function judgeConcurrent({ probe }: Subject): Promise<Judgement> {
  const words = ['amber', 'birch', 'coral', 'delta', 'ember'].slice(0, TOGETHER)
  const replies = await Promise.all(words.map((word) => probe.ask(say(`Answer with this one word and nothing else: ${word}`))))
  const skipped = replies.find((reply) => reply.kind === 'skipped')
  if (skipped !== undefined) return ['not_checked', skipped.reason]
  const answers = replies.filter((reply) => reply.kind === 'answered')
  const failed = answers.find(({ result }) => result === undefined)
  if (failed !== undefined) return ['fail', failureOf(failed)]
  const mixed = answers.findIndex((answer, at) => words.some((word, other) => other !== at && textOf(answer).toLowerCase().includes(word)))
  if (mixed !== -1)
    return ['fail', `asked for ${words[mixed] ?? ''}, answered ${JSON.stringify(excerpt(textOf(answers[mixed] as Answered)))}`]
  return ['pass', `${TOGETHER} at once, each its own answer`]
}
