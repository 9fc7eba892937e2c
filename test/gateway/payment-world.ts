/** The payment flow with its real ledger, wallet and judges, before a seller who plays by script on a chain in memory. */
import { encodePaymentRequiredHeader } from '@x402/core/http'
import { RouteplaneError, toRouteplaneError, type MoneyState } from '../../src/errors.ts'
import { systemClock } from '../../src/lib/clock.ts'
import type { HttpCall, HttpResponse } from '../../src/lib/http-call.ts'
import { silentLog } from '../../src/lib/log.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'
import { fromAtomic, type Atomic } from '../../src/money.ts'
import { createChallenged } from '../../src/payment/challenged.ts'
import type { PaymentMode } from '../../src/payment/mode.ts'
import type { RecheckDeps } from '../../src/payment/recheck.ts'
import { createResolver, type Resolver } from '../../src/payment/resolver.ts'
import { x402 } from '../../src/payment/x402.ts'
import type { Endpoint } from '../../src/registry/endpoint.ts'
import { fallThrough } from '../../src/routing/fall-through.ts'
import type { WalletKey } from '../../src/wallet/key.ts'
import { createLocalWallet } from '../../src/wallet/local-wallet.ts'
import { createPolicy } from '../../src/wallet/policy.ts'
import type { Wallet } from '../../src/wallet/wallet.ts'
import type { LedgerPlace } from '../ledger/open.ts'
import type { Signed } from '../support/authorization.ts'
import { createMemoryChain, createVirtualClock, NETWORK, type MemoryChain, type VirtualClock } from './payment-chain.ts'
import { readSigned } from './relay.ts'

export const PAYEE = '0x209693Bc6afc0C5328bA36FaF03C514EF312287C'
const USDC = '0x036CbD53842c5426634e7929541eC2318f3dCF7e'
export const PRICE = 100n
const inUsd = (amount: bigint) => fromAtomic(amount as Atomic, 6, 'up')
export const REQUEST_CAP = inUsd(250n)
export const DAY_CAP = inUsd(900n)

/** How the seller meets a request without payment, and each of those that bring one; the last goes on for ever. */
export type Script = { readonly first: First; readonly paid: readonly Paid[] }
export const firsts = ['challenge', 'free', 'busy', 'drop', 'payee', 'dear', 'hang'] as const
export const replies = ['ok', 'busy', 'again', 'dearer', 'pending', 'drop', 'unsent', 'redirect', 'hang'] as const
type First = (typeof firsts)[number]
type Paid = { readonly cash: boolean; readonly reply: (typeof replies)[number] }

export type Told = { readonly attemptId: string; readonly money: MoneyState | 'answered' }

/** One life of the paying process. */
type Process = {
  readonly ledger: Ledger
  readonly resolver: Resolver
  readonly mode: PaymentMode
  readonly recheck: RecheckDeps
  end(): void
}

export type PaymentWorld = {
  readonly clock: VirtualClock
  readonly chain: MemoryChain
  readonly place: LedgerPlace
  readonly key: WalletKey
  process: Process
  lives: number
  attempts: number
  requests: number
  /** Changes that the ledger still takes before its disk is full. */
  writesLeft: number
  /** In which life of the process an attempt was made. */
  readonly lifeOf: Map<string, number>
  /** Every signature the wallet gave, in order, with the request it was for. */
  readonly signed: {
    readonly requestId: string
    readonly attemptId: string
    readonly nonce: string
    readonly validBeforeSeconds: bigint
    readonly risky: boolean
  }[]
  /** Attempts whose seller never replies. */
  readonly hanging: Set<string>
  /** What the seller holds and could cash. */
  readonly credentials: Signed[]
  /** What callers were told of each attempt. */
  readonly told: Told[]
  /** Broken promises, found while they were broken. */
  readonly broken: string[]
}

export async function createPaymentWorld(place: LedgerPlace, key: WalletKey): Promise<PaymentWorld> {
  const clock = createVirtualClock(1_795_000_000_000)
  const world: PaymentWorld = {
    ...{
      clock,
      chain: createMemoryChain(clock, 10_000n),
      place,
      key,
      lives: 0,
      attempts: 0,
      requests: 0,
      writesLeft: Infinity,
      lifeOf: new Map(),
      hanging: new Set(),
    },
    ...{ signed: [], credentials: [], told: [], broken: [], process: undefined as unknown as Process },
  }
  world.process = await startProcess(world)
  return world
}

/** Two lives wait for each other's lock in turns of the loop: no real time passes here, on a busy machine least of all. */
const impatient = { ...systemClock, sleep: () => new Promise<void>((resolve) => setImmediate(resolve)) }

/** A process begins, as the product does: it opens the ledger and heals what others have left. */
export async function startProcess(world: PaymentWorld): Promise<Process> {
  world.lives += 1
  const ledger = failing(await world.place.open(world.lives, { clock: impatient }), world)
  const { clock, end } = world.clock.ofProcess()
  const shared = { ledger, chainOf: () => world.chain, clock, log: silentLog }
  const resolver = createResolver(shared)
  const mode = createChallenged(x402, {
    ...shared,
    resolver,
    budgets: () => ({ perDay: DAY_CAP, total: DAY_CAP }),
    networks: [NETWORK],
    schemes: undefined,
    preemptive: 'when_alone',
    leaves: 'never',
    channels: { maxDepositUsd: DAY_CAP, perSeller: 1, maxWithdrawDelay: 86_400 },
    wallet: watched(world, ledger),
  })
  // The product tries again every half minute; here, whenever time passes.
  await resolver.recover().catch(() => {})
  return { ledger, resolver, mode, recheck: { ...shared, resolver }, end }
}

function failing(ledger: Ledger, world: PaymentWorld): Ledger {
  const guard =
    <Values extends unknown[], Result>(change: (...values: Values) => Promise<Result>) =>
    async (...values: Values): Promise<Result> => {
      if (world.writesLeft-- <= 0) throw new RouteplaneError('store_unavailable', 'the disk is full')
      return change(...values)
    }
  const { attempts } = ledger
  const { hold, intend, renew, end, adopt, reopen } = attempts
  const guarded = {
    ...{ hold: guard(hold), intend: guard(intend), renew: guard(renew) },
    ...{ end: guard(end), adopt: guard(adopt), reopen: guard(reopen) },
  }
  return { ...ledger, attempts: { ...attempts, ...guarded } }
}

/** A wallet that looks into the ledger before it signs: what it is asked to sign must stand there already. */
function watched(world: PaymentWorld, ledger: Ledger): Wallet {
  const wallet = createLocalWallet({ key: world.key, policy: createPolicy({ clock: world.clock }) })
  return {
    address: wallet.address,
    signTempoTransfer: (transfer, grant) => wallet.signTempoTransfer(transfer, grant),
    signTempoOpening: wallet.signTempoOpening,
    signTempoReserve: wallet.signTempoReserve,
    signWithdrawal: wallet.signWithdrawal,
    signDeposit: wallet.signDeposit,
    signLeave: wallet.signLeave,
    signAllowance: wallet.signAllowance,
    async signTransfer(authorization, grant) {
      const row = await ledger.attempts.get(grant.attemptId)
      const { nonce, validBeforeSeconds, to, value } = authorization
      const { payment } = row ?? {}
      // Signed again under its own nonce, an authorization may be smaller or die sooner than the first.
      const [most, end] = [payment?.amountAuthorized ?? 0n, payment?.validBeforeSeconds ?? 0n]
      const isAgain = world.signed.some((earlier) => earlier.nonce === nonce)
      const isWithin = isAgain ? value <= most && validBeforeSeconds <= end : value === most && validBeforeSeconds === end
      if (row?.state !== 'intent' || payment?.nonce !== nonce || payment.payee !== to || !isWithin)
        world.broken.push('signed what was not written down')
      if (row !== undefined && value > row.heldUsd / 10n ** 12n) world.broken.push('signed more than is held')
      const requestId = row?.requestId ?? ''
      const risky = requestId.endsWith('risky')
      const others = world.signed.filter((earlier) => earlier.requestId === requestId && earlier.nonce !== nonce)
      const live = others.filter((earlier) => !isDead(world, earlier))
      if (live.length > 0 && !risky) world.broken.push('signed a second authorization while the first may still be cashed')
      world.signed.push({ requestId, attemptId: grant.attemptId, nonce, validBeforeSeconds, risky })
      return wallet.signTransfer(authorization, grant)
    },
    signPermit: () => {
      throw new Error('this seller takes no permits')
    },
  }
}

/** Unused and past its end, or never shown to anybody. */
function isDead(world: PaymentWorld, { nonce, validBeforeSeconds }: { nonce: string; validBeforeSeconds: bigint }): boolean {
  if (world.chain.isUsed(nonce)) return false
  return world.chain.nowSeconds() >= validBeforeSeconds || !world.credentials.some((credential) => credential.nonce === nonce)
}

const never = new Promise<never>(() => {})

function reply(status: number, headers: Record<string, string> = {}): HttpResponse {
  async function* body() {
    yield Buffer.from('{}')
  }
  return { status, headers, body: body() }
}

function challenge(changes: object = {}): HttpResponse {
  const offer = { scheme: 'exact', network: NETWORK, asset: USDC, amount: String(PRICE), payTo: PAYEE, maxTimeoutSeconds: 60 }
  const accepts = [{ ...offer, extra: { name: 'USDC', version: '2' }, ...changes }]
  const header = { x402Version: 2, resource: { url: 'http://seller.example/v1/chat/completions' }, accepts }
  return reply(402, { 'payment-required': encodePaymentRequiredHeader(header as never) })
}

const lost = (sent: boolean) => new RouteplaneError('upstream_unreachable', 'the connection broke', { details: { sent } })

/** The scripted seller: cashes a credential before it replies, if it means to. */
function createTransport(world: PaymentWorld, attemptId: string, { first, paid }: Script) {
  let shown = 0
  const hang = () => {
    world.hanging.add(attemptId)
    return never
  }
  return async (call: HttpCall): Promise<HttpResponse> => {
    const header = call.headers['PAYMENT-SIGNATURE']
    if (header === undefined) return first === 'hang' ? hang() : meet(first)
    const step = paid[Math.min(shown++, paid.length - 1)] ?? { cash: true, reply: 'ok' }
    if (step.reply === 'unsent') throw lost(false)
    const signed = readSigned(header)
    world.credentials.push(signed)
    if (step.cash) world.chain.cash(signed)
    return step.reply === 'hang' ? hang() : settleWith(step.reply)
  }
}

async function meet(first: Exclude<First, 'hang'>): Promise<HttpResponse> {
  if (first === 'challenge') return challenge()
  if (first === 'payee') return challenge({ payTo: '0x70997970C51812dc3A010C7d01b50e0d17dc79C8' })
  if (first === 'dear') return challenge({ amount: '10000' })
  if (first === 'drop') throw lost(true)
  return reply(first === 'free' ? 200 : 503)
}

async function settleWith(kind: Exclude<Paid['reply'], 'hang'>): Promise<HttpResponse> {
  if (kind === 'ok') return reply(200)
  if (kind === 'again') return challenge()
  if (kind === 'dearer') return challenge({ amount: String(PRICE + 1n) })
  if (kind === 'busy') return reply(500)
  if (kind === 'redirect') throw new RouteplaneError('redirect_refused', 'redirected', { details: { sent: true } })
  if (kind === 'drop') throw lost(true)
  const receipt = { success: false, errorReason: 'settlement_pending', transaction: '', network: NETWORK }
  return reply(402, { 'payment-response': Buffer.from(JSON.stringify(receipt)).toString('base64') })
}

const endpoint = {
  ...{ modelId: 'demo/echo', upstreamModel: 'demo/echo', name: 'echo', protocols: ['chat_completions'], pricing: undefined },
  provider: {
    ...{ id: 'acme', name: 'acme', baseUrl: 'http://seller.example/v1', status: 'active', kind: 'third_party', source: 'config' },
    payment: {
      modes: ['x402'],
      x402: { payTo: PAYEE, networks: [NETWORK], assets: ['USDC'], schemes: ['exact'], maxPriceSlackPermille: 1050n },
    },
  },
} as unknown as Endpoint

export type Purchase = {
  readonly scripts: readonly Script[]
  readonly onUnknown: 'wait' | 'fail' | 'allow_double'
}

/** One request as the gateway treats it: attempt after attempt, while the rules let it fall through. */
export async function purchase(world: PaymentWorld, { scripts, onUnknown }: Purchase): Promise<void> {
  const { mode } = world.process
  const requestId = `req_${world.requests++}${onUnknown === 'allow_double' ? '_risky' : ''}`
  for (const [at, script] of scripts.entries()) {
    const attemptId = `pay_${String(world.attempts++).padStart(6, '0')}`
    world.lifeOf.set(attemptId, world.lives)
    try {
      const { response, payment } = await mode.send({
        ...{ requestId, attemptId, caller: 'local', endpoint, boundUsd: inUsd(120n), capUsd: REQUEST_CAP, answerSeconds: 1, onUnknown },
        hasNext: at + 1 < scripts.length,
        wire: 'chat_completions',
        http: { method: 'POST', url: 'http://seller.example/v1/chat/completions', headers: {}, body: Buffer.from('{}') },
        signal: new AbortController().signal,
        transport: createTransport(world, attemptId, script),
      })
      await payment.close({ delivered: true, usage: undefined, costUsd: undefined })
      world.told.push({ attemptId, money: 'answered' })
      if (response.status === 200) return
    } catch (thrown) {
      const error = toRouteplaneError(thrown)
      world.told.push({ attemptId, money: error.money })
      if (fallThrough(error, { onUnknown, aborted: false }) === 'caller') return
    }
  }
}
