/** `doctor` over the real engine: what is well, what is not, and what nobody answers. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { onTestFinished, describe, expect, it } from 'vitest'
import { commandLine, said, source } from '../promises/world.ts'
import { useDemoNetwork } from '../support/chain.ts'
import { freePort, startRawUpstream } from '../support/upstream.ts'
import type { World, WorldOptions } from '../cli/fake-context.ts'

const current = useDemoNetwork()

type Told = {
  readonly ok: boolean
  readonly code?: string
  readonly findings: readonly { readonly check: string; readonly subject?: string; readonly state: string; readonly message: string }[]
}

function write(world: World, config: object): void {
  const common = { skip_auth: true, listen: { port: 0 }, ledger: { path: './ledger.db' } }
  writeFileSync(join(world.directory, 'routeplane.yaml'), JSON.stringify({ ...common, ...config }))
}

async function examine(config: object, options: WorldOptions = {}): Promise<{ readonly code: number; readonly told: Told }> {
  const world = commandLine(options)
  write(world, config)
  const { code, out } = await world.run('doctor', '--format', 'json')
  return { code, told: JSON.parse(out) as Told }
}

/** What was found of a thing. */
function of({ findings }: Told, check: string, subject?: string) {
  return findings.find((each) => each.check === check && each.subject === subject)
}

const models = [{ id: 'maker/m' }]
const deadPort = async () => `http://127.0.0.1:${await freePort()}/v1`

describe('doctor', () => {
  it('finds nothing wrong with a provider that answers and a wallet with money, and says where the gateway runs', async () => {
    const network = current()
    const upstream = await source(said('hello'))
    const world = commandLine({ variables: { PAYER: network.payer.privateKey.reveal() } })
    const wallet = { key_env: 'PAYER', networks: [network.network], rpc: { [network.network]: network.rpcUrl } }
    const config = { providers: { one: { api_base: `${upstream.url}/v1`, models } }, wallet }
    write(world, config)
    const running = world.run('serve', '--format', 'json')
    const url = await world.said(/"url": "([^"]+)"/)
    write(world, { ...config, listen: { port: Number(new URL(url).port) } })
    const { code, out } = await world.run('doctor', '--format', 'json')
    const told = JSON.parse(out) as Told
    expect([code, told.ok, told.code]).toEqual([0, true, undefined])
    expect(of(told, 'provider', 'one')).toMatchObject({ state: 'ok', message: 'answers; 1 model' })
    expect(of(told, 'chain', network.network)).toMatchObject({ state: 'ok', message: expect.stringContaining('$100.00 USDC') as string })
    expect(of(told, 'wallet')).toMatchObject({ state: 'ok', message: expect.stringContaining(network.payer.address) as string })
    expect(of(told, 'gateway')).toMatchObject({ state: 'ok', message: expect.stringContaining(`runs at ${url}, version`) as string })
    expect(upstream.requests.every(({ method }) => method === 'GET')).toBe(true)
    world.interrupt('SIGTERM')
    await running
  })

  it('says that nobody answers, and names everybody who does not', async () => {
    const { network, payer } = current()
    const wallet = { key_env: 'PAYER', networks: [network], rpc: { [network]: await deadPort() } }
    const providers = { one: { api_base: await deadPort(), models } }
    const { code, told } = await examine({ providers, wallet }, { variables: { PAYER: payer.privateKey.reveal() } })
    expect([code, told.ok, told.code]).toEqual([1, false, 'offline'])
    expect(of(told, 'provider', 'one')).toMatchObject({ state: 'failed', message: expect.stringContaining('cannot be reached') as string })
    expect(of(told, 'chain', network)).toMatchObject({ state: 'failed', message: 'its node does not answer' })
  })

  it('waits for nobody who takes a connection and says nothing', async () => {
    const { network, payer } = current()
    const silent = await startRawUpstream(() => {})
    onTestFinished(() => silent.close())
    const wallet = { key_env: 'PAYER', networks: [network], rpc: { [network]: silent.url } }
    const config = { providers: { one: { api_base: silent.url, models } }, wallet, registry: { url: `${silent.url}/registry.json` } }
    const { code, told } = await examine(config, { variables: { PAYER: payer.privateKey.reveal() } })
    expect([code, told.code]).toEqual([1, 'offline'])
    expect(of(told, 'chain', network)).toMatchObject({ state: 'failed', message: 'its node does not answer' })
    expect(of(told, 'provider', 'one')).toMatchObject({
      state: 'failed',
      message: expect.stringContaining('no answer in 3000 ms') as string,
    })
    expect(of(told, 'registry')).toMatchObject({ state: 'failed', message: 'no answer in 3000 ms' })
    expect(of(told, 'ledger')).toMatchObject({ state: 'ok' })
  })

  it('is told apart from a machine that is offline when one of two answers', async () => {
    const upstream = await source(said('hello'))
    const providers = { one: { api_base: `${upstream.url}/v1`, models }, two: { api_base: await deadPort(), models } }
    const { code, told } = await examine({ providers })
    expect([code, told.code]).toEqual([1, undefined])
    expect([of(told, 'provider', 'one')?.state, of(told, 'provider', 'two')?.state]).toEqual(['ok', 'failed'])
  })

  it('knows a gateway from whatever else listens at its port', async () => {
    const other = await source({ json: { status: 'fine' } })
    const { code, told } = await examine({ listen: { port: Number(new URL(other.url).port) } })
    expect([code, of(told, 'gateway')?.message]).toEqual([1, expect.stringContaining('something else listens at')])
  })

  it('says what is wrong with a config, and looks no further', async () => {
    const { code, told } = await examine({ budget: { per_day_usd: 'much' } })
    expect([code, told.findings.map(({ check, state }) => [check, state])]).toEqual([1, [['config', 'failed']]])
  })

  it('tells people what to do, in a table', async () => {
    const world = commandLine()
    write(world, {})
    const { code, out } = await world.run('doctor')
    expect(code).toBe(0)
    for (const part of ['look  provider  none is configured', 'routeplane init', 'Nothing is wrong.']) expect(out).toContain(part)
  })

  it('shows a locked wallet', async () => {
    const world = commandLine({ variables: { ROUTEPLANE_WALLET_PASSWORD: 'correct horse' } })
    write(world, { providers: { one: { api_base: await deadPort(), models } }, wallet: { networks: [current().network] } })
    expect((await world.run('wallet', 'create')).code).toBe(0)
    const locked = commandLine()
    const keystore = join(world.directory, 'home', '.routeplane', 'wallet.json')
    write(locked, { wallet: { keystore, networks: [current().network], rpc: { [current().network]: current().rpcUrl } } })
    const told = JSON.parse((await locked.run('doctor', '--format', 'json')).out) as Told
    expect(of(told, 'wallet')).toMatchObject({ state: 'warning', message: expect.stringContaining('is locked') as string })
    expect(of(told, 'chain', current().network)).toMatchObject({ state: 'warning', message: expect.stringContaining('$0.00') as string })
  })
})
