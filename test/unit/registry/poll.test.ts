/** Polling: what a provider's document may do to the catalog, and all that it may not. */
import { describe, expect, it } from 'vitest'
import { RouteplaneError } from '../../../src/errors.ts'
import type { HttpCall, HttpResponse, Transport } from '../../../src/lib/http-call.ts'
import { silentLog } from '../../../src/lib/log.ts'
import { createCanonicalIndex } from '../../../src/registry/canonical.ts'
import { createCatalog } from '../../../src/registry/catalog.ts'
import type { Provider } from '../../../src/registry/endpoint.ts'
import { createPoller, MAX_DOCUMENT_BYTES, type PollerOptions } from '../../../src/registry/poll.ts'
import type { PriceDrift } from '../../../src/registry/price-drift.ts'
import { definition, flatPricing, row } from './fixture.ts'
import { verifies } from '../../support/verifies.ts'

type Scripted = {
  readonly status?: number
  readonly headers?: HttpResponse['headers']
  readonly body?: unknown
  readonly bytes?: AsyncIterable<Uint8Array>
}

async function* bytesOf(text: string): AsyncIterable<Uint8Array> {
  yield new TextEncoder().encode(text)
}

const document = (...models: readonly unknown[]) => ({ body: { data: models } })
const priced = (id: string, prompt = '0.000001') => ({ id, pricing: { prompt, completion: '0.000001' } })

/** A poller over a scripted transport, a catalog behind it, and what went over the wire. */
function setup(
  script: (call: HttpCall, round: number) => Scripted | Error,
  more: Partial<PollerOptions> & { readonly provider?: Partial<Provider> } = {},
) {
  const calls: HttpCall[] = []
  const drifts: PriceDrift[] = []
  const timers: { readonly run: () => void; readonly ms: number; cancelled: boolean }[] = []
  const url = 'https://a.dev/v1/models'
  const catalog = createCatalog({
    canonical: createCanonicalIndex([]),
    registry: [definition('a', [row('listed', { pricing: flatPricing('0.5') })], { modelsUrl: url, ...more.provider })],
    config: [],
  })
  const transport: Transport = async (call, { signal }) => {
    calls.push(call)
    const answer = script(call, calls.length)
    if (answer instanceof Error) throw answer
    if (signal.aborted) throw signal.reason
    const text = typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body ?? {})
    return { status: answer.status ?? 200, headers: answer.headers ?? {}, body: answer.bytes ?? bytesOf(text) }
  }
  let now = 1000
  const poller = createPoller({
    definitions: catalog.definitions,
    onDocuments: catalog.setDocuments,
    onDrift: (drift) => drifts.push(drift),
    transport,
    clock: { now: () => now++, monotonic: () => now, sleep: async () => {} },
    log: silentLog,
    random: () => 0.5,
    schedule: (run, ms) => {
      const timer = { run, ms, cancelled: false }
      timers.push(timer)
      return () => {
        timer.cancelled = true
      }
    },
    ...more,
  })
  return { poller, catalog, calls, drifts, timers, models: () => [...catalog.snapshot().models.keys()] }
}

const authorize = () => ({ authorization: 'Bearer key' })

describe('a host that takes its time', () => {
  it('keeps back nobody else\u2019s models', async () => {
    const brought: string[] = []
    let release = () => {}
    const released = new Promise<void>((resolve) => {
      release = resolve
    })
    const three = ['a', 'b', 'c'].map((id) => definition(id, [], { modelsUrl: `https://${id}.dev/v1/models` }))
    async function* late(): AsyncIterable<Uint8Array> {
      await released
      yield* bytesOf(JSON.stringify(document(priced('late')).body))
    }
    const { poller } = setup(({ url }) => (url.startsWith('https://b.') ? { bytes: late() } : document(priced('m'))), {
      definitions: () => three,
      onDocuments: (documents) => brought.push(...documents.keys()),
    })
    const round = poller.refresh()
    await expect.poll(() => brought, { timeout: 10_000 }).toEqual(['a', 'c'])
    release()
    await round
    expect(brought).toEqual(['a', 'c', 'b'])
  })
})

describe('a round', () => {
  it('brings good rows into the catalog and says which were left out', async () => {
    const { poller, models } = setup(() => document(priced('x'), { id: 'y' }))
    expect(await poller.refresh()).toMatchObject([
      { provider: 'a', outcome: 'updated', isStale: false, lastGoodAt: 1000, rejected: [{ id: 'y', code: 'model_rejected' }] },
    ])
    expect(models()).toEqual(['listed', 'x'])
  })

  it('asks with the last tag, and takes 304 for what it knows', async () => {
    const { poller, calls, models } = setup((call) =>
      call.headers['if-none-match'] === '"v1"' ? { status: 304 } : { ...document(priced('x')), headers: { etag: '"v1"' } },
    )
    await poller.refresh()
    expect(await poller.refresh()).toMatchObject([{ outcome: 'unchanged', isStale: false }])
    expect(calls.map((call) => call.headers['if-none-match'])).toEqual([undefined, '"v1"'])
    expect(models()).toContain('x')
  })

  it.each<[string, Scripted | Error, string]>([
    ['status 500', { status: 500 }, 'bad_status'],
    ['a redirect', { status: 302, headers: { location: 'http://169.254.169.254/' } }, 'redirect_refused'],
    ['a redirect the transport refused', new RouteplaneError('redirect_refused', 'no'), 'redirect_refused'],
    ['a host that leads to a private address', new RouteplaneError('private_address', 'no'), 'private_address'],
    ['an endless body', { bytes: endless() }, 'body_too_large'],
    ['a body the transport cut', new RouteplaneError('response_too_large', 'no'), 'body_too_large'],
    ['a dripping body', new DOMException('too slow', 'TimeoutError'), 'timeout'],
    ['silence', new RouteplaneError('upstream_timeout', 'no'), 'timeout'],
    ['no connection', new RouteplaneError('upstream_unreachable', 'no'), 'unreachable'],
    ['data that is not a list', { body: { data: {} } }, 'bad_document'],
    ['no JSON', { body: '<html>' }, 'bad_document'],
    ['JSON nested too deep', { body: '['.repeat(5000) }, 'bad_document'],
    ['bytes that are not UTF-8', { bytes: broken() }, 'bad_document'],
  ])('keeps the last good document after %s', async (_, answer, code) => {
    const { poller, models } = setup((_call, round) => (round === 2 ? answer : document(priced('x'))))
    await poller.refresh()
    const [status] = await poller.refresh()
    expect(status).toMatchObject({ outcome: 'kept_last_good', isStale: true, code, lastGoodAt: 1000 })
    expect(models()).toEqual(['listed', 'x'])
    expect(await poller.refresh()).toMatchObject([{ isStale: false }])
  })

  it('knows nothing of a provider whose first document fails', async () => {
    const { poller, models } = setup(() => ({ status: 304 }))
    expect(await poller.refresh()).toMatchObject([{ outcome: 'kept_last_good', code: 'bad_status', isStale: true, lastGoodAt: undefined }])
    expect(models()).toEqual(['listed'])
  })

  it('shows the user’s key only to the provider’s own origin', async () => {
    const own = setup(() => document(), { authorize })
    await own.poller.refresh()
    const foreign = setup(() => document(), { authorize, provider: { baseUrl: 'https://other.dev/v1' } })
    await foreign.poller.refresh()
    expect([own.calls[0]?.headers['authorization'], foreign.calls[0]?.headers['authorization']]).toEqual(['Bearer key', undefined])
  })

  it('leaves out providers that are not active', async () => {
    const { poller, calls } = setup(() => document(), { provider: { status: 'suspended' } })
    expect(await poller.refresh()).toEqual([])
    expect(calls).toEqual([])
  })

  it('is shared by those who ask while it runs', async () => {
    const { poller, calls } = setup(() => document(priced('x')))
    await Promise.all([poller.refresh(), poller.refresh()])
    expect(calls).toHaveLength(1)
  })

  it('lets a user’s own server list models without prices', async () => {
    const { poller, models } = setup(() => document({ id: 'llama3:8b' }), { provider: { source: 'config' } })
    await poller.refresh()
    expect(models()).toContain('llama3:8b')
  })
})

describe('price drift', () => {
  it('is told once against the file and once for each later change', async () => {
    const prices = ['0.5', '0.7', '0.7', '0.5']
    const { poller, drifts } = setup((_call, round) =>
      document({ id: 'listed', pricing: { prompt: prices[round - 1], completion: '0.5' } }),
    )
    for (const _ of prices) await poller.refresh()
    expect(drifts.map(({ against, after }) => [against, after.tiers[0].prompt])).toEqual([
      ['document', flatPricing('0.7').tiers[0].prompt],
      ['manifest', flatPricing('0.7').tiers[0].prompt],
      ['document', flatPricing('0.5').tiers[0].prompt],
    ])
  })
})

describe('the schedule', () => {
  it('plans the next round after each, a tenth earlier or later, until stopped', async () => {
    verifies('register.models.poll')
    const shares = [0, 0.999]
    const { poller, timers, calls } = setup(() => document(), { intervalMs: 1000, random: () => shares.shift() ?? 0.5 })
    poller.start()
    poller.start()
    expect(timers.map(({ ms }) => ms)).toEqual([900])
    timers[0]?.run()
    await poller.refresh()
    await new Promise((resolve) => setImmediate(resolve))
    expect(timers.map(({ ms }) => ms)).toEqual([900, 1100])
    poller.stop()
    expect(timers[1]?.cancelled).toBe(true)
    expect(calls).toHaveLength(1)
  })

  it('ends the exchange under way when stopped, without blaming the provider', async () => {
    const { poller } = setup(() => {
      poller.stop()
      return document(priced('x'))
    })
    expect(await poller.refresh()).toEqual([])
  })
})

async function* endless(): AsyncIterable<Uint8Array> {
  const chunk = new Uint8Array(MAX_DOCUMENT_BYTES / 4).fill(0x20)
  for (;;) yield chunk
}

async function* broken(): AsyncIterable<Uint8Array> {
  yield new Uint8Array([0x7b, 0xff, 0x7d])
}
