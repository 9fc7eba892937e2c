/** Rows about the 402 a provider sends: whom it wants paid, where, in what, and how much against its own price list. */
import { toRouteplaneError } from '../../errors.ts'
import { formatUsd } from '../../money.ts'
import { boundCost } from '../quote.ts'
import { failureOf } from './judge.ts'
import type { Answered } from './probe.ts'
import { needsOf, requestOf, say } from './question.ts'
import { row, verdictOf, type Judgement, type Row, type RowGroup } from './row.ts'
import type { OfferReading, Subject } from './subject.ts'
import { asksToBePaid } from '../endpoint.ts'

const LIMIT = 64

const titles = {
  'pay.402': 'asks to be paid with 402',
  'pay.offer': 'makes an offer that can be accepted',
  'pay.payee': 'asks for the address of its manifest',
  'pay.asset': 'asks for an asset of its manifest',
  'pay.network': 'asks on a network of its manifest',
  'pay.amount': 'asks no more than its own price list allows',
} as const

export const challenge: RowGroup = {
  id: 'challenge',
  title: 'The 402',
  async run(subject) {
    if (!asksToBePaid(subject.definition.provider.payment)) return all(['not_applicable', 'neither x402 nor mpp is declared'])
    const question = say('Answer with the single word: hello', { maxOutputTokens: LIMIT })
    const answer = await subject.probe.ask(question, { key: 'none' })
    if (answer.kind === 'skipped') return all(['not_checked', answer.reason])
    if (answer.status !== 402)
      return [rowOf('pay.402', ['fail', `wanted 402: ${failureOf(answer)}`]), ...all(['not_checked', 'there is no 402']).slice(1)]
    return judgeOffers(subject, answer)
  },
}

function rowOf(id: keyof typeof titles, judgement: Judgement): Row {
  return row(id, titles[id], judgement)
}

function all(judgement: Judgement): readonly Row[] {
  return (Object.keys(titles) as (keyof typeof titles)[]).map((id) => rowOf(id, judgement))
}

async function judgeOffers({ endpoint, payment }: Subject, answer: Answered): Promise<readonly Row[]> {
  const needs = needsOf(requestOf(say('', { maxOutputTokens: LIMIT }), endpoint.upstreamModel, false), answer.sentBytes)
  const boundUsd = endpoint.pricing === undefined ? undefined : boundCost(endpoint.pricing, needs, LIMIT)
  const offers = await payment
    .readOffers({ headers: answer.headers, body: answer.text, boundUsd })
    .catch((thrown: unknown) => toRouteplaneError(thrown).message)
  if (typeof offers === 'string') return [rowOf('pay.402', ['fail', offers]), ...all(['not_checked', 'the 402 cannot be read']).slice(1)]
  const shown = offers.map(offerText).join('; ')
  const accepted = offers.filter(({ refusal }) => refusal === undefined)
  const first = accepted[0] ?? offers[0]
  const broken = (codes: readonly string[], good: string): Judgement => {
    if (accepted.length > 0) return ['pass', good]
    const refusal = offers.map((offer) => offer.refusal).find((each) => each !== undefined && codes.includes(each.code))
    return refusal === undefined ? ['not_checked', 'another part of the offer was refused before'] : ['fail', refusal.message]
  }
  return [
    rowOf('pay.402', ['pass', `${offers.length} offers: ${shown}`]),
    rowOf(
      'pay.offer',
      accepted.length > 0 ? ['pass', shown] : ['fail', offers.map(({ refusal }) => refusal?.message).join('; ') || 'no offers'],
    ),
    rowOf('pay.payee', broken(['bad_payee', 'payee_mismatch'], first?.payTo ?? '')),
    rowOf('pay.asset', broken(['unknown_asset'], first?.asset ?? '')),
    rowOf('pay.network', broken(['unknown_network'], first?.network ?? '')),
    rowOf('pay.amount', amount(first, accepted.length > 0, boundUsd === undefined ? undefined : formatUsd(boundUsd))),
  ]
}

function offerText({ scheme, network, asset, amountUsd, payTo }: OfferReading): string {
  return `${scheme} ${amountUsd === undefined ? 'an unreadable amount' : `$${formatUsd(amountUsd)}`} in ${asset} on ${network} to ${payTo}`
}

function amount(offer: OfferReading | undefined, isAccepted: boolean, bound: string | undefined): Judgement {
  if (offer === undefined) return ['not_checked', 'there is no offer']
  if (bound === undefined) return ['not_checked', 'its price list does not say what the call can cost']
  const asked = offer.amountUsd === undefined ? 'an unreadable amount' : `$${formatUsd(offer.amountUsd)}`
  const isAmount = ['price_mismatch', 'price_above_cap'].includes(offer.refusal?.code ?? '')
  if (!isAccepted && !isAmount) return ['not_checked', 'another part of the offer was refused before']
  return verdictOf(isAccepted, `asks ${asked}; the price list bounds the call at $${bound}`)
}
