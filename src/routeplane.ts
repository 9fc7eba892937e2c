/** Builds registry, health, wallet, payment, ledger and gateway from a config, and returns the one object surfaces use. */
import { hostname } from 'node:os'
import { createKeyring, type Keyring } from './access/keyring.ts'
import { DEFAULT_SYMBOL, findAssetBySymbol } from './chain/networks.ts'
import { startBackground } from './composition/background.ts'
import { createConfiguredCatalog, viewCatalog } from './composition/catalog.ts'
import { createGuardedTransport } from './composition/guarded-transport.ts'
import { walletPassword } from './composition/password.ts'
import { loadPresets, savePresets } from './composition/preset-file.ts'
import { capsOf, rulesOf } from './composition/rules.ts'
import { capStatus, walletStatus } from './composition/status.ts'
import type { Config } from './config/config.ts'
import { RouteplaneError } from './errors.ts'
import type { Completion, Decision, GatewayCall } from './gateway/call.ts'
import { complete } from './gateway/complete.ts'
import type { GatewayContext } from './gateway/context.ts'
import { explain } from './gateway/explain.ts'
import { processStartMs, systemClock, type Clock } from './lib/clock.ts'
import { randomBytesOf } from './lib/id.ts'
import type { Transport } from './lib/http-call.ts'
import { Secret, silentLog, type Log } from './lib/log.ts'
import type { AttemptRow } from './ledger/entry.ts'
import { formatOwner } from './ledger/owner.ts'
import { openSqliteLedger } from './ledger/sqlite/open.ts'
import type { Usd } from './money.ts'
import { createPaymentModes } from './payment/index.ts'
import { reconcile, type Reconciliation } from './payment/reconcile.ts'
import { createResolver } from './payment/resolver.ts'
import { verifyReceipt, type Verification } from './payment/verify.ts'
import { protocols } from './protocol/index.ts'
import type { Catalog } from './registry/catalog.ts'
import type { Endpoint } from './registry/endpoint.ts'
import { createPoller, type Poller } from './registry/poll.ts'
import { createPresetStore, type Preset } from './routing/preset.ts'
import { createHealth } from './selection/health.ts'
import { openChains, openWallet, walletNetworks } from './wallet/open.ts'

export type { Preset } from './routing/preset.ts'
export type { Verification } from './payment/verify.ts'
export type { Reconciliation } from './payment/reconcile.ts'

export type Routeplane = {
  complete(call: GatewayCall): Promise<Completion>
  explain(call: GatewayCall): Promise<Decision>
  readonly catalog: CatalogView
  readonly receipts: ReceiptView
  readonly presets: PresetView
  /** For `wallet status`, MCP results and `GET /health`. */
  status(): Promise<Status>
  /** Resolves once every models document has been asked for; a slow provider does not hold it for more than seconds. */
  ready(): Promise<void>
  close(): Promise<void>
}

export type CatalogView = {
  /** Models with their endpoints, by canonical id; ready ones only unless asked. */
  models(filter?: { readonly includeHidden?: boolean }): readonly ModelListing[]
  model(id: string): ModelListing | undefined
}

export type ModelListing = {
  readonly id: string
  readonly name: string
  readonly endpoints: readonly Endpoint[]
  /** Share of counted requests that its best endpoint answered, 0 to 1; `undefined` until measured. */
  readonly uptime?: number
}

export type ReceiptView = {
  list(filter: { readonly limit?: number; readonly before?: string; readonly requestId?: string }): Promise<readonly AttemptRow[]>
  get(id: string): Promise<AttemptRow | undefined>
  /** Reads the chain: transfer and authorization must match the receipt. */
  verify(id: string): Promise<Verification>
  /** Proves that the ledger equals the chain over a range of blocks; open attempts are ended first. */
  reconcile(range: { readonly fromBlock?: bigint; readonly toBlock?: bigint }): Promise<Reconciliation>
}

export type PresetView = {
  list(): readonly Preset[]
  get(name: string): Preset | undefined
  /** Creates or replaces; kept in memory unless `persist`. @throws RouteplaneError `invalid_request`. */
  set(preset: Preset, options: { readonly persist: boolean }): Promise<void>
}

export type Status = {
  readonly version: string
  readonly network: string
  readonly wallet?: WalletStatus
  readonly caps: readonly { readonly scope: string; readonly window: string; readonly capUsd: Usd; readonly availableUsd: Usd }[]
  readonly openAttempts: number
  readonly providers: number
  readonly models: number
}

export type WalletStatus = {
  readonly address: string
  readonly network: string
  readonly asset: string
  /** `undefined` when the chain could not be asked: unknown is not empty. */
  readonly balanceUsd: Usd | undefined
  readonly heldUsd: Usd
}

export type Deps = { readonly log: Log; readonly clock: Clock; readonly version: string }

/**
 * Builds the engine. What a dead process of the same ledger left open is ended in the background; its money stays
 * reserved until it is.
 *
 * @throws RouteplaneError `config_invalid`, `keystore_…`, `store_unavailable`.
 */
export async function createRouteplane(config: Config, deps: Partial<Deps> = {}): Promise<Routeplane> {
  const { log = silentLog, clock = systemClock, version = 'unknown' } = deps
  const catalog = await createConfiguredCatalog(config, log)
  const presets = createPresetStore([...config.presets, ...(await loadPresets(config.stateDirectory))])
  const wallet = await openWallet({ ...config.wallet, clock, password: () => walletPassword(config) })
  const opening = Buffer.from(randomBytesOf(6)).readUIntBE(0, 6)
  const owner = formatOwner({ host: hostname(), pid: process.pid, startMs: processStartMs(), opening })
  const ledger = await openSqliteLedger({ path: config.ledger.path, owner, clock, log })

  const networks = walletNetworks(config.wallet.network)
  const chainOf = openChains(config.wallet.rpc)
  const asset = findAssetBySymbol(networks[0] ?? '', DEFAULT_SYMBOL)
  const caps = capsOf(config)
  const rules = rulesOf(config)
  const transport = createGuardedTransport(config)
  const health = createHealth(clock)
  const resolver = createResolver({ ledger, chainOf, clock, log })
  const modes = createPaymentModes({
    keyring: openKeyring(config),
    authorize,
    ledger,
    wallet,
    networks,
    chainOf,
    caps,
    resolver,
    clock,
    log,
  })
  const context: GatewayContext = {
    catalog,
    health,
    presets,
    virtualModels: new Map(config.virtualModels.map((each) => [each.name, each])),
    openProviders: new Set(config.providers.flatMap((each) => (each.passesAnyModel ? [each.provider.id] : []))),
    modes,
    protocols,
    transport: transport.send,
    ledger,
    clock,
    log,
    rules,
  }
  const background = startBackground({
    poller: openPoller(config, { catalog, transport: transport.send, clock, log }),
    resolver,
    clock,
    log,
  })

  return {
    async complete(call) {
      await background.ready
      return complete(call, context)
    },
    async explain(call) {
      await background.ready
      return explain(call, context)
    },
    catalog: viewCatalog(catalog, health),
    receipts: {
      list: (filter) => ledger.attempts.list({ ...filter, withIntent: true, limit: filter.limit ?? 50 }),
      get: (id) => ledger.attempts.get(id),
      async verify(id) {
        const row = await ledger.attempts.get(id)
        if (row === undefined) throw new RouteplaneError('receipt_not_found', `there is no receipt ${JSON.stringify(id.slice(0, 60))}`)
        return verifyReceipt(row, chainOf, clock.now())
      },
      async reconcile(range) {
        if (wallet === undefined || asset === undefined) throw new RouteplaneError('keystore_missing', 'there is no wallet to reconcile')
        const resolved = (await background.recovered).ended + (await resolver.sweep())
        return reconcile({ ledger, chain: chainOf(asset.network), asset, payer: wallet.address, resolved, ...range })
      },
    },
    presets: {
      list: () => presets.list(),
      get: (name) => presets.get(name),
      async set(preset, { persist }) {
        presets.set(preset)
        if (persist) await savePresets(config.stateDirectory, presets.list(), clock.now())
      },
    },
    async status() {
      const open = await ledger.attempts.list({ states: ['held', 'intent', 'unknown'], limit: 10_000 })
      const snapshot = catalog.snapshot()
      return {
        version,
        network: config.wallet.network,
        caps: await capStatus(ledger, caps, rules.perRequestUsd, clock.now()),
        openAttempts: open.length,
        providers: snapshot.providers.size,
        models: snapshot.models.size,
        ...(wallet === undefined || asset === undefined ? {} : { wallet: await walletStatus(wallet, asset, chainOf(asset.network), open) }),
      }
    },
    ready: () => background.ready,
    async close() {
      await background.stop()
      await resolver.close()
      await ledger.close()
      await transport.close()
    },
  }
}

/** The headers of the wire an endpoint is spoken to in. */
function authorize(endpoint: Endpoint, key: string): Readonly<Record<string, string>> {
  return protocols.find(({ id }) => id === endpoint.protocols[0])?.upstream.authorize(key) ?? {}
}

function openKeyring(config: Config): Keyring {
  return createKeyring({
    configured: new Map(config.providers.map((each) => [each.provider.id, each])),
    variable: (name) => {
      const value = config.environment.get(name)
      return value === undefined ? undefined : new Secret(value)
    },
  })
}

type PollSources = { readonly catalog: Catalog; readonly transport: Transport; readonly clock: Clock; readonly log: Log }

function openPoller(config: Config, { catalog, transport, clock, log }: PollSources): Poller {
  return createPoller({
    definitions: () => catalog.definitions(),
    onDocuments: (documents) => catalog.setDocuments(documents),
    onDrift: (drift) => log.warn('a price differs', { provider: drift.provider, model: drift.model }),
    transport,
    clock,
    log,
    intervalMs: config.registry.pollSeconds * 1_000,
  })
}
