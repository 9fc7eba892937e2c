/** Payments with one member changed, of every scheme and carriage that is sold under: none is served, and none harms the payment it was made of. */
import { x402Client, x402HTTPClient } from '@x402/core/client'
import type { PaymentPayload, PaymentRequired } from '@x402/core/types'
import { toClientEvmSigner } from '@x402/evm'
import { BatchSettlementEvmScheme } from '@x402/evm/batch-settlement/client'
import { ExactEvmScheme } from '@x402/evm/exact/client'
import { wrapFetchWithPayment } from '@x402/fetch'
import fc from 'fast-check'
import { evm, Mppx } from 'mppx/client'
import { assets } from 'mppx/evm'
import { createPublicClient, http } from 'viem'
import type { PrivateKeyAccount } from 'viem/accounts'
import { beforeAll, describe, expect, it } from 'vitest'
import { installChannelContracts } from '../../src/demo/channel-contracts.ts'
import { approvePermits, installPermitContracts } from '../../src/demo/permit-contracts.ts'
import { channelsOn } from '../../src/selling/mpp/tempo/channels.ts'
import { alterationsOf, type Altered } from '../support/altered.ts'
import { useDemoNetwork } from '../support/chain.ts'
import {
  createBuyer,
  openShop,
  order,
  salesOf,
  untilAnswered,
  wires,
  writeKeyedShop,
  x402ClientOf,
  type Bought,
  type ShopWorld,
  type Wire,
} from '../support/shop.ts'
import { readLedger } from '../support/read-ledger.ts'
import {
  chargeClient,
  createTempoBuyer,
  managedSession,
  script,
  sessionClient,
  useTempoNetwork,
  writeTempoShop,
} from '../support/tempo-shop.ts'
import type { Script, Upstream } from '../support/upstream.ts'

const onBase = useDemoNetwork()
const onTempo = useTempoNetwork()
beforeAll(async () => {
  await installPermitContracts(onBase().anvil.rpc)
  await installChannelContracts(onBase().anvil.rpc)
})

/** A header, and how the JSON of a payment is written into it. */
type Carriage = { readonly header: string; readonly prefix: string; readonly encoding: 'base64' | 'base64url' }
const second: Carriage = { header: 'payment-signature', prefix: '', encoding: 'base64' }
const first: Carriage = { header: 'x-payment', prefix: '', encoding: 'base64' }
/** Who says that he pays; what is signed says it, too. */
const SOURCE = /^source:/
const mpp: Carriage = { header: 'authorization', prefix: 'Payment ', encoding: 'base64url' }

const carried = ({ header, prefix, encoding }: Carriage, json: string) => ({ [header]: prefix + Buffer.from(json).toString(encoding) })
const jsonIn = ({ prefix, encoding }: Carriage, header: string) =>
  JSON.parse(Buffer.from(header.slice(prefix.length), encoding).toString()) as object
const requestOf = (wire: Wire) => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(wire.body(false, 'how are you?')),
})

type Client = Pick<ReturnType<typeof chargeClient>, 'preparePayment' | 'rawFetch'>

async function credentialOf(client: unknown, url: string, wire: Wire): Promise<object> {
  const { preparePayment, rawFetch } = client as Client
  const request = requestOf(wire)
  const payment = await preparePayment(await rawFetch(url + wire.path(false), request), { request })
  const headers = new Headers(payment.setCredential(request, await payment.createCredential()).headers)
  return jsonIn(mpp, headers.get('authorization') ?? '')
}

async function requiredOf(url: string, wire: Wire): Promise<PaymentRequired> {
  const response = await fetch(url + wire.path(false), requestOf(wire))
  return new x402HTTPClient(new x402Client()).getPaymentRequiredResponse((name) => response.headers.get(name), await response.json())
}

function channelClient(account: PrivateKeyAccount): x402Client {
  const reader = createPublicClient({ transport: http(onBase().rpcUrl) })
  const scheme = new BatchSettlementEvmScheme(toClientEvmSigner(account, reader), { depositPolicy: { depositMultiplier: 20 } })
  return new x402Client((_version, offers) => {
    const [offer] = offers.filter((each) => each.scheme === 'batch-settlement')
    if (offer === undefined) throw new Error('no channel is offered')
    return offer
  }).register('eip155:*', scheme)
}

type Shop = { readonly url: string; readonly world: ShopWorld; readonly upstream: Upstream }
type Scheme = {
  readonly name: string
  readonly carriage: Carriage
  readonly wire: Wire
  open(script: Script): Promise<{ readonly world: ShopWorld; readonly upstream: Upstream }>
  /** What the official client sends for the wire's question; the provider answers until then. */
  sign(shop: Shop): Promise<object>
  /** What nobody looks at either, before the payment was taken for the first time, and from then on. */
  readonly unread?: RegExp
  readonly unreadAgain?: RegExp
}
const [chat, messages, responses, generate] = wires as [Wire, Wire, Wire, Wire]

async function permitted(): Promise<PrivateKeyAccount> {
  const account = await createBuyer(onBase())
  await approvePermits(onBase().anvil.rpc, onBase().asset.address, account.address, 1_000_000n)
  return account
}

async function exactBy(method: 'eip3009' | 'permit2', { url }: Pick<Shop, 'url'>, wire: Wire): Promise<PaymentPayload> {
  const { accepts, resource } = await requiredOf(url, wire)
  const [accepted] = accepts.filter(({ scheme }) => scheme === 'exact')
  if (accepted === undefined) throw new Error('exact is not offered')
  const asked = { ...accepted, extra: { ...accepted.extra, assetTransferMethod: method } }
  const { payload } = await new ExactEvmScheme(await permitted()).createPaymentPayload(2, asked)
  return { x402Version: 2, resource, accepted, payload }
}

const base = { open: (script: Script) => writeKeyedShop(onBase(), script, { charge: ['networks: ["eip155:84532"]'] }) }
const tempo = { carriage: mpp, open: (script: Script) => writeTempoShop(onTempo(), script) }
const schemes: readonly Scheme[] = [
  { ...base, name: 'x402 exact', carriage: second, wire: chat, sign: (shop) => exactBy('eip3009', shop, chat) },
  {
    ...base,
    name: 'x402 v1 exact',
    carriage: first,
    wire: messages,
    async sign(shop) {
      const { payload } = await exactBy('eip3009', shop, messages)
      return { x402Version: 1, scheme: 'exact', network: 'base-sepolia', payload }
    },
  },
  { ...base, name: 'x402 exact through Permit2', carriage: second, wire: responses, sign: (shop) => exactBy('permit2', shop, responses) },
  {
    ...base,
    name: 'x402 upto',
    carriage: second,
    wire: generate,
    sign: async ({ url }) => x402ClientOf(await permitted(), ['upto']).createPaymentPayload(await requiredOf(url, generate)),
  },
  {
    ...base,
    name: 'x402 batch-settlement, a deposit',
    carriage: second,
    wire: chat,
    sign: async ({ url }) => channelClient(await createBuyer(onBase())).createPaymentPayload(await requiredOf(url, chat)),
  },
  {
    ...base,
    name: 'x402 batch-settlement, a voucher',
    carriage: second,
    wire: responses,
    async sign({ url }) {
      const client = channelClient(await createBuyer(onBase()))
      const pay = wrapFetchWithPayment(fetch, client) as typeof fetch
      expect((await order(pay, url, responses, { text: 'one' })).status).toBe(200)
      return client.createPaymentPayload(await requiredOf(url, responses))
    },
  },
  {
    ...base,
    name: 'evm/charge',
    unread: SOURCE,
    carriage: mpp,
    wire: messages,
    async sign({ url }) {
      const methods = [evm({ account: await createBuyer(onBase()), currencies: [assets.baseSepolia.USDC], maxAmount: '1' })]
      return credentialOf(Mppx.create({ polyfill: false, methods }), url, messages)
    },
  },
  {
    ...tempo,
    name: 'tempo/charge',
    unread: SOURCE,
    wire: responses,
    sign: async ({ url }) => credentialOf(chargeClient(onTempo(), await createTempoBuyer(onTempo())), url, responses),
  },
  {
    ...tempo,
    name: 'tempo/session, an opening',
    wire: chat,
    sign: async ({ url }) => credentialOf(sessionClient(onTempo(), await createTempoBuyer(onTempo())), url, chat),
    // The network passes over what stands behind a transaction; once the channel is there, its opening is not looked at any more.
    unread: /^(?:payload\.transaction: a byte more|payload\.authorizedSigner: missing|source:)/,
    unreadAgain: /^payload.(?:type|transaction|authorizedSigner)\b/,
  },
  {
    ...tempo,
    name: 'tempo/session, a voucher',
    wire: generate,
    async sign({ url }) {
      const client = sessionClient(onTempo(), await createTempoBuyer(onTempo()))
      expect((await order(client.fetch as typeof fetch, url, generate, { text: 'one' })).status).toBe(200)
      return credentialOf(client, url, generate)
    },
  },
]

/** Members that nobody reads: what they say about a payment is said by what was signed, or by the request that it comes with. */
const UNREAD = /^(?:resource|extensions)(?:\.|$)/
/** Of two members of one name, the last counts for every reader. More members than the protocol knows are passed over, but in an offer. */
const isTheSame = ({ at, change }: Altered) =>
  UNREAD.test(at) || change === 'told twice, first another' || (change === 'one member more' && !at.startsWith('accepted'))
const NONE = /^$/
/** The letters of hexadecimal digits: those of an address may be its checksum, and those of an amount are none. */
const isSpelling = ({ change }: Altered) => change === 'in capitals' || change === 'in small letters'

type Failure = {
  readonly error: {
    readonly code: string | number
    readonly details: readonly { readonly reason: string }[] & { readonly error_code: string }
  }
}
/** The code of an error in the words of each wire. */
const codes: Readonly<Record<string, (failure: Failure) => unknown>> = {
  chat_completions: ({ error }) => error.code,
  responses: ({ error }) => error.code,
  messages: ({ error }) => error.details.error_code,
  generate_content: ({ error }) => error.details[0]?.reason.toLowerCase(),
}

/** Refused in the caller's own protocol: as what cannot be read, or with a way to pay. */
function expectRefused({ status, headers, text }: Bought, wire: Wire, what: string): void {
  const isAsked = headers.has('payment-required') || headers.has('www-authenticate')
  if (status === 402) return expect([isAsked, headers.get('cache-control')], what).toEqual([true, expect.stringContaining('no-store')])
  // Too long to be read at all: nobody knows yet whom it is for.
  if (status === 431) return
  const code = codes[wire.name]?.(JSON.parse(text) as Failure)
  expect([status, code], `${what}: ${text}`).toEqual([400, 'invalid_payment'])
}

/** Each run takes some; another seed takes others. */
const someOf = (all: readonly Altered[], most: number) =>
  fc.sample(fc.shuffledSubarray([...all], { minLength: Math.min(most, all.length), maxLength: Math.min(most, all.length) }), 1).flat()
const named = ({ at, change }: Altered) => `${at}: ${change}`

describe.each(schemes)('a payment by $name', ({ carriage, wire, open, sign, unread = NONE, unreadAgain = NONE }) => {
  it('is not taken with any member changed, and is worth what it was', async () => {
    let isDown = false
    const down = { status: 500, json: { error: { message: 'no' } } }
    const { world, upstream } = await open((request) => (isDown ? down : script(request)))
    const { url } = await openShop(world)
    const payment = JSON.parse(JSON.stringify(await sign({ url, world, upstream }))) as object
    const before = await salesOf(world)
    const send = ({ json }: Pick<Altered, 'json'>) => untilAnswered(() => order(fetch, url, wire, { headers: carried(carriage, json) }))
    const all = alterationsOf(payment)
    const refuse = async (altered: readonly Altered[]) => {
      for (let at = 0; at < altered.length; at += 16)
        await Promise.all(altered.slice(at, at + 16).map(async (each) => expectRefused(await send(each), wire, named(each))))
    }
    const isSame = (altered: Altered) => isTheSame(altered) || unread.test(named(altered))
    const others = all.filter((altered) => !isSame(altered) && !isSpelling(altered))
    isDown = true
    await refuse(someOf(others, 40))
    expect([upstream.requests.length, await salesOf(world)]).toEqual([before.length, before])

    // One after another: the provider fails, and leaves the payment as it was.
    for (const same of someOf(all.filter(isSame), 5)) {
      const asked = upstream.requests.length
      const { status, text } = await send(same)
      expect([status, upstream.requests.length], `${named(same)}: ${text}`).toEqual([502, asked + 1])
    }
    for (const spelt of someOf(all.filter(isSpelling), 3)) {
      const answer = await send(spelt)
      if (answer.status !== 502) expectRefused(answer, wire, named(spelt))
    }
    const again = others.filter((altered) => !unreadAgain.test(named(altered)))
    await refuse(someOf(again, 8))
    // What nothing is owed for is forgotten by the next that is refused.
    const left = (await salesOf(world)).map(({ state }) => state).filter((state) => state !== 'void')
    expect(left).toEqual(before.map(() => 'settled'))
    isDown = false
    const paid = await send({ json: JSON.stringify(payment) })
    expect([paid.status, wire.textOf(paid.text)]).toEqual([200, 'how are you today?'])
    const asked = upstream.requests.length
    for (const same of someOf(all.filter(isSame), 2)) expect(wire.textOf((await send(same)).text)).toBe(wire.textOf(paid.text))
    const states = (await salesOf(world)).map(({ state }) => state)
    expect([upstream.requests.length, states]).toEqual([asked, ['settled', ...before.map(() => 'settled')]])
  })
})

/** Anything that adds to a channel may be sent on any challenge of ours; see `isOurs`. */
const OF_ANY_REQUEST = 'challenge.id: (?:a space behind|a letter more)|source:'
/** What a payer sends beside his requests, to the same address and without a body. */
const besides: readonly (readonly [string, RegExp, (session: ReturnType<typeof managedSession>) => Promise<unknown>])[] = [
  [
    'topUp',
    new RegExp(`^(?:${OF_ANY_REQUEST}|payload.transaction: a byte more|payload.additionalDeposit: a leading zero)`),
    (session) => session.topUp(1_000n),
  ],
  ['close', new RegExp(`^(?:${OF_ANY_REQUEST})`), (session) => session.close()],
]

describe.each(besides)('a %s that comes beside the requests of a channel', (_action, unread, act) => {
  it('is not heard with any member of it changed, and the channel stays as it was', async () => {
    const { world } = await writeTempoShop(onTempo(), script)
    const { url } = await openShop(world)
    let kept: string | undefined
    const session = managedSession(onTempo(), await createTempoBuyer(onTempo()), '1', async (input, init) => {
      const headers = new Headers(init?.headers)
      if (headers.get('content-type') !== null) return fetch(input, init)
      kept = headers.get('authorization') ?? ''
      return new Response('', { status: 503 })
    })
    expect((await session.fetch(url + chat.path(false), requestOf(chat))).status).toBe(200)
    await act(session).catch(() => {})
    const credential = jsonIn(mpp, kept ?? '')
    const send = async (json: string) => {
      const response = await fetch(url + chat.path(false), { method: 'POST', headers: carried(mpp, json) })
      return { status: response.status, headers: response.headers, text: await response.text(), receipt: undefined }
    }
    const channels = () => readLedger(world, ({ sales }) => channelsOn(sales.channels).list())
    const before = await channels()
    const all = alterationsOf(credential)
    const others = all.filter((altered) => !isTheSame(altered) && !isSpelling(altered) && !unread.test(named(altered)))
    for (const each of someOf(others, 40)) expectRefused(await send(each.json), chat, named(each))
    expect(await channels()).toEqual(before)
    const done = await send(JSON.stringify(credential))
    expect([done.status, done.headers.has('payment-receipt')], done.text).toEqual([204, true])
    expect(await channels()).not.toEqual(before)
  })
})
