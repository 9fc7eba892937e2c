/** Sells one answer: reads its payment or asks for one, claims it, and has it served anew or again. */
import { RouteplaneError, toRouteplaneError } from '../errors.ts'
import type { Completion, GatewayCall } from '../gateway/call.ts'
import type { SaleClaimed, SaleQuote } from '../ledger/sale.ts'
import { createId } from '../lib/id.ts'
import type { Atomic, Usd } from '../money.ts'
import { serveAgain } from './again.ts'
import { amountOf, worthOf } from './charge.ts'
import { createCollector } from './collector.ts'
import { createJudging } from './judging.ts'
import { quoteOf, required, type Asked, type Carried, type Order, type SellingOptions } from './order.ts'
import { priceList, type PriceList } from './price-list.ts'
import { boundDigest, digestOf } from './quote.ts'
import { createQuoting } from './quoting.ts'
import { serveNew } from './serving.ts'
import type { Tender, WayToPay } from './till.ts'

export type Cashier = {
  /**
   * Answers a call that pays for itself.
   *
   * @throws RouteplaneError `payment_required` with the way to pay, `payment_in_progress`, `payment_already_used`,
   *   `settlement_unknown`, and whatever the request itself is refused with; then nothing is collected.
   */
  sell(call: GatewayCall, carried: Carried): Promise<Completion>
  /**
   * Promises a price for a while: the same request, or one that names the quote, is asked for no other.
   *
   * @throws RouteplaneError what the request itself would be refused with, `overloaded`, `facilitator_unavailable`.
   */
  quote(call: GatewayCall): Promise<Quoted>
  /** What is sold at which prices, and how it can be paid for. */
  readonly prices: PriceList
  /** Collects what dead processes and failed settlements have left. @returns how many are settled now. */
  collectOpen(): Promise<number>
  /** Takes what a payer sends beside his requests; see {@link Till.tend}. */
  tend(carried: Carried): Promise<Readonly<Record<string, string>> | undefined>
  /** Brings home what lies in channels, of MPP those that nobody has used for so long. @returns how many payers it came from. */
  payOut(idleMs?: number): Promise<number>
  /** Brings home what payers are about to take back; to be called every few minutes. @returns how many payers it came from. */
  watch(): Promise<number>
  /** Waits until what is being collected is. */
  close(): Promise<void>
}

export type Quoted = { readonly quote: SaleQuote; readonly ways: readonly (WayToPay & { readonly amount: Atomic })[] }

export function createCashier(options: SellingOptions): Cashier {
  const { tills, context } = options
  const collector = createCollector({ tills, ledger: context.ledger, clock: context.clock, log: context.log })
  const quoting = createQuoting(options)
  const judge = createJudging(options)
  return {
    prices: priceList(options.terms, tills, context.rules.perRequestUsd),
    async quote(call) {
      const ways = (await Promise.all(tills.map((till) => till.openWays()))).flat()
      const quote = await quoting.promise(call)
      return { quote, ways: ways.map((way) => ({ ...way, amount: amountOf(quote.priceUsd, way.asset.decimals) })) }
    },
    async sell(call, carried) {
      const asked = { call, carried, digest: digestOf(call) }
      const promisedTo = async (isPaid: boolean) => (await quoting.bindingOf(call, carried.headers, isPaid))?.priceUsd
      const tender = await readTender({ ...asked, promisedTo }, options)
      const promisedUsd = await promisedTo(tender !== undefined)
      const order: Order = { ...asked, promisedUsd }
      if (tender === undefined) throw await required(order, 'payment is required for this request', options)
      const known = await context.ledger.sales.byKey(tender.payment.key)
      const isOpen = known === undefined || known.state === 'claimed' || known.state === 'void'
      if (isOpen) await requireMatch(order, tender, options)
      const judged = isOpen ? await judge(order, tender) : { tender, verify: () => tender.verify(), isAlone: true }
      const claimed = await claim(order, judged.tender, options)
      const serving = { ...order, ...judged, collector }
      return claimed.kind === 'new' ? serveNew(claimed.sale, serving, options) : serveAgain(claimed, serving, options)
    },
    collectOpen: collector.sweep,
    async tend({ headers, resource }) {
      for (const till of tills) {
        const taken = await till.tend?.(headers, resource)
        if (taken !== undefined) return taken
      }
      return undefined
    },
    async payOut(idleMs = 0) {
      let payers = 0
      for (const till of tills) payers += (await till.payOut?.(idleMs)) ?? 0
      return payers
    },
    async watch() {
      let payers = 0
      for (const till of tills) payers += (await till.watch?.()) ?? 0
      return payers
    },
    close: collector.close,
  }
}

type Reading = Asked & { promisedTo(isPaid: boolean): Promise<Usd | undefined> }

async function readTender(asked: Reading, options: SellingOptions): Promise<Tender | undefined> {
  try {
    const read = await Promise.all(options.tills.map((till) => till.read(asked.carried.headers)))
    const [tender, ...others] = read.filter((each) => each !== undefined)
    if (others.length > 0) throw new RouteplaneError('invalid_payment', 'the request carries two payments')
    return tender
  } catch (thrown) {
    const error = toRouteplaneError(thrown)
    if (error.code !== 'payment_required') throw error
    throw await required({ ...asked, promisedUsd: await asked.promisedTo(true) }, error.message, options)
  }
}

async function requireMatch(order: Order, tender: Tender, options: SellingOptions): Promise<void> {
  const reason = tender.mismatch(quoteOf(order, options))
  if (reason !== undefined) throw await required(order, reason, options)
}

function claim({ call, digest }: Order, tender: Tender, { context }: SellingOptions): Promise<SaleClaimed> {
  const now = context.clock.now()
  const { payment, credential } = tender
  const priceUsd = worthOf(payment.amountOffered, payment.decimals)
  const bound = boundDigest(digest, tender.proof)
  const about = { id: createId('sale', now), requestId: call.id, digest: bound, model: call.read.model, priceUsd, credential, now }
  return context.ledger.sales.claim({ ...payment, ...about })
}
