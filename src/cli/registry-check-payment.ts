/** Reads a 402 for `registry check` by the payment layer's own judge, and buys one answer through the engine. */
import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { foldParts } from '../completion/fold.ts'
import type { Config } from '../config/config.ts'
import { RouteplaneError } from '../errors.ts'
import type { Completion, GatewayCall } from '../gateway/call.ts'
import { systemClock } from '../lib/clock.ts'
import { createId } from '../lib/id.ts'
import { fromAtomic, parseAtomic, scaleUsd, type Usd } from '../money.ts'
import { findAsset } from '../chain/networks.ts'
import type { Terms } from '../payment/challenge/challenge.ts'
import { mpp } from '../payment/mpp.ts'
import type { PaymentProtocol } from '../payment/protocol.ts'
import { judge } from '../payment/terms.ts'
import { x402 } from '../payment/x402.ts'
import type { Provider, X402Terms } from '../registry/endpoint.ts'
import type { OfferedAnswer, OfferReading, PaidReading, PaymentPort } from '../registry/check/subject.ts'
import { updateProviderFile } from '../registry/provider-edit.ts'
import type { CommandContext } from './context.ts'
import type { Invocation } from './invocation.ts'
import { loadFor, quietLogFor } from './session.ts'
import { textCall } from './text-call.ts'

export type PaymentPortOptions = {
  readonly provider: Provider
  /** The text of its file. */
  readonly manifest: string
  readonly invocation: Invocation
  readonly context: CommandContext
}

/** Paying is only there with `--pay`, so nothing else can buy anything. */
export async function createPaymentPort(options: PaymentPortOptions): Promise<PaymentPort> {
  const { payment } = options.provider
  const protocol = payment.modes.includes('x402') ? x402 : mpp
  const terms = protocol.termsOf(payment)
  const readOffers = async (answer: OfferedAnswer) => (terms === undefined ? [] : readOffersOf(answer, terms, protocol))
  if (!options.invocation.flag('pay')) return { readOffers }
  const config = await loadFor(options.invocation, options.context)
  return { readOffers, pay: (asked) => pay(asked, config, options) }
}

/** What a 402 is missing when nothing in it can be read, by the mode that the manifest names. */
const CHALLENGE_HEADERS: Readonly<Record<string, string>> = { x402: 'PAYMENT-REQUIRED', mpp: 'WWW-Authenticate: Payment' }

/** Nobody's address: the judge only compares it with the payee. */
const NOBODY = '0x0000000000000000000000000000000000000001'

/** Above any amount a 402 could name, so that the price list alone decides. */
const NO_CAP = (10n ** 60n) as Usd

async function readOffersOf(
  answer: OfferedAnswer,
  manifest: X402Terms,
  { id, formats, schemes }: PaymentProtocol,
): Promise<readonly OfferReading[]> {
  const challenge = formats.map((format) => format.read(answer, answer.body)).find((each) => each !== undefined)
  if (challenge === undefined)
    throw new RouteplaneError('bad_challenge', `the 402 is of no format that is understood: it needs a ${CHALLENGE_HEADERS[id]} header`)
  const { boundUsd } = answer
  const agreement = {
    manifest,
    networks: manifest.networks,
    schemes,
    payer: NOBODY,
    heldUsd: boundUsd === undefined ? NO_CAP : scaleUsd(boundUsd, manifest.maxPriceSlackPermille, 1000n, 'up'),
    capUsd: NO_CAP,
    now: systemClock.now(),
    bodyDigest: '',
  } as const
  return Promise.all(
    challenge.terms.map(async (terms): Promise<OfferReading> => {
      const verdict = await judge(terms, agreement)
      const refusal = 'depth' in verdict ? { code: verdict.code, message: verdict.message } : undefined
      return { ...shown(terms), ...(refusal === undefined ? {} : { refusal }) }
    }),
  )
}

function shown({ scheme, network, asset, payTo, amount }: Terms): Omit<OfferReading, 'refusal'> {
  const known = findAsset(network, asset)
  return {
    scheme,
    network,
    asset: known?.symbol ?? asset,
    payTo,
    amountUsd: known === undefined ? undefined : usdOf(amount, known.decimals),
  }
}

function usdOf(amount: string, decimals: number): Usd | undefined {
  try {
    return fromAtomic(parseAtomic(amount), decimals, 'up')
  } catch {
    return undefined
  }
}

type PaidQuestion = Parameters<NonNullable<PaymentPort['pay']>>[0]

/** The engine as the config has it, with this provider alone in its registry: the same caps, wallet and ledger as any request. */
async function pay(
  asked: PaidQuestion,
  config: Config,
  { context, invocation, manifest, provider }: PaymentPortOptions,
): Promise<PaidReading> {
  const directory = await mkdtemp(join(tmpdir(), 'routeplane-check-'))
  try {
    await mkdir(join(directory, 'providers'))
    // A staged provider is not routed to; its copy here is, because that is what the check is for.
    const text = updateProviderFile(manifest, { status: 'active' }, `${provider.id}.yaml`)
    await writeFile(join(directory, 'providers', `${provider.id}.yaml`), text)
    const engine = await context.engine.open(narrowed(config, directory, invocation), quietLogFor(config, context))
    try {
      await engine.ready()
      return await readPaid(await engine.complete(callOf(asked, provider.id, context)))
    } finally {
      await engine.close()
    }
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

function narrowed(config: Config, path: string, invocation: Invocation): Config {
  const { pollSeconds, hideDeprecated } = config.registry
  const allowLoopback = config.upstream.allowLoopback || invocation.flag('allow-loopback')
  return {
    ...config,
    providers: [],
    virtualModels: [],
    presets: [],
    registry: { path, pollSeconds, hideDeprecated },
    upstream: { ...config.upstream, allowLoopback },
  }
}

function callOf({ model, question, maxOutputTokens, capUsd }: PaidQuestion, provider: string, context: CommandContext): GatewayCall {
  const id = createId('req', context.clock.now())
  const pinned = `${provider}:${model}`
  const call = textCall({ id, model: pinned, prompt: question, maxOutputTokens, maxCostUsd: capUsd, signal: context.interrupted })
  return { ...call, read: { ...call.read, extensions: { ...call.read.extensions, paymentPrefer: ['x402', 'mpp'] } } }
}

async function readPaid({ answer, closed }: Completion): Promise<PaidReading> {
  if (answer.lane !== 'translate') throw new RouteplaneError('internal', 'an answer without a wire is made of parts')
  const { candidates } = await foldParts(answer.parts)
  const summary = await closed
  const content = candidates[0]?.content ?? []
  return {
    text: content.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join(''),
    paidUsd: summary.paidUsd,
    costUsd: summary.costUsd,
    receiptId: summary.receiptId,
    transaction: summary.transaction,
    paymentStatus: summary.paymentStatus,
    inputTokens: summary.usage?.origin === 'provider' ? summary.usage.inputTokens : undefined,
    outputTokens: summary.usage?.origin === 'provider' ? summary.usage.outputTokens : undefined,
    finishReason: summary.finishReason,
  }
}
