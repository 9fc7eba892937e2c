/** Requests of Responses callers: what is read off them, what they mean, and how they go out again. */
import { describe, expect, it } from 'vitest'
import { isRecord } from '../../../../src/lib/json.ts'
import { wrapCarrier } from '../../../../src/protocol/carrier.ts'
import { responses } from '../../../../src/protocol/responses/index.ts'
import { wireOf } from '../../../support/wire.ts'
import { agentRequest } from './agent-request.ts'

const { decodeRequest, read } = responses.caller
const { forward } = responses.upstream

type Body = Readonly<Record<string, unknown>>

const decode = (body: Body) => decodeRequest(wireOf({ model: 'acme/north', ...body }))
const readBody = (body: Body) => read(wireOf({ model: 'acme/north', ...body }))

describe('read', () => {
  it('takes an agent’s request, and does not make its optional search a need', () => {
    const { model, needs } = read(wireOf(agentRequest))
    expect(model).toBe('acme/north')
    expect(needs).toMatchObject({ features: ['tools', 'reasoning'], stream: true, candidates: 1, images: 0, inputModalities: ['text'] })
    expect(needs.maxInputTokens).toBeGreaterThan(JSON.stringify(agentRequest).length)
  })

  it('needs web search when there is nothing else to call, or when it is chosen', () => {
    const search = { type: 'web_search' }
    const fn = { type: 'function', name: 'f', parameters: {}, strict: false }
    expect(readBody({ input: 'x', tools: [search] }).needs.features).toContain('web_search')
    expect(readBody({ input: 'x', tools: [search, fn] }).needs.features).not.toContain('web_search')
    expect(readBody({ input: 'x', tools: [search, fn], tool_choice: search }).needs.features).toContain('web_search')
  })

  it('counts media by their kind, and history behind an id as a file nobody has seen', () => {
    const image = { type: 'input_image', image_url: `data:image/png;base64,${'A'.repeat(40_000)}` }
    const file = { type: 'input_file', file_data: 'JVBERi0=', filename: 'a.pdf' }
    const { needs } = readBody({
      input: [
        { role: 'user', content: [image, file] },
        { type: 'function_call_output', call_id: 'c', output: [image] },
      ],
    })
    expect(needs).toMatchObject({ images: 2, inputModalities: ['text', 'image', 'file'] })
    expect(needs.maxInputTokens).toBeLessThan(40_000)
    const bare = readBody({ input: 'x' }).needs.maxInputTokens
    for (const more of [{ previous_response_id: 'resp_1' }, { conversation: 'conv_1' }, { prompt: { id: 'p' } }]) {
      expect(readBody({ input: 'x', ...more }).needs.maxInputTokens).toBeGreaterThan(bare + 200_000)
    }
    expect(readBody({ input: [{ type: 'item_reference', id: 'msg_1' }] }).needs.maxInputTokens).toBeGreaterThan(200_000)
  })

  it.each<[string, Body, string]>([
    ['input missing', {}, 'input'],
    ['an item of unknown type', { input: [{ type: 'evil' }] }, 'input[0].type'],
    ['a message without content', { input: [{ role: 'user' }] }, 'input[0].content'],
    ['a role nobody has', { input: [{ role: 'king', content: 'x' }] }, 'input[0].role'],
    [
      'a file: URL',
      { input: [{ role: 'user', content: [{ type: 'input_image', image_url: 'file:///etc/passwd' }] }] },
      'input[0].content[0].image_url',
    ],
    ['an include that is no path', { input: 'x', include: ['__proto__'] }, 'include[0]'],
    [
      'too many labels',
      { input: 'x', metadata: Object.fromEntries(Array.from({ length: 10_000 }, (_, at) => [`k${at}`, 'v'])) },
      'metadata',
    ],
    ['a limit that is no number', { input: 'x', max_output_tokens: '5' }, 'max_output_tokens'],
    ['a limit beyond whole numbers', { input: 'x', max_output_tokens: 2 ** 53 }, 'max_output_tokens'],
    ['a call without its id', { input: [{ type: 'function_call', name: 'f', arguments: '{}' }] }, 'input[0].call_id'],
    ['an empty model', { model: '', input: 'x' }, 'model'],
  ])('refuses %s by its path', (_, body, path) => {
    expect(() => readBody(body)).toThrow(expect.objectContaining({ code: 'invalid_request', details: { path } }))
  })

  it('refuses work in the background, which nobody could be paid for in one exchange', () => {
    expect(() => readBody({ input: 'x', background: true })).toThrow(expect.objectContaining({ code: 'unsupported_parameter' }))
  })

  it('takes items and includes that are newer than this code, when they are named as such things are', () => {
    const input = [
      { type: 'teleport_call', id: 'x' },
      { type: 'teleport_call_output' },
      { type: 'vendor:thing' },
      { role: 'user', content: 'x' },
    ]
    expect(readBody({ input, include: ['teleport_call.results'] }).model).toBe('acme/north')
  })

  it.each([{ prompt: { id: 'pmpt_1' } }, { previous_response_id: 'resp_1' }, { conversation: 'conv_1' }])(
    'goes without input where %j stands for it, to who knows what that is',
    (standIn) => {
      expect(readBody(standIn).needs.maxInputTokens).toBeGreaterThan(200_000)
      const { turns, state } = decode(standIn)
      expect([turns, Object.keys(state)]).toEqual([[], Object.keys(standIn)])
      const { body } = forward(wireOf({ model: 'acme/north', ...standIn }), { model: 'north', stream: false })
      expect(JSON.parse(Buffer.from(body).toString())).toMatchObject({ model: 'north', ...standIn })
    },
  )

  it('refuses a key that stands twice', () => {
    expect(() => read(wireOf('{"model":"a","input":"x","model":"b"}'))).toThrow(expect.objectContaining({ code: 'duplicate_key' }))
  })
})

describe('decodeRequest', () => {
  it('reads an agent’s request: one turn for the items of an answer, one for each output', () => {
    const request = decodeRequest(wireOf(agentRequest))
    expect(request.system).toEqual([{ text: 'You are an agent.', role: 'developer' }])
    expect(request.turns).toEqual([
      { role: 'user', parts: [{ type: 'text', text: 'say hi' }] },
      {
        role: 'assistant',
        parts: [
          {
            type: 'reasoning',
            form: 'summary',
            text: ['thinking'],
            carriers: [{ wire: 'responses', kind: 'encrypted_content', value: 'ENC1', itemId: 'rs_1' }],
          },
          {
            type: 'tool-call',
            id: 'call_1',
            name: 'exec_command',
            arguments: { kind: 'json', text: '{"cmd":"echo hi"}', value: { cmd: 'echo hi' } },
          },
        ],
      },
      { role: 'tool', parts: [{ type: 'tool-result', callId: 'call_1', isError: false, content: [{ type: 'text', text: 'hi\n' }] }] },
      {
        role: 'assistant',
        parts: [{ type: 'tool-call', id: 'call_2', name: 'apply_patch', arguments: { kind: 'text', text: '*** Begin' } }],
      },
      { role: 'tool', parts: [{ type: 'tool-result', callId: 'call_2', isError: false, content: [{ type: 'text', text: 'done' }] }] },
    ])
    expect(request.tools).toMatchObject([
      { type: 'function', name: 'exec_command', strict: false },
      { type: 'freeform', name: 'apply_patch', grammar: { syntax: 'lark' } },
      { type: 'function', name: 'tool_search', origin: { wire: 'responses', family: 'tool_search' } },
      { type: 'hosted', family: 'web_search' },
    ])
    expect(request.unknown.map(({ path }) => path)).toEqual(['text.verbosity'])
    expect(request.account).toMatchObject({ store: false, client_metadata: { turn: '1' } })
    expect(request).toMatchObject({ reasoning: { effort: 'medium' }, parallelToolCalls: true, toolChoice: { mode: 'auto' }, stream: true })
  })

  it('puts instructions before system messages, and leaves later ones where they are', () => {
    const { system, turns } = decode({
      instructions: 'first',
      input: [
        { role: 'system', content: 'second' },
        { role: 'user', content: 'hi' },
        { role: 'developer', content: 'later' },
      ],
    })
    expect(system).toEqual([
      { text: 'first', role: 'system' },
      { text: 'second', role: 'system' },
    ])
    expect(turns.map(({ role }) => role)).toEqual(['user', 'developer'])
  })

  it('keeps two messages of the assistant apart, and an answer with a call together', () => {
    const say = (content: string) => ({ role: 'assistant', content })
    const call = { type: 'function_call', call_id: 'c', name: 'f', arguments: '{}' }
    expect(decode({ input: [say('a'), say('b'), call, say('c')] }).turns.map(({ parts }) => parts.map(({ type }) => type))).toEqual([
      ['text'],
      ['text', 'tool-call', 'text'],
    ])
  })

  it('hands back a sealed thought to its wire, and leaves out one that was damaged on the way', () => {
    const sealed = wrapCarrier({ wire: 'messages', provider: 'acme', kind: 'signature', value: 'SIG' })
    const item = (encrypted: string) => ({
      type: 'reasoning',
      id: 'rs_9',
      summary: [{ type: 'summary_text', text: 'hm' }],
      encrypted_content: encrypted,
    })
    const parts = (encrypted: string) => decode({ input: [item(encrypted), { role: 'assistant', content: 'x' }] }).turns[0]?.parts[0]
    expect(parts(sealed)).toMatchObject({ carriers: [{ wire: 'messages', provider: 'acme', kind: 'signature', value: 'SIG' }] })
    expect(parts(`${sealed}x`)).toMatchObject({ type: 'reasoning', text: ['hm'], carriers: [] })
  })

  it('loads what a search for tools has found, once', () => {
    const found = { type: 'function', name: 'late', parameters: { type: 'object' }, strict: false }
    const { tools, turns } = decode({
      tools: [{ type: 'tool_search', execution: 'client' }, found],
      input: [
        { type: 'tool_search_call', call_id: 'c', execution: 'client', arguments: { query: 'q' } },
        { type: 'tool_search_output', call_id: 'c', tools: [found, { type: 'namespace', name: 'ns', description: 'd', tools: [found] }] },
      ],
    })
    expect(tools.map((tool) => ('name' in tool ? tool.name : tool.family))).toEqual(['tool_search', 'late', 'ns__late'])
    expect(turns).toMatchObject([
      { parts: [{ type: 'tool-call', name: 'tool_search' }] },
      { parts: [{ type: 'tool-result', callId: 'c' }] },
    ])
  })

  it('keeps what it does not know, however deep it stands, and leaves out what says nothing', () => {
    const odd = { odd: 1, empty: null, none: [] }
    const { unknown } = decode({
      input: [
        {
          role: 'user',
          content: [
            { type: 'input_text', text: 'hi', ...odd },
            { type: 'input_audio', input_audio: { data: 'AAAA', format: 'wav', ...odd } },
            { type: 'newer', ...odd },
          ],
          ...odd,
        },
        { type: 'reasoning', summary: [{ type: 'summary_text', text: 'x', ...odd }], ...odd },
        { role: 'assistant', content: [{ type: 'output_text', text: 'x', annotations: [], logprobs: [{ token: 'x' }], parsed: odd }] },
        { type: 'function_call', call_id: 'a', name: 'f', arguments: '{}', parsed_arguments: odd, input: 'x', ...odd },
        { type: 'function_call_output', call_id: 'a', output: [{ type: 'input_text', text: 'y', ...odd }] },
        { type: 'local_shell_call', call_id: 'b', action: { type: 'exec', command: ['ls'], odd }, ...odd },
        { type: 'local_shell_call_output', call_id: 'b', output: 'z', ...odd },
        { type: 'compaction', encrypted_content: 'E', ...odd },
      ],
      tools: [
        { type: 'function', name: 'f', parameters: { type: 'object', odd }, strict: false, defer_loading: false, ...odd },
        { type: 'custom', name: 'g', format: { type: 'grammar', syntax: 'lark', definition: 'd', ...odd } },
        { type: 'namespace', name: 'n', description: 'd', tools: [{ type: 'function', name: 'h', ...odd }], ...odd },
        { type: 'web_search', ...odd },
      ],
      tool_choice: { type: 'allowed_tools', mode: 'auto', tools: [{ type: 'function', name: 'f', ...odd }], ...odd },
      text: { format: { type: 'json_schema', name: 'n', schema: { odd }, ...odd }, ...odd },
      reasoning: { effort: 'low', ...odd },
      metadata: { odd: 'mine' },
    })
    expect(unknown.map(({ path }) => path).toSorted()).toEqual([
      'input[0].content[0].odd',
      'input[0].content[1].input_audio.odd',
      'input[0].odd',
      'input[1].odd',
      'input[1].summary[0].odd',
      'input[3].input',
      'input[3].odd',
      'input[4].output[0].odd',
      'input[5].odd',
      'input[6].odd',
      'reasoning.odd',
      'text.format.odd',
      'text.odd',
      'tool_choice.odd',
      'tool_choice.tools[0].odd',
      'tools[0].odd',
      'tools[1].format.odd',
      'tools[2].odd',
      'tools[2].tools[0].odd',
    ])
  })

  it('keeps what only the vendor understands whole, and reports what it leaves out', () => {
    const { turns, unknown, state } = decode({
      conversation: { id: 'conv_1' },
      max_tool_calls: 3,
      sparkle: 1,
      input: [
        { type: 'message', role: 'assistant', content: 'x', phase: 'commentary' },
        { type: 'web_search_call', id: 'ws', status: 'completed', action: {} },
        { type: 'compaction', id: 'cmp', encrypted_content: 'E' },
        { type: 'reasoning', id: 'rs_bare', summary: [] },
      ],
      tools: [{ type: 'function', name: 'f', parameters: {}, strict: true, defer_loading: true }],
    })
    expect(turns).toMatchObject([{ role: 'assistant', parts: [{ type: 'text' }, { type: 'foreign', raw: { type: 'compaction' } }] }])
    expect(unknown.map(({ path }) => path)).toEqual([
      'max_tool_calls',
      'sparkle',
      'input[0].phase',
      'input[1]',
      'input[3]',
      'tools[0].defer_loading',
    ])
    expect(state).toEqual({ conversation: 'conv_1' })
  })

  it.each<[string, Body, string]>([
    ['an unknown effort', { input: 'x', reasoning: { effort: 'heroic' } }, 'reasoning.effort'],
    ['an unknown mode', { input: 'x', tool_choice: 'sometimes' }, 'tool_choice'],
    ['a format without its schema', { input: 'x', text: { format: { type: 'json_schema', name: 'n' } } }, 'text.format'],
    ['a tool without a name', { input: 'x', tools: [{ type: 'function' }] }, 'tools[0].name'],
    [
      'a picture in a system message',
      { input: [{ role: 'system', content: [{ type: 'input_image', image_url: 'https://a.b/c' }] }] },
      'input[0].content',
    ],
    ['an output without a call', { input: [{ type: 'function_call_output', output: 'x' }] }, 'input[0].call_id'],
  ])('refuses %s by its path', (_, body, path) => {
    expect(() => decode(body)).toThrow(expect.objectContaining({ code: 'invalid_request', details: { path } }))
  })

  it('reads every form of choice', () => {
    const choice = (tool_choice: unknown) => decode({ input: 'x', tool_choice }).toolChoice
    expect(choice('required')).toEqual({ mode: 'required' })
    expect(choice({ type: 'function', name: 'f' })).toEqual({ mode: 'tool', name: 'f' })
    expect(choice({ type: 'web_search' })).toEqual({ mode: 'tool', name: 'web_search' })
    expect(
      choice({
        type: 'allowed_tools',
        mode: 'auto',
        tools: [
          { type: 'function', name: 'f' },
          { type: 'custom', name: 'g' },
        ],
      }),
    ).toEqual({
      mode: 'auto',
      allowed: ['f', 'g'],
    })
  })
})

describe('forward', () => {
  const target = { model: 'upstream-model', stream: true }

  it('changes the model and takes our own fields out, and nothing else', () => {
    const body =
      '{"sparkle": 1.0,  "model":"acme/north", "input":[{"role":"user","content":"\\u00e9"}],"provider":{"only":["a"]},"stream":true}'
    const { body: sent, path, headers, hideUsageChunk } = forward(wireOf(body), target)
    expect(new TextDecoder().decode(sent)).toBe(
      '{"sparkle": 1.0,  "model":"upstream-model", "input":[{"role":"user","content":"\\u00e9"}],"stream":true}',
    )
    expect({ path, accept: headers['accept'], hideUsageChunk }).toEqual({
      path: '/responses',
      accept: 'text/event-stream',
      hideUsageChunk: false,
    })
  })

  it('opens envelopes of its own wire, and leaves those of others out', () => {
    const thought = (id: string, encrypted_content: string) => ({ type: 'reasoning', id, summary: [], encrypted_content })
    const own = wrapCarrier({ wire: 'responses', provider: 'acme', kind: 'encrypted_content', value: 'ENC', itemId: 'rs_theirs' })
    const other = wrapCarrier({ wire: 'messages', kind: 'signature', value: 'SIG' })
    const input = [thought('rs_a', own), thought('rs_b', other), thought('rs_c', 'RAW'), { role: 'user', content: 'rp1.not a thought' }]
    const sent: unknown = JSON.parse(new TextDecoder().decode(forward(wireOf({ model: 'm', input }), target).body))
    expect(isRecord(sent) ? sent['input'] : sent).toEqual([thought('rs_theirs', 'ENC'), thought('rs_c', 'RAW'), input[3]])
  })
})
