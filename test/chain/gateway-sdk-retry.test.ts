/** Official clients whose connection breaks try again by themselves, without a key: what the first try paid for is not paid for again. */
import { once } from 'node:events'
import { createServer, connect, type AddressInfo, type Socket } from 'node:net'
import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import { describe, expect, it, onTestFinished } from 'vitest'
import { useDemoNetwork } from '../support/chain.ts'
import { startChild } from './children/start.ts'
import { ask, closedBooks, expectBalanced, openEngine, question, readBooks, writeWorld } from '../support/engine.ts'

const current = useDemoNetwork()
const prices = { prompt: '0.000001', completion: '0.000005' }
const ANSWER = 'thrift heard: how are you today?'
const { model } = question
const messages = [{ role: 'user' as const, content: 'how are you today?' }]

/** Stands between a client and the gateway that is there at the time, and can hang up on both. */
async function startCutter(target: () => string | Promise<string>) {
  const open = new Set<Socket>()
  let connections = 0
  const join = async (near: Socket) => {
    connections += 1
    const { hostname, port } = new URL(await target())
    const far = connect(Number(port), hostname)
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(from)
      from.on('error', () => to.destroy()).on('close', () => void open.delete(from))
      from.pipe(to)
    }
  }
  const server = createServer((near) => void join(near))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    for (const socket of open) socket.destroy()
    server.close()
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    connections: () => connections,
    cut() {
      for (const socket of open) socket.destroy()
    },
  }
}

type Asking = (url: string) => Promise<string>
type Client = { readonly name: string; readonly ask: Asking }

const openai = (url: string) => new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 2 })
const anthropic = (url: string) => new Anthropic({ baseURL: url, apiKey: 'none', maxRetries: 2 })

const clients: readonly Client[] = [
  {
    name: 'openai, whole',
    ask: async (url) => {
      const reply = await openai(url).chat.completions.create({ model, messages, max_tokens: 20 })
      return reply.choices[0]?.message.content ?? ''
    },
  },
  {
    name: 'openai, streaming',
    ask: async (url) => {
      let text = ''
      const events = await openai(url).chat.completions.create({ model, messages, max_tokens: 20, stream: true })
      for await (const event of events) text += event.choices[0]?.delta.content ?? ''
      return text
    },
  },
  {
    name: 'anthropic, whole',
    ask: async (url) => {
      const { content } = await anthropic(url).messages.create({ model, messages, max_tokens: 20 })
      return content.flatMap((block) => (block.type === 'text' ? [block.text] : [])).join('')
    },
  },
]

/** A gateway with one paid seller, behind a cutter that hangs up while the first payment is being settled. */
async function cutWhileSettling(whenCut: (cutter: Awaited<ReturnType<typeof startCutter>>) => Promise<void> = async () => {}) {
  // A stream begins before it is settled: its first token is still to come when the connection breaks.
  const seller = await current().startProvider({ id: 'thrift', prices, latencyMs: 300, faults: {} })
  const world = await writeWorld(current(), { sellers: [seller] })
  const engine = await openEngine(world)
  const origin = await engine.serve()
  const cutter = await startCutter(() => origin)
  seller.faults.beforeSettle = async () => {
    delete seller.faults.beforeSettle
    cutter.cut()
    await whenCut(cutter)
  }
  return { seller, world, url: cutter.url }
}

/** What each SDK makes of an error. */
type Failure = { readonly status: number; readonly message: string }

describe.each(clients)('$name', ({ ask: asking }) => {
  it('whose connection broke gets the answer that its first try paid for', async () => {
    const { seller, world, url } = await cutWhileSettling()
    expect(await asking(url)).toBe(ANSWER)
    const books = await closedBooks(world)
    expectBalanced(books)
    expect([books.transfers.length, seller.counters.handlerRuns]).toEqual([1, 1])
  })

  it('waits for its first try when that is still being paid for', async () => {
    const isBack = async ({ connections }: { connections(): number }) => expect.poll(connections).toBe(2)
    const { seller, world, url } = await cutWhileSettling(isBack)
    expect(await asking(url)).toBe(ANSWER)
    expect([(await closedBooks(world)).transfers.length, seller.counters.handlerRuns]).toEqual([1, 1])
  })
})

describe.each(clients)('$name, whose gateway is killed', ({ ask: asking }) => {
  it('while it pays, hears from the next one what became of the money, and pays no other', async () => {
    const seller = await current().startProvider({ id: 'thrift', prices, latencyMs: 300, faults: {} })
    const world = await writeWorld(current(), { sellers: [seller] })
    const child = startChild('shop.ts', world)
    await expect.poll(() => child.lines.length, { timeout: 20_000 }).toBe(1)
    const [first = ''] = child.lines
    let target: string | Promise<string> = first
    const { url } = await startCutter(() => target)
    seller.faults.beforeSettle = async () => {
      delete seller.faults.beforeSettle
      child.process.kill('SIGKILL')
      await child.ended
      target = openEngine(world).then((engine) => engine.serve())
    }
    const failure = (await asking(url).catch((thrown: unknown) => thrown)) as Failure
    expect([failure.status, /answer is lost.*|answer_lost/.test(failure.message)], failure.message).toEqual([424, true])
    // The seller has what it was sent; whoever asks anew pays anew.
    await expect.poll(async () => (await readBooks(world)).rows.map(({ state }) => state), { timeout: 20_000 }).toEqual(['settled'])
    expect(await asking(url)).toBe(ANSWER)
    const books = await closedBooks(world)
    expectBalanced(books)
    expect([books.transfers.length, seller.counters.handlerRuns]).toEqual([2, 2])
  })
})

describe('a retry that a client says it makes', () => {
  const said = (count: number) => ({ 'x-stainless-retry-count': String(count) })

  async function open(faults: object = {}) {
    const seller = await current().startProvider({ id: 'thrift', prices, faults })
    const world = await writeWorld(current(), { sellers: [seller] })
    const engine = await openEngine(world)
    return { seller, world, url: await engine.serve() }
  }

  it('is one of the last equal request, and two first tries are two requests', async () => {
    const { seller, world, url } = await open()
    const [first, second] = [await ask(url, question, said(0)), await ask(url, question, said(0))]
    const again = await ask(url, question, said(1))
    const receipts = [first, second, again].map(({ headers }) => headers.get('x-routeplane-receipt'))
    expect([again.status, again.text, again.headers.get('x-routeplane-replayed')]).toEqual([200, second.text, '1'])
    expect([receipts[2], new Set(receipts).size]).toEqual([receipts[1], 2])
    // Another question is none of its business.
    expect((await ask(url, { ...question, max_tokens: 21 }, said(1))).headers.get('x-routeplane-replayed')).toBeNull()
    const books = await closedBooks(world)
    expectBalanced(books)
    expect([books.transfers.length, seller.counters.handlerRuns]).toEqual([3, 3])
  })

  it('pays when the try before it cost nothing', async () => {
    const { seller, world, url } = await open({ refuseWith: 500 })
    expect((await ask(url, question, said(0))).status).toBe(502)
    delete seller.faults.refuseWith
    expect((await ask(url, question, said(1))).status).toBe(200)
    expectBalanced(await closedBooks(world))
  })

  it('is told of a payment whose outcome is open, and pays no other', async () => {
    const { seller, world, url } = await open({ challengeAgain: true })
    expect((await ask(url, question, said(0))).error?.code).toBe('payment_outcome_unknown')
    delete seller.faults.challengeAgain
    const again = await ask(url, question, said(1))
    expect([again.status, again.error?.code]).toEqual([424, 'payment_outcome_unknown'])
    expect(seller.counters.handlerRuns).toBe(0)
    expect((await readBooks(world)).rows.filter(({ payment }) => payment !== undefined)).toHaveLength(1)
  })
})
