/** Caps of one provider, one key and one preset, over real payments: each binds its own calls and nobody else's. */
import { expect, it } from 'vitest'
import { createEnvironment } from '../../src/config/environment.ts'
import { loadConfig } from '../../src/config/load.ts'
import { parseUsd } from '../../src/money.ts'
import { useDemoNetwork } from '../support/chain.ts'
import { ask, closedBooks, expectBalanced, openEngine, question, rewriteConfig, writeWorld } from '../support/engine.ts'

const current = useDemoNetwork()
const prices = { prompt: '0.000001', completion: '0.000005' }
const startSeller = (id: string) => current().startProvider({ id, prices })
const pinned = (id: string) => ({ ...question, model: `${id}:demo/echo` })

type Refusal = { readonly message: string; readonly code: string }

async function refusalOf(reply: { readonly text: string; readonly status: number }): Promise<Refusal> {
  expect(reply.status).toBe(403)
  return (JSON.parse(reply.text) as { error: Refusal }).error
}

it('a cap of one provider refuses its calls by name, and others are paid as before', async () => {
  const [thrift, posh] = [await startSeller('thrift'), await startSeller('posh')]
  const world = await writeWorld(current(), { sellers: [thrift, posh], perDayUsd: '1' })
  const lines = ['budget: { per_day_usd: "1", providers: { thrift: { per_day_usd: "0.0000001" }, posh: { per_request_usd: "0.1" } } }']
  const engine = await openEngine(await rewriteConfig(world, lines))
  const url = await engine.serve()
  const refused = await refusalOf(await ask(url, pinned('thrift')))
  expect(refused.code).toBe('budget_exceeded')
  expect(refused.message).toMatch(/is left of the provider:thrift day:\d{4}-\d\d-\d\d cap of \$0\.0000001; it begins anew at \d{4}-/)
  expect((await ask(url, pinned('posh'))).status).toBe(200)
  const { caps } = await engine.routeplane.status()
  const left = caps.find(({ scope }) => scope === 'provider:thrift')
  expect([left?.capUsd, left?.availableUsd]).toEqual([parseUsd('0.0000001'), parseUsd('0.0000001')])
  expect(left?.resetsAt).toBeGreaterThan(0)
  expectBalanced(await closedBooks(world))
})

it('a lower cap per request of a provider sends the call to the next one', async () => {
  const [thrift, posh] = [await startSeller('thrift'), await startSeller('posh')]
  const world = await writeWorld(current(), { sellers: [thrift, posh] })
  const engine = await openEngine(await rewriteConfig(world, ['budget: { providers: { thrift: { per_request_usd: "0.0000001" } } }']))
  const reply = await ask(await engine.serve())
  expect([reply.status, reply.headers.get('x-routeplane-provider')]).toEqual([200, 'posh'])
})

it('caps of a key and of a preset count what was spent before they were written', async () => {
  const seller = await startSeller('thrift')
  const world = await writeWorld(current(), { sellers: [seller], lines: ['presets: { cheap: { model: "demo/echo:cost" } }'] })
  const first = await openEngine(world)
  const url = await first.serve()
  const body = { ...question, model: '@cheap' }
  expect((await ask(url, body)).status).toBe(200)
  const { rows } = await closedBooks(world)
  await first.close()
  const [row] = rows
  expect([row?.caller, row?.preset]).toEqual(['local', 'cheap'])
  const paid = row?.payment?.settledUsd as bigint
  expect(paid).toBeGreaterThan(0n)

  const later = await openEngine(
    await rewriteConfig(world, [
      'budget: { keys: { local: { total_usd: "0.00000001" } } }',
      'presets: { cheap: { model: "demo/echo:cost" } }',
    ]),
  )
  expect((await refusalOf(await ask(await later.serve(), body))).message).toContain('$0 is left of the key:local total cap of $0.00000001')
  await later.close()

  const capped = 'presets: { cheap: { model: "demo/echo:cost", budget: { per_month_usd: "0.00000001" } } }'
  const latest = await openEngine(await rewriteConfig(world, ['budget: {}', capped]))
  const latestUrl = await latest.serve()
  expect((await refusalOf(await ask(latestUrl, body))).message).toContain('$0 is left of the preset:cheap month:')
  expect((await ask(latestUrl)).status).toBe(200)
  expectBalanced(await closedBooks(world))
})

it('caps are raised and lowered while a call is under way: it ends as it began, and nothing new is granted until there is room', async () => {
  const seller = await current().startProvider({ id: 'thrift', prices, tokenDelayMs: 20 })
  const world = await writeWorld(current(), { sellers: [seller], perDayUsd: '1' })
  const engine = await openEngine(world)
  const url = await engine.serve()
  const take = async (line: string) => {
    await rewriteConfig(world, [line])
    const environment = createEnvironment(world.variables, world.directory, world.directory)
    await engine.routeplane.reload(await loadConfig({ file: world.file, environment }))
  }
  const dayCap = async () => (await engine.routeplane.status()).caps.find(({ window }) => window.startsWith('day:'))
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...question, stream: true }),
  })
  const reader = response.body?.getReader()
  expect((await reader?.read())?.done).toBe(false)

  await take('budget: { per_request_usd: "0.02", per_day_usd: "0.0000001" }')
  expect(await dayCap()).toMatchObject({ capUsd: parseUsd('0.0000001'), availableUsd: 0n })
  expect((await refusalOf(await ask(url))).message).toContain('$0 is left of the day')
  let rest = ''
  for (let step = await reader?.read(); step?.done === false; step = await reader?.read()) rest += Buffer.from(step.value).toString()
  expect(rest).toContain('data: [DONE]')
  expect((await refusalOf(await ask(url))).code).toBe('budget_exceeded')

  await take('budget: { per_request_usd: "0.02", per_day_usd: "2", providers: { thrift: { per_day_usd: "0.0000001" } } }')
  expect((await refusalOf(await ask(url))).message).toContain('provider:thrift day')
  await take('budget: { per_request_usd: "0.02", per_day_usd: "2" }')
  expect((await ask(url)).status).toBe(200)
  const books = await closedBooks(world)
  expect(books.rows.filter(({ state }) => state === 'settled')).toHaveLength(2)
  expectBalanced(books)
})
