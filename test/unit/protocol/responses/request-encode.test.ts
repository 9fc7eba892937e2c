/** Requests of every wire on their way to a Responses upstream: what is said, what is lost, what must be undone. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bareRequest } from '../../../../src/completion/bare-request.ts'
import type { CompletionRequest, Content, Tool, Turn } from '../../../../src/completion/request.ts'
import { readToolArguments } from '../../../../src/completion/tool-arguments.ts'
import { isRecord } from '../../../../src/lib/json.ts'
import { responses } from '../../../../src/protocol/responses/index.ts'
import type { UpstreamTarget } from '../../../../src/protocol/protocol.ts'
import { encodeRequest } from '../../../../src/protocol/responses/request-encode.ts'
import { wireOf } from '../../../support/wire.ts'

const bare = bareRequest('gpt-5-chat', [{ type: 'text', text: 'hi' }])

function encode(changes: Partial<CompletionRequest> = {}, target: Partial<UpstreamTarget> = {}) {
  const { body, ...rest } = encodeRequest({ ...bare, ...changes }, { model: 'gpt-5-chat', stream: false, ...target })
  return { body: isRecord(body) ? body : {}, ...rest, features: rest.losses.map(({ feature, action }) => `${feature}:${action}`) }
}

describe('encodeRequest', () => {
  it('always says whether to store and whether a tool is strict, because silence means yes here', () => {
    const tool: Tool = { type: 'function', name: 'f', schema: { type: 'object', properties: {} } }
    const { body, losses } = encode({ tools: [tool] })
    expect(body).toEqual({
      model: 'gpt-5-chat',
      input: [{ type: 'message', role: 'user', content: 'hi' }],
      tools: [{ type: 'function', name: 'f', parameters: { type: 'object', properties: {} }, strict: false }],
      store: false,
    })
    expect(losses).toEqual([])
  })

  it('reports every field that has no place, and refuses what must not go missing', () => {
    const { features } = encode({
      sampling: { topK: 1, minP: 1, topA: 1, seed: 1, repetitionPenalty: 1, frequencyPenalty: 1, presencePenalty: 1, logitBias: { a: 1 } },
      candidates: 2,
      outputModalities: ['text', 'audio'],
      unknown: [
        { path: 'sparkle', value: 1 },
        { path: 'text.verbosity', value: 'low' },
      ],
      state: { previous_response_id: 'resp_1' },
      account: { service_tier: 'standard_only', client_metadata: {} },
    })
    expect(features.toSorted()).toEqual(
      [
        ...['top_k', 'min_p', 'top_a', 'seed', 'repetition_penalty', 'frequency_penalty', 'presence_penalty'].map(
          (name) => `${name}:omitted`,
        ),
        ...['logit_bias', 'candidates', 'output_modalities', 'state'].map((name) => `${name}:refused`),
        ...['unknown_field', 'metadata', 'verbosity', 'service_tier'].map((name) => `${name}:omitted`),
      ].toSorted(),
    )
  })

  it('cuts stop sequences itself, raises a limit that is too low, and names a budget by its effort', () => {
    const { body, restore, features } = encode({
      stop: ['END', ''],
      maxOutputTokens: 5,
      reasoning: { budgetTokens: 4_000, display: 'summarized' },
    })
    expect(body).toMatchObject({
      max_output_tokens: 16,
      reasoning: { effort: 'medium', summary: 'auto' },
      include: ['reasoning.encrypted_content'],
    })
    expect(body).not.toHaveProperty('stop')
    expect(restore).toEqual({ stop: ['END'] })
    expect(features).toEqual(['reasoning.effort:approximated', 'max_tokens:approximated', 'stop:approximated'])
  })

  it('leaves out temperatures that models which reason refuse', () => {
    expect(encode({ sampling: { temperature: 0.2, topP: 1 } }, { model: 'gpt-5.6' })).toMatchObject({
      body: { top_p: 1 },
      features: ['temperature:omitted'],
    })
    expect(encode({ sampling: { temperature: 0.2 } }, { model: 'gpt-4.1' }).body).toMatchObject({ temperature: 0.2 })
  })

  it('spells names as the wire takes them, everywhere alike, and says how to spell them back', () => {
    const { body, restore } = encode({
      tools: [{ type: 'function', name: 'crm.get', schema: {} }],
      toolChoice: { mode: 'tool', name: 'crm.get' },
      turns: [
        ...bare.turns,
        {
          role: 'assistant',
          parts: [{ type: 'tool-call', id: `id:${'x'.repeat(70)}`, name: 'crm.get', arguments: readToolArguments('{}') }],
        },
        { role: 'tool', parts: [{ type: 'tool-result', callId: `id:${'x'.repeat(70)}`, isError: false, content: [] }] },
      ],
    })
    expect(restore.toolNames).toEqual(new Map([['crm_get', 'crm.get']]))
    expect(body['tool_choice']).toEqual({ type: 'function', name: 'crm_get' })
    const input = body['input'] as readonly Record<string, unknown>[]
    expect(input[1]).toMatchObject({ type: 'function_call', name: 'crm_get', arguments: '{}' })
    expect(input[1]?.['call_id']).toMatch(/^[A-Za-z0-9_-]{1,64}$/)
    expect(input[2]).toEqual({ type: 'function_call_output', call_id: input[1]?.['call_id'], output: '' })
  })

  it('binds a strict schema by the vendor’s rules, or sends it unbound and judges the answer', () => {
    const schema = { type: 'object', properties: { a: { type: 'string', minLength: 2 } }, required: ['a'] }
    const bound = encode({ output: { kind: 'schema', schema, strict: true, name: 'my answer' } })
    expect(bound.body).toMatchObject({
      text: { format: { type: 'json_schema', name: 'my_answer', strict: true, schema: { additionalProperties: false } } },
    })
    const free = encode({ output: { kind: 'schema', schema: { ...schema, not: { required: ['b'] } }, strict: true } })
    expect(free.body).toMatchObject({ text: { format: { strict: false } } })
    expect(free.restore.schema).toMatchObject({ not: { required: ['b'] } })
    expect(free.features).toEqual(['tool.strict:approximated'])
    expect(encode({ output: { kind: 'enum', values: ['a', 'b'] } })).toMatchObject({
      restore: { enumWrapped: true },
      features: ['output.enum:approximated'],
    })
  })

  it('sends pictures and documents, and refuses sound, film and other providers’ files', () => {
    const media: Content[] = [
      { type: 'image', source: { kind: 'inline', mimeType: 'image/png', base64: 'aGk=' }, detail: 'low' },
      { type: 'image', source: { kind: 'url', url: 'https://a.b/c.png' } },
      { type: 'file', source: { kind: 'inline', mimeType: 'application/pdf', base64: 'aGk=' } },
      { type: 'file', source: { kind: 'url', url: 'https://a.b/c.pdf' } },
      { type: 'file', source: { kind: 'text', text: 'body', title: 'T' } },
    ]
    const { body, features } = encode({ turns: [{ role: 'user', parts: media }] })
    expect(body['input']).toEqual([
      {
        type: 'message',
        role: 'user',
        content: [
          { type: 'input_image', detail: 'low', image_url: 'data:image/png;base64,aGk=' },
          { type: 'input_image', detail: 'auto', image_url: 'https://a.b/c.png' },
          { type: 'input_file', filename: 'document.pdf', file_data: 'data:application/pdf;base64,aGk=' },
          { type: 'input_file', file_url: 'https://a.b/c.pdf' },
          { type: 'input_text', text: 'T\n\nbody' },
        ],
      },
    ])
    expect(features).toEqual(['document.text:approximated'])
    const refused: Content[] = [
      { type: 'audio', source: { kind: 'inline', mimeType: 'audio/wav', base64: 'aGk=' } },
      { type: 'video', source: { kind: 'url', url: 'https://a.b/c.mp4' } },
      { type: 'file', source: { kind: 'id', wire: 'messages', id: 'file_1' } },
      { type: 'image', source: { kind: 'inline', mimeType: 'image/heic', base64: 'aGk=' } },
      { type: 'foreign', wire: 'messages', raw: {} },
    ]
    expect(encode({ turns: [{ role: 'user', parts: refused }] }).features).toEqual(
      ['audio.input', 'video.input', 'file.id', 'image.format', 'content.foreign'].map((feature) => `${feature}:refused`),
    )
  })

  it('gives thoughts back only to whom they came from, and never as prose', () => {
    const thought = (provider: string): Turn => ({
      role: 'assistant',
      parts: [
        {
          type: 'reasoning',
          form: 'summary',
          text: ['hm'],
          carriers: [{ wire: 'responses', provider, kind: 'encrypted_content', value: 'ENC', itemId: 'rs_7' }],
        },
        { type: 'tool-call', id: 'c', name: 'f', arguments: readToolArguments('{}') },
      ],
    })
    const own = encode({ turns: [...bare.turns, thought('acme')] }, { provider: 'acme' })
    expect(own.body['input']).toMatchObject([
      {},
      { type: 'reasoning', id: 'rs_7', summary: [{ type: 'summary_text', text: 'hm' }], encrypted_content: 'ENC' },
      { type: 'function_call' },
    ])
    for (const foreign of [
      thought('other'),
      { role: 'assistant', parts: [{ type: 'reasoning', form: 'full', text: ['hm'], carriers: [] }] } as Turn,
    ]) {
      const { body, features } = encode({ turns: [...bare.turns, foreign] }, { provider: 'acme' })
      expect(JSON.stringify(body)).not.toContain('hm')
      expect(features).toContain('reasoning.replay:omitted')
    }
  })

  it('tells errors of tools in their text, results before what follows them, and outputs of free-form tools as theirs', () => {
    const turns: Turn[] = [
      { role: 'assistant', parts: [{ type: 'tool-call', id: 'c', name: 'patch', arguments: { kind: 'text', text: '+a' } }] },
      {
        role: 'user',
        parts: [
          { type: 'text', text: 'and?' },
          { type: 'tool-result', callId: 'c', isError: true, content: [{ type: 'text', text: 'no' }] },
          { type: 'tool-result', callId: 'd', isError: false, content: { kind: 'json', value: { a: 1 } } },
        ],
      },
    ]
    const { body, features } = encode({ turns, tools: [{ type: 'freeform', name: 'patch' }] })
    expect(body['input']).toEqual([
      { type: 'custom_tool_call', call_id: 'c', name: 'patch', input: '+a' },
      { type: 'custom_tool_call_output', call_id: 'c', output: '{"error":"no"}' },
      { type: 'function_call_output', call_id: 'd', output: '{"a":1}' },
      { type: 'message', role: 'user', content: 'and?' },
    ])
    expect(features).toEqual(['tool_result.error:approximated'])
  })

  it('offers free-form tools and choices among some to servers that have no word for either', () => {
    const tools: Tool[] = [
      { type: 'freeform', name: 'patch', description: 'd', grammar: { syntax: 'lark', definition: 'start: "x"' } },
      { type: 'function', name: 'f', schema: { type: 'object', properties: {} } },
    ]
    const turns: Turn[] = [
      { role: 'assistant', parts: [{ type: 'tool-call', id: 'c', name: 'patch', arguments: { kind: 'text', text: '+a' } }] },
      { role: 'tool', parts: [{ type: 'tool-result', callId: 'c', isError: false, content: [{ type: 'text', text: 'ok' }] }] },
    ]
    const toolChoice = { mode: 'auto', allowed: ['patch'] } as const
    const { body, restore, features } = encode({ tools, turns, toolChoice }, { model: 'north-2' })
    expect(body['tools']).toMatchObject([{ type: 'function', name: 'patch', parameters: { required: ['input'] } }])
    expect(body).toMatchObject({ tool_choice: 'auto' })
    expect(body['input']).toEqual([
      { type: 'function_call', call_id: 'c', name: 'patch', arguments: '{"input":"+a"}' },
      { type: 'function_call_output', call_id: 'c', output: 'ok' },
    ])
    expect(restore).toEqual({ freeformTools: new Set(['patch']) })
    expect(features).toEqual(['tool_choice.allowed:approximated', 'tool.freeform:approximated'])
    expect(encode({ tools, toolChoice }).body['tool_choice']).toEqual({
      type: 'allowed_tools',
      mode: 'auto',
      tools: [{ type: 'custom', name: 'patch' }],
    })
  })

  it('carries hosted tools where there is one of the kind, and cache marks where the model knows them', () => {
    const hosted = (family: string, config = {}): Tool => ({ type: 'hosted', family, wire: 'messages', config, raw: {} })
    const { body, features } = encode({
      tools: [hosted('web_search', { allowed_domains: ['a.b'], max_uses: 3 }), hosted('code_execution'), hosted('mcp'), hosted('maps')],
    })
    expect(body['tools']).toEqual([
      { type: 'web_search', filters: { allowed_domains: ['a.b'] } },
      { type: 'code_interpreter', container: { type: 'auto' } },
    ])
    expect(features).toEqual([
      'tool.web_search:approximated',
      'tool.web_search:omitted',
      'tool.code_execution:approximated',
      'tool.mcp:refused',
      'tool.hosted:refused',
    ])
    const marked = {
      turns: [{ role: 'user', parts: [{ type: 'text', text: 'x', cache: { ttl: '5m' } }] }],
    } satisfies Partial<CompletionRequest>
    expect(encode(marked).features).toEqual(['cache_control:omitted'])
    expect(encode(marked, { model: 'gpt-5.6' }).body['input']).toMatchObject([{ content: [{ prompt_cache_breakpoint: { ttl: '30m' } }] }])
  })

  it('sends Anthropic’s user as an identifier that fits', () => {
    const { body } = encode({ account: { metadata: { user_id: JSON.stringify({ device: 'x'.repeat(80) }) } } })
    expect(body['safety_identifier']).toMatch(/^[0-9a-f]{64}$/)
    expect(body).not.toHaveProperty('metadata')
    expect(encode({ account: { metadata: { a: 'b' }, store: true } }).body).toMatchObject({ metadata: { a: 'b' }, store: true })
  })
})

describe('a request that Responses can say', () => {
  const words = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 })
  const name = fc.stringMatching(/^[a-z_]{1,12}$/)
  const text = words.map((value): Content => ({ type: 'text', text: value }))
  const picture = fc
    .base64String({ minLength: 4, maxLength: 12 })
    .map((base64): Content => ({ type: 'image', source: { kind: 'inline', mimeType: 'image/png', base64 }, detail: 'auto' }))
  const id = fc.stringMatching(/^[A-Za-z0-9_-]{1,20}$/)
  const call = fc.tuple(id, name, fc.dictionary(name, words), fc.boolean()).map(([callId, tool, value, freeform]): Content => ({
    type: 'tool-call',
    id: `${freeform ? 'x' : 'j'}${callId}`,
    name: tool,
    arguments: freeform ? { kind: 'text', text: Object.values(value).join('') } : readToolArguments(JSON.stringify(value)),
  }))
  const thought = fc.tuple(fc.array(words, { maxLength: 2 }), words).map(([said, value]): Content => ({
    type: 'reasoning',
    form: said.length === 0 ? 'omitted' : 'summary',
    text: said,
    carriers: [{ wire: 'responses', kind: 'encrypted_content', value: `E${value}`, itemId: 'rs_1' }],
  }))
  const user = fc.array(fc.oneof(text, picture), { minLength: 1, maxLength: 3 }).map((parts): Turn => ({ role: 'user', parts }))
  const assistant = fc
    .tuple(fc.array(thought, { maxLength: 2 }), fc.array(text, { maxLength: 2 }), fc.array(call, { maxLength: 2 }))
    .filter((parts) => parts.flat().length > 0)
    .map((parts): Turn => ({ role: 'assistant', parts: parts.flat() }))
  const result = fc.tuple(id, fc.array(text, { minLength: 1, maxLength: 2 })).map(([callId, content]): Turn => ({
    role: 'tool',
    parts: [{ type: 'tool-result', callId: `j${callId}`, isError: false, content: content as never }],
  }))
  /** Two answers on end could only be told apart by a message between them. */
  const turns = fc
    .array(fc.tuple(user, fc.option(assistant), fc.array(result, { maxLength: 2 })), { minLength: 1, maxLength: 3 })
    .map((rounds) => rounds.flatMap(([asked, answered, results]): Turn[] => [asked, ...(answered === null ? [] : [answered]), ...results]))
    .map((all): Turn[] => [...all, { role: 'user', parts: [{ type: 'text', text: 'go on' }] }])
  const request = fc
    .record({
      turns,
      system: fc.array(
        words.map((value) => ({ text: value, role: 'developer' as const })),
        { maxLength: 2 },
      ),
      tools: fc.uniqueArray(
        fc
          .tuple(name, fc.boolean(), words)
          .map(([tool, freeform, description]): Tool =>
            freeform
              ? { type: 'freeform', name: tool, description, grammar: { syntax: 'regex', definition: 'a+' } }
              : { type: 'function', name: tool, description, schema: { type: 'object', properties: {} }, strict: false },
          ),
        { maxLength: 3, selector: (tool) => ('name' in tool ? tool.name : '') },
      ),
      sampling: fc.record({ temperature: fc.constantFrom(0, 0.5, 2), topP: fc.constant(0.9) }, { requiredKeys: [] }),
      limit: fc.integer({ min: 16, max: 9_000 }),
      output: fc.constantFrom(
        { kind: 'text' as const },
        { kind: 'json' as const },
        { kind: 'schema' as const, name: 'n', schema: { type: 'object' }, strict: false },
      ),
      reasoning: fc.constantFrom({ effort: 'low' as const }, { effort: 'max' as const, display: 'summarized' as const }),
    })
    .map(({ limit, ...rest }): CompletionRequest => ({ ...bare, ...rest, maxOutputTokens: limit }))

  it('means the same when it is read again', () => {
    fc.assert(
      fc.property(request, (asked) => {
        const { body, losses } = encodeRequest(asked, { model: asked.model, stream: false })
        expect(losses).toEqual([])
        const { account, ...again } = responses.caller.decodeRequest(wireOf(body))
        expect(account).toEqual({ store: false, include: ['reasoning.encrypted_content'] })
        expect(again).toEqual({ ...asked, account: undefined })
      }),
    )
  })

  it('encodes to a body that is taken as a request', () => {
    fc.assert(
      fc.property(request, (asked) => {
        const { body } = encodeRequest(asked, { model: asked.model, stream: true })
        expect(responses.caller.read(wireOf(body)).needs).toMatchObject({ stream: true, maxOutputTokens: asked.maxOutputTokens })
      }),
    )
  })
})
