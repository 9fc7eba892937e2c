/** A memory that is never wrong and never grows without end. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { memoize } from '../../../src/lib/memo.ts'

it('gives what the function gives, asking it once a text', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ maxLength: 3 })), (texts) => {
      const asked: string[] = []
      const lengthOf = memoize((text) => {
        asked.push(text)
        return { length: text.length }
      })
      for (const text of texts) expect(lengthOf(text)).toEqual({ length: text.length })
      expect(asked).toEqual([...new Set(texts)])
    }),
  )
})

it('does not remember a refusal', () => {
  let calls = 0
  const refuse = memoize(() => {
    calls++
    throw new Error('no')
  })
  expect(() => refuse('a')).toThrow('no')
  expect(() => refuse('a')).toThrow('no')
  expect(calls).toBe(2)
})

it('forgets all when there is too much, and keeps no long text', () => {
  let calls = 0
  const count = memoize((text) => {
    calls++
    return text
  })
  count('first')
  for (let at = 0; at < 5_000; at++) count(`text ${at}`)
  count('first')
  expect(calls).toBe(5_002)
  const long = 'x'.repeat(3_000)
  count(long)
  count(long)
  expect(calls).toBe(5_004)
})
