/** Rows about one call that is really paid for, through the same engine and caps as any other. */
import { toRouteplaneError } from '../../errors.ts'
import { formatUsd, type Usd } from '../../money.ts'
import { excerpt } from './judge.ts'
import { row, verdictOf, type Judgement, type Row, type RowGroup } from './row.ts'
import type { PaidReading } from './subject.ts'
import { asksToBePaid } from '../endpoint.ts'

const titles = {
  'paid.answer': 'answers a call that is paid for',
  'paid.price': 'takes no more than its price list allows',
  'paid.receipt': 'leaves a transfer that can be found',
  'paid.usage': 'says how many tokens were used',
} as const

const QUESTION = 'Answer with the single word: hello'

export const paidCall: RowGroup = {
  id: 'paid',
  title: 'A paid call',
  async run({ definition, endpoint, payment, settings }) {
    if (!asksToBePaid(definition.provider.payment)) return all(['not_applicable', 'neither x402 nor mpp is declared'])
    if (payment.pay === undefined) return all(['not_checked', 'give --pay to buy one answer'])
    try {
      return rowsOf(
        await payment.pay({ model: endpoint.upstreamModel, question: QUESTION, maxOutputTokens: 64, capUsd: settings.maxCostUsd }),
      )
    } catch (thrown) {
      const error = toRouteplaneError(thrown)
      return all(['fail', `${error.message} (money ${error.money})`]).slice(0, 1)
    }
  },
}

function all(judgement: Judgement): readonly Row[] {
  return Object.entries(titles).map(([id, title]) => row(id, title, judgement))
}

function rowsOf(paid: PaidReading): readonly Row[] {
  return [
    row('paid.answer', titles['paid.answer'], verdictOf(paid.text.trim() !== '', JSON.stringify(excerpt(paid.text)))),
    row('paid.price', titles['paid.price'], priceOf(paid)),
    row(
      'paid.receipt',
      titles['paid.receipt'],
      verdictOf(paid.transaction !== undefined || paid.receiptId !== undefined, receiptText(paid)),
    ),
    row('paid.usage', titles['paid.usage'], usageOf(paid)),
  ]
}

/** `exact` payments are made before the answer, so more may be paid than the tokens cost; the engine's caps bound it. */
function priceOf({ paidUsd, costUsd }: PaidReading): Judgement {
  if (paidUsd === undefined) return ['fail', 'nothing was paid']
  return [
    'pass',
    `paid $${formatUsd(paidUsd)}; the tokens cost ${costUsd === undefined ? 'an unknown amount' : usd(costUsd)} by the price list`,
  ]
}

function usd(amount: Usd): string {
  return `$${formatUsd(amount)}`
}

function receiptText({ receiptId, transaction, paymentStatus }: PaidReading): string {
  return [receiptId ?? 'no receipt', paymentStatus, transaction].filter((part) => part !== undefined).join(', ')
}

function usageOf({ inputTokens, outputTokens }: PaidReading): Judgement {
  if (inputTokens === undefined || outputTokens === undefined) return ['fail', 'not counted']
  return ['pass', `${inputTokens} in, ${outputTokens} out`]
}
