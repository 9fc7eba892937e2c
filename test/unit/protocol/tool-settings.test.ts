/** The settings of a tool that another vendor runs: each that its counterpart is not given is a loss of its own. */
import { expect, it } from 'vitest'
import { protocols } from '../../../src/protocol/index.ts'
import type { Protocol, ProtocolId } from '../../../src/protocol/protocol.ts'
import { lossesOfCase } from '../../conformance/matrix-table.ts'

const wire = (id: ProtocolId): Protocol => {
  const found = protocols.find((each) => each.id === id)
  if (found === undefined) throw new Error(id)
  return found
}

type Json = Readonly<Record<string, unknown>>

function lostSettings(caller: ProtocolId, upstream: ProtocolId, members: Json): readonly string[] {
  return lossesOfCase(wire(caller), wire(upstream), members)
    .filter(({ action }) => action === 'omitted')
    .map(({ path }) => path)
}

const place = { type: 'approximate', city: 'Bonn', country: 'DE' }
const chat = { web_search_options: { search_context_size: 'low', user_location: { type: 'approximate', approximate: place } } }
const openaiSearch = {
  tools: [{ type: 'web_search', search_context_size: 'low', user_location: place, filters: { allowed_domains: ['a.example'] } }],
}
const anthropicSearch = {
  tools: [
    {
      type: 'web_search_20250305',
      name: 'web_search',
      max_uses: 3,
      allowed_domains: ['a.example'],
      user_location: place,
      defer_loading: false,
    },
  ],
}
const anthropicFetch = { tools: [{ type: 'web_fetch_20250910', name: 'web_fetch', max_uses: 3, citations: { enabled: true } }] }
const googleSearch = {
  tools: [{ googleSearch: { excludeDomains: ['b.example'], timeRangeFilter: { startTime: '2026-01-01T00:00:00Z' } } }],
}
const code = { tools: [{ type: 'code_interpreter', container: { type: 'auto', memory_limit: '4g' } }] }
const server = {
  tools: [{ type: 'mcp', server_label: 'docs', server_url: 'https://mcp.example', require_approval: 'never', headers: { 'x-key': '1' } }],
}

it.each<readonly [ProtocolId, ProtocolId, Json, readonly string[]]>([
  ['chat_completions', 'responses', chat, []],
  ['chat_completions', 'messages', chat, ['tools[0].search_context_size']],
  ['chat_completions', 'generate_content', chat, ['tools[0].search_context_size', 'tools[0].user_location']],
  ['responses', 'messages', openaiSearch, ['tools[0].search_context_size']],
  ['responses', 'generate_content', openaiSearch, ['tools[0].search_context_size', 'tools[0].user_location', 'tools[0].filters']],
  ['responses', 'messages', code, ['tools[0].container.memory_limit']],
  ['responses', 'generate_content', code, ['tools[0].container.memory_limit']],
  ['responses', 'messages', server, ['tools[0].headers']],
  ['responses', 'messages', { tools: [{ type: 'web_search', external_web_access: true }] }, []],
  ['responses', 'messages', { tools: [{ type: 'web_search', external_web_access: false }] }, ['tools[0].external_web_access']],
  ['messages', 'responses', anthropicSearch, ['tools[0].max_uses']],
  ['messages', 'generate_content', anthropicSearch, ['tools[0].max_uses', 'tools[0].allowed_domains', 'tools[0].user_location']],
  ['messages', 'generate_content', anthropicFetch, ['tools[0].max_uses', 'tools[0].citations']],
  ['generate_content', 'responses', googleSearch, ['tools[0].excludeDomains', 'tools[0].timeRangeFilter']],
  ['generate_content', 'messages', googleSearch, ['tools[0].timeRangeFilter']],
])('%s to %s of %j', (caller, upstream, members, lost) => {
  expect(lostSettings(caller, upstream, members)).toEqual(lost)
})
