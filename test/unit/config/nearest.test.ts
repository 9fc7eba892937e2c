/** "Did you mean": an edit distance with the laws of a distance. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { editDistance, nearest } from '../../../src/config/nearest.ts'

describe('editDistance', () => {
  it.each([
    ['', '', 0],
    ['abc', 'abc', 0],
    ['', 'abc', 3],
    ['abc', 'acb', 1],
    ['weigth', 'weight', 1],
    ['kitten', 'sitting', 3],
  ])('%s → %s: %d', (from, to, distance) => {
    expect(editDistance(from, to)).toBe(distance)
  })

  it('law: symmetric, zero only for equals, at most the longer length', () => {
    const word = fc.string({ maxLength: 12 })
    fc.assert(
      fc.property(word, word, (from, to) => {
        const distance = editDistance(from, to)
        expect(distance).toBe(editDistance(to, from))
        expect(distance === 0).toBe(from === to)
        expect(distance).toBeLessThanOrEqual(Math.max(from.length, to.length))
      }),
    )
  })
})

describe('nearest', () => {
  it.each([
    ['skip_auht', ['skip_auth', 'auth_token'], 'skip_auth'],
    ['modles', ['models', 'mcp'], 'models'],
    ['Serve', ['serve'], 'serve'],
    ['zzz', ['serve', 'mcp'], undefined],
    ['x', [], undefined],
  ])('%s', (word, candidates, expected) => {
    expect(nearest(word, candidates)).toBe(expected)
  })
})
