/** What a hold, an intent and an ending may do: the rules of the ledger without any storage. */
import { RouteplaneError } from '../errors.ts'
import { addUsd, subtractUsd, ZERO_USD, type Usd } from '../money.ts'
import type { AttemptPayment, AttemptRow, AttemptState } from './entry.ts'
import type { BudgetLimit, Ending, Finality, HoldOutcome, HoldRequest, Intent, IntentRenewal, Reopening } from './ledger.ts'

/** Where an attempt may go from each state; a state that leads nowhere is the end of it. */
export const moves = {
  held: ['intent', 'owed', 'released'],
  intent: ['unknown', 'settled', 'released'],
  unknown: ['settled', 'released'],
  settled: [],
  owed: [],
  released: [],
} as const satisfies Record<AttemptState, readonly AttemptState[]>

export const attemptStates = Object.keys(moves) as readonly AttemptState[]

/** States in which money is reserved and somebody must still act. */
export const openStates: readonly AttemptState[] = attemptStates.filter((state) => moves[state].length > 0)

/** From weakest to strongest. */
export const finalities = ['pending', 'confirmed', 'final'] as const satisfies readonly Finality[]

/** Characters of a reason that are kept: it may quote an upstream. */
const MAX_REASON = 500

/** A limit with what already counts against it. */
export type Standing = { readonly limit: BudgetLimit; readonly used: Usd }

/** @throws RouteplaneError `internal` for an amount, a cap or a time that cannot be one. */
export function checkHold(hold: HoldRequest): void {
  for (const amount of [hold.amount, hold.requestCap, ...hold.budgets.map((limit) => limit.cap)]) checkAmount(amount, 'a hold')
  checkTime(hold.now)
}

/**
 * Grants a hold that fits under every limit, or names the limit that leaves the least.
 *
 * A cap may stand below what is used already (its owner lowered it): then nothing is available, and nothing is taken back.
 */
export function decideHold(amount: Usd, standings: readonly Standing[]): HoldOutcome {
  const refusals = standings
    .map(({ limit, used }) => ({ limit, available: used >= limit.cap ? ZERO_USD : subtractUsd(limit.cap, used) }))
    .filter(({ available }) => amount > available)
  const [first, ...others] = refusals
  if (first === undefined) return { granted: true }
  const tightest = others.reduce((least, next) => (next.available < least.available ? next : least), first)
  return { granted: false, ...tightest }
}

/** How sure a receipt is, in the words its reader needs. */
export type ReceiptStatus = Finality | 'owed' | 'void'

/** A signature that is at large is pending, however little is known of it; one that can never be cashed is void. */
export function receiptStatus({ state, payment }: Pick<AttemptRow, 'state' | 'payment'>): ReceiptStatus {
  if (state === 'owed') return 'owed'
  if (state === 'released') return 'void'
  return state === 'settled' && payment?.finality !== undefined ? payment.finality : 'pending'
}

type Counted = Pick<AttemptRow, 'state' | 'heldUsd' | 'owedUsd' | 'payment'>

/** The proof of a payment out of a channel: its money was counted when it was put in. */
const VOUCHER = 'voucher'

/**
 * What a row keeps from a budget of a scope: the one reading of a state as money.
 *
 * A voucher draws on a deposit that `all` and its provider have counted in full; whose call it was is told by the voucher alone.
 */
export function standingIn(scope: string, row: Counted): { readonly reserved: Usd; readonly spent: Usd } {
  const isCounted = row.payment?.proof === VOUCHER && (scope === 'all' || scope.startsWith('provider:'))
  return isCounted ? { reserved: ZERO_USD, spent: ZERO_USD } : standingOf(row)
}

/** What a row has reserved or spent, whoever counts it. */
export function standingOf(row: Counted): { readonly reserved: Usd; readonly spent: Usd } {
  if (row.state === 'released') return { reserved: ZERO_USD, spent: ZERO_USD }
  const spent = row.state === 'owed' ? row.owedUsd : row.payment?.settledUsd
  return spent === undefined ? { reserved: row.heldUsd, spent: ZERO_USD } : { reserved: ZERO_USD, spent }
}

/** What a row counts for in its request's cap: what was paid or is owed when that is known, else all that is reserved. */
export function countedUsd(row: Counted): Usd {
  const { reserved, spent } = standingOf(row)
  return addUsd(reserved, spent)
}

/** @throws RouteplaneError `internal` unless the attempt is held and the intent is within the hold. */
export function planIntent(row: AttemptRow, intent: Intent): AttemptRow {
  if (row.state !== 'held') throw refusedMove(row, 'intent')
  checkAmount(intent.amount, 'an intent')
  checkAmount(intent.amountUsd, 'an intent')
  checkAmount(intent.validBeforeSeconds, 'an intent')
  checkTime(intent.now)
  if (intent.amountUsd > row.heldUsd) throw new RouteplaneError('internal', `attempt ${row.id} would sign more than it holds`)
  const { now, amount, amountUsd, resource, keepsHold, ...rest } = intent
  const payment: AttemptPayment = { ...rest, resource: plainText(resource), amountAuthorized: amount }
  return { ...row, state: 'intent', heldUsd: keepsHold === true ? row.heldUsd : amountUsd, updatedAt: now, payment }
}

/** Says in the particulars of a payment that it was signed twice under one nonce: either amount may have been taken. */
export const RENEWED = 'renewed'

/** @throws RouteplaneError `internal` unless the attempt has an intent and holds enough for the new amount. */
export function planRenewal(row: AttemptRow, { amount, amountUsd, now }: IntentRenewal): AttemptRow {
  if (row.state !== 'intent') throw refusedMove(row, 'intent')
  checkAmount(amount, 'a renewal')
  checkAmount(amountUsd, 'a renewal')
  checkTime(now)
  if (amountUsd > row.heldUsd) throw new RouteplaneError('internal', `attempt ${row.id} would sign more than it holds`)
  const before = paymentOf(row)
  const amountAuthorized = amount > before.amountAuthorized ? amount : before.amountAuthorized
  return { ...row, updatedAt: now, payment: { ...before, amountAuthorized, particulars: { ...before.particulars, [RENEWED]: 'true' } } }
}

/**
 * Gives the row as an ending leaves it; `undefined` when it repeats what is known.
 *
 * @throws RouteplaneError `internal` for a move that is not in the diagram, an amount above what was authorized or held, a
 *   second settlement of another amount.
 */
export function planEnding(row: AttemptRow, ending: Ending): AttemptRow | undefined {
  checkTime(ending.now)
  if (ending.state === 'settled') checkSettlement(row, ending)
  if (row.state === ending.state) return repeat(row, ending)
  if (!(moves[row.state] as readonly AttemptState[]).includes(ending.state)) throw refusedMove(row, ending.state)
  if (ending.state === 'settled') return settle(row, ending)
  if (ending.state === 'owed') return owe(row, ending)
  const moved = { ...row, state: ending.state, reason: reasonOf(ending.reason), updatedAt: ending.now }
  return ending.state === 'unknown' ? withTransaction(moved, ending.transaction) : moved
}

type Settlement = Extract<Ending, { state: 'settled' }>

function settle(row: AttemptRow, ending: Settlement): AttemptRow {
  const payment = { ...paymentOf(row), amountSettled: ending.amount, settledUsd: ending.amountUsd }
  return { ...row, state: 'settled', updatedAt: ending.now, payment: withEvidence(payment, ending) }
}

/**
 * Gives the row of a settlement whose block the chain took back: its evidence is gone, and what was signed is at large again.
 * The one way out of `settled`, which no ending can take by mistake.
 *
 * @throws RouteplaneError `internal` unless it is settled and not final.
 */
export function planReopening(row: AttemptRow, { reason, transaction, now }: Reopening): AttemptRow {
  checkTime(now)
  const payment = paymentOf(row)
  if (row.state !== 'settled' || payment.finality === 'final') throw refusedMove(row, 'unknown')
  const signed = Object.entries(payment).filter(([field]) => !shownByChain.has(field))
  const reopened = {
    ...row,
    state: 'unknown',
    reason: reasonOf(reason),
    updatedAt: now,
    payment: Object.fromEntries(signed) as AttemptPayment,
  } as const
  return withTransaction(reopened, transaction)
}

/** What only a block can tell of a payment. */
const shownByChain: ReadonlySet<string> = new Set<keyof AttemptPayment>([
  'amountSettled',
  'settledUsd',
  'transaction',
  'blockNumber',
  'logIndex',
  'finality',
])

function owe(row: AttemptRow, { amountUsd, reason, now }: Extract<Ending, { state: 'owed' }>): AttemptRow {
  checkAmount(amountUsd, 'a debt')
  if (amountUsd > row.heldUsd) throw new RouteplaneError('internal', `attempt ${row.id} would owe more than it holds`)
  return { ...row, state: 'owed', owedUsd: amountUsd, updatedAt: now, ...(reason === undefined ? {} : { reason: reasonOf(reason) }) }
}

/** A second report may add what the first did not know; it never takes anything back. */
function repeat(row: AttemptRow, ending: Ending): AttemptRow | undefined {
  if (ending.state === 'released' || ending.state === 'owed') return undefined
  if (ending.state === 'unknown') {
    if (ending.transaction === undefined || row.payment?.transaction !== undefined) return undefined
    return withTransaction({ ...row, updatedAt: ending.now }, ending.transaction)
  }
  const before = paymentOf(row)
  const after = withEvidence(before, ending)
  return after === before ? undefined : { ...row, updatedAt: ending.now, payment: after }
}

function reasonOf(reason: string): string {
  return plainText(reason.slice(0, MAX_REASON))
}

/**
 * Adds what a settlement shows about the chain; gives the same object back when that is nothing new.
 *
 * Better finality may name another transaction (a payment can be broadcast anew under the same nonce): its block and log then
 * replace the old ones together, since half of each would describe no transaction at all.
 */
function withEvidence(payment: AttemptPayment, ending: Settlement): AttemptPayment {
  const isBetter = payment.finality === undefined || finalities.indexOf(ending.finality) > finalities.indexOf(payment.finality)
  const isOther = ending.transaction !== undefined && payment.transaction !== undefined && !sameHex(ending.transaction, payment.transaction)
  if (isOther && !isBetter) return payment
  const { transaction, blockNumber, logIndex, finality, ...rest } = payment
  const known = isOther ? {} : present({ blockNumber, logIndex })
  const found = present({ blockNumber: ending.blockNumber, logIndex: ending.logIndex })
  const place = isBetter ? { ...known, ...found } : { ...found, ...known }
  const next: AttemptPayment = {
    ...rest,
    ...place,
    ...present({ transaction: isOther ? ending.transaction : (transaction ?? ending.transaction) }),
    finality: isBetter ? ending.finality : (finality ?? ending.finality),
  }
  const fields = ['transaction', 'blockNumber', 'logIndex', 'finality'] as const
  return fields.every((field) => next[field] === payment[field]) ? payment : next
}

function withTransaction(row: AttemptRow, transaction: string | undefined): AttemptRow {
  return transaction === undefined ? row : { ...row, payment: { ...paymentOf(row), transaction } }
}

function checkSettlement(row: AttemptRow, ending: Settlement): void {
  checkAmount(ending.amount, 'a settlement')
  checkAmount(ending.amountUsd, 'a settlement')
  if (ending.blockNumber !== undefined) checkAmount(ending.blockNumber, 'a settlement')
  if (row.payment === undefined) throw refusedMove(row, 'settled')
  if (ending.amount > row.payment.amountAuthorized || ending.amountUsd > row.heldUsd) {
    throw new RouteplaneError('internal', `attempt ${row.id} would settle more than it authorized`)
  }
  const { amountSettled, settledUsd } = row.payment
  if (row.state === 'settled' && (amountSettled !== ending.amount || settledUsd !== ending.amountUsd)) {
    throw new RouteplaneError('internal', `attempt ${row.id} is settled already, at another amount`)
  }
}

function paymentOf(row: AttemptRow): AttemptPayment {
  if (row.payment === undefined) throw new RouteplaneError('internal', `attempt ${row.id} has no intent`)
  return row.payment
}

function refusedMove(row: AttemptRow, to: AttemptState): RouteplaneError {
  return new RouteplaneError('internal', `attempt ${row.id} is ${row.state} and cannot become ${to}`, {
    details: { attempt: row.id, from: row.state, to },
  })
}

function checkAmount(amount: bigint, of: string): void {
  if (typeof amount !== 'bigint' || amount < 0n)
    throw new RouteplaneError('internal', `${of} names an amount that is not a whole number of zero or more`)
}

/** @throws RouteplaneError `internal` for a time that is not whole milliseconds since the epoch. */
export function checkTime(now: number): void {
  if (!Number.isSafeInteger(now) || now < 0) throw new RouteplaneError('internal', 'a time is not whole milliseconds since the epoch')
}

/** Replaces what no store keeps as it is, NUL and lone surrogates, with U+FFFD. For words, not for ids. */
export function plainText(text: string): string {
  return text.isWellFormed() && !text.includes('\0') ? text : text.toWellFormed().replaceAll('\0', '\uFFFD')
}

/** Drops the fields that are `undefined`, so that an absent field stays absent. */
export function present<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>
  }
}

function sameHex(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase()
}
