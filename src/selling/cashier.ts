/** Sells one answer: asks for payment, claims it, verifies it, has the request completed, and collects. Knows the order. */
import { amend, RouteplaneError, toRouteplaneError } from '../errors.ts'
import type { Completion, GatewayCall } from '../gateway/call.ts'
import type { GatewayContext } from '../gateway/context.ts'
import { replayAnswer } from '../gateway/kept-answer.ts'
import type { SaleClaimed, SaleQuote, SaleRow } from '../ledger/sale.ts'
import { createId } from '../lib/id.ts'
import { turnsToWrite } from '../lib/next-turn.ts'
import type { Atomic, Usd } from '../money.ts'
import type { ChargeTerms } from './charge.ts'
import { amountOf, worthOf } from './charge.ts'
import { createCollector, type Collector } from './collector.ts'
import { deliver, type Delivering } from './deliver.ts'
import { budgetOf, digestOf, priceOf, purchase } from './quote.ts'
import { createQuoting } from './quoting.ts'
import { collectInTime, endInTime, type Early } from './in-time.ts'
import { priceList, type PriceList } from './price-list.ts'
import type { Quote, RequestHeaders, Tender, Through, Till, WayToPay } from './till.ts'

/** What a request carries besides its wire: where it was sent, and the headers that may pay for it. */
export type Carried = { readonly resource: string; readonly headers: RequestHeaders }

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

export type CashierOptions = {
  readonly terms: ChargeTerms
  readonly tills: readonly Till[]
  readonly context: GatewayContext
  /** Answers a call on the operator's account. */
  complete(call: GatewayCall): Promise<Completion>
}

/** Times that one payment may have its answer begun anew, when the provider broke off what was paid for. */
const MAX_TRIES = 4
const RUNNING_RETRY_MS = 1_000

export function createCashier(options: CashierOptions): Cashier {
  const { tills, context } = options
  const collector = createCollector({ tills, ledger: context.ledger, clock: context.clock, log: context.log })
  const quoting = createQuoting(options)
  const claiming = new Set<string>()
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
      if (known === undefined || known.state === 'claimed' || known.state === 'void') await requireMatch(order, tender, options)
      const { key } = tender.payment
      // The claim waits for the disk, and judging mostly for the node; of copies that come together, one is judged.
      const judging = known === undefined && tender.isJudgedFreely === true && !claiming.has(key) ? tender.verify() : undefined
      judging?.catch(() => {})
      claiming.add(key)
      // The sync holds this thread: what is asked of the node has to be on its way by then.
      if (judging !== undefined) await turnsToWrite()
      const claimed = await claim(order, tender, options).finally(() => claiming.delete(key))
      return serve(claimed, { ...order, tender, collector, verify: () => judging ?? tender.verify() }, options)
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

type Asked = { readonly call: GatewayCall; readonly carried: Carried; readonly digest: string }
/** `promisedUsd` is the price that was quoted for it before, whatever it would cost now. */
type Order = Asked & { readonly promisedUsd: Usd | undefined }
type Serving = Order & { readonly tender: Tender; readonly collector: Collector } & Pick<Tender, 'verify'>

function quoteOf({ call, carried, digest, promisedUsd }: Order, { terms, context }: CashierOptions): Quote {
  // Asked in any case: what nobody can serve is refused, and not sold.
  return { digest, resource: carried.resource, model: call.read.model, ...priceOf(call, terms, context, promisedUsd) }
}

/** Makes the one 402 that every till adds its own words to. */
async function required(order: Order, reason: string, options: CashierOptions, failed?: Tender): Promise<RouteplaneError> {
  const quote = quoteOf(order, options)
  const asks = await Promise.all(options.tills.map((till) => till.ask(quote, reason, failed)))
  if (asks.every(({ headers }) => Object.keys(headers).length === 0)) {
    return new RouteplaneError('unauthorized', 'nothing is sold here by a way to pay that fits this call', {
      hint: 'Ask the operator of this gateway for a key, or call it over HTTP.',
    })
  }
  return new RouteplaneError('payment_required', reason, {
    hint: 'Pay as one of the offers says and send the same request with the payment, or use an API key.',
    challenge: {
      headers: Object.assign({}, ...asks.map(({ headers }) => headers)) as Record<string, string>,
      body: Object.assign({}, ...asks.map(({ body }) => body)) as Record<string, unknown>,
    },
  })
}

type Reading = Asked & { promisedTo(isPaid: boolean): Promise<Usd | undefined> }

async function readTender(asked: Reading, options: CashierOptions): Promise<Tender | undefined> {
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

async function requireMatch(order: Order, tender: Tender, options: CashierOptions): Promise<void> {
  const reason = tender.mismatch(quoteOf(order, options))
  if (reason !== undefined) throw await required(order, reason, options)
}

function claim({ call, digest }: Order, tender: Tender, { context }: CashierOptions): Promise<SaleClaimed> {
  const now = context.clock.now()
  const { payment, credential } = tender
  const priceUsd = worthOf(payment.amountOffered, payment.decimals)
  const about = { id: createId('sale', now), requestId: call.id, digest, model: call.read.model, priceUsd, credential, now }
  return context.ledger.sales.claim({ ...payment, ...about })
}

async function serve(claimed: SaleClaimed, serving: Serving, options: CashierOptions): Promise<Completion> {
  const { sale, kind } = claimed
  if (kind === 'conflict') {
    await requireInStep(serving, options)
    throw new RouteplaneError('payment_already_used', 'this payment was made for another request', {
      hint: 'Send the request that it was made for, or a new payment.',
      details: { sale: sale.id },
    })
  }
  if (kind === 'running') {
    throw new RouteplaneError('payment_in_progress', 'the request of this payment is being answered', {
      hint: 'Send the same request and payment again to get its answer.',
      retryAfterMs: RUNNING_RETRY_MS,
      details: { sale: sale.id },
    })
  }
  if (kind === 'new') return serveNew(sale, serving, options)
  const release = () => options.context.ledger.sales.release(sale.id, undefined, options.context.clock.now())
  const { receipt } = await serving.collector.collected(sale, serving.tender).catch(async (thrown: unknown) => {
    if (kind === 'credit') await release()
    const error = toRouteplaneError(thrown)
    throw error.code === 'payment_required' ? await required(serving, error.message, options) : error
  })
  if (kind === 'kept') return { ...replayAnswer(claimed.answer), sale: { id: sale.id, receipt: () => receipt } }
  if (serving.tender.charging === 'usage') {
    await release()
    throw new RouteplaneError('payment_already_used', 'what was delivered for this payment is paid for, and the rest was left', {
      hint: 'Pay for another request.',
      details: { sale: sale.id },
    })
  }
  if (sale.tries > MAX_TRIES) {
    await release()
    throw new RouteplaneError('answer_lost', 'the answer to this payment broke off too often', {
      money: 'settled',
      details: { sale: sale.id },
    })
  }
  return serveOnCredit(sale, serving, options, receipt)
}

/**
 * Everything that fails before the first part leaves the payment as it was: it may be sent again, or expire. One that had to be
 * collected before is its payer's credit.
 */
async function serveNew(sale: SaleRow, serving: Serving, options: CashierOptions): Promise<Completion> {
  const { tender, collector } = serving
  const { sales } = options.context.ledger
  const giveUp = async (reason: string) => {
    const now = options.context.clock.now()
    await tender.cancel()
    await sales.end(sale.id, { state: 'void', reason, now })
    await sales.release(sale.id, undefined, now)
  }
  let early: Early | undefined
  let isDelivered = false
  try {
    await requireValid(sale, serving, options)
    early = collectInTime(sale, tender, collector, options.context)
    const completion = await begin(sale, serving, options)
    await early.stop()
    const collecting = early.begun()
    // The answer to an earlier request of the same caller and key: he has paid for it already.
    if (completion.head.replayed === true && collecting === undefined) {
      await giveUp('replayed')
      return completion
    }
    isDelivered = true
    return await deliver(completion, { ...delivering(sale, serving, options), ...(collecting === undefined ? {} : { collecting }) })
  } catch (thrown) {
    await early?.stop()
    const error = toRouteplaneError(thrown)
    if (early?.begun() !== undefined && !isDelivered) {
      await sales.release(sale.id, undefined, options.context.clock.now())
      throw amend(error, { hint: 'The payment is collected; the same request with the same payment is answered without another.' })
    }
    const now = await sales.get(sale.id)
    if (now?.state === 'claimed') await giveUp(error.code)
    throw error
  }
}

/**
 * A payer who has not heard what his last answer came to, as after a stream, whose headers left before that was known, promises
 * for the next one what he has promised before: he means another payment, and is told how it has to read.
 */
async function requireInStep(serving: Serving, options: CashierOptions): Promise<void> {
  if (serving.tender.isCorrected !== true) return
  const verdict = await serving.tender.verify()
  if (!verdict.valid) throw await required(serving, verdict.reason, options, serving.tender)
  await serving.tender.cancel()
}

/** Nobody's payment: whoever sends junk leaves no trace in the books. */
async function requireValid(sale: SaleRow, serving: Serving, options: CashierOptions): Promise<void> {
  const verdict = await serving.verify()
  if (verdict.valid) return
  const refusal =
    verdict.isGone === true
      ? new RouteplaneError('channel_closed', verdict.reason, { hint: 'Open another: the 402 of the request without a payment says how.' })
      : await required(serving, verdict.reason, options, serving.tender)
  await options.context.ledger.sales.forget(sale.id)
  throw refusal
}

async function serveOnCredit(
  sale: SaleRow,
  serving: Serving,
  options: CashierOptions,
  receipt: Readonly<Record<string, string>>,
): Promise<Completion> {
  try {
    const completion = await begin(sale, serving, options)
    return await deliver(completion, { ...delivering(sale, serving, options), paidBefore: receipt })
  } catch (thrown) {
    await options.context.ledger.sales.release(sale.id, undefined, options.context.clock.now())
    throw thrown
  }
}

function delivering(sale: SaleRow, serving: Serving, options: CashierOptions): Delivering {
  const { terms, context } = options
  const { tender, collector, call } = serving
  return {
    sale,
    tender,
    collector,
    terms,
    ledger: context.ledger,
    clock: context.clock,
    endLine: context.protocols.find(({ id }) => id === call.wire?.protocol)?.caller.endLine,
    through: throughOf(serving, options),
    refusal: (reason) => required(serving, reason, options, tender),
  }
}

/** A stream goes on at the pace of its payer's vouchers, where he pays so. */
function throughOf(serving: Serving, options: CashierOptions): Through | undefined {
  if (serving.tender.pace === undefined) return undefined
  const { pace } = quoteOf(serving, options)
  return pace === undefined ? undefined : serving.tender.pace(pace)
}

/** A caller who leaves before the first part ends the work; after it, {@link deliver} decides. */
async function begin(sale: SaleRow, { call, tender, promisedUsd }: Serving, options: CashierOptions): Promise<Completion> {
  const { terms, context } = options
  const own = new AbortController()
  const leave = () => own.abort(call.signal.reason)
  call.signal.addEventListener('abort', leave, { once: true })
  if (tender.charging === 'usage') endInTime(own, tender, context)
  try {
    const agreed = { priceUsd: sale.priceUsd, isPromised: promisedUsd !== undefined }
    const capUsd = budgetOf(call, agreed, terms, context.rules.perRequestUsd)
    const bought = purchase(call, terms, capUsd)
    return await options.complete({ ...bought, caller: `payer:${tender.payment.payer.toLowerCase()}`, signal: own.signal })
  } finally {
    call.signal.removeEventListener('abort', leave)
  }
}
