import { expect, it } from 'vitest'
import { createCanceller, toAbortSignal } from '../../../src/lib/cancel.ts'

const reason = new Error('enough')

it('tells every listener once, in order, and keeps its first reason', () => {
  const { signal, abort } = createCanceller()
  const heard: string[] = []
  const left = () => heard.push('left')
  signal.addEventListener('abort', () => heard.push(`first, ${signal.aborted}`), { once: true })
  signal.addEventListener('abort', left)
  signal.addEventListener('abort', () => heard.push('last'))
  signal.removeEventListener('abort', left)
  expect([signal.aborted, signal.reason]).toEqual([false, undefined])
  abort(reason)
  abort(new Error('again'))
  expect([signal.aborted, signal.reason, heard]).toEqual([true, reason, ['first, true', 'last']])
})

it('adds a listener once, and none when it is over', () => {
  const { signal, abort } = createCanceller()
  let count = 0
  const listener = () => void count++
  signal.addEventListener('abort', listener)
  signal.addEventListener('abort', listener)
  abort(reason)
  signal.addEventListener('abort', listener)
  expect(count).toBe(1)
})

it('lets a listener leave, and another come, while they are told', () => {
  const { signal, abort } = createCanceller()
  const heard: string[] = []
  signal.addEventListener('abort', () => {
    signal.removeEventListener('abort', second)
    signal.addEventListener('abort', () => heard.push('too late'))
  })
  const second = () => heard.push('second')
  signal.addEventListener('abort', second)
  abort(reason)
  expect(heard).toEqual([])
})

it('becomes an AbortSignal, before and after it has been aborted', () => {
  const { signal, abort } = createCanceller()
  const before = toAbortSignal(signal)
  expect(before.aborted).toBe(false)
  abort(reason)
  const after = toAbortSignal(signal)
  expect([before.aborted, before.reason, after.aborted, after.reason]).toEqual([true, reason, true, reason])
  expect(toAbortSignal(after)).toBe(after)
})
