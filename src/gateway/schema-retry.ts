/** Has an answer that breaks its schema made once more, where that is wanted and the request's cap has room for both. */
import type { CompletionPart } from '../completion/part.ts'
import { toRouteplaneError, type RouteplaneError } from '../errors.ts'
import { addUsd, minUsd, subtractUsd, type Usd } from '../money.ts'
import { costOf } from '../registry/pricing.ts'
import type { Attempt } from '../routing/plan.ts'
import type { Started } from './attempt.ts'
import type { Decided } from './decide.ts'
import { toUsage } from './estimate.ts'

export type SchemaRetry<Settled> = {
  readonly attempt: Attempt
  readonly decided: Decided
  /** Above this a person has to agree, and nobody is asked a second time for one request. */
  readonly approveAboveUsd: Usd | undefined
  /** Closes the payment of an answer: nothing of the first may be open while the second is paid. */
  settle(started: Started, failure: unknown): Promise<Settled>
  /** @throws RouteplaneError as `startAttempt` does. */
  again(capUsd: Usd): Promise<Started>
}

export type Kept<Settled> = {
  /** The answer to deliver. */
  readonly started: Started
  /** Of that answer, when its payment is closed already. */
  readonly settled?: Settled
  /** Of the other answer, which was asked for as well and is not delivered. */
  readonly other?: Settled
}

/** Streams are never held back, and an answer in the upstream's own bytes is not judged. */
export function mayRetrySchema({ answer }: Started, { retriesSchema, call }: Decided): boolean {
  return retriesSchema && !call.read.needs.stream && answer.lane === 'translate' && answer.violatesSchema !== undefined
}

/** Reads an answer to its end and gives it, or the one that came instead; a second failure leaves the first answer. */
export async function keepToSchema<Settled>(first: Started, retry: SchemaRetry<Settled>): Promise<Kept<Settled>> {
  const read = await readWhole(first)
  const capUsd = read.isViolated ? roomAfter(first, retry) : undefined
  if (capUsd === undefined) return { started: read.started }
  const settled = await retry.settle(first, undefined)
  const second = await retry.again(capUsd).then(readWhole, () => undefined)
  if (second === undefined) return { started: read.started, settled }
  if (second.failure === undefined) return { started: second.started, other: settled }
  return { started: read.started, settled, other: await retry.settle(second.started, second.failure) }
}

type Whole = { readonly started: Started; readonly isViolated: boolean; readonly failure: RouteplaneError | undefined }

/** The answer given back can be read once more, and fails where it failed. */
async function readWhole(started: Started): Promise<Whole> {
  const { answer } = started
  if (answer.lane === 'native') return { started, isViolated: false, failure: undefined }
  const seen: CompletionPart[] = []
  let failure: RouteplaneError | undefined
  try {
    for await (const parts of answer.parts) seen.push(...parts)
  } catch (thrown) {
    failure = toRouteplaneError(thrown)
  }
  async function* parts(): AsyncGenerator<readonly CompletionPart[]> {
    if (seen.length > 0) yield seen
    if (failure !== undefined) throw failure
  }
  const error = seen.find((part) => part.type === 'error')?.error
  return {
    started: { ...started, answer: { ...answer, parts: parts() } },
    isViolated: failure === undefined && answer.violatesSchema?.() === true,
    failure: failure ?? error,
  }
}

/**
 * Gives the cap of a second attempt: what the first has left of the request's.
 *
 * @returns `undefined` when the second could cost more than that, or nobody knows what the first has cost.
 */
function roomAfter(first: Started, { attempt, decided, approveAboveUsd }: SchemaRetry<unknown>): Usd | undefined {
  const { endpoint, boundUsd } = attempt.candidate
  const capUsd = decided.capAt(endpoint)
  // The operator's caps guard his wallet; what the caller's own key pays is bound only by a cap he set himself.
  if (attempt.mode === 'byok' && !decided.capIsOwn) return capUsd
  const spentUsd = first.payment.paidUsd ?? meteredUsd(first, attempt, decided) ?? boundUsd
  if (spentUsd === undefined || boundUsd === undefined) return undefined
  const leftUsd = subtractUsd(capUsd, minUsd(spentUsd, capUsd))
  const isAgreed = attempt.mode === 'byok' || approveAboveUsd === undefined || addUsd(spentUsd, boundUsd) <= approveAboveUsd
  return boundUsd <= leftUsd && isAgreed ? leftUsd : undefined
}

/** An estimate is not what will be charged. */
function meteredUsd({ meter }: Started, { candidate: { endpoint } }: Attempt, { call }: Decided): Usd | undefined {
  const usage = toUsage(meter.read(), call.read.needs)
  if (endpoint.pricing === undefined || usage.origin === 'estimated') return undefined
  return costOf(endpoint.pricing, usage, call.read.needs.images)
}
