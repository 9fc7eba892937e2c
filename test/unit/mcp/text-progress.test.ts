/** Progress of an answer: a line now and then while it grows, and a sign of life while it does not. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { watchText } from '../../../src/mcp/progress.ts'

beforeEach(() => vi.useFakeTimers())
afterEach(() => vi.useRealTimers())

it('reports the first growth at once and then in steps', () => {
  const lines: string[] = []
  const progress = watchText((line) => lines.push(line))
  progress.grow('reasoning', 3)
  for (let at = 0; at < 1_000; at++) progress.grow('text', 1)
  expect(lines).toEqual(['thinking, 3 characters so far', '400 characters of the answer', '800 characters of the answer'])
  progress.stop()
})

it('gives a sign of life within the minute that clients wait, and stops with the answer', () => {
  const lines: string[] = []
  const progress = watchText((line) => lines.push(line))
  vi.advanceTimersByTime(59_000)
  expect(lines).toEqual(['waiting for the answer', 'waiting for the answer', 'waiting for the answer'])
  progress.stop()
  vi.advanceTimersByTime(600_000)
  expect(lines).toHaveLength(3)
  expect(vi.getTimerCount()).toBe(0)
})
