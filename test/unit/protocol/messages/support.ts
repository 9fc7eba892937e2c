/** Requests, events and answers of Messages, made short for the tests. */
import type { CompletionPart } from '../../../../src/completion/part.ts'
import type { CompletionRequest } from '../../../../src/completion/request.ts'
import type { EncodeContext, WireRequest } from '../../../../src/protocol/protocol.ts'

export const ask = { model: 'a/b', max_tokens: 4096, messages: [{ role: 'user', content: 'hi' }] }

export function wireOf(json: Record<string, unknown>, headers: Record<string, string> = {}, query = ''): WireRequest {
  return { body: Buffer.from(JSON.stringify(json)), json, path: '/v1/messages', query: new URLSearchParams(query), headers }
}

export const neutral: CompletionRequest = {
  model: 'a/b',
  system: [],
  turns: [{ role: 'user', parts: [{ type: 'text', text: 'hi' }] }],
  tools: [],
  sampling: {},
  stop: [],
  candidates: 1,
  output: { kind: 'text' },
  outputModalities: ['text'],
  stream: true,
  state: {},
  account: {},
  unknown: [],
}

export const context: EncodeContext = { requestId: 'req_1', model: 'a/b', nowSeconds: 1, request: neutral }

export type Event = Readonly<Record<string, unknown>>

/** Events as the vendor frames them. */
export function frame(events: readonly Event[]): string {
  return events.map((event) => `event: ${String(event['type'])}\ndata: ${JSON.stringify(event)}\n\n`).join('')
}

export async function* bytes(...chunks: readonly (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield typeof chunk === 'string' ? Buffer.from(chunk) : chunk
}

/** The events of encoded strings, each of which must be one whole event with its name. */
export function eventsOf(written: readonly string[]): readonly Event[] {
  return written.map((text) => {
    const [, name, data] = /^event: (\S+)\ndata: (.*)\n\n$/.exec(text) ?? []
    const event = JSON.parse(data ?? 'null') as Event
    if (event['type'] !== name) throw new Error(`the event ${name} says that it is ${String(event['type'])}`)
    return event
  })
}

export const usage = (input: number, output: number) => ({ inputTokens: input, outputTokens: output, origin: 'provider' as const })

export const startPart: CompletionPart = { type: 'start', id: 'chatcmpl-1', model: 'm' }
export const finishPart = (reason: 'stop' | 'tool_calls' | 'length' = 'stop'): CompletionPart => ({
  type: 'finish',
  finishes: [{ candidate: 0, reason }],
  usage: usage(10, 3),
})

export const messageStart: Event = {
  type: 'message_start',
  message: {
    id: 'msg_1',
    type: 'message',
    role: 'assistant',
    model: 'claude-x',
    content: [],
    usage: { input_tokens: 12, output_tokens: 1 },
  },
}
export const messageDelta = (reason: string | null, output = 5): Event => ({
  type: 'message_delta',
  delta: { stop_reason: reason, stop_sequence: null },
  usage: { output_tokens: output },
})
export const messageStop: Event = { type: 'message_stop' }

/** A block as its events: its beginning, its deltas, its end. */
export function block(index: number, start: Event, ...deltas: readonly Event[]): readonly Event[] {
  return [
    { type: 'content_block_start', index, content_block: start },
    ...deltas.map((delta) => ({ type: 'content_block_delta', index, delta })),
    { type: 'content_block_stop', index },
  ]
}

export const textBlock = (index: number, ...texts: readonly string[]): readonly Event[] =>
  block(index, { type: 'text', text: '' }, ...texts.map((text) => ({ type: 'text_delta', text })))

export const toolBlock = (index: number, id: string, name: string, ...pieces: readonly string[]): readonly Event[] =>
  block(index, { type: 'tool_use', id, name, input: {} }, ...pieces.map((piece) => ({ type: 'input_json_delta', partial_json: piece })))

/** One stream with every kind of block. */
export const everything: readonly Event[] = [
  messageStart,
  { type: 'ping' },
  ...block(
    0,
    { type: 'thinking', thinking: '', signature: '' },
    { type: 'thinking_delta', thinking: 'Let me sée' },
    { type: 'thinking_delta', thinking: ' 👀.' },
    { type: 'signature_delta', signature: 'EqQB+sig/==' },
  ),
  ...block(1, { type: 'redacted_thinking', data: 'opaque' }),
  ...block(
    2,
    { type: 'text', text: '', citations: [] },
    {
      type: 'citations_delta',
      citation: { type: 'web_search_result_location', url: 'https://a.test/', title: 'A', encrypted_index: 'i', cited_text: 'c' },
    },
    { type: 'text_delta', text: 'Wörld ' },
    { type: 'text_delta', text: '🌍' },
  ),
  ...block(
    3,
    { type: 'server_tool_use', id: 'srvtoolu_1', name: 'web_search', input: {} },
    { type: 'input_json_delta', partial_json: '{"query":' },
    { type: 'input_json_delta', partial_json: '"x"}' },
  ),
  ...block(4, { type: 'web_search_tool_result', tool_use_id: 'srvtoolu_1', content: [] }),
  ...toolBlock(5, 'toolu_1', 'add', '', '{"a": "\\u00', 'e9", "b": 1}'),
  ...toolBlock(6, 'toolu_2', 'now'),
  {
    type: 'message_delta',
    delta: { stop_reason: 'tool_use', stop_sequence: null },
    usage: { input_tokens: 12, cache_read_input_tokens: 30, cache_creation_input_tokens: 8, output_tokens: 77 },
  },
  messageStop,
]
