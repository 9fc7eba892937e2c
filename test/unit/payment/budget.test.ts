/** Rolling caps as limits of a moment: UTC windows that every process on every machine means alike. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseUsd } from '../../../src/money.ts'
import { limitsAt } from '../../../src/payment/budget.ts'

const one = parseUsd('1')
const caps = { perHour: one, perDay: one, perMonth: one, total: one }
const windowsAt = (now: number) => limitsAt(caps, now).map(({ window }) => window)

describe('limits', () => {
  it('are those that are set, and only those', () => {
    const now = Date.UTC(2026, 10, 20, 13, 59, 59, 999)
    expect(windowsAt(now)).toEqual(['hour:2026-11-20T13', 'day:2026-11-20', 'month:2026-11', 'total'])
    expect(limitsAt({ perDay: one }, now)).toEqual([{ scope: 'all', window: 'day:2026-11-20', cap: one }])
    expect(limitsAt({}, now)).toEqual([])
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
