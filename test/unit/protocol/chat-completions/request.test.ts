/** Requests between this wire and the neutral form: the way there and back, and every odd field. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { CompletionRequest } from '../../../../src/completion/request.ts'
import { chatCompletions } from '../../../../src/protocol/chat-completions/index.ts'
import { neutralRequest, neutralRequestFor } from '../../../support/arbitraries.ts'
import { wireOf } from '../../../support/wire.ts'

const target = { model: 'up/stream', stream: false }
const decode = (body: unknown): CompletionRequest => chatCompletions.caller.decodeRequest(wireOf(body))
const encode = (request: CompletionRequest, to = target): Record<string, unknown> =>
  chatCompletions.upstream.encodeRequest(request, to).body as Record<string, unknown>
const user = { role: 'user', content: 'hi' }

describe('there and back', () => {
  it.each([
    ['compatible', 'up/stream'],
    ['vendor', 'gpt-5.6-chat-latest'],
  ] as const)('is the same request, and nothing is lost, at a %s server', (server, model) => {
    fc.assert(
      fc.property(neutralRequestFor(server), (request) => {
        const { body, losses } = chatCompletions.upstream.encodeRequest(request, { model, stream: false })
        expect(losses).toEqual([])
        expect(decode(body)).toEqual({ ...request, model })
      }),
      { numRuns: 500 },
    )
  })

  it('is always a request that would be read', () => {
    fc.assert(
      fc.property(neutralRequest, (request) => {
        expect(chatCompletions.caller.read(wireOf(encode(request))).needs.candidates).toBe(request.candidates)
      }),
    )
  })
})

describe('decodeRequest', () => {
  it('keeps system blocks apart and later system messages in their place', () => {
    const request = decode({
      model: 'a',
      messages: [
        { role: 'system', content: 'one' },
        {
          role: 'developer',
          content: [
            { type: 'text', text: 'two', cache_control: { type: 'ephemeral', ttl: '1h' } },
            { type: 'text', text: '' },
          ],
        },
        user,
        { role: 'system', content: 'three' },
      ],
    })
    expect(request.system).toEqual([
      { text: 'one', role: 'system' },
      { text: 'two', role: 'developer', cache: { ttl: '1h' } },
    ])
    expect(request.turns.map(({ role }) => role)).toEqual(['user', 'system'])
  })

  it('pairs the old function messages with their calls', () => {
    const { turns } = decode({
      model: 'a',
      functions: [{ name: 'f' }],
      function_call: { name: 'f' },
      messages: [
        user,
        { role: 'assistant', content: null, function_call: { name: 'f', arguments: '{}' } },
        { role: 'function', name: 'f', content: '7' },
      ],
    })
    const call = turns[1]?.parts[0]
    const result = turns[2]?.parts[0]
    expect(call?.type === 'tool-call' && result?.type === 'tool-result' && call.id === result.callId).toBe(true)
    expect(result).toMatchObject({ name: 'f', content: [{ type: 'text', text: '7' }] })
  })

  it('keeps what it does not know by its path', () => {
    const request = decode({
      model: 'a',
      verbosity: 'low',
      magic: { a: 1 },
      nothing: null,
      provider: { only: ['x'] },
      messages: [{ ...user, mood: 'calm', annotations: [] }],
    })
    expect(request.unknown).toEqual([
      { path: 'verbosity', value: 'low' },
      { path: 'magic', value: { a: 1 } },
      { path: 'messages[0].mood', value: 'calm' },
    ])
  })

  it('keeps what it does not know, however deep it stands, and leaves out what says nothing', () => {
    const odd = { odd: 1, empty: null, none: [] }
    const call = { id: 'c', type: 'function', index: 0, function: { name: 'f', arguments: '{}', parsed_arguments: odd, ...odd }, ...odd }
    const url = 'https://img.example/a.png'
    const { unknown } = decode({
      model: 'a',
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'hi', ...odd },
            { type: 'image_url', image_url: { url, ...odd } },
            { type: 'newer', ...odd },
          ],
        },
        { role: 'assistant', content: 'x', parsed: odd, annotations: [], tool_calls: [call], ...odd },
        { role: 'tool', tool_call_id: 'c', content: 'y' },
      ],
      tools: [
        { type: 'function', function: { name: 'f', parameters: { type: 'object', odd }, ...odd }, ...odd },
        { type: 'newer', odd },
      ],
      response_format: { type: 'json_schema', json_schema: { name: 'n', schema: { odd }, ...odd }, ...odd },
      metadata: { odd: 'mine' },
    })
    expect(unknown.map(({ path }) => path)).toEqual([
      'messages[0].content[0].odd',
      'messages[0].content[1].image_url.odd',
      'messages[1].tool_calls[0].function.odd',
      'messages[1].tool_calls[0].odd',
      'messages[1].odd',
      'tools[0].function.odd',
      'tools[0].odd',
      'response_format.json_schema.odd',
      'response_format.odd',
    ])
  })

  it.each([
    [{ type: 'function', function: { name: 'f', odd: 1 }, odd: 1 }, ['tool_choice.function.odd', 'tool_choice.odd']],
    [
      { type: 'allowed_tools', allowed_tools: { mode: 'auto', tools: [{ type: 'function', function: { name: 'f', odd: 1 } }], odd: 1 } },
      ['tool_choice.allowed_tools.tools[0].function.odd', 'tool_choice.allowed_tools.odd'],
    ],
  ])('keeps what it does not know of a choice: %j', (choice, paths) => {
    const { unknown } = decode({ model: 'a', messages: [{ role: 'user', content: 'x' }], tool_choice: choice })
    expect(unknown.map(({ path }) => path)).toEqual(paths)
  })

  it('keeps broken arguments as they were written', () => {
    const { turns } = decode({
      model: 'a',
      messages: [user, { role: 'assistant', tool_calls: [{ id: 'c', function: { name: 'f', arguments: '{"a":' } }] }],
    })
    expect(turns[1]?.parts[0]).toMatchObject({ arguments: { kind: 'invalid', text: '{"a":' } })
  })

  it.each([
    [{ reasoning_effort: 'high' }, { effort: 'high' }],
    [{ reasoning: { effort: 'low', exclude: true } }, { effort: 'low', display: 'omitted' }],
    [{ reasoning: { max_tokens: 2000 } }, { budgetTokens: 2000 }],
    [{ reasoning: { enabled: false } }, { effort: 'none' }],
    [{ reasoning: { enabled: true } }, { adaptive: true }],
    [{ enable_thinking: false }, { effort: 'none' }],
    [{ enable_thinking: true }, { adaptive: true }],
    [{}, undefined],
  ])('reads thinking from %j', (fields, reasoning) => {
    expect(decode({ model: 'a', messages: [user], ...fields }).reasoning).toEqual(reasoning)
  })

  it.each([
    [{ reasoning_effort: 'enormous' }, 'reasoning_effort'],
    [{ tool_choice: 'sometimes' }, 'tool_choice'],
    [{ tool_choice: { type: 'function' } }, 'tool_choice'],
    [{ tools: [{ type: 'function' }] }, 'tools[0].function'],
    [
      { tools: [{ type: 'custom', custom: { name: 'x', format: { type: 'grammar', grammar: { syntax: 'abc' } } } }] },
      'tools[0].custom.format.grammar',
    ],
    [{ response_format: { type: 'json_schema' } }, 'response_format'],
    [{ response_format: { type: 'xml' } }, 'response_format'],
    [{ modalities: ['smell'] }, 'modalities[0]'],
    [{ messages: [{ role: 'system', content: [{ type: 'image_url', image_url: { url: 'https://i.example' } }] }] }, 'messages[0].content'],
    [{ messages: [user, { role: 'assistant', tool_calls: [{ id: 'x' }] }] }, 'messages[1].tool_calls[0]'],
    [{ messages: [{ role: 'user', content: [{ type: 'file', file: {} }] }] }, 'messages[0].content[0].file'],
  ])('refuses %j', (fields, path) => {
    expect(() => decode({ model: 'a', messages: [user], ...fields })).toThrow(
      expect.objectContaining({ code: 'invalid_request', details: { path } }) as Error,
    )
  })
})

describe('encodeRequest', () => {
  const base = decode({ model: 'a', messages: [user], max_tokens: 9 })

  it('asks for usage in every stream', () => {
    expect(encode(base, { model: 'x', stream: true })).toMatchObject({ stream: true, stream_options: { include_usage: true } })
    expect(encode(base)).not.toHaveProperty('stream')
  })

  it('names the output limit as the model wants it', () => {
    expect(encode(base, { model: 'llama-4', stream: false })).toMatchObject({ max_tokens: 9 })
    expect(encode(base, { model: 'openai/gpt-5.6-mini', stream: false })).toMatchObject({ max_completion_tokens: 9 })
    expect(encode(base, { model: 'o4-mini', stream: false })).not.toHaveProperty('max_tokens')
  })

  it('puts pictures of tool results behind the whole run of results', () => {
    const image = { type: 'image', source: { kind: 'inline', mimeType: 'image/png', base64: 'AAAA' } } as const
    const request: CompletionRequest = {
      ...base,
      turns: [
        {
          role: 'assistant',
          parts: ['a', 'b'].map((id) => ({ type: 'tool-call', id, name: 'f', arguments: { kind: 'json', text: '{}', value: {} } })),
        },
        {
          role: 'user',
          parts: [
            { type: 'tool-result', callId: 'a', isError: false, content: [image] },
            { type: 'tool-result', callId: 'b', isError: true, content: [{ type: 'text', text: 'no' }] },
            { type: 'text', text: 'go on' },
          ],
        },
      ],
    }
    const messages = encode(request)['messages'] as { role: string; content: unknown }[]
    expect(messages.map(({ role }) => role)).toEqual(['assistant', 'tool', 'tool', 'user', 'user'])
    expect(messages[2]?.content).toBe('{"error":"no"}')
    expect(messages[3]?.content).toEqual([{ type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } }])
    expect(messages[4]?.content).toBe('go on')
  })

  it("leaves another wire's thoughts out rather than turning them into prose", () => {
    const carriers = [{ wire: 'messages', kind: 'signature', value: 's' }] as const
    const request: CompletionRequest = {
      ...base,
      turns: [
        {
          role: 'assistant',
          parts: [
            { type: 'reasoning', form: 'full', text: ['secret thought'], carriers },
            { type: 'text', text: 'said' },
          ],
        },
      ],
    }
    expect(JSON.stringify(encode(request))).not.toContain('secret thought')
  })

  it('gives sealed details back to the provider that issued them, of whatever model', () => {
    const details = [{ type: 'reasoning.encrypted', data: 'sealed', format: 'x', index: 0 }]
    const carrier = { wire: 'chat_completions', provider: 'a-router', kind: 'reasoning_details', value: JSON.stringify(details) } as const
    const thought = { type: 'reasoning', form: 'full', text: ['hm'], carriers: [carrier] } as const
    const request: CompletionRequest = { ...base, turns: [{ role: 'assistant', parts: [thought, { type: 'text', text: 'said' }] }] }
    const messageOf = (provider: string): unknown =>
      chatCompletions.upstream.encodeRequest(request, { model: 'openai/gpt-5.5', stream: false, provider }).body['messages']
    expect(messageOf('a-router')).toEqual([{ role: 'assistant', content: 'said', reasoning_details: details }])
    expect(messageOf('another')).toEqual([{ role: 'assistant', content: 'said' }])
  })

  it.each([
    ['a foreign part', { type: 'foreign', wire: 'messages', raw: {} }],
    ["another vendor's file", { type: 'file', source: { kind: 'id', wire: 'messages', id: 'f' } }],
    ['a file by URL', { type: 'file', source: { kind: 'url', url: 'https://x.example/a.pdf' } }],
    ['audio by URL', { type: 'audio', source: { kind: 'url', url: 'https://x.example/a.mp3' } }],
  ] as const)('refuses %s', (_, part) => {
    const request: CompletionRequest = { ...base, turns: [{ role: 'user', parts: [part] }] }
    const { losses } = chatCompletions.upstream.encodeRequest(request, target)
    expect(losses).toMatchObject([{ action: 'refused', path: 'messages[0].content[0]' }])
  })

  it("refuses another vendor's hosted tools", () => {
    const request: CompletionRequest = {
      ...base,
      tools: [{ type: 'client-builtin', family: 'computer', name: 'computer', wire: 'messages', raw: {} }],
    }
    const { losses } = chatCompletions.upstream.encodeRequest(request, target)
    expect(losses).toMatchObject([{ action: 'refused', path: 'tools[0]', feature: 'tool.client_builtin' }])
  })

  it('turns a thinking budget into the effort it is usual for', () => {
    const effort = (budgetTokens: number): unknown => encode({ ...base, reasoning: { budgetTokens } })['reasoning_effort']
    expect([1000, 8000, 20_000, 60_000].map(effort)).toEqual(['low', 'medium', 'high', 'xhigh'])
  })

  it('keeps a lone surrogate as an escape', () => {
    const request = decode('{"model":"a","messages":[{"role":"user","content":"\\ud800"}]}')
    expect(JSON.stringify(encode(request))).toContain('\\ud800')
  })
})
