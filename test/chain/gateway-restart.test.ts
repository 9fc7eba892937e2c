/** One process that opens the engine more than once: what the first left open, the next must end, and nobody else's. */
import { expect, it } from 'vitest'
import { deferred } from '../http/support.ts'
import { useDemoNetwork } from '../support/chain.ts'
import { ask, closedBooks, expectBalanced, openEngine, passTime, question, readBooks, writeWorld } from '../support/engine.ts'
import { verifies } from '../support/verifies.ts'

const current = useDemoNetwork()
const prices = { prompt: '0.000001', completion: '0.000005' }

it('an engine that was closed leaves its open payments to the next one in the same process', async () => {
  verifies('card.pay.unknown_outcome')
  const seller = await current().startProvider({ id: 'again', prices, maxTimeoutSeconds: 30, faults: { challengeAgain: true } })
  const world = await writeWorld(current(), { sellers: [seller] })
  const first = await openEngine(world)
  expect((await ask(await first.serve())).error?.code).toBe('payment_outcome_unknown')
  await first.close()
  expect((await readBooks(world)).open.length).toBe(1)
  await passTime(current(), 40)
  await openEngine(world)
  const books = await closedBooks(world)
  expect(books.rows.map(({ state }) => state)).toEqual(['released'])
  expectBalanced(books)
})

it('an engine leaves alone what another one of the same process is about to pay', async () => {
  let release: () => void = () => {}
  const settling = new Promise<void>((resolve) => {
    release = resolve
  })
  const seller = await current().startProvider({ id: 'slow', prices, faults: { beforeSettle: () => settling } })
  const world = await writeWorld(current(), { sellers: [seller] })
  const first = await openEngine(world)
  const asked = ask(await first.serve())
  while ((await readBooks(world)).open[0]?.state !== 'intent') await new Promise((resolve) => setTimeout(resolve, 10))
  const second = await openEngine(world)
  const third = await openEngine(world)
  await third.close()
  const fourth = await openEngine(world)
  expect((await readBooks(world)).open.map(({ state }) => state)).toEqual(['intent'])
  expect((await fourth.routeplane.receipts.reconcile({ fromBlock: 0n })).resolved).toBe(0)
  expect((await readBooks(world)).open.map(({ state }) => state)).toEqual(['intent'])
  release()
  expect((await asked).status).toBe(200)
  await second.close()
  const books = await closedBooks(world)
  expect(books.rows.map(({ state }) => state)).toEqual(['settled'])
  expectBalanced(books)
})

it('an engine that is closed right after its answer has written down what it cost', async () => {
  const seller = await current().startProvider({ id: 'prompt', prices, faults: { afterSettle: 'drop-connection' } })
  const world = await writeWorld(current(), { sellers: [seller] })
  const engine = await openEngine(world)
  expect((await ask(await engine.serve())).status).toBe(200)
  await engine.close()
  const books = await readBooks(world)
  expect(books.rows.map(({ state }) => state)).toEqual(['settled'])
  expectBalanced(books)
})

it('an engine that is closed right after its caller has left knows that it does not know', async () => {
  const [signed, settling] = [deferred(), deferred()]
  const beforeSettle = () => {
    signed.resolve()
    return settling.promise
  }
  const seller = await current().startProvider({ id: 'slow', prices, faults: { beforeSettle } })
  const world = await writeWorld(current(), { sellers: [seller] })
  const engine = await openEngine(world)
  const url = await engine.serve()
  const gone = new AbortController()
  const left = expect(
    fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      body: JSON.stringify(question),
      signal: gone.signal,
      headers: { 'content-type': 'application/json' },
    }),
  ).rejects.toThrow()
  await signed.promise
  gone.abort()
  await left
  await engine.close()
  expect((await readBooks(world)).rows.map(({ state, reason }) => [state, reason])).toEqual([['unknown', 'cancelled']])
  settling.resolve()
  await openEngine(world)
  const books = await closedBooks(world)
  expect(books.rows.map(({ state }) => state)).toEqual(['settled'])
  expectBalanced(books)
})
