/** Sends one signed call until its outcome is known: always the same authorization, never a second one. */
import { RouteplaneError, toRouteplaneError, withMoney, type MoneyState } from '../errors.ts'
import type { HttpResponse } from '../lib/http-call.ts'
import { formatUsd, fromAtomic, type Usd } from '../money.ts'
import type { Challenge, ChallengeFormat, SettlementClaim } from './challenge/challenge.ts'
import type { PaidCall, PaidResponse, Payment } from './mode.ts'
import type { PaymentModeName } from '../registry/endpoint.ts'
import { proofOf } from './proof/index.ts'
import { readRefusal, type Asks, type Refused, type Reply } from './refusal.ts'
import type { Resolver } from './resolver.ts'
import { readPapers } from './seller-papers.ts'
import { mostOfPlan, type AnyPlan, type SchemeWorld } from './scheme/scheme.ts'

export type SendDeps = SchemeWorld & { readonly resolver: Resolver }

/** All that is needed to send the same signature again, byte for byte. */
export type SignedCall = {
  readonly mode: PaymentModeName
  readonly plan: AnyPlan
  readonly format: ChallengeFormat
  /** Writes a payload as the credential headers of this call. */
  attach(payload: unknown): Readonly<Record<string, string>>
  /** The credential, attached. */
  readonly headers: Readonly<Record<string, string>>
  /** What the seller signed of its offers, unread. */
  readonly offers: readonly unknown[]
  /** Present when it was signed before the provider had asked for it. */
  readonly unasked?: Unasked
}

/** What becomes of a payment that nobody has asked for. */
export type Unasked = {
  accepted(): void
  /**
   * The provider answered 402. @returns the same payment under the terms of that 402; `undefined` when there is none.
   *
   * @throws RouteplaneError when the new terms are not acceptable.
   */
  refused(challenge: Challenge | undefined): Promise<SignedCall | undefined>
}

/** Waits before the second, third and fourth send of the same authorization. */
const RESEND_DELAYS_MS = [250, 1_000, 2_500] as const
const MAX_RETRY_AFTER_MS = 5_000

/**
 * Sends a signed call, up to four times, and resolves at the answer's headers.
 *
 * @throws RouteplaneError whose `money` tells the truth: `untouched` when nothing left, or when the authorization has
 *   been proven dead; `settled` when the chain shows the transfer but the answer is lost; else `unknown`.
 */
export async function sendSigned(call: PaidCall, first: SignedCall, deps: SendDeps): Promise<PaidResponse> {
  let signed = first
  let left = false
  let unanswered = false
  let last: Reply | undefined
  for (let send = 0; send <= RESEND_DELAYS_MS.length; send++) {
    last = await sendOnce(call, signed)
    if (last.kind === 'answer') {
      call.onProgress?.({ step: 'accepted' })
      signed.unasked?.accepted()
      return receive(call, signed, last.response, deps)
    }
    if (last.kind === 'unsent' && !left) return endUnsent(call, last.why, deps)
    left ||= last.kind !== 'unsent'
    const refused = last.kind === 'refused' && !call.signal.aborted ? last : undefined
    const corrected = refused === undefined ? undefined : await answerRefusal({ call, signed, unanswered, refused }, deps)
    if ((last.kind === 'refused' && corrected === undefined) || call.signal.aborted) break
    if (corrected !== undefined && corrected !== 'again') {
      signed = corrected
      unanswered = false
      continue
    }
    unanswered ||= last.kind === 'again'
    await waitToResend(send, last, call, deps)
  }
  if (last === undefined || last.kind === 'answer') throw new RouteplaneError('internal', 'a signed call ended without a reply')
  return endUnknown(call, signed, last.why, deps)
}

/** As long as the seller asks for, within reason; not at all after the last send, or once the caller is gone. */
async function waitToResend(send: number, last: Reply, { signal }: PaidCall, { clock }: SendDeps): Promise<void> {
  const delay = RESEND_DELAYS_MS[send]
  if (delay === undefined) return
  const retryAfterMs = last.kind === 'again' ? last.retryAfterMs : undefined
  await clock.sleep(Math.min(MAX_RETRY_AFTER_MS, retryAfterMs ?? delay), signal).catch(() => {})
}

async function sendOnce(call: PaidCall, signed: SignedCall): Promise<Reply> {
  try {
    const response = await call.transport({ ...call.http, headers: { ...call.http.headers, ...signed.headers } })
    if (response.status >= 200 && response.status < 300) return { kind: 'answer', response }
    return await readRefusal(response, signed)
  } catch (thrown) {
    const why = toRouteplaneError(thrown)
    // Whoever sends it elsewhere would do so again; the credential goes nowhere but where it was made for.
    if (why.code === 'redirect_refused') return { kind: 'refused', why }
    return why.details.sent === false ? { kind: 'unsent', why } : { kind: 'again', why }
  }
}

type RefusedCall = {
  readonly call: PaidCall
  readonly signed: SignedCall
  /** Whether an earlier send of the same payment got no answer: it may have been taken then. */
  readonly unanswered: boolean
  readonly refused: Refused
}

/** What is sent instead after a refusal: by the scheme's books, or, where nobody had asked yet, under the terms that are asked now. */
async function answerRefusal(refusal: RefusedCall, deps: SendDeps): Promise<SignedCall | 'again' | undefined> {
  const { call, signed, refused, unanswered } = refusal
  const { asks, why } = refused
  if (asks === undefined) return undefined
  try {
    const corrected = why.code === 'price_mismatch' ? undefined : await correct(refusal, asks, deps)
    return corrected ?? (asks.status === 402 && !unanswered ? await signed.unasked?.refused(asks.challenge) : undefined)
  } catch (error) {
    deps.log.warn('refusal could not be answered', { attempt: call.attemptId, message: toRouteplaneError(error).message })
    return undefined
  }
}

/** Lets the scheme answer a 402 with what it has learned from it. */
async function correct({ call, signed, unanswered }: RefusedCall, asks: Asks, deps: SendDeps): Promise<SignedCall | 'again' | undefined> {
  const { plan } = signed
  const payload = await plan.agreed.scheme.correct?.({ call, plan, unanswered, ...asks }, deps)
  if (payload === undefined || payload === 'again') return payload
  return { ...signed, headers: signed.attach(payload) }
}

/** The signature never left this process and is forgotten here: its money is free again. */
async function endUnsent(call: PaidCall, why: RouteplaneError, deps: SendDeps): Promise<never> {
  await deps.resolver.giveBack(call.attemptId, 'the signature never left')
  throw why
}

/** Asks the chain at once; what stays open is followed by the resolver, and the caller is told what is at risk. */
async function endUnknown(call: PaidCall, signed: SignedCall, why: RouteplaneError, deps: SendDeps): Promise<never> {
  const state = await conclude(call, why, deps).catch((error: unknown) => {
    // A ledger that fails now must not make a signed payment look like an unsigned one.
    deps.log.error('payment could not be recorded', { attempt: call.attemptId, message: toRouteplaneError(error).message })
    return 'open' as const
  })
  if (state === 'released') throw withMoney(why, 'untouched')
  const details = {
    attemptId: call.attemptId,
    atRiskUsd: formatUsd(usdOf(signed.plan)),
    expiresAt: new Date(Number((signed.plan.replaces ?? signed.plan).validBeforeSeconds) * 1_000).toISOString(),
  }
  if (state === 'settled') {
    const paidUsd = await deps.ledger.attempts.get(call.attemptId).then(
      (row) => row?.payment?.settledUsd ?? usdOf(signed.plan),
      () => usdOf(signed.plan),
    )
    throw new RouteplaneError(
      'answer_lost',
      `the payment of $${formatUsd(paidUsd)} is settled on chain, but its answer is lost: ${why.message}`,
      {
        money: 'settled',
        hint: `See receipt ${call.attemptId}; repeating the request pays again.`,
        details,
        cause: why,
      },
    )
  }
  deps.resolver.follow(call.attemptId)
  throw new RouteplaneError(
    why.code === 'price_mismatch' ? 'price_mismatch' : 'payment_outcome_unknown',
    `what became of the payment is not known yet: ${why.message}`,
    {
      money: 'unknown',
      hint: `At most $${details.atRiskUsd} is at risk until ${details.expiresAt}; ask for receipt ${call.attemptId} before trying again.`,
      details,
      cause: why,
    },
  )
}

async function conclude(call: PaidCall, why: RouteplaneError, deps: SendDeps): Promise<'settled' | 'released' | 'open'> {
  await deps.ledger.attempts.end(call.attemptId, { state: 'unknown', reason: why.code, now: deps.clock.now() })
  const wait = call.onUnknown === 'wait' && !call.signal.aborted
  return deps.resolver.settle(call.attemptId, wait ? { untilKnown: true, signal: call.signal } : { tries: 1 })
}

/** How often and how long the end of an answer waits for the chain before the resolver takes over. */
const CLOSE_TRIES = 4

/** The most that may be taken. */
function usdOf(plan: AnyPlan): Usd {
  return fromAtomic(mostOfPlan(plan), plan.agreed.asset.decimals, 'up')
}

/** Gives the answer on, after the scheme has had it first. */
async function receive(call: PaidCall, signed: SignedCall, response: HttpResponse, deps: SendDeps): Promise<PaidResponse> {
  const { plan, attach } = signed
  const claim = signed.format.readClaim(response)
  if (claim === 'invalid') deps.log.warn('receipt header cannot be read', { attempt: call.attemptId, provider: call.endpoint.provider.id })
  const { scheme } = plan.agreed
  // A scheme that receives its answers judges what they claim itself: a channel's first receipt is about its deposit.
  if (scheme.receive === undefined && typeof claim === 'object' && claim.amount !== undefined && claim.amount > mostOfPlan(plan)) {
    // The chain lets nobody take it; whoever says so all the same keeps books that are not to be trusted.
    const said = { attempt: call.attemptId, provider: call.endpoint.provider.id, amount: String(claim.amount), signed: String(plan.amount) }
    deps.log.error('provider says that it took more than was signed', said)
  }
  const payment = openPayment(call, signed, claim, deps)
  const received = await scheme.receive?.({ call, plan, response, claim, attach }, deps)
  return { response: received ?? response, payment }
}

/** Keeps what the seller has signed, with what its signature is worth. No money hangs on it, so nothing of it fails a call. */
async function keepPapers({ attemptId, endpoint }: PaidCall, signed: SignedCall, claim: Claim, deps: SendDeps): Promise<void> {
  const { plan, offers } = signed
  const receipt = typeof claim === 'object' ? claim.receipt : undefined
  if (offers.length === 0 && receipt === undefined) return
  try {
    for (const paper of await readPapers({ offers, receipt }, plan, deps.wallet.address)) {
      await deps.ledger.papers.keep(attemptId, paper)
      const { kind, verdict, reason } = paper
      if (verdict === 'wrong')
        deps.log.warn('what the seller signed is wrong', { attempt: attemptId, provider: endpoint.provider.id, kind, reason })
    }
  } catch (error) {
    deps.log.warn('what the seller signed could not be kept', { attempt: attemptId, message: toRouteplaneError(error).message })
  }
}

type Claim = SettlementClaim | 'invalid' | undefined

function openPayment(call: PaidCall, signed: SignedCall, claim: SettlementClaim | 'invalid' | undefined, deps: SendDeps): Payment {
  let money: MoneyState = 'signed'
  return {
    mode: signed.mode,
    receiptId: call.attemptId,
    // Where less may be charged, or one of two amounts, only the chain says what was.
    ...(proofOf(signed.plan).mayChargeLess || signed.plan.replaces !== undefined ? {} : { paidUsd: usdOf(signed.plan) }),
    blame: (error) => withMoney(error, money),
    async close() {
      await keepPapers(call, signed, claim, deps)
      try {
        const hint = typeof claim === 'object' && claim.transaction !== undefined ? { transaction: claim.transaction } : {}
        const state = await deps.resolver.settle(call.attemptId, { tries: CLOSE_TRIES, ...hint })
        if (state !== 'open') {
          money = state === 'settled' ? 'settled' : 'untouched'
          return
        }
        money = 'unknown'
        await deps.ledger.attempts.end(call.attemptId, {
          state: 'unknown',
          reason: 'answered, not yet settled on chain',
          now: deps.clock.now(),
        })
        deps.resolver.follow(call.attemptId)
      } catch (error) {
        // The row stays open until the chain can be asked and the ledger written: money is never closed on a guess.
        money = 'unknown'
        deps.log.error('payment could not be closed', { attempt: call.attemptId, message: toRouteplaneError(error).message })
        deps.resolver.follow(call.attemptId)
      }
    },
  }
}
