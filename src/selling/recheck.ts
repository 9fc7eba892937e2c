/** Looks at what has been collected until the network holds it to be safe: what a reorganisation takes back is owed again. */
import { toRouteplaneError } from '../errors.ts'
import type { SaleRow } from '../ledger/sale.ts'
import type { CollectorOptions } from './collector.ts'
import { revive, type Standing } from './till.ts'

/** Sales of one round: each costs the node a few questions. */
const MAX_SALES = 200
/** No reorganisation reaches back so far, whether or not the network says which of its blocks are safe. */
const SURE_MS = 24 * 60 * 60 * 1_000

/** A node that cannot be asked takes nothing back. */
export async function recheckSales(options: CollectorOptions): Promise<void> {
  const { ledger, log, clock } = options
  const safe: string[] = []
  for (const sale of await ledger.sales.unsafe(MAX_SALES)) {
    const standing = clock.now() - sale.updatedAt > SURE_MS ? 'safe' : await standingOf(sale, options)
    if (standing === 'safe') safe.push(sale.id)
    if (standing !== 'gone') continue
    await ledger.sales.reopen(sale.id, 'its block was reorganised away', clock.now())
    log.warn('what was collected for a sale was taken back by a reorganisation', { sale: sale.id })
  }
  if (safe.length > 0) await ledger.sales.secure(safe)
}

async function standingOf(sale: SaleRow, { tills, log }: CollectorOptions): Promise<Standing> {
  try {
    const tender = await revive(tills, sale)
    return (await tender?.stands?.()) ?? 'unsafe'
  } catch (thrown) {
    log.warn('a sale cannot be looked at again', { sale: sale.id, code: toRouteplaneError(thrown).code })
    return 'unsafe'
  }
}
