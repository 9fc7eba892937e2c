/** The median kept up to date is the median worked out anew. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { createMedianWindow } from '../../../src/selection/median-window.ts'

it('is the median of the latest figures that are not too old', () => {
  const steps = fc.array(fc.record({ value: fc.nat(20), wait: fc.integer({ min: 0, max: 40 }) }), { maxLength: 60 })
  fc.assert(
    fc.property(steps, (figures) => {
      const window = createMedianWindow(8, 100)
      const all: { value: number; at: number }[] = []
      let now = 0
      for (const { value, wait } of figures) {
        now += wait
        all.push({ value, at: now })
        const kept = all
          .slice(-8)
          .filter(({ at }) => now - at <= 100)
          .map((each) => each.value)
          .toSorted((a, b) => a - b)
        expect(window.add(value, now)).toBe(kept[Math.floor((kept.length - 1) / 2)])
      }
    }),
  )
})
