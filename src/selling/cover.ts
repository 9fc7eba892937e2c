/** Sees to it that a payer has the money for all that he has signed: each of his payments alone may be covered by the same. */
import type { SalePayment, SaleRow } from '../ledger/sale.ts'
import { channelSchemes } from './channel-schemes.ts'
import type { Judged } from './judging.ts'
import type { SellingOptions } from './order.ts'
import { revive, type Tender } from './till.ts'

/** Milliseconds for which a payer is remembered whose payment could not be collected: he is answered once he has paid. */
const MEMORY_MS = 60 * 60 * 1_000

/** Whether an earlier payment of the same payer could not be collected; of no matter where nothing leaves his balance any more. */
export async function hasLost(tender: Tender, { context }: SellingOptions): Promise<boolean> {
  return draws(tender) && context.ledger.sales.hasLost(tender.payment, context.clock.now() - MEMORY_MS)
}

/** What a payer has signed that is to be taken out of the same balance; `id` is the sale that came after it. */
export async function openOf(payment: SalePayment, options: SellingOptions, id?: string): Promise<readonly Drawing[]> {
  const { ledger, clock } = options.context
  const open = await ledger.sales.openBefore(payment, id, clock.now())
  const drawings = await Promise.all(open.map(async (sale) => ({ sale, amount: await drawnBy(sale, options) })))
  return drawings.filter(({ amount }) => amount > 0n)
}

/** Base units that are going to leave a payer's balance for a sale, at most. */
type Drawing = { readonly sale: SaleRow; readonly amount: bigint }

async function drawnBy(sale: SaleRow, { tills }: SellingOptions): Promise<bigint> {
  if (!channelSchemes.includes(sale.scheme)) return sale.amountDue ?? sale.amountOffered
  return (await revive(tills, sale))?.deposit ?? 0n
}

/** Whether anything leaves its payer's balance when it is collected. */
export function draws({ payment, deposit }: Tender): boolean {
  return deposit !== undefined || !channelSchemes.includes(payment.scheme)
}

/** Looks at what a payer has, and milliseconds between two: what is settled is booked by then. */
const LOOKS = 4
const LOOK_MS = 250

/** Whether a payer's balance is enough for a payment beside those that came first. */
export async function isCoveredBeside(sale: SaleRow, { tender, isAlone }: Judged, options: SellingOptions): Promise<boolean> {
  if (!draws(tender)) return true
  for (let looks = 1; ; looks++) {
    const open = await openOf(sale, options, sale.id)
    // What was open before may have been collected since the payment was judged.
    if (open.length === 0 && isAlone && looks === 1) return true
    const promised = open.reduce((sum: bigint, { amount }) => sum + amount, tender.deposit ?? sale.amountOffered)
    if ((await tender.balance()) >= promised) return true
    if (looks === LOOKS) return false
    await options.context.clock.sleep(LOOK_MS)
  }
}
