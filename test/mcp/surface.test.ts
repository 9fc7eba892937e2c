/** What the MCP server offers besides its tools: resources, prompts, help with typing, and how it presents itself. */
import type { Client } from '@modelcontextprotocol/client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { verifies } from '../support/verifies.ts'
import { eras } from './client.ts'
import { type McpServed, serveMcp } from './http-server.ts'

describe.each(eras)('on %s', (era) => {
  const running: { served?: McpServed; client?: Client } = {}
  beforeAll(async () => {
    running.served = await serveMcp()
    running.client = await running.served.connect(era)
  })
  afterAll(async () => {
    await running.client?.close()
    await running.served?.close()
  })
  const client = () => running.client as Client
  const read = async (uri: string) => {
    const [first] = (await client().readResource({ uri })).contents
    expect(first).toMatchObject({ uri, mimeType: 'application/json' })
    return JSON.parse((first as { text: string }).text) as Record<string, unknown>
  }

  it('presents itself with a name, an icon that needs no fetching, and where to read more', () => {
    const { title, websiteUrl, icons } = client().getServerVersion() ?? {}
    expect({ title, websiteUrl }).toEqual({ title: 'Routeplane', websiteUrl: 'https://routeplane.app' })
    expect(icons).toMatchObject([{ mimeType: 'image/svg+xml', src: expect.stringMatching(/^data:image\/svg\+xml;base64,/) as string }])
  })

  it('offers models, presets and receipts to read', async () => {
    verifies('card.mcp.http')
    const { resources } = await client().listResources()
    expect(resources.map(({ uri }) => uri)).toEqual(['routeplane://models', 'routeplane://presets'])
    const { resourceTemplates } = await client().listResourceTemplates()
    expect(resourceTemplates.map(({ uriTemplate }) => uriTemplate)).toEqual([
      'routeplane://models/{+id}',
      'routeplane://receipts/{id}',
      'routeplane://presets/{id}',
    ])
    expect(await read('routeplane://models')).toMatchObject({
      object: 'list',
      data: [{ id: 'acme/b' }, { id: 'acme/a' }, { id: 'other/c' }],
    })
    expect(await read('routeplane://models/acme/a')).toMatchObject({ id: 'acme/a', providers: [{ id: 'byok-shop' }] })
    expect(await read('routeplane://models/acme%2Fa')).toMatchObject({ id: 'acme/a' })
    expect(await read('routeplane://presets')).toEqual({
      object: 'list',
      data: [{ name: 'operator', model: 'acme/a', max_cost_usd: '0.01' }],
    })
    expect(await read('routeplane://presets/operator')).toMatchObject({ max_cost_usd: '0.01' })
    expect(await read('routeplane://receipts/att_1')).toMatchObject({ payment_mode: 'x402', held_usd: '0.0004' })
  })

  it('helps to type ids', async () => {
    const complete = async (ref: Parameters<Client['complete']>[0]['ref'], name: string, value: string) =>
      (await client().complete({ ref, argument: { name, value } })).completion.values
    expect(await complete({ type: 'ref/resource', uri: 'routeplane://models/{+id}' }, 'id', 'ac')).toEqual(['acme/a', 'acme/b'])
    expect(await complete({ type: 'ref/resource', uri: 'routeplane://models/{+id}' }, 'id', 'other')).toEqual(['other/c'])
    expect(await complete({ type: 'ref/resource', uri: 'routeplane://receipts/{id}' }, 'id', 'att')).toEqual(['att_1'])
    expect(await complete({ type: 'ref/resource', uri: 'routeplane://presets/{id}' }, 'id', 'op')).toEqual(['operator'])
    expect(await complete({ type: 'ref/prompt', name: 'second_opinion' }, 'model', 'oth')).toEqual(['other/c'])
    expect(await complete({ type: 'ref/prompt', name: 'second_opinion' }, 'question', 'x')).toEqual([])
  })

  it('offers prompts that name the tools', async () => {
    const { prompts } = await client().listPrompts()
    expect(prompts.map(({ name, arguments: given }) => [name, given?.map(({ name: each, required }) => [each, required])])).toEqual([
      [
        'second_opinion',
        [
          ['question', true],
          ['model', false],
          ['max_cost_usd', false],
        ],
      ],
      [
        'choose_model',
        [
          ['task', true],
          ['requirements', false],
        ],
      ],
    ])
    const { messages } = await client().getPrompt({ name: 'second_opinion', arguments: { question: 'Why?', max_cost_usd: '0.02' } })
    expect(messages).toMatchObject([
      { role: 'user', content: { type: 'text', text: expect.stringContaining('with max_cost_usd 0.02') as string } },
    ])
    await expect(client().getPrompt({ name: 'second_opinion', arguments: {} })).rejects.toMatchObject({ code: -32602 })
  })
})
