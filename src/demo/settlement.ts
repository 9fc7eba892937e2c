/** Settles one payment as the product does, with the faults of a provider between the two. */
import type { x402ResourceServer } from '@x402/core/server'
import type { PaymentPayload, PaymentRequirements } from '@x402/core/types'
import type { Chain } from '../chain/chain.ts'
import { systemClock } from '../lib/clock.ts'
import type { SalePayment } from '../ledger/sale.ts'
import { collect, collectAgain, type Collected, type Collecting } from '../selling/x402/collect.ts'
import { exact } from '../selling/x402/scheme/exact.ts'

/** What an x402 `exact` credential pays, and the credential itself. */
export type SignedPayment = { readonly payload: PaymentPayload; readonly requirements: PaymentRequirements; readonly payment: SalePayment }

export type Settler = {
  /** Settles, or joins the attempt under way, or gives what is certain already; tries again after `unknown`. */
  settle(): Promise<Collected>
  /** What is known without doing anything; `undefined` before the first attempt has ended. */
  known(): Collected | undefined
}

export type SettlerOptions = {
  readonly server: x402ResourceServer
  readonly chain: Chain
  readonly signed: SignedPayment
  /** Runs before the facilitator is asked; a throw leaves the settlement unknown. */
  readonly beforeSettle?: () => Promise<void> | void
  /** Told once, when the payment has become certain. */
  readonly onSettled?: () => void
}

export function createSettler({ server, chain, signed, beforeSettle, onSettled }: SettlerOptions): Settler {
  const { payload, requirements, payment } = signed
  const collecting: Collecting = {
    scheme: exact,
    payment,
    amount: payment.amountOffered,
    claimedAt: systemClock.now(),
    chainOf: () => chain,
    async settle() {
      await beforeSettle?.()
      return server.settlePayment(payload, requirements)
    },
  }
  let known: Collected | undefined
  let running: Promise<Collected> | undefined
  const attempt = async (): Promise<Collected> => {
    known = known === undefined ? await collect(collecting) : await collectAgain(collecting)
    running = undefined
    if (known.state === 'settled') onSettled?.()
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
