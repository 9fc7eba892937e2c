/** Paid completions through the gateway, with a real wallet, chain, facilitator and seller: one request, one transfer, one receipt. */
import { describe, expect, it, onTestFinished } from 'vitest'
import type { PaidProviderOptions } from '../../src/demo/paid-provider.ts'
import { fromAtomic, formatUsd, type Atomic } from '../../src/money.ts'
import { readSigned, startRelay } from '../gateway/relay.ts'
import { send, transferCall } from '../support/authorization.ts'
import { useDemoNetwork } from '../support/chain.ts'
import {
  ask,
  closedBooks,
  expectBalanced,
  expectUntouched,
  openEngine,
  paidOf,
  passTime,
  question,
  readBooks,
  writeWorld,
} from '../support/engine.ts'
import { startUpstream } from '../support/upstream.ts'
import { verifies } from '../support/verifies.ts'
import { post, textOf } from '../support/x402-buyer.ts'

const current = useDemoNetwork()
const prices = { prompt: '0.000001', completion: '0.000005' }

const startSeller = (options: Partial<PaidProviderOptions> = {}) => current().startProvider({ id: 'thrift', prices, ...options })

describe('a completion', () => {
  it.each([false, true])('is paid once and has a receipt that the chain confirms (stream: %s)', async (stream) => {
    verifies('card.pay.x402', 'card.pay.stablecoin', 'card.receipt.issued', 'card.receipt.verified')
    const seller = await startSeller()
    const world = await writeWorld(current(), { sellers: [seller] })
    const engine = await openEngine(world)
    const reply = await ask(await engine.serve(), { ...question, stream })
    expect([reply.status, textOf(reply.text), reply.error]).toEqual([200, 'thrift heard: how are you today?', undefined])

    const books = await closedBooks(world)
    expectBalanced(books)
    expect(books.rows.map(({ state, mode, provider }) => [state, mode, provider])).toEqual([['settled', 'x402', 'thrift']])
    const [row] = books.rows
    const amount = row?.payment?.amountSettled as Atomic
    expect([books.transfers.length, seller.counters.handlerRuns, paidOf(books)]).toEqual([1, 1, amount])
    expect(await current().chain.balanceOf(current().asset.address, seller.payTo)).toBe(amount)
    expect(reply.headers.get('x-routeplane-receipt')).toBe(row?.id)
    expect(reply.headers.get('x-routeplane-cost-usd')).toBe(formatUsd(fromAtomic(amount, 6, 'up')))
    expect(await engine.routeplane.receipts.verify(row?.id ?? '')).toMatchObject({ verified: true })
    expect(await engine.routeplane.receipts.reconcile({ fromBlock: 0n })).toMatchObject({ differences: [], resolved: 0 })
  })

  it('costs no more than was quoted, and the reservation shrinks to what was signed', async () => {
    verifies('card.cap.before_signing')
    const world = await writeWorld(current(), { sellers: [await startSeller()] })
    const engine = await openEngine(world)
    await ask(await engine.serve())
    const { caps } = await engine.routeplane.status()
    const books = await closedBooks(world)
    const day = caps.find(({ window }) => window.startsWith('day:'))
    expect(day?.capUsd).toBe((day?.availableUsd ?? 0n) + fromAtomic(paidOf(books) as Atomic, 6, 'up'))
  })

  it('says in its receipt which request was paid for, bound to no other', async () => {
    const seller = await startSeller()
    const relay = await startRelay(seller)
    const world = await writeWorld(current(), { sellers: [relay] })
    await ask(await (await openEngine(world)).serve())
    const [credential = ''] = relay.credentials
    const body = relay.requests.find(({ headers }) => headers['payment-signature'] !== undefined)?.body.toString() ?? ''

    const again = await post(seller, body, { 'payment-signature': credential })
    expect([again.status, textOf(again.body)]).toEqual([200, 'thrift heard: how are you today?'])
    const other = await post(seller, body.replace('today', 'tonight'), { 'payment-signature': credential })
    expect(other.status).not.toBe(200)
    const books = await closedBooks(world)
    expect([seller.counters.handlerRuns, books.transfers.length]).toEqual([1, 1])
    expectBalanced(books)
  })

  it('spends its authorization: whoever has seen the header cannot cash it again', async () => {
    verifies('card.pay.once')
    const relay = await startRelay(await startSeller())
    const world = await writeWorld(current(), { sellers: [relay] })
    await ask(await (await openEngine(world)).serve())
    const signed = readSigned(relay.credentials[0])
    await expect(send(current(), current().asset.address, transferCall(signed))).rejects.toThrow()
    const books = await closedBooks(world)
    expect(books.transfers.length).toBe(1)
    expectBalanced(books)
  })

  it('signs an authorization that soon dies, however long the seller would like it', async () => {
    const year = 315_360_000
    const seller = await startSeller({ maxTimeoutSeconds: year })
    const relay = await startRelay(seller)
    const world = await writeWorld(current(), { sellers: [relay] })
    const before = BigInt(Math.floor(Date.now() / 1000))
    const reply = await ask(await (await openEngine(world)).serve())
    expect(reply.status).toBe(200)
    const { validBeforeSeconds } = readSigned(relay.credentials[0])
    expect(validBeforeSeconds - before).toBeLessThanOrEqual(62n)
  })
})

describe('a wallet', () => {
  it('without enough money signs nothing', async () => {
    const seller = await startSeller()
    const world = await writeWorld(current(), { sellers: [seller], funds: 5n as Atomic })
    const reply = await ask(await (await openEngine(world)).serve())
    expect([reply.status, reply.error?.code, reply.error?.money]).toEqual([403, 'insufficient_funds', 'untouched'])
    expectUntouched(await readBooks(world))
    expect(seller.counters.handlerRuns).toBe(0)
  })

  it('counts what is signed but not settled as gone', async () => {
    const seller = await startSeller({ faults: { challengeAgain: true } })
    const probe = await writeWorld(current(), { sellers: [seller] })
    await ask(await (await openEngine(probe)).serve())
    const [held] = (await readBooks(probe)).rows
    const price = held?.payment?.amountAuthorized ?? 0n

    const world = await writeWorld(current(), { sellers: [seller], funds: ((price * 3n) / 2n) as Atomic })
    const url = await (await openEngine(world)).serve()
    expect((await ask(url)).error?.code).toBe('payment_outcome_unknown')
    expect((await ask(url)).error?.code).toBe('insufficient_funds')
    expect((await readBooks(world)).rows.filter(({ payment }) => payment !== undefined).length).toBe(1)
  })
})

describe('an authorization that nobody cashed', () => {
  it('is money until the chain is past it, then its reservation is given back', async () => {
    verifies('card.pay.unknown_outcome')
    const seller = await startSeller({ faults: { challengeAgain: true }, maxTimeoutSeconds: 30 })
    const relay = await startRelay(seller)
    const world = await writeWorld(current(), { sellers: [relay] })
    const engine = await openEngine(world)
    await ask(await engine.serve())
    expect((await readBooks(world)).open.map(({ state }) => state)).toEqual(['unknown'])
    expect((await engine.routeplane.receipts.reconcile({ fromBlock: 0n })).resolved).toBe(0)

    await passTime(current(), 40)
    const books = await closedBooks(world)
    expect(books.rows.map(({ state, reason }) => [state, reason])).toEqual([['released', 'expired unused on chain']])
    expectBalanced(books)
    const signed = readSigned(relay.credentials[0])
    await expect(send(current(), current().asset.address, transferCall(signed))).rejects.toThrow()
    const { caps } = await engine.routeplane.status()
    expect(caps.map(({ capUsd, availableUsd }) => capUsd - availableUsd)).toEqual([0n, 0n])
  })
})

describe('an answer that breaks its schema', () => {
  it('is asked for and paid once more where the operator wants it, and the headers count both', async () => {
    const seller = await startSeller()
    const { data } = (await (await fetch(seller.modelsUrl)).json()) as { readonly data: readonly object[] }
    const listing = await startUpstream({ json: { data: data.map((row) => ({ ...row, supported_features: ['structured_outputs'] })) } })
    onTestFinished(() => listing.close())
    const sellers = [{ ...seller, modelsUrl: `${listing.url}/v1/models` }]
    const world = await writeWorld(current(), { sellers, lines: ['routing: { retry_schema: true }'] })
    const url = await (await openEngine(world)).serve()
    const { model, messages } = question
    // By another wire than the seller's: only translated answers are judged. An echo is no JSON.
    const output_config = { format: { type: 'json_schema', schema: { type: 'object' } } }
    const reply = await fetch(`${url}/v1/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model, messages, max_tokens: 20, output_config }),
    })
    expect([reply.status, reply.headers.get('x-routeplane-schema'), reply.headers.get('x-routeplane-attempts')]).toEqual([
      200,
      'violated',
      '2',
    ])
    await reply.text()

    const books = await closedBooks(world)
    expectBalanced(books)
    expect(books.rows.map(({ state }) => state)).toEqual(['settled', 'settled'])
    expect(reply.headers.get('x-routeplane-cost-usd')).toBe(formatUsd(fromAtomic(paidOf(books) as Atomic, 6, 'up')))
    const ids = books.rows.map(({ id }) => id)
    const other = /the other receipt is (\S+)/.exec(reply.headers.get('x-routeplane-warning') ?? '')?.[1]
    expect([reply.headers.get('x-routeplane-receipt'), other].toSorted()).toEqual(ids.toSorted())
  })
})
