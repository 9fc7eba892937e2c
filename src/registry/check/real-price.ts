/** Rows about money by key: what real calls cost by the price list, and whether they were counted honestly. */
import { formatUsd, parseUsd, type Usd } from '../../money.ts'
import { isRecord } from '../../lib/json.ts'
import { costOf } from '../pricing.ts'
import { textOf } from './judge.ts'
import type { Answered } from './probe.ts'
import { row, verdictOf, type Judgement, type RowGroup } from './row.ts'
import type { Subject } from './subject.ts'

export const realPrice: RowGroup = {
  id: 'price',
  title: 'Price of real calls',
  async run(subject) {
    const answers = subject.probe.seen.filter(({ result }) => result !== undefined)
    return [
      row('price.input_count', 'counts no more input tokens than were sent', judgeEach(answers, inputCount)),
      row('price.output_count', 'counts no more output tokens than were answered', judgeEach(answers, outputCount)),
      row('price.total', 'adds its counts up', judgeEach(answers, totalCount)),
      row(
        'process.pricing_check',
        'charges what it declares',
        judgeEach(answers, (answer) => declaredPrice(answer, subject)),
      ),
      row('price.spent', 'has prices that the calls of this check can be added up by', spent(subject)),
    ]
  },
}

/** The first failure says most; without one the last answer that could be judged. */
function judgeEach(answers: readonly Answered[], judge: (answer: Answered) => Judgement): Judgement {
  if (answers.length === 0) return ['not_checked', 'no call was answered']
  const judgements = answers.map(judge)
  return (
    judgements.find(([verdict]) => verdict === 'fail') ??
    judgements.findLast(([verdict]) => verdict === 'pass') ??
    (judgements[0] as Judgement)
  )
}

/** Room for the template a provider puts around a prompt. */
const ENVELOPE_TOKENS = 256

/** A token is at least one byte, so a count above the bytes of the whole body is not a count of it. */
function inputCount({ result, sentBytes }: Answered): Judgement {
  const counted = result?.usage?.inputTokens
  if (counted === undefined) return ['not_checked', 'not counted']
  return verdictOf(counted <= sentBytes + ENVELOPE_TOKENS, `${counted} tokens for ${sentBytes} bytes`)
}

/** Thoughts are counted and not shown, so only answers without any can be judged. */
function outputCount(answer: Answered): Judgement {
  const usage = answer.result?.usage
  if (usage?.outputTokens === undefined) return ['not_checked', 'not counted']
  const content = answer.result?.candidates[0]?.content ?? []
  const hidden = (usage.reasoningTokens !== undefined && usage.reasoningTokens > 0) || content.some(({ type }) => type !== 'text')
  if (hidden) return ['not_checked', 'the answer holds more than text']
  const bytes = Buffer.byteLength(textOf(answer))
  return verdictOf(usage.outputTokens <= bytes + 16, `${usage.outputTokens} tokens for ${bytes} bytes`)
}

function totalCount({ result }: Answered): Judgement {
  const { inputTokens, outputTokens, raw } = result?.usage ?? {}
  const total = isRecord(raw) ? (raw['total_tokens'] ?? raw['totalTokenCount']) : undefined
  if (typeof total !== 'number' || inputTokens === undefined || outputTokens === undefined) return ['not_applicable', 'no total is given']
  return verdictOf(total === inputTokens + outputTokens, `${inputTokens} + ${outputTokens} = ${total}`)
}

/** Some providers say in the usage what a call cost. @see https://openrouter.ai/docs/use-cases/usage-accounting, "cost" */
function declaredPrice({ result }: Answered, { endpoint }: Subject): Judgement {
  const usage = result?.usage
  const own = usage === undefined || endpoint.pricing === undefined ? undefined : costOf(endpoint.pricing, usage, 0)
  if (own === undefined) return ['not_checked', 'the cost is not known by the price list']
  const said = isRecord(usage?.raw) ? charged(usage.raw['cost']) : undefined
  if (said === undefined) return ['not_checked', `$${formatUsd(own)} by the price list; the answer does not say what was charged`]
  // Their figure is rounded somewhere; a thousandth is rounding, more is another price.
  const isDearer = said > own + own / 1000n + 1_000_000_000n
  return verdictOf(!isDearer, `$${formatUsd(own)} by the price list, $${formatUsd(said)} by the answer`)
}

/** It comes as a JSON number; what prints as a plain decimal is read as one. */
function charged(value: unknown): Usd | undefined {
  if (typeof value !== 'number' && typeof value !== 'string') return undefined
  const text = typeof value === 'number' ? plainDecimal(value) : value
  try {
    return text === undefined ? undefined : parseUsd(text)
  } catch {
    return undefined
  }
}

/** `1.2e-7` as `0.00000012`; `undefined` below 18 places. */
function plainDecimal(value: number): string | undefined {
  const match = /^(\d)(?:\.(\d+))?e-(\d+)$/.exec(String(value))
  if (match === null) return /^\d+(?:\.\d{1,18})?$/.test(String(value)) ? String(value) : undefined
  const [, first = '', rest = '', places = ''] = match
  const digits = `${'0'.repeat(Number(places) - 1)}${first}${rest}`
  return digits.length <= 18 ? `0.${digits}` : undefined
}

function spent({ probe, endpoint }: Subject): Judgement {
  if (endpoint.pricing === undefined) return ['fail', 'no price is stated']
  if (probe.seen.length === 0) return ['not_checked', 'nothing was sent']
  const usd = probe.spending.spentUsd()
  return usd === undefined
    ? ['not_checked', 'something that was sent, such as an image, has no price']
    : ['pass', `at most $${formatUsd(usd)} for this check`]
}
