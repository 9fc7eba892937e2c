/** What the order itself said: MCP tools over the real engine, silence about secrets, payments that chain and receipts confirm. */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Client } from '@modelcontextprotocol/client'
import { InMemoryTransport } from '@modelcontextprotocol/server'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createMcpServer } from '../../src/mcp/server.ts'
import { silentLog } from '../../src/lib/log.ts'
import { startRelay } from '../gateway/relay.ts'
import { useDemoNetwork } from '../support/chain.ts'
import { ask, closedBooks, expectUntouched, openEngine, question, readBooks, writeWorld, type TestEngine } from '../support/engine.ts'
import { verifies } from '../support/verifies.ts'
import { chunk, commandLine, ending, open, source } from './world.ts'

/** An MCP client of an engine, in one process. */
async function connect({ routeplane }: TestEngine): Promise<Client> {
  const [ours, theirs] = InMemoryTransport.createLinkedPair()
  const server = createMcpServer(async () => routeplane, { version: 'test', log: silentLog })
  const client = new Client({ name: 'test', version: '1' })
  await server.connect(ours)
  await client.connect(theirs)
  onTestFinished(() => client.close())
  return client
}

describe('the MCP tools over a real engine', () => {
  const start = async () => {
    const upstream = await source({ stream: [chunk('Something.'), ending] })
    const models = [{ id: 'maker/m', pricing: { prompt: '0.000001', completion: '0.000002' } }]
    return connect(await open({ config: { providers: { local: { api_base: upstream.url, models } } } }))
  }

  it('list models, remember presets, and answer with who it was and what it cost', async () => {
    verifies('card.mcp.list_models', 'card.mcp.set_preset', 'card.mcp.complete')
    const client = await start()
    const use = async (name: string, input: Record<string, unknown>) =>
      (await client.callTool({ name, arguments: input })).structuredContent
    expect(await use('list_models', {})).toMatchObject({
      models: [{ id: 'maker/m', providers: ['local'], payment_modes: ['byok'], prompt_usd_per_token: '0.000001' }],
    })
    expect(await use('set_preset', { name: 'mine', model: 'maker/m' })).toMatchObject({ created: true })
    expect(await use('complete', { model: '@mine', prompt: 'say something', max_output_tokens: 8 })).toMatchObject({
      text: 'Something.',
      provider: 'local',
      model: 'maker/m',
      cost_usd: '0.00002',
      payment_mode: 'byok',
    })
  })

  it('answer with structures that their declared schemas describe, and with the same as text', async () => {
    verifies('card.mcp.structured')
    const client = await start()
    const { tools } = await client.listTools()
    const calls: Readonly<Record<string, readonly Record<string, unknown>[]>> = {
      list_models: [{}, { limit: 0 }],
      set_preset: [{ name: 'a', model: 'maker/m' }, { name: '../a' }],
      complete: [
        { model: 'maker/m', prompt: 'hi' },
        { model: 'maker/m', prompt: 'hi', dry_run: true },
        { model: 'maker/none', prompt: 'hi' },
      ],
    }
    expect(tools.map(({ name }) => name).toSorted()).toEqual(Object.keys(calls).toSorted())
    for (const { name, outputSchema } of tools) {
      const judge = new Ajv2020({ strict: false }).compile((outputSchema ?? {}) as object)
      for (const input of calls[name] ?? []) {
        const { content, structuredContent } = await client.callTool({ name, arguments: input })
        expect([judge(structuredContent), judge.errors], name).toEqual([true, null])
        const [first] = content as unknown as readonly { readonly text: string }[]
        expect(JSON.parse(first?.text ?? '')).toEqual(structuredContent)
      }
    }
  })
})

const current = useDemoNetwork()
const prices = { prompt: '0.000001', completion: '0.000005' }

describe('a paid request', () => {
  it('leaves no key, no signature and no password in logs, answers, receipts or the ledger’s list', async () => {
    verifies('card.wallet.silent')
    const relay = await startRelay(await current().startProvider({ id: 'thrift', prices }))
    const world = await writeWorld(current(), { sellers: [relay] })
    const engine = await openEngine(world)
    const url = await engine.serve()
    const reply = await ask(url)
    expect(reply.status).toBe(200)
    const books = await closedBooks(world)
    const paths = ['/v1/receipts', `/v1/receipts/${books.rows[0]?.id ?? ''}?verify=1`, '/v1/status', '/v1/models']
    const shown = await Promise.all(paths.map(async (path) => (await fetch(url + path)).text()))
    const everything = [...engine.logged, reply.text, JSON.stringify([...reply.headers]), ...shown].join('\n').toLowerCase()
    const [credential = ''] = relay.credentials
    const { payload } = JSON.parse(Buffer.from(credential, 'base64').toString()) as { readonly payload: { readonly signature: string } }
    expect(payload.signature).toMatch(/^0x[0-9a-f]{130}$/i)
    for (const secret of [world.key.reveal(), payload.signature]) expect(everything).not.toContain(secret.slice(2).toLowerCase())
    expect(everything).not.toContain(credential.toLowerCase())
    expect(everything).toContain('settled')
  })

  it('is refused for a cap that is too low with a status nobody pays, and nothing is signed', async () => {
    verifies('card.cap.refusal', 'card.cap.request')
    const seller = await current().startProvider({ id: 'thrift', prices })
    const world = await writeWorld(current(), { sellers: [seller], perDayUsd: '0.0000001' })
    const url = await (await openEngine(world)).serve()
    const [day, own] = [await ask(url), await ask(url, { ...question, routeplane: { max_cost_usd: '0.000001' } })]
    expect([day.status, day.error?.code, day.error?.money]).toEqual([403, 'budget_exceeded', 'untouched'])
    expect([own.status, own.error?.code]).toEqual([403, 'price_above_cap'])
    expectUntouched(await readBooks(world))
  })

  it('can be read again from the command line, with its proof', async () => {
    verifies('card.receipt.readable', 'card.receipt.verified')
    const world = await writeWorld(current(), { sellers: [await current().startProvider({ id: 'thrift', prices })] })
    const engine = await openEngine(world)
    await ask(await engine.serve())
    const { rows } = await closedBooks(world)
    const { run } = commandLine({ variables: world.variables })
    const [row] = rows
    expect((await run('receipts', 'list', '-c', world.file)).out).toContain(row?.id)
    expect((await run('receipts', 'show', row?.id ?? '', '-c', world.file)).out).toContain(row?.payment?.transaction)
    expect(await run('receipts', 'verify', row?.id ?? '', '-c', world.file)).toMatchObject({ code: 0 })
  })
})

it('`routeplane demo` shows a paid request and its proof, without a key or a cent', async () => {
  verifies('card.demo')
  const home = mkdtempSync(join(tmpdir(), 'routeplane-demo-home-'))
  onTestFinished(() => rmSync(home, { recursive: true, force: true }))
  const entry = fileURLToPath(new URL('../../src/bin/routeplane.ts', import.meta.url))
  const env = { PATH: process.env['PATH'], HOME: home }
  const args = ['--import', import.meta.resolve('tsx'), entry, 'demo']
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: home, env, timeout: 60_000 })
  expect(new Set(stdout.match(/transaction +0x[0-9a-f]{64}\n/g)).size).toBe(2)
  expect(stdout.match(/VERIFIED on chain/g)).toHaveLength(2)
  expect(stdout).toContain('they agree')
}, 60_000)
