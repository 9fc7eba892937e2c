/** How neutral requests are written for an upstream of Messages, and what of them is lost in which way. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { CompletionRequest, Content, Tool, Turn } from '../../../../src/completion/request.ts'
import { messages } from '../../../../src/protocol/messages/index.ts'
import { traitsOf } from '../../../../src/protocol/messages/model-traits.ts'
import { encodeRequest } from '../../../../src/protocol/messages/request-encode.ts'
import { ask, neutral, wireOf } from './support.ts'

const OLD = 'claude-sonnet-4-5-20250929'
const NEW = 'claude-opus-5-5'
type Body = Readonly<Record<string, never>> & {
  readonly messages: readonly { readonly role: string; readonly content: readonly Readonly<Record<string, unknown>>[] }[]
}

function encode(changes: Partial<CompletionRequest>, model = OLD, more: { maxOutputTokens?: number; provider?: string } = {}) {
  const { body, losses, ...rest } = encodeRequest({ ...neutral, maxOutputTokens: 4096, ...changes }, { model, stream: false, ...more })
  return { ...rest, body: body as Body, losses: losses.map(({ path, feature, action }) => `${action} ${feature} at ${path}`) }
}

const said = (role: Turn['role'], ...parts: readonly (Content | string)[]): Turn => ({
  role,
  parts: parts.map((part) => (typeof part === 'string' ? { type: 'text', text: part } : part)),
})
const call = (id: string, name = 'add', text = '{"a":1}'): Content => ({
  type: 'tool-call',
  id,
  name,
  arguments: { kind: 'json', text, value: JSON.parse(text) as unknown },
})
const result = (callId: string, text = '2'): Content => ({ type: 'tool-result', callId, isError: false, content: [{ type: 'text', text }] })
const add: Tool = { type: 'function', name: 'add', schema: { type: 'object', properties: { a: { type: 'number' } } } }

describe('a plain request', () => {
  it('is written without a loss', () => {
    const { body, losses, path, headers, restore } = encode({
      system: [{ text: 'Be brief.', role: 'system' }],
      stop: ['END'],
      stream: true,
    })
    expect(body).toEqual({
      model: OLD,
      max_tokens: 4096,
      system: [{ type: 'text', text: 'Be brief.' }],
      messages: [{ role: 'user', content: [{ type: 'text', text: 'hi' }] }],
      stop_sequences: ['END'],
    })
    expect({ losses, path, headers, restore }).toEqual({
      losses: [],
      path: '/messages',
      headers: { 'anthropic-version': '2023-06-01' },
      restore: {},
    })
  })

  it('read from this wire means the same when it is read again', () => {
    const json = {
      ...ask,
      system: [{ type: 'text', text: 'Be brief.', cache_control: { type: 'ephemeral', ttl: '1h' } }],
      tools: [
        { name: 'add', description: 'Adds.', input_schema: { type: 'object' } },
        { type: 'web_search_20250305', name: 'web_search', max_uses: 1 },
        { type: 'bash_20250124', name: 'bash' },
      ],
      tool_choice: { type: 'auto', disable_parallel_tool_use: true },
      stop_sequences: ['END'],
      top_k: 3,
      metadata: { user_id: 'u' },
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'look', cache_control: { type: 'ephemeral' } },
            { type: 'image', source: { type: 'url', url: 'https://a.test/x.png' } },
            { type: 'document', source: { type: 'base64', media_type: 'application/pdf', data: 'JVBERi0=' }, title: 'T' },
          ],
        },
        {
          role: 'assistant',
          content: [
            { type: 'thinking', thinking: 'hm', signature: 'S==' },
            { type: 'redacted_thinking', data: 'R==' },
            { type: 'text', text: 'calling' },
            { type: 'tool_use', id: 'toolu_1', name: 'add', input: { a: 1 } },
          ],
        },
        {
          role: 'user',
          content: [
            { type: 'tool_result', tool_use_id: 'toolu_1', content: [{ type: 'text', text: '2' }], is_error: true },
            { type: 'text', text: 'and?' },
          ],
        },
      ],
    }
    const once = messages.caller.decodeRequest(wireOf(json))
    const { body, losses } = encodeRequest(once, { model: 'a/b', stream: false })
    expect(losses).toEqual([])
    expect(messages.caller.decodeRequest(wireOf(body))).toEqual(once)
  })
})

describe('turns', () => {
  it('of one side are one message, and results come first in it', () => {
    const { body } = encode({
      tools: [add],
      turns: [
        said('user', 'a'),
        said('user', 'b'),
        said('assistant', call('1'), call('2')),
        said('tool', result('1')),
        said('user', 'c'),
        said('tool', result('2')),
      ],
    })
    expect(body.messages.map(({ role, content }) => [role, content.map(({ type }) => type)])).toEqual([
      ['user', ['text', 'text']],
      ['assistant', ['tool_use', 'tool_use']],
      ['user', ['tool_result', 'tool_result', 'text']],
    ])
  })

  it('without a visible character are left out, and said so', () => {
    const { body, losses } = encode({ turns: [said('user', 'a'), said('assistant', '  '), said('user', '', 'b')] })
    expect(body.messages).toEqual([
      {
        role: 'user',
        content: [
          { type: 'text', text: 'a' },
          { type: 'text', text: 'b' },
        ],
      },
    ])
    expect(losses).toEqual(['omitted text.empty at messages[1]'])
  })

  it('of the system stay in their place: as messages where the model takes them, fenced where not', () => {
    const turns = [said('user', 'a'), said('system', 'Be French.'), said('assistant', 'Oui'), said('user', 'b')]
    expect(encode({ turns }, NEW)).toMatchObject({
      losses: [],
      body: { messages: [{ role: 'user' }, { role: 'system' }, { role: 'assistant' }, {}] },
    })
    const old = encode({ turns }, OLD)
    expect(old.losses).toEqual(['approximated system.position at messages[1]'])
    expect(old.body.messages[0]?.content).toEqual([
      { type: 'text', text: 'a' },
      { type: 'text', text: '<system>\nBe French.\n</system>' },
    ])
  })

  it('of the system never come between a call and its result', () => {
    const turns = [said('user', 'a'), said('assistant', call('1')), said('system', 'Hurry.'), said('tool', result('1'))]
    const { body } = encode({ turns, tools: [add] }, NEW)
    expect(body.messages.map(({ role, content }) => [role, content.map(({ type }) => type)])).toEqual([
      ['user', ['text']],
      ['assistant', ['tool_use']],
      ['user', ['tool_result', 'text']],
    ])
  })

  it('begin with the user, whatever came first', () => {
    expect(encode({ turns: [said('assistant', 'x'), said('user', 'y')] })).toMatchObject({
      body: { messages: [{ role: 'user' }, { role: 'assistant' }, { role: 'user' }] },
      losses: ['approximated message.role at messages[0]'],
    })
    expect(encode({ system: [{ text: 'Say hi.', role: 'system' }], turns: [] })).toMatchObject({
      body: { messages: [{ role: 'user', content: [{ text: 'Say hi.' }] }] },
      losses: ['approximated system.position at messages'],
    })
  })

  it('that begin the answer go on without white space, or are refused', () => {
    const turns = [said('user', 'a'), said('assistant', 'The answer is ')]
    expect(encode({ turns }, OLD).body.messages[1]?.content).toEqual([{ type: 'text', text: 'The answer is' }])
    expect(encode({ turns }, NEW).losses).toContain('refused prefill at messages[1]')
  })

  it('with broken arguments give them as text, and never as nothing', () => {
    const broken: Content = { type: 'tool-call', id: '1', name: 'add', arguments: { kind: 'invalid', text: '{"a":' } }
    const { body, losses } = encode({ turns: [said('user', 'a'), said('assistant', broken), said('tool', result('1'))], tools: [add] })
    expect(body.messages[1]?.content).toMatchObject([{ input: { arguments: '{"a":' } }])
    expect(losses).toEqual(['approximated tool_call.arguments at messages[1].content[0]'])
  })

  it('keep ids and names that the wire takes, and spell the others the same in calls, results, tools and choices', () => {
    const odd: Tool = { ...add, name: 'files.read' }
    const { body, restore } = encode({
      tools: [odd],
      toolChoice: { mode: 'tool', name: 'files.read' },
      turns: [said('user', 'a'), said('assistant', call('call:1/x', 'files.read')), said('tool', result('call:1/x'))],
    })
    const written = JSON.stringify(body)
    expect(written).not.toContain('files.read')
    expect(written).not.toContain('call:1/x')
    const used = body.messages[1]?.content[0]
    expect(body.messages[2]?.content[0]?.['tool_use_id']).toBe(used?.['id'])
    expect(restore.toolNames?.get(String(used?.['name']))).toBe('files.read')
  })
})

describe('thoughts', () => {
  const own: Content = { type: 'reasoning', form: 'full', text: ['hm'], carriers: [{ wire: 'messages', kind: 'signature', value: 'S==' }] }
  const theirs: Content = {
    type: 'reasoning',
    form: 'summary',
    text: ['hm'],
    carriers: [{ wire: 'responses', kind: 'encrypted_content', value: 'gAAA' }],
  }
  const unsigned: Content = { type: 'reasoning', form: 'full', text: ['hm'], carriers: [] }

  it('go back to who signed them', () => {
    const { body, losses } = encode({ turns: [said('user', 'a'), said('assistant', own, 'x'), said('user', 'b')] })
    expect(body.messages[1]?.content[0]).toEqual({ type: 'thinking', thinking: 'hm', signature: 'S==' })
    expect(losses).toEqual([])
  })

  it('of another are left out, with all others, and never forged', () => {
    const { body, losses } = encode({
      turns: [said('user', 'a'), said('assistant', own, 'x'), said('user', 'b'), said('assistant', theirs, 'y'), said('user', 'c')],
    })
    expect(JSON.stringify(body)).not.toMatch(/thinking|gAAA|S==/)
    expect(losses).toEqual(['omitted reasoning.replay at messages[1].content[0]', 'omitted reasoning.replay at messages[3].content[0]'])
  })

  it('that name their issuer only go back to him', () => {
    const signed: Content = { ...own, carriers: [{ wire: 'messages', provider: 'anthropic', kind: 'signature', value: 'S==' }] }
    const turns = [said('user', 'a'), said('assistant', signed, 'x'), said('user', 'b')]
    expect(JSON.stringify(encode({ turns }, OLD, { provider: 'anthropic' }).body)).toContain('S==')
    expect(JSON.stringify(encode({ turns }, OLD, { provider: 'other' }).body)).not.toContain('S==')
  })

  it('that nobody signed are left out', () => {
    const { body, losses } = encode({ turns: [said('user', 'a'), said('assistant', unsigned, 'x'), said('user', 'b')] })
    expect(body.messages[1]?.content).toEqual([{ type: 'text', text: 'x' }])
    expect(losses).toEqual(['omitted reasoning.replay at messages[1].content[0]'])
  })

  it('with a budget need the thoughts of the turn under way, and are turned off without', () => {
    const turns = [said('user', 'a'), said('assistant', unsigned, call('1')), said('tool', result('1'))]
    const { body, losses } = encode({ turns, tools: [add], reasoning: { effort: 'high' } })
    expect(body['thinking']).toBeUndefined()
    expect(losses).toContain('approximated reasoning.effort at reasoning')
  })

  it.each([
    [NEW, { effort: 'high' }, { thinking: { type: 'adaptive' }, output_config: { effort: 'high' } }, []],
    [NEW, { effort: 'minimal' }, { output_config: { effort: 'low' } }, ['approximated reasoning.effort at reasoning.effort']],
    [NEW, { budgetTokens: 9000 }, { output_config: { effort: 'high' } }, ['approximated reasoning.effort at reasoning']],
    [NEW, { effort: 'none' }, { thinking: { type: 'disabled' } }, []],
    [NEW, { adaptive: true, display: 'omitted' }, { thinking: { type: 'adaptive', display: 'omitted' } }, []],
    [OLD, { effort: 'low' }, { thinking: { type: 'enabled', budget_tokens: 1024 } }, ['approximated reasoning.effort at reasoning.effort']],
    [OLD, { budgetTokens: 2000 }, { thinking: { type: 'enabled', budget_tokens: 2000 } }, []],
    [OLD, { budgetTokens: 9000 }, { thinking: { type: 'enabled', budget_tokens: 3072 } }, ['approximated reasoning.effort at reasoning']],
  ] as const)('of %s for %o are asked for by %o', (model, reasoning, body, losses) => {
    expect(encode({ reasoning }, model)).toMatchObject({ body, losses })
  })

  it('leave room for the answer', () => {
    const { maxOutputTokens: _, ...open } = { ...neutral, maxOutputTokens: 1 }
    const { body } = encodeRequest({ ...open, reasoning: { effort: 'high' } }, { model: OLD, stream: false })
    expect(body).toMatchObject({ max_tokens: 8192, thinking: { budget_tokens: 6144 } })
  })

  it('never raise the limit that was priced', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 50_000 }), fc.integer({ min: 0, max: 100_000 }), (limit, budget) => {
        const { body } = encode({ maxOutputTokens: limit, reasoning: { budgetTokens: budget } })
        const thinking = body['thinking'] as { budget_tokens: number } | undefined
        expect(body['max_tokens']).toBe(limit)
        expect(thinking === undefined || (thinking.budget_tokens >= 1024 && thinking.budget_tokens < limit)).toBe(true)
      }),
    )
  })

  it('leave no temperature and no forced call', () => {
    const { body, losses } = encode({ reasoning: { effort: 'low' }, sampling: { temperature: 0.2, topK: 4 } })
    expect(body).not.toHaveProperty('temperature')
    expect(losses).toEqual(expect.arrayContaining(['omitted temperature at temperature', 'omitted top_k at top_k']))
    const forced = encode({ reasoning: { effort: 'low' }, tools: [add], toolChoice: { mode: 'required' } })
    expect(forced.body).not.toHaveProperty('thinking')
    expect(forced.losses).toContain('approximated tool_choice.forced at tool_choice')
  })
})

describe('tools', () => {
  it.each([
    [{ mode: 'auto' }, { type: 'auto' }],
    [{ mode: 'none' }, { type: 'none' }],
    [{ mode: 'required' }, { type: 'any' }],
    [
      { mode: 'tool', name: 'add' },
      { type: 'tool', name: 'add' },
    ],
  ] as const)('chosen by %o are chosen by %o', (toolChoice, written) => {
    expect(encode({ tools: [add], toolChoice }).body['tool_choice']).toEqual(written)
  })

  it('one at a time are a part of the choice', () => {
    expect(encode({ tools: [add], parallelToolCalls: false }).body['tool_choice']).toEqual({
      type: 'auto',
      disable_parallel_tool_use: true,
    })
    expect(encode({ tools: [add], parallelToolCalls: true }).body).not.toHaveProperty('tool_choice')
    expect(encode({ parallelToolCalls: false }).body).not.toHaveProperty('tool_choice')
  })

  it('of which some are allowed are only those', () => {
    const { body, losses } = encode({ tools: [add, { ...add, name: 'sub' }], toolChoice: { mode: 'auto', allowed: ['sub'] } })
    expect(body['tools']).toMatchObject([{ name: 'sub' }])
    expect(losses).toEqual(['approximated tool_choice.allowed at tool_choice'])
  })

  it('that are strict stay so where their schema can be enforced', () => {
    const closed = { type: 'object', properties: { a: { type: 'number' } }, required: ['a'], additionalProperties: false }
    expect(encode({ tools: [{ ...add, schema: closed, strict: true }] })).toMatchObject({
      losses: [],
      body: { tools: [{ strict: true, input_schema: closed }] },
    })
    const any = encode({ tools: [{ ...add, schema: { type: 'object', properties: { a: {} } }, strict: true }] })
    expect(any.losses).toContain('approximated tool.strict at tools[0]')
    expect(any.body['tools']).toMatchObject([{ name: 'add' }])
  })

  it('of free text are functions with one text, which are unwrapped again', () => {
    const patch: Tool = { type: 'freeform', name: 'patch', description: 'Patches.', grammar: { syntax: 'lark', definition: 'start: "x"' } }
    const { body, losses, restore } = encode({ tools: [patch] })
    expect(body['tools']).toMatchObject([
      { name: 'patch', description: expect.stringContaining('start: "x"'), input_schema: { required: ['input'] } },
    ])
    expect(losses).toEqual(['approximated tool.freeform at tools[0]'])
    expect(restore.freeformTools).toEqual(new Set(['patch']))
  })

  it('of the history are named when the request has none, and cannot be called', () => {
    const { body } = encode({ turns: [said('user', 'a'), said('assistant', call('1')), said('tool', result('1')), said('user', 'b')] })
    expect(body).toMatchObject({ tools: [{ name: 'add' }], tool_choice: { type: 'none' } })
  })

  it('of another vendor run at this one where there is one like it', () => {
    const hosted = (family: string, config: Record<string, unknown> = {}): Tool => ({
      type: 'hosted',
      family,
      wire: 'responses',
      config,
      raw: {},
    })
    const server = { server_label: 'docs', server_url: 'https://mcp.test', require_approval: 'never', allowed_tools: ['find'] }
    const { body, headers, losses } = encode({
      tools: [
        hosted('web_search', { filters: { allowed_domains: ['a.test'] }, user_location: { country: 'FR' } }),
        hosted('code_execution'),
        hosted('mcp', server),
      ],
    })
    expect(body['tools']).toMatchObject([
      { type: 'web_search_20250305', allowed_domains: ['a.test'], user_location: { type: 'approximate', country: 'FR' } },
      { type: 'code_execution_20250825' },
      { type: 'mcp_toolset', mcp_server_name: 'docs' },
    ])
    expect(body['mcp_servers']).toEqual([{ type: 'url', url: 'https://mcp.test', name: 'docs' }])
    expect(headers?.['anthropic-beta']).toBe('code-execution-2025-08-25,mcp-client-2025-11-20')
    expect(losses).toHaveLength(3)
    expect(encode({ tools: [hosted('file_search')] }).losses).toEqual(['refused tool.hosted at tools[0]'])
    expect(encode({ tools: [hosted('mcp', { ...server, require_approval: 'always' })] }).losses).toEqual(['refused tool.mcp at tools[0]'])
  })
})

describe('media', () => {
  const png = 'iVBORw0KGgoAAAANSUhEUg=='
  const inline = (mimeType: string, base64: string) => ({ kind: 'inline', mimeType, base64 }) as const
  const shown = (part: Content) => encode({ turns: [said('user', part, 'x')] })

  it('have the type that their bytes are of', () => {
    const { body } = shown({ type: 'image', source: inline('image/jpeg', png) })
    expect(body.messages[0]?.content[0]).toEqual({ type: 'image', source: { type: 'base64', media_type: 'image/png', data: png } })
  })

  it.each([
    [{ type: 'image', source: inline('image/heic', 'AAAA') }, 'refused image.format at messages[0].content[0]'],
    [{ type: 'audio', source: inline('audio/wav', 'AAAA') }, 'refused audio.input at messages[0].content[0]'],
    [{ type: 'video', source: inline('video/mp4', 'AAAA') }, 'refused video.input at messages[0].content[0]'],
    [{ type: 'file', source: { kind: 'id', wire: 'responses', id: 'f' } }, 'refused file.id at messages[0].content[0]'],
    [{ type: 'file', source: inline('application/zip', 'AAAA') }, 'refused content.foreign at messages[0].content[0]'],
    [{ type: 'foreign', wire: 'responses', raw: {} }, 'refused content.foreign at messages[0].content[0]'],
    [{ type: 'image', source: inline('image/png', png), detail: 'high' }, 'omitted image.detail at messages[0].content[0].detail'],
    [{ type: 'file', source: inline('text/csv', 'YSxi') }, 'approximated document.text at messages[0].content[0]'],
  ] as const)('%o is %s', (part, loss) => {
    expect(shown(part).losses).toEqual([loss])
  })

  it('of texts are documents of text', () => {
    expect(shown({ type: 'file', source: { kind: 'text', text: 'words', title: 'T' } }).body.messages[0]?.content[0]).toEqual({
      type: 'document',
      source: { type: 'text', media_type: 'text/plain', data: 'words' },
      title: 'T',
    })
  })

  it('in results stay in them', () => {
    const image: Content = {
      type: 'tool-result',
      callId: '1',
      isError: false,
      content: [{ type: 'image', source: inline('image/png', png) }],
    }
    const { body, losses } = encode({ tools: [add], turns: [said('user', 'a'), said('assistant', call('1')), said('tool', image)] })
    expect(body.messages[2]?.content[0]).toMatchObject({ type: 'tool_result', content: [{ type: 'image' }] })
    expect(losses).toEqual([])
  })
})

describe('limits', () => {
  it('are demanded: the record says them, else the least that all models take', () => {
    const { maxOutputTokens: _, ...rest } = neutral
    const limit = (maxOutputTokens?: number) =>
      encodeRequest(rest, { model: OLD, stream: false, ...(maxOutputTokens === undefined ? {} : { maxOutputTokens }) }).body['max_tokens']
    expect(limit(64_000)).toBe(64_000)
    expect(limit()).toBe(8192)
  })

  it('above what the model writes are lowered', () => {
    const { body, losses } = encode({ maxOutputTokens: 9000 }, OLD, { maxOutputTokens: 8000 })
    expect(body['max_tokens']).toBe(8000)
    expect(losses).toEqual(['approximated max_tokens at max_tokens'])
  })

  it('of temperature end at 1, and the newest models take none', () => {
    expect(encode({ sampling: { temperature: 1.5 } })).toMatchObject({
      body: { temperature: 1 },
      losses: ['approximated temperature at temperature'],
    })
    expect(encode({ sampling: { temperature: 0.5 } }, NEW).body).not.toHaveProperty('temperature')
    expect(encode({ sampling: { temperature: 0.5, topP: 0.9 } }).losses).toEqual(['omitted top_p at top_p'])
  })

  it.each([
    ['claude-opus-4-6', true, true],
    ['anthropic/claude-sonnet-4.6', true, true],
    ['claude-opus-4-7', true, false],
    ['claude-opus-4-20250514', false, true],
    ['claude-3-7-sonnet-20250219', false, true],
    ['claude-sonnet-4-5-20250929', false, true],
    ['claude-fable-5', true, false],
    ['kimi-k2', false, true],
  ])('of %s are read off its name', (model, adaptive, sampling) => {
    expect(traitsOf(model)).toMatchObject({ adaptive, sampling })
  })

  it('of stop sequences that are white space are kept by us', () => {
    const { body, restore, losses } = encode({ stop: ['\n\n', 'END'] })
    expect(body['stop_sequences']).toEqual(['END'])
    expect(restore.stop).toEqual(['\n\n'])
    expect(losses).toEqual(['approximated stop at stop'])
  })
})

describe('output', () => {
  it('of a schema is bound to what the wire takes of it, and judged by the whole', () => {
    const schema = { type: 'object', properties: { n: { type: 'number', minimum: 1 } }, required: ['n'] }
    const { body, restore, losses } = encode({ output: { kind: 'schema', schema } })
    expect(body['output_config']).toMatchObject({ format: { type: 'json_schema', schema: { additionalProperties: false } } })
    expect(restore.schema).toEqual(schema)
    expect(losses.length).toBeGreaterThan(0)
  })

  it('that cannot be bound is asked for in words, and judged', () => {
    const schema = { type: 'object', properties: { any: {} } }
    const { body, restore, losses } = encode({ output: { kind: 'schema', schema } })
    expect(body['output_config']).toBeUndefined()
    expect(JSON.stringify(body['system'])).toContain('JSON Schema')
    expect(restore.schema).toEqual(schema)
    expect(losses).toEqual(['approximated output.schema at output.schema'])
  })

  it('of JSON and of a choice is asked for', () => {
    expect(encode({ output: { kind: 'json' } })).toMatchObject({
      restore: { schema: { type: 'object' } },
      losses: ['approximated output.json at output'],
    })
    expect(encode({ output: { kind: 'enum', values: ['a', 'b'] } })).toMatchObject({ restore: { enumWrapped: true } })
  })
})

describe('the rest', () => {
  it('keeps the last four cache marks', () => {
    const cached = (text: string): Content => ({ type: 'text', text, cache: {} })
    const { body, losses } = encode({
      system: [{ text: 's', role: 'system', cache: { ttl: '30m' } }],
      turns: [said('user', cached('a'), cached('b'), cached('c'), cached('d'), cached('e'))],
    })
    expect(JSON.stringify(body).match(/cache_control/g)).toHaveLength(4)
    expect(losses).toEqual(['omitted cache_control at system[0]', 'omitted cache_control at messages[0].content[0]'])
    expect(encode({ system: [{ text: 's', role: 'system', cache: { ttl: '30m' } }] })).toMatchObject({
      body: { system: [{ cache_control: { type: 'ephemeral', ttl: '1h' } }] },
      losses: ['approximated cache_control at system[0]'],
    })
  })

  it('names every field that has no place here', () => {
    const { losses, body } = encode({
      candidates: 2,
      sampling: { seed: 1, logitBias: { a: 1 }, logprobs: true, minP: 0.1, frequencyPenalty: 0, presencePenalty: 1 },
      outputModalities: ['text', 'audio'],
      account: { user: 'u', store: true, service_tier: 'priority', prompt_cache_key: 'k', metadata: { a: 'b' } },
      state: { previous_response_id: 'resp_1' },
      unknown: [{ path: 'verbosity', value: 'low' }],
      turns: [{ ...said('user', 'hi'), name: 'bob' }],
    })
    expect(losses.toSorted()).toEqual([
      'approximated user at user',
      'omitted message.name at messages[0].name',
      'omitted metadata at metadata',
      'omitted min_p at min_p',
      'omitted presence_penalty at presence_penalty',
      'omitted prompt_cache_key at prompt_cache_key',
      'omitted seed at seed',
      'omitted service_tier at service_tier',
      'omitted store at store',
      'omitted verbosity at verbosity',
      'refused candidates at n',
      'refused logit_bias at logit_bias',
      'refused logprobs at logprobs',
      'refused output_modalities at modalities',
      'refused state at previous_response_id',
    ])
    expect(body['metadata']).toEqual({ user_id: 'u' })
    expect(body).not.toHaveProperty('speed')
  })
})
