/** One idempotency key buys one answer, however often, at once or after a crash it is asked with. */
import { describe, expect, it } from 'vitest'
import { openSqliteLedger } from '../../src/ledger/sqlite/open.ts'
import { formatOwner } from '../../src/ledger/owner.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { silentLog } from '../../src/lib/log.ts'
import { useDemoNetwork } from '../support/chain.ts'
import { ask, closedBooks, expectBalanced, openEngine, question, readBooks, writeWorld } from '../support/engine.ts'
import { textOf } from '../support/x402-buyer.ts'

const current = useDemoNetwork()
const prices = { prompt: '0.000001', completion: '0.000005' }

async function open(faults: object = {}) {
  const seller = await current().startProvider({ id: 'thrift', prices, faults })
  const world = await writeWorld(current(), { sellers: [seller] })
  const engine = await openEngine(world)
  return { seller, world, engine, url: await engine.serve() }
}

const keyed = (key: string) => ({ 'idempotency-key': key })

describe('an idempotency key', () => {
  it.each([false, true])('gives the second caller the first answer, and pays once (stream: %s)', async (stream) => {
    const { seller, world, url } = await open()
    const first = await ask(url, { ...question, stream }, keyed('k'))
    const second = await ask(url, { ...question, stream }, keyed('k'))
    expect([first.status, first.headers.get('x-routeplane-replayed')]).toEqual([200, null])
    expect([second.status, second.text, second.headers.get('x-routeplane-replayed')]).toEqual([200, first.text, '1'])
    expect(second.headers.get('x-routeplane-receipt')).toBe(first.headers.get('x-routeplane-receipt'))
    const books = await closedBooks(world)
    expectBalanced(books)
    expect([books.transfers.length, seller.counters.handlerRuns]).toEqual([1, 1])
  })

  it('gives an answer of the Responses wire again under the ids that it had', async () => {
    const { url } = await open()
    const told = async () => {
      const body = JSON.stringify({ model: question.model, input: 'how are you today?', max_output_tokens: 20 })
      const headers = { 'content-type': 'application/json', ...keyed('k') }
      const response = await fetch(`${url}/v1/responses`, { method: 'POST', headers, body })
      const { id, output } = (await response.json()) as { id: string; output: readonly { id: string }[] }
      return [id, output.map((item) => item.id), response.headers.get('x-routeplane-request-id')]
    }
    const first = await told()
    expect(first[0]).toMatch(/^resp_/)
    expect(await told()).toEqual(first)
  })

  it('makes ten callers at once one request', async () => {
    const { seller, world, url } = await open()
    const replies = await Promise.all(Array.from({ length: 10 }, () => ask(url, question, keyed('k'))))
    expect(new Set(replies.map(({ status, text }) => `${status} ${textOf(text)}`))).toEqual(
      new Set(['200 thrift heard: how are you today?']),
    )
    expect([(await closedBooks(world)).transfers.length, seller.counters.handlerRuns]).toEqual([1, 1])
  })

  it('refuses another request, with a status that no SDK retries', async () => {
    const { url } = await open()
    await ask(url, question, keyed('k'))
    const other = await ask(url, { ...question, max_tokens: 21 }, keyed('k'))
    expect([other.status, other.error?.code, other.error?.money]).toEqual([422, 'idempotency_conflict', 'untouched'])
  })

  it('is given back by a failure that cost nothing', async () => {
    const { seller, world, url } = await open({ refuseWith: 500 })
    expect((await ask(url, question, keyed('k'))).status).toBe(502)
    delete seller.faults.refuseWith
    expect((await ask(url, question, keyed('k'))).status).toBe(200)
    expectBalanced(await closedBooks(world))
  })

  it('finds the answer of a caller who went away while it was being paid for', async () => {
    const caller = new AbortController()
    const { seller, world, url } = await open({ beforeSettle: () => caller.abort() })
    const init = { method: 'POST', headers: { 'content-type': 'application/json', ...keyed('k') }, body: JSON.stringify(question) }
    await expect(fetch(`${url}/v1/chat/completions`, { ...init, signal: caller.signal })).rejects.toThrow(/abort/)
    const again = await ask(url, question, keyed('k'))
    expect([again.status, textOf(again.text), again.headers.get('x-routeplane-replayed')]).toEqual([
      200,
      'thrift heard: how are you today?',
      '1',
    ])
    expect([(await closedBooks(world)).transfers.length, seller.counters.handlerRuns]).toEqual([1, 1])
  })

  it('keeps the error of a payment whose outcome is open, so that nobody pays again by repeating it', async () => {
    const { seller, world, url } = await open({ challengeAgain: true })
    const first = await ask(url, question, keyed('k'))
    delete seller.faults.challengeAgain
    const second = await ask(url, question, keyed('k'))
    expect([first.status, first.error?.code]).toEqual([424, 'payment_outcome_unknown'])
    expect([second.status, second.error]).toEqual(
      [424, { ...first.error, requestId: expect.anything() as string }].map((each) =>
        typeof each === 'object' ? expect.objectContaining({ code: first.error?.code, money: first.error?.money }) : each,
      ),
    )
    expect((await readBooks(world)).rows.filter(({ payment }) => payment !== undefined)).toHaveLength(1)
  })

  it('of a process that died after it had paid answers with the receipt instead of paying again', async () => {
    const { world, engine, url, seller } = await open()
    const paid = await ask(url)
    const [row] = (await closedBooks(world)).rows
    await engine.close()
    // What a crash leaves: the key held by a process that is gone, for the request that has paid.
    const dead = formatOwner({ host: 'gone', pid: 1, startMs: 1 })
    const ledger = await openSqliteLedger({
      path: world.ledgerPath,
      owner: dead,
      clock: { ...systemClock, now: () => systemClock.now() - 120_000 },
      log: silentLog,
    })
    const again = await openEngine(world)
    const address = await again.serve()
    const fingerprint = await fingerprintOf(address)
    await ledger.idempotency.claim('local', 'k', fingerprint, systemClock.now(), row?.requestId)
    await ledger.close()
    const reply = await ask(address, question, keyed('k'))
    expect([paid.status, reply.status, reply.error?.code, reply.error?.money]).toEqual([200, 424, 'answer_lost', 'settled'])
    expect(seller.counters.handlerRuns).toBe(1)
  })
})

/** The digest the gateway makes of the question: protocol, path and bytes. */
async function fingerprintOf(_address: string): Promise<string> {
  const { createHash } = await import('node:crypto')
  return createHash('sha256').update('chat_completions\n').update('/v1/chat/completions\n').update(JSON.stringify(question)).digest('hex')
}

describe('two calls in the same words, without a key', () => {
  const { model, messages, max_tokens } = question
  const whole = { model, messages, max_tokens }
  const streamed = { ...whole, stream: true, stream_options: { include_usage: true } }
  const warned = ({ headers }: { headers: Headers }) => headers.get('x-routeplane-warning') ?? ''

  it('are two payments, and the second says which the first is', async () => {
    const { seller, world, url } = await open()
    // As Claude Code does it: streamed, and at once whole.
    const replies = await Promise.all([ask(url, streamed), ask(url, whole)])
    const ids = replies.map(({ headers }) => headers.get('x-routeplane-request-id'))
    const [second, ...others] = replies.filter((reply) => warned(reply).includes('duplicate_suspected'))
    expect([replies.map(({ status }) => status), others]).toEqual([[200, 200], []])
    expect(ids.some((id) => id !== null && second !== undefined && warned(second).includes(id))).toBe(true)
    const books = await closedBooks(world)
    expectBalanced(books)
    expect([books.transfers.length, seller.counters.handlerRuns]).toEqual([2, 2])
  })

  it('are not told of when they differ in a word, or are one request by their key', async () => {
    const { url } = await open()
    const calls = [() => ask(url, whole), () => ask(url, { ...whole, temperature: 0.5 }), () => ask(url, { ...whole, max_tokens: 19 })]
    for (const call of calls) expect(warned(await call())).toBe('')
    expect(warned(await ask(url, { ...whole, max_tokens: 18 }, keyed('once')))).toBe('')
    expect(warned(await ask(url, { ...whole, max_tokens: 18 }, keyed('once')))).toBe('')
  })
})
