/** A clock of ours that jumps in the middle of a payment: the chain's own says what a signature is worth, and the books equal the chain. */
import { expect, it, onTestFinished } from 'vitest'
import { systemClock, type Clock } from '../../src/lib/clock.ts'
import { startRelay, type RelayOptions } from '../gateway/relay.ts'
import { useDemoNetwork } from '../support/chain.ts'
import { ask, closedBooks, expectBalanced, openEngine, passTime, readBooks, writeWorld } from '../support/engine.ts'
import { verifies } from '../support/verifies.ts'

const current = useDemoNetwork()
const prices = { prompt: '0.000001', completion: '0.000005' }
const DAY_MS = 86_400_000

async function open({ perDayUsd, ...options }: RelayOptions & { readonly perDayUsd?: string }) {
  const wrong = { byMs: 0 }
  const clock: Clock = { ...systemClock, now: () => systemClock.now() + wrong.byMs }
  const seller = await current().startProvider({ id: 'first', prices, maxTimeoutSeconds: 60 })
  onTestFinished(() => seller.stop())
  const world = await writeWorld(current(), {
    sellers: [await startRelay(seller, options)],
    ...(perDayUsd === undefined ? {} : { perDayUsd }),
  })
  const engine = await openEngine(world, clock)
  return { wrong, world, engine, url: await engine.serve() }
}

/** `paid`: the requests with a payment that the seller has seen by then. */
const jumps = [
  { byMs: DAY_MS, paid: 0, outcome: 'settled' },
  // What dies by our clock before it is signed is dead to its seller too.
  { byMs: -DAY_MS, paid: 0, outcome: 'released' },
  { byMs: DAY_MS, paid: 1, outcome: 'settled' },
  { byMs: -DAY_MS, paid: 1, outcome: 'settled' },
] as const

it.each(jumps)(
  'a clock that jumps by $byMs ms when $paid payments have left ends in books that are $outcome',
  async ({ byMs, paid, outcome }) => {
    verifies('card.pay.once')
    const opened = await open({
      instead(_request, seen) {
        if (seen === paid) opened.wrong.byMs = byMs
        return undefined
      },
    })
    const reply = await ask(opened.url)
    if (outcome === 'settled') expect(reply.status).toBe(200)
    else expect(reply.error).toMatchObject({ code: 'payment_rejected', money: 'untouched' })
    const books = await closedBooks(opened.world)
    expect(books.rows.map(({ state }) => state)).toEqual([outcome])
    expectBalanced(books)
    await opened.engine.close()
  },
)

it('a day whose cap is spent is spent, whenever the clock comes back to it', async () => {
  verifies('card.cap.rolling')
  const opened = await open({ perDayUsd: '0.0003' })
  const codes: (string | number)[] = []
  for (const byMs of [0, 0, DAY_MS, DAY_MS, 0, -DAY_MS]) {
    opened.wrong.byMs = byMs
    const { error, status } = await ask(opened.url)
    codes.push(error?.code ?? status)
  }
  // A day that has not been used yet begins with all that was spent since it began: rather too much than too little.
  expect(codes).toEqual([200, 'budget_exceeded', 200, 'budget_exceeded', 'budget_exceeded', 'budget_exceeded'])
  const books = await closedBooks(opened.world)
  expectBalanced(books)
  await opened.engine.close()
})

// Last, because it lets the clock of the chain run ahead of ours.
it('a signature is money until the clock of the chain says otherwise, however late it is by ours', async () => {
  verifies('card.pay.unknown_outcome')
  const opened = await open({
    instead(_request, paid) {
      if (paid > 0) opened.wrong.byMs = DAY_MS
      return paid > 0 ? { status: 403, json: {} } : undefined
    },
  })
  expect((await ask(opened.url)).error).toMatchObject({ code: 'payment_outcome_unknown', money: 'unknown' })
  const { receipts } = opened.engine.routeplane
  await receipts.reconcile({})
  expect((await readBooks(opened.world)).open).toHaveLength(1)
  await passTime(current(), 90)
  await receipts.reconcile({})
  const books = await closedBooks(opened.world)
  expect(books.rows.map(({ state }) => state)).toEqual(['released'])
  expectBalanced(books)
  await opened.engine.close()
})
