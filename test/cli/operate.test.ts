/** Commands of a gateway's everyday life over the real engine: presets, providers, and taking a config anew. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ask } from '../support/engine.ts'
import { freePort } from '../support/upstream.ts'
import { commandLine, said, source } from '../promises/world.ts'
import { fullPreset } from '../support/full-preset.ts'
import type { World } from './fake-context.ts'

function write(world: World, config: object): void {
  const common = { skip_auth: true, listen: { port: 0 }, ledger: { path: './ledger.db' } }
  writeFileSync(join(world.directory, 'routeplane.yaml'), JSON.stringify({ ...common, ...config }))
}

describe('presets', () => {
  it('are made, changed, shown and deleted, and those of the config stay', async () => {
    const world = commandLine()
    write(world, { presets: { fixed: { model: 'maker/m' } } })
    const run = async (...args: string[]) => {
      const { code, out, error } = await world.run('presets', ...args)
      return code === 0 ? out : `${code} ${error}`
    }
    expect(await run('set', 'fast', '--model', 'maker/m', '--sort', 'latency', '--max-cost', '0.01')).toBe('Kept @fast\n')
    expect(await run('set', 'fast', '--only', 'a,b', '--params', '{"temperature": 0}')).toBe('Kept @fast\n')
    expect(JSON.parse(await run('show', 'fast', '--format', 'json'))).toEqual({
      name: 'fast',
      model: 'maker/m',
      models: null,
      system_prompt: null,
      params: { temperature: 0 },
      routing: { sort: 'latency', only: ['a', 'b'] },
      max_cost_usd: '0.01',
      clamp_to_budget: null,
      payment_prefer: null,
    })
    expect(await run('list')).toMatchInlineSnapshot(`
      "PRESET  MODEL    SORT     CAP
      @fast   maker/m  latency  $0.01
      @fixed  maker/m
      "
    `)
    expect(readFileSync(join(world.directory, 'home', '.routeplane', 'presets.json'), 'utf8')).not.toContain('fixed')
    expect(await run('set', 'bad', '--sort', 'luck')).toMatch(/^1 .*sort order/)
    expect(await run('set', 'bad', '--params', '[]')).toMatch(/^2 /)
    expect(await run('set', 'bad', '--clamp-to-budget', 'maybe')).toMatch(/^2 /)
    expect(await run('set', 'bad', '--max-cost', 'five')).toMatch(/^[12] /)
    expect(await run('delete', 'fixed')).toMatch(/^2 .*stands in the config/)
    expect(await run('delete', 'none')).toMatch(/^1 .*no preset/)
    expect(await run('delete', 'fast')).toBe('Deleted @fast\n')
    expect(await run('show', 'fast')).toMatch(/^1 .*no preset/)
  })

  it('say on the command line whatever the config says', async () => {
    const world = commandLine()
    write(world, { presets: { written: fullPreset } })
    const { routing, params } = fullPreset
    const typed = Object.entries({
      model: fullPreset.model,
      models: fullPreset.models.join(','),
      system: fullPreset.system_prompt,
      params: JSON.stringify(params),
      sort: routing.sort,
      only: routing.only.join(','),
      ignore: routing.ignore.join(','),
      order: routing.order.join(','),
      'max-cost': fullPreset.max_cost_usd,
      'clamp-to-budget': 'yes',
      prefer: fullPreset.payment.prefer.join(','),
    })
    const { code, error } = await world.run('presets', 'set', 'typed', ...typed.flatMap(([name, value]) => [`--${name}`, value]))
    expect([code, error]).toEqual([0, ''])
    const show = async (name: string) => JSON.parse((await world.run('presets', 'show', name, '--format', 'json')).out) as object
    expect(await show('typed')).toEqual({ ...(await show('written')), name: 'typed' })
    expect(Object.values(await show('typed'))).not.toContain(null)
  })
})

describe('providers', () => {
  it('are shown with their endpoints, their document and where their prices differ', async () => {
    const upstream = await source({
      json: {
        data: [
          { id: 'm-1', pricing: { prompt: '0.000002', completion: '0.000002' } },
          { id: 'bad', pricing: { prompt: 'x' } },
        ],
      },
    })
    const pricing = { prompt: '0.000001', completion: '0.000001' }
    const world = commandLine()
    write(world, {
      upstream: { allow_loopback: true },
      providers: { acme: { api_base: upstream.url, models_url: `${upstream.url}/models`, models: [{ id: 'm-1', pricing }] } },
    })
    const listed = await world.run('providers')
    expect(listed.out).toContain('read, 1 row left out')
    const { out, code } = await world.run('providers', 'show', 'acme')
    expect(code).toBe(0)
    expect(out).toContain('unmeasured')
    expect(out).toMatch(/m-1 +manifest +\$1.00, \$1.00 +\$2.00, \$2.00/)
    const value = JSON.parse((await world.run('providers', 'show', 'acme', '--format', 'json')).out) as object
    expect(value).toMatchObject({
      id: 'acme',
      endpoints: [{ upstream_model: 'm-1', uptime: null }],
      price_drifts: [{ against: 'manifest' }],
    })
    expect((await world.run('providers', 'show', 'acne')).error).toContain('Did you mean acme?')
  })
})

describe('a running gateway', () => {
  it('takes the config anew by command and by SIGHUP, and keeps what it has when it cannot', async () => {
    const [one, two] = [await source(said('one')), await source(said('two'))]
    const hangUps: (() => void)[] = []
    const world = commandLine({ onHangUp: (run) => hangUps.push(run) })
    const config = (url: string, more: object = {}) =>
      write(world, { providers: { it: { api_base: `${url}/v1`, models: [{ id: 'maker/m' }] } }, ...more })
    config(one.url)
    const serving = world.run('serve', '--format', 'json')
    const url = await world.said(/"url": "([^"]+)"/)
    const body = { model: 'maker/m', messages: [{ role: 'user', content: 'hello' }], max_tokens: 4 }
    expect((await ask(url, body)).text).toContain('one')

    config(two.url)
    expect((await world.run('reload', '--url', url)).out).toContain('has taken')
    expect((await ask(url, body)).text).toContain('two')

    config(one.url, { listen: { port: 1 } })
    const refused = await world.run('reload', '--url', url)
    expect([refused.code, refused.error]).toEqual([2, expect.stringContaining('only a restart can change listen') as string])
    writeFileSync(join(world.directory, 'routeplane.yaml'), 'providers: [')
    expect((await world.run('reload', '--url', url)).code).toBe(2)
    expect((await ask(url, body)).text).toContain('two')

    config(one.url)
    hangUps[0]?.()
    await expect.poll(async () => (await ask(url, body)).text).toContain('one')
    world.interrupt('SIGTERM')
    expect((await serving).code).toBe(0)
  })

  it('is not there', async () => {
    const world = commandLine()
    write(world, {})
    const { code, error } = await world.run('reload', '--url', `http://127.0.0.1:${await freePort()}`)
    expect([code, error]).toEqual([1, expect.stringContaining('no gateway answers') as string])
  })
})
