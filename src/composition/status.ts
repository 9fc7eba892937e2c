/** The engine's state in figures: wallet, caps with what is left of them, open payments. */
import type { Chain } from '../chain/chain.ts'
import { solanaAssetsOf, type AssetRow, type SolanaAssetRow } from '../chain/networks.ts'
import { permit2Address } from '../chain/permit2.ts'
import type { AttemptRow } from '../ledger/entry.ts'
import type { GatewayRules } from '../gateway/context.ts'
import type { Clock } from '../lib/clock.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { addUsd, fromAtomic, ZERO_USD, type Atomic, type Usd } from '../money.ts'
import { everyLimitAt, resetOf, type Budgets } from '../payment/budget.ts'
import type { Catalog } from '../registry/catalog.ts'
import type { SolanaSide } from '../wallet/solana/open.ts'
import type { Wallet } from '../wallet/wallet.ts'

export type Status = {
  readonly version: string
  readonly network: string
  readonly wallet?: WalletStatus
  /** Absent without a key for it. */
  readonly solana?: SolanaStatus
  readonly caps: readonly CapStatus[]
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
  /** Reserved of that token for payments under way, and for those not yet agreed; what is held for invoices is not the wallet's. */
  readonly heldUsd: Usd
  /** What Permit2 may take of it; `undefined` when the chain could not be asked, absent where Permit2 cannot move the token. */
  readonly permit2Usd?: Usd | undefined
}

/** The wallet on Solana: a token on each network that it pays on, or would if it could. */
export type SolanaStatus = {
  readonly address: string
  /** Why nothing is paid there; absent when it can be. */
  readonly problem?: string
  readonly tokens: readonly WalletStatus[]
}

export type CapStatus = {
  readonly scope: string
  readonly window: string
  readonly capUsd: Usd
  readonly availableUsd: Usd
  /** When the window is over, in milliseconds since the epoch; absent for one that never is. */
  readonly resetsAt?: number
}

/** The caps of this moment; the request's own is always whole. */
async function capStatus(ledger: Ledger, budgets: Budgets, perRequestUsd: Usd, now: number): Promise<readonly CapStatus[]> {
  const standings = await ledger.attempts.budgets(everyLimitAt(budgets, now))
  return [
    { scope: 'request', window: 'each', capUsd: perRequestUsd, availableUsd: perRequestUsd },
    ...standings.map(({ limit, reserved, spent }) => {
      const resetsAt = resetOf(limit.window)
      return {
        scope: limit.scope,
        window: limit.window,
        capUsd: limit.cap,
        availableUsd: leftOf(limit.cap, addUsd(reserved, spent)),
        ...(resetsAt === undefined ? {} : { resetsAt }),
      }
    }),
  ]
}

/** A cap may have been lowered below what is spent: nothing is left then, not less than nothing. */
function leftOf(cap: Usd, used: Usd): Usd {
  return used >= cap ? ZERO_USD : ((cap - used) as Usd)
}

/** Asks the chain for the balance; when it cannot be asked, or is not to be, the balance is unknown, not empty. */
async function walletStatus(wallet: Wallet, asset: AssetRow, chain: Chain | undefined, open: readonly AttemptRow[]): Promise<WalletStatus> {
  const [balance, permit2] = await Promise.all([
    chain?.balanceOf(asset.address, wallet.address).catch(() => undefined),
    asset.transferMethod === 'tip20' ? 0n : chain?.allowanceOf(asset.address, wallet.address, permit2Address).catch(() => undefined),
  ])
  const usdOf = (amount: bigint | undefined) => (amount === undefined ? undefined : fromAtomic(amount as Atomic, asset.decimals, 'down'))
  return {
    address: wallet.address,
    network: asset.network,
    asset: asset.symbol,
    balanceUsd: usdOf(balance),
    ...(asset.transferMethod === 'tip20' ? {} : { permit2Usd: usdOf(permit2) }),
    heldUsd: addUsd(...open.filter((row) => isHeldOf(row, asset)).map(({ heldUsd }) => heldUsd)),
  }
}

/** @returns `undefined` without a key. Nobody pays the network's fee but the seller, so no coins are asked for. */
async function solanaStatus(
  { wallet, problem, chainOf }: SolanaSide,
  { solanaNetworks, isOffline }: Pick<StatusSources, 'solanaNetworks' | 'isOffline'>,
  open: readonly AttemptRow[],
): Promise<SolanaStatus | undefined> {
  if (wallet === undefined) return undefined
  const { address } = wallet
  const read = async (asset: SolanaAssetRow): Promise<WalletStatus> => {
    const { network, symbol, decimals } = asset
    const asked = isOffline ? undefined : chainOf(network).balanceOf(asset.address, address)
    const balance = await asked?.catch(() => undefined)
    const own = open.filter(({ payment }) => payment?.network === network && payment.asset === asset.address)
    const balanceUsd = balance === undefined ? undefined : fromAtomic(balance, decimals, 'down')
    return { address, network, asset: symbol, balanceUsd, heldUsd: addUsd(...own.map(({ heldUsd }) => heldUsd)) }
  }
  const tokens = await Promise.all(solanaNetworks.flatMap(solanaAssetsOf).map(read))
  return { address, ...(problem === undefined ? {} : { problem }), tokens }
}

function isHeldOf({ mode, payment }: AttemptRow, { network, address }: AssetRow): boolean {
  return mode !== 'invoice' && (payment === undefined || (payment.network === network && payment.asset === address))
}

export type StatusSources = {
  readonly version: string
  readonly network: string
  readonly ledger: Ledger
  readonly budgets: Budgets
  readonly rules: GatewayRules
  readonly catalog: Catalog
  readonly wallet: Wallet | undefined
  readonly asset: AssetRow | undefined
  readonly chainOf: (network: string) => Chain
  readonly solana: SolanaSide
  /** Those of Solana that the config means. */
  readonly solanaNetworks: readonly string[]
  readonly clock: Clock
  /** No chain is asked: balances are unknown. */
  readonly isOffline: boolean
}

export async function readStatus(sources: StatusSources): Promise<Status> {
  const { ledger, budgets, rules, wallet, asset, clock, isOffline } = sources
  const open = await ledger.attempts.list({ states: ['held', 'intent', 'unknown'], limit: 10_000 })
  const snapshot = sources.catalog.snapshot()
  const solana = await solanaStatus(sources.solana, sources, open)
  return {
    version: sources.version,
    network: sources.network,
    caps: await capStatus(ledger, budgets, rules.perRequestUsd, clock.now()),
    openAttempts: open.length,
    providers: snapshot.providers.size,
    models: snapshot.models.size,
    ...(wallet === undefined || asset === undefined
      ? {}
      : { wallet: await walletStatus(wallet, asset, isOffline ? undefined : sources.chainOf(asset.network), open) }),
    ...(solana === undefined ? {} : { solana }),
  }
}
