/** Sales as surfaces read them: what a caller paid, joined to what his request cost. */
import type { Ledger } from '../ledger/ledger.ts'
import type { SaleFilter, SaleRow } from '../ledger/sale.ts'
import { addUsd, type Usd } from '../money.ts'

/** `spentUsd` is what our own payments and keys came to for it; `undefined` while it is not known. */
export type SoldRequest = { readonly sale: SaleRow; readonly spentUsd: Usd | undefined }

export type SalesView = {
  list(filter: Pick<SaleFilter, 'limit' | 'before' | 'requestId'>): Promise<readonly SoldRequest[]>
  get(id: string): Promise<SoldRequest | undefined>
}

export function viewSales(ledger: Ledger): SalesView {
  const join = async (sale: SaleRow): Promise<SoldRequest> => ({ sale, spentUsd: await spentOn(sale.requestId, ledger) })
  return {
    list: async (filter) => Promise.all((await ledger.sales.list(filter)).map(join)),
    async get(id) {
      const sale = await ledger.sales.get(id)
      return sale === undefined ? undefined : join(sale)
    },
  }
}

/** Payments are known to the unit; what a provider with a key bills is known by the request's own cost. */
async function spentOn(requestId: string, ledger: Ledger): Promise<Usd | undefined> {
  const attempts = await ledger.attempts.list({ requestId, withIntent: true })
  const settled = attempts.flatMap(({ payment }) => payment?.settledUsd ?? [])
  if (attempts.some(({ state }) => state !== 'settled' && state !== 'released')) return undefined
  return settled.length > 0 ? addUsd(...settled) : (await ledger.requests.get(requestId))?.costUsd
}
