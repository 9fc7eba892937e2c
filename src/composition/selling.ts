/** Opens the shop of a config: its prices, its tills with their facilitators, and the collecting of what is left open. */
import { createHmac } from 'node:crypto'
import type { Chain } from '../chain/chain.ts'
import { findNetwork } from '../chain/networks.ts'
import type { ChargeConfig, Config } from '../config/config.ts'
import { RouteplaneError, toRouteplaneError } from '../errors.ts'
import type { Completion, GatewayCall } from '../gateway/call.ts'
import type { GatewayContext } from '../gateway/context.ts'
import { Secret } from '../lib/log.ts'
import { createCashier, type Cashier } from '../selling/cashier.ts'
import type { ChargeTerms } from '../selling/charge.ts'
import type { FacilitatorClient } from '../selling/facilitator/pool.ts'
import type { MppDesk } from '../selling/mpp/method.ts'
import { createMppTill } from '../selling/mpp/till.ts'
import { createX402Till } from '../selling/x402/till.ts'
import { walletNetworks } from '../wallet/open.ts'
import type { Wallet } from '../wallet/wallet.ts'

export type SellingSources = {
  readonly config: Config
  readonly context: GatewayContext
  readonly wallet: Wallet | undefined
  readonly chainOf: (network: string) => Chain
  complete(call: GatewayCall): Promise<Completion>
}

export type Selling = { readonly cashier: Cashier; close(): Promise<void> }

/** Seconds an offer holds; payers refuse to sign for longer. */
const OFFER_SECONDS = 300
const SWEEP_MS = 30_000
const PAY_OUT_MS = 600_000
/** A small part of the time that a payer must wait to take his deposit back. */
const WATCH_MS = 60_000

/** @returns `undefined` when the config does not charge. @throws RouteplaneError `config_invalid` when nobody could be paid. */
export function openSelling({ config, context, wallet, chainOf, complete }: SellingSources): Selling | undefined {
  const { charge } = config
  if (charge === undefined) return undefined
  const terms = termsOf(charge, config, wallet)
  const { ledger, clock, log } = context
  let key: Promise<Uint8Array> | undefined
  const shared = {
    terms,
    openFacilitator: once(() => openFacilitator(charge, terms, config, context)),
    chainOf,
    bindingKey: () => (key ??= ledger.nonceSalt().then((salt) => createHmac('sha256', salt).update('offers').digest())),
    channels: ledger.sales.channels,
    clock,
    log,
  }
  const desk = { ...shared, clientOf: tempoClients(charge, config), hasKey: charge.facilitator.key !== undefined }
  const tills = [createX402Till(shared), createMppTill(desk)].filter(({ ways }) => ways.length > 0)
  if (tills.length === 0) {
    throw new RouteplaneError('config_invalid', 'charge names no scheme that its networks have', {
      hint: 'tempo/charge and tempo/session are paid on Tempo, the others elsewhere; see charge.networks and charge.schemes.',
    })
  }
  const cashier = createCashier({ terms, tills, context, complete })
  const attempt = (what: string, work: () => Promise<unknown>) =>
    void work().catch((error: unknown) => log.warn(`${what} now`, { code: toRouteplaneError(error).code }))
  const collect = () => attempt('sales cannot be collected', () => cashier.collectOpen())
  collect()
  const timers = [
    setInterval(collect, SWEEP_MS),
    setInterval(() => attempt('channels cannot be watched', () => cashier.watch()), WATCH_MS),
    setInterval(() => attempt('channels cannot be claimed', () => cashier.payOut(PAY_OUT_MS)), PAY_OUT_MS),
  ]
  for (const timer of timers) timer.unref()
  return {
    cashier,
    async close() {
      for (const timer of timers) clearInterval(timer)
      await cashier.close()
    },
  }
}

/** Opened at the first need by whoever has it, and anew after it could not be opened. */
function once<T>(open: () => Promise<T>): () => Promise<T> {
  let opening: Promise<T> | undefined
  return () =>
    (opening ??= open().catch((error: unknown) => {
      opening = undefined
      throw error
    }))
}

function termsOf(charge: ChargeConfig, config: Config, wallet: Wallet | undefined): ChargeTerms {
  const payTo = charge.payTo ?? wallet?.address
  if (payTo === undefined) {
    throw new RouteplaneError('config_invalid', 'charge has nobody to be paid to', {
      hint: 'Set charge.pay_to to your address, or make a wallet with "routeplane wallet create".',
    })
  }
  const { margin, prices, schemes } = charge
  return { margin, prices, schemes, payTo, networks: charge.networks ?? walletNetworks(config.wallet), offerSeconds: OFFER_SECONDS }
}

/** Opened once each, at the first sale on its network. */
function tempoClients({ facilitator: { key } }: ChargeConfig, config: Config): MppDesk['clientOf'] {
  const clients = new Map<string, () => ReturnType<MppDesk['clientOf']>>()
  return (network) => {
    const known =
      clients.get(network) ??
      once(async () => (await import('../selling/mpp/tempo/client.ts')).openTempoClient(network, nodeOf(network, config), key))
    clients.set(network, known)
    return known()
  }
}

/** Our own key first: nobody else has to be up for a sale. */
async function openFacilitator(
  charge: ChargeConfig,
  terms: ChargeTerms,
  config: Config,
  { clock, log }: GatewayContext,
): Promise<FacilitatorClient> {
  const { key, urls } = charge.facilitator
  const [{ createPool }, { createLocalFacilitator }, { createRemoteFacilitator }] = await Promise.all([
    import('../selling/facilitator/pool.ts'),
    import('../selling/facilitator/local.ts'),
    import('../selling/facilitator/remote.ts'),
  ])
  const nodes = new Map(terms.networks.map((network) => [network, nodeOf(network, config)]))
  const own = key === undefined ? [] : [{ name: 'local', client: (await createLocalFacilitator({ nodes, key })).client }]
  return createPool([...own, ...urls.map((url) => ({ name: new URL(url).host, client: createRemoteFacilitator(url) }))], clock, log)
}

function nodeOf(network: string, { wallet }: Config): Secret {
  const rpcUrl = wallet.rpc[network] ?? findNetwork(network)?.rpcUrl
  if (rpcUrl === undefined) {
    throw new RouteplaneError('unknown_network', `no node is known for ${network}`, {
      hint: `Set wallet.rpc["${network}"] in routeplane.yaml.`,
    })
  }
  return typeof rpcUrl === 'string' ? new Secret(rpcUrl) : rpcUrl
}
