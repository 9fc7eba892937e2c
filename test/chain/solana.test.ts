/** Paid completions on Solana, with the official server and facilitator and the real token program: one request, one transfer, one receipt. */
import { describe, expect, it } from 'vitest'
import { ask, openEngine, question } from '../support/engine.ts'
import { closedAttempts, FUNDS, openSolanaMarket, PRICE, writeSolanaWorld } from '../support/solana-shop.ts'
import { verifies } from '../support/verifies.ts'
import { textOf } from '../support/x402-buyer.ts'

describe('a completion', () => {
  it.each([false, true])('is paid once and has a receipt that the chain confirms (stream: %s)', async (stream) => {
    verifies('card.pay.x402', 'card.receipt.verified')
    const { node, seller } = await openSolanaMarket()
    const world = await writeSolanaWorld(node, seller)
    const { routeplane, serve, logged } = await openEngine(world)
    const reply = await ask(await serve(), { ...question, stream })
    expect([reply.status, reply.error, reply.status === 200 && textOf(reply.text)]).toEqual([200, undefined, 'the sun is up'])
    expect([node.balanceOf(world.payer), node.balanceOf(seller.payTo), node.landed.length]).toEqual([FUNDS - PRICE, PRICE, 1])
    const [row] = await closedAttempts(world)
    expect(row).toMatchObject({
      state: 'settled',
      payment: { payer: world.payer, payee: seller.payTo, amountSettled: PRICE, finality: 'final' },
    })
    expect(row?.payment?.transaction).toBe(node.landed[0])
    expect(await routeplane.receipts.verify(row?.id ?? '')).toMatchObject({ verified: true })
    const books = await routeplane.receipts.reconcileAll({ network: row?.payment?.network ?? '' })
    expect(books).toMatchObject([{ result: { address: world.payer, differences: [], ledgerUsd: books[0]?.result?.chainUsd } }])
    expect(logged.join('\n')).not.toContain(world.secret)
  })
})
