/** Pays a stream while it comes: takes the seller's events about money out of it, and answers each demand by a voucher within the call's bound. */
import { RouteplaneError } from '../../errors.ts'
import { readBody, type HttpResponse } from '../../lib/http-call.ts'
import { isRecord, tryParseJson } from '../../lib/json.ts'
import { decodeSse, encodeSseComment, encodeSseEvent, type SseItem } from '../../lib/sse.ts'
import { formatUsd, fromAtomic, type Atomic } from '../../money.ts'
import { readAmount } from '../channel/correct.ts'
import { distrust } from '../channel/sync.ts'
import type { PaidAnswer, SchemeWorld } from '../scheme/scheme.ts'
import { concludeVoucher, promiseOf } from './charge.ts'
import { signSession } from './credential.ts'

/** A voucher covers what is asked and this part of the bound more, so that not every token waits for one. */
const STEPS = 8n
const MAX_ANSWER_BYTES = 64 * 1024

/** Gives the stream on without the events that are between the seller and us. However it ends, its charge is written down. */
export async function* payStream(answer: PaidAnswer, world: SchemeWorld): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder()
  let spent: Atomic | undefined
  let asked = -1n
  try {
    for await (const item of decodeSse(answer.response.body)) {
      if ('comment' in item) yield encoder.encode(encodeSseComment(item.comment))
      else if (item.event === 'payment-need-voucher') asked = await answerDemand(item.data, asked, answer, world)
      else if (item.event === 'payment-receipt') spent = readSpent(tryParseJson(item.data), answer) ?? spent
      else yield encoder.encode(written(item))
    }
  } finally {
    await concludeVoucher(answer.plan, spent, world)
  }
}

/** What a receipt says has been spent from the call's own channel, in all. */
export function readSpent(receipt: unknown, { plan }: Pick<PaidAnswer, 'plan'>): Atomic | undefined {
  if (!isRecord(receipt) || receipt['status'] !== 'success') return undefined
  const { channelId, spent } = receipt
  return isSameChannel(channelId, plan.particulars?.['channel']) ? readAmount(spent) : undefined
}

/** `message` is what an event is without a name. One that was cut stays cut. */
function written({ event, data, truncated }: Exclude<SseItem, { readonly comment: string }>): string {
  const text = encodeSseEvent({ ...(event === undefined || event === 'message' ? {} : { event }), data })
  return truncated === true ? text.slice(0, -1) : text
}

/** @returns what the seller has asked for; the next demand must be higher. */
async function answerDemand(data: string, before: bigint, answer: PaidAnswer, world: SchemeWorld): Promise<bigint> {
  const { plan, call } = answer
  const { voucher, channel } = await promiseOf(plan, world)
  const demand = readDemand(data, channel.id)
  const top = voucher.base + voucher.amount
  if (demand === undefined || demand.required <= before || demand.required <= voucher.base || demand.accepted > top) {
    await distrust(channel, 'asked for a voucher that cannot be', world)
    throw refusal(answer, top, 'the provider asks for a voucher that cannot be')
  }
  const most = voucher.base + plan.amount
  const held = channel.deposited + channel.depositing - channel.returned
  if (demand.required > most) throw refusal(answer, top, 'the provider asks for more than the call may cost')
  if (demand.required > held) throw refusal(answer, top, 'the provider asks for more than lies in the channel')
  const next = [top, demand.required + plan.amount / STEPS].reduce((a, b) => (a > b ? a : b))
  const cumulative = [next, most, held].reduce((a, b) => (a < b ? a : b)) as Atomic
  await world.ledger.channels.promise(
    channel.id,
    { attempt: plan.attemptId, amount: (cumulative - voucher.base) as Atomic },
    world.clock.now(),
  )
  const headers = answer.attach(await signSession('voucher', channel, cumulative, world.ledger))
  const response = await call.transport({ method: 'POST', url: call.http.url, headers: { ...headersOf(answer), ...headers } })
  await drain(response)
  if (response.status < 200 || response.status > 299)
    throw refusal(answer, cumulative, `the provider answered ${response.status} to a voucher`)
  return demand.required
}

/** Those of the call, but for what describes its body: a voucher has none. */
function headersOf({ call }: PaidAnswer): Record<string, string> {
  return Object.fromEntries(Object.entries(call.http.headers).filter(([name]) => !name.toLowerCase().startsWith('content-')))
}

async function drain(response: HttpResponse): Promise<void> {
  await readBody(response, MAX_ANSWER_BYTES)
}

function readDemand(data: string, channel: string): { readonly required: Atomic; readonly accepted: Atomic } | undefined {
  const demand = tryParseJson(data)
  if (!isRecord(demand) || !isSameChannel(demand['channelId'], channel)) return undefined
  const required = readAmount(demand['requiredCumulative'])
  const accepted = readAmount(demand['acceptedCumulative'])
  return required === undefined || accepted === undefined ? undefined : { required, accepted }
}

function isSameChannel(named: unknown, own: string | undefined): boolean {
  return typeof named === 'string' && own !== undefined && named.toLowerCase() === own.toLowerCase()
}

function refusal({ plan }: PaidAnswer, cumulative: bigint, what: string): RouteplaneError {
  const { decimals } = plan.agreed.asset
  const inUsd = (amount: bigint) => formatUsd(fromAtomic(amount as Atomic, decimals, 'up'))
  return new RouteplaneError('payment_rejected', `${what}; the answer ends here`, {
    hint: `See receipt ${plan.attemptId} for what was paid.`,
    details: { channel: plan.particulars?.['channel'] ?? '', promisedInAllUsd: inUsd(cumulative), mostUsd: inUsd(plan.amount) },
  })
}
