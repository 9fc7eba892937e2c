/** Tools that the vendor runs, asked for across wires: carried as the other wire has them, or refused before anybody is asked. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { protocols } from '../../src/protocol/index.ts'
import type { ProtocolId } from '../../src/protocol/protocol.ts'
import { startGateway, type PlayedGateway } from '../support/gateway.ts'
import { playWire, says, type PlayedWire } from '../support/played-wire.ts'
import { bodyOf, type Json } from './matrix-rows.ts'

/** What a request must come to at each wire: the member that the upstream gets, or the path that is refused. */
type Case = {
  readonly caller: ProtocolId
  readonly members: Json
  readonly expected: Readonly<Partial<Record<ProtocolId, string | { readonly refused: string }>>>
}

const refused = (path: string) => ({ refused: path }) as const
const fn = { type: 'function', name: 'weather', parameters: { type: 'object', properties: {} }, strict: false }
const fnMessages = { name: 'weather', input_schema: { type: 'object', properties: {} } }
const server = { type: 'url', url: 'https://mcp.example', name: 'docs' }

/** Nothing but the refusal of all others: only the vendor has it. */
const nowhereElse = (caller: ProtocolId, tool: Json): Case => ({
  caller,
  members: { tools: [tool] },
  expected: Object.fromEntries(protocols.flatMap(({ id }) => (id === caller ? [] : [[id, refused('tools[0]')]]))),
})

const fromResponses: readonly Case[] = [
  ...['web_search', 'web_search_2025_08_26', 'web_search_preview'].map((type): Case => ({
    caller: 'responses',
    members: { tools: [{ type }] },
    expected: { chat_completions: refused('tools[0]'), messages: 'web_search_20250305', generate_content: 'googleSearch' },
  })),
  {
    caller: 'responses',
    members: { tools: [fn, { type: 'web_search' }], tool_choice: { type: 'web_search' } },
    expected: { chat_completions: refused('tools[1]'), messages: 'web_search_20250305', generate_content: refused('tools[1]') },
  },
  {
    caller: 'responses',
    members: { tools: [{ type: 'code_interpreter', container: { type: 'auto' } }] },
    expected: { chat_completions: refused('tools[0]'), messages: 'code_execution_20250825', generate_content: 'codeExecution' },
  },
  {
    caller: 'responses',
    members: { tools: [{ type: 'code_interpreter', container: 'cntr_1' }] },
    expected: { chat_completions: refused('tools[0]'), messages: refused('tools[0]'), generate_content: refused('tools[0]') },
  },
  {
    caller: 'responses',
    members: { tools: [{ type: 'mcp', server_label: 'docs', server_url: 'https://mcp.example', require_approval: 'never' }] },
    expected: { chat_completions: refused('tools[0]'), messages: 'mcp_servers', generate_content: refused('tools[0]') },
  },
  nowhereElse('responses', { type: 'mcp', server_label: 'docs', server_url: 'https://mcp.example' }),
  nowhereElse('responses', { type: 'file_search', vector_store_ids: ['vs_1'] }),
  nowhereElse('responses', { type: 'image_generation' }),
  nowhereElse('responses', { type: 'computer_use_preview', display_width: 800, display_height: 600, environment: 'browser' }),
  nowhereElse('responses', { type: 'computer' }),
  nowhereElse('responses', { type: 'shell', environment: { type: 'container_auto' } }),
  nowhereElse('responses', { type: 'programmatic_tool_calling' }),
]

const fromMessages: readonly Case[] = [
  {
    caller: 'messages',
    members: { tools: [{ type: 'web_search_20250305', name: 'web_search' }] },
    expected: { chat_completions: refused('tools[0]'), responses: 'web_search', generate_content: 'googleSearch' },
  },
  {
    caller: 'messages',
    members: {
      tools: [fnMessages, { type: 'web_search_20250305', name: 'web_search' }],
      tool_choice: { type: 'tool', name: 'web_search' },
    },
    expected: { chat_completions: refused('tools[1]'), responses: 'web_search', generate_content: refused('tools[1]') },
  },
  {
    caller: 'messages',
    members: { tools: [{ type: 'web_fetch_20250910', name: 'web_fetch' }] },
    expected: { chat_completions: refused('tools[0]'), responses: refused('tools[0]'), generate_content: 'urlContext' },
  },
  {
    caller: 'messages',
    members: { tools: [{ type: 'code_execution_20250825', name: 'code_execution' }] },
    expected: { chat_completions: refused('tools[0]'), responses: 'code_interpreter', generate_content: 'codeExecution' },
  },
  {
    caller: 'messages',
    members: { mcp_servers: [server], tools: [{ type: 'mcp_toolset', mcp_server_name: 'docs' }] },
    expected: { chat_completions: refused('tools[0]'), responses: refused('tools[0]'), generate_content: refused('tools[0]') },
  },
  nowhereElse('messages', { type: 'computer_20250124', name: 'computer', display_width_px: 800, display_height_px: 600 }),
  nowhereElse('messages', { type: 'tool_search_tool_bm25_20251119', name: 'tool_search_tool_bm25' }),
  nowhereElse('messages', { type: 'advisor_20260301', name: 'advisor', model: 'claude-opus-4-7' }),
]

const fromGoogle: readonly Case[] = [
  ...['googleSearch', 'googleSearchRetrieval', 'google_search'].map((name): Case => ({
    caller: 'generate_content',
    members: { tools: [{ [name]: {} }] },
    expected: { chat_completions: refused('tools[0]'), responses: 'web_search', messages: 'web_search_20250305' },
  })),
  {
    caller: 'generate_content',
    members: { tools: [{ urlContext: {} }] },
    expected: { chat_completions: refused('tools[0]'), responses: refused('tools[0]'), messages: 'web_fetch_20250910' },
  },
  {
    caller: 'generate_content',
    members: { tools: [{ codeExecution: {} }] },
    expected: { chat_completions: refused('tools[0]'), responses: 'code_interpreter', messages: 'code_execution_20250825' },
  },
  nowhereElse('generate_content', { computerUse: { environment: 'ENVIRONMENT_BROWSER' } }),
  nowhereElse('generate_content', { fileSearch: { fileSearchStoreNames: ['fileSearchStores/a'] } }),
  nowhereElse('generate_content', { googleMaps: {} }),
]

const fromChat: readonly Case[] = [
  {
    caller: 'chat_completions',
    members: { web_search_options: {} },
    expected: { responses: 'web_search', messages: 'web_search_20250305', generate_content: 'googleSearch' },
  },
]

const cases = [...fromResponses, ...fromMessages, ...fromGoogle, ...fromChat]

let gateway: PlayedGateway
const played = new Map<ProtocolId, PlayedWire>()
const providerOf = (wire: ProtocolId): string => `played-${wire.replace('_', '-')}`

/** Whoever has no search is asked first. */
const both = ['chat_completions', 'messages'] as const

beforeAll(async () => {
  for (const protocol of protocols) played.set(protocol.id, await playWire(protocol, () => says('done')))
  gateway = await startGateway(
    [...played].map(([id, { baseUrl }]) => ({ id: providerOf(id), baseUrl, wires: [id] })),
    [`models: { both: { endpoints: [${both.map((id) => `{ provider: ${providerOf(id)}, model: any }`).join(', ')}] } }`],
  )
})
afterAll(async () => {
  await gateway.close()
  await Promise.all([...played.values()].map(({ upstream }) => upstream.close()))
})

async function ask(caller: ProtocolId, members: Json, model: string): Promise<{ readonly status: number; readonly text: string }> {
  const paths: Readonly<Record<ProtocolId, string>> = {
    chat_completions: '/v1/chat/completions',
    responses: '/v1/responses',
    messages: '/v1/messages',
    generate_content: `/v1beta/models/${model}:generateContent`,
  }
  const body = JSON.stringify(bodyOf(caller, members, model))
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(gateway.url + paths[caller], { method: 'POST', headers, body })
  return { status: response.status, text: await response.text() }
}

const cells = cases.flatMap(({ caller, members, expected }) =>
  Object.entries(expected).map(([upstream, outcome]) => ({
    caller,
    upstream: upstream as ProtocolId,
    outcome,
    members,
    of: JSON.stringify(members),
  })),
)

describe('a hosted tool', () => {
  it.each(cells)('from $caller to $upstream: $of', async ({ caller, upstream, members, outcome }) => {
    const { requests } = (played.get(upstream) as PlayedWire).upstream
    const before = requests.length
    const answer = await ask(caller, members, `${providerOf(upstream)}:any`)
    if (typeof outcome === 'string') {
      expect(answer.status, answer.text).toBe(200)
      expect(requests).toHaveLength(before + 1)
      expect(JSON.stringify(requests.at(-1)?.json)).toContain(`"${outcome}"`)
    } else {
      expect(answer.status, answer.text).toBe(400)
      expect(requests, 'nobody was asked').toHaveLength(before)
      expect(answer.text).toContain(outcome.refused)
    }
  })

  it('goes to the provider that has it, when another one has not', async () => {
    const answer = await ask('responses', { tools: [{ type: 'web_search' }] }, 'both')
    expect(answer.status, answer.text).toBe(200)
    expect(JSON.stringify(played.get('messages')?.upstream.requests.at(-1)?.json)).toContain('web_search_20250305')
  })
})
