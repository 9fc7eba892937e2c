/** The official x402 server over our facilitators: opened at the first sale, and again after it could not be opened. */
import type { FacilitatorClient, x402ResourceServer } from '@x402/core/server'
import type { Network, PaymentRequirements } from '@x402/core/types'
import { findAssetBySymbol, findNetwork, DEFAULT_SYMBOL, type AssetRow } from '../../chain/networks.ts'
import { RouteplaneError } from '../../errors.ts'
import type { SaleChannels } from '../../ledger/sale.ts'
import type { ChargeTerms } from '../charge.ts'
import type { SellingScheme } from './scheme/scheme.ts'

/** One way to be paid: a scheme on a network, in that network's own dollar. */
export type Way = {
  readonly scheme: SellingScheme
  readonly network: Network
  readonly asset: AssetRow
  readonly v1Name: string | undefined
}

export type Desk = { readonly server: x402ResourceServer; readonly client: FacilitatorClient; readonly ways: readonly Way[] }

export type DeskOptions = {
  readonly terms: ChargeTerms
  readonly schemes: readonly SellingScheme[]
  readonly channels: SaleChannels
  /** Opens the facilitators; loads packages, so only when somebody asks to pay. */
  openFacilitator(): Promise<FacilitatorClient>
}

/** @returns a function that throws `facilitator_unavailable` while nobody can be asked what is supported. */
export function createDesk(options: DeskOptions): () => Promise<Desk> {
  let opening: Promise<Desk> | undefined
  return () => {
    const current = (opening ??= open(options))
    current.catch(() => {
      if (opening === current) opening = undefined
    })
    return current
  }
}

async function open({ terms, schemes, channels, openFacilitator }: DeskOptions): Promise<Desk> {
  const [{ x402ResourceServer: Server }, client] = await Promise.all([import('@x402/core/server'), openFacilitator()])
  const supported = await client.getSupported()
  const ways = waysNamed(terms, schemes).filter(({ scheme, network: id }) =>
    supported.kinds.some(
      ({ x402Version, network, scheme: kind, extra }) =>
        x402Version === 2 && network === id && kind === scheme.id && (scheme.needs === undefined || extra?.[scheme.needs] !== undefined),
    ),
  )
  if (ways.length === 0) {
    throw new RouteplaneError('facilitator_unavailable', 'the facilitator supports none of the schemes and networks that are charged by', {
      hint: 'Compare charge.schemes and charge.networks with what the facilitator lists under /supported.',
    })
  }
  // What it supports has been asked already: the server would write to the console when it cannot.
  const known: FacilitatorClient = { ...bound(client), getSupported: () => Promise.resolve(supported) }
  const server = new Server(known)
  for (const { network, scheme } of ways) server.register(network, await scheme.open({ payTo: terms.payTo, channels }))
  await server.initialize()
  return { server, client, ways }
}

/** Every way that the config names, whether or not a facilitator can settle it. */
export function waysNamed({ networks, schemes: names }: ChargeTerms, schemes: readonly SellingScheme[]): readonly Way[] {
  const wanted = names.flatMap((id) => schemes.filter((scheme) => scheme.id === id))
  return networks.flatMap((id) => {
    const asset = findAssetBySymbol(id, DEFAULT_SYMBOL)
    if (asset === undefined) return []
    return wanted.map((scheme) => ({ scheme, network: id as Network, asset, v1Name: findNetwork(id)?.v1Name }))
  })
}

function bound(client: FacilitatorClient): FacilitatorClient {
  return {
    verify: (payload, requirements) => client.verify(payload, requirements),
    settle: (payload, requirements) => client.settle(payload, requirements),
    getSupported: () => client.getSupported(),
  }
}

/** The terms of one way at one price, as the official server words them. */
export async function termsOf(
  { server }: Desk,
  way: Way,
  amount: bigint,
  { payTo, offerSeconds }: ChargeTerms,
): Promise<PaymentRequirements> {
  const [terms] = await server.buildPaymentRequirements({
    scheme: way.scheme.id,
    network: way.network,
    payTo,
    price: { asset: way.asset.address, amount: amount.toString(), extra: { ...way.asset.domain } },
    maxTimeoutSeconds: offerSeconds,
  })
  if (terms === undefined) throw new RouteplaneError('internal', 'the payment server made no terms')
  return terms
}
