/** Starts a provider that is paid by `tempo/session`: a channel of the local Tempo's reserve, with the official server package. */
import { Mppx, Store, tempo } from 'mppx/server'
import { Session } from 'mppx/tempo'
import { createClient, custom, encodeFunctionData, erc20Abi, http, type EIP1193RequestFn } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { tempoModerato } from 'viem/chains'
import { Transaction } from 'viem/tempo'
import { tempoReserveAddress } from '../../contracts-abi/tempo-channels.ts'
import { transactionHash } from '../chain/keccak.ts'
import { chainIdOf } from '../chain/networks.ts'
import { systemClock } from '../lib/clock.ts'
import { randomBytesOf } from '../lib/id.ts'
import { isRecord, parseJson, tryParseJson } from '../lib/json.ts'
import { formatUsd, fromAtomic, parseAtomic, parseUsd, type Atomic } from '../money.ts'
import { channelReserveCode } from './channel-reserve-artifact.ts'
import { closingEvents, errorBody, openingEvent, tokenEvent, wholeReply, type ReplyHead } from './chat-reply.ts'
import { answerTokens, readChatRequest, type ChatRequest } from './echo-model.ts'
import { installContract, transact } from './install-contract.ts'
import { ceilingQuote, type PriceList } from './price-list.ts'
import { openProvider, type OpenProvider, type ProviderContext } from './provider-app.ts'
import type { Rpc } from './rpc.ts'
import type { TempoNetwork } from './tempo-network.ts'

export type SessionProviderOptions = {
  /** Stands in answers, so that one can see who gave them. */
  readonly id: string
  readonly network: TempoNetwork
  /** A stream is charged by the token, a whole answer at its ceiling. */
  readonly prices: PriceList
  /** May be changed while the provider runs. */
  readonly faults?: SessionFaults
}

export type SessionFaults = {
  /** Changes the text of a stream, event by event. */
  mutateEvent?: (event: string) => string
  /** Ends a stream after so many events. */
  cutAfter?: number
  /** Awaited before each token is charged. */
  beforeToken?: () => Promise<void>
  /** Takes the money of an answer that is not streamed, and answers this status. */
  failAfterCharge?: number
  /** Answers a voucher or a top-up with this status when it has been taken. */
  afterManagement?: number
  /** Answers a status in place of everything; told the credential. */
  instead?: (credential: string | null) => number | undefined
  /** Written over what its challenges say of their method, which voids them. */
  details?: Readonly<Record<string, unknown>>
}

export type SessionProvider = OpenProvider & {
  readonly payTo: `0x${string}`
  readonly mode: 'mpp'
  readonly counters: { requests: number; vouchers: number; transactions: number }
  readonly faults: SessionFaults
  /** The credentials that it was shown, as they came. */
  readonly credentials: readonly string[]
}

const SELLER_FUNDS = 100_000_000n as Atomic
const LIMIT = 256
const POLL_MS = 25
const MOST_LOOKS = 200

/** Starts a provider on a free loopback port; its network gets the stand-in of the reserve. */
export async function startSessionProvider(options: SessionProviderOptions): Promise<SessionProvider> {
  const { id, network, faults = {} } = options
  await installContract(network.anvil.rpc, tempoReserveAddress, channelReserveCode)
  const account = privateKeyToAccount(`0x${Buffer.from(randomBytesOf(32)).toString('hex')}`)
  await network.mint(account.address, SELLER_FUNDS)
  const counters = { requests: 0, vouchers: 0, transactions: 0 }
  const transport = reserveTransport(network, counters)
  const client = createClient({ account, chain: tempoModerato, transport, pollingInterval: POLL_MS })
  const method = tempo.session({
    account,
    currency: network.asset.address,
    chainId: chainIdOf(network.network),
    getClient: () => client,
    store: Store.memory(),
    sse: true,
  })
  const payments = Mppx.create({ realm: `${id}.demo`, secretKey: Buffer.from(randomBytesOf(32)).toString('hex'), methods: [method] })
  const sell = (request: Request, amount: string) => payments.session({ amount, unitType: 'token' })(request)
  const credentials: string[] = []
  const shop = { ...options, faults, counters, credentials, sell, models: ['demo/echo'], maxOutputTokens: LIMIT }
  const opened = await openProvider(shop, (context) => serve(context, shop))
  return { ...opened, payTo: account.address, mode: 'mpp', counters, faults, credentials }
}

type Shop = SessionProviderOptions & {
  readonly faults: SessionFaults
  readonly counters: SessionProvider['counters']
  readonly credentials: string[]
  sell(request: Request, amount: string): Promise<Sold>
}

/** What the official package makes of a request: a challenge, or leave to answer it whole or piece by piece. */
type Sold = { status: 402; challenge: Response } | { status: 200; withReceipt(answer: Response | Metered): Response }
type Metered = (stream: { charge(): Promise<void> }) => AsyncGenerator<string>

async function serve(context: ProviderContext, shop: Shop): Promise<Response> {
  const { counters, faults, prices } = shop
  const raw = context.req.raw
  const authorization = raw.headers.get('authorization')
  if (authorization !== null) shop.credentials.push(authorization)
  const status = faults.instead?.(authorization)
  if (status !== undefined) return context.json(errorBody('server_error', 'something broke'), status as 500)
  const body = new Uint8Array(await raw.clone().arrayBuffer())
  const perToken = formatUsd(parseUsd(prices.completion))
  if (body.byteLength === 0) {
    counters.vouchers++
    const sold = await shop.sell(raw, priceIn(authorization) ?? perToken)
    if (sold.status !== 402 && faults.afterManagement !== undefined)
      return context.json(errorBody('server_error', 'lost'), faults.afterManagement as 500)
    return sold.status === 402 ? sold.challenge : sold.withReceipt(new Response(null, { status: 204 }))
  }
  counters.requests++
  const request = readChatRequest(body)
  const limit = Math.min(request.maxTokens ?? LIMIT, LIMIT)
  const whole = formatUsd(fromAtomic(ceilingQuote(prices, request.promptTokens, limit, 6), 6, 'up'))
  const sold = await shop.sell(raw, request.stream ? perToken : whole)
  if (sold.status === 402) return faults.details === undefined ? sold.challenge : redetailed(sold.challenge, faults.details)
  const { tokens, cut } = answerTokens(shop.id, request.question, limit)
  const head = headOf(request, cut)
  if (!request.stream) {
    const answer = sold.withReceipt(Response.json(wholeReply(head, tokens)))
    return faults.failAfterCharge === undefined
      ? answer
      : context.json(errorBody('server_error', 'too late'), faults.failAfterCharge as 500)
  }
  // The package tells a metered answer by its being a generator function.
  const answer = sold.withReceipt(async function* (stream) {
    yield* metered(stream, head, tokens, faults)
  })
  return answer.body === null ? answer : new Response(tampered(answer.body, faults), answer)
}

/** What was asked in the challenge that a credential answers: what has no body of its own is about that price. The package sees whether it is genuine. */
function priceIn(authorization: string | null): string | undefined {
  const credential = authorization?.startsWith('Payment ') === true ? authorization.slice('Payment '.length) : ''
  const { challenge } = readRecord(credential)
  const encoded = isRecord(challenge) ? challenge['request'] : undefined
  const { amount } = typeof encoded === 'string' ? readRecord(encoded) : isRecord(encoded) ? encoded : {}
  return typeof amount === 'string' ? formatUsd(fromAtomic(parseAtomic(amount), 6, 'up')) : undefined
}

/** A record out of base64url of JSON; an empty one for anything else. */
function readRecord(encoded: string): Record<string, unknown> {
  const value = tryParseJson(Buffer.from(encoded, 'base64url').toString('utf8'))
  return isRecord(value) ? value : {}
}

function headOf(request: ChatRequest, cut: boolean): ReplyHead {
  const id = `chatcmpl-${Buffer.from(randomBytesOf(12)).toString('hex')}`
  return { id, createdSeconds: Math.floor(systemClock.now() / 1000), request, cut }
}

/** Each token is charged before it is given away. */
async function* metered(
  stream: { charge(): Promise<void> },
  head: ReplyHead,
  tokens: readonly string[],
  faults: SessionFaults,
): AsyncGenerator<string> {
  const bare = (event: string) => event.slice('data: '.length, -2)
  yield bare(openingEvent(head))
  for (const token of tokens) {
    await faults.beforeToken?.()
    await stream.charge()
    yield bare(tokenEvent(head, token))
  }
  yield* closingEvents(head, tokens.length).map(bare)
}

/** A challenge with other details of its method. */
function redetailed(challenge: Response, details: Readonly<Record<string, unknown>>): Response {
  const header = challenge.headers.get('www-authenticate') ?? ''
  const [, encoded = ''] = /request="([^"]+)"/.exec(header) ?? []
  const request = parseJson(Buffer.from(encoded, 'base64url').toString('utf8'))
  const own = isRecord(request) && isRecord(request['methodDetails']) ? request['methodDetails'] : {}
  const changed = JSON.stringify({ ...(isRecord(request) ? request : {}), methodDetails: { ...own, ...details } })
  return new Response(challenge.body, {
    status: challenge.status,
    headers: { 'www-authenticate': header.replace(encoded, Buffer.from(changed).toString('base64url')) },
  })
}

/** The package writes one event a piece. */
function tampered(body: ReadableStream<Uint8Array>, { mutateEvent = (event) => event, cutAfter = Infinity }: SessionFaults) {
  let events = 0
  const decoder = new TextDecoder()
  const change = new TransformStream<Uint8Array, Uint8Array>({
    transform(piece, controller) {
      if (events++ >= cutAfter) controller.terminate()
      else controller.enqueue(new TextEncoder().encode(mutateEvent(decoder.decode(piece))))
    },
  })
  return body.pipeThrough(change)
}

/** The seller's way to the chain. */
function reserveTransport({ rpcUrl, anvil }: TempoNetwork, counters: SessionProvider['counters']) {
  const node = http(rpcUrl, { retryCount: 0 })({ chain: tempoModerato })
  const inTurn = announceOpenings(anvil.rpc)
  const request = ((asked: Asked) =>
    inTurn(asked, (isTransaction) => {
      if (isTransaction) counters.transactions++
      return node.request(asked as never)
    })) as EIP1193RequestFn
  return custom({ request })
}

type Asked = { readonly method: string; readonly params?: readonly unknown[] }

/**
 * The stand-in cannot know the transaction that it runs in, as the network's own reserve does: its hash is written there first,
 * and one transaction waits until the other is in a block.
 *
 * @returns what passes each call to the node on, and says whether it sends a transaction of Tempo.
 */
export function announceOpenings(rpc: Rpc): <T>(asked: Asked, pass: (isTransaction: boolean) => Promise<T>) => Promise<T> {
  let sent: Promise<unknown> = Promise.resolve()
  return ({ method, params = [] }, pass) => {
    const [raw] = params
    if (!method.startsWith('eth_sendRawTransaction') || !isTempo(raw)) return pass(false)
    const send = async () => {
      const transaction = Transaction.deserialize(raw) as Parameters<typeof hashOf>[0] & { from?: `0x${string}` }
      if (transaction.from !== undefined)
        await rpc('anvil_setStorageAt', [tempoReserveAddress, SLOT, hashOf(transaction, { sender: transaction.from })])
      return pass(true)
    }
    const turn = sent.catch(() => {}).then(send)
    sent = turn.then(async () => mined(rpc, await transactionHash(raw)))
    sent.catch(() => {})
    return turn
  }
}

/** The node answers before it makes the block. */
async function mined(rpc: Rpc, hash: string): Promise<void> {
  for (let looks = 0; looks < MOST_LOOKS && (await rpc('eth_getTransactionReceipt', [hash])) === null; looks++)
    await systemClock.sleep(POLL_MS)
}

function isTempo(raw: unknown): raw is `0x76${string}` {
  return typeof raw === 'string' && raw.startsWith('0x76')
}

const hashOf = Session.Precompile.Channel.computeExpiringNonceHash
const SLOT = `0x${'0'.repeat(64)}`

/** Lets the stand-in fetch a payer's deposits, as the network's own reserve may without asking. */
export async function allowReserve({ anvil, asset }: TempoNetwork, payer: `0x${string}`): Promise<void> {
  await anvil.rpc('anvil_setBalance', [payer, '0xde0b6b3a7640000'])
  await anvil.rpc('anvil_impersonateAccount', [payer])
  const data = encodeFunctionData({ abi: erc20Abi, functionName: 'approve', args: [tempoReserveAddress, 2n ** 128n] })
  await transact(anvil.rpc, { from: payer, to: asset.address, data, gas: '0x100000' })
}
