/** Collects what is due: once a sale, whoever asks, and again after a crash or a facilitator that did not answer. */
import { RouteplaneError, toRouteplaneError } from '../errors.ts'
import type { KeptAnswer, Ledger } from '../ledger/ledger.ts'
import type { SaleRow } from '../ledger/sale.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import { turnsToWrite } from '../lib/next-turn.ts'
import { fromAtomic, type Atomic } from '../money.ts'
import { recheckSales } from './recheck.ts'
import { revive, type Settlement, type Tender, type Till } from './till.ts'

export type Collector = {
  /**
   * Writes down what is due. From then on it is collected, if not by us then by whoever opens the ledger next, who has the answer for
   * its payer when there is one.
   */
  owe(sale: SaleRow, amount: Atomic, answer?: KeptAnswer): Promise<void>
  /**
   * The same for an answer that must not wait for the disk: it survives this process, and is on the disk before it is collected.
   * A machine that loses its power in between has given away what was delivered by then; its caller has paid nothing.
   *
   * @returns what collects it.
   */
  oweAtOnce(sale: SaleRow, tender: Tender, amount: Atomic): Promise<() => Promise<Settlement>>
  /** Collects it; of several that ask at once, one does. */
  collect(sale: SaleRow, tender: Tender, amount: Atomic): Promise<Settlement>
  /** Sees to it that a sale is paid. @throws RouteplaneError `settlement_unknown`, or `payment_required` when it never will be. */
  collected(sale: SaleRow, tender: Tender): Promise<{ readonly receipt: Readonly<Record<string, string>> }>
  /** Collects what is open, and what a reorganisation has taken back. @returns how many are settled now. */
  sweep(): Promise<number>
  close(): Promise<void>
}

export type CollectorOptions = { readonly tills: readonly Till[]; readonly ledger: Ledger; readonly clock: Clock; readonly log: Log }

const RETRY_MS = 2_000

export function createCollector({ tills, ledger, clock, log }: CollectorOptions): Collector {
  const running = new Map<string, Promise<Settlement>>()
  let sweeping: Promise<number> | undefined

  const collect = (sale: Pick<SaleRow, 'id' | 'decimals'>, tender: Tender, amount: Atomic): Promise<Settlement> => {
    const current = running.get(sale.id)
    if (current !== undefined) return current
    const work = settle(sale, tender, amount).finally(() => running.delete(sale.id))
    running.set(sale.id, work)
    return work
  }
  const settle = async ({ id, decimals }: Pick<SaleRow, 'id' | 'decimals'>, tender: Tender, amount: Atomic): Promise<Settlement> => {
    const settlement = await tender.collect(amount)
    const now = clock.now()
    if (settlement.state === 'settled') {
      const { amount: settled, transaction } = settlement
      const amountUsd = fromAtomic(settled, decimals, 'down')
      await ledger.sales.end(id, {
        state: 'settled',
        amount: settled,
        amountUsd,
        ...(transaction === undefined ? {} : { transaction }),
        isUnsafe: tender.stands !== undefined,
        now,
      })
      tender.booked?.()
    } else {
      log.warn('a sale is not collected', { sale: id, state: settlement.state, reason: settlement.reason })
      await ledger.sales.end(id, { state: settlement.state, reason: settlement.reason, now })
    }
    return settlement
  }
  const receiptOf = (sale: SaleRow) => tills.map((till) => till.receipt(sale)).find((headers) => headers !== undefined) ?? {}

  const sweep = async () => {
    await recheckSales({ tills, ledger, clock, log })
    let settled = 0
    for (const sale of await ledger.sales.uncollected(clock.now())) {
      const tender = await revive(tills, sale).catch((error: unknown) => {
        log.warn('a sale cannot be collected now', { sale: sale.id, code: toRouteplaneError(error).code })
        return undefined
      })
      if (tender === undefined || sale.amountDue === undefined) continue
      const settlement = await collect(sale, tender, sale.amountDue)
      if (settlement.state === 'settled') settled++
    }
    return settled
  }

  return {
    owe: (sale, amount, answer) => ledger.sales.owe(sale.id, amount, clock.now(), false, answer),
    async oweAtOnce(sale, tender, amount) {
      await ledger.sales.owe(sale.id, amount, clock.now(), true)
      return async () => {
        // The sync holds this thread: what is to be delivered has to be on its way by then.
        await turnsToWrite()
        await ledger.sales.owe(sale.id, amount, clock.now())
        return collect(sale, tender, amount)
      }
    },
    collect,
    async collected(given, tender) {
      const sale = (await ledger.sales.get(given.id)) ?? given
      if (sale.state === 'settled') return { receipt: receiptOf(sale) }
      if (sale.state === 'refused') throw refused(sale.reason ?? 'settlement_failed')
      const live = sale.credential === undefined ? tender : ((await revive(tills, sale)) ?? tender)
      const settlement = await collect(sale, live, sale.amountDue ?? sale.amountOffered)
      if (settlement.state === 'settled') return { receipt: settlement.headers }
      throw settlement.state === 'refused' ? refused(settlement.reason) : unknownSettlement(sale.id)
    },
    sweep: () => (sweeping ??= sweep().finally(() => (sweeping = undefined))),
    async close() {
      await Promise.allSettled(running.values())
    },
  }
}

function refused(reason: string): RouteplaneError {
  return new RouteplaneError('payment_required', reason)
}

/** Never a new challenge: who paid once must not be asked to pay anew. */
export function unknownSettlement(saleId: string): RouteplaneError {
  return new RouteplaneError('settlement_unknown', 'it is not known yet whether the payment was settled', {
    hint: 'Send the same request with the same payment again; it is not charged twice.',
    retryAfterMs: RETRY_MS,
    details: { sale: saleId },
  })
}
