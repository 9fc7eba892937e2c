/** Payments on a chain that takes its time: blocks every two seconds, and facilitators that do not wait for them. */
import { describe, expect, it } from 'vitest'
import { startRelay } from '../gateway/relay.ts'
import { useDemoNetwork } from '../support/chain.ts'
import { ask, closedBooks, expectBalanced, openEngine, question, writeWorld } from '../support/engine.ts'
import { verifies } from '../support/verifies.ts'
import { textOf } from '../support/x402-buyer.ts'

const prices = { prompt: '0.000001', completion: '0.000005' }
const said = 'slow heard: how are you today?'

describe('on blocks of two seconds', () => {
  const current = useDemoNetwork({ blockTimeSeconds: 2 })

  it.each([false, true])('a completion is paid once, and its receipt is what the chain says (stream: %s)', async (stream) => {
    const seller = await current().startProvider({ id: 'slow', prices })
    const world = await writeWorld(current(), { sellers: [seller] })
    const engine = await openEngine(world)
    const reply = await ask(await engine.serve(), { ...question, stream })
    expect([reply.status, textOf(reply.text)]).toEqual([200, said])
    const books = await closedBooks(world)
    expect([books.transfers.length, seller.counters.handlerRuns]).toEqual([1, 1])
    expectBalanced(books)
    expect(await engine.routeplane.receipts.verify(books.rows[0]?.id ?? '')).toMatchObject({ verified: true })
  })
})

describe('a facilitator that gives up before the block comes', () => {
  const current = useDemoNetwork({ blockTimeSeconds: 2, confirmationTimeoutMs: 200 })

  it.each([false, true])('is asked again with the same authorization until the chain has it (stream: %s)', async (stream) => {
    verifies('card.pay.once', 'card.pay.unknown_outcome')
    const seller = await current().startProvider({ id: 'slow', prices })
    const relay = await startRelay(seller)
    const world = await writeWorld(current(), { sellers: [relay] })
    const reply = await ask(await (await openEngine(world)).serve(), { ...question, stream })
    const books = await closedBooks(world)
    expect([new Set(relay.credentials).size, books.transfers.length, seller.counters.handlerRuns]).toEqual([1, 1, 1])
    expect(books.rows.map(({ state }) => state)).toEqual(['settled'])
    expectBalanced(books)
    // A stream may have begun and then learn, in its seller's own words, that the payment is still open; a whole answer waits.
    if (stream) expect([undefined, 'settlement_unknown']).toContain(reply.error?.code)
    else expect([reply.status, textOf(reply.text)]).toEqual([200, said])
  })
})
