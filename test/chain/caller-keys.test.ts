/** Callers with keys: served without paying per call, within caps of their own, until the key ends. */
import { readFileSync } from 'node:fs'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { describe, expect, it, onTestFinished } from 'vitest'
import { parseUsd } from '../../src/money.ts'
import type { KeyWishes } from '../../src/routeplane.ts'
import { eras } from '../mcp/client.ts'
import { useDemoNetwork } from '../support/chain.ts'
import { chatWire, order, salesOf, startShop, wires } from '../support/shop.ts'

const current = useDemoNetwork()

async function openStall() {
  const shop = await startShop(current())
  const create = (wishes: Partial<KeyWishes> = {}) => shop.engine.routeplane.keys.create({ name: 'a caller', ...wishes })
  return { ...shop, create }
}

const bearer = (key: string) => ({ authorization: `Bearer ${key}` })

describe('a key', () => {
  it('is taken wherever the token is, on every wire, and nothing is sold to its holder', async () => {
    const { url, world, create, engine, provider } = await openStall()
    const { key, row } = await create()
    const shown = key.reveal()
    const places = [bearer(shown), { 'x-api-key': shown }, bearer(shown), { 'x-goog-api-key': shown }]
    for (const [at, wire] of wires.entries()) {
      const answer = await order(fetch, url, wire, { headers: places[at] ?? {} })
      expect([answer.status, wire.textOf(answer.text)]).toEqual([200, 'thrift heard: how are you?'])
    }
    const inQuery = await fetch(`${url}/v1beta/models/demo/echo:generateContent?key=${shown}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(wires[3]?.body(false, 'how are you?')),
    })
    expect([inQuery.status, await salesOf(world), provider.counters.paid]).toEqual([200, [], 5])
    const month = new Date().toISOString().slice(0, 7)
    const statement = await engine.routeplane.keys.statement(row.id, month)
    expect([statement.requests, statement.unpriced, statement.lines.map(({ model }) => model)]).toEqual([5, 0, ['demo/echo']])
    expect(statement.costUsd).toBeGreaterThan(0n)
    expect(engine.logged.join('\n')).not.toContain(shown)
    expect(readFileSync(world.ledgerPath).includes(shown)).toBe(false)
  })

  it('is good for nothing once it is revoked or expired, nor when it was never made', async () => {
    const { url, create, engine } = await openStall()
    const revoked = await create()
    const expired = await create({ expiresAt: Date.now() - 1 })
    expect((await order(fetch, url, chatWire, { headers: bearer(revoked.key.reveal()) })).status).toBe(200)
    await engine.routeplane.keys.revoke(revoked.row.id)
    for (const key of [revoked.key.reveal(), expired.key.reveal(), `rp_${'A'.repeat(43)}`]) {
      const answer = await order(fetch, url, chatWire, { headers: bearer(key) })
      expect([answer.status, answer.text.includes('unauthorized')]).toEqual([401, true])
      expect((await fetch(`${url}/v1/models`, { headers: bearer(key) })).status).toBe(401)
    }
    await expect(engine.routeplane.keys.revoke('key_nobody')).rejects.toThrow('there is no key')
  })

  it('may ask for its own models only, by whatever name', async () => {
    const { url, create } = await openStall()
    const { key } = await create({ models: ['other/model'] })
    for (const model of ['demo/echo', 'demo/echo:cost', 'thrift:demo/echo']) {
      const response = await fetch(`${url}/v1/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...bearer(key.reveal()) },
        body: JSON.stringify({ ...chatWire.body(false, 'hello'), model }),
      })
      expect([model, response.status, (await response.text()).includes('model_forbidden')]).toEqual([model, 403, true])
    }
  })

  it('spends within its own cap, which binds nobody else', async () => {
    const { url, create } = await openStall()
    const poor = await create({ perDayUsd: parseUsd('0.0001') })
    const rich = await create({ perDayUsd: parseUsd('0.5') })
    const refused = await order(fetch, url, chatWire, { headers: bearer(poor.key.reveal()) })
    expect([refused.status, refused.text.includes(`key:${poor.row.id}`)]).toEqual([403, true])
    expect((await order(fetch, url, chatWire, { headers: bearer(rich.key.reveal()) })).status).toBe(200)
  })

  it('opens nothing of the operator', async () => {
    const { url, create } = await openStall()
    const headers = bearer((await create()).key.reveal())
    const statuses = await Promise.all(
      ['/v1/models', '/v1/receipts', '/v1/status', '/v1/route/req_1'].map(async (path) => (await fetch(url + path, { headers })).status),
    )
    expect(statuses).toEqual([200, 401, 401, 401])
  })

  it.each(eras)('is served over MCP as over HTTP, on %s', async (era) => {
    const { url, world, create, engine } = await openStall()
    const [rich, poor, narrow] = [
      await create({ perDayUsd: parseUsd('0.5') }),
      await create({ perDayUsd: parseUsd('0.0001') }),
      await create({ models: ['other/model'] }),
    ]
    const ask = async ({ key }: typeof rich) => {
      const mode = era === '2026-07-28' ? { pin: era } : ('legacy' as const)
      const client = new Client({ name: 'agent', version: '1' }, { versionNegotiation: { mode } })
      await client.connect(new StreamableHTTPClientTransport(new URL(`${url}/mcp`), { requestInit: { headers: bearer(key.reveal()) } }))
      onTestFinished(() => client.close())
      const call = { name: 'complete', arguments: { model: 'demo/echo', prompt: 'how are you?', max_output_tokens: 20 } }
      return { client, ...(await client.callTool(call)) }
    }
    const { client, structuredContent } = await ask(rich)
    expect(structuredContent).toMatchObject({ text: 'thrift heard: how are you?', payment_mode: 'x402' })
    const { caps_left: caps, receipt_id: id } = structuredContent as { caps_left: { scope: string }[]; receipt_id: string }
    expect(caps.map(({ scope }) => scope)).toEqual(['request', `key:${rich.row.id}`])
    expect((await client.readResource({ uri: `routeplane://receipts/${id}` })).contents).toHaveLength(1)
    const other = await ask(poor)
    expect(other).toMatchObject({ isError: true, structuredContent: { code: 'budget_exceeded', details: { scope: `key:${poor.row.id}` } } })
    await expect(other.client.readResource({ uri: `routeplane://receipts/${id}` })).rejects.toMatchObject({ code: -32602 })
    expect(await ask(narrow)).toMatchObject({ isError: true, structuredContent: { code: 'model_forbidden' } })
    const statement = await engine.routeplane.keys.statement(rich.row.id, new Date().toISOString().slice(0, 7))
    expect([statement.lines.map(({ model, requests }) => [model, requests]), await salesOf(world)]).toEqual([[['demo/echo', 1]], []])
  })

  it('has its own responses kept, which no other key reads, goes on from or deletes', async () => {
    const { url, create } = await openStall()
    const [mine, other] = [bearer((await create()).key.reveal()), bearer((await create()).key.reveal())]
    const ask = async (headers: Record<string, string>, members: object = {}) =>
      fetch(`${url}/v1/responses`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify({ model: 'demo/echo', input: 'how are you?', max_output_tokens: 20, store: true, ...members }),
      })
    const { id } = (await (await ask(mine)).json()) as { id: string }
    const kept = `${url}/v1/responses/${id}`
    const stranger = await fetch(kept)
    expect([(await fetch(kept, { headers: other })).status, stranger.status]).toEqual([404, 401])
    expect((await ask(other, { previous_response_id: id })).status).toBe(404)
    expect((await fetch(kept, { method: 'DELETE', headers: other })).status).toBe(404)
    expect((await ask(mine, { previous_response_id: id })).status).toBe(200)
    expect(await (await fetch(kept, { headers: mine })).json()).toMatchObject({ id, object: 'response' })
    const counted = await fetch(`${url}/v1/responses/input_tokens`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...mine },
      body: JSON.stringify({ model: 'demo/echo', input: 'how are you?' }),
    })
    expect(counted.status).toBe(200)
    expect((await fetch(kept, { method: 'DELETE', headers: mine })).status).toBe(200)
    expect((await fetch(kept, { headers: mine })).status).toBe(404)
  })
})
