/** Builds registry, health, wallet, payment, ledger and gateway from a config, and returns the one object surfaces use. */
import { hostname } from 'node:os'
import { viewAllowances, type AllowanceView } from './composition/allowances.ts'
import { viewApprovals, type ApprovalView } from './composition/approvals.ts'
import { startBackground } from './composition/background.ts'
import type { CatalogView } from './composition/catalog.ts'
import { viewChannels, type ChannelView } from './composition/channels.ts'
import { readHoldings, type Holding } from './composition/holdings.ts'
import { viewInvoices, type InvoiceView } from './composition/invoices.ts'
import { walletPassword } from './composition/password.ts'
import type { PresetView } from './composition/preset-file.ts'
import type { ProviderView } from './composition/provider-view.ts'
import { viewReceipts, type ReceiptView } from './composition/receipts.ts'
import { openRouting } from './composition/routing.ts'
import { viewCallerKeys, type KeyView } from './composition/caller-keys.ts'
import { viewSales, type SalesView } from './composition/sales.ts'
import { openSolana } from './composition/solana.ts'
import { openSelling } from './composition/selling.ts'
import { createBudgets } from './composition/budgets.ts'
import { readStatus, type Status } from './composition/status.ts'
import { watchCalls } from './composition/under-way.ts'
import type { WireId } from './completion/request.ts'
import type { Config } from './config/config.ts'
import type { Completion, Decision, GatewayCall } from './gateway/call.ts'
import { complete } from './gateway/complete.ts'
import { readKeptDecision, type DecisionCard } from './gateway/decision-card.ts'
import { explain } from './gateway/explain.ts'
import { createOnlyOnce } from './gateway/idempotency.ts'
import { processStartMs, systemClock, type Clock } from './lib/clock.ts'
import { randomBytesOf } from './lib/id.ts'
import { silentLog, type Log } from './lib/log.ts'
import type { EventVerdict } from './ledger/ledger.ts'
import { formatOwner } from './ledger/owner.ts'
import { openSqliteLedger } from './ledger/sqlite/open.ts'
import { createPaymentModes } from './payment/index.ts'
import { recheckSettled } from './payment/recheck.ts'
import { createResolver } from './payment/resolver.ts'
import { protocols } from './protocol/index.ts'
import type { Cashier } from './selling/cashier.ts'
import { openChains, openWallet, walletAsset, walletNetworks } from './wallet/open.ts'

export type { AllowanceQuote, AllowanceView, AllowanceWish } from './composition/allowances.ts'
export type { ApprovalView } from './composition/approvals.ts'
export type { CatalogView, ModelListing } from './composition/catalog.ts'
export { directions, listEntries } from './composition/both-directions.ts'
export type { Direction, MoneyEntry } from './composition/both-directions.ts'
export { decisionCard } from './gateway/decision-card.ts'
export type { DecisionCard } from './gateway/decision-card.ts'
export type { Holding } from './composition/holdings.ts'
export type { InvoiceStatement, InvoiceView } from './composition/invoices.ts'
export type { PresetView } from './composition/preset-file.ts'
export type { KeyView, KeyWishes, Statement } from './composition/caller-keys.ts'
export type { SalesView, SoldRequest } from './composition/sales.ts'
export type { EndpointStanding, ProviderStanding, ProviderView } from './composition/provider-view.ts'
export type { ReceiptView, TokenBooks } from './composition/receipts.ts'
export type { SolanaStatus, Status, WalletStatus } from './composition/status.ts'
export type { Preset } from './routing/preset.ts'
export type { Verification } from './payment/verify.ts'
export type { ChannelBooks } from './payment/channel/books.ts'
export type { Withdrawal, WithdrawalCost } from './payment/channel/withdraw.ts'
export type { Reconciliation } from './payment/reconcile.ts'

export type Routeplane = {
  complete(call: GatewayCall): Promise<Completion>
  /** Serves callers who pay per call; absent when the config does not charge. */
  readonly cashier?: Cashier
  readonly sales: SalesView
  readonly keys: KeyView
  explain(call: GatewayCall): Promise<Decision>
  /** The decision that was made for a request, from its row; `undefined` when there is none, or it was too long to keep. */
  replay(requestId: string): Promise<DecisionCard | undefined>
  readonly catalog: CatalogView
  readonly providers: ProviderView
  readonly receipts: ReceiptView
  readonly channels: ChannelView
  readonly approvals: ApprovalView
  readonly allowances: AllowanceView
  /** Reads the ledger's whole journal: an edit of any row of money shows. */
  verifyLedger(): Promise<EventVerdict>
  readonly invoices: InvoiceView
  readonly presets: PresetView
  /**
   * Takes another config, whole or not at all; requests under way end as they began.
   *
   * @throws RouteplaneError `config_invalid` for one that cannot be used, or that changes what only a restart can.
   */
  reload(config: Config): Promise<void>
  /** For `wallet status` and MCP results. With `isOffline` no chain is asked, and balances are unknown. */
  status(options?: { readonly isOffline: boolean }): Promise<Status>
  /** What the wallet holds besides the token of its status, on the networks the config names nodes of. */
  holdings(): Promise<readonly Holding[]>
  /** Resolves once every models document has been asked for; a slow provider does not hold it for more than seconds. */
  ready(): Promise<void>
  close(): Promise<void>
}

/** How long a closing gateway waits for calls: their answers are delivered or cut by then, and only books are left to write. */
const CLOSING_MS = 5_000

export type Deps = { readonly log: Log; readonly clock: Clock; readonly version: string }

/**
 * Builds the engine. What a dead process of the same ledger left open is ended in the background; its money stays
 * reserved until it is.
 *
 * @throws RouteplaneError `config_invalid`, `keystore_…`, `store_unavailable`.
 */
export async function createRouteplane(config: Config, deps: Partial<Deps> = {}): Promise<Routeplane> {
  const { log = silentLog, clock = systemClock, version = 'unknown' } = deps
  const wallet = await openWallet({ ...config.wallet, clock, password: () => walletPassword(config) })
  const solana = await openSolana(config, clock)
  const ledger = await openSqliteLedger({ path: config.ledger.path, owner: nameOwner(), clock, log })

  const networks = walletNetworks(config.wallet)
  const chainOf = openChains(config.wallet.rpc)
  const asset = walletAsset(networks)
  const budgets = createBudgets(config)
  const routing = await openRouting(config, { ledger, budgets, clock, log }).catch(async (cause: unknown) => {
    await ledger.close()
    throw cause
  })
  const shared = { ledger, chainOf, solana: solana.side, clock, log }
  const resolver = createResolver(shared)
  const { schemes, channels, preemptive, leaves } = config.payment
  const { keyring, poller, refreshRegistry } = routing
  const accounts = new Map(Object.entries(config.payment.accounts))
  const payable = [...networks, ...solana.payable]
  const paying = { keyring, authorize, accounts, wallet, networks: payable, schemes, channels, preemptive, leaves, resolver }
  const modes = createPaymentModes({ ...shared, ...paying, budgets: budgets.now })
  const { context, now } = routing.live({ modes, protocols, ledger, clock, log })
  const recheck = () => recheckSettled({ ...shared, resolver })
  const background = startBackground({ poller, resolver, recheck, refreshRegistry, clock, log })

  const onlyOnce = createOnlyOnce(shared)
  const completeOnce = async (call: GatewayCall) => {
    await background.ready
    // A reload in the middle changes nothing for a request that has begun.
    const current = now()
    return onlyOnce(call, (heard) => complete(heard, current))
  }
  const underWay = watchCalls(clock)
  const completeWatched = (call: GatewayCall) => underWay.watch(completeOnce(call))
  const selling = openSelling({ config, context, wallet, chainOf, complete: completeWatched })

  return {
    complete: completeWatched,
    sales: viewSales(ledger),
    keys: viewCallerKeys({ ledger, clock, budgets }),
    ...(selling === undefined ? {} : { cashier: selling.cashier }),
    async explain(call) {
      await background.ready
      return explain(call, context)
    },
    async replay(requestId) {
      const kept = (await ledger.requests.get(requestId))?.decision
      return kept === undefined ? undefined : readKeptDecision(kept)
    },
    ...routing.views,
    receipts: viewReceipts({ ...shared, resolver, asset, payer: wallet?.address, recovered: background.recovered }),
    channels: viewChannels({ ...shared, resolver, wallet, transport: context.transport }),
    approvals: viewApprovals(ledger, clock),
    allowances: viewAllowances({ wallet, networks, chainOf }),
    verifyLedger: () => ledger.verifyEvents(),
    invoices: viewInvoices(ledger, context.catalog, clock),
    reload: routing.reload,
    status: ({ isOffline } = { isOffline: false }) => {
      const solanaSources = { solana: solana.side, solanaNetworks: solana.networks }
      const sources = { version, network: config.wallet.network, budgets: budgets.now(), wallet, asset, chainOf, clock }
      return readStatus({ ...context, ...sources, ...solanaSources, isOffline })
    },
    holdings: () => readHoldings({ wallet, asset, networks, configured: namedNetworks(config), chainOf }),
    ready: () => background.ready,
    async close() {
      await underWay.over(CLOSING_MS)
      await Promise.all([background.stop(), selling?.close()])
      await resolver.close()
      await routing.close()
      await ledger.close()
    },
  }
}

/** The networks that a config names: balances are not asked of public nodes that nobody chose. */
function namedNetworks({ wallet }: Config): readonly string[] {
  return [...(wallet.networks ?? []), ...Object.keys(wallet.rpc)]
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
