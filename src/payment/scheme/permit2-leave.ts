/** Gives Permit2 leave for one payment, by EIP-2612, where the offer says that somebody else pays to show it to the token. */
import { permit2Address } from '../../chain/permit2.ts'
import { RouteplaneError } from '../../errors.ts'
import type { AttemptRow } from '../../ledger/entry.ts'
import { isRecord } from '../../lib/json.ts'
import type { PlanInput, SchemeWorld, SigningPlan } from './scheme.ts'

/** `exact`: for the very amount of a payment, and no longer than it. `never`: only what `wallet approve` has allowed is used. */
export const leavePolicies = ['exact', 'never'] as const
export type LeavePolicy = (typeof leavePolicies)[number]

/** @see https://github.com/coinbase/x402/blob/main/specs/extensions/eip2612_gas_sponsoring.md */
const KEY = 'eip2612GasSponsoring'

/** In the particulars of a payment that comes with a leave: the token's nonce for it. */
const LEAVE_NONCE = 'leave_nonce'

/** How long a call waits for other payments of its token, and how often it looks. Milliseconds. */
const PATIENCE_MS = 10_000
const LOOK_MS = 100

/**
 * Plans a leave for a payment. The token counts an owner's leaves, and each takes the place of the one before: while one is at large
 * there is no other payment of that token over Permit2.
 *
 * @returns the particulars that are written down with the payment; `undefined` when the offer, the token or the user takes none.
 * @throws RouteplaneError `overloaded` when other payments of the token stay open.
 */
export async function planLeave(
  { call, agreed, challenge }: Pick<PlanInput, 'call' | 'agreed' | 'challenge'>,
  world: SchemeWorld,
): Promise<Readonly<Record<string, string>> | undefined> {
  const { asset } = agreed
  const isTaken = isRecord(challenge.extensions) && isRecord(challenge.extensions[KEY])
  if (!isTaken || world.leaves === 'never' || asset.transferMethod !== 'eip3009') return undefined
  const deadline = world.clock.now() + PATIENCE_MS
  while ((await openPayments(agreed, world)).length > 0) {
    if (world.clock.now() >= deadline || call.signal.aborted) throw busy()
    await world.clock.sleep(LOOK_MS, call.signal).catch(() => {})
  }
  const nonce = await world.chainOf(asset.network).leaveNonce(asset, world.wallet.address)
  return nonce === undefined ? undefined : { [LEAVE_NONCE]: nonce.toString() }
}

/** Whether a leave comes with a payment. */
export function hasLeave({ particulars }: Pick<SigningPlan, 'particulars'>): boolean {
  return particulars?.[LEAVE_NONCE] !== undefined
}

/**
 * Signs the leave that was planned: for the amount of the payment, until its end.
 *
 * @returns what the credential says to the extensions; `undefined` for a payment without a leave.
 */
export async function signLeave(plan: SigningPlan, { wallet }: SchemeWorld): Promise<Readonly<Record<string, unknown>> | undefined> {
  const nonce = plan.particulars?.[LEAVE_NONCE]
  if (nonce === undefined) return undefined
  const { network, address: asset } = plan.agreed.asset
  const { amount: value, validBeforeSeconds } = plan
  const leave = { network, asset, value, nonce: BigInt(nonce), validBeforeSeconds }
  const signature = await wallet.signLeave(leave, { maxValue: value })
  const terms = { amount: value.toString(), nonce, deadline: validBeforeSeconds.toString() }
  return { [KEY]: { info: { from: wallet.address, asset, spender: permit2Address, ...terms, signature, version: '1' } } }
}

/**
 * Two calls may have found nothing open at the same moment, and planned the same leave. Both are written down before they come here:
 * the later one gives way to one before it, and an earlier one waits for those after it, which may have been here before it was
 * written down. Whoever has waited may find his leave used.
 *
 * @throws RouteplaneError `overloaded`; nothing has been signed.
 */
export async function assertOnlyLeave(plan: SigningPlan, world: SchemeWorld): Promise<void> {
  if (!hasLeave(plan)) return
  const { attemptId, agreed, particulars = {} } = plan
  const deadline = world.clock.now() + PATIENCE_MS
  for (;;) {
    const others = (await openPayments(agreed, world)).filter(({ id }) => id !== attemptId)
    if (others.length === 0) break
    if (others.some(({ id }) => id < attemptId) || world.clock.now() >= deadline) throw busy()
    await world.clock.sleep(LOOK_MS)
  }
  const nonce = await world.chainOf(agreed.asset.network).leaveNonce(agreed.asset, world.wallet.address)
  if (nonce?.toString() !== particulars[LEAVE_NONCE]) throw busy()
}

/** Payments of the token over Permit2 whose end is not known. */
async function openPayments(
  { asset }: SigningPlan['agreed'],
  { ledger, wallet }: Pick<SchemeWorld, 'ledger' | 'wallet'>,
): Promise<readonly AttemptRow[]> {
  const open = await ledger.attempts.list({ states: ['intent', 'unknown'] })
  return open.filter(
    ({ payment }) =>
      payment !== undefined &&
      payment.proof.startsWith('permit2') &&
      payment.network === asset.network &&
      payment.asset === asset.address &&
      payment.payer === wallet.address,
  )
}

function busy(): RouteplaneError {
  return new RouteplaneError('overloaded', 'another payment of this token over Permit2 is under way; the token takes one leave at a time', {
    hint: 'Try again in a minute, or let Permit2 take a sum once: routeplane wallet approve <amount>',
  })
}
