/** Encoding requests: exact where the wire can say it, and a loss for everything it cannot. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bareRequest } from '../../../../src/completion/bare-request.ts'
import type { CompletionRequest, Content, Tool, Turn } from '../../../../src/completion/request.ts'
import { isRecord } from '../../../../src/lib/json.ts'
import { encodeRequest } from '../../../../src/protocol/generate-content/request-encode.ts'
import { decodeRequest } from '../../../../src/protocol/generate-content/request.ts'
import { neutralRequest } from './arbitraries.ts'
import { googleWire } from './wire.ts'

const empty = bareRequest('gemini-3-river', [{ type: 'text', text: 'hi' }])

function encode(changes: Partial<CompletionRequest>, model = 'gemini-3-river', stream = false) {
  const { body, losses, ...rest } = encodeRequest({ ...empty, ...changes }, { model, stream })
  return { ...rest, body, losses, lost: losses.map(({ feature, action }) => `${feature}:${action}`) }
}

const user = (...parts: Content[]): Turn => ({ role: 'user', parts })
const assistant = (...parts: Content[]): Turn => ({ role: 'assistant', parts })
const text = (said: string): Content => ({ type: 'text', text: said })
const call = (id: string, name: string, value: unknown = {}): Content => ({
  type: 'tool-call',
  id,
  name,
  arguments: { kind: 'json', text: JSON.stringify(value), value },
})
const result = (callId: string, said: string): Content => ({
  type: 'tool-result',
  callId,
  isError: false,
  content: [{ type: 'text', text: said }],
})
const fn = (name: string, properties: object = { a: { type: 'string' } }): Tool => ({
  type: 'function',
  name,
  schema: { type: 'object', properties },
})

describe('law', () => {
  it('what the wire can say comes back as it was, without a loss but that of the thinking', () => {
    fc.assert(
      fc.property(neutralRequest, (request) => {
        const { path, body, losses } = encodeRequest(request, { model: request.model, stream: request.stream })
        const [call = '', query = ''] = path.replace('/models/', '').split('?')
        expect(decodeRequest(googleWire(body, call, query))).toEqual(request)
        expect(losses.filter(({ feature }) => feature !== 'reasoning.effort')).toEqual([])
      }),
      { numRuns: 300 },
    )
  })

  it('never throws, and every loss has a place and says how', () => {
    fc.assert(
      fc.property(
        neutralRequest,
        fc.constantFrom('gemini-2.0-flash', 'gemini-2.5-pro', 'gemini-flash-latest', 'gemma-3'),
        (request, model) => {
          for (const { path, how } of encodeRequest(request, { model, stream: true }).losses) {
            expect(path).not.toBe('')
            expect(how).not.toBe('')
          }
        },
      ),
      { numRuns: 100 },
    )
  })
})

describe('the path', () => {
  it.each([
    ['gemini-x', false, '/models/gemini-x:generateContent'],
    ['gemini-x', true, '/models/gemini-x:streamGenerateContent?alt=sse'],
    ['maker/name:v1', false, '/models/maker/name%3Av1:generateContent'],
    ['tunedModels/mine', false, '/tunedModels/mine:generateContent'],
    ['models/given', false, '/models/given:generateContent'],
    ['a?b#c', false, '/models/a%3Fb%23c:generateContent'],
  ])('%s', (model, stream, path) => {
    expect(encode({}, model, stream).path).toBe(path)
  })
})

describe('turns', () => {
  it('merges what one side says, with results first', () => {
    const { body } = encode(
      {
        turns: [user(text('a')), user(text('b')), assistant(call('1', 'f')), { role: 'tool', parts: [result('1', 'r')] }, user(text('c'))],
      },
      'gemini-2.5-flash',
    )
    expect(body['contents']).toEqual([
      { role: 'user', parts: [{ text: 'a' }, { text: 'b' }] },
      { role: 'model', parts: [{ functionCall: { id: '1', name: 'f', args: {} } }] },
      { role: 'user', parts: [{ functionResponse: { id: '1', name: 'f', response: { output: 'r' } } }, { text: 'c' }] },
    ])
    expect(encode({ turns: [user(text('c'), result('1', 'r'))] }).body['contents']).toMatchObject([
      { parts: [{ functionResponse: {} }, { text: 'c' }] },
    ])
  })

  it('keeps a system turn where it stands', () => {
    const { body, lost } = encode({ turns: [user(text('a')), { role: 'developer', parts: [text('rule')] }, assistant(text('b'))] })
    expect(body['contents']).toEqual([
      { role: 'user', parts: [{ text: 'a' }, { text: '<system>\nrule\n</system>' }] },
      { role: 'model', parts: [{ text: 'b' }] },
    ])
    expect(lost).toEqual(['system.position:approximated'])
  })

  it('lets the user say instructions that stand alone', () => {
    const { body, lost } = encode({ turns: [], system: [{ text: 's', role: 'developer' }] })
    expect(body).toEqual({ contents: [{ role: 'user', parts: [{ text: 's' }] }] })
    expect(lost).toEqual(['system.rank:approximated', 'message.role:approximated'])
  })

  it('leaves out empty texts and turns, and says so', () => {
    const { body, lost } = encode({ turns: [user(text('')), user(text('x'))] })
    expect(body['contents']).toEqual([{ role: 'user', parts: [{ text: 'x' }] }])
    expect(lost).toEqual(['text.empty:omitted', 'text.empty:omitted'])
  })

  it('never makes prose of thoughts, nor shows Google another\u2019s signature', () => {
    const foreign = { wire: 'messages', kind: 'signature', value: 's' } as const
    const { body, lost } = encode({
      turns: [user(text('a')), assistant({ type: 'reasoning', form: 'full', text: ['secret thought'], carriers: [foreign] }, text('b'))],
    })
    expect(JSON.stringify(body)).not.toContain('secret thought')
    expect(lost).toEqual(['reasoning.replay:omitted'])
    expect(encode({ turns: [assistant({ type: 'reasoning', form: 'full', text: ['secret'], carriers: [] })] }).lost).toContain(
      'reasoning.replay:omitted',
    )
  })

  it('marks the first call of a step that nobody signed, for models that ask for signatures', () => {
    const turns = [user(text('a')), assistant(call('1', 'f'), call('2', 'g'))]
    const marked = encode({ turns })
    expect(marked.body['contents']).toMatchObject([
      {},
      { parts: [{ thoughtSignature: 'skip_thought_signature_validator' }, { functionCall: { name: 'g' } }] },
    ])
    expect(JSON.stringify(marked.body).match(/skip_/g)).toHaveLength(1)
    expect(marked.lost).toEqual(['reasoning.signature:approximated'])
    expect(JSON.stringify(encode({ turns }, 'gemini-2.5-flash'))).not.toContain('skip_')
  })

  it('gives a call without an object one that holds what was written', () => {
    const { body, lost } = encode(
      { turns: [assistant({ type: 'tool-call', id: '1', name: 'f', arguments: { kind: 'invalid', text: '{"a' } })] },
      'gemini-2.5-flash',
    )
    expect(body['contents']).toMatchObject([{ parts: [{ functionCall: { args: { input: '{"a' } } }] }])
    expect(lost).toEqual(['tool_call.arguments:approximated'])
  })

  it('never parses the text of a result', () => {
    const { body } = encode(
      { turns: [assistant(call('1', 'f')), { role: 'tool', parts: [result('1', '{"id":12345678901234567890}')] }] },
      'gemini-2.5-flash',
    )
    expect(JSON.stringify(body)).toContain('{\\"id\\":12345678901234567890}')
  })

  it('puts media of a result into it where that is taken, and after it elsewhere', () => {
    const picture: Content = { type: 'image', source: { kind: 'inline', mimeType: 'image/png', base64: 'AAAA' } }
    const turns: Turn[] = [
      assistant(call('1', 'f')),
      { role: 'tool', parts: [{ type: 'tool-result', callId: '1', isError: false, content: [{ type: 'text', text: 'see' }, picture] }] },
    ]
    expect(encode({ turns }).body['contents']).toMatchObject([{}, { parts: [{ functionResponse: { parts: [{ inlineData: {} }] } }] }])
    const older = encode({ turns }, 'gemini-2.5-flash')
    expect(older.body['contents']).toMatchObject([
      {},
      { parts: [{ functionResponse: { response: { output: 'see' } } }, { inlineData: {} }] },
    ])
    expect(older.lost).toEqual(['tool_result.media:approximated'])
  })

  it.each([
    [{ type: 'image', source: { kind: 'inline', mimeType: 'image/gif', base64: 'AA' } }, 'image.format:refused'],
    [{ type: 'file', source: { kind: 'id', wire: 'responses', id: 'file_1' } }, 'file.id:refused'],
    [{ type: 'image', source: { kind: 'url', url: 'https://a.test/b.png' } }, 'image.url:approximated'],
    [{ type: 'file', source: { kind: 'text', text: 'body', title: 'Title' } }, 'document.text:approximated'],
    [{ type: 'foreign', wire: 'messages', raw: {} }, 'content.foreign:refused'],
    [{ type: 'refusal', text: 'no' }, 'refusal:approximated'],
    [{ type: 'text', text: 'x', cache: {} }, 'cache_control:omitted'],
  ] as const)('%j is %s', (part, loss) => {
    expect(encode({ turns: [user(text('a'), part as Content)] }).lost).toEqual([loss])
  })

  it('says a resolution only when all pictures agree on one', () => {
    const picture = (detail?: 'low' | 'high' | 'original'): Content => ({
      type: 'image',
      source: { kind: 'inline', mimeType: 'image/png', base64: 'AAAA' },
      ...(detail === undefined ? {} : { detail }),
    })
    expect(encode({ turns: [user(picture('low'), picture('low'))] }).body['generationConfig']).toEqual({
      mediaResolution: 'MEDIA_RESOLUTION_LOW',
    })
    expect(encode({ turns: [user(picture('low'), picture())] }).lost).toEqual(['image.detail:omitted'])
    expect(encode({ turns: [user(picture('original'))] }).lost).toEqual(['image.detail:omitted'])
  })
})

describe('tools', () => {
  it('declares functions by JSON Schema, without parameters when there are none', () => {
    const { body, losses } = encode({ tools: [fn('f'), fn('g', {})] })
    expect(body['tools']).toEqual([
      {
        functionDeclarations: [
          { name: 'f', parametersJsonSchema: { type: 'object', properties: { a: { type: 'string' } } } },
          { name: 'g' },
        ],
      },
    ])
    expect(losses).toEqual([])
  })

  it('renames what the wire cannot spell, everywhere alike, and says how to undo it', () => {
    const tools = [fn('fs/read file'), fn('1st')]
    const { body, restore } = encode(
      {
        tools,
        toolChoice: { mode: 'tool', name: 'fs/read file' },
        turns: [user(text('a')), assistant(call('1', '1st')), { role: 'tool', parts: [result('1', 'x')] }],
      },
      'gemini-2.5-flash',
    )
    const wire = JSON.stringify(body)
    expect(wire).not.toContain('fs/read file')
    expect(body['toolConfig']).toEqual({ functionCallingConfig: { mode: 'ANY', allowedFunctionNames: ['fs_read_file'] } })
    expect(body['contents']).toMatchObject([
      {},
      { parts: [{ functionCall: { name: '_1st' } }] },
      { parts: [{ functionResponse: { name: '_1st' } }] },
    ])
    expect([...(restore.toolNames ?? [])].toSorted()).toEqual([
      ['_1st', '1st'],
      ['fs_read_file', 'fs/read file'],
    ])
  })

  it('offers a free-form tool as a function of one text, and has it undone', () => {
    const grammar = { syntax: 'lark', definition: 'start: "x"' } as const
    const { body, lost, restore } = encode({ tools: [{ type: 'freeform', name: 'apply_patch', description: 'Edits.', grammar }] })
    expect(body['tools']).toMatchObject([
      {
        functionDeclarations: [
          { name: 'apply_patch', description: expect.stringContaining('start: "x"'), parametersJsonSchema: { required: ['input'] } },
        ],
      },
    ])
    expect(lost).toEqual(['tool.freeform:approximated'])
    expect(restore.freeformTools).toEqual(new Set(['apply_patch']))
  })

  it.each([
    [undefined, undefined],
    [{ mode: 'auto' }, { mode: 'AUTO' }],
    [{ mode: 'none' }, { mode: 'NONE' }],
    [{ mode: 'required' }, { mode: 'ANY' }],
    [
      { mode: 'required', allowed: ['f'] },
      { mode: 'ANY', allowedFunctionNames: ['f'] },
    ],
    [
      { mode: 'tool', name: 'g' },
      { mode: 'ANY', allowedFunctionNames: ['g'] },
    ],
  ] as const)('says the choice %j', (toolChoice, expected) => {
    const { body, losses } = encode({ tools: [fn('f'), fn('g')], ...(toolChoice === undefined ? {} : { toolChoice }) })
    expect(isRecord(body['toolConfig']) ? body['toolConfig']['functionCallingConfig'] : undefined).toEqual(expected)
    expect(losses).toEqual([])
  })

  it('declares only what may be called when the model is free to call', () => {
    const { body, losses } = encode({ tools: [fn('f'), fn('g')], toolChoice: { mode: 'auto', allowed: ['g'] } })
    expect(body['tools']).toMatchObject([{ functionDeclarations: [{ name: 'g' }] }])
    expect(losses).toEqual([])
  })

  it('holds strict functions to their schemas', () => {
    const { body, lost } = encode({ tools: [{ ...fn('f'), strict: true } as Tool] })
    expect(body['toolConfig']).toEqual({ functionCallingConfig: { mode: 'VALIDATED' } })
    expect(lost).toEqual(['tool.strict:approximated'])
  })

  const search: Tool = { type: 'hosted', family: 'web_search', wire: 'responses', config: {}, raw: {} }
  it('offers hosted tools it has too, beside functions only where the model takes both', () => {
    expect(encode({ tools: [search] })).toMatchObject({ body: { tools: [{ googleSearch: {} }] }, lost: ['tool.web_search:approximated'] })
    expect(encode({ tools: [search, fn('f')] }).lost).toEqual(['tool.web_search:approximated'])
    const older = encode({ tools: [search, fn('f')] }, 'gemini-2.5-pro')
    expect(older.lost).toEqual(['tool.web_search:omitted'])
    expect(older.body['tools']).toHaveLength(1)
    expect(encode({ tools: [{ ...search, family: 'mcp' }] }).lost).toEqual(['tool.mcp:refused'])
    expect(encode({ tools: [{ type: 'client-builtin', family: 'computer', name: 'computer', wire: 'messages', raw: {} }] }).lost).toEqual([
      'tool.client_builtin:refused',
    ])
    expect(encode({ tools: [{ ...search, wire: 'generate_content', raw: { googleMaps: {} } }] })).toMatchObject({
      body: { tools: [{ googleMaps: {} }] },
      lost: [],
    })
  })

  it('has all but the first call dropped when only one was wanted', () => {
    expect(encode({ tools: [fn('f')], parallelToolCalls: false })).toMatchObject({
      restore: { dropParallel: true },
      lost: ['parallel_tool_calls:approximated'],
    })
  })
})

describe('formats', () => {
  const schema = { type: 'object', properties: { a: { type: 'string' } } }
  const config = (changes: Partial<CompletionRequest>, model?: string) => encode(changes, model).body['generationConfig']

  it('asks for JSON, schemas and enums', () => {
    expect(config({ output: { kind: 'json' } })).toEqual({ responseMimeType: 'application/json' })
    expect(config({ output: { kind: 'schema', schema } })).toEqual({ responseMimeType: 'application/json', responseJsonSchema: schema })
    expect(config({ output: { kind: 'enum', values: ['a'] } })).toEqual({
      responseMimeType: 'text/x.enum',
      responseSchema: { type: 'STRING', enum: ['a'] },
    })
  })

  it('has an answer judged by the schema when a weaker one went out', () => {
    const strict = { ...schema, not: { required: ['b'] } }
    const { restore, lost } = encode({ output: { kind: 'schema', schema: strict } })
    expect(restore.schema).toEqual(strict)
    expect(lost).toEqual(['schema.keyword:approximated'])
  })

  it('asks in words beside functions where the model takes no format there', () => {
    const { body, restore, lost } = encode(
      { output: { kind: 'schema', schema }, tools: [fn('f')], system: [{ text: 's', role: 'system' }] },
      'gemini-2.5-flash',
    )
    expect(body['generationConfig']).toBeUndefined()
    expect(body['systemInstruction']).toMatchObject({ parts: [{ text: 's' }, { text: expect.stringContaining('"properties"') }] })
    expect(restore.schema).toEqual(schema)
    expect(lost).toEqual(['output.schema:approximated'])
  })
})

describe('thinking', () => {
  const thinking = (reasoning: CompletionRequest['reasoning'], model: string) => {
    const { body, lost } = encode(reasoning === undefined ? {} : { reasoning }, model)
    const config = body['generationConfig']
    return [isRecord(config) ? config['thinkingConfig'] : undefined, lost]
  }
  const said = ['reasoning.effort:approximated']

  it.each([
    [{ effort: 'high' }, 'gemini-3-pro', { includeThoughts: true, thinkingLevel: 'HIGH' }, said],
    [{ effort: 'xhigh' }, 'gemini-pro-latest', { includeThoughts: true, thinkingLevel: 'HIGH' }, said],
    [{ effort: 'none' }, 'gemini-3.1-flash', { thinkingLevel: 'MINIMAL' }, said],
    [{ budgetTokens: 1000, display: 'omitted' }, 'gemini-3-pro', { includeThoughts: false, thinkingLevel: 'LOW' }, said],
    [{ adaptive: true }, 'gemini-3-pro', { includeThoughts: true }, []],
    [{ effort: 'medium' }, 'gemini-2.5-flash', { includeThoughts: true, thinkingBudget: 8192 }, said],
    [{ effort: 'max' }, 'google/gemini-2.5-pro', { includeThoughts: true, thinkingBudget: 32_768 }, said],
    [{ effort: 'none' }, 'gemini-2.5-pro', { thinkingBudget: 128 }, said],
    [{ effort: 'none' }, 'gemini-2.5-flash', { thinkingBudget: 0 }, said],
    [{ budgetTokens: 5000 }, 'gemini-2.5-flash', { includeThoughts: true, thinkingBudget: 5000 }, []],
    [{ budgetTokens: 99_999 }, 'gemini-2.5-flash', { includeThoughts: true, thinkingBudget: 24_576 }, said],
    [{ adaptive: true }, 'gemini-2.5-flash', { includeThoughts: true, thinkingBudget: -1 }, []],
    [{ effort: 'high' }, 'gemini-2.0-flash', undefined, ['reasoning.effort:omitted']],
    [{ effort: 'none' }, 'gemini-1.5-pro', undefined, []],
    [{ effort: 'high' }, 'gemma-3', undefined, ['reasoning.effort:omitted']],
    [{}, 'gemini-3-pro', undefined, []],
  ] as const)('%j for %s', (reasoning, model, expected, lost) => {
    expect(thinking(reasoning, model)).toEqual([expected, lost])
  })
})

describe('what the wire has no place for', () => {
  it.each([
    [{ sampling: { minP: 0.1 } }, ['min_p:omitted']],
    [{ sampling: { topA: 0.1 } }, ['top_a:omitted']],
    [{ sampling: { repetitionPenalty: 1.1 } }, ['repetition_penalty:omitted']],
    [{ sampling: { logitBias: { '1': 5 } } }, ['logit_bias:refused']],
    [{ sampling: { seed: 2 ** 40 } }, ['seed:omitted']],
    [{ maxOutputTokens: 0 }, ['max_tokens:refused']],
    [{ state: { previous_response_id: 'resp_1' } }, ['state:refused']],
    [
      { account: { metadata: { a: 'b' }, user: 'u', store: true, prompt_cache_key: 'k', stream_options: {} } },
      ['metadata:omitted', 'user:omitted', 'store:omitted', 'prompt_cache_key:omitted'],
    ],
    [{ account: { store: false, service_tier: 'auto', metadata: {} } }, []],
    [{ account: { service_tier: 'scale' } }, ['service_tier:omitted']],
    [{ account: { service_tier: 'fast' } }, ['service_tier:approximated']],
    [{ account: { background: true } }, ['background:refused']],
    [{ unknown: [{ path: 'shiny', value: 1 }] }, ['unknown_field:omitted']],
    [{ turns: [{ ...user(text('a')), name: 'bob' }] }, ['message.name:omitted']],
  ] as const)('%j', (changes, lost) => {
    expect(encode(changes as Partial<CompletionRequest>).lost).toEqual(lost)
  })

  it('sends five stop sequences and has the others cut here', () => {
    const stop = ['a', 'b', 'c', 'd', 'e', 'f']
    const { body, restore, lost } = encode({ stop, candidates: 2 })
    expect(body['generationConfig']).toEqual({ stopSequences: ['a', 'b', 'c', 'd', 'e'], candidateCount: 2 })
    expect(restore).toEqual({ stop, candidates: 2 })
    expect(lost).toEqual(['stop:approximated'])
  })
})
