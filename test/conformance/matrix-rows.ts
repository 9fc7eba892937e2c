/** One request a feature and wire: what a caller of each wire writes who wants it. The table in docs/protocols.md comes from these. */
import type { ProtocolId } from '../../src/protocol/protocol.ts'

export type Json = Readonly<Record<string, unknown>>

/** A feature; a wire without a case cannot say it. Members are laid over the wire's {@link plainRequest}. */
export type MatrixRow = {
  readonly id: string
  readonly title: string
  readonly cases: Readonly<Partial<Record<ProtocolId, Json>>>
}

/** The path of a wire's requests. */
export const paths: Readonly<Record<ProtocolId, string>> = {
  chat_completions: '/v1/chat/completions',
  responses: '/v1/responses',
  messages: '/v1/messages',
  generate_content: '/v1beta/models/any:generateContent',
}

/** A request that every wire can say, so that whatever is lost beside it is the feature's. */
export function plainRequest(wire: ProtocolId, model = 'any'): Json {
  switch (wire) {
    case 'chat_completions':
      return { model, messages: [{ role: 'user', content: 'hi' }], max_tokens: 200 }
    case 'responses':
      return { model, input: [{ type: 'message', role: 'user', content: 'hi' }], max_output_tokens: 200 }
    case 'messages':
      return { model, messages: [{ role: 'user', content: 'hi' }], max_tokens: 200 }
    case 'generate_content':
      return { contents: [{ role: 'user', parts: [{ text: 'hi' }] }], generationConfig: { maxOutputTokens: 200 } }
  }
}

/** The whole body of a case. */
export function bodyOf(wire: ProtocolId, members: Json, model?: string): Json {
  const plain = plainRequest(wire, model)
  const given = members['generationConfig']
  const config = { ...(plain['generationConfig'] as Json | undefined), ...(given as Json | undefined) }
  return { ...plain, ...members, ...(wire === 'generate_content' ? { generationConfig: config } : {}) }
}

const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='
const PDF = 'JVBERi0xLjQKJSVFT0YK'
const WAV = 'UklGRiQAAABXQVZFZm10IA=='

const chatUser = (...content: readonly unknown[]): Json => ({ messages: [{ role: 'user', content }] })
const responsesUser = (...content: readonly unknown[]): Json => ({ input: [{ type: 'message', role: 'user', content }] })
const messagesUser = (...content: readonly unknown[]): Json => ({ messages: [{ role: 'user', content }] })
const googleUser = (...parts: readonly unknown[]): Json => ({ contents: [{ role: 'user', parts }] })
const google = (generationConfig: Json): Json => ({ generationConfig })

const parameters = { type: 'object', properties: { place: { type: 'string' } }, required: ['place'], additionalProperties: false }
const tool = { name: 'weather', description: 'Tells the weather.' }
const tools: Readonly<Record<ProtocolId, Json>> = {
  chat_completions: { tools: [{ type: 'function', function: { ...tool, parameters } }] },
  responses: { tools: [{ type: 'function', ...tool, parameters, strict: false }] },
  messages: { tools: [{ ...tool, input_schema: parameters }] },
  generate_content: { tools: [{ functionDeclarations: [{ ...tool, parametersJsonSchema: parameters }] }] },
}

/** A question, the call it led to, and a result. */
const withResult = {
  chat_completions: (content: unknown): Json => ({
    ...tools.chat_completions,
    messages: [
      { role: 'user', content: 'hi' },
      {
        role: 'assistant',
        content: null,
        tool_calls: [{ id: 'call_1', type: 'function', function: { name: 'weather', arguments: '{"place":"Oslo"}' } }],
      },
      { role: 'tool', tool_call_id: 'call_1', content },
    ],
  }),
  responses: (output: unknown): Json => ({
    ...tools.responses,
    input: [
      { type: 'message', role: 'user', content: 'hi' },
      { type: 'function_call', call_id: 'call_1', name: 'weather', arguments: '{"place":"Oslo"}' },
      { type: 'function_call_output', call_id: 'call_1', output },
    ],
  }),
  messages: (result: Json): Json => ({
    ...tools.messages,
    messages: [
      { role: 'user', content: 'hi' },
      { role: 'assistant', content: [{ type: 'tool_use', id: 'call_1', name: 'weather', input: { place: 'Oslo' } }] },
      { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'call_1', ...result }] },
    ],
  }),
  generate_content: (response: Json): Json => ({
    ...tools.generate_content,
    contents: [
      { role: 'user', parts: [{ text: 'hi' }] },
      {
        role: 'model',
        parts: [
          {
            functionCall: { id: 'call_1', name: 'weather', args: { place: 'Oslo' } },
            thoughtSignature: 'skip_thought_signature_validator',
          },
        ],
      },
      { role: 'user', parts: [{ functionResponse: { id: 'call_1', name: 'weather', ...response } }] },
    ],
  }),
}

const answerSchema = { type: 'object', properties: { sum: { type: 'integer' } }, required: ['sum'], additionalProperties: false }
const boundedSchema = { ...answerSchema, properties: { sum: { type: 'integer', minimum: 3, multipleOf: 2 } } }

export const matrixRows: readonly MatrixRow[] = [
  {
    id: 'text',
    title: 'Text turns',
    cases: {
      chat_completions: {
        messages: [
          { role: 'user', content: 'hi' },
          { role: 'assistant', content: 'hello' },
          { role: 'user', content: 'go on' },
        ],
      },
      responses: {
        input: [
          { role: 'user', content: 'hi' },
          { role: 'assistant', content: 'hello' },
          { role: 'user', content: 'go on' },
        ],
      },
      messages: {
        messages: [
          { role: 'user', content: 'hi' },
          { role: 'assistant', content: 'hello' },
          { role: 'user', content: 'go on' },
        ],
      },
      generate_content: {
        contents: [
          { role: 'user', parts: [{ text: 'hi' }] },
          { role: 'model', parts: [{ text: 'hello' }] },
          { role: 'user', parts: [{ text: 'go on' }] },
        ],
      },
    },
  },
  {
    id: 'system',
    title: 'Instructions at the head',
    cases: {
      chat_completions: {
        messages: [
          { role: 'system', content: 'Be brief.' },
          { role: 'user', content: 'hi' },
        ],
      },
      responses: { instructions: 'Be brief.' },
      messages: { system: 'Be brief.' },
      generate_content: { systemInstruction: { parts: [{ text: 'Be brief.' }] } },
    },
  },
  {
    id: 'system_later',
    title: 'System message in mid-conversation',
    cases: {
      chat_completions: {
        messages: [
          { role: 'user', content: 'hi' },
          { role: 'assistant', content: 'hello' },
          { role: 'user', content: 'go on' },
          { role: 'system', content: 'Now be brief.' },
        ],
      },
      responses: {
        input: [
          { role: 'user', content: 'hi' },
          { role: 'assistant', content: 'hello' },
          { role: 'user', content: 'go on' },
          { role: 'system', content: 'Now be brief.' },
        ],
      },
      messages: {
        messages: [
          { role: 'user', content: 'hi' },
          { role: 'system', content: 'Now be brief.' },
        ],
      },
    },
  },
  {
    id: 'developer',
    title: 'Developer rank',
    cases: {
      chat_completions: {
        messages: [
          { role: 'developer', content: 'Be brief.' },
          { role: 'user', content: 'hi' },
        ],
      },
      responses: {
        input: [
          { role: 'developer', content: 'Be brief.' },
          { role: 'user', content: 'hi' },
        ],
      },
    },
  },
  {
    id: 'same_role',
    title: 'Several turns of one role on end',
    cases: {
      chat_completions: {
        messages: [
          { role: 'user', content: 'hi' },
          { role: 'user', content: 'there' },
        ],
      },
      responses: {
        input: [
          { role: 'user', content: 'hi' },
          { role: 'user', content: 'there' },
        ],
      },
      messages: {
        messages: [
          { role: 'user', content: 'hi' },
          { role: 'user', content: 'there' },
        ],
      },
      generate_content: {
        contents: [
          { role: 'user', parts: [{ text: 'hi' }] },
          { role: 'user', parts: [{ text: 'there' }] },
        ],
      },
    },
  },
  { id: 'name', title: 'Name of a speaker', cases: { chat_completions: { messages: [{ role: 'user', name: 'ann', content: 'hi' }] } } },
  {
    id: 'image',
    title: 'Image, inline',
    cases: {
      chat_completions: chatUser({ type: 'image_url', image_url: { url: `data:image/png;base64,${PNG}` } }),
      responses: responsesUser({ type: 'input_image', image_url: `data:image/png;base64,${PNG}` }),
      messages: messagesUser({ type: 'image', source: { type: 'base64', media_type: 'image/png', data: PNG } }),
      generate_content: googleUser({ inlineData: { mimeType: 'image/png', data: PNG } }),
    },
  },
  {
    id: 'image_url',
    title: 'Image by URL',
    cases: {
      chat_completions: chatUser({ type: 'image_url', image_url: { url: 'https://img.example/a.png' } }),
      responses: responsesUser({ type: 'input_image', image_url: 'https://img.example/a.png' }),
      messages: messagesUser({ type: 'image', source: { type: 'url', url: 'https://img.example/a.png' } }),
      generate_content: googleUser({ fileData: { mimeType: 'image/png', fileUri: 'https://img.example/a.png' } }),
    },
  },
  {
    id: 'image_detail',
    title: 'Image detail',
    cases: {
      chat_completions: chatUser({ type: 'image_url', image_url: { url: `data:image/png;base64,${PNG}`, detail: 'low' } }),
      responses: responsesUser({ type: 'input_image', image_url: `data:image/png;base64,${PNG}`, detail: 'low' }),
      generate_content: {
        ...googleUser({ inlineData: { mimeType: 'image/png', data: PNG } }),
        ...google({ mediaResolution: 'MEDIA_RESOLUTION_LOW' }),
      },
    },
  },
  {
    id: 'image_heic',
    title: 'Image of a type that few take (HEIC)',
    cases: { generate_content: googleUser({ inlineData: { mimeType: 'image/heic', data: 'AAAAGGZ0eXBoZWlj' } }) },
  },
  {
    id: 'pdf',
    title: 'PDF, inline',
    cases: {
      chat_completions: chatUser({ type: 'file', file: { filename: 'a.pdf', file_data: `data:application/pdf;base64,${PDF}` } }),
      responses: responsesUser({ type: 'input_file', filename: 'a.pdf', file_data: `data:application/pdf;base64,${PDF}` }),
      messages: messagesUser({ type: 'document', source: { type: 'base64', media_type: 'application/pdf', data: PDF } }),
      generate_content: googleUser({ inlineData: { mimeType: 'application/pdf', data: PDF } }),
    },
  },
  {
    id: 'text_document',
    title: 'Document of text',
    cases: {
      messages: messagesUser({ type: 'document', title: 'Notes', source: { type: 'text', media_type: 'text/plain', data: 'A note.' } }),
    },
  },
  {
    id: 'citations',
    title: 'Document that must be cited',
    cases: {
      messages: messagesUser({
        type: 'document',
        citations: { enabled: true },
        source: { type: 'text', media_type: 'text/plain', data: 'A note.' },
      }),
    },
  },
  {
    id: 'file_url',
    title: 'File by URL',
    cases: {
      responses: responsesUser({ type: 'input_file', file_url: 'https://files.example/a.pdf' }),
      messages: messagesUser({ type: 'document', source: { type: 'url', url: 'https://files.example/a.pdf' } }),
      generate_content: googleUser({ fileData: { mimeType: 'application/pdf', fileUri: 'https://files.example/a.pdf' } }),
    },
  },
  {
    id: 'file_id',
    title: 'File by a provider’s id',
    cases: {
      chat_completions: chatUser({ type: 'file', file: { file_id: 'file-1' } }),
      responses: responsesUser({ type: 'input_file', file_id: 'file-1' }),
      messages: messagesUser({ type: 'document', source: { type: 'file', file_id: 'file_1' } }),
      generate_content: googleUser({
        fileData: { mimeType: 'application/pdf', fileUri: 'https://generativelanguage.googleapis.com/v1beta/files/1' },
      }),
    },
  },
  {
    id: 'audio',
    title: 'Audio, inline',
    cases: {
      chat_completions: chatUser({ type: 'input_audio', input_audio: { data: WAV, format: 'wav' } }),
      responses: responsesUser({ type: 'input_audio', input_audio: { data: WAV, format: 'wav' } }),
      generate_content: googleUser({ inlineData: { mimeType: 'audio/wav', data: WAV } }),
    },
  },
  {
    id: 'video',
    title: 'Video',
    cases: { generate_content: googleUser({ inlineData: { mimeType: 'video/mp4', data: 'AAAAGGZ0eXBtcDQy' } }) },
  },
  { id: 'tools', title: 'Function tools', cases: tools },
  {
    id: 'tool_strict',
    title: 'Strict function tools',
    cases: {
      chat_completions: { tools: [{ type: 'function', function: { ...tool, parameters, strict: true } }] },
      responses: { tools: [{ type: 'function', ...tool, parameters, strict: true }] },
      messages: { tools: [{ ...tool, input_schema: parameters, strict: true }] },
      generate_content: { ...tools.generate_content, toolConfig: { functionCallingConfig: { mode: 'VALIDATED' } } },
    },
  },
  {
    id: 'tool_name',
    title: 'Tool names of other rules',
    cases: {
      generate_content: {
        tools: [{ functionDeclarations: [{ name: 'geo.weather:now', description: 'x', parametersJsonSchema: parameters }] }],
      },
    },
  },
  {
    id: 'freeform',
    title: 'Free-form and grammar tools',
    cases: {
      chat_completions: { tools: [{ type: 'custom', custom: { name: 'patch', description: 'Patches.' } }] },
      responses: { tools: [{ type: 'custom', name: 'patch', format: { type: 'grammar', syntax: 'lark', definition: 'start: "x"' } }] },
    },
  },
  {
    id: 'tool_choice',
    title: 'A tool by name',
    cases: {
      chat_completions: { ...tools.chat_completions, tool_choice: { type: 'function', function: { name: 'weather' } } },
      responses: { ...tools.responses, tool_choice: { type: 'function', name: 'weather' } },
      messages: { ...tools.messages, tool_choice: { type: 'tool', name: 'weather' } },
      generate_content: {
        ...tools.generate_content,
        toolConfig: { functionCallingConfig: { mode: 'ANY', allowedFunctionNames: ['weather'] } },
      },
    },
  },
  {
    id: 'tool_required',
    title: 'Any tool, but one',
    cases: {
      chat_completions: { ...tools.chat_completions, tool_choice: 'required' },
      responses: { ...tools.responses, tool_choice: 'required' },
      messages: { ...tools.messages, tool_choice: { type: 'any' } },
      generate_content: { ...tools.generate_content, toolConfig: { functionCallingConfig: { mode: 'ANY' } } },
    },
  },
  {
    id: 'tool_allowed',
    title: 'A choice among some tools',
    cases: {
      chat_completions: {
        tools: [
          { type: 'function', function: { ...tool, parameters } },
          { type: 'function', function: { name: 'other', parameters } },
        ],
        tool_choice: {
          type: 'allowed_tools',
          allowed_tools: { mode: 'auto', tools: [{ type: 'function', function: { name: 'weather' } }] },
        },
      },
      responses: {
        tools: [
          { type: 'function', ...tool, parameters, strict: false },
          { type: 'function', name: 'other', parameters, strict: false },
        ],
        tool_choice: { type: 'allowed_tools', mode: 'auto', tools: [{ type: 'function', name: 'weather' }] },
      },
      generate_content: {
        tools: [
          {
            functionDeclarations: [
              { ...tool, parametersJsonSchema: parameters },
              { name: 'other', parametersJsonSchema: parameters },
              { name: 'third', parametersJsonSchema: parameters },
            ],
          },
        ],
        toolConfig: { functionCallingConfig: { mode: 'ANY', allowedFunctionNames: ['weather', 'other'] } },
      },
    },
  },
  {
    id: 'parallel_off',
    title: 'One call at a time',
    cases: {
      chat_completions: { ...tools.chat_completions, parallel_tool_calls: false },
      responses: { ...tools.responses, parallel_tool_calls: false },
      messages: { ...tools.messages, tool_choice: { type: 'auto', disable_parallel_tool_use: true } },
    },
  },
  {
    id: 'namespace',
    title: 'Namespaces of tools',
    cases: {
      responses: {
        tools: [
          { type: 'namespace', name: 'geo', description: 'Places.', tools: [{ type: 'function', ...tool, parameters, strict: false }] },
        ],
      },
    },
  },
  {
    id: 'web_search',
    title: 'Web search by the provider',
    cases: {
      chat_completions: { web_search_options: {} },
      responses: { tools: [{ type: 'web_search' }] },
      messages: { tools: [{ type: 'web_search_20250305', name: 'web_search' }] },
      generate_content: { tools: [{ googleSearch: {} }] },
    },
  },
  {
    id: 'web_search_beside',
    title: 'Web search by the provider, beside functions of the caller’s own',
    cases: {
      responses: { tools: [{ type: 'web_search' }, ...(tools.responses['tools'] as readonly Json[])] },
      messages: { tools: [{ type: 'web_search_20250305', name: 'web_search' }, ...(tools.messages['tools'] as readonly Json[])] },
      generate_content: { tools: [{ googleSearch: {} }, ...(tools.generate_content['tools'] as readonly Json[])] },
    },
  },
  {
    id: 'code_execution',
    title: 'Code execution by the provider',
    cases: {
      responses: { tools: [{ type: 'code_interpreter', container: { type: 'auto' } }] },
      messages: { tools: [{ type: 'code_execution_20250825', name: 'code_execution' }] },
      generate_content: { tools: [{ codeExecution: {} }] },
    },
  },
  {
    id: 'web_fetch',
    title: 'Fetching pages by the provider',
    cases: {
      messages: { tools: [{ type: 'web_fetch_20250910', name: 'web_fetch' }] },
      generate_content: { tools: [{ urlContext: {} }] },
    },
  },
  {
    id: 'mcp',
    title: 'MCP servers called by the provider',
    cases: {
      responses: { tools: [{ type: 'mcp', server_label: 'docs', server_url: 'https://mcp.example', require_approval: 'never' }] },
      messages: {
        mcp_servers: [{ type: 'url', url: 'https://mcp.example', name: 'docs' }],
        tools: [{ type: 'mcp_toolset', mcp_server_name: 'docs' }],
      },
    },
  },
  {
    id: 'client_tools',
    title: 'The vendor’s own tools that the caller runs',
    cases: {
      responses: { tools: [{ type: 'apply_patch' }] },
      messages: { tools: [{ type: 'bash_20250124', name: 'bash' }] },
    },
  },
  {
    id: 'computer',
    title: 'Computer use',
    cases: {
      responses: { tools: [{ type: 'computer_use_preview', display_width: 800, display_height: 600, environment: 'browser' }] },
      messages: { tools: [{ type: 'computer_20250124', name: 'computer', display_width_px: 800, display_height_px: 600 }] },
      generate_content: { tools: [{ computerUse: { environment: 'ENVIRONMENT_BROWSER' } }] },
    },
  },
  {
    id: 'file_search',
    title: 'File search, image generation, maps',
    cases: {
      responses: { tools: [{ type: 'file_search', vector_store_ids: ['vs_1'] }] },
      generate_content: { tools: [{ googleMaps: {} }] },
    },
  },
  {
    id: 'tool_result',
    title: 'Tool results of text',
    cases: {
      chat_completions: withResult.chat_completions('sunny'),
      responses: withResult.responses('sunny'),
      messages: withResult.messages({ content: 'sunny' }),
      generate_content: withResult.generate_content({ response: { output: 'sunny' } }),
    },
  },
  {
    id: 'tool_error',
    title: 'Tool results that are errors',
    cases: {
      messages: withResult.messages({ content: 'no such place', is_error: true }),
      generate_content: withResult.generate_content({ response: { error: 'no such place' } }),
    },
  },
  {
    id: 'tool_image',
    title: 'Images in tool results',
    cases: {
      responses: withResult.responses([{ type: 'input_image', image_url: `data:image/png;base64,${PNG}` }]),
      messages: withResult.messages({ content: [{ type: 'image', source: { type: 'base64', media_type: 'image/png', data: PNG } }] }),
      generate_content: withResult.generate_content({
        response: { output: 'see' },
        parts: [{ inlineData: { mimeType: 'image/png', data: PNG } }],
      }),
    },
  },
  {
    id: 'effort',
    title: 'Reasoning effort or budget',
    cases: {
      chat_completions: { reasoning_effort: 'high', max_tokens: 4000 },
      responses: { reasoning: { effort: 'high' }, max_output_tokens: 4000 },
      messages: { thinking: { type: 'enabled', budget_tokens: 2000 }, max_tokens: 4000 },
      generate_content: google({ thinkingConfig: { thinkingLevel: 'HIGH' }, maxOutputTokens: 4000 }),
    },
  },
  {
    id: 'thoughts_shown',
    title: 'Whether thoughts are shown',
    cases: {
      responses: { reasoning: { effort: 'high', summary: 'auto' }, max_output_tokens: 4000 },
      messages: { thinking: { type: 'adaptive', display: 'summarized' }, max_tokens: 4000 },
      generate_content: google({ thinkingConfig: { thinkingLevel: 'HIGH', includeThoughts: true }, maxOutputTokens: 4000 }),
    },
  },
  {
    id: 'thoughts_replayed',
    title: 'Signed thoughts of an earlier turn, to another provider',
    cases: {
      chat_completions: {
        messages: [
          { role: 'user', content: 'hi' },
          { role: 'assistant', content: 'hello', reasoning_details: [{ type: 'reasoning.encrypted', data: 'abc' }] },
          { role: 'user', content: 'go on' },
        ],
      },
      responses: {
        input: [
          { role: 'user', content: 'hi' },
          { type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: 'gAAAA' },
          { role: 'assistant', content: 'hello' },
          { role: 'user', content: 'go on' },
        ],
      },
      messages: {
        messages: [
          { role: 'user', content: 'hi' },
          {
            role: 'assistant',
            content: [
              { type: 'thinking', thinking: 'hm', signature: 'c2ln' },
              { type: 'text', text: 'hello' },
            ],
          },
          { role: 'user', content: 'go on' },
        ],
      },
      generate_content: {
        contents: [
          { role: 'user', parts: [{ text: 'hi' }] },
          {
            role: 'model',
            parts: [
              { text: 'hm', thought: true },
              { text: 'hello', thoughtSignature: 'QUJD' },
            ],
          },
          { role: 'user', parts: [{ text: 'go on' }] },
        ],
      },
    },
  },
  {
    id: 'schema',
    title: 'Answers by JSON Schema',
    cases: {
      chat_completions: { response_format: { type: 'json_schema', json_schema: { name: 'sum', schema: answerSchema, strict: true } } },
      responses: { text: { format: { type: 'json_schema', name: 'sum', schema: answerSchema, strict: true } } },
      messages: { output_config: { format: { type: 'json_schema', schema: answerSchema } } },
      generate_content: google({ responseMimeType: 'application/json', responseJsonSchema: answerSchema }),
    },
  },
  {
    id: 'schema_bounds',
    title: 'Schemas with bounds that not every vendor enforces',
    cases: {
      chat_completions: { response_format: { type: 'json_schema', json_schema: { name: 'sum', schema: boundedSchema, strict: true } } },
      responses: { text: { format: { type: 'json_schema', name: 'sum', schema: boundedSchema, strict: true } } },
      messages: { output_config: { format: { type: 'json_schema', schema: boundedSchema } } },
      generate_content: google({ responseMimeType: 'application/json', responseJsonSchema: boundedSchema }),
    },
  },
  {
    id: 'json',
    title: 'JSON without a schema',
    cases: {
      chat_completions: { response_format: { type: 'json_object' } },
      responses: { text: { format: { type: 'json_object' } } },
      generate_content: google({ responseMimeType: 'application/json' }),
    },
  },
  {
    id: 'enum',
    title: 'One of several words',
    cases: { generate_content: google({ responseMimeType: 'text/x.enum', responseSchema: { type: 'STRING', enum: ['yes', 'no'] } }) },
  },
  {
    id: 'stop',
    title: 'Stop sequences',
    cases: {
      chat_completions: { stop: ['END'] },
      messages: { stop_sequences: ['END'] },
      generate_content: google({ stopSequences: ['END'] }),
    },
  },
  {
    id: 'stop_many',
    title: 'More than four stop sequences',
    cases: {
      messages: { stop_sequences: ['A', 'B', 'C', 'D', 'E', 'F'] },
      generate_content: google({ stopSequences: ['A', 'B', 'C', 'D', 'E'] }),
    },
  },
  {
    id: 'max_tokens',
    title: 'Output limit',
    cases: {
      chat_completions: { max_tokens: 500 },
      responses: { max_output_tokens: 500 },
      messages: { max_tokens: 500 },
      generate_content: google({ maxOutputTokens: 500 }),
    },
  },
  {
    id: 'temperature',
    title: 'Temperature',
    cases: {
      chat_completions: { temperature: 0.5 },
      responses: { temperature: 0.5 },
      messages: { temperature: 0.5 },
      generate_content: google({ temperature: 0.5 }),
    },
  },
  {
    id: 'temperature_high',
    title: 'Temperature above one',
    cases: {
      chat_completions: { temperature: 1.6 },
      responses: { temperature: 1.6 },
      generate_content: google({ temperature: 1.6 }),
    },
  },
  {
    id: 'top_p',
    title: 'top_p',
    cases: {
      chat_completions: { top_p: 0.9 },
      responses: { top_p: 0.9 },
      messages: { top_p: 0.9 },
      generate_content: google({ topP: 0.9 }),
    },
  },
  {
    id: 'top_k',
    title: 'top_k',
    cases: { chat_completions: { top_k: 40 }, messages: { top_k: 40 }, generate_content: google({ topK: 40 }) },
  },
  {
    id: 'penalties',
    title: 'Presence and frequency penalties',
    cases: {
      chat_completions: { presence_penalty: 0.5, frequency_penalty: 0.5 },
      responses: { presence_penalty: 0.5, frequency_penalty: 0.5 },
      generate_content: google({ presencePenalty: 0.5, frequencyPenalty: 0.5 }),
    },
  },
  { id: 'seed', title: 'Seed', cases: { chat_completions: { seed: 7 }, generate_content: google({ seed: 7 }) } },
  { id: 'logit_bias', title: 'Logit bias', cases: { chat_completions: { logit_bias: { '50256': -100 } } } },
  { id: 'candidates', title: 'Several answers', cases: { chat_completions: { n: 2 }, generate_content: google({ candidateCount: 2 }) } },
  {
    id: 'logprobs',
    title: 'Log probabilities',
    cases: {
      chat_completions: { logprobs: true, top_logprobs: 2 },
      responses: { top_logprobs: 2, include: ['message.output_text.logprobs'] },
      generate_content: google({ responseLogprobs: true, logprobs: 2 }),
    },
  },
  {
    id: 'metadata',
    title: 'Metadata, user ids, labels',
    cases: {
      chat_completions: { user: 'u-1' },
      responses: { metadata: { team: 'a' } },
      messages: { metadata: { user_id: 'u-1' } },
      generate_content: { labels: { team: 'a' } },
    },
  },
  {
    id: 'service_tier',
    title: 'Service tier',
    cases: {
      chat_completions: { service_tier: 'flex' },
      responses: { service_tier: 'flex' },
      messages: { service_tier: 'standard_only' },
      generate_content: { serviceTier: 'flex' },
    },
  },
  {
    id: 'cache_marks',
    title: 'Cache marks',
    cases: {
      chat_completions: chatUser({ type: 'text', text: 'hi', prompt_cache_breakpoint: { mode: 'explicit', ttl: '30m' } }),
      responses: responsesUser({ type: 'input_text', text: 'hi', prompt_cache_breakpoint: { mode: 'explicit', ttl: '30m' } }),
      messages: messagesUser({ type: 'text', text: 'hi', cache_control: { type: 'ephemeral', ttl: '5m' } }),
    },
  },
  {
    id: 'cache_key',
    title: 'Prompt cache key',
    cases: { chat_completions: { prompt_cache_key: 'k' }, responses: { prompt_cache_key: 'k' } },
  },
  {
    id: 'conversation',
    title: 'Conversations kept by the provider',
    cases: { responses: { conversation: 'conv_1' }, generate_content: { cachedContent: 'cachedContents/1' } },
  },
  { id: 'store', title: 'Keeping the answer', cases: { chat_completions: { store: true }, responses: { store: true } } },
  {
    id: 'compaction',
    title: 'Compaction and context editing',
    cases: {
      responses: { context_management: [{ type: 'compaction', compact_threshold: 1000 }] },
      messages: { context_management: { edits: [{ type: 'clear_tool_uses_20250919' }] } },
    },
  },
  {
    id: 'prefill',
    title: 'Going on with a begun answer',
    cases: {
      chat_completions: {
        messages: [
          { role: 'user', content: 'hi' },
          { role: 'assistant', content: 'The answer is' },
        ],
      },
      responses: {
        input: [
          { role: 'user', content: 'hi' },
          { role: 'assistant', content: 'The answer is' },
        ],
      },
      messages: {
        messages: [
          { role: 'user', content: 'hi' },
          { role: 'assistant', content: 'The answer is' },
        ],
      },
      generate_content: {
        contents: [
          { role: 'user', parts: [{ text: 'hi' }] },
          { role: 'model', parts: [{ text: 'The answer is' }] },
        ],
      },
    },
  },
  {
    id: 'output_image',
    title: 'Images in answers',
    cases: { chat_completions: { modalities: ['text', 'image'] }, generate_content: google({ responseModalities: ['TEXT', 'IMAGE'] }) },
  },
  {
    id: 'output_audio',
    title: 'Spoken answers',
    cases: {
      chat_completions: { modalities: ['text', 'audio'], audio: { voice: 'alloy', format: 'wav' } },
      generate_content: google({ responseModalities: ['AUDIO'] }),
    },
  },
  {
    id: 'safety',
    title: 'Safety settings and moderation',
    cases: {
      chat_completions: { moderation: { model: 'omni-moderation' } },
      generate_content: { safetySettings: [{ category: 'HARM_CATEGORY_HARASSMENT', threshold: 'BLOCK_NONE' }] },
    },
  },
  {
    id: 'hints',
    title: 'Verbosity, prediction, diagnostics',
    cases: {
      chat_completions: { verbosity: 'low' },
      responses: { text: { verbosity: 'low' } },
      messages: { diagnostics: { previous_message_id: null } },
    },
  },
  {
    id: 'residency',
    title: 'Where the model must run',
    cases: { messages: { inference_geo: 'eu' } },
  },
  {
    id: 'unknown',
    title: 'A field that nobody knows',
    cases: { chat_completions: { magic: 1 }, responses: { magic: 1 }, messages: { magic: 1 }, generate_content: { magic: 1 } },
  },
]
