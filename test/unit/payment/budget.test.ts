/** Rolling caps as limits of a moment: UTC windows that every process on every machine means alike. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseUsd } from '../../../src/money.ts'
import { budgetExceeded, everyLimitAt, limitsAt, resetOf, type Budgets } from '../../../src/payment/budget.ts'

const one = parseUsd('1')
const nobody = { provider: 'nobody' }
const caps = { perHour: one, perDay: one, perMonth: one, total: one }
const windowsAt = (now: number) => limitsAt(caps, now, nobody).map(({ window }) => window)

describe('limits', () => {
  it('are those that are set, and only those', () => {
    const now = Date.UTC(2026, 10, 20, 13, 59, 59, 999)
    expect(windowsAt(now)).toEqual(['hour:2026-11-20T13', 'day:2026-11-20', 'month:2026-11', 'total'])
    expect(limitsAt({ perDay: one }, now, nobody)).toEqual([
      { scope: 'all', window: 'day:2026-11-20', cap: one, since: Date.UTC(2026, 10, 20) },
    ])
    expect(limitsAt({}, now, nobody)).toEqual([])
  })

  const own = parseUsd('0.1')
  const budgets: Budgets = {
    perDay: one,
    providers: new Map([
      ['acme', { perHour: own, total: own }],
      ['beta', { total: own }],
    ]),
    keys: new Map([['key_a', { perMonth: own }]]),
    presets: new Map([['cheap', { perDay: own }]]),
  }
  const named = (spender: Parameters<typeof limitsAt>[2]) =>
    limitsAt(budgets, 0, spender).map(({ scope, window }) => `${scope} ${window.split(':')[0]}`)

  it('are those of provider, key and preset too, for a payment that is theirs', () => {
    expect(named({ provider: 'gamma' })).toEqual(['all day'])
    expect(named({ provider: 'acme' })).toEqual(['all day', 'provider:acme hour', 'provider:acme total'])
    expect(named({ provider: 'beta', caller: 'key_a', preset: 'cheap' })).toEqual([
      'all day',
      'provider:beta total',
      'key:key_a month',
      'preset:cheap day',
    ])
    expect(named({ provider: 'toString', caller: '__proto__', preset: 'constructor' })).toEqual(['all day'])
    expect(everyLimitAt(budgets, 0)).toHaveLength(6)
  })

  it('begin and end where their windows do', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4_102_444_800_000 }), (now) => {
        for (const { window, since } of limitsAt(caps, now, nobody)) {
          const end = resetOf(window)
          if (window === 'total') expect([since, end]).toEqual([0, undefined])
          else {
            expect((since as number) <= now && now < (end as number)).toBe(true)
            const at = (moment: number) => windowsAt(moment).includes(window)
            expect([at(since as number), at((since as number) - 1), at((end as number) - 1), at(end as number)]).toEqual([
              true,
              false,
              true,
              false,
            ])
          }
        }
      }),
    )
  })

  it('that have no room are named, with what is left and when they begin anew', () => {
    const [, limit] = limitsAt(budgets, Date.UTC(2026, 11, 31, 23, 30), { provider: 'acme' })
    const error = budgetExceeded(one, { granted: false, limit: limit as never, available: own })
    expect(error).toMatchObject({
      code: 'budget_exceeded',
      message:
        'this call needs up to $1; $0.1 is left of the provider:acme hour:2026-12-31T23 cap of $0.1; it begins anew at 2027-01-01T00:00:00.000Z',
      details: { scope: 'provider:acme', capUsd: '0.1', availableUsd: '0.1', neededUsd: '1', resetsAt: '2027-01-01T00:00:00.000Z' },
    })
  })

  it('change exactly with the hour, the day and the month of UTC', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4_102_444_800_000 }), fc.nat(90 * 86_400_000), (now, ms) => {
        const [before, after] = [new Date(now), new Date(now + ms)]
        const same = [13, 10, 7].map((length) => before.toISOString().slice(0, length) === after.toISOString().slice(0, length))
        expect(windowsAt(now).map((window, at) => window === windowsAt(now + ms)[at])).toEqual([...same, true])
      }),
    )
  })
})
