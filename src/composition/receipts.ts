/** Receipts as surfaces read them: rows of the ledger, and what the chain says of them. */
import type { Chain } from '../chain/chain.ts'
import type { AssetRow } from '../chain/networks.ts'
import { RouteplaneError } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import type { AttemptRow } from '../ledger/entry.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { reconcile, type Reconciliation } from '../payment/reconcile.ts'
import type { RecoveryReport, Resolver } from '../payment/resolver.ts'
import { recheckSettled } from '../payment/recheck.ts'
import { verifyReceipt, type Verification } from '../payment/verify.ts'

export type ReceiptView = {
  list(filter: { readonly limit?: number; readonly before?: string; readonly requestId?: string }): Promise<readonly AttemptRow[]>
  get(id: string): Promise<AttemptRow | undefined>
  /** Reads the chain: transfer and authorization must match the receipt. */
  verify(id: string): Promise<Verification>
  /** Proves that the ledger equals the chain over a range of blocks; open attempts are ended first. */
  reconcile(range: { readonly fromBlock?: bigint; readonly toBlock?: bigint }): Promise<Reconciliation>
}

export type ReceiptSources = {
  readonly ledger: Ledger
  readonly chainOf: (network: string) => Chain
  readonly resolver: Resolver
  readonly clock: Clock
  readonly log: Log
  /** The default token of the wallet's network. */
  readonly asset: AssetRow | undefined
  readonly payer: `0x${string}` | undefined
  readonly recovered: Promise<RecoveryReport>
}

const DEFAULT_PAGE = 50

export function viewReceipts({ ledger, chainOf, resolver, clock, log, asset, payer, recovered }: ReceiptSources): ReceiptView {
  return {
    list: (filter) => ledger.attempts.list({ ...filter, withIntent: true, limit: filter.limit ?? DEFAULT_PAGE }),
    get: (id) => ledger.attempts.get(id),
    async verify(id) {
      const row = await ledger.attempts.get(id)
      if (row === undefined) throw new RouteplaneError('receipt_not_found', `there is no receipt ${JSON.stringify(id.slice(0, 60))}`)
      return verifyReceipt(row, { ledger, chainOf, now: clock.now() })
    },
    async reconcile(range) {
      if (payer === undefined || asset === undefined) throw new RouteplaneError('keystore_missing', 'there is no wallet to reconcile')
      await recheckSettled({ ledger, chainOf, resolver, clock, log })
      const resolved = (await recovered).ended + (await resolver.sweep())
      return reconcile({ ledger, chain: chainOf(asset.network), asset, payer, resolved, ...range })
    },
  }
}
