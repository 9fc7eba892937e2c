/** Whose a session, a receipt and a tool is over HTTP: the operator's, or of one key and of nobody else. */
import { afterEach, describe, expect, it } from 'vitest'
import type { CallerKey } from '../../src/ledger/caller-key.ts'
import { silentLog } from '../../src/lib/log.ts'
import type { Routeplane } from '../../src/routeplane.ts'
import { verifies } from '../support/verifies.ts'
import { TOKEN } from '../http/support.ts'
import { eras } from './client.ts'
import { createGateway } from './gateway.ts'
import { type McpServed, messageOf, serveMcp } from './http-server.ts'

const ALICE = 'rp_alice'
const BOB = 'rp_bob'

/** Two keys over the scripted gateway, one of them good for a single model; `revoked` holds those that are so no more. */
async function open(options: Parameters<typeof serveMcp>[0] = {}) {
  const gateway = createGateway()
  const revoked = new Set<string>()
  const rows = new Map<string, Pick<CallerKey, 'id' | 'models'>>([
    [ALICE, { id: 'key_alice', models: ['acme/a'] }],
    [BOB, { id: 'key_bob' }],
  ])
  const receipts = await gateway.receipts.list({})
  const withKeys: Routeplane = {
    ...gateway,
    keys: { ...gateway.keys, identify: async (key) => (revoked.has(key) ? undefined : (rows.get(key) as CallerKey | undefined)) },
    receipts: {
      ...gateway.receipts,
      get: async (id) => receipts.map((row) => ({ ...row, caller: 'key_alice' })).find((row) => row.id === id),
      list: async () => receipts.map((row) => ({ ...row, caller: 'key_alice' })),
    },
    status: async () => {
      const status = await gateway.status()
      const own = ['key_alice', 'key_bob'].map((id) => ({ ...status.caps[0], scope: `key:${id}`, window: 'day' }))
      return { ...status, caps: [...status.caps, ...own] } as Awaited<ReturnType<Routeplane['status']>>
    },
  }
  const served = await serveMcp(options, silentLog, withKeys)
  opened.push(served)
  return { served, revoked }
}

const opened: McpServed[] = []
afterEach(async () => void (await Promise.all(opened.splice(0).map((served) => served.close()))))

const bearer = (token: string) => ({ authorization: `Bearer ${token}` })
const rpc = (method: string, params?: object) => ({ jsonrpc: '2.0', id: 5, method, ...(params === undefined ? {} : { params }) })
const initialize = rpc('initialize', { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'raw', version: '1' } })

describe.each(eras)('the holder of a key, on %s', (era) => {
  it('is offered what is his, and nothing of the operator', async () => {
    verifies('card.mcp.identity')
    const { served } = await open()
    const alice = await served.connect(era, ALICE)
    expect((await alice.listTools()).tools.map(({ name }) => name)).toEqual(['list_models', 'complete'])
    expect((await alice.listResources()).resources.map(({ uri }) => uri)).toEqual(['routeplane://models'])
    expect((await alice.listResourceTemplates()).resourceTemplates.map(({ uriTemplate }) => uriTemplate)).toEqual([
      'routeplane://models/{+id}',
      'routeplane://receipts/{id}',
    ])
    await expect(alice.readResource({ uri: 'routeplane://presets' })).rejects.toMatchObject({ code: -32602 })
    await alice.close()
  })

  it('sees the models that his key is good for', async () => {
    const { served } = await open()
    const [alice, bob] = [await served.connect(era, ALICE), await served.connect(era, BOB)]
    const modelsOf = async (client: typeof alice) => {
      const { structuredContent } = await client.callTool({ name: 'list_models', arguments: {} })
      const [listed] = (await client.readResource({ uri: 'routeplane://models' })).contents as unknown as [{ text: string }]
      const ref = { type: 'ref/resource', uri: 'routeplane://models/{+id}' } as const
      const { completion } = await client.complete({ ref, argument: { name: 'id', value: '' } })
      const ids = (rows: unknown) => (rows as { id: string }[]).map(({ id }) => id).toSorted()
      const tool = ids((structuredContent as { models: unknown }).models)
      expect([ids((JSON.parse(listed.text) as { data: unknown }).data), completion.values]).toEqual([tool, tool])
      return tool
    }
    expect([await modelsOf(alice), await modelsOf(bob)]).toEqual([['acme/a'], ['acme/a', 'acme/b', 'other/c']])
    expect((await alice.readResource({ uri: 'routeplane://models/acme/a' })).contents).toHaveLength(1)
    await expect(alice.readResource({ uri: 'routeplane://models/other/c' })).rejects.toMatchObject({ code: -32602 })
    await Promise.all([alice.close(), bob.close()])
  })

  it('reads his own receipts, and the operator everybody’s', async () => {
    const { served } = await open()
    const uri = 'routeplane://receipts/att_1'
    const ref = { type: 'ref/resource', uri: 'routeplane://receipts/{id}' } as const
    for (const [token, isShown] of [
      [ALICE, true],
      [BOB, false],
      [undefined, true],
    ] as const) {
      const client = await served.connect(era, token)
      const read = await client.readResource({ uri }).catch((error: unknown) => error)
      expect(read).toMatchObject(isShown ? { contents: [{ uri }] } : { code: -32602 })
      const { completion } = await client.complete({ ref, argument: { name: 'id', value: '' } })
      expect(completion.values).toEqual(isShown ? ['att_1'] : [])
      await client.close()
    }
  })

  it('learns what is left of his own caps, and why a provider is out only as the operator', async () => {
    const { served } = await open()
    const [alice, operator] = [await served.connect(era, ALICE), await served.connect(era)]
    const ask = async (client: typeof alice, more: object = {}) =>
      (await client.callTool({ name: 'complete', arguments: { model: 'acme/a', prompt: 'x', ...more } })).structuredContent as {
        caps_left: { scope: string }[]
        refused?: unknown
        plan?: unknown
      }
    const scopes = async (client: typeof alice) => (await ask(client)).caps_left.map(({ scope }) => scope)
    expect([await scopes(alice), await scopes(operator)]).toEqual([
      ['request', 'key:key_alice'],
      ['request', 'all'],
    ])
    const [dry, all] = [await ask(alice, { dry_run: true }), await ask(operator, { dry_run: true })]
    expect([dry.plan, dry.refused]).toEqual([all.plan, undefined])
    expect(all.refused).toHaveLength(1)
    await Promise.all([alice.close(), operator.close()])
  })
})

describe('a session', () => {
  it.each([
    ['a key', ALICE, BOB],
    ['the operator', undefined, BOB],
  ])('of %s is not there for anybody else', async (_name, owner, other) => {
    const { served } = await open()
    const own = owner === undefined ? {} : bearer(owner)
    const id = String((await served.post(initialize, own)).headers.get('mcp-session-id'))
    const session = { 'mcp-session-id': id, 'mcp-protocol-version': '2025-11-25' }
    const list = rpc('tools/list')
    for (const stranger of [bearer(other), ...(owner === undefined ? [] : [{}])]) {
      const posted = await served.post(list, { ...stranger, ...session })
      expect([posted.status, await messageOf(posted)]).toMatchObject([404, { error: { code: -32001 } }])
      const asked = { ...bearer(TOKEN), ...stranger, ...session, accept: 'text/event-stream' }
      for (const method of ['GET', 'DELETE']) expect((await fetch(served.url, { method, headers: asked })).status).toBe(404)
    }
    const kept = await served.post(list, { ...own, ...session })
    expect([kept.status, await messageOf(kept)]).toMatchObject([200, { result: { tools: expect.any(Array) as unknown[] } }])
  })

  it('ends with its key', async () => {
    const { served, revoked } = await open()
    const id = String((await served.post(initialize, bearer(ALICE))).headers.get('mcp-session-id'))
    const session = { ...bearer(ALICE), 'mcp-session-id': id }
    expect((await served.post(rpc('tools/list'), session)).status).toBe(200)
    revoked.add(ALICE)
    const refused = await served.post(rpc('tools/list'), session)
    expect([refused.status, await messageOf(refused)]).toMatchObject([401, { error: { data: { code: 'unauthorized' } } }])
  })

  it('finds room for the operator, however many one key has opened', async () => {
    const { served } = await open({ maxSessions: 10 })
    const opens = async (headers: Record<string, string>) => (await served.post(initialize, headers)).status
    expect([await opens(bearer(ALICE)), await opens(bearer(ALICE)), await opens(bearer(BOB)), await opens({})]).toEqual([
      200, 429, 200, 200,
    ])
  })
})
