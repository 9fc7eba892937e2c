/** `routeplane sales`: what callers have paid, for which requests, and what is left of it. */
import { RouteplaneError } from '../errors.ts'
import { addUsd, subtractUsd, type Usd } from '../money.ts'
import type { SoldRequest } from '../routeplane.ts'
import { plainCommand, type Command } from './command.ts'
import { usage } from './invocation.ts'
import { counted, fields, money, table, usdText } from './output.ts'
import { withEngine } from './session.ts'

const MOST = 200

export const salesList: Command = {
  ...plainCommand,
  name: 'sales list',
  aliases: ['sales'],
  summary: 'List what callers paid, newest first.',
  options: { limit: { type: 'string', value: '<count>', summary: 'How many; 20 unless said otherwise.' } },
  async run(invocation, context) {
    const text = invocation.text('limit') ?? '20'
    const limit = Number(text)
    if (!/^[1-9]\d*$/.test(text) || limit > MOST) throw usage(salesList, 'bad_value', `--limit is a whole number from 1 to ${MOST}`)
    const rows = await withEngine(invocation, context, async ({ sales }) => sales.list({ limit }))
    const lines = rows.map((row) => [
      row.sale.id,
      row.sale.state,
      row.sale.model,
      row.sale.scheme,
      money(row.sale.settledUsd),
      money(row.spentUsd),
      marginText(row),
    ])
    const head = ['id', 'state', 'model', 'scheme', 'in', 'out', 'margin']
    return { text: rows.length === 0 ? 'Nothing has been sold yet.' : table(head, lines), value: { sales: rows.map(saleValue) } }
  },
}

export const salesShow: Command = {
  ...plainCommand,
  name: 'sales show',
  summary: 'Show one sale in full.',
  positionals: ['<id>'],
  async run(invocation, context) {
    const [id = ''] = invocation.positionals
    const row = await withEngine(invocation, context, async ({ sales }) => sales.get(id))
    if (row === undefined) throw new RouteplaneError('receipt_not_found', `there is no sale ${JSON.stringify(id.slice(0, 60))}`)
    const value = saleValue(row)
    return { text: fields(Object.entries(value).map(([name, each]) => [name.replaceAll('_', ' '), each ?? ''])), value }
  },
}

export const salesCollect: Command = {
  ...plainCommand,
  name: 'sales collect',
  summary: 'Collect what is open, and bring home what lies in channels.',
  details: ['A gateway that runs does both by itself.'],
  async run(invocation, context) {
    const done = await withEngine(invocation, context, async ({ cashier }) => {
      if (cashier === undefined)
        throw new RouteplaneError('config_invalid', 'nothing is sold here', { hint: 'Set charge in routeplane.yaml.' })
      return { collected: await cashier.collectOpen(), channels: (await cashier.watch()) + (await cashier.payOut()) }
    })
    return { text: `${counted(done.collected, 'sale')} collected, ${counted(done.channels, 'channel')} paid out.`, value: done }
  },
}

/** What is left when both sides are known; unknown is not zero. */
function marginOf({ sale, spentUsd }: SoldRequest): { readonly usd: Usd; readonly isLoss: boolean } | undefined {
  if (sale.settledUsd === undefined || spentUsd === undefined) return undefined
  const isLoss = spentUsd > sale.settledUsd
  return { usd: isLoss ? subtractUsd(spentUsd, sale.settledUsd) : subtractUsd(sale.settledUsd, spentUsd), isLoss }
}

function marginText(row: SoldRequest): string {
  const margin = marginOf(row)
  return margin === undefined ? 'unknown' : `${margin.isLoss ? '-' : ''}${money(margin.usd)}`
}

/** One sale as flat text, with what it cost us. */
export function saleValue(row: SoldRequest): Readonly<Record<string, string | null>> {
  const { sale, spentUsd } = row
  const margin = marginOf(row)
  return {
    id: sale.id,
    direction: 'in',
    request_id: sale.requestId,
    state: sale.state,
    reason: sale.reason ?? null,
    model: sale.model,
    protocol: sale.protocol,
    scheme: sale.scheme,
    network: sale.network,
    asset: sale.asset,
    payer: sale.payer,
    payee: sale.payee,
    price_usd: usdText(sale.priceUsd),
    settled_usd: usdText(sale.settledUsd),
    spent_usd: usdText(spentUsd),
    margin_usd: margin === undefined ? null : `${margin.isLoss ? '-' : ''}${usdText(addUsd(margin.usd))}`,
    nonce: sale.nonce,
    transaction: sale.transaction ?? null,
    created_at: new Date(sale.createdAt).toISOString(),
    updated_at: new Date(sale.updatedAt).toISOString(),
  }
}
