/** A sale as its payer may see it: what he paid and what became of it, and nothing of what it cost us. */
import { formatUsd } from '../money.ts'
import type { SoldRequest } from '../routeplane.ts'

export function saleCard({ sale }: Pick<SoldRequest, 'sale'>): Readonly<Record<string, unknown>> {
  return {
    id: sale.id,
    object: 'receipt',
    direction: 'in',
    request_id: sale.requestId,
    model: sale.model,
    state: sale.state,
    reason: sale.reason,
    price_usd: formatUsd(sale.priceUsd),
    payment: {
      protocol: sale.protocol,
      scheme: sale.scheme,
      network: sale.network,
      asset: sale.asset,
      decimals: sale.decimals,
      payer: sale.payer,
      payee: sale.payee,
      amount_offered: sale.amountOffered.toString(),
      amount_settled: sale.amountSettled?.toString(),
      settled_usd: sale.settledUsd === undefined ? undefined : formatUsd(sale.settledUsd),
      nonce: sale.nonce,
      transaction: sale.transaction,
      finality: sale.state !== 'settled' ? undefined : sale.isUnsafe ? 'confirmed' : 'final',
    },
    created_at: new Date(sale.createdAt).toISOString(),
    updated_at: new Date(sale.updatedAt).toISOString(),
  }
}
