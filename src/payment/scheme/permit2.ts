/** x402 schemes over Permit2: `exact` moves the whole amount, `upto` what was used of a ceiling; both through the x402 proxies. */
import { permit2Address } from '../../chain/permit2.ts'
import { RouteplaneError } from '../../errors.ts'
import { isRecord } from '../../lib/json.ts'
import { formatUsd, fromAtomic } from '../../money.ts'
import type { PermitTransfer } from '../../wallet/wallet.ts'
import { assertFunds } from '../funds.ts'
import { deriveNonce } from '../nonce.ts'
import { permit2, permit2Ceiling } from '../proof/permit2.ts'
import type { AgreedTerms } from '../terms.ts'
import { assertOnlyLeave, hasLeave, planLeave, signLeave } from './permit2-leave.ts'
import { renewedPlan, type PlanInput, type Renewal, type Scheme, type SchemeWorld, type SigningPlan } from './scheme.ts'

/** @see https://github.com/coinbase/x402/blob/main/specs/schemes/exact/scheme_exact_evm.md, "Permit2" */
export const exactPermit2: Scheme = {
  id: 'exact',
  transactionsPerThousandCalls: 1_000,
  matches: ({ format, transferMethod }) => format === 'x402-v2' && transferMethod === 'permit2',
  plan: async (input, world) => planPermit(input, world, permit2.id),
  renew: renewPermit,
  sign: (plan, world) => signPermit(plan, world, { kind: 'exact' }),
  extend: signLeave,
}

/**
 * The ceiling is what is held, signed and counted; what the chain shows is what was paid.
 *
 * @see https://github.com/coinbase/x402/blob/main/specs/schemes/upto/scheme_upto_evm.md
 */
export const upto: Scheme = {
  id: 'upto',
  transactionsPerThousandCalls: 1_000,
  matches: ({ format }) => format === 'x402-v2',
  flaw: ({ raw }) => (facilitatorIn(raw) === undefined ? 'the offer names no facilitator that may settle it' : undefined),
  async plan(input, world) {
    const facilitator = facilitatorIn(input.agreed.terms.raw)
    if (facilitator === undefined) throw new RouteplaneError('bad_challenge', 'the offer names no facilitator that may settle it')
    const plan = await planPermit(input, world, permit2Ceiling.id)
    return { ...plan, particulars: { ...plan.particulars, facilitator } }
  },
  async renew(renewal, world) {
    const facilitator = facilitatorIn(renewal.agreed.terms.raw)
    if (facilitator === undefined) return undefined
    const plan = await renewPermit(renewal, world)
    return { ...plan, particulars: { ...plan.particulars, facilitator } }
  },
  sign: (plan, world) => signPermit(plan, world, { kind: 'upto', facilitator: plan.particulars?.['facilitator'] as `0x${string}` }),
  extend: signLeave,
}

const ADDRESS = /^0x[0-9a-fA-F]{40}$/

/** The one address that may settle an `upto` payment; without it nobody could. */
function facilitatorIn(raw: unknown): `0x${string}` | undefined {
  const address = isRecord(raw) && isRecord(raw['extra']) ? raw['extra']['facilitatorAddress'] : undefined
  return typeof address === 'string' && ADDRESS.test(address) && !/^0x0+$/.test(address) ? (address as `0x${string}`) : undefined
}

async function planPermit(input: PlanInput, world: SchemeWorld, proof: string): Promise<SigningPlan> {
  const { call, agreed, validBeforeSeconds } = input
  const { attemptId } = call
  await assertFunds({ agreed, payer: world.wallet.address, attemptId }, world)
  const short = await shortAllowance(agreed, world)
  const particulars = short === undefined ? undefined : await planLeave(input, world)
  if (short !== undefined && particulars === undefined) throw short
  const nonce = deriveNonce(await world.ledger.nonceSalt(), attemptId, agreed.payTo, agreed.amount)
  const plan = { attemptId, agreed, proof, nonce, amount: agreed.amount, validBeforeSeconds }
  return particulars === undefined ? plan : { ...plan, particulars }
}

/** A bit of Permit2's bitmap is spent once, whatever was signed for it. */
async function renewPermit(renewal: Renewal, world: SchemeWorld): Promise<SigningPlan> {
  const { agreed, plan } = renewal
  await assertFunds({ agreed, payer: world.wallet.address, attemptId: plan.attemptId }, world)
  // A leave is signed anew with the payment, for what is asked now.
  const short = hasLeave(plan) ? undefined : await shortAllowance(agreed, world)
  if (short !== undefined) throw short
  return renewedPlan(renewal)
}

/**
 * Why a payment cannot be made by the allowance alone: without it the signature would be worth nothing to the seller, and stay a risk
 * to us until it expires. @returns `undefined` when it covers the payment, or cannot be asked for.
 */
async function shortAllowance({ asset, amount }: AgreedTerms, { wallet, chainOf }: SchemeWorld): Promise<RouteplaneError | undefined> {
  const allowance = await chainOf(asset.network)
    .allowanceOf(asset.address, wallet.address, permit2Address)
    .catch(() => undefined)
  if (allowance === undefined || allowance >= amount) return undefined
  const inUsd = (value: typeof amount) => formatUsd(fromAtomic(value, asset.decimals, 'up'))
  return new RouteplaneError(
    'insufficient_funds',
    `Permit2 may take ${inUsd(allowance)} ${asset.symbol} of the wallet; this call needs ${inUsd(amount)}`,
    {
      hint: `Let Permit2 take a sum you are ready to spend this way: routeplane wallet approve <amount> --network ${asset.network} --token ${asset.symbol}`,
      details: { network: asset.network, asset: asset.symbol, allowedUsd: inUsd(allowance), neededUsd: inUsd(amount) },
    },
  )
}

type Spender = Pick<PermitTransfer, 'kind' | 'facilitator'>

async function signPermit(plan: SigningPlan, world: SchemeWorld, spender: Spender): Promise<unknown> {
  await assertOnlyLeave(plan, world)
  const { wallet } = world
  const { agreed, amount, nonce, validBeforeSeconds, attemptId, replaces } = plan
  const { asset, payTo } = agreed
  const permit: PermitTransfer = {
    ...spender,
    network: asset.network,
    asset: asset.address,
    to: payTo,
    value: amount,
    validAfterSeconds: 0n,
    validBeforeSeconds,
    nonce,
  }
  const { signature, proxy } = await wallet.signPermit(permit, {
    attemptId,
    payee: payTo,
    maxValue: amount,
    ...(replaces === undefined ? {} : { replaces: true }),
  })
  return {
    permit2Authorization: {
      from: wallet.address,
      permitted: { token: asset.address, amount: amount.toString() },
      spender: proxy,
      nonce: BigInt(nonce).toString(),
      deadline: validBeforeSeconds.toString(),
      witness: { to: payTo, ...(spender.facilitator === undefined ? {} : { facilitator: spender.facilitator }), validAfter: '0' },
    },
    signature,
  }
}
