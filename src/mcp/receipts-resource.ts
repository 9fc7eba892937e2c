/** The resource of a receipt: what one payment attempt came to. */
import { receiptCard } from '../card/receipt-card.ts'
import type { Caller } from '../gateway/call.ts'
import type { Resource } from './resource.ts'

/** The form of our own ids; anything else cannot name a receipt and is never handed to the store. */
const ID = /^[a-z0-9_]{1,64}$/

export const receiptResource: Resource = {
  name: 'receipt',
  title: 'Receipt',
  description: 'One payment: provider, model, amount, network, payee, transaction and its state. The id is the receipt_id of complete.',
  audience: 'accounts',
  uri: 'routeplane://receipts/{id}',
  suggest: async (value, { routeplane, caller }) => {
    const rows = await routeplane.receipts.list({ limit: 100 })
    return rows
      .filter((row) => isOf(caller, row))
      .map(({ id }) => id)
      .filter((id) => id.startsWith(value))
  },
  read: async (id, { routeplane, caller }) => {
    const receipt = ID.test(id) ? await routeplane.receipts.get(id) : undefined
    return receipt === undefined || !isOf(caller, receipt) ? undefined : receiptCard(receipt)
  },
}

/** The operator's are all of them: he has paid for the holders of his keys too. */
function isOf({ id, isOperator }: Caller, receipt: { readonly caller?: string }): boolean {
  return isOperator || receipt.caller === id
}

/** Where a client reads the receipt. */
export function receiptUri(id: string): string {
  return `routeplane://receipts/${id}`
}
