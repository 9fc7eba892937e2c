/** The rules of the ledger, without a ledger. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { AttemptRow, AttemptState } from '../../../src/ledger/entry.ts'
import type { Ending, Finality } from '../../../src/ledger/ledger.ts'
import * as rules from '../../../src/ledger/rules.ts'
import type { Usd } from '../../../src/money.ts'
import { intentOf, limitOf, released, settledOf, unknown, usd } from '../../ledger/sample.ts'

const held: AttemptRow = {
  ...{ id: 'a', requestId: 'r', provider: 'acme', model: 'm', mode: 'x402', state: 'held', heldUsd: usd(9n) },
  ...{ owner: 'o', createdAt: 1, updatedAt: 1 },
}

function rowIn(state: AttemptState): AttemptRow {
  if (state === 'held') return held
  if (state === 'owed') return rules.planEnding(held, owed) as AttemptRow
  const intent = rules.planIntent(held, intentOf('a', 7n))
  return state === 'intent' ? intent : (rules.planEnding(intent, endings[state]) as AttemptRow)
}

const owed = { state: 'owed', amountUsd: usd(7n), now: 3_000 } as const
const endings = { unknown, released, owed, settled: settledOf(7n) } as const satisfies Record<Ending['state'], Ending>

describe('the diagram', () => {
  const pairs = rules.attemptStates.flatMap((from) => (Object.keys(endings) as Ending['state'][]).map((to) => [from, to] as const))
  it.each(pairs)('%s to %s is as drawn', (from, to) => {
    const row = rowIn(from)
    if (from === to) expect(rules.planEnding(row, endings[to])).toBeUndefined()
    else if ((rules.moves[from] as readonly string[]).includes(to)) expect(rules.planEnding(row, endings[to])?.state).toBe(to)
    else expect(() => rules.planEnding(row, endings[to])).toThrow(expect.objectContaining({ code: 'internal' }) as Error)
  })

  it('has three states in which somebody must act', () => {
    expect(rules.openStates).toEqual(['held', 'intent', 'unknown'])
  })
})

describe('a hold', () => {
  const standings = fc.array(fc.record({ cap: fc.bigInt({ min: 0n, max: 50n }), used: fc.bigInt({ min: 0n, max: 80n }) }), { maxLength: 5 })
  it('is granted exactly when it fits everywhere, and is told the least room otherwise', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 60n }), standings, (amount, limits) => {
        const outcome = rules.decideHold(
          usd(amount),
          limits.map(({ cap, used }, at) => ({ limit: limitOf(cap, `s${at}`), used: usd(used) })),
        )
        const rooms = limits.map(({ cap, used }) => (used > cap ? 0n : cap - used))
        expect(outcome.granted).toBe(rooms.every((room) => amount <= room))
        if (outcome.granted) return
        expect(outcome.available).toBe(rooms.reduce((least, room) => (room < least ? room : least)))
        expect(amount > outcome.available).toBe(true)
      }),
    )
  })

  it('of nothing is granted under a cap that is used up: it takes nothing', () => {
    expect(rules.decideHold(usd(0n), [{ limit: limitOf(5n), used: usd(8n) }])).toEqual({ granted: true })
  })
})

describe('a settlement that the chain took back', () => {
  it('is money at large again, and none of its old evidence is left', () => {
    const settled = rules.planEnding(rowIn('intent'), settledOf(5n, { transaction: '0xT', blockNumber: 1n, logIndex: 1 })) as AttemptRow
    const reopened = rules.planReopening(settled, { reason: 'reorganised', now: 4_000 })
    expect(rules.standingOf(reopened)).toEqual({ reserved: 7n, spent: 0n })
    expect(reopened.payment).toEqual(rowIn('intent').payment)
    const kept = rules.planReopening(settled, { reason: 'reorganised', transaction: '0xT', now: 4_000 })
    expect(kept.payment).toEqual({ ...rowIn('intent').payment, transaction: '0xT' })
    expect(rules.planEnding(reopened, settledOf(6n))).toMatchObject({ state: 'settled', payment: { settledUsd: 6n } })
  })

  it('is never one that was final', () => {
    const final = rules.planEnding(rowIn('intent'), settledOf(7n, { finality: 'final' })) as AttemptRow
    expect(() => rules.planReopening(final, { reason: 'reorganised', now: 4_000 })).toThrow(
      expect.objectContaining({ code: 'internal' }) as Error,
    )
  })
})

describe('a debt', () => {
  it('is at most what was held, and counts as spent', () => {
    expect(rules.standingOf(rowIn('owed'))).toEqual({ reserved: 0n, spent: 7n })
    expect(() => rules.planEnding(held, { ...owed, amountUsd: usd(10n) })).toThrow(expect.objectContaining({ code: 'internal' }) as Error)
    expect(rules.planEnding(held, { ...owed, amountUsd: usd(0n), reason: 'nothing\0said' })).toMatchObject({
      owedUsd: 0n,
      reason: 'nothing\uFFFDsaid',
    })
  })
})

describe('a move', () => {
  it('conserves what is held: what is reserved and spent never exceeds it', () => {
    const amounts = fc.tuple(fc.bigInt({ min: 0n, max: 9n }), fc.bigInt({ min: 0n, max: 9n }))
    fc.assert(
      fc.property(amounts, ([signed, paid]) => {
        const intent = rules.planIntent(held, intentOf('a', signed))
        expect(rules.standingOf(intent)).toEqual({ reserved: signed, spent: 0n })
        if (paid > signed) return void expect(() => rules.planEnding(intent, settledOf(paid))).toThrow()
        const settled = rules.planEnding(intent, settledOf(paid)) as AttemptRow
        expect(rules.standingOf(settled)).toEqual({ reserved: 0n, spent: paid })
        expect(rules.countedUsd(settled)).toBe(paid)
      }),
    )
  })

  it('never changes the row it was given', () => {
    const row = Object.freeze({ ...rowIn('intent') })
    const before = structuredClone(row)
    rules.planEnding(row, settledOf(7n, { transaction: '0xT', blockNumber: 1n, logIndex: 1 }))
    expect(row).toEqual(before)
  })
})

describe('evidence', () => {
  const finality = fc.constantFrom<Finality>('pending', 'confirmed', 'final')
  const report = fc.record(
    { finality, transaction: fc.constantFrom('0xA', '0xB', '0xa'), blockNumber: fc.constantFrom(1n, 2n), logIndex: fc.constantFrom(0, 1) },
    { requiredKeys: ['finality'] },
  )
  const rank = (own: Finality | undefined) => rules.finalities.indexOf(own as Finality)

  it('only ever gets better: finality never falls, and nothing known is lost while the transaction is the same', () => {
    fc.assert(
      fc.property(fc.array(report, { minLength: 1, maxLength: 6 }), (reports) => {
        let row = rowIn('intent')
        for (const own of reports) {
          const before = row.payment
          const next = rules.planEnding(row, { ...settledOf(7n), ...own } as Ending)
          if (next === undefined) continue
          row = next
          const after = row.payment
          expect(rank(after?.finality)).toBeGreaterThanOrEqual(rank(before?.finality))
          expect(rank(after?.finality)).toBeGreaterThanOrEqual(Math.min(rank(own.finality as Finality), 2) * Number(before === undefined))
          expect(after?.settledUsd).toBe(7n)
          if (before?.transaction !== undefined) expect(after?.transaction).toBeDefined()
          if (before?.transaction === undefined || before.transaction !== after?.transaction) continue
          if (before.blockNumber !== undefined) expect(after.blockNumber).toBeDefined()
          if (before.logIndex !== undefined) expect(after.logIndex).toBeDefined()
        }
      }),
    )
  })

  it('said twice says nothing new', () => {
    fc.assert(
      fc.property(report, (own) => {
        const first = rules.planEnding(rowIn('intent'), { ...settledOf(7n), ...own } as Ending) as AttemptRow
        expect(rules.planEnding(first, { ...settledOf(7n), ...own, now: 9_999 } as Ending)).toBeUndefined()
      }),
    )
  })

  it('of another transaction that is no better is left aside', () => {
    const row = rules.planEnding(rowIn('intent'), settledOf(7n, { transaction: '0xA' })) as AttemptRow
    expect(rules.planEnding(row, settledOf(7n, { transaction: '0xB', blockNumber: 5n }))).toBeUndefined()
  })

  it('of an unknown payment that settles under another transaction follows the settlement', () => {
    const lost = rules.planEnding(rowIn('intent'), { ...unknown, transaction: '0xA' }) as AttemptRow
    const settled = rules.planEnding(lost, settledOf(7n, { transaction: '0xB', blockNumber: 5n })) as AttemptRow
    expect(settled.payment).toMatchObject({ transaction: '0xB', blockNumber: 5n })
  })
})

it('counts an attempt at what it was paid, what it holds, or nothing', () => {
  expect(rules.attemptStates.map((state) => rules.countedUsd(rowIn(state)))).toEqual([9n, 7n, 7n, 7n, 7n, 0n] as Usd[])
})

it('keeps plain text as it is and replaces only what no store keeps', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const plain = rules.plainText(text)
      expect(plain).toHaveLength(text.length)
      expect(plain).not.toContain('\0')
      expect(rules.plainText(plain)).toBe(plain)
    }),
  )
  expect(rules.plainText('a😀\ud83db')).toBe('a😀\uFFFDb')
})
