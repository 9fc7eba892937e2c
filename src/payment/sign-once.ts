/** Plans a payment, writes the plan down, and only then signs it: by a crash at any point nothing is signed that the ledger does not know. */
import { isSolana } from '../chain/networks.ts'
import { RouteplaneError } from '../errors.ts'
import { fromAtomic } from '../money.ts'
import type { Challenge, ChallengeFormat } from './challenge/challenge.ts'
import type { PaidCall } from './mode.ts'
import { bodyDigest, validBefore, type Funded, type Order } from './order.ts'
import type { AnyPlan } from './scheme/scheme.ts'
import { offersIn } from './seller-papers.ts'
import type { SignedCall } from './send-signed.ts'
import type { AnyAgreed } from './terms.ts'

/** An offer that was found acceptable, and the challenge it came in. */
export type AgreedOffer = {
  readonly agreed: AnyAgreed
  readonly format: ChallengeFormat
  readonly challenge: Challenge
}

const PAID_ALREADY = 'the provider asks to be paid for a challenge that stands under another payment of ours'

/** Whether somebody else has the nonce of a plan: some protocols bind a payment to its challenge, and a seller may give two calls the same. */
export function isTaken(error: unknown): boolean {
  return error instanceof RouteplaneError && error.details.reason === 'taken'
}

/**
 * Signs an order under an offer.
 *
 * @param keepsHold - Whether all that is held stays reserved, because the terms may yet change.
 * @throws RouteplaneError before anything is signed.
 */
export async function signOnce(order: Order, offer: AgreedOffer, deps: Funded, keepsHold = false): Promise<SignedCall> {
  const { call, held, protocol } = order
  const { agreed, format, challenge } = offer
  const { scheme } = agreed
  const validBeforeSeconds = validBefore(agreed, call, deps.clock.now())
  const plan = await scheme.plan({ call, agreed, challenge, ...held, validBeforeSeconds }, deps)
  try {
    const outlives = scheme.onSolana !== true && plan.validBeforeSeconds > validBeforeSeconds
    if (fromAtomic(plan.amount, agreed.asset.decimals, 'up') > held.heldUsd || outlives)
      throw new RouteplaneError('internal', `scheme ${scheme.id} planned more than is held`)
    if (call.signal.aborted) throw asCancelled(call.signal.reason)
    await writeIntent(call, plan, format, { ...deps, keepsHold })
  } catch (error) {
    await scheme.abandon?.(plan, deps)
    throw isTaken(error) ? new RouteplaneError('bad_challenge', PAID_ALREADY, { cause: error }) : error
  }
  // A signature that was refused has left nothing behind, and what was written down for it beside the call is free again.
  const credential = async () => ({ payload: await scheme.sign(plan, deps), extensions: await scheme.extend?.(plan, deps) })
  const { payload, extensions } = await credential().catch(async (error: unknown) => {
    await scheme.abandon?.(plan, deps)
    throw error
  })
  call.onProgress?.({ step: 'signed', amountUsd: agreed.amountUsd, payee: agreed.payTo })
  const besides = { attemptId: call.attemptId, ...(extensions === undefined ? {} : { extensions }) }
  const attach = (written: unknown) => format.attach(written, agreed.terms, challenge, besides)
  return { mode: protocol.id, plan, format, attach, headers: attach(payload), offers: offersIn(challenge.extensions) }
}

/** Whoever aborts may have said why; any other reason means that the caller has left. */
function asCancelled(reason: unknown): RouteplaneError {
  return reason instanceof RouteplaneError ? reason : new RouteplaneError('cancelled', 'the call was cancelled before it was paid')
}

/** @throws RouteplaneError `internal` for a network that there is no wallet for. */
function payerOn(network: string, { wallet, solana }: Funded): string {
  const payer = isSolana(network) ? solana?.wallet?.address : wallet.address
  if (payer !== undefined) return payer
  throw new RouteplaneError('internal', `a payment on ${network} was planned without a wallet for it`)
}

type Writing = Funded & { readonly keepsHold: boolean }

async function writeIntent(call: PaidCall, plan: AnyPlan, format: ChallengeFormat, deps: Writing): Promise<void> {
  const { asset, payTo, terms } = plan.agreed
  await deps.ledger.attempts.intend(call.attemptId, {
    protocol: format.protocol,
    scheme: terms.scheme,
    network: asset.network,
    asset: asset.address,
    decimals: asset.decimals,
    payer: payerOn(asset.network, deps),
    payee: payTo,
    amount: plan.amount,
    amountUsd: fromAtomic(plan.amount, asset.decimals, 'up'),
    nonce: plan.nonce,
    validBeforeSeconds: plan.validBeforeSeconds,
    proof: plan.proof,
    ...(plan.particulars === undefined ? {} : { particulars: plan.particulars }),
    ...(deps.keepsHold ? { keepsHold: true } : {}),
    resource: call.http.url,
    bodyDigest: bodyDigest(call, 'hex'),
    now: deps.clock.now(),
  })
}
