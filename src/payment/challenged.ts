/** Pays a provider that asks by a 402: hold, send, read the challenge, judge it, write the intent, sign once, send until it is known. */
import { isSolana } from '../chain/networks.ts'
import { RouteplaneError } from '../errors.ts'
import { readBody, type HttpResponse } from '../lib/http-call.ts'
import { ZERO_USD, type Usd } from '../money.ts'
import type { Endpoint } from '../registry/endpoint.ts'
import type { Challenge, ChallengeFormat } from './challenge/challenge.ts'
import { holdFor } from './hold.ts'
import type { Payment, PaymentMode } from './mode.ts'
import { agreeOn, type ChallengedDeps, type Funded, type Order } from './order.ts'
import { signUnasked } from './preemptive.ts'
import type { PaymentProtocol } from './protocol.ts'
import { sendSigned, type SignedCall } from './send-signed.ts'
import { isTaken, signOnce } from './sign-once.ts'
import { createStandingOffers, type StandingOffers } from './standing-offers.ts'

const MAX_CHALLENGE_BYTES = 64 * 1024

/** Makes the payment mode of a protocol; its id is the protocol's. */
export function createChallenged(protocol: PaymentProtocol, deps: ChallengedDeps): PaymentMode {
  const { id } = protocol
  const unpaid: Payment = { mode: id, paidUsd: ZERO_USD, blame: (error) => error, close: async () => {} }
  const offers = createStandingOffers(deps.clock)
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
      const signed = await prepare({ call, protocol, manifest, held }, offers, funded).catch(async (error: unknown) => {
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
  const hasPayee = (network: string) => (isSolana(network) ? terms.solanaPayTo : terms.payTo) !== undefined
  if (!terms.networks.some((network) => deps.networks.includes(network) && hasPayee(network))) {
    if (!terms.networks.some(hasPayee)) return 'the manifest names no payee on the networks it names'
    if (deps.solana?.problem !== undefined && terms.networks.every(isSolana)) return deps.solana.problem
    return `the wallet pays on ${deps.networks.join(', ')}; the provider takes ${terms.networks.join(', ')}`
  }
  const ours = schemes.map((scheme) => scheme.id).filter((scheme) => deps.schemes?.includes(scheme) ?? true)
  if (!ours.some((scheme) => terms.schemes.includes(scheme))) return `no common scheme: the provider takes ${terms.schemes.join(', ')}`
  return undefined
}

/** A seller may give two calls of one moment the same challenge: another is asked for so often. */
const CHALLENGES_TRIED = 3

/** Everything up to the signature. When this throws, nothing has been signed. */
async function prepare(order: Order, offers: StandingOffers, deps: Funded): Promise<SignedCall | { readonly unpaid: HttpResponse }> {
  const unasked = await signUnasked(order, offers, deps)
  if (unasked !== undefined) return unasked
  for (let tried = 1; ; tried++) {
    try {
      return await askAndSign(order, offers, deps)
    } catch (error) {
      if (!(error instanceof RouteplaneError) || !isTaken(error.cause) || tried === CHALLENGES_TRIED) throw error
    }
  }
}

async function askAndSign(order: Order, offers: StandingOffers, deps: Funded): Promise<SignedCall | { readonly unpaid: HttpResponse }> {
  const { call, protocol } = order
  const first = await call.transport(call.http)
  if (first.status !== 402) return { unpaid: first }
  const { format, challenge } = readChallenge(protocol, first, await readChallengeBody(first))
  const agreed = await agreeOn(challenge.terms, order, deps)
  offers.learn(call, { format, challenge })
  call.onProgress?.({ step: 'challenged', amountUsd: agreed.amountUsd, network: agreed.asset.network })
  return signOnce(order, { agreed, format, challenge }, deps)
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
