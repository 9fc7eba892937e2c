/** Suggestions and the distance behind them. */
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { editDistance, nearestWords } from '../../../src/registry/nearest.ts'

describe('editDistance', () => {
  const word = fc.string({ maxLength: 12 })
  it('is a distance', () => {
    fc.assert(
      fc.property(word, word, word, (a, b, c) => {
        expect(editDistance(a, b)).toBe(editDistance(b, a))
        expect(editDistance(a, b) === 0).toBe(a === b)
        expect(editDistance(a, c)).toBeLessThanOrEqual(editDistance(a, b) + editDistance(b, c))
      }),
    )
  })
})

describe('editDistance with a limit', () => {
  const word = fc.string({ maxLength: 12 })
  it('says the same up to the limit and stops beyond it', () => {
    fc.assert(
      fc.property(word, word, fc.nat({ max: 8 }), (a, b, limit) => {
        const distance = editDistance(a, b)
        expect(editDistance(a, b, limit)).toBe(distance <= limit ? distance : Infinity)
      }),
    )
  })
})

describe('nearestWords', () => {
  it('gives the nearest first, never anything far', () => {
    const known = ['openai/gpt-4o', 'openai/gpt-4o-mini', 'anthropic/claude-sonnet-4.6', 'openai/gpt-5']
    expect(nearestWords('openai/gtp-4o', known, 3)).toEqual(['openai/gpt-4o', 'openai/gpt-5'])
    expect(nearestWords('zzzzzzzz', known, 3)).toEqual([])
  })

  it('does not depend on the order of the candidates', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray(['abc', 'abd', 'abe', 'abf'], { minLength: 4 }), (candidates) => {
        expect(nearestWords('abx', candidates, 2)).toEqual(['abc', 'abd'])
      }),
    )
  })
})
