/** How traffic moves between providers of one model: measured by what they do, within minutes, and never by what they claim. */
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { deferred } from '../http/support.ts'
import { ask, type TestEngine } from '../support/engine.ts'
import type { Script, Upstream } from '../support/upstream.ts'
import { verifies } from '../support/verifies.ts'
import { chunk, ending, failed, open, said, source, stillClock } from './world.ts'

const hello = (model = 'maker/m', more: object = {}) => ({ model, messages: [{ role: 'user', content: 'hello' }], max_tokens: 8, ...more })
const free = { prompt: '0', completion: '0' }

/** Two sources of one model; the first has the better id, so that it is asked first while nothing else tells them apart. */
async function pair(first: Script, second: Script, files: Parameters<typeof open>[0] = {}) {
  const [a, b] = [await source(first), await source(second)]
  const models = [{ id: 'maker/m', pricing: free }]
  const providers = { a: { api_base: a.url, models }, b: { api_base: b.url, models } }
  const engine = await open({ ...files, config: { providers, ...files.config } })
  return { a, b, engine }
}

const servedBy = async ({ url }: { readonly url: string }, model?: string, more = {}) =>
  (await ask(url, hello(model, more))).headers.get('x-routeplane-provider')

const asked = ({ requests }: Upstream) => requests.length

describe('a provider that fails', () => {
  it('is passed over for the next one, and soon gets no traffic at all', async () => {
    verifies('register.routing.shift', 'register.routing.every_request', 'register.score.deprioritized', 'models.fallback.provider')
    const { a, b, engine } = await pair(failed(500), said('here'))
    for (let each = 0; each < 10; each++) expect(await servedBy(engine)).toBe('b')
    expect([asked(a) > 0, asked(a) <= 5, asked(b)]).toEqual([true, true, 10])
  })

  it('gets traffic again once it is well', async () => {
    verifies('register.routing.shift')
    const clock = stillClock()
    const sick = { now: true }
    const { engine } = await pair(() => (sick.now ? failed(500) : said('back')), failed(503), { clock })
    for (let each = 0; each < 6; each++) await ask(engine.url, hello())
    sick.now = false
    clock.set(clock.now() + 15 * 60_000)
    expect(await servedBy(engine)).toBe('a')
  })

  it('early with 429 is left alone for as long as it asks, and not punished', async () => {
    verifies('register.score.early_429', 'listing.rate.handling', 'listing.rate.headers')
    const clock = stillClock()
    const { a, engine } = await pair((_, count) => (count === 1 ? failed(429, { 'retry-after': '20' }) : said('a')), said('b'), { clock })
    const by = [await servedBy(engine), await servedBy(engine), await servedBy(engine)]
    expect([by, asked(a)]).toEqual([['a', 'b', 'b'], 2])
    const uptime = () => engine.routeplane.catalog.model('maker/m')?.uptime
    expect(uptime()).toBe(1)
    clock.set(clock.now() + 19_000)
    await servedBy(engine)
    expect(asked(a)).toBe(2)
    clock.set(clock.now() + 2_000)
    await servedBy(engine, 'a:maker/m')
    expect(asked(a)).toBe(3)
  })
})

/** Sources that take their time by the engine's own clock: `before` the first token and `after` it, in milliseconds. */
function timed(clock: ReturnType<typeof stillClock>, before: number, after: number): Script {
  return () => {
    clock.set(clock.now() + before)
    // Later than the first token is read.
    const rest = sleep(40).then(() => clock.set(clock.now() + after))
    return { stream: [chunk('hi'), { until: rest }, ending] }
  }
}

describe('performance', () => {
  const stream = { stream: true }
  const warm = async (engine: TestEngine & { readonly url: string }) => {
    for (const model of ['a:maker/m', 'b:maker/m']) expect((await ask(engine.url, hello(model, stream))).status).toBe(200)
  }

  it('is measured: the quicker to its first token goes first by :latency', async () => {
    verifies('register.performance.ttft', 'models.variant.latency', 'listing.quality.ttft')
    const clock = stillClock()
    const { engine } = await pair(timed(clock, 900, 0), timed(clock, 100, 0), { clock })
    expect(await servedBy(engine, 'maker/m:latency', stream)).toBe('a')
    const fresh = await pair(timed(clock, 900, 0), timed(clock, 100, 0), { clock })
    await warm(fresh.engine)
    expect(await servedBy(fresh.engine, 'maker/m:latency', stream)).toBe('b')
  })

  it('counts the wait before the first token into throughput', async () => {
    verifies('register.performance.throughput', 'models.variant.throughput', 'listing.quality.throughput')
    const clock = stillClock()
    const { engine } = await pair(timed(clock, 5_000, 10), timed(clock, 10, 1_000), { clock })
    await warm(engine)
    expect(await servedBy(engine, 'maker/m:throughput', stream)).toBe('b')
  })
})

describe('tokens', () => {
  it('reach the caller as soon as they arrive', async () => {
    verifies('register.score.streams_at_once', 'listing.format.sse', 'listing.test.streaming')
    const heard = deferred()
    const { engine } = await pair({ stream: [chunk('first'), { until: heard.promise }, chunk('second'), ending] }, failed(500))
    const answer = await fetch(`${engine.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(hello('a:maker/m', { stream: true })),
    })
    let text = ''
    for await (const bytes of answer.body as unknown as AsyncIterable<Uint8Array>) {
      text += Buffer.from(bytes).toString()
      if (text.includes('first')) heard.resolve()
    }
    expect(text.indexOf('first')).toBeLessThan(text.indexOf('second'))
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true)
  })

  it('may be long in coming: comments keep the router from giving up and falling back', async () => {
    verifies('register.score.keep_alive')
    const config = { upstream: { allow_loopback: true, timeouts: { first_byte_ms: 250, idle_ms: 250 } } }
    const comments = Array.from({ length: 8 }, () => [': thinking\n\n', { ms: 60 }]).flat()
    const thinking = await pair({ stream: [...comments, chunk('at last'), ending] }, said('other'), { config })
    const reply = await ask(thinking.engine.url, hello('maker/m', { stream: true }))
    expect([reply.headers.get('x-routeplane-provider'), reply.text.includes('at last'), asked(thinking.b)]).toEqual(['a', true, 0])

    const silent = await pair({ stream: [{ ms: 600 }, chunk('too late'), ending] }, said('other'), { config })
    const fallen = await ask(silent.engine.url, hello('maker/m', { stream: true }))
    expect(fallen.headers.get('x-routeplane-provider')).toBe('b')
  })

  it('that end in an error count against uptime, also in the middle of a stream', async () => {
    verifies('register.uptime.against.mid_stream', 'register.uptime.against.error_finish')
    const endings = [
      { stream: [chunk('half'), 'cut' as const] },
      { stream: [chunk('half'), chunk(undefined, 'error'), 'data: [DONE]\n\n'] },
    ]
    for (const broken of endings) {
      const a = await source((_, count) => (count === 0 ? said('fine') : broken))
      const engine = await open({ config: { providers: { a: { api_base: a.url, models: [{ id: 'maker/m' }] } } }, clock: stillClock() })
      await ask(engine.url, hello())
      await ask(engine.url, hello('maker/m', { stream: true }))
      expect(engine.routeplane.catalog.model('maker/m')?.uptime).toBe(0.5)
    }
  })
})
