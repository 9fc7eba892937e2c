/** Payment channels with their real ledger, wallet and judges, before a seller who plays by script on a chain in memory. */
import { encodePaymentRequiredHeader } from '@x402/core/http'
import { depositCollectorAddress, depositNonceOf } from '../../src/chain/channel-id.ts'
import { RouteplaneError, toRouteplaneError, type MoneyState } from '../../src/errors.ts'
import { systemClock } from '../../src/lib/clock.ts'
import type { HttpCall, HttpResponse } from '../../src/lib/http-call.ts'
import { silentLog } from '../../src/lib/log.ts'
import { fromAtomic, type Atomic } from '../../src/money.ts'
import { createChallenged } from '../../src/payment/challenged.ts'
import type { ChannelWorld } from '../../src/payment/channel/sync.ts'
import type { PaymentMode } from '../../src/payment/mode.ts'
import { createResolver, type Resolver } from '../../src/payment/resolver.ts'
import { x402 } from '../../src/payment/x402.ts'
import type { Endpoint } from '../../src/registry/endpoint.ts'
import type { WalletKey } from '../../src/wallet/key.ts'
import { createLocalWallet } from '../../src/wallet/local-wallet.ts'
import { createPolicy } from '../../src/wallet/policy.ts'
import type { LedgerPlace } from '../ledger/open.ts'
import { createMemoryChain, createVirtualClock, NETWORK, type MemoryChain, type VirtualClock } from './payment-chain.ts'
import { PAYEE } from './payment-world.ts'

const USDC = '0x036CbD53842c5426634e7929541eC2318f3dCF7e'
const AUTHORIZER = '0x70997970C51812dc3A010C7d01b50e0d17dc79C8'
export const PRICE = 100n
const inUsd = (amount: bigint) => fromAtomic(amount as Atomic, 6, 'up')
export const REQUEST_CAP = inUsd(250n)
export const DEPOSIT_CAP = inUsd(600n)
export const DAY_CAP = inUsd(2_500n)

export const charges = ['part', 'full', 'none'] as const
export const channelReplies = ['ok', 'ok', 'silent', 'busy', 'drop', 'refuse', 'unsent', 'hang'] as const

/** How the seller meets a payment: whether it sends a deposit that comes with it, what it charges, and what it says. */
export type Meeting = {
  readonly fills: boolean
  readonly charge: (typeof charges)[number]
  readonly reply: (typeof channelReplies)[number]
}

/** What the seller has of a channel: what it charged and claimed, what it gave back, and the highest voucher it was shown. */
export type Account = { filled: bigint; charged: bigint; claimed: bigint; refunded: bigint; signed: bigint; signature: string }

/** One life of the paying process. */
type Life = ChannelWorld & { readonly mode: PaymentMode; readonly resolver: Resolver; end(): void }

export type ChannelModel = {
  readonly clock: VirtualClock
  readonly chain: MemoryChain
  readonly place: LedgerPlace
  readonly key: WalletKey
  /** What the seller has of each channel. */
  readonly accounts: Map<string, Account>
  process: Life
  lives: number
  attempts: number
  /** What callers were told of each attempt. */
  readonly told: { readonly attemptId: string; readonly money: MoneyState | 'answered' }[]
  /** Broken promises, found while they were broken. */
  readonly broken: string[]
}

export async function createChannelModel(place: LedgerPlace, key: WalletKey): Promise<ChannelModel> {
  const clock = createVirtualClock(1_795_000_000_000)
  const accounts = new Map<string, Account>()
  const chain = createMemoryChain(clock, 100_000n, (id) => {
    const { filled, claimed, refunded } = accountOf(accounts, id)
    return { balance: (filled - refunded) as Atomic, claimed: claimed as Atomic }
  })
  const state = { lives: 0, attempts: 0, told: [], broken: [], process: undefined as unknown as Life }
  const world: ChannelModel = { clock, chain, place, key, accounts, ...state }
  world.process = await startLife(world)
  return world
}

function accountOf(accounts: Map<string, Account>, id: string): Account {
  const known = accounts.get(id) ?? { filled: 0n, charged: 0n, claimed: 0n, refunded: 0n, signed: 0n, signature: '0x' }
  accounts.set(id, known)
  return known
}

/** Two lives wait for each other's lock in turns of the loop: no real time passes here. */
const impatient = { ...systemClock, sleep: () => new Promise<void>((resolve) => setImmediate(resolve)) }

/** A process begins, as the product does: it opens the ledger and heals what others have left. */
export async function startLife(world: ChannelModel): Promise<Life> {
  world.lives += 1
  const ledger = await world.place.open(world.lives, { clock: impatient })
  const { clock, end } = world.clock.ofProcess()
  const shared = { ledger, chainOf: () => world.chain, clock, log: silentLog }
  const resolver = createResolver(shared)
  const mode = createChallenged(x402, {
    ...shared,
    resolver,
    budgets: () => ({ perDay: DAY_CAP }),
    networks: [NETWORK],
    schemes: undefined,
    preemptive: 'never',
    leaves: 'never',
    channels: { maxDepositUsd: DEPOSIT_CAP, perSeller: 3, maxWithdrawDelay: 86_400 },
    wallet: createLocalWallet({ key: world.key, policy: createPolicy({ clock: world.clock }) }),
  })
  await resolver.recover().catch(() => {})
  return { ...shared, resolver, mode, end }
}

const never = new Promise<never>(() => {})
const lost = (sent: boolean) => new RouteplaneError('upstream_unreachable', 'the connection broke', { details: { sent } })

function reply(status: number, headers: Record<string, string> = {}): HttpResponse {
  async function* body() {
    yield Buffer.from('{}')
  }
  return { status, headers, body: body() }
}

/** The 402 of the official package: with its word for what is wrong, and what the seller has of the channel. */
function challenge(error = 'payment required', id?: string, account?: Account): HttpResponse {
  const state =
    account === undefined
      ? {}
      : {
          channelState: { channelId: id, chargedCumulativeAmount: `${account.charged}` },
          voucherState: { signedMaxClaimable: `${account.signed}`, signature: account.signature },
        }
  const extra = { name: 'USDC', version: '2', receiverAuthorizer: AUTHORIZER, withdrawDelay: 900, ...state }
  const offer = {
    scheme: 'batch-settlement',
    network: NETWORK,
    asset: USDC,
    amount: `${PRICE}`,
    payTo: PAYEE,
    maxTimeoutSeconds: 60,
    extra,
  }
  const header = { x402Version: 2, error, resource: { url: 'http://seller.example/v1/chat/completions' }, accepts: [offer] }
  return reply(402, { 'payment-required': encodePaymentRequiredHeader(header as never) })
}

type Shown = {
  readonly voucher: { readonly channelId: `0x${string}`; readonly maxClaimableAmount: string; readonly signature: string }
  readonly deposit?: {
    readonly amount: string
    readonly authorization: {
      readonly erc3009Authorization: { readonly validBefore: string; readonly salt: `0x${string}`; readonly signature: `0x${string}` }
    }
  }
}

/** Sends the deposit's transfer, which the chain takes once, and before it dies. */
async function fill(world: ChannelModel, { voucher, deposit }: Shown): Promise<void> {
  if (deposit === undefined) return
  const { validBefore, salt, signature } = deposit.authorization.erc3009Authorization
  const moved = world.chain.cash({
    ...{ network: NETWORK, asset: USDC, from: world.key.address, to: depositCollectorAddress, value: BigInt(deposit.amount) },
    ...{ validAfterSeconds: 0n, validBeforeSeconds: BigInt(validBefore), signature },
    nonce: await depositNonceOf(voucher.channelId, salt),
  })
  if (moved) accountOf(world.accounts, voucher.channelId).filled += BigInt(deposit.amount)
}

const fees = { part: 30n, full: PRICE, none: 0n } as const

/** The scripted seller. Its books are sound: it charges what a voucher over its own base allows, and nothing twice. */
function createSeller(world: ChannelModel, meetings: readonly Meeting[]) {
  let shown = 0
  return async (call: HttpCall): Promise<HttpResponse> => {
    const header = call.headers['PAYMENT-SIGNATURE']
    if (header === undefined) return challenge()
    const meeting = meetings[Math.min(shown++, meetings.length - 1)] ?? { fills: true, charge: 'full', reply: 'ok' }
    if (meeting.reply === 'unsent') throw lost(false)
    const { payload } = JSON.parse(Buffer.from(header, 'base64').toString()) as { payload: Shown }
    const { channelId: id, maxClaimableAmount, signature } = payload.voucher
    const account = accountOf(world.accounts, id)
    const most = BigInt(maxClaimableAmount)
    if (most > account.filled - account.refunded + BigInt(payload.deposit?.amount ?? '0'))
      world.broken.push('promised more than lies in the channel')
    if (meeting.reply === 'refuse') return challenge('not today')
    if (meeting.fills) await fill(world, payload)
    if (most !== account.charged + PRICE) return challenge('invalid_batch_settlement_evm_cumulative_amount_mismatch', id, account)
    if (most > account.filled - account.refunded) return challenge('invalid_batch_settlement_evm_cumulative_exceeds_balance')
    const fee = fees[meeting.charge]
    Object.assign(account, { signed: most, signature, charged: account.charged + fee })
    return answer(meeting.reply, id, fee, account)
  }
}

async function answer(kind: Meeting['reply'], id: string, fee: bigint, { charged }: Account): Promise<HttpResponse> {
  if (kind === 'hang') return never
  if (kind === 'drop') throw lost(true)
  if (kind === 'busy') return reply(500)
  if (kind === 'silent') return reply(200)
  const extra = { chargedAmount: `${fee}`, channelState: { channelId: id, chargedCumulativeAmount: `${charged}` } }
  const receipt = { success: true, transaction: '', network: NETWORK, extra }
  return reply(200, { 'payment-response': Buffer.from(JSON.stringify(receipt)).toString('base64') })
}

const endpoint = {
  ...{ modelId: 'demo/echo', upstreamModel: 'demo/echo', name: 'echo', protocols: ['chat_completions'], pricing: undefined },
  provider: {
    ...{ id: 'acme', name: 'acme', baseUrl: 'http://seller.example/v1', status: 'active', kind: 'third_party', source: 'config' },
    payment: {
      modes: ['x402'],
      x402: { payTo: PAYEE, networks: [NETWORK], assets: ['USDC'], schemes: ['batch-settlement'], maxPriceSlackPermille: 1050n },
    },
  },
} as unknown as Endpoint

/** One request to the one seller. */
export async function buyFrom(world: ChannelModel, meetings: readonly Meeting[]): Promise<void> {
  const number = String(world.attempts++).padStart(6, '0')
  const attemptId = `pay_${number}`
  try {
    const { payment } = await world.process.mode.send({
      ...{ requestId: `req_${number}`, attemptId, caller: 'local', endpoint, boundUsd: inUsd(120n), capUsd: REQUEST_CAP, answerSeconds: 1 },
      ...{ onUnknown: 'fail', hasNext: false, wire: 'chat_completions', signal: new AbortController().signal },
      http: { method: 'POST', url: 'http://seller.example/v1/chat/completions', headers: {}, body: Buffer.from('{}') },
      transport: createSeller(world, meetings),
    })
    await payment.close({ delivered: true, usage: undefined, costUsd: undefined })
    world.told.push({ attemptId, money: 'answered' })
  } catch (thrown) {
    world.told.push({ attemptId, money: toRouteplaneError(thrown).money })
  }
}

/** The seller takes on chain what it has charged, or, dishonestly, all that its highest voucher allows. */
export function claim(world: ChannelModel, honestly: boolean): void {
  for (const account of world.accounts.values()) {
    const due = honestly ? account.charged : account.signed
    const there = account.filled - account.refunded
    account.claimed = [due, there].reduce((a, b) => (a < b ? a : b))
    if (account.charged < account.claimed) account.charged = account.claimed
  }
}

/** The seller gives back all that it has not charged. */
export function refund(world: ChannelModel): void {
  for (const account of world.accounts.values()) {
    const kept = account.charged < account.filled ? account.charged : account.filled
    account.refunded = account.filled - kept
    account.claimed = kept
  }
}
