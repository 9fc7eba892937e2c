/** Puts money into a channel as an attempt of its own: a transfer on chain, which counts in full until it comes back. */
import { createHash } from 'node:crypto'
import type { Intent } from '../../ledger/ledger.ts'
import { createId } from '../../lib/id.ts'
import { fromAtomic, type Atomic } from '../../money.ts'
import type { PaymentModeName } from '../../registry/endpoint.ts'
import { budgetExceeded, limitsAt } from '../budget.ts'
import { assertFunds } from '../funds.ts'
import type { PlanInput, SchemeWorld } from '../scheme/scheme.ts'

export type Deposit = {
  /** All that may leave the wallet for it, the network's fee included. */
  readonly amount: Atomic
  readonly mode: PaymentModeName
  /** What of the signature is the scheme's own to say. */
  intentOf(attemptId: string): Promise<Pick<Intent, 'protocol' | 'proof' | 'payee' | 'nonce' | 'validBeforeSeconds' | 'particulars'>>
}

/**
 * Holds a deposit and writes its intent down; nothing is signed yet.
 *
 * @returns the attempt's id.
 * @throws RouteplaneError `budget_exceeded`, `insufficient_funds`.
 */
export async function holdDeposit(
  { call, agreed }: Pick<PlanInput, 'call' | 'agreed'>,
  { amount, mode, intentOf }: Deposit,
  world: SchemeWorld,
): Promise<string> {
  const { asset } = agreed
  const amountUsd = fromAtomic(amount, asset.decimals, 'up')
  const now = world.clock.now()
  const id = createId('att', now)
  const provider = call.endpoint.provider.id
  await assertFunds({ agreed: { asset, amount }, payer: world.wallet.address, attemptId: id }, world)
  const outcome = await world.ledger.attempts.hold({
    id,
    requestId: `${call.requestId}-deposit`,
    provider,
    model: call.endpoint.upstreamModel,
    mode,
    amount: amountUsd,
    requestCap: world.channels.maxDepositUsd,
    budgets: limitsAt(world.budgets(), now, { provider }),
    now,
  })
  if (!outcome.granted) throw budgetExceeded(amountUsd, outcome)
  return orGiveBack(id, world, async () => {
    const { network, address, decimals } = asset
    await world.ledger.attempts.intend(id, {
      ...(await intentOf(id)),
      scheme: agreed.terms.scheme,
      network,
      asset: address,
      decimals,
      payer: world.wallet.address,
      amount,
      amountUsd,
      resource: call.http.url,
      bodyDigest: createHash('sha256')
        .update(call.http.body ?? '')
        .digest('hex'),
      now: world.clock.now(),
    })
    return id
  })
}

/** Gives a deposit's hold back when what must be written down beside it cannot be: nothing of it has been signed. */
export async function orGiveBack<Result>(
  deposit: string | undefined,
  { resolver }: Pick<SchemeWorld, 'resolver'>,
  write: () => Promise<Result>,
): Promise<Result> {
  try {
    return await write()
  } catch (error) {
    if (deposit !== undefined) await resolver.giveBack(deposit, 'it could not be written down')
    throw error
  }
}
