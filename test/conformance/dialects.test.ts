/** What servers that call themselves compatible really stream: each habit is read for what it means, or told as the error it is. */
import { describe, expect, it } from 'vitest'
import { protocols } from '../../src/protocol/index.ts'
import type { ProtocolId } from '../../src/protocol/protocol.ts'
import { from, summarise, withAnyIds, type Expected } from '../support/fixtures.ts'
import { sse } from '../support/upstream.ts'
import { collectParts } from '../support/parts.ts'

type Habit = readonly [string, string, Expected]

const head = { id: 'c1', object: 'chat.completion.chunk', created: 1_760_000_000, model: 'm' }
const choice = (delta: unknown, finish: string | null = null, more: object = {}) => ({
  ...head,
  choices: [{ index: 0, delta, finish_reason: finish, ...more }],
})
const hi = choice({ role: 'assistant', content: 'Hi.' })
const stop = choice({}, 'stop')
const counted = { inputTokens: 9, outputTokens: 3 }
const usage = { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12 }
const said: Expected = { text: 'Hi.', finish: ['stop'] }
const called: Expected = { calls: [['call_1', 'f', '{"a":1}']], finish: ['tool_calls'] }

const chat: readonly Habit[] = [
  [
    'OpenRouter: comments, the usage beside an empty choice, the cost',
    ': OPENROUTER PROCESSING\n\n' +
      sse(
        { ...hi, provider: 'X' },
        choice({ role: 'assistant', content: '' }, 'stop', { native_finish_reason: 'completed' }),
        { ...choice({ role: 'assistant', content: '' }), usage: { ...usage, cost: 0.01, cost_details: { upstream_inference_cost: null } } },
        '[DONE]',
      ),
    { ...said, usage: counted },
  ],
  [
    'OpenRouter: an error beside its finish',
    sse(hi, { ...choice({ content: '' }, 'error'), error: { code: 'server_error', message: 'Provider disconnected' } }),
    { error: 'upstream_error' },
  ],
  [
    'vLLM: an error object before [DONE]',
    sse(hi, { error: { message: 'no', type: 'BadRequestError', param: null, code: 400 } }, '[DONE]'),
    { error: 'invalid_request' },
  ],
  [
    'vLLM of old: a flat error object',
    sse(hi, { object: 'error', message: 'no', type: 'BadRequestError', param: null, code: 400 }, '[DONE]'),
    { error: 'invalid_request' },
  ],
  [
    'vLLM: a call whose later pieces have null for id, type and name',
    sse(
      choice({ role: 'assistant', content: '' }),
      choice({ tool_calls: [{ id: 'call_1', type: 'function', index: 0, function: { name: 'f', arguments: '' } }] }),
      choice({ tool_calls: [{ id: null, type: null, index: 0, function: { name: null, arguments: '{"a"' } }] }),
      choice({ tool_calls: [{ index: 0, function: { arguments: ':1}' } }] }),
      choice({ content: '' }, 'tool_calls', { stop_reason: null, token_ids: null }),
      '[DONE]',
    ),
    called,
  ],
  [
    'llama.cpp: usage and timings on the finish',
    sse(hi, { ...stop, usage, timings: { prompt_n: 9 } }, '[DONE]'),
    { ...said, usage: counted },
  ],
  [
    'llama.cpp of old: an error as a field of its own',
    sse(hi) + 'error: {"code":500,"message":"no","type":"server_error"}\n\n',
    { error: 'stream_incomplete' },
  ],
  [
    'Ollama: a whole call in one piece, and a finish that says stop',
    sse(
      choice({
        role: 'assistant',
        content: '',
        tool_calls: [{ id: 'call_1', index: 0, type: 'function', function: { name: 'f', arguments: '{"a":1}' } }],
      }),
      choice({ role: 'assistant', content: '' }, 'stop'),
      '[DONE]',
    ),
    called,
  ],
  ['Groq: the usage in a member of its own', sse(hi, { ...stop, x_groq: { id: 'req_1', usage } }, '[DONE]'), { ...said, usage: counted }],
  [
    'Groq: an error event',
    sse(hi) +
      'event: error\n' +
      sse({ error: { message: 'over capacity', type: 'internal_server_error', code: 'over_capacity', status_code: 498 } }),
    { error: 'upstream_error' },
  ],
  [
    'Groq: thoughts as reasoning',
    sse(choice({ role: 'assistant', content: null, reasoning: 'Hm.', channel: 'analysis' }), hi, stop, '[DONE]'),
    { ...said, thought: 'Hm.' },
  ],
  [
    'DeepSeek: nulls on either side of a thought',
    sse(
      choice({ role: 'assistant', content: null, reasoning_content: '' }),
      choice({ content: null, reasoning_content: 'Hm.' }),
      choice({ content: 'Hi.', reasoning_content: null }),
      {
        ...choice({ content: '', reasoning_content: null }, 'stop'),
        usage: { ...usage, prompt_cache_hit_tokens: 4, prompt_cache_miss_tokens: 5 },
      },
      '[DONE]',
    ),
    { ...said, thought: 'Hm.', usage: { ...counted, cacheReadTokens: 4 } },
  ],
  ['DeepSeek: out of resources', sse(hi, choice({}, 'insufficient_system_resource'), '[DONE]'), { error: 'upstream_error' }],
  [
    'Together: text beside the delta, and eos',
    sse(
      {
        ...head,
        choices: [
          {
            index: 0,
            text: 'Hi.',
            delta: { token_id: 1, role: 'assistant', content: 'Hi.' },
            logprobs: null,
            finish_reason: null,
            seed: null,
          },
        ],
      },
      choice({ token_id: 2, role: 'assistant', content: '' }, 'eos'),
      '[DONE]',
    ),
    said,
  ],
  [
    'Azure: filter results before the first choice and without a delta after it',
    sse(
      { ...head, id: '', model: '', choices: [], prompt_filter_results: [{ prompt_index: 0, content_filter_results: {} }] },
      hi,
      { ...head, choices: [{ index: 0, finish_reason: null, content_filter_results: {}, content_filter_offsets: { check_offset: 1 } }] },
      choice({}, 'stop', { content_filter_results: {} }),
      { ...head, choices: [], usage },
      '[DONE]',
    ),
    { ...said, usage: counted },
  ],
  [
    'LiteLLM: an error whose members are texts',
    sse(hi, { error: { message: 'litellm.APIError', type: 'None', param: 'None', code: '500' } }),
    { error: 'upstream_error' },
  ],
  [
    'Mistral: a thought among pieces of content',
    sse(
      choice({ role: 'assistant', content: [{ type: 'thinking', thinking: [{ type: 'text', text: 'Hm.' }] }] }),
      choice({ content: [{ type: 'text', text: 'Hi.' }] }),
      choice({ content: '' }, 'stop'),
    ),
    { ...said, thought: 'Hm.' },
  ],
  ['Mistral: the context is full', sse(hi, choice({ content: '' }, 'model_length'), '[DONE]'), { text: 'Hi.', finish: ['context_window'] }],
  [
    'Perplexity: the whole message beside each delta, usage on each chunk',
    sse(
      {
        ...choice({ role: 'assistant', content: 'Hi.' }, null, { message: { role: 'assistant', content: 'Hi.' } }),
        usage,
        citations: ['https://a.example'],
      },
      { ...choice({ content: '' }, 'stop', { message: { role: 'assistant', content: 'Hi.' } }), usage, citations: ['https://a.example'] },
    ),
    { ...said, usage: counted, citations: ['https://a.example'] },
  ],
  [
    'Gemini in this wire: a call without an index, finished by stop',
    sse(
      choice({ role: 'assistant', tool_calls: [{ function: { arguments: '{"a":1}', name: 'f' }, id: 'call_1', type: 'function' }] }),
      choice({ role: 'assistant' }, 'stop'),
      '[DONE]',
    ),
    called,
  ],
  [
    'Text Generation Inference: an error that is a text',
    sse(hi, { error: 'Input validation error', error_type: 'validation' }),
    { error: 'upstream_error' },
  ],
  ['a delta of null', sse(hi, choice(null), { ...head, choices: [{ index: 0, delta: null, finish_reason: 'stop' }] }, '[DONE]'), said],
  ['a choice without a delta, finished', sse(hi, { ...head, choices: [{ index: 0, finish_reason: 'stop' }] }, '[DONE]'), said],
  [
    'calls of null, and pieces of calls that are null',
    sse(
      choice({ role: 'assistant', content: 'Hi.', tool_calls: null }),
      choice({ tool_calls: [null] }),
      choice({ tool_calls: [{ index: 0, function: null }] }),
      stop,
    ),
    said,
  ],
  [
    'an index that is a text',
    sse(
      { ...head, choices: [{ index: '0', delta: { content: 'Hi.' }, finish_reason: null }] },
      { ...head, choices: [{ index: '0', delta: {}, finish_reason: 'stop' }] },
    ),
    said,
  ],
  [
    'no index at all',
    sse({ ...head, choices: [{ delta: { content: 'Hi.' } }] }, { ...head, choices: [{ delta: {}, finish_reason: 'stop' }] }),
    said,
  ],
  ['the end without a space, and said in lower case', sse(hi, stop) + 'data:[DONE]\n\ndata: [done]\n\n', said],
  ['pings of other wires', 'event: ping\ndata: {"type": "ping"}\n\n' + sse({ type: 'ping' }, {}, hi, {}, stop, '[DONE]'), said],
  ['more usage after the end', sse(hi, stop, '[DONE]', { ...head, choices: [], usage }), said],
  ['finished twice', sse(hi, choice({}, 'stop'), choice({}, 'stop'), '[DONE]'), said],
  [
    'content after the finish',
    sse(choice({ role: 'assistant', content: 'H' }), choice({}, 'stop'), choice({ content: 'i.' }), '[DONE]'),
    said,
  ],
  [
    'whole messages in place of deltas',
    sse({ ...head, choices: [{ index: 0, message: { role: 'assistant', content: 'Hi.' }, finish_reason: 'stop' }] }, '[DONE]'),
    said,
  ],
  [
    'MiniMax: the whole message after its pieces',
    sse(
      choice({ role: 'assistant', content: 'H' }),
      choice({ content: 'i.' }),
      {
        ...head,
        object: 'chat.completion',
        choices: [{ index: 0, message: { role: 'assistant', content: 'Hi.' }, finish_reason: 'stop' }],
        usage,
      },
      '[DONE]',
    ),
    { ...said, usage: counted },
  ],
  [
    'the whole message after nothing but its role',
    sse(choice({ role: 'assistant', content: '' }), {
      ...head,
      choices: [{ index: 0, message: { role: 'assistant', content: 'Hi.' }, finish_reason: 'stop' }],
    }),
    said,
  ],
  [
    'text in place of deltas, as in the elder completions',
    sse(
      { ...head, object: 'text_completion', choices: [{ index: 0, text: 'H', finish_reason: null }] },
      { ...head, object: 'text_completion', choices: [{ index: 0, text: 'i.', finish_reason: 'stop' }] },
      '[DONE]',
    ),
    said,
  ],
  [
    'a usage of nothing',
    sse(hi, { ...stop, usage: {} }, { ...head, choices: [], usage: { prompt_tokens: null, completion_tokens: null } }, '[DONE]'),
    said,
  ],
  ['a filter that says so in its own word', sse(hi, choice({}, 'sensitive'), '[DONE]'), { text: 'Hi.', finish: ['content_filter'] }],
  ['a network that failed', sse(hi, choice({}, 'network_error'), '[DONE]'), { error: 'upstream_error' }],
  ['abort', sse(hi, choice({}, 'abort'), '[DONE]'), { error: 'upstream_error' }],
]

const start = {
  type: 'message_start',
  message: {
    id: 'msg_1',
    type: 'message',
    role: 'assistant',
    model: 'm',
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage: { input_tokens: 9, output_tokens: 1 },
  },
}
const named = (...events: readonly { readonly type: string }[]): string =>
  events.map((event) => `event: ${event.type}\n${sse(event)}`).join('')
const block = (index: number, content_block: object, ...deltas: readonly object[]) => [
  { type: 'content_block_start', index, content_block },
  ...deltas.map((delta) => ({ type: 'content_block_delta', index, delta })),
  { type: 'content_block_stop', index },
]
const text = block(0, { type: 'text', text: '' }, { type: 'text_delta', text: 'Hi.' })
const ended = { type: 'message_delta', delta: { stop_reason: 'end_turn', stop_sequence: null }, usage: { output_tokens: 3 } }
const over = { type: 'message_stop' }
const both: Expected = { ...said, usage: counted }

const messages: readonly Habit[] = [
  ['no names of events', sse(start, ...text, ended, over), both],
  ['[DONE] of another wire at the end', named(start, ...text, ended, over) + sse('[DONE]'), both],
  ['the end without message_stop', named(start, ...text, ended), both],
  [
    'Bedrock: measures in the last event',
    named(start, ...text, ended, { ...over, 'amazon-bedrock-invocationMetrics': { inputTokenCount: 9 } } as { type: string }),
    both,
  ],
  [
    'the whole usage with the last delta',
    named(
      { ...start, message: { ...start.message, usage: { input_tokens: 0, output_tokens: 0 } } } as { type: string },
      ...text,
      { ...ended, usage: { input_tokens: 9, output_tokens: 3 } } as { type: string },
      over,
    ),
    both,
  ],
  ['text that is in the start of its block', named(start, ...block(0, { type: 'text', text: 'Hi.' }), ended, over), both],
  [
    'a call whose input is in the start of its block',
    named(
      start,
      ...block(0, { type: 'tool_use', id: 'call_1', name: 'f', input: { a: 1 } }),
      { ...ended, delta: { stop_reason: 'tool_use' } } as { type: string },
      over,
    ),
    { ...called, usage: counted },
  ],
  [
    'a call that ends with end_turn',
    named(
      start,
      ...block(0, { type: 'tool_use', id: 'call_1', name: 'f', input: {} }, { type: 'input_json_delta', partial_json: '{"a":1}' }),
      ended,
      over,
    ),
    { ...called, usage: counted },
  ],
  ['blocks that are never stopped', named(start, ...text.slice(0, -1), ended, over), both],
  ['a block that is never started', named(start, ...text.slice(1), ended, over), both],
  [
    'no usage anywhere',
    named(
      { ...start, message: { ...start.message, usage: undefined } } as { type: string },
      ...text,
      { ...ended, usage: undefined } as { type: string },
      over,
    ),
    said,
  ],
  [
    'a stop reason nobody knows',
    named(start, ...text, { ...ended, delta: { stop_reason: 'vendor_reason' } } as { type: string }, over),
    { text: 'Hi.', finish: ['other'], usage: counted },
  ],
  [
    'comments and pings of every kind',
    ': hello\n\nevent: ping\ndata: {"type": "ping"}\n\n' + named(start) + 'event: ping\ndata: {}\n\n' + named(...text, ended, over),
    both,
  ],
  [
    'an error of the other wire',
    named(start, ...text.slice(0, 2)) + sse({ error: { message: 'no', code: 500 } }),
    { error: 'upstream_error' },
  ],
]

const google = (parts: unknown, more: object = {}) => ({
  candidates: [{ index: 0, content: { role: 'model', parts }, ...more }],
  modelVersion: 'm',
  responseId: 'r',
})
const googleUsage = { usageMetadata: { promptTokenCount: 9, candidatesTokenCount: 3, totalTokenCount: 12 } }

const generateContent: readonly Habit[] = [
  ['[DONE] of another wire at the end', sse({ ...google([{ text: 'Hi.' }], { finishReason: 'STOP' }), ...googleUsage }, '[DONE]'), both],
  [
    'Vertex: traffic, trace and time',
    sse(
      { ...google([{ text: 'Hi.' }]), createTime: '2026-01-01T00:00:00Z', usageMetadata: { trafficType: 'ON_DEMAND' } },
      {
        ...google([{ text: '' }], { finishReason: 'STOP', avgLogprobs: -0.1 }),
        usageMetadata: { ...googleUsage.usageMetadata, trafficType: 'ON_DEMAND' },
      },
    ),
    both,
  ],
  [
    'no index, no role, snake case nowhere',
    sse({ candidates: [{ content: { parts: [{ text: 'Hi.' }] }, finishReason: 'STOP' }], ...googleUsage }),
    both,
  ],
  [
    'a last chunk without content',
    sse(google([{ text: 'Hi.' }]), { candidates: [{ finishReason: 'STOP', index: 0 }], ...googleUsage }),
    both,
  ],
  ['usage in a chunk of its own after the finish', sse(google([{ text: 'Hi.' }], { finishReason: 'STOP' }), googleUsage), both],
]

const item = {
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  status: 'completed',
  content: [{ type: 'output_text', text: 'Hi.', annotations: [] }],
}
const created = { type: 'response.created', response: { id: 'resp_1', object: 'response', status: 'in_progress', model: 'm', output: [] } }
const delta = { type: 'response.output_text.delta', item_id: 'msg_1', output_index: 0, content_index: 0, delta: 'Hi.' }
const completed = (output: unknown) => ({
  type: 'response.completed',
  response: { ...created.response, status: 'completed', output, usage: { input_tokens: 9, output_tokens: 3, total_tokens: 12 } },
})

const responses: readonly Habit[] = [
  [
    'no names, no numbers, [DONE] at the end',
    sse(
      created,
      { type: 'response.output_item.added', output_index: 0, item: { ...item, content: [], status: 'in_progress' } },
      delta,
      completed([item]),
      '[DONE]',
    ),
    both,
  ],
  [
    'a last event without the output',
    sse(
      created,
      { type: 'response.output_item.added', output_index: 0, item: { ...item, content: [], status: 'in_progress' } },
      delta,
      { type: 'response.output_item.done', output_index: 0, item },
      completed([]),
    ),
    both,
  ],
  ['deltas of an item that was never added', sse(created, delta, completed([item])), both],
  ['only the last event', sse(completed([item])), both],
  ['nothing but items that are done', sse(created, { type: 'response.output_item.done', output_index: 0, item }, completed([item])), both],
  [
    'vLLM: thoughts in parts of their own',
    sse(
      created,
      { type: 'response.output_item.added', output_index: 0, item: { id: 'rs_1', type: 'reasoning', summary: [], status: 'in_progress' } },
      {
        type: 'response.reasoning_part.added',
        item_id: 'rs_1',
        output_index: 0,
        content_index: 0,
        part: { type: 'reasoning_text', text: '' },
      },
      { type: 'response.reasoning_text.delta', item_id: 'rs_1', output_index: 0, content_index: 0, delta: 'Hm.' },
      { type: 'response.reasoning_text.done', item_id: 'rs_1', output_index: 0, content_index: 0, text: 'Hm.' },
      {
        type: 'response.output_item.done',
        output_index: 0,
        item: { id: 'rs_1', type: 'reasoning', summary: [], content: [{ type: 'reasoning_text', text: 'Hm.' }] },
      },
      { ...delta, output_index: 1 },
      completed([{ id: 'rs_1', type: 'reasoning', summary: [], content: [{ type: 'reasoning_text', text: 'Hm.' }] }, item]),
    ),
    { ...both, thought: 'Hm.' },
  ],
  [
    'pings and events of a vendor',
    ': ping\n\n' +
      sse(created, { type: 'ping' }, { type: 'acme:trace', data: 1 }, { type: 'keepalive', sequence_number: 3 }, delta, completed([item])),
    both,
  ],
]

const habits: Readonly<Record<ProtocolId, readonly Habit[]>> = {
  chat_completions: chat,
  responses,
  messages,
  generate_content: generateContent,
}

describe.each(protocols.map(({ id, upstream }) => [id, upstream] as const))('a server of %s', (id, upstream) => {
  it.each(habits[id])('%s', async (_name, stream, expected) => {
    const found = summarise(await collectParts(upstream.decodeStream(from([Buffer.from(stream)]))))
    expect(withAnyIds(found, expected)).toEqual(expected)
  })
})
