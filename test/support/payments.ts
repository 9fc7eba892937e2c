/** What the official client of each way to pay sends for a request, as the JSON that its carriage writes into a header. */
import { x402Client, x402HTTPClient } from '@x402/core/client'
import type { PaymentPayload, PaymentRequired } from '@x402/core/types'
import { toClientEvmSigner } from '@x402/evm'
import { BatchSettlementEvmScheme } from '@x402/evm/batch-settlement/client'
import { ExactEvmScheme } from '@x402/evm/exact/client'
import { UptoEvmScheme } from '@x402/evm/upto/client'
import { wrapFetchWithPayment } from '@x402/fetch'
import { evm, Mppx } from 'mppx/client'
import { assets } from 'mppx/evm'
import { createPublicClient, http } from 'viem'
import type { PrivateKeyAccount } from 'viem/accounts'
import { beforeAll } from 'vitest'
import { installChannelContracts } from '../../src/demo/channel-contracts.ts'
import type { DemoNetwork } from '../../src/demo/network.ts'
import { approvePermits, installPermitContracts } from '../../src/demo/permit-contracts.ts'
import type { TempoNetwork } from '../../src/demo/tempo-network.ts'
import { useDemoNetwork } from './chain.ts'
import { createBuyer, writeKeyedShop, type OrderOptions, type ShopOptions, type ShopWorld, type Wire } from './shop.ts'
import { chargeClient, chargeMethod, createTempoBuyer, sessionClient, useTempoNetwork, writeTempoShop } from './tempo-shop.ts'
import type { Script, Upstream } from './upstream.ts'

/** A header, and how the JSON of a payment is written into it. */
export type Carriage = { readonly header: string; readonly prefix: string; readonly encoding: 'base64' | 'base64url' }

export const carriages = {
  x402: { header: 'payment-signature', prefix: '', encoding: 'base64' },
  x402First: { header: 'x-payment', prefix: '', encoding: 'base64' },
  mpp: { header: 'authorization', prefix: 'Payment ', encoding: 'base64url' },
} as const satisfies Readonly<Record<string, Carriage>>

export const carried = ({ header, prefix, encoding }: Carriage, json: string) => ({
  [header]: prefix + Buffer.from(json).toString(encoding),
})
export const jsonIn = ({ prefix, encoding }: Carriage, header: string) =>
  JSON.parse(Buffer.from(header.slice(prefix.length), encoding).toString()) as object

/** One caller with money, and what he would send to pay for each of his requests; nothing is sent. */
export type Payer = {
  readonly account: PrivateKeyAccount
  sign(url: string, wire: Wire, options?: OrderOptions): Promise<object>
  /** What is sent for an offer, whatever it was asked over; x402 alone. */
  readonly pay?: (required: PaymentRequired) => Promise<object>
  /** The same client left to itself, where it keeps a channel from call to call. */
  readonly fetch?: typeof fetch
}

/** A way to pay, where it is sold by it. */
export type WayToPay = {
  readonly name: string
  /** As the ledger has it. */
  readonly scheme: string
  readonly carriage: Carriage
  readonly network: () => DemoNetwork | TempoNetwork
  open(script: Script, options?: Partial<ShopOptions>): Promise<{ readonly world: ShopWorld; readonly upstream: Upstream }>
  createPayer(): Promise<Payer>
}

export const requestOf = (wire: Wire, { stream = false, text = 'how are you?', headers = {} }: OrderOptions = {}) => ({
  method: 'POST',
  headers: { 'content-type': 'application/json', ...headers },
  body: JSON.stringify(wire.body(stream, text)),
})

/** What a request is asked for without a payment. */
export async function requiredOf(url: string, wire: Wire, options: OrderOptions = {}): Promise<PaymentRequired> {
  const response = await fetch(url + wire.path(options.stream ?? false), requestOf(wire, options))
  return new x402HTTPClient(new x402Client()).getPaymentRequiredResponse((name) => response.headers.get(name), await response.json())
}

type MppClient = Pick<ReturnType<typeof chargeClient>, 'preparePayment' | 'rawFetch'>

/** @param client - One of `Mppx.create`, whatever it pays by. */
export async function credentialBy(client: unknown, url: string, wire: Wire, options: OrderOptions = {}): Promise<object> {
  const { preparePayment, rawFetch } = client as MppClient
  const request = requestOf(wire, options)
  const payment = await preparePayment(await rawFetch(url + wire.path(options.stream ?? false), request), { request })
  const headers = new Headers(payment.setCredential(request, await payment.createCredential()).headers)
  return jsonIn(carriages.mpp, headers.get('authorization') ?? '')
}

/** An official client that takes the offer of one scheme and no other. */
export function x402ClientBy(scheme: string, client: Parameters<x402Client['register']>[1]): x402Client {
  return new x402Client((_version, offers) => {
    const [offer] = offers.filter((each) => each.scheme === scheme)
    if (offer === undefined) throw new Error(`${scheme} is not offered`)
    return offer
  }).register('eip155:*', client)
}

type ChannelOptions = Extract<ConstructorParameters<typeof BatchSettlementEvmScheme>[1], { readonly salt?: unknown }>

/** The official client of channels, with deposits for twenty calls. */
export function channelClient(account: ClientAccount, rpcUrl: string, options: ChannelOptions = {}): x402Client {
  const signer = toClientEvmSigner(account, createPublicClient({ transport: http(rpcUrl) }))
  return x402ClientBy('batch-settlement', new BatchSettlementEvmScheme(signer, { depositPolicy: { depositMultiplier: 20 }, ...options }))
}

type ClientAccount = Parameters<typeof toClientEvmSigner>[0]

/** What is signed for an `exact` offer by either transfer; the offer goes back as it came. */
async function exactBy(method: 'eip3009' | 'permit2', account: PrivateKeyAccount, required: PaymentRequired): Promise<PaymentPayload> {
  const { accepts, resource } = required
  const [accepted] = accepts.filter(({ scheme }) => scheme === 'exact')
  if (accepted === undefined) throw new Error('exact is not offered')
  const asked = { ...accepted, extra: { ...accepted.extra, assetTransferMethod: method } }
  const { payload } = await new ExactEvmScheme(account).createPaymentPayload(2, asked)
  return { x402Version: 2, resource, accepted, payload }
}

type Pays = (account: PrivateKeyAccount) => {
  pay(required: PaymentRequired): Promise<object>
  readonly fetch?: typeof fetch
}

/** The ways on the network of x402, by name: how an offer is paid, whatever it was asked over. */
function x402Ways(current: () => DemoNetwork) {
  const second = { carriage: carriages.x402 }
  return [
    { name: 'x402 exact', scheme: 'exact', ...second, pays: (account) => ({ pay: (required) => exactBy('eip3009', account, required) }) },
    {
      name: 'x402 v1 exact',
      scheme: 'exact',
      carriage: carriages.x402First,
      pays: (account) => ({
        async pay(required) {
          const { payload } = await exactBy('eip3009', account, required)
          return { x402Version: 1, scheme: 'exact', network: 'base-sepolia', payload }
        },
      }),
    },
    {
      name: 'x402 exact through Permit2',
      scheme: 'exact',
      ...second,
      pays: (account) => ({ pay: (required) => exactBy('permit2', account, required) }),
    },
    {
      name: 'x402 upto',
      scheme: 'upto',
      ...second,
      pays: (account) => ({ pay: (required) => x402ClientBy('upto', new UptoEvmScheme(account)).createPaymentPayload(required) }),
    },
    {
      name: 'x402 batch-settlement',
      scheme: 'batch-settlement',
      ...second,
      pays: (account) => {
        const client = channelClient(account, current().rpcUrl)
        return { pay: (required) => client.createPaymentPayload(required), fetch: wrapFetchWithPayment(fetch, client) as typeof fetch }
      },
    },
  ] as const satisfies readonly (Pick<WayToPay, 'name' | 'scheme' | 'carriage'> & { readonly pays: Pays })[]
}

/** Sells for dollars of the demo's network alone, so that it is that which is offered first. */
export const ON_BASE = ['networks: ["eip155:84532"]']

/** The ways that are open on both networks; call at the top of a file. */
export function useWaysToPay() {
  const onBase = useDemoNetwork()
  const onTempo = useTempoNetwork()
  beforeAll(async () => {
    await installPermitContracts(onBase().anvil.rpc)
    await installChannelContracts(onBase().anvil.rpc)
  })
  const base: Pick<WayToPay, 'network' | 'open'> = {
    network: onBase,
    open: (script, { charge = [], ...options } = {}) => writeKeyedShop(onBase(), script, { ...options, charge: [...ON_BASE, ...charge] }),
  }
  const tempo: Pick<WayToPay, 'network' | 'open' | 'carriage'> = {
    network: onTempo,
    carriage: carriages.mpp,
    open: (script, options) => writeTempoShop(onTempo(), script, options),
  }
  const ways: readonly WayToPay[] = [
    ...x402Ways(onBase).map(({ pays, ...about }) => ({
      ...about,
      ...base,
      async createPayer() {
        const account = await createPermitBuyer(onBase())
        const { pay, ...own }: ReturnType<Pays> = pays(account)
        return {
          account,
          ...own,
          sign: async (url: string, wire: Wire, options?: OrderOptions) => pay(await requiredOf(url, wire, options)),
        }
      },
    })),
    {
      ...base,
      name: 'evm/charge',
      scheme: 'evm/charge',
      carriage: carriages.mpp,
      createPayer: async () => payerBy(await createBuyer(onBase()), evmClient),
    },
    {
      ...tempo,
      name: 'tempo/charge',
      scheme: 'tempo/charge',
      createPayer: async () => payerBy(await createTempoBuyer(onTempo()), (account) => chargeClient(onTempo(), account)),
    },
    {
      ...tempo,
      name: 'tempo/session',
      scheme: 'tempo/session',
      createPayer: async () => payerBy(await createTempoBuyer(onTempo()), (account) => sessionClient(onTempo(), account)),
    },
  ]
  return { onBase, onTempo, ways }
}

export const evmMethod = (account: PrivateKeyAccount) => evm({ account, currencies: [assets.baseSepolia.USDC], maxAmount: '1' })
export const evmClient = (account: PrivateKeyAccount) => Mppx.create({ polyfill: false, methods: [evmMethod(account)] })

/** What a client of MCP pays with that pays by challenges. */
export const chargeMethods = ({ scheme, network }: WayToPay, account: PrivateKeyAccount) =>
  scheme === 'tempo/charge' ? [chargeMethod(network() as TempoNetwork, account)] : [evmMethod(account)]

function payerBy(account: PrivateKeyAccount, open: (account: PrivateKeyAccount) => unknown): Payer {
  const client = open(account)
  const { fetch: send } = client as { readonly fetch: typeof fetch }
  return { account, fetch: send, sign: (url, wire, options) => credentialBy(client, url, wire, options) }
}

/** A caller whose dollars Permit2 may take. */
export async function createPermitBuyer(network: DemoNetwork): Promise<PrivateKeyAccount> {
  const account = await createBuyer(network)
  await approvePermits(network.anvil.rpc, network.asset.address, account.address, 5_000_000n)
  return account
}
