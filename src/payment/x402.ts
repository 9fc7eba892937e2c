/** Pays per request through x402: hold, send, read the 402, judge it, write the intent, sign once, send until it is known. */
import { createHash } from 'node:crypto'
import type { Chain } from '../chain/chain.ts'
import { RouteplaneError } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'
import { readBody, type HttpResponse } from '../lib/http-call.ts'
import type { Log } from '../lib/log.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { ZERO_USD, type Usd } from '../money.ts'
import type { Endpoint, X402Terms } from '../registry/endpoint.ts'
import type { Wallet } from '../wallet/wallet.ts'
import type { Budgets } from './budget.ts'
import { challengeFormats } from './challenge/index.ts'
import type { Challenge, ChallengeFormat } from './challenge/challenge.ts'
import { assertFunds } from './funds.ts'
import { holdFor } from './hold.ts'
import type { PaidCall, Payment, PaymentMode } from './mode.ts'
import { deriveNonce } from './nonce.ts'
import { sendSigned } from './send-signed.ts'
import type { Resolver } from './resolver.ts'
import { schemes } from './scheme/index.ts'
import { agree, type AgreedTerms } from './terms.ts'

export type X402Deps = {
  readonly ledger: Ledger
  /** Absent when no wallet is configured: every offer is then declined with the reason. */
  readonly wallet: Wallet | undefined
  /** CAIP-2 ids the wallet may pay on. */
  readonly networks: readonly string[]
  chainOf(network: string): Chain
  readonly budgets: Budgets
  readonly resolver: Resolver
  readonly clock: Clock
  readonly log: Log
}

/** The longest any authorization may live, and how long it lives when the answer is quick. Seconds. */
const MAX_VALIDITY_SECONDS = 300
const QUICK_VALIDITY_SECONDS = 60
const MAX_CHALLENGE_BYTES = 64 * 1024

export function createX402(deps: X402Deps): PaymentMode {
  return {
    id: 'x402',

    offer(endpoint) {
      const reason = declineReason(endpoint, deps)
      return reason === undefined ? { available: true, overheadUsd: ZERO_USD } : { available: false, reason }
    },

    async send(call) {
      const wallet = deps.wallet
      const manifest = call.endpoint.provider.payment.x402
      if (wallet === undefined || manifest === undefined)
        throw new RouteplaneError('internal', 'x402 was planned without wallet or manifest terms')
      const heldUsd = await holdFor(call, 'x402', manifest.maxPriceSlackPermille, deps)
      const release = (reason: string) => deps.resolver.giveBack(call.attemptId, reason)
      const signed = await prepare(call, wallet, manifest, heldUsd, deps).catch(async (error: unknown) => {
        await release(error instanceof RouteplaneError ? error.code : 'failed before signing')
        throw error
      })
      if ('unpaid' in signed) {
        await release('not asked to pay')
        return { response: signed.unpaid, payment: unpaid }
      }
      return sendSigned(call, signed, deps)
    },
  }
}

const unpaid: Payment = { mode: 'x402', paidUsd: ZERO_USD, blame: (error) => error, close: async () => {} }

function declineReason(endpoint: Endpoint, deps: X402Deps): string | undefined {
  const { payment } = endpoint.provider
  if (!payment.modes.includes('x402')) return 'the provider does not take x402'
  if (payment.x402 === undefined) return 'the manifest names no x402_address'
  if (deps.wallet === undefined) return 'no wallet: run `routeplane wallet create`'
  if (endpoint.pricing === undefined) return 'the provider lists no price'
  if (!payment.x402.networks.some((network) => deps.networks.includes(network))) {
    return `the wallet pays on ${deps.networks.join(', ')}; the provider takes ${payment.x402.networks.join(', ')}`
  }
  if (!schemes.some((scheme) => payment.x402?.schemes.includes(scheme.id)))
    return `no common scheme: the provider takes ${payment.x402.schemes.join(', ')}`
  return undefined
}

/** All that is needed to send the same authorization again, byte for byte. */
export type SignedCall = {
  readonly agreed: AgreedTerms
  readonly headers: Readonly<Record<string, string>>
  readonly format: ChallengeFormat
  readonly nonce: `0x${string}`
  readonly validBeforeSeconds: bigint
}

/** Everything up to the signature. When this throws, nothing has been signed. */
async function prepare(
  call: PaidCall,
  wallet: Wallet,
  manifest: X402Terms,
  heldUsd: Usd,
  deps: X402Deps,
): Promise<SignedCall | { readonly unpaid: HttpResponse }> {
  const first = await call.transport(call.http)
  if (first.status !== 402) return { unpaid: first }
  const { format, challenge } = readChallenge(first, await readBody(first, MAX_CHALLENGE_BYTES))
  const agreed = await agree(challenge.terms, {
    manifest,
    networks: deps.networks,
    schemes: schemes.map(({ id }) => id),
    payer: wallet.address,
    heldUsd,
    capUsd: call.capUsd,
  })
  call.onProgress?.({ step: 'challenged', amountUsd: agreed.amountUsd, network: agreed.asset.network })
  await assertFunds({ agreed, payer: wallet.address, attemptId: call.attemptId }, deps)
  if (call.signal.aborted) throw asCancelled(call.signal.reason)

  const scheme = schemes.find(({ id }) => id === agreed.terms.scheme)
  if (scheme === undefined) throw new RouteplaneError('unsupported_scheme', `scheme ${agreed.terms.scheme} cannot be signed`)
  const nonce = deriveNonce(await deps.ledger.nonceSalt(), call.attemptId, agreed.payTo, agreed.amount)
  const validBeforeSeconds = validBefore(agreed, call, deps.clock.now())
  await writeIntent({ call, agreed, wallet, nonce, validBeforeSeconds, format }, deps)
  const credential = await scheme.sign({ attemptId: call.attemptId, agreed, nonce, validBeforeSeconds }, wallet)
  call.onProgress?.({ step: 'signed', amountUsd: agreed.amountUsd, payee: agreed.payTo })
  return { agreed, headers: format.attach(credential, agreed.terms, challenge), format, nonce, validBeforeSeconds }
}

/** Whoever aborts may have said why; any other reason means that the caller has left. */
function asCancelled(reason: unknown): RouteplaneError {
  return reason instanceof RouteplaneError ? reason : new RouteplaneError('cancelled', 'the call was cancelled before it was paid')
}

type Intended = {
  readonly call: PaidCall
  readonly agreed: AgreedTerms
  readonly wallet: Wallet
  readonly nonce: `0x${string}`
  readonly validBeforeSeconds: bigint
  readonly format: ChallengeFormat
}

async function writeIntent({ call, agreed, wallet, nonce, validBeforeSeconds, format }: Intended, deps: X402Deps): Promise<void> {
  await deps.ledger.attempts.intend(call.attemptId, {
    protocol: format.protocol,
    scheme: agreed.terms.scheme,
    network: agreed.asset.network,
    asset: agreed.asset.address,
    decimals: agreed.asset.decimals,
    payer: wallet.address,
    payee: agreed.payTo,
    amount: agreed.amount,
    amountUsd: agreed.amountUsd,
    nonce,
    validBeforeSeconds,
    resource: call.http.url,
    bodyDigest: createHash('sha256')
      .update(call.http.body ?? '')
      .digest('hex'),
    now: deps.clock.now(),
  })
}

function readChallenge(response: HttpResponse, body: string): { format: ChallengeFormat; challenge: Challenge } {
  for (const format of challengeFormats) {
    const challenge = format.read(response, body)
    if (challenge !== undefined) return { format, challenge }
  }
  throw new RouteplaneError('bad_challenge', 'the provider answered 402 without a challenge we can read', {
    details: { formats: challengeFormats.map(({ id }) => id) },
  })
}

/** Short, because a signature is money until it expires; longer only when the answer itself will take longer. */
function validBefore(agreed: AgreedTerms, call: PaidCall, nowMs: number): bigint {
  const wanted = Math.max(QUICK_VALIDITY_SECONDS, Math.ceil(call.answerSeconds) + 30)
  const seconds = Math.min(agreed.terms.maxTimeoutSeconds, wanted, MAX_VALIDITY_SECONDS)
  return BigInt(Math.floor(nowMs / 1000) + seconds)
}
