/** Pays a provider that asks by a 402: hold, send, read the challenge, judge it, write the intent, sign once, send until it is known. */
import { createHash } from 'node:crypto'
import type { Chain } from '../chain/chain.ts'
import { RouteplaneError } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'
import { readBody, type HttpResponse } from '../lib/http-call.ts'
import type { Log } from '../lib/log.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { fromAtomic, ZERO_USD, type Usd } from '../money.ts'
import type { Endpoint, X402Terms } from '../registry/endpoint.ts'
import type { Wallet } from '../wallet/wallet.ts'
import type { Budgets } from './budget.ts'
import type { ChannelPolicy } from './channel/offer.ts'
import type { Challenge, ChallengeFormat } from './challenge/challenge.ts'
import { holdFor, type Held } from './hold.ts'
import type { PaidCall, Payment, PaymentMode } from './mode.ts'
import type { PaymentProtocol } from './protocol.ts'
import type { Resolver } from './resolver.ts'
import type { SchemeWorld, SigningPlan } from './scheme/scheme.ts'
import { sendSigned, type SignedCall } from './send-signed.ts'
import { agree, type AgreedTerms } from './terms.ts'

export type ChallengedDeps = {
  readonly ledger: Ledger
  /** Absent when no wallet is configured: every offer is then declined with the reason. */
  readonly wallet: Wallet | undefined
  /** CAIP-2 ids the wallet may pay on. */
  readonly networks: readonly string[]
  /** The scheme ids that may be used, most preferred first; `undefined` for every one, cheapest first. */
  readonly schemes: readonly string[] | undefined
  chainOf(network: string): Chain
  readonly budgets: Budgets
  readonly channels: ChannelPolicy
  readonly resolver: Resolver
  readonly clock: Clock
  readonly log: Log
}

/** The deps with a wallet: what stands once a call is being paid. */
type Funded = ChallengedDeps & SchemeWorld

/** The longest any authorization may live, and how long it lives when the answer is quick. Seconds. */
const MAX_VALIDITY_SECONDS = 300
const QUICK_VALIDITY_SECONDS = 60
const MAX_CHALLENGE_BYTES = 64 * 1024

/** Makes the payment mode of a protocol; its id is the protocol's. */
export function createChallenged(protocol: PaymentProtocol, deps: ChallengedDeps): PaymentMode {
  const { id } = protocol
  const unpaid: Payment = { mode: id, paidUsd: ZERO_USD, blame: (error) => error, close: async () => {} }
  return {
    id,

    offer(endpoint) {
      const reason = declineReason(protocol, endpoint, deps)
      return reason === undefined ? { available: true, overheadUsd: overheadOf(protocol, endpoint, deps) } : { available: false, reason }
    },

    async send(call) {
      const { wallet } = deps
      const manifest = protocol.termsOf(call.endpoint.provider.payment)
      if (wallet === undefined || manifest === undefined)
        throw new RouteplaneError('internal', `${id} was planned without wallet or manifest terms`)
      const funded: Funded = { ...deps, wallet }
      const overheadUsd = overheadOf(protocol, call.endpoint, deps)
      const held = await holdFor(call, { mode: id, slackPermille: manifest.maxPriceSlackPermille, overheadUsd }, deps)
      const release = (reason: string) => deps.resolver.giveBack(call.attemptId, reason)
      const signed = await prepare({ call, protocol, manifest, held }, funded).catch(async (error: unknown) => {
        await release(error instanceof RouteplaneError ? error.code : 'failed before signing')
        throw error
      })
      if ('unpaid' in signed) {
        await release('not asked to pay')
        return { response: signed.unpaid, payment: unpaid }
      }
      return sendSigned(call, signed, funded)
    },
  }
}

function overheadOf(protocol: PaymentProtocol, { provider }: Endpoint, { networks }: ChallengedDeps): Usd {
  const terms = protocol.termsOf(provider.payment)
  return terms === undefined ? ZERO_USD : (protocol.overheadOf?.(terms, networks) ?? ZERO_USD)
}

function declineReason(
  { id, schemes, termsOf }: PaymentProtocol,
  { provider, pricing }: Endpoint,
  deps: ChallengedDeps,
): string | undefined {
  const terms = termsOf(provider.payment)
  if (!provider.payment.modes.includes(id)) return `the provider does not take ${id}`
  if (terms === undefined) return 'the manifest names no x402_address'
  if (deps.wallet === undefined) return 'no wallet: run `routeplane wallet create`'
  if (pricing === undefined) return 'the provider lists no price'
  if (!terms.networks.some((network) => deps.networks.includes(network))) {
    return `the wallet pays on ${deps.networks.join(', ')}; the provider takes ${terms.networks.join(', ')}`
  }
  const ours = schemes.map((scheme) => scheme.id).filter((scheme) => deps.schemes?.includes(scheme) ?? true)
  if (!ours.some((scheme) => terms.schemes.includes(scheme))) return `no common scheme: the provider takes ${terms.schemes.join(', ')}`
  return undefined
}

type Order = {
  readonly call: PaidCall
  readonly protocol: PaymentProtocol
  readonly manifest: X402Terms
  readonly held: Held
}

const PAID_ALREADY = 'the provider asks to be paid for a challenge that stands under another payment of ours'

/** Some protocols bind a payment to its challenge, and a seller may give two calls of one moment the same. */
const CHALLENGES_TRIED = 3

function isTaken(error: unknown): boolean {
  return error instanceof RouteplaneError && error.details.reason === 'taken'
}

/** Everything up to the signature. When this throws, nothing has been signed. */
async function prepare(order: Order, deps: Funded): Promise<SignedCall | { readonly unpaid: HttpResponse }> {
  for (let tried = 1; ; tried++) {
    try {
      return await prepareOnce(order, deps)
    } catch (error) {
      if (!(error instanceof RouteplaneError) || !isTaken(error.cause) || tried === CHALLENGES_TRIED) throw error
    }
  }
}

async function prepareOnce(order: Order, deps: Funded): Promise<SignedCall | { readonly unpaid: HttpResponse }> {
  const { call, protocol, manifest, held } = order
  const first = await call.transport(call.http)
  if (first.status !== 402) return { unpaid: first }
  const { format, challenge } = readChallenge(protocol, first, await readChallengeBody(first))
  const agreed = await agree(challenge.terms, {
    manifest,
    networks: deps.networks,
    schemes: protocol.schemes,
    ...(deps.schemes === undefined ? {} : { allowed: deps.schemes }),
    payer: deps.wallet.address,
    heldUsd: held.priceUsd,
    capUsd: call.capUsd,
    now: deps.clock.now(),
    bodyDigest: bodyDigest(call, 'base64'),
  })
  call.onProgress?.({ step: 'challenged', amountUsd: agreed.amountUsd, network: agreed.asset.network })
  return signOnce({ call, agreed, format, challenge, mode: protocol.id, ...held }, deps)
}

type Agreed = {
  readonly call: PaidCall
  readonly agreed: AgreedTerms
  readonly format: ChallengeFormat
  readonly challenge: Challenge
  readonly mode: PaymentProtocol['id']
  readonly heldUsd: Usd
  readonly priceUsd: Usd
}

/** Plans, writes the plan down, and only then signs it. */
async function signOnce({ call, agreed, format, challenge, mode, heldUsd, priceUsd }: Agreed, deps: Funded): Promise<SignedCall> {
  const { scheme } = agreed
  const validBeforeSeconds = validBefore(agreed, call, deps.clock.now())
  const plan = await scheme.plan({ call, agreed, challenge, heldUsd, priceUsd, validBeforeSeconds }, deps)
  try {
    if (fromAtomic(plan.amount, agreed.asset.decimals, 'up') > heldUsd || plan.validBeforeSeconds > validBeforeSeconds)
      throw new RouteplaneError('internal', `scheme ${scheme.id} planned more than is held`)
    if (call.signal.aborted) throw asCancelled(call.signal.reason)
    await writeIntent(call, plan, format, deps)
  } catch (error) {
    await scheme.abandon?.(plan, deps)
    throw isTaken(error) ? new RouteplaneError('bad_challenge', PAID_ALREADY, { cause: error }) : error
  }
  const payload = await scheme.sign(plan, deps)
  call.onProgress?.({ step: 'signed', amountUsd: agreed.amountUsd, payee: agreed.payTo })
  const attach = (written: unknown) => format.attach(written, agreed.terms, challenge, call.attemptId)
  return { mode, plan, format, attach, headers: attach(payload) }
}

/** Whoever aborts may have said why; any other reason means that the caller has left. */
function asCancelled(reason: unknown): RouteplaneError {
  return reason instanceof RouteplaneError ? reason : new RouteplaneError('cancelled', 'the call was cancelled before it was paid')
}

async function writeIntent(call: PaidCall, plan: SigningPlan, format: ChallengeFormat, deps: Funded): Promise<void> {
  const { asset, payTo, terms } = plan.agreed
  await deps.ledger.attempts.intend(call.attemptId, {
    protocol: format.protocol,
    scheme: terms.scheme,
    network: asset.network,
    asset: asset.address,
    decimals: asset.decimals,
    payer: deps.wallet.address,
    payee: payTo,
    amount: plan.amount,
    amountUsd: fromAtomic(plan.amount, asset.decimals, 'up'),
    nonce: plan.nonce,
    validBeforeSeconds: plan.validBeforeSeconds,
    proof: plan.proof,
    ...(plan.particulars === undefined ? {} : { particulars: plan.particulars }),
    resource: call.http.url,
    bodyDigest: bodyDigest(call, 'hex'),
    now: deps.clock.now(),
  })
}

async function readChallengeBody(response: HttpResponse): Promise<string> {
  return readBody(response, MAX_CHALLENGE_BYTES).catch((error: unknown) => {
    const isLong = error instanceof RouteplaneError && error.code === 'response_too_large'
    if (!isLong) throw error
    throw new RouteplaneError('bad_challenge', `the provider asked for payment, but with more than ${MAX_CHALLENGE_BYTES} bytes of body`)
  })
}

function readChallenge(
  { formats }: PaymentProtocol,
  response: HttpResponse,
  body: string,
): { readonly format: ChallengeFormat; readonly challenge: Challenge } {
  for (const format of formats) {
    const challenge = format.read(response, body)
    if (challenge !== undefined) return { format, challenge }
  }
  throw new RouteplaneError('bad_challenge', 'the provider answered 402 without a challenge we can read', {
    details: { formats: formats.map(({ id }) => id) },
  })
}

function bodyDigest({ http }: PaidCall, encoding: 'hex' | 'base64'): string {
  return createHash('sha256')
    .update(http.body ?? '')
    .digest(encoding)
}

/** Short, because a signature is money until it expires; longer only when the answer itself will take longer. */
function validBefore(agreed: AgreedTerms, call: PaidCall, nowMs: number): bigint {
  const wanted = Math.max(QUICK_VALIDITY_SECONDS, Math.ceil(call.answerSeconds) + 30)
  const seconds = Math.min(agreed.terms.maxTimeoutSeconds, wanted, MAX_VALIDITY_SECONDS)
  const { expiresAt = Infinity } = agreed.terms
  return BigInt(Math.min(Math.floor(nowMs / 1000) + seconds, Math.floor(expiresAt / 1000)))
}
