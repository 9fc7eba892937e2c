/** Settles one payment through a facilitator and, wherever the facilitator leaves it open, asks the chain. */
import type { x402ResourceServer } from '@x402/core/server'
import type { PaymentPayload, PaymentRequirements, SettleResponse } from '@x402/core/types'
import { fateOf } from '../chain/confirm.ts'
import type { Chain } from '../chain/chain.ts'

/** The authorization inside an x402 `exact` payload, read and checked for shape. */
export type SignedPayment = {
  readonly payload: PaymentPayload
  readonly requirements: PaymentRequirements
  readonly payer: `0x${string}`
  readonly nonce: `0x${string}`
  readonly amount: bigint
  readonly validBeforeSeconds: bigint
}

/**
 * - `settled`: the transfer lies on the chain.
 * - `refused`: nothing moved and this payment will not be tried again.
 * - `unknown`: it may or may not have moved; the payer must not be asked to pay anew.
 */
export type Settlement =
  | { readonly state: 'settled'; readonly receipt: SettleResponse }
  | { readonly state: 'refused'; readonly reason: string }
  | { readonly state: 'unknown' }

export type Settler = {
  /** Settles, or joins the attempt under way, or gives what is certain already; tries again after `unknown`. */
  settle(): Promise<Settlement>
  /** What is known without doing anything; `undefined` before the first attempt has ended. */
  known(): Settlement | undefined
}

export type SettlerOptions = {
  readonly server: x402ResourceServer
  readonly chain: Chain
  readonly payment: SignedPayment
  /** Runs before the facilitator is asked. */
  readonly beforeSettle?: () => Promise<void> | void
  /** Told once, when the payment has become certain. */
  readonly onSettled?: () => void
}

export function createSettler(options: SettlerOptions): Settler {
  let known: Settlement | undefined
  let running: Promise<Settlement> | undefined
  const attempt = async (): Promise<Settlement> => {
    known = known === undefined ? await settleOnce(options) : await settleAgain(options)
    running = undefined
    if (known.state === 'settled') options.onSettled?.()
    return known
  }
  return {
    settle: () => {
      if (known !== undefined && known.state !== 'unknown') return Promise.resolve(known)
      return (running ??= attempt())
    },
    known: () => known,
  }
}

/** What an earlier attempt may have done comes first: the chain knows, and asking it costs nothing. */
async function settleAgain(options: SettlerOptions): Promise<Settlement> {
  const seen = await readFate(options)
  return seen === 'open' ? settleOnce(options) : seen
}

async function settleOnce(options: SettlerOptions): Promise<Settlement> {
  const { payload, requirements } = options.payment
  let answer: SettleResponse | undefined
  try {
    await options.beforeSettle?.()
    answer = await options.server.settlePayment(payload, requirements)
  } catch {
    // A facilitator that did not answer may have sent the transaction all the same.
    const seen = await readFate(options)
    return seen === 'open' ? { state: 'unknown' } : seen
  }
  if (answer.success) return { state: 'settled', receipt: answer }
  const seen = await readFate(options)
  if (seen !== 'open') return seen
  if (answer.errorReason === 'settlement_pending') return { state: 'unknown' }
  return { state: 'refused', reason: answer.errorReason ?? 'settlement_failed' }
}

/** A chain that cannot be asked leaves the outcome unknown: it neither frees nor charges the payer. */
async function readFate({ chain, payment }: SettlerOptions): Promise<Settlement | 'open'> {
  const { requirements, payer, nonce, amount, validBeforeSeconds } = payment
  const fate = await fateOf(chain, {
    asset: requirements.asset as `0x${string}`,
    payee: requirements.payTo as `0x${string}`,
    payer,
    nonce,
    amount,
    validBeforeSeconds,
  }).catch(() => undefined)
  if (fate === undefined) return { state: 'unknown' }
  if (fate.fate === 'open') return 'open'
  if (fate.fate !== 'transferred') return { state: 'refused', reason: `authorization_${fate.fate}` }
  const { transaction } = fate.transfer
  return { state: 'settled', receipt: { success: true, transaction, network: requirements.network, payer, amount: amount.toString() } }
}
