/** Decoding requests: names, turns, tools and formats, and what is refused with its path. */
import { describe, expect, it } from 'vitest'
import type { ToolCallContent, ToolResultContent } from '../../../../src/completion/request.ts'
import { generateContent } from '../../../../src/protocol/generate-content/index.ts'
import { encodeSignature } from '../../../../src/protocol/generate-content/signature.ts'
import { googleWire, hi } from './wire.ts'

const { decodeRequest, read } = generateContent.caller
const decode = (body: object, call?: string, query?: string) => decodeRequest(googleWire({ ...hi, ...body }, call, query))
const turnsOf = (contents: unknown) => decode({ contents }).turns
const problem = (body: unknown, call?: string, query?: string): unknown => {
  try {
    read(googleWire(body, call, query))
    decodeRequest(googleWire(body, call, query))
    return undefined
  } catch (error) {
    return error
  }
}

describe('the path', () => {
  it.each([
    ['gemini-9-river:generateContent', 'gemini-9-river', false],
    ['openai/gpt-4o:generateContent', 'openai/gpt-4o', false],
    ['openai/gpt-4o:cost:generateContent', 'openai/gpt-4o:cost', false],
    ['acme:openai/gpt-4o:streamGenerateContent', 'acme:openai/gpt-4o', true],
    ['@fast/openai/gpt-4o:latency:streamGenerateContent', '@fast/openai/gpt-4o:latency', true],
    ['@fast:generateContent', '@fast', false],
  ])('%s names the model and whether it streams', (call, model, stream) => {
    const wire = googleWire(hi, call)
    expect(read(wire)).toMatchObject({ model, needs: { stream } })
    expect(decodeRequest(wire)).toMatchObject({ model, stream })
  })

  it('may leave out models/, as one SDK does for ids with a slash', () => {
    expect(read({ ...googleWire(hi), path: '/v1beta/maker/name:cost:generateContent' }).model).toBe('maker/name:cost')
    expect(read({ ...googleWire(hi), path: '/v1/models/maker/name:generateContent' }).model).toBe('maker/name')
  })

  it('may have a version twice, from a base URL and from the client', () => {
    expect(read({ ...googleWire(hi), path: '/v1/v1beta/models/maker/name:generateContent' }).model).toBe('maker/name')
    expect(read({ ...googleWire(hi), path: '/v1beta/v1beta/models/name:generateContent' }).model).toBe('name')
  })

  it.each(['a:evil', 'a', ':generateContent', 'a:countTokens', 'a:generateContent/x', 'a:embedContent'])(
    '%s is nothing that is here',
    (call) => {
      expect(problem(hi, call)).toMatchObject({ code: 'not_found' })
    },
  )

  it('takes events only for streams, and no other representation', () => {
    expect(problem(hi, 'm:generateContent', 'alt=sse')).toMatchObject({ code: 'invalid_request', details: { path: 'alt' } })
    expect(problem(hi, 'm:streamGenerateContent', 'alt=proto')).toMatchObject({ code: 'invalid_request', details: { path: 'alt' } })
    expect(problem(hi, 'm:streamGenerateContent', 'alt=sse&key=secret')).toBeUndefined()
  })

  it('bounds the model', () => {
    expect(problem(hi, `${'m'.repeat(600)}:generateContent`)).toMatchObject({ code: 'invalid_request' })
  })
})

describe('bad bodies', () => {
  it.each([
    [{}, 'contents'],
    [{ contents: [] }, 'contents'],
    [{ contents: [{ role: 'user', parts: [] }] }, 'contents[0].parts'],
    [{ contents: [{ role: 'user' }] }, 'contents[0].parts'],
    [{ contents: [{ role: 'system', parts: [{ text: 'x' }] }] }, 'contents[0].role'],
    [{ contents: [{ parts: [{}] }] }, 'contents[0].parts[0]'],
    [{ contents: [{ parts: [{ text: 'a', functionCall: { name: 'b' } }] }] }, 'contents[0].parts[0]'],
    [{ contents: [{ parts: [{ text: 5 }] }] }, 'contents[0].parts[0].text'],
    [{ contents: [{ parts: [{ inlineData: { mimeType: 'image/png', data: '%%%' } }] }] }, 'contents[0].parts[0].inlineData.data'],
    [{ ...hi, generationConfig: { maxOutputTokens: -1 } }, 'generationConfig.maxOutputTokens'],
    [{ ...hi, generationConfig: { maxOutputTokens: 1e300 } }, 'generationConfig.maxOutputTokens'],
    [{ ...hi, generationConfig: { candidateCount: 0 } }, 'generationConfig.candidateCount'],
    [{ ...hi, generationConfig: { responseMimeType: 'image/png' } }, 'generationConfig.responseMimeType'],
    [{ ...hi, generationConfig: { thinkingConfig: { thinkingLevel: 'VERY' } } }, 'generationConfig.thinkingConfig.thinkingLevel'],
    [{ ...hi, toolConfig: { functionCallingConfig: { mode: 'SOME' } } }, 'toolConfig.functionCallingConfig.mode'],
    [
      { ...hi, tools: [{ functionDeclarations: [{ name: 'a', parameters: {}, parametersJsonSchema: {} }] }] },
      'tools[0].functionDeclarations[0]',
    ],
    [{ ...hi, generationConfig: { topK: 1, top_k: 2 } }, 'generationConfig.topK'],
    [{ ...hi, systemInstruction: { parts: [{ inlineData: { data: 'AAAA' } }] } }, 'systemInstruction.parts[0]'],
  ])('%j is refused at its place', (body, path) => {
    expect(problem(body)).toMatchObject({ code: 'invalid_request', details: { path } })
  })

  it('reads our own fields, and refuses a member that stands twice', () => {
    expect(read(googleWire({ ...hi, max_cost_usd: '0.5', models: ['a/b'] })).extensions).toMatchObject({ models: ['a/b'] })
    expect(problem('{"contents":[{"parts":[{"text":"a"}]}],"tools":[],"to\\u006fls":[]}')).toMatchObject({ code: 'duplicate_key' })
  })
})

describe('names', () => {
  const camel = {
    contents: [
      {
        parts: [
          { inlineData: { mimeType: 'image/png', data: 'AAAA' } },
          { functionCall: { name: 'f', args: { snake_case: { in_it: 1 } } }, thoughtSignature: 'QQ==' },
        ],
      },
    ],
    systemInstruction: { parts: [{ text: 's' }] },
    tools: [{ functionDeclarations: [{ name: 'f', parametersJsonSchema: { type: 'object', properties: { a_b: { type: 'string' } } } }] }],
    toolConfig: { functionCallingConfig: { mode: 'ANY', allowedFunctionNames: ['f'] } },
    generationConfig: { maxOutputTokens: 5, stopSequences: ['x'], thinkingConfig: { thinkingBudget: 9 } },
  }
  const snake = {
    contents: [
      {
        parts: [
          { inline_data: { mime_type: 'image/png', data: 'AAAA' } },
          { function_call: { name: 'f', args: { snake_case: { in_it: 1 } } }, thought_signature: 'QQ==' },
        ],
      },
    ],
    system_instruction: { parts: [{ text: 's' }] },
    tools: [
      { function_declarations: [{ name: 'f', parameters_json_schema: { type: 'object', properties: { a_b: { type: 'string' } } } }] },
    ],
    tool_config: { function_calling_config: { mode: 'ANY', allowed_function_names: ['f'] } },
    generation_config: { max_output_tokens: '5', stop_sequences: ['x'], thinking_config: { thinking_budget: 9 } },
  }

  it('may be written in snake case, and what is the caller\u2019s own keeps its names', () => {
    expect(decode(snake)).toEqual(decode(camel))
    expect(read(googleWire(snake)).needs).toEqual({
      ...read(googleWire(camel)).needs,
      maxInputTokens: expect.any(Number),
      expectedInputTokens: expect.any(Number),
    })
    expect(decode(snake).turns[0]?.parts[1]).toMatchObject({ arguments: { value: { snake_case: { in_it: 1 } } } })
    expect(decode(snake).unknown).toEqual([])
  })
})

describe('turns', () => {
  it('keeps text, thoughts and signatures apart and in order', () => {
    const parts = [
      { text: 'a' },
      { text: 'think ', thought: true },
      { text: 'on', thought: true },
      { text: '' },
      { text: 'b', thoughtSignature: 'QQ==' },
    ]
    expect(turnsOf([{ role: 'model', parts }])).toEqual([
      {
        role: 'assistant',
        parts: [
          { type: 'text', text: 'a' },
          { type: 'reasoning', form: 'summary', text: ['think on'], carriers: [] },
          { type: 'text', text: 'b', carriers: [{ wire: 'generate_content', kind: 'thought_signature', value: 'QQ==' }] },
        ],
      },
    ])
  })

  it('tells what media is by its type, and whose files are whose', () => {
    const source = (part: unknown) => turnsOf([{ parts: [part] }])[0]?.parts[0]
    expect(source({ inlineData: { mimeType: 'audio/mp3', data: 'AA' } })).toEqual({
      type: 'audio',
      source: { kind: 'inline', mimeType: 'audio/mpeg', base64: 'AA==' },
    })
    expect(source({ inlineData: { mimeType: 'application/pdf', data: 'AAAA' } })).toMatchObject({ type: 'file' })
    expect(source({ fileData: { fileUri: 'https://a.test/b.png' } })).toEqual({
      type: 'image',
      source: { kind: 'url', url: 'https://a.test/b.png' },
    })
    expect(
      source({ fileData: { fileUri: 'https://generativelanguage.googleapis.com/v1beta/files/x', mimeType: 'video/mp4' } }),
    ).toMatchObject({ type: 'video', source: { kind: 'id' } })
    expect(source({ fileData: { fileUri: 'gs://bucket/x.pdf', mimeType: 'application/pdf' } })).toMatchObject({
      source: { kind: 'id', wire: 'generate_content' },
    })
    expect(source({ fileData: { fileUri: 'https://www.youtube.com/watch?v=1' } })).toMatchObject({ type: 'video', source: { kind: 'url' } })
  })

  it('reads a resolution of a part before that of the request', () => {
    const contents = [
      {
        parts: [
          { inlineData: { mimeType: 'image/png', data: 'AAAA' } },
          { inlineData: { mimeType: 'image/png', data: 'AAAA' }, mediaResolution: { level: 'MEDIA_RESOLUTION_HIGH' } },
        ],
      },
    ]
    const { turns, unknown } = decode({ contents, generationConfig: { mediaResolution: 'MEDIA_RESOLUTION_LOW' } })
    expect(turns[0]?.parts).toMatchObject([{ detail: 'low' }, { detail: 'high' }])
    expect(unknown).toEqual([])
    expect(decode({ generationConfig: { mediaResolution: 'MEDIA_RESOLUTION_MEDIUM' } }).unknown).toEqual([
      { path: 'generationConfig.mediaResolution', value: 'MEDIA_RESOLUTION_MEDIUM' },
    ])
  })

  it('keeps parts that only this wire has, and reports members it does not know', () => {
    const code = { executableCode: { language: 'PYTHON', code: 'print(1)' } }
    const { turns, unknown } = decode({
      contents: [{ parts: [code, { text: 'x', partMetadata: { a: 1 } }] }],
      shiny: 1,
      generationConfig: { speechConfig: {} },
    })
    expect(turns[0]?.parts[0]).toEqual({ type: 'foreign', wire: 'generate_content', raw: code })
    expect(unknown.map(({ path }) => path).toSorted()).toEqual([
      'contents[0].parts[1].partMetadata',
      'generationConfig.speechConfig',
      'shiny',
    ])
  })
})

describe('members that nobody knows', () => {
  it('are kept, however deep they stand, unless they say nothing', () => {
    const odd = { odd: 1, empty: null, none: [], blank: '' }
    const data = { mimeType: 'image/png', data: 'AAAA' }
    const { unknown } = decode({
      systemInstruction: { role: 'user', parts: [{ text: 'Be brief.', ...odd }] },
      contents: [
        {
          role: 'user',
          parts: [
            { text: 'hi', ...odd },
            { inline_data: { ...data, ...odd } },
            { fileData: { fileUri: 'https://files.example/a.pdf', ...odd } },
            { inlineData: data, mediaResolution: { level: 'MEDIA_RESOLUTION_MEDIUM' } },
            { executableCode: { code: 'x', ...odd }, ...odd },
          ],
          ...odd,
        },
        { role: 'model', parts: [{ functionCall: { name: 'f', args: { odd }, ...odd } }] },
        {
          role: 'user',
          parts: [{ functionResponse: { name: 'f', response: { odd }, parts: [{ inlineData: { ...data, ...odd } }], ...odd } }],
        },
      ],
      tools: [{ functionDeclarations: [{ name: 'f', parametersJsonSchema: { type: 'object', odd }, ...odd }], googleSearch: odd }],
      toolConfig: { functionCallingConfig: { mode: 'AUTO', ...odd }, ...odd },
      generationConfig: { thinkingConfig: { includeThoughts: true, ...odd }, responseMimeType: 'application/json', ...odd },
      labels: { odd: 'mine' },
    })
    expect(unknown.map(({ path }) => path).toSorted()).toEqual([
      'contents[0].odd',
      'contents[0].parts[0].odd',
      'contents[0].parts[1].inlineData.odd',
      'contents[0].parts[2].fileData.odd',
      'contents[0].parts[3].mediaResolution',
      'contents[1].parts[0].functionCall.odd',
      'contents[2].parts[0].functionResponse.odd',
      'contents[2].parts[0].functionResponse.parts[0].inlineData.odd',
      'generationConfig.odd',
      'generationConfig.thinkingConfig.odd',
      'systemInstruction.parts[0].odd',
      'toolConfig.functionCallingConfig.odd',
      'toolConfig.odd',
      'tools[0].functionDeclarations[0].odd',
    ])
  })
})

describe('calls and their results', () => {
  const calls = (parts: unknown[]) => ({ role: 'model', parts })
  const results = (parts: unknown[]) => ({ role: 'user', parts })
  const call = (name: string, id?: string) => ({ functionCall: { name, args: {}, ...(id === undefined ? {} : { id }) } })
  const result = (name: string, id?: string, output = name) => ({
    functionResponse: { name, response: { output }, ...(id === undefined ? {} : { id }) },
  })
  const pairs = (contents: unknown) => {
    const parts = turnsOf(contents).flatMap((turn) => turn.parts)
    const made = parts.filter((part): part is ToolCallContent => part.type === 'tool-call')
    return parts
      .filter((part): part is ToolResultContent => part.type === 'tool-result')
      .map(({ callId }) => made.findIndex(({ id }) => id === callId))
  }

  it.each([
    ['by id', [calls([call('a', '1'), call('a', '2')]), results([result('a', '2'), result('a', '1')])], [1, 0]],
    [
      'by name and order without ids',
      [calls([call('a'), call('b'), call('a')]), results([result('a'), result('a'), result('b')])],
      [0, 2, 1],
    ],
    [
      'by an id with the name before it',
      [calls([call('a', '1'), call('a', '2')]), results([result('a', 'a__2'), result('a', 'a__1')])],
      [1, 0],
    ],
    ['by an id without the name before it', [calls([call('a', 'a__1')]), results([result('a', '1')])], [0]],
    [
      'over two rounds with the same name',
      [calls([call('a')]), results([result('a')]), calls([call('a')]), results([result('a')])],
      [0, 1],
    ],
    ['when two calls share one id', [calls([call('a', '1'), call('a', '1')]), results([result('a', '1'), result('a', '1')])], [0, 1]],
    ['not at all for an orphan', [calls([call('a', '1')]), results([result('a', '1'), result('b', '9')])], [0, -1]],
  ])('are paired %s', (_name, contents, expected) => {
    expect(pairs(contents)).toEqual(expected)
  })

  it('have ids that do not change when the history grows', () => {
    const history = [calls([call('a')]), results([result('a')])]
    const [short, long] = [turnsOf(history), turnsOf([...history, calls([call('b')]), results([result('b')])])]
    expect(long.slice(0, 2)).toEqual(short)
  })

  it.each([
    [{ output: 'fine' }, { isError: false, content: [{ type: 'text', text: 'fine' }] }],
    [{ error: 'bad' }, { isError: true, content: [{ type: 'text', text: 'bad' }] }],
    [{ output: [1] }, { isError: false, content: { kind: 'json', value: [1] } }],
    [{ temperature: 3 }, { isError: false, content: { kind: 'json', value: { temperature: 3 } } }],
    [{}, { isError: false, content: { kind: 'json', value: {} } }],
  ])('reads the result %j', (response, expected) => {
    const turns = turnsOf([calls([call('a', '1')]), results([{ functionResponse: { name: 'a', id: '1', response } }])])
    expect(turns[1]).toEqual({ role: 'tool', parts: [{ type: 'tool-result', callId: '1', name: 'a', ...expected }] })
  })

  it('reads media of a result', () => {
    const functionResponse = {
      name: 'a',
      id: '1',
      response: { output: 'see' },
      parts: [{ inlineData: { mimeType: 'image/png', data: 'AAAA' } }],
    }
    const turns = turnsOf([calls([call('a', '1')]), results([{ functionResponse }])])
    expect(turns[1]?.parts[0]).toMatchObject({ content: [{ type: 'text', text: 'see' }, { type: 'image' }] })
  })

  const foreign = { wire: 'messages', provider: 'acme', kind: 'signature', value: 'sig+value/1==' } as const
  const sealed = encodeSignature([foreign]) as string

  it('gives a signature that rode on a call back to its thought', () => {
    const withThought = turnsOf([
      calls([{ text: 'hm', thought: true }, { text: 'Let me look.' }, { ...call('a', '1'), thoughtSignature: sealed }]),
    ])
    expect(withThought[0]?.parts).toEqual([
      { type: 'reasoning', form: 'summary', text: ['hm'], carriers: [foreign] },
      { type: 'text', text: 'Let me look.' },
      { type: 'tool-call', id: '1', name: 'a', arguments: { kind: 'json', text: '{}', value: {} } },
    ])
  })

  it('makes a thought without text for it when the client has thrown the thought away', () => {
    const without = turnsOf([calls([{ text: 'Let me look.' }, { ...call('a', '1'), thoughtSignature: sealed }, call('b', '2')])])
    expect(without[0]?.parts.map(({ type }) => type)).toEqual(['reasoning', 'text', 'tool-call', 'tool-call'])
    expect(without[0]?.parts[0]).toEqual({ type: 'reasoning', form: 'omitted', text: [], carriers: [foreign] })
  })

  it('leaves out an envelope that is damaged, and keeps several in one slot', () => {
    const damaged = `${sealed.slice(0, 20)}AAAA${sealed.slice(24)}`
    expect(turnsOf([calls([{ ...call('a', '1'), thoughtSignature: damaged }])])[0]?.parts.map(({ type }) => type)).toEqual(['tool-call'])
    const two = encodeSignature([foreign, { ...foreign, value: 'other' }]) as string
    expect(turnsOf([calls([{ ...call('a', '1'), thoughtSignature: two }])])[0]?.parts[0]).toMatchObject({
      carriers: [foreign, { value: 'other' }],
    })
    expect(Buffer.from(two, 'base64').toString('base64')).toBe(two)
  })

  it('keeps Google\u2019s own signature on the call', () => {
    expect(turnsOf([calls([{ ...call('a', '1'), thoughtSignature: 'c2lnbmF0dXJl' }])])[0]?.parts).toMatchObject([
      { carriers: [{ wire: 'generate_content', value: 'c2lnbmF0dXJl' }] },
    ])
  })
})

describe('tools', () => {
  it('reads OpenAPI parameters as JSON Schema', () => {
    const parameters = {
      type: 'OBJECT',
      nullable: true,
      properties: {
        type: { type: 'STRING', nullable: true, enum: ['a'], example: 'a' },
        list: { type: 'ARRAY', items: { type: 'INTEGER', format: 'int32' }, minItems: '1', max_items: '3' },
        any: { any_of: [{ type: 'NUMBER' }] },
      },
      propertyOrdering: ['list'],
      required: ['list'],
    }
    expect(decode({ tools: [{ functionDeclarations: [{ name: 'f', parameters }] }] }).tools).toEqual([
      {
        type: 'function',
        name: 'f',
        schema: {
          type: ['object', 'null'],
          properties: {
            type: { type: ['string', 'null'], enum: ['a', null], examples: ['a'] },
            list: { type: 'array', items: { type: 'integer', format: 'int32' }, minItems: 1, maxItems: 3 },
            any: { anyOf: [{ type: 'number' }] },
          },
          required: ['list'],
        },
      },
    ])
  })

  it('reads hosted tools by their families, and functions of any schema', () => {
    const tools = [
      { googleSearch: {}, urlContext: {} },
      { codeExecution: {} },
      { computerUse: { environment: 'ENVIRONMENT_BROWSER' } },
      { functionDeclarations: [{ name: 'f', description: 'd' }] },
    ]
    expect(decode({ tools }).tools).toMatchObject([
      { type: 'hosted', family: 'web_search', raw: { googleSearch: {} } },
      { type: 'hosted', family: 'web_fetch' },
      { type: 'hosted', family: 'code_execution' },
      { type: 'client-builtin', family: 'computer' },
      { type: 'function', name: 'f', description: 'd', schema: { type: 'object', properties: {} } },
    ])
  })

  it.each([
    [{ mode: 'AUTO' }, { mode: 'auto' }],
    [{ mode: 'NONE', allowedFunctionNames: ['a'] }, { mode: 'none' }],
    [{ mode: 'ANY' }, { mode: 'required' }],
    [
      { mode: 'ANY', allowedFunctionNames: ['a'] },
      { mode: 'tool', name: 'a' },
    ],
    [
      { mode: 'ANY', allowedFunctionNames: ['a', 'b'] },
      { mode: 'required', allowed: ['a', 'b'] },
    ],
    [{ mode: 'VALIDATED' }, { mode: 'auto' }],
    [{ mode: 'MODE_UNSPECIFIED' }, undefined],
    [{}, undefined],
  ])('reads the choice %j', (functionCallingConfig, expected) => {
    expect(decode({ toolConfig: { functionCallingConfig } }).toolChoice).toEqual(expected)
  })

  it('takes VALIDATED for strict functions', () => {
    const tools = [{ functionDeclarations: [{ name: 'f' }] }]
    expect(decode({ tools, toolConfig: { functionCallingConfig: { mode: 'VALIDATED' } } }).tools).toMatchObject([{ strict: true }])
  })
})

describe('generationConfig', () => {
  it('reads sampling, limits and formats', () => {
    const config = {
      temperature: 0,
      topP: 0.5,
      topK: 40,
      candidateCount: 2,
      maxOutputTokens: 100,
      stopSequences: ['x', ''],
      seed: 7,
      presencePenalty: 0.1,
      frequencyPenalty: 0.2,
      responseLogprobs: true,
      logprobs: 3,
      responseModalities: ['TEXT', 'IMAGE'],
    }
    expect(decode({ generationConfig: config })).toMatchObject({
      sampling: {
        temperature: 0,
        topP: 0.5,
        topK: 40,
        seed: 7,
        presencePenalty: 0.1,
        frequencyPenalty: 0.2,
        logprobs: true,
        topLogprobs: 3,
      },
      candidates: 2,
      maxOutputTokens: 100,
      stop: ['x'],
      outputModalities: ['text', 'image'],
      unknown: [],
    })
  })

  it.each([
    [{ responseMimeType: 'application/json' }, { kind: 'json' }],
    [
      { responseMimeType: 'application/json', responseJsonSchema: { type: 'array' } },
      { kind: 'schema', schema: { type: 'array' } },
    ],
    [
      { responseMimeType: 'application/json', responseSchema: { type: 'STRING' } },
      { kind: 'schema', schema: { type: 'string' } },
    ],
    [
      { responseMimeType: 'text/x.enum', responseSchema: { type: 'STRING', enum: ['a', 'b'] } },
      { kind: 'enum', values: ['a', 'b'] },
    ],
    [{ responseMimeType: 'text/plain' }, { kind: 'text' }],
  ])('reads the format %j', (generationConfig, expected) => {
    expect(decode({ generationConfig }).output).toEqual(expected)
  })

  it.each([
    [
      { includeThoughts: true, thinkingBudget: 8192 },
      { budgetTokens: 8192, display: 'summarized' },
    ],
    [{ thinkingBudget: 0 }, { effort: 'none' }],
    [{ thinkingBudget: -1 }, { adaptive: true }],
    [
      { thinkingLevel: 'HIGH', includeThoughts: false },
      { effort: 'high', display: 'omitted' },
    ],
  ])('reads the thinking %j', (thinkingConfig, expected) => {
    expect(decode({ generationConfig: { thinkingConfig } }).reasoning).toEqual(expected)
  })

  it('reads account and state, and the form of a stream that is no event stream', () => {
    const body = {
      labels: { team: 'a' },
      serviceTier: 'priority',
      store: true,
      cachedContent: 'cachedContents/1',
      safetySettings: [{ category: 'X', threshold: 'Y' }],
    }
    expect(decode(body)).toMatchObject({
      account: { metadata: { team: 'a' }, service_tier: 'priority', store: true },
      state: { cachedContent: 'cachedContents/1' },
      unknown: [{ path: 'safetySettings' }],
    })
    expect(decode({}, 'm:streamGenerateContent').account).toEqual({ alt: 'json' })
    expect(decode({}, 'm:streamGenerateContent', 'alt=sse').account).toEqual({})
  })
})

describe('needs', () => {
  const needs = (body: object) => read(googleWire({ ...hi, ...body })).needs

  it('names features, parameters and modalities', () => {
    const found = needs({
      contents: [
        {
          parts: [
            { inlineData: { mimeType: 'image/png', data: 'A'.repeat(4000) } },
            { fileData: { fileUri: 'gs://x/y.mp4', mimeType: 'video/mp4' } },
          ],
        },
      ],
      tools: [{ functionDeclarations: [{ name: 'f' }] }, { googleSearch: {} }],
      generationConfig: {
        topK: 1,
        responseMimeType: 'application/json',
        responseJsonSchema: {},
        thinkingConfig: { thinkingBudget: 5 },
        responseLogprobs: true,
        maxOutputTokens: 9,
      },
    })
    expect(found).toMatchObject({
      features: ['tools', 'structured_outputs', 'logprobs', 'web_search', 'reasoning'],
      samplingParameters: ['top_k', 'max_tokens'],
      inputModalities: ['text', 'image', 'video'],
      images: 1,
      maxOutputTokens: 9,
    })
    expect(found.maxInputTokens).toBeGreaterThan(262_144 + 16_384)
    expect(found.expectedInputTokens).toBeLessThan(3_000)
  })

  it('bounds what cannot be seen, and never says zero', () => {
    expect(needs({ cachedContent: 'cachedContents/1' }).maxInputTokens).toBeGreaterThan(2_000_000)
    expect(needs({}).maxInputTokens).toBeGreaterThan(100)
    expect(needs({ generationConfig: { thinkingConfig: { includeThoughts: true } } }).features).toEqual([])
  })
})

describe('a history of chunks', () => {
  it('is one turn, its texts and thoughts in one piece', () => {
    const model = (...parts: object[]) => ({ role: 'model', parts })
    const contents = [
      ...hi.contents,
      model({ text: 'I th', thought: true }),
      model({ text: 'ink', thought: true }),
      model({ text: 'So' }),
      model({ text: 'me' }, { text: ' more' }),
      model({ functionCall: { id: '1', name: 'f' } }),
      model({ text: '' }),
      ...hi.contents,
    ]
    expect(turnsOf(contents)).toMatchObject([
      { role: 'user' },
      { role: 'assistant', parts: [{ type: 'reasoning', text: ['I think'] }, { text: 'Some' }, { text: ' more' }, { type: 'tool-call' }] },
      { role: 'user' },
    ])
    expect(turnsOf([model({ text: 'a' }), model({ text: '', thoughtSignature: 'QQ==' })])[0]?.parts).toEqual([
      { type: 'text', text: 'a', carriers: [{ wire: 'generate_content', kind: 'thought_signature', value: 'QQ==' }] },
    ])
  })
})
