/** The starter config: what `init` writes, what lies at the root, and what it means are one thing. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { starterConfig } from '../../src/cli/starter.ts'
import { createEnvironment } from '../../src/config/environment.ts'
import { loadConfig } from '../../src/config/load.ts'
import { parseConfig } from '../../src/config/parse.ts'
import { formatUsd } from '../../src/money.ts'
import { createWorld } from './fake-context.ts'
import { verifies } from '../support/verifies.ts'

const environment = createEnvironment({ OPENROUTER_API_KEY: 'sk-or-1' }, '/homes/ada', '/srv')

/** Takes the `# ` off every line that is a commented key, and keeps the prose. */
function uncommented(text: string): string {
  return text.replace(/^( *)# ((?: *)(?:[a-z][\w-]*:|- ).*)$/gm, '$1$2').replace('"0x…"', '"0x209693Bc6afc0C5328bA36FaF03C514EF312287C"')
}

describe('the starter config', () => {
  it('is the file at the root of the package, to the byte', () => {
    expect(readFileSync(new URL('../../routeplane.yaml', import.meta.url), 'utf8')).toBe(starterConfig)
  })

  it('is valid as it stands, bound to loopback, capped and on play money', () => {
    verifies('sources.init.skip_auth', 'card.wallet.testnet')
    const config = parseConfig(starterConfig, { environment })
    expect(config).toMatchObject({
      skipAuth: true,
      listen: { host: '127.0.0.1', port: 4356 },
      wallet: { network: 'testnet' },
      providers: [],
    })
    expect([formatUsd(config.budget.perRequestUsd), formatUsd(config.budget.perDayUsd)]).toEqual(['0.5', '5'])
  })

  it('is valid with every commented line taken in', () => {
    verifies('sources.init.skip_auth')
    const config = parseConfig(uncommented(starterConfig), { environment })
    expect(
      config.providers.map(({ provider, apiKey }) => [provider.id, provider.access.kind, provider.payment.modes, apiKey?.reveal()]),
    ).toEqual([
      ['openrouter', 'api_key', ['byok'], 'sk-or-1'],
      ['ollama', 'none', ['byok'], undefined],
      ['example', 'none', ['x402'], undefined],
    ])
    expect(config.virtualModels).toMatchObject([{ name: 'local-first', endpoints: [{ provider: 'ollama' }, { provider: 'openrouter' }] }])
    expect(config.budget.perMonthUsd).toBeDefined()
  })
})

describe('init', () => {
  it('writes it where asked and then keeps its hands off', async () => {
    verifies('sources.init.path')
    const world = createWorld()
    const file = join(world.directory, 'deep', 'own.yaml')
    expect(await world.run('init', '-c', 'deep/own.yaml')).toMatchObject({
      code: 0,
      out: expect.stringContaining(`Wrote ${file}`) as string,
      error: '',
    })
    writeFileSync(file, 'listen: {port: 1}\n')
    const again = await world.run('init', '-c', file)
    expect([again.code, again.error.split('\n')[0]]).toEqual([2, `routeplane: ${file} is there already`])
    expect(readFileSync(file, 'utf8')).toBe('listen: {port: 1}\n')
  })

  it('writes ./routeplane.yaml unless told otherwise, and config check takes it', async () => {
    verifies('sources.init.writes')
    const world = createWorld()
    expect(JSON.parse((await world.run('init', '--format', 'json')).out)).toEqual({ file: join(world.directory, 'routeplane.yaml') })
    const { code, out } = await world.run('config', 'check')
    expect(code).toBe(0)
    expect(out).toContain('$0.50 per request, $5.00 per day')
  })

  it('says so when it cannot write', async () => {
    const world = createWorld()
    writeFileSync(join(world.directory, 'plain'), '')
    expect(await world.run('init', '-c', 'plain/x.yaml')).toMatchObject({
      code: 2,
      error: expect.stringContaining('cannot be written') as string,
    })
  })
})

describe('where a config is found', () => {
  it('takes the nearest file, and a named one before all', async () => {
    const { directory } = createWorld()
    const own = createEnvironment(
      { ROUTEPLANE_HOME: join(directory, 'state'), OPENAI_API_KEY: 'k' },
      join(directory, 'home'),
      join(directory, 'work'),
    )
    const port = async (file?: string) => (await loadConfig({ environment: own, ...(file === undefined ? {} : { file }) })).listen.port
    const put = (place: string, text: string) => {
      mkdirSync(join(directory, place), { recursive: true })
      writeFileSync(join(directory, place, 'routeplane.yaml'), text)
    }
    expect((await loadConfig({ environment: own })).providers.map(({ provider }) => provider.id)).toEqual(['openai'])
    put('home/.routeplane', 'listen: {port: 1}')
    expect(await port()).toBe(1)
    put('state', 'listen: {port: 2}')
    expect(await port()).toBe(2)
    put('work', 'listen: {port: 3}')
    expect(await port()).toBe(3)
    put('named', 'listen: {port: 4}')
    expect(await port('../named/routeplane.yaml')).toBe(4)
    await expect(port('../gone.yaml')).rejects.toMatchObject({
      code: 'config_invalid',
      message: expect.stringContaining('there is no config at') as string,
    })
    await expect(port('.')).rejects.toMatchObject({
      code: 'config_invalid',
      message: expect.stringContaining('cannot be read (EISDIR)') as string,
    })
  })
})
