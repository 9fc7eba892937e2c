/** Builds registry, health, wallet, payment, ledger and gateway from a config, and returns the one object surfaces use. */
import { hostname } from 'node:os'
import { createKeyring, type Keyring } from './access/keyring.ts'
import { DEFAULT_SYMBOL, findAssetBySymbol } from './chain/networks.ts'
import { viewApprovals, type ApprovalView } from './composition/approvals.ts'
import { startBackground } from './composition/background.ts'
import { openCatalog, viewCatalog, type CatalogView } from './composition/catalog.ts'
import { createGuardedTransport } from './composition/guarded-transport.ts'
import { viewInvoices, type InvoiceView } from './composition/invoices.ts'
import { startHealthSync } from './composition/health-sync.ts'
import { walletPassword } from './composition/password.ts'
import { loadPresets, viewPresets, type PresetView } from './composition/preset-file.ts'
import { viewReceipts, type ReceiptView } from './composition/receipts.ts'
import { openSelling } from './composition/selling.ts'
import { budgetsOf, rulesOf } from './composition/rules.ts'
import { readStatus, type Status } from './composition/status.ts'
import type { WireId } from './completion/request.ts'
import type { Config } from './config/config.ts'
import type { Completion, Decision, GatewayCall } from './gateway/call.ts'
import { complete } from './gateway/complete.ts'
import type { GatewayContext } from './gateway/context.ts'
import { explain } from './gateway/explain.ts'
import { onlyOnce } from './gateway/idempotency.ts'
import { processStartMs, systemClock, type Clock } from './lib/clock.ts'
import { randomBytesOf } from './lib/id.ts'
import type { Transport } from './lib/http-call.ts'
import { Secret, silentLog, type Log } from './lib/log.ts'
import { formatOwner } from './ledger/owner.ts'
import { openSqliteLedger } from './ledger/sqlite/open.ts'
import { createPaymentModes } from './payment/index.ts'
import { createResolver } from './payment/resolver.ts'
import { protocols } from './protocol/index.ts'
import type { Catalog } from './registry/catalog.ts'
import { createPoller, type Poller } from './registry/poll.ts'
import { createPresetStore } from './routing/preset.ts'
import { createRateLimits } from './routing/rate-limit.ts'
import { createHealth } from './selection/health.ts'
import type { Cashier } from './selling/cashier.ts'
import { openChains, openWallet, walletNetworks } from './wallet/open.ts'

export type { ApprovalView } from './composition/approvals.ts'
export type { CatalogView, ModelListing } from './composition/catalog.ts'
export type { InvoiceStatement, InvoiceView } from './composition/invoices.ts'
export type { PresetView } from './composition/preset-file.ts'
export type { ReceiptView } from './composition/receipts.ts'
export type { Status, WalletStatus } from './composition/status.ts'
export type { Preset } from './routing/preset.ts'
export type { Verification } from './payment/verify.ts'
export type { Reconciliation } from './payment/reconcile.ts'

export type Routeplane = {
  complete(call: GatewayCall): Promise<Completion>
  /** Serves callers who pay per call; absent when the config does not charge. */
  readonly cashier?: Cashier
  explain(call: GatewayCall): Promise<Decision>
  readonly catalog: CatalogView
  readonly receipts: ReceiptView
  readonly approvals: ApprovalView
  readonly invoices: InvoiceView
  readonly presets: PresetView
  /** For `wallet status`, MCP results and `GET /health`. */
  status(): Promise<Status>
  /** Resolves once every models document has been asked for; a slow provider does not hold it for more than seconds. */
  ready(): Promise<void>
  close(): Promise<void>
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
  const registry = await openCatalog(config, log)
  const { catalog } = registry
  const presets = createPresetStore([...config.presets, ...(await loadPresets(config.stateDirectory))])
  const wallet = await openWallet({ ...config.wallet, clock, password: () => walletPassword(config) })
  const ledger = await openSqliteLedger({ path: config.ledger.path, owner: nameOwner(), clock, log })

  const networks = walletNetworks(config.wallet.network)
  const chainOf = openChains(config.wallet.rpc)
  const asset = findAssetBySymbol(networks[0] ?? '', DEFAULT_SYMBOL)
  const budgets = budgetsOf(config)
  const rules = rulesOf(config)
  const transport = createGuardedTransport(config)
  const health = createHealth(clock)
  const healthSync = startHealthSync(health, ledger.health, { clock, log })
  await healthSync.sync()
  const shared = { ledger, chainOf, clock, log }
  const resolver = createResolver(shared)
  const { schemes } = config.payment
  const keyring = openKeyring(config)
  const accounts = new Map(Object.entries(config.payment.accounts))
  const paying = { keyring, authorize, accounts, wallet, networks, schemes, budgets, resolver }
  const modes = createPaymentModes({ ...shared, ...paying })
  const context: GatewayContext = {
    catalog,
    health,
    rateLimits: createRateLimits(clock),
    presets,
    ...namesOf(config),
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
    refreshRegistry: registry.refresh,
    clock,
    log,
  })

  const completeOnce = async (call: GatewayCall) => {
    await background.ready
    return onlyOnce(call, context, () => complete(call, context))
  }
  const selling = openSelling({ config, context, wallet, chainOf, complete: completeOnce })

  return {
    complete: completeOnce,
    ...(selling === undefined ? {} : { cashier: selling.cashier }),
    async explain(call) {
      await background.ready
      return explain(call, context)
    },
    catalog: viewCatalog(catalog, health, { hideDeprecated: config.registry.hideDeprecated, clock }),
    receipts: viewReceipts({ ledger, chainOf, resolver, clock, asset, payer: wallet?.address, recovered: background.recovered }),
    approvals: viewApprovals(ledger, clock),
    invoices: viewInvoices(ledger, catalog, clock),
    presets: viewPresets(presets, config.stateDirectory, clock),
    status: () => readStatus({ version, network: config.wallet.network, ledger, budgets, rules, catalog, wallet, asset, chainOf, clock }),
    ready: () => background.ready,
    async close() {
      await Promise.all([background.stop(), healthSync.stop(), selling?.close()])
      await resolver.close()
      await ledger.close()
      await Promise.all([transport.close(), registry.close()])
    },
  }
}

/** Names that only the config knows: virtual models, and providers whose models nobody lists. */
function namesOf(config: Config): Pick<GatewayContext, 'virtualModels' | 'openProviders'> {
  return {
    virtualModels: new Map(config.virtualModels.map((each) => [each.name, each])),
    openProviders: new Set(config.providers.flatMap((each) => (each.passesAnyModel ? [each.provider.id] : []))),
  }
}

/** Names this opening among all of this and other processes, so that two of one process are told apart too. */
function nameOwner(): string {
  const opening = Buffer.from(randomBytesOf(6)).readUIntBE(0, 6)
  return formatOwner({ host: hostname(), pid: process.pid, startMs: processStartMs(), opening })
}

/** The headers that show a key on a wire. */
function authorize(wire: WireId, key: string): Readonly<Record<string, string>> {
  return protocols.find(({ id }) => id === wire)?.upstream.authorize(key) ?? {}
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
