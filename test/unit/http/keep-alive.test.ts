/** The shared timer, under a clock that the test turns. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { createKeepAlive } from '../../../src/http/keep-alive.ts'

beforeEach(() => vi.useFakeTimers())
afterEach(() => vi.useRealTimers())

it('calls within the interval of silence, again and again', () => {
  let calls = 0
  const watch = createKeepAlive(15_000).watch(() => calls++)
  vi.advanceTimersByTime(15_000)
  expect(calls).toBe(1)
  vi.advanceTimersByTime(45_000)
  expect(calls).toBe(4)
  watch.stop()
})

it('does not call while something is written', () => {
  let calls = 0
  const watch = createKeepAlive(15_000).watch(() => calls++)
  for (let at = 0; at < 100; at++) {
    vi.advanceTimersByTime(9_000)
    watch.touch()
  }
  expect(calls).toBe(0)
  watch.stop()
})

it('serves many watches with one timer, and keeps none when nobody watches', () => {
  const keepAlive = createKeepAlive(15_000)
  const watches = Array.from({ length: 50 }, () => keepAlive.watch(() => {}))
  expect(vi.getTimerCount()).toBe(1)
  for (const watch of watches) watch.stop()
  expect(vi.getTimerCount()).toBe(0)
  const again = keepAlive.watch(() => {})
  expect(vi.getTimerCount()).toBe(1)
  again.stop()
  again.stop()
  expect(vi.getTimerCount()).toBe(0)
})
