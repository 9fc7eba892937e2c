/** Every way of asking where a request would go says what the real request then does, and what it did is kept. */
import { describe, expect, it } from 'vitest'
import { silentLog } from '../../src/lib/log.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { OPERATOR } from '../../src/mcp/audience.ts'
import { complete } from '../../src/mcp/complete.ts'
import { ask } from '../support/engine.ts'
import { commandLine, failed, open, said, source, type OpenWorld } from '../promises/world.ts'

type Card = {
  readonly request_id: string
  readonly attempts: readonly { readonly endpoint: string; readonly mode: string }[]
  readonly candidates: readonly { readonly endpoint: string; readonly rank: number }[]
  readonly refused: readonly { readonly endpoint: string; readonly reason: string }[]
  readonly error?: { readonly code: string }
}

const json = async (response: Response) => (await response.json()) as Card
const post = (url: string, body: object, query = '', headers: Record<string, string> = {}) =>
  fetch(`${url}/v1/route${query}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })

const body = { model: 'maker/m', messages: [{ role: 'user', content: 'hello' }], max_tokens: 4 }

/** One that fails, one that answers, one that is too dear for the request's own cap. */
async function market(): Promise<OpenWorld> {
  const [bad, good, dear] = [await source(failed(500)), await source(said('good')), await source(said('dear'))]
  const block = (url: string, price: string) => ({
    api_base: `${url}/v1`,
    models: [{ id: 'maker/m', pricing: { prompt: price, completion: price }, max_output_length: 100 }],
  })
  const providers = { bad: block(bad.url, '0.000001'), good: block(good.url, '0.000002'), dear: block(dear.url, '1') }
  return open({ config: { providers } })
}

const decided = ({ request_id: id, ...card }: Card) => ({ ...card, id: id.slice(0, 4) })

describe('a decision', () => {
  it('is the same by route, by dry run and by the request itself, which keeps it', async () => {
    const world = await market()
    const capped = { ...body, routeplane: { max_cost_usd: '0.01' } }
    const planned = await json(await post(world.url, capped))
    expect(planned.attempts.map(({ endpoint }) => endpoint)).toEqual(['bad:maker/m', 'good:maker/m'])
    expect(planned.refused).toMatchObject([{ endpoint: 'dear:maker/m', reason: 'price_above_cap' }])

    const context = {
      routeplane: world.routeplane,
      caller: OPERATOR,
      connection: { isForOneRequest: false },
      clock: systemClock,
      log: silentLog,
      signal: AbortSignal.timeout(5_000),
      addMeta: () => {},
    }
    const dry = await complete.call(
      { model: 'maker/m', prompt: 'hello', max_output_tokens: 4, max_cost_usd: '0.01', dry_run: true },
      context,
    )
    expect(dry.plan?.map(({ endpoint, payment_mode: mode }) => ({ endpoint, mode }))).toMatchObject(
      planned.attempts.map(({ endpoint, mode }) => ({ endpoint, mode })),
    )
    expect(dry.refused?.map(({ endpoint }) => endpoint)).toEqual(['dear:maker/m'])

    const reply = await ask(world.url, capped)
    expect([reply.headers.get('x-routeplane-provider'), reply.headers.get('x-routeplane-attempts')]).toEqual(['good', '2'])
    const id = reply.headers.get('x-routeplane-request-id') ?? ''
    const kept = await json(await fetch(`${world.url}/v1/route/${id}`))
    expect(kept.request_id).toBe(id)
    expect(decided(kept)).toEqual(decided(planned))

    await world.routeplane.close()
    const line = commandLine({ variables: { ROUTEPLANE_HOME: world.directory } })
    const replayed = await line.run('route', '--replay', id, '-c', world.file, '--format', 'json')
    expect(replayed.code).toBe(0)
    expect(JSON.parse(replayed.out)).toEqual(kept)
    const text = await line.run('route', '--replay', id, '-c', world.file)
    expect(text.out).toContain('dear:maker/m  price_above_cap')
    expect((await line.run('route', '--replay', 'req_none', '-c', world.file)).code).toBe(1)
  })

  it('is kept of a request that nobody answered', async () => {
    const world = await open({
      config: { providers: { bad: { api_base: `${(await source(failed(500))).url}/v1`, models: [{ id: 'maker/m' }] } } },
    })
    const reply = await ask(world.url, body)
    expect(reply.status).toBe(502)
    const kept = await json(await fetch(`${world.url}/v1/route/${reply.headers.get('x-routeplane-request-id')}`))
    expect(kept.attempts).toMatchObject([{ endpoint: 'bad:maker/m', mode: 'byok' }])
  })

  it('is read off any wire', async () => {
    const world = await market()
    const contents = [{ role: 'user', parts: [{ text: 'hello' }] }]
    const asked = [
      await post(world.url, { model: 'maker/m', input: 'hello', max_output_tokens: 4 }),
      await post(world.url, body, '', { 'anthropic-version': '2023-06-01' }),
      await post(world.url, body, '?protocol=messages'),
      await post(world.url, { model: 'maker/m', contents }),
    ]
    for (const response of asked) {
      expect(response.status).toBe(200)
      expect((await json(response)).attempts[0]?.endpoint).toBe('bad:maker/m')
    }
  })

  it('says what a request would be told', async () => {
    const world = await market()
    const nobody = await json(await post(world.url, { ...body, provider: { only: ['dear'] }, max_cost_usd: '0.001' }))
    expect(nobody).toMatchObject({ attempts: [], error: { code: 'no_eligible_endpoint' } })
    const statuses = [
      await post(world.url, { ...body, model: 'maker/none' }),
      await post(world.url, body, '?protocol=telnet'),
      await post(world.url, {}),
      await fetch(`${world.url}/v1/route/${'x'.repeat(99)}`),
      await fetch(`${world.url}/v1/route`),
    ].map(({ status }) => status)
    expect(statuses).toEqual([404, 400, 400, 404, 405])
  })
})

describe('the endpoints of a model', () => {
  it('show what traffic has shown', async () => {
    const world = await market()
    const before = (await (await fetch(`${world.url}/v1/models/maker/m/endpoints`)).json()) as { data: { endpoints: object[] } }
    expect(before.data.endpoints).toHaveLength(3)
    expect(before.data.endpoints[0]).toMatchObject({ uptime_last_30m: null, status: 0 })
    for (let times = 0; times < 6; times++) await ask(world.url, { ...body, model: 'maker/m:cost' })
    const after = (await (await fetch(`${world.url}/v1/models/maker/m/endpoints`)).json()) as { data: unknown }
    expect(after.data).toMatchObject({
      id: 'maker/m',
      endpoints: [
        { tag: 'bad', status: -1, uptime_last_30m: 0, routeplane: { cooldown: { kind: 'ejected' } } },
        { tag: 'dear', uptime_last_30m: null },
        {
          tag: 'good',
          status: 0,
          uptime_last_30m: 100,
          pricing: { prompt: '0.000002' },
          routeplane: { uptime: 1, endpoint: 'good:maker/m' },
        },
      ],
    })
    const detail = (await (await fetch(`${world.url}/v1/models/maker/m`)).json()) as { providers: readonly object[] }
    expect(detail.providers[2]).toMatchObject({ id: 'good', uptime: 1 })
    expect((await fetch(`${world.url}/v1/models/maker/none/endpoints`)).status).toBe(404)
  })
})

describe('a reload', () => {
  it('takes another config whole, and keeps the old one when the new one cannot be taken', async () => {
    const [one, two] = [await source(said('one')), await source(said('two'))]
    const config = (url: string, more: object = {}) => ({
      providers: { it: { api_base: `${url}/v1`, models: [{ id: 'maker/m' }] } },
      ...more,
    })
    const world = await open({ config: config(one.url) })
    const reload = (next: Readonly<Record<string, unknown>>) => world.reload(next)
    expect((await ask(world.url, body)).text).toContain('one')
    await reload(config(two.url, { presets: { fast: { model: 'maker/m' } } }))
    expect((await ask(world.url, { ...body, model: '@fast' })).text).toContain('two')
    await expect(reload(config(one.url, { listen: { port: 1 } }))).rejects.toMatchObject({
      code: 'config_invalid',
      details: { changed: ['listen'] },
    })
    const untilRestart: readonly (readonly [string, object])[] = [
      ['wallet', { wallet: { network: 'mainnet' } }],
      ['payment.schemes', { payment: { schemes: ['exact'] } }],
      ['payment.accounts', { payment: { accounts: { it: 'acct-1' } } }],
      ['payment.channels', { payment: { channels: { per_provider: 2 } } }],
      ['payment.preemptive', { payment: { preemptive: 'never' } }],
      ['log', { log: { level: 'error' } }],
    ]
    for (const [name, more] of untilRestart)
      await expect(reload(config(one.url, more)), name).rejects.toMatchObject({ details: { changed: [name] } })
    expect((await ask(world.url, { ...body, model: '@fast' })).text).toContain('two')
  })
})
