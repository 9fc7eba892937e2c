/** What came in and what went out, as the operator reads it: over HTTP and on the command line, both directions and each by itself. */
import { expect, it } from 'vitest'
import { commandLine } from '../promises/world.ts'
import { useDemoNetwork } from '../support/chain.ts'
import { OPERATOR_TOKEN, chatWire, createBuyer, order, payingFetch, salesOf, startShop } from '../support/shop.ts'

const current = useDemoNetwork()

type Entry = { readonly id: string; readonly direction: 'in' | 'out'; readonly request_id: string }
type Page = { readonly data: readonly Entry[]; readonly has_more: boolean; readonly last_id?: string }

it('lists both directions of one request, page by page and each by itself', async () => {
  const { url, world } = await startShop(current(), { charge: ['margin: "0.5"'] })
  const buy = payingFetch(await createBuyer(current()))
  for (const text of ['one?', 'two?']) expect((await order(buy, url, chatWire, { text })).status).toBe(200)
  const read = async (query: string) => {
    const response = await fetch(`${url}/v1/receipts?${query}`, { headers: { authorization: `Bearer ${OPERATOR_TOKEN}` } })
    return { status: response.status, ...((await response.json()) as Page) }
  }
  const sales = await salesOf(world)
  const requests = sales.map(({ requestId }) => requestId)
  const all = await read('direction=all')
  expect(all.data.map(({ direction }) => direction).toSorted()).toEqual(['in', 'in', 'out', 'out'])
  expect(all.data.map((entry) => entry.request_id).toSorted()).toEqual([...requests, ...requests].toSorted())
  expect((await read('direction=in')).data.map(({ id }) => id)).toEqual(sales.map(({ id }) => id))
  expect((await read('')).data.map(({ direction }) => direction)).toEqual(['out', 'out'])
  expect((await read(`direction=all&request_id=${requests[0]}`)).data.map(({ direction }) => direction).toSorted()).toEqual(['in', 'out'])
  const paged: string[] = []
  for (let page = await read('direction=all&limit=1'); ; page = await read(`direction=all&limit=1&before=${page.last_id}`)) {
    paged.push(...page.data.map(({ id }) => id))
    if (!page.has_more) break
  }
  expect(paged).toEqual(all.data.map(({ id }) => id))
  for (const query of ['direction=up', 'direction=all&before=a-b-c', 'direction=all&before=-', 'direction=in&before=A'])
    expect((await read(query)).status).toBe(400)
})

it('shows them on the command line, with keys of callers beside', async () => {
  const { url, world, engine } = await startShop(current(), { charge: ['margin: "0.5"'] })
  expect((await order(payingFetch(await createBuyer(current())), url, chatWire)).status).toBe(200)
  await engine.close()
  const line = commandLine({ variables: world.variables })
  const run = async (...args: string[]) => {
    const { code, out, error } = await line.run(...args, '--config', world.file)
    return code === 0 ? out : `${code} ${error}`
  }
  const [sale] = await salesOf(world)
  const json = async (...args: string[]) => JSON.parse(await run(...args, '--format', 'json')) as Record<string, Entry[]>
  const both = (await json('receipts', 'list', '--direction', 'all'))['receipts'] ?? []
  expect(both.map(({ request_id: id }) => id)).toEqual([sale?.requestId, sale?.requestId])
  expect((await json('receipts', 'list', '--direction', 'in'))['receipts']?.map(({ id }) => id)).toEqual([sale?.id])
  expect(await run('receipts', 'list', '--direction', 'all')).toMatch(/WAY[^]*\bin\b[^]*\bout\b|WAY[^]*\bout\b[^]*\bin\b/)
  expect(await run('receipts', 'list', '--direction', 'up')).toMatch(/^2 .*--direction is one of in, out, all/)
  expect((await json('sales', 'list'))['sales']).toMatchObject([
    { id: sale?.id, state: 'settled', margin_usd: expect.stringMatching(/^0\.0/) },
  ])
  expect(await run('sales', 'show', sale?.id ?? '')).toContain(sale?.transaction)
  expect(await run('sales', 'show', 'sale_none')).toMatch(/^1 .*no sale/)
  expect(await run('sales', 'collect')).toContain('0 sales collected')

  const made = JSON.parse(await run('keys', 'create', 'alice', '--per-day', '2', '--model', 'demo/echo', '--format', 'json')) as Record<
    string,
    string
  >
  expect(made).toMatchObject({ name: 'alice', key: expect.stringMatching(/^rp_/) })
  expect(await run('keys', 'list')).toMatch(/alice +good/)
  // Shown once: nothing that is kept gives it back.
  expect(await run('keys', 'list', '--format', 'json')).not.toContain(made['key'])
  expect(await run('keys', 'revoke', made['id'] ?? '')).toContain('is revoked')
  expect(await run('keys', 'list')).toMatch(/alice +revoked/)
  expect(await run('keys', 'revoke', 'key_none')).toMatch(/^1 /)
  expect(await run('keys', 'create', 'bob', '--per-day', 'much')).toMatch(/^2 /)
})
