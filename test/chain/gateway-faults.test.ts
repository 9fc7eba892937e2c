/** What goes wrong once a payment is signed, on real parts: one authorization, one transfer, and the truth to the caller. */
import { setTimeout as sleep } from 'node:timers/promises'
import { encodePaymentRequiredHeader, encodePaymentResponseHeader } from '@x402/core/http'
import type { FacilitatorClient } from '@x402/core/server'
import { describe, expect, it } from 'vitest'
import type { DemoNetwork, DemoProviderOptions } from '../../src/demo/network.ts'
import { startRelay, type Passed, type RelayOptions } from '../gateway/relay.ts'
import { randomHex, useDemoNetwork } from '../support/chain.ts'
import {
  ask,
  closedBooks,
  expectBalanced,
  openEngine,
  passTime,
  question,
  readBooks,
  writeWorld,
  type Books,
  type WorldOptions,
} from '../support/engine.ts'
import { verifies } from '../support/verifies.ts'
import { eventsOf, textOf } from '../support/x402-buyer.ts'

const current = useDemoNetwork()
const cheap = { prompt: '0.000001', completion: '0.000005' }
const dear = { prompt: '0.000004', completion: '0.00002' }
const stream = { ...question, stream: true }
const said = 'first heard: how are you today?'

type Start = RelayOptions & {
  readonly seller?: Partial<DemoProviderOptions>
  readonly onUnknown?: NonNullable<WorldOptions['onUnknown']>
  /** The relay reads answers whole; without it the seller's own connection is seen. */
  readonly direct?: boolean
  readonly network?: DemoNetwork
  readonly lines?: readonly string[]
}

/** A seller with a fault, which is asked first, and an honest one that must not be paid as well. */
async function start({ seller, onUnknown = 'fail', direct = false, network = current(), lines = [], ...relayOptions }: Start = {}) {
  const first = await network.startProvider({ id: 'first', prices: cheap, ...seller })
  const second = await network.startProvider({ id: 'second', prices: dear })
  const relay = await startRelay(first, relayOptions)
  const world = await writeWorld(network, { sellers: [direct ? first : relay, second], onUnknown, lines })
  const engine = await openEngine(world)
  return { first, second, relay, world, engine, url: await engine.serve() }
}

const states = ({ rows }: Books) => rows.map(({ provider, state }) => `${provider} ${state}`).toSorted()
const headersOf = (answer: Passed, more: Readonly<Record<string, string>>) => ({ ...answer, headers: { ...answer.headers, ...more } })

describe('a provider that', () => {
  it('asks to be paid again has one authorization, and nobody else is paid', async () => {
    verifies('card.pay.once', 'card.pay.unknown_outcome')
    const { relay, second, world, url } = await start({ seller: { faults: { challengeAgain: true } } })
    const reply = await ask(url)
    expect([reply.status, reply.error?.code, reply.error?.money]).toEqual([424, 'payment_outcome_unknown', 'unknown'])
    expect(reply.headers.get('x-should-retry')).toBe('false')
    const books = await readBooks(world)
    expect([states(books), books.transfers.length]).toEqual([['first unknown'], 0])
    expect([new Set(relay.credentials).size, second.counters.requests]).toEqual([1, 0])
  })

  it('raises its price once it is paid gets nothing more', async () => {
    const dearer = (answer: Passed) => {
      const challenge = JSON.parse(Buffer.from(String(answer.headers['payment-required']), 'base64').toString()) as {
        accepts: { amount: string }[]
      }
      const accepts = challenge.accepts.map((offer) => ({ ...offer, amount: String(BigInt(offer.amount) + 1n) }))
      return headersOf(answer, { 'payment-required': encodePaymentRequiredHeader({ ...challenge, accepts } as never) })
    }
    const { relay, second, world, url } = await start({
      seller: { faults: { challengeAgain: true } },
      tamper: (answer, _, paid) => (paid > 0 ? dearer(answer) : answer),
    })
    const reply = await ask(url)
    expect([reply.status, reply.error?.code, reply.error?.money]).toEqual([424, 'price_mismatch', 'unknown'])
    expect([relay.credentials.length, second.counters.requests, (await readBooks(world)).transfers.length]).toEqual([1, 0, 0])
  })

  it.each([500, 503, 429])('answers %i before it asks to be paid is passed over unpaid', async (refuseWith) => {
    const { world, url } = await start({ seller: { faults: { refuseWith } } })
    const reply = await ask(url)
    expect([reply.status, reply.headers.get('x-routeplane-provider')]).toEqual([200, 'second'])
    const books = await closedBooks(world)
    expect(states(books)).toEqual(['first released', 'second settled'])
    expectBalanced(books)
  })

  it('sends a paid call on to somebody else is not followed, and its credential goes nowhere', async () => {
    const elsewhere = await current().startProvider({ id: 'elsewhere', prices: cheap })
    const location = `${elsewhere.baseUrl}/chat/completions`
    const { relay, second, world, url } = await start({
      instead: (_, paid) => (paid > 0 ? { status: 307, headers: { location }, json: {} } : undefined),
    })
    expect((await ask(url)).error).toMatchObject({ code: 'payment_outcome_unknown', money: 'unknown' })
    expect([elsewhere.counters.requests, second.counters.requests, relay.credentials.length]).toEqual([0, 0, 1])
    const books = await readBooks(world)
    expect([states(books), books.transfers.length]).toEqual([['first unknown'], 0])
  })

  it('stumbles before it settles is shown the same authorization again', async () => {
    const { relay, first, world, url } = await start({ instead: (_, paid) => (paid === 1 ? { status: 503, json: {} } : undefined) })
    const reply = await ask(url)
    expect([reply.status, textOf(reply.text), relay.credentials.length, new Set(relay.credentials).size]).toEqual([200, said, 2, 1])
    const books = await closedBooks(world)
    expect([states(books), first.counters.handlerRuns, books.transfers.length]).toEqual([['first settled'], 1, 1])
    expectBalanced(books)
  })

  it('takes the money and then only fails has been paid, which is said as it is', async () => {
    const { relay, second, world, url } = await start({ seller: { faults: { failAfterPayment: 500 } } })
    const reply = await ask(url)
    expect([reply.status, reply.error?.code, reply.error?.money]).toEqual([424, 'answer_lost', 'settled'])
    const books = await closedBooks(world)
    expect([states(books), new Set(relay.credentials).size, second.counters.requests]).toEqual([['first settled'], 1, 0])
    expectBalanced(books)
  })

  it('takes the money and answers nonsense has been paid, and nobody else is', async () => {
    const { second, world, url } = await start({ tamper: (answer, _, paid) => (paid > 0 ? { ...answer, body: 'soup' } : answer) })
    const reply = await ask(url)
    expect([reply.status, reply.error?.money, second.counters.requests]).toEqual([424, 'settled', 0])
    const books = await closedBooks(world)
    expect(states(books)).toEqual(['first settled'])
    expectBalanced(books)
  })

  it('serves without cashing has not been paid: a 200 is no proof', async () => {
    const answer = { choices: [{ index: 0, message: { role: 'assistant', content: 'free' }, finish_reason: 'stop' }] }
    const { world, url } = await start({
      instead: (_, paid) => (paid > 0 ? { json: { id: 'x', object: 'chat.completion', ...answer } } : undefined),
    })
    const reply = await ask(url)
    expect([reply.status, textOf(reply.text)]).toEqual([200, 'free'])
    let books = await readBooks(world)
    while (books.open.some(({ state }) => state === 'intent')) books = await readBooks(world)
    expect([states(books), books.transfers.length]).toEqual([['first unknown'], 0])
  })
})

describe('a connection that is lost after settling', () => {
  it('costs one transfer, and the answer is fetched with the same authorization', async () => {
    verifies('card.pay.once')
    const { first, world, url } = await start({ seller: { faults: { afterSettle: 'drop-connection' } }, direct: true })
    const reply = await ask(url)
    expect([reply.status, textOf(reply.text)]).toEqual([200, said])
    const books = await closedBooks(world)
    expect([states(books), books.transfers.length, first.counters.handlerRuns]).toEqual([['first settled'], 1, 1])
    expectBalanced(books)
  })

  it('between seller and facilitator is the seller’s to find out about', async () => {
    const { client } = current().facilitator
    const facilitator: FacilitatorClient = {
      verify: (payload, requirements) => client.verify(payload, requirements),
      getSupported: () => client.getSupported(),
      settle: async (payload, requirements) => {
        await client.settle(payload, requirements)
        throw new Error('connection reset')
      },
    }
    const { world, url } = await start({ seller: { facilitator } })
    expect(textOf((await ask(url)).text)).toBe(said)
    const books = await closedBooks(world)
    expect([states(books), books.transfers.length]).toEqual([['first settled'], 1])
    expectBalanced(books)
  })

  it('in the middle of a whole answer leaves a receipt, and nobody else is paid', async () => {
    const { second, world, url } = await start({
      tamper: (answer, _, paid) =>
        paid === 0 ? answer : { headers: { 'content-type': 'application/json' }, stream: [answer.body.slice(0, 20), 'cut'] },
    })
    const reply = await ask(url)
    expect([reply.status, reply.error?.money, second.counters.requests]).toEqual([424, 'settled', 0])
    const books = await closedBooks(world)
    expect(states(books)).toEqual(['first settled'])
    expectBalanced(books)
  })
})

describe('a settlement receipt', () => {
  const receipt = (success: boolean) =>
    encodePaymentResponseHeader({ success, transaction: randomHex(32), network: 'eip155:84532', ...(success ? {} : { errorReason: 'no' }) })
  it.each([
    ['names a transaction that does not exist', () => receipt(true)],
    ['says that the payment failed', () => receipt(false)],
    ['is not base64', () => '%%%'],
    ['is not JSON', () => Buffer.from('{"success":').toString('base64')],
    ['says nothing', () => Buffer.from('{}').toString('base64')],
  ])('that %s changes nothing: the chain decides', async (_, header) => {
    verifies('card.receipt.verified')
    const { world, engine, url } = await start({
      tamper: (answer, __, paid) => (paid > 0 ? headersOf(answer, { 'payment-response': header() }) : answer),
    })
    const reply = await ask(url)
    expect([reply.status, textOf(reply.text)]).toEqual([200, said])
    const books = await closedBooks(world)
    expect(states(books)).toEqual(['first settled'])
    expectBalanced(books)
    expect(await engine.routeplane.receipts.verify(books.rows[0]?.id ?? '')).toMatchObject({ verified: true })
  })

  it('on a 402 that says the payment is pending is waited for, not paid again', async () => {
    const pending = encodePaymentResponseHeader({
      ...{ success: false, errorReason: 'settlement_pending', transaction: randomHex(32), network: 'eip155:84532' },
    })
    const { relay, world, url } = await start({
      instead: (_, paid) => (paid === 1 ? { status: 402, headers: { 'payment-response': pending }, json: {} } : undefined),
    })
    const reply = await ask(url)
    expect([reply.status, new Set(relay.credentials).size]).toEqual([200, 1])
    const books = await closedBooks(world)
    expect(books.transfers.length).toBe(1)
    expectBalanced(books)
  })
})

describe('a stream that is cut', () => {
  it('after some tokens ends with an error event of the caller’s wire; it is paid, and nobody takes over', async () => {
    verifies('register.uptime.against.mid_stream')
    const { second, world, url } = await start({ seller: { faults: { cutStreamAfter: 3 }, tokenDelayMs: 5 }, direct: true })
    const reply = await ask(url, stream)
    const events = eventsOf(reply.text)
    expect([reply.status, events.at(-1)?.error?.code, reply.error?.code]).toEqual([200, 'stream_incomplete', 'stream_incomplete'])
    expect(['signed', 'settled']).toContain(reply.error?.money)
    expect(said.startsWith(textOf(reply.text))).toBe(true)
    expect([textOf(reply.text).length > 0, reply.text.includes('[DONE]'), second.counters.requests]).toEqual([true, false, 0])
    const books = await closedBooks(world)
    expect(states(books)).toEqual(['first settled'])
    expectBalanced(books)
  })

  it.each([
    ['/v1/messages', { max_tokens: 20, messages: question.messages }],
    ['/v1/responses', { max_output_tokens: 20, input: 'how are you today?' }],
    [
      '/v1beta/models/demo/echo:cost:streamGenerateContent?alt=sse',
      { contents: [{ role: 'user', parts: [{ text: 'how are you today?' }] }], generationConfig: { maxOutputTokens: 20 } },
    ],
  ])('ends with an error event on every wire: %s', async (path, body) => {
    const { second, world, url } = await start({ seller: { faults: { cutStreamAfter: 3 }, tokenDelayMs: 5 }, direct: true })
    const response = await fetch(`${url}${path}`, {
      ...{ method: 'POST', headers: { 'content-type': 'application/json' } },
      body: JSON.stringify(path.startsWith('/v1beta') ? body : { model: 'demo/echo:cost', stream: true, ...body }),
    })
    const text = await response.text()
    expect([response.status, text.includes('"money":"signed"'), second.counters.requests]).toEqual([200, true, 0])
    const books = await closedBooks(world)
    expect(states(books)).toEqual(['first settled'])
    expectBalanced(books)
  })

  it('before its first byte is fetched again with the same authorization', async () => {
    const { first, world, url } = await start({ seller: { faults: { cutStreamAfter: 0 } }, direct: true })
    expect(textOf((await ask(url, stream)).text)).toBe(said)
    const books = await closedBooks(world)
    expect([states(books), books.transfers.length, first.counters.handlerRuns]).toEqual([['first settled'], 1, 1])
    expectBalanced(books)
  })

  it('before its first token is an error that says the money is gone; nobody else is paid', async () => {
    const { second, world, url } = await start({ seller: { faults: { cutStreamAfter: 1 }, tokenDelayMs: 100 }, direct: true })
    const reply = await ask(url, stream)
    expect([reply.status, reply.error?.code, reply.error?.money]).toEqual([424, 'stream_incomplete', 'settled'])
    expect(second.counters.requests).toBe(0)
    const books = await closedBooks(world)
    expect(states(books)).toEqual(['first settled'])
    expectBalanced(books)
  })
})

describe('a caller who leaves', () => {
  /** Asks, and hangs up as soon as `when` has come. */
  async function leave(url: string, body: object, when: () => boolean): Promise<void> {
    const caller = new AbortController()
    const asked = fetch(`${url}/v1/chat/completions`, {
      ...{ method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body), signal: caller.signal },
    }).then((response) => response.text())
    while (!when()) await sleep(5)
    caller.abort()
    await expect(asked).rejects.toThrow()
  }

  it('before anything is signed costs nothing', async () => {
    const { relay, world, url } = await start({ instead: (_, paid) => (paid === 0 ? { delayMs: 60_000, json: {} } : undefined) })
    const completions = () => relay.requests.filter(({ method }) => method === 'POST')
    await leave(url, question, () => completions().length > 0)
    await completions()[0]?.closed
    const books = await closedBooks(world)
    expect(books.rows.map(({ state, reason, payment }) => [state, reason, payment])).toEqual([['released', 'cancelled', undefined]])
    expect(relay.credentials).toEqual([])
  })

  it('after the signature is followed to the end of his payment, and the upstream is let go', async () => {
    const { relay, world, url } = await start({ tamper: (answer, _, paid) => (paid > 0 ? { ...answer, delayMs: 60_000 } : answer) })
    await leave(url, question, () => relay.credentials.length > 0)
    await relay.requests.findLast(({ headers }) => headers['payment-signature'] !== undefined)?.closed
    const books = await closedBooks(world)
    expect([states(books), relay.credentials.length]).toEqual([['first settled'], 1])
    expectBalanced(books)
  })

  it('in the middle of a stream has paid for it', async () => {
    let sent = false
    const { relay, world, url } = await start({
      tamper: (answer, _, paid) => {
        if (paid === 0) return answer
        sent = true
        return { headers: answer.headers, stream: [answer.body.slice(0, 600), 'stall'] }
      },
    })
    await leave(url, stream, () => sent)
    await relay.requests.findLast(({ headers }) => headers['payment-signature'] !== undefined)?.closed
    const books = await closedBooks(world)
    expect(states(books)).toEqual(['first settled'])
    expectBalanced(books)
  })
})

describe('a deadline', () => {
  const lines = ['routing: { deadline_ms: 2500 }']

  it('that passes before the signature costs nothing', async () => {
    const { relay, world, url } = await start({ lines, instead: (_, paid) => (paid === 0 ? { delayMs: 60_000, json: {} } : undefined) })
    const reply = await ask(url)
    expect([reply.status, reply.error?.code, reply.error?.money]).toEqual([504, 'upstream_timeout', 'untouched'])
    expect((await closedBooks(world)).rows.map(({ state, payment }) => [state, payment])).toEqual([['released', undefined]])
    expect(relay.credentials).toEqual([])
  })

  it('that passes after it leaves a payment that is followed to its end', async () => {
    const { world, second, url } = await start({ lines, tamper: (answer, _, paid) => (paid > 0 ? { ...answer, delayMs: 60_000 } : answer) })
    const reply = await ask(url)
    expect([reply.status, reply.error?.code, reply.error?.money]).toEqual([424, 'answer_lost', 'settled'])
    const books = await closedBooks(world)
    expect([states(books), second.counters.requests]).toEqual([['first settled'], 0])
    expectBalanced(books)
  })
})

describe('with on_unknown: allow_double', () => {
  it('a second provider is paid while the first is unknown, within the caps, and both stand in the books', async () => {
    const { relay, world, url } = await start({ seller: { faults: { challengeAgain: true } }, onUnknown: 'allow_double' })
    const reply = await ask(url)
    expect([reply.status, reply.headers.get('x-routeplane-provider')]).toEqual([200, 'second'])
    let books = await readBooks(world)
    while (books.open.length > 1) books = await readBooks(world)
    expect([states(books), relay.credentials.length]).toEqual([['first unknown', 'second settled'], 1])
  })
})

describe('with on_unknown: wait', () => {
  const current = useDemoNetwork()

  it('the next provider is paid once the chain shows the first authorization to be dead', async () => {
    const { relay, second, world, url } = await start({
      seller: { faults: { challengeAgain: true }, maxTimeoutSeconds: 10 },
      onUnknown: 'wait',
      network: current(),
    })
    const asked = ask(url)
    while ((await readBooks(world)).open[0]?.state !== 'unknown') await sleep(20)
    expect(second.counters.requests).toBe(0)
    await passTime(current(), 15)
    const reply = await asked
    expect([reply.status, reply.headers.get('x-routeplane-provider')]).toEqual([200, 'second'])
    const books = await closedBooks(world)
    expect([states(books), relay.credentials.length]).toEqual([['first released', 'second settled'], 1])
    expectBalanced(books)
  })

  it('an error that comes after proof of death says that nothing was spent', async () => {
    const first = await current().startProvider({ id: 'first', prices: cheap, maxTimeoutSeconds: 40, faults: { challengeAgain: true } })
    const world = await writeWorld(current(), { sellers: [first], onUnknown: 'wait' })
    const asked = ask(await (await openEngine(world)).serve())
    while ((await readBooks(world)).open[0]?.state !== 'unknown') await sleep(20)
    await passTime(current(), 30)
    const reply = await asked
    expect([reply.status, reply.error?.code, reply.error?.money]).toEqual([424, 'payment_rejected', 'untouched'])
    expect((await readBooks(world)).transfers).toEqual([])
  })
})
