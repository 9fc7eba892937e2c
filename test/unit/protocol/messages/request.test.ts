/** What is read of a Messages request, and what is refused before anything is paid. */
import { describe, expect, it } from 'vitest'
import { RouteplaneError } from '../../../../src/errors.ts'
import { isRecord } from '../../../../src/lib/json.ts'
import { wrapCarrier } from '../../../../src/protocol/carrier.ts'
import { messages } from '../../../../src/protocol/messages/index.ts'
import { estimateCount, readCount } from '../../../../src/protocol/messages/count-tokens.ts'
import { attachedData } from '../../../../src/protocol/messages/thinking.ts'
import { ask, wireOf } from './support.ts'

const decode = (json: Record<string, unknown>, headers: Record<string, string> = {}) =>
  messages.caller.decodeRequest(wireOf({ ...ask, ...json }, headers))
const user = (...content: readonly unknown[]) => ({ messages: [{ role: 'user', content }] })
const call = { type: 'tool_use', id: 'toolu_1', name: 'add', input: { a: 1 } }
const result = { type: 'tool_result', tool_use_id: 'toolu_1', content: '2' }
const loop = (...content: readonly unknown[]) => ({
  messages: [
    { role: 'user', content: 'hi' },
    { role: 'assistant', content: [call] },
    { role: 'user', content: content.length === 0 ? [result] : content },
  ],
})

/** The refusal of a request, as `path: message`. */
function refusal(json: Record<string, unknown>, headers: Record<string, string> = {}, read = messages.caller.read): RouteplaneError {
  try {
    read(wireOf(json, headers))
  } catch (error) {
    if (error instanceof RouteplaneError) return error
    throw error
  }
  throw new Error('the request was taken')
}

describe('a request', () => {
  it('is read into the neutral one', () => {
    const request = decode({
      system: [
        { type: 'text', text: 'Be brief.', cache_control: { type: 'ephemeral', ttl: '1h' } },
        { type: 'text', text: 'Be kind.' },
      ],
      temperature: 0.5,
      top_p: 0.9,
      top_k: 4,
      stop_sequences: ['END'],
      stream: true,
      metadata: { user_id: 'u' },
      service_tier: 'auto',
      tool_choice: { type: 'any', disable_parallel_tool_use: true },
      tools: [{ name: 'add', description: 'Adds.', input_schema: { type: 'object' }, strict: true, cache_control: { type: 'ephemeral' } }],
      output_config: { effort: 'xhigh', format: { type: 'json_schema', schema: { type: 'object' } } },
      thinking: { type: 'adaptive', display: 'omitted' },
    })
    expect(request).toEqual({
      model: 'a/b',
      system: [
        { text: 'Be brief.', role: 'system', cache: { ttl: '1h' } },
        { text: 'Be kind.', role: 'system' },
      ],
      turns: [{ role: 'user', parts: [{ type: 'text', text: 'hi' }] }],
      tools: [{ type: 'function', name: 'add', description: 'Adds.', schema: { type: 'object' }, strict: true, cache: {} }],
      toolChoice: { mode: 'required' },
      parallelToolCalls: false,
      sampling: { temperature: 0.5, topP: 0.9, topK: 4 },
      maxOutputTokens: 4096,
      stop: ['END'],
      candidates: 1,
      reasoning: { adaptive: true, effort: 'xhigh', display: 'omitted' },
      output: { kind: 'schema', schema: { type: 'object' }, strict: true },
      outputModalities: ['text'],
      stream: true,
      state: {},
      account: { metadata: { user_id: 'u' }, service_tier: 'auto' },
      unknown: [],
    })
  })

  it.each([
    [{ type: 'enabled', budget_tokens: 2000 }, { budgetTokens: 2000 }],
    [{ type: 'disabled' }, { effort: 'none' }],
    [{ type: 'adaptive' }, { adaptive: true }],
  ])('with thinking %o reasons by %o', (thinking, reasoning) => {
    expect(decode({ thinking }).reasoning).toEqual(reasoning)
  })

  it('keeps media in the form it came in', () => {
    const source = { type: 'base64', media_type: 'image/JPG', data: 'AAAA' }
    const request = decode(
      user(
        { type: 'image', source, cache_control: { type: 'ephemeral' } },
        { type: 'image', source: { type: 'url', url: 'https://a.test/x.png' } },
        { type: 'image', source: { type: 'file', file_id: 'file_1' } },
        { type: 'document', source: { type: 'base64', media_type: 'application/pdf', data: 'JVBE' }, title: 'T' },
        { type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'words' }, title: 'T' },
        {
          type: 'document',
          source: {
            type: 'content',
            content: [
              { type: 'text', text: 'a' },
              { type: 'text', text: 'b' },
            ],
          },
        },
        { type: 'document', source: { type: 'url', url: 'https://a.test/x.pdf' } },
        { type: 'search_result', source: 'https://a.test', title: 'Found', content: [{ type: 'text', text: 'it' }] },
      ),
    )
    expect(request.turns[0]?.parts).toEqual([
      { type: 'image', source: { kind: 'inline', mimeType: 'image/jpeg', base64: 'AAAA' }, cache: {} },
      { type: 'image', source: { kind: 'url', url: 'https://a.test/x.png' } },
      { type: 'image', source: { kind: 'id', wire: 'messages', id: 'file_1' } },
      { type: 'file', source: { kind: 'inline', mimeType: 'application/pdf', base64: 'JVBE' }, filename: 'T' },
      { type: 'file', source: { kind: 'text', text: 'words', title: 'T' } },
      { type: 'file', source: { kind: 'text', text: 'a\n\nb' } },
      { type: 'file', source: { kind: 'url', url: 'https://a.test/x.pdf', mimeType: 'application/pdf' } },
      { type: 'file', source: { kind: 'text', text: 'it', title: 'Found (https://a.test)' } },
    ])
    expect(request.unknown).toEqual([])
  })

  it('has what only this wire can do as foreign parts', () => {
    const cited = { type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'x' }, citations: { enabled: true } }
    const upload = { type: 'container_upload', file_id: 'f' }
    expect(decode(user(cited, upload)).turns[0]?.parts).toEqual([
      { type: 'foreign', wire: 'messages', raw: cited },
      { type: 'foreign', wire: 'messages', raw: upload },
    ])
  })

  it('gives results their own turn before what the user says beside them', () => {
    const request = decode(loop({ ...result, is_error: true, cache_control: { type: 'ephemeral' } }, { type: 'text', text: 'and?' }))
    expect(request.turns.slice(1)).toEqual([
      {
        role: 'assistant',
        parts: [{ type: 'tool-call', id: 'toolu_1', name: 'add', arguments: { kind: 'json', text: '{"a":1}', value: { a: 1 } } }],
      },
      {
        role: 'tool',
        parts: [{ type: 'tool-result', callId: 'toolu_1', isError: true, content: [{ type: 'text', text: '2' }], cache: {} }],
      },
      { role: 'user', parts: [{ type: 'text', text: 'and?' }] },
    ])
  })

  it('keeps a system message where it stands', () => {
    const request = decode({
      messages: [
        { role: 'user', content: 'hi' },
        { role: 'system', content: 'Now in French.', output_config: { effort: 'low' } },
        { role: 'assistant', content: 'Oui.' },
        { role: 'user', content: 'go' },
      ],
    })
    expect(request.turns.map(({ role }) => role)).toEqual(['user', 'system', 'assistant', 'user'])
    expect(request.unknown).toEqual([{ path: 'messages[1].output_config', value: { effort: 'low' } }])
  })

  it('gives thoughts back to who signed them', () => {
    const carrier = { wire: 'responses', provider: 'openai', kind: 'encrypted_content', value: 'gAAA', itemId: 'rs_1' } as const
    const request = decode({
      messages: [
        { role: 'user', content: 'hi' },
        {
          role: 'assistant',
          content: [
            { type: 'thinking', thinking: 'own', signature: 'EqQ==' },
            { type: 'thinking', thinking: 'theirs', signature: wrapCarrier(carrier) },
            { type: 'redacted_thinking', data: wrapCarrier(carrier) },
            { type: 'redacted_thinking', data: `${wrapCarrier(carrier).slice(0, -2)}xx` },
            { type: 'text', text: 'x' },
          ],
        },
        { role: 'user', content: 'go' },
      ],
    })
    expect(request.turns[1]?.parts).toEqual([
      { type: 'reasoning', form: 'full', text: ['own'], carriers: [{ wire: 'messages', kind: 'signature', value: 'EqQ==' }] },
      { type: 'reasoning', form: 'full', text: ['theirs'], carriers: [carrier] },
      { type: 'reasoning', form: 'omitted', text: [], carriers: [carrier] },
      { type: 'text', text: 'x' },
    ])
  })

  it('gives a signature back to its call, also when the client has put it in front', () => {
    const carrier = { wire: 'generate_content', provider: 'google', kind: 'thought_signature', value: 'eA==' } as const
    const [data = ''] = attachedData([carrier], 'toolu_1')
    const sealed = { type: 'redacted_thinking', data }
    for (const content of [
      [sealed, call],
      [call, sealed],
    ]) {
      const request = decode({ messages: [{ role: 'user', content: 'hi' }, { role: 'assistant', content }, ...loop().messages.slice(2)] })
      expect(request.turns[1]?.parts).toEqual([expect.objectContaining({ type: 'tool-call', id: 'toolu_1', carriers: [carrier] })])
    }
  })

  it('leaves out empty texts, which answers of other wires leave behind', () => {
    expect(decode(user({ type: 'text', text: '' }, { type: 'text', text: 'x' })).turns[0]?.parts).toEqual([{ type: 'text', text: 'x' }])
  })

  it('lists what no other wire has, by its path', () => {
    const request = decode({
      tools: [{ name: 'f', input_schema: { type: 'object' }, defer_loading: true, allowed_callers: ['direct'] }],
      fallbacks: [{ model: 'x' }],
      ...user({ type: 'text', text: 'x', citations: [] }),
    })
    expect(request.unknown).toEqual([
      { path: 'tools[0].defer_loading', value: true },
      { path: 'fallbacks', value: [{ model: 'x' }] },
    ])
  })

  it('keeps what it does not know, however deep it stands, and leaves out what says nothing', () => {
    const odd = { odd: 1, empty: null, none: [] }
    const image = { type: 'base64', media_type: 'image/png', data: 'AAAA' }
    const { unknown } = decode({
      system: [{ type: 'text', text: 'Be brief.', ...odd }],
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'hi', cache_control: { type: 'ephemeral', scope: 'mine' }, ...odd },
            { type: 'image', source: { ...image, ...odd } },
            { type: 'document', source: { type: 'url', url: 'https://files.example/a.pdf', ...odd }, context: 'c' },
            {
              type: 'document',
              source: { type: 'content', content: [{ type: 'text', text: 'x', ...odd }] },
              citations: { enabled: false },
            },
            { type: 'document', source: { type: 'text', data: 'x', ...odd }, citations: { enabled: true } },
            { type: 'search_result', source: 's', title: 't', content: [{ type: 'text', text: 'x', ...odd }] },
            { type: 'newer', ...odd },
          ],
        },
        { role: 'assistant', content: [{ ...call, caller: { type: 'direct' }, ...odd }], ...odd },
        { role: 'user', content: [{ ...result, content: [{ type: 'image', source: { ...image, ...odd } }] }] },
      ],
      tools: [
        { name: 'f', input_schema: { type: 'object', odd }, eager_input_streaming: false, ...odd },
        { type: 'web_search_20250305', name: 'web_search', ...odd },
      ],
      tool_choice: { type: 'auto', ...odd },
      thinking: { type: 'adaptive', display: 'omitted', ...odd },
      output_config: { format: { type: 'json_schema', schema: { odd }, ...odd }, ...odd },
      metadata: { odd: 'mine' },
    })
    expect(unknown.map(({ path }) => path).toSorted()).toEqual([
      'messages[0].content[0].odd',
      'messages[0].content[1].source.odd',
      'messages[0].content[2].context',
      'messages[0].content[2].source.odd',
      'messages[0].content[3].source.content[0].odd',
      'messages[0].content[5].content[0].odd',
      'messages[1].content[0].odd',
      'messages[1].odd',
      'messages[2].content[0].content[0].source.odd',
      'output_config.format.odd',
      'output_config.odd',
      'system[0].odd',
      'thinking.odd',
      'tool_choice.odd',
      'tools[0].odd',
    ])
  })

  it.each([
    [{ thinking: { type: 'newer', odd: 1 } }, ['thinking']],
    [{ thinking: { type: 'adaptive', display: 'loud', budget_tokens: 2000 } }, ['thinking.budget_tokens', 'thinking.display']],
    [{ thinking: { type: 'disabled', display: 'loud', odd: 1 } }, ['thinking.odd']],
    [{ context_management: { edits: [], odd: 1 } }, ['context_management.odd']],
    [user({ type: 'text', text: 'x', is_error: true, title: 't' }), ['messages[0].content[0].is_error', 'messages[0].content[0].title']],
  ])('reports a member where it means nothing: %j', (json, paths) => {
    expect(
      decode(json)
        .unknown.map(({ path }) => path)
        .toSorted(),
    ).toEqual(paths)
  })

  it("keeps the vendor's own tools: as functions where others can call them, by their kind where they cannot", () => {
    const { tools } = decode({
      tools: [
        { type: 'bash_20250124', name: 'bash' },
        { type: 'text_editor_20250728', name: 'str_replace_based_edit_tool' },
        { type: 'memory_20250818', name: 'memory' },
        { type: 'computer_20251124', name: 'computer', display_width_px: 1, display_height_px: 1 },
        { type: 'web_search_20260209', name: 'web_search', max_uses: 2 },
        { type: 'code_execution_20250825', name: 'code_execution' },
      ],
    })
    expect(tools).toMatchObject([
      { type: 'function', name: 'bash', origin: { wire: 'messages', family: 'bash' } },
      { type: 'function', name: 'str_replace_based_edit_tool', origin: { family: 'text_editor' } },
      { type: 'function', name: 'memory', origin: { family: 'memory' } },
      { type: 'client-builtin', family: 'computer' },
      { type: 'hosted', family: 'web_search', config: { max_uses: 2 } },
      { type: 'hosted', family: 'code_execution' },
    ])
  })

  it('only warms a cache with max_tokens 0, which is state and no limit', () => {
    const request = decode({ max_tokens: 0 })
    expect(request.maxOutputTokens).toBeUndefined()
    expect(request.state).toEqual({ max_tokens: '0' })
  })

  it('has no loss for clearing nothing, a hint for clearing, and state for compaction', () => {
    const edits = (...list: readonly unknown[]) => decode({ context_management: { edits: list } })
    expect(edits({ type: 'clear_thinking_20251015', keep: 'all' })).toMatchObject({ unknown: [], state: {} })
    expect(edits({ type: 'clear_tool_uses_20250919' })).toMatchObject({ unknown: [{ path: 'context_management.edits[0]' }], state: {} })
    expect(Object.keys(edits({ type: 'compact_20260112' }).state)).toEqual(['context_management'])
  })

  it('puts a mark at its top on the last block', () => {
    expect(decode({ cache_control: { type: 'ephemeral', ttl: '1h' } }).turns[0]?.parts).toEqual([
      { type: 'text', text: 'hi', cache: { ttl: '1h' } },
    ])
  })
})

describe('needs', () => {
  const needs = (json: Record<string, unknown>) => messages.caller.read(wireOf({ ...ask, ...json })).needs

  it('tell what routing must know', () => {
    expect(needs({ tools: [{ name: 'f', input_schema: { type: 'object' } }], stream: true, temperature: 1 })).toMatchObject({
      features: ['tools'],
      samplingParameters: ['temperature', 'max_tokens'],
      inputModalities: ['text'],
      maxOutputTokens: 4096,
      images: 0,
      stream: true,
    })
    expect(needs({ thinking: { type: 'enabled', budget_tokens: 2000 } }).features).toEqual(['reasoning'])
    expect(needs({ thinking: { type: 'adaptive' } }).features).toEqual([])
  })

  it('need a search only where nothing else is offered', () => {
    const search = { type: 'web_search_20250305', name: 'web_search' }
    expect(needs({ tools: [search] }).features).toEqual(['web_search'])
    expect(needs({ tools: [search, { name: 'f', input_schema: { type: 'object' } }] }).features).toEqual(['tools'])
  })

  it('bound the input from above, media by their own measure, also inside of results', () => {
    const image = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'A'.repeat(400_000) } }
    const plain = needs({})
    const shown = needs(user(image))
    expect(plain.maxInputTokens).toBeGreaterThan(JSON.stringify(ask).length)
    expect(shown.images).toBe(1)
    expect(shown.inputModalities).toEqual(['text', 'image'])
    expect(shown.maxInputTokens).toBeLessThan(40_000)
    expect(needs(loop({ ...result, content: [image] }))).toMatchObject({ images: 1, inputModalities: ['text', 'image'] })
    const pdf = { type: 'document', source: { type: 'base64', media_type: 'application/pdf', data: 'A'.repeat(1000) } }
    expect(needs(user(pdf)).inputModalities).toEqual(['text', 'file'])
  })

  it('count what a tool at the vendor may read', () => {
    const search = { type: 'web_search_20250305', name: 'web_search' }
    expect(needs({ tools: [search] }).maxInputTokens).toBeGreaterThan(200_000)
  })
})

describe('is refused with its path, before anything is paid:', () => {
  it.each([
    ['no max_tokens', { model: 'a/b', messages: ask.messages }, 'max_tokens'],
    ['no messages', { model: 'a/b', max_tokens: 5 }, 'messages'],
    ['no model', { max_tokens: 5, messages: ask.messages }, 'model'],
    ['a system message first', { ...ask, messages: [{ role: 'system', content: 'x' }] }, 'messages[0].role'],
    ['an assistant message first', { ...ask, messages: [{ role: 'assistant', content: 'x' }] }, 'messages[0].role'],
    ['a role of another wire', { ...ask, messages: [{ role: 'tool', content: 'x' }] }, 'messages[0].role'],
    ['a result without its call', { ...ask, ...user(result) }, 'messages[0].content[0].tool_use_id'],
    [
      'a call without its result',
      { ...ask, messages: [...loop().messages.slice(0, 2), { role: 'user', content: 'x' }] },
      'messages[1].content[0]',
    ],
    ['a budget over the limit', { ...ask, max_tokens: 1500, thinking: { type: 'enabled', budget_tokens: 2000 } }, 'thinking.budget_tokens'],
    ['a budget too small', { ...ask, thinking: { type: 'enabled', budget_tokens: 10 } }, 'thinking.budget_tokens'],
    ['no budget', { ...ask, thinking: { type: 'enabled' } }, 'thinking.budget_tokens'],
    [
      'a hundred cache marks',
      { ...ask, ...user(...Array.from({ length: 100 }, () => ({ type: 'text', text: 'x', cache_control: { type: 'ephemeral' } }))) },
      'cache_control',
    ],
    ['a temperature of another wire', { ...ask, temperature: 1.5 }, 'temperature'],
    ['a fractional limit', { ...ask, max_tokens: 1.5 }, 'max_tokens'],
    [
      'an image from a file',
      { ...ask, ...user({ type: 'image', source: { type: 'url', url: 'file:///etc/passwd' } }) },
      'messages[0].content[0].source.url',
    ],
    ['half a block', { ...ask, ...user({ type: 'tool_use', id: 'x' }) }, 'messages[0].content[0].name'],
    ['an unknown choice', { ...ask, tool_choice: { type: 'auto ' }, tools: [] }, 'tool_choice.type'],
    ['an unknown effort', { ...ask, output_config: { effort: 'huge' } }, 'output_config.effort'],
    ['a tool without a schema', { ...ask, tools: [{ name: 'f' }] }, 'tools[0].input_schema'],
  ])('%s', (_name, json, path) => {
    const read: typeof messages.caller.read = (wire) => {
      messages.caller.decodeRequest(wire)
      return messages.caller.read(wire)
    }
    const error = refusal(json, {}, read)
    expect(error.fault).toBe('caller')
    expect(error.details['path']).toBe(path)
    expect(messages.caller.encodeError(error, 'req_1')).toMatchObject({ status: 400, body: { error: { type: 'invalid_request_error' } } })
  })

  it('a body in which a key stands twice', () => {
    const body = Buffer.from('{"model":"a/b","model":"c/d","max_tokens":5,"messages":[{"role":"user","content":"x"}]}')
    expect(() => messages.caller.read({ ...wireOf(ask), body })).toThrow('twice')
  })

  it('two hundred beta features, and a version nobody published', () => {
    const many = Array.from({ length: 200 }, (_, index) => `beta-${index}`).join(',')
    expect(refusal(ask, { 'anthropic-beta': many }).details['path']).toBe('anthropic-beta')
    expect(refusal(ask, { 'anthropic-version': '1999-01-01' }).details['path']).toBe('anthropic-version')
  })

  it('a count without anything to count', () => {
    expect(refusal({}, {}, readCount).code).toBe('invalid_request')
  })
})

describe('versions', () => {
  const next = { 'anthropic-version': '2026-10-21' }

  it.each(['temperature', 'top_p', 'top_k'])('2026-10-21 takes no %s, not even the usual one', (name) => {
    expect(refusal({ ...ask, [name]: 1 }, next).details['path']).toBe(name)
    expect(messages.caller.read(wireOf({ ...ask, [name]: 1 }, { 'anthropic-version': '2023-06-01' })).model).toBe('a/b')
  })

  it('2026-10-21 takes no document of the assistant and no citation of the user', () => {
    const document = { type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'x' } }
    const turns = [...ask.messages, { role: 'assistant', content: [document] }, { role: 'user', content: 'x' }]
    expect(refusal({ ...ask, messages: turns }, next).details['path']).toBe('messages[1].content[0]')
    const cited = user({ type: 'text', text: 'x', citations: [{ type: 'char_location' }] })
    expect(refusal({ ...ask, ...cited }, next).details['path']).toBe('messages[0].content[0].citations')
    expect(messages.caller.read(wireOf({ ...ask, messages: turns })).model).toBe('a/b')
  })

  it('interleaved thinking may have a budget over the limit', () => {
    const thinking = { ...ask, max_tokens: 1500, thinking: { type: 'enabled', budget_tokens: 2000 } }
    expect(messages.caller.read(wireOf(thinking, { 'anthropic-beta': 'x,interleaved-thinking-2025-05-14' })).model).toBe('a/b')
  })

  it('a summary may stand for the beginning', () => {
    const summary = { role: 'assistant', content: [{ type: 'compaction', content: 'So far.', encrypted_content: 'e' }] }
    expect(messages.caller.read(wireOf({ ...ask, messages: [summary, ...ask.messages] })).model).toBe('a/b')
  })

  it('a thread may begin in the middle, because the vendor has its beginning', () => {
    const json = { ...ask, ...user(result), thread: { type: 'continue', previous_message_id: 'msg_1' } }
    expect(isRecord(messages.caller.decodeRequest(wireOf(json)).state)).toBe(true)
  })
})

describe('a count', () => {
  it('needs no limit of output and grows with what is said', () => {
    const { max_tokens: _, ...short } = ask
    expect(readCount(wireOf(short)).model).toBe('a/b')
    const few = estimateCount(wireOf(short)).input_tokens
    const many = estimateCount(wireOf({ ...short, messages: [{ role: 'user', content: 'word '.repeat(1000) }] })).input_tokens
    expect(few).toBeGreaterThan(0)
    expect(many).toBeGreaterThan(few + 1000)
  })
})
