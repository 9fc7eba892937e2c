/** What the queue of request rows keeps when nobody takes them. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { RequestRow } from '../../../src/ledger/entry.ts'
import { createRequestQueue, MAX_QUEUED } from '../../../src/ledger/request-queue.ts'
import type { Usd } from '../../../src/money.ts'

const row = (id: string, costUsd?: bigint): RequestRow => ({
  ...{ id, caller: 'c', protocol: 'p', requestedModel: 'm', status: 200, totalMs: 1, attempts: 1, startedAt: 1 },
  ...(costUsd === undefined ? {} : { costUsd: costUsd as Usd }),
})
const ids = (rows: readonly RequestRow[]) => rows.map(({ id }) => id)

it('drops the oldest row that cost nothing, and counts it once', () => {
  const queue = createRequestQueue(3)
  for (const own of [row('paid', 5n), row('free1'), row('free2', 0n), row('free3')]) queue.add(own)
  expect([queue.takeDropped(), queue.takeDropped()]).toEqual([1, 0])
  expect(ids(queue.take(9))).toEqual(['paid', 'free2', 'free3'])
  expect(queue.size()).toBe(0)
})

it('drops the oldest paid row only when there is no other', () => {
  const queue = createRequestQueue(2)
  for (const own of [row('free'), row('a', 1n), row('b', 1n), row('c', 1n)]) queue.add(own)
  expect(queue.takeDropped()).toBe(2)
  expect(ids(queue.take(9))).toEqual(['b', 'c'])
})

it('gives rows back in their order, and as many as it may hold', () => {
  const queue = createRequestQueue(3)
  for (const id of ['a', 'b', 'c']) queue.add(row(id))
  const taken = queue.take(2)
  queue.add(row('d'))
  queue.putBack(taken)
  expect(queue.takeDropped()).toBe(1)
  expect(ids(queue.take(9))).toEqual(['b', 'c', 'd'])
})

it('holds ten thousand', () => {
  const queue = createRequestQueue()
  for (let at = 0; at < MAX_QUEUED + 5; at++) queue.add(row(`r${at}`))
  expect([queue.size(), queue.takeDropped()]).toEqual([10_000, 5])
})

it('loses nothing but what it counts', () => {
  const steps = fc.array(
    fc.oneof(
      fc.bigInt({ min: 0n, max: 2n }).map((cost) => ({ cost })),
      fc.nat(5).map((take) => ({ take })),
    ),
  )
  fc.assert(
    fc.property(steps, (history) => {
      const queue = createRequestQueue(4)
      let [added, taken] = [0, 0]
      for (const step of history) {
        if ('cost' in step) queue.add(row(`r${added++}`, step.cost))
        else taken += queue.take(step.take).length
        expect(queue.size()).toBeLessThanOrEqual(4)
      }
      expect(taken + queue.size() + queue.takeDropped()).toBe(added)
    }),
  )
})
