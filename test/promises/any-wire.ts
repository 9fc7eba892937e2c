/** A source that speaks all four wires in their vendors' own forms: by its path it knows in which it was asked. */
import type { Answer, SeenRequest } from '../support/upstream.ts'
import { sse } from '../support/upstream.ts'
import { chunk, ending, said } from './world.ts'

/** The wire a request came in on. */
export type Wire = 'chat_completions' | 'responses' | 'messages' | 'generate_content'

export function wireOfPath(path: string): Wire | undefined {
  const [bare = ''] = path.split('?')
  if (bare.endsWith('/chat/completions')) return 'chat_completions'
  if (bare.endsWith('/responses')) return 'responses'
  if (bare.endsWith('/messages')) return 'messages'
  return /:(?:stream)?[gG]enerateContent$/.test(bare) ? 'generate_content' : undefined
}

/** Says `text` in the wire of the request, whole or streamed as it asks; 10 tokens in and 5 out. */
export function sayInAnyWire(text: string): (request: SeenRequest) => Answer {
  return ({ path, json }) => {
    const wire = wireOfPath(path)
    const streamed = path.includes(':streamGenerateContent') || (json as { readonly stream?: boolean } | undefined)?.stream === true
    if (wire === undefined) return { status: 404, json: { error: { message: `nothing is served at ${path}` } } }
    return streamed ? { stream: [events[wire](text)] } : wholes[wire](text)
  }
}

const message = (text: string) => ({
  type: 'message',
  id: 'msg_1',
  status: 'completed',
  role: 'assistant',
  content: [{ type: 'output_text', text, annotations: [] }],
})

/** @see https://platform.openai.com/docs/api-reference/responses/object */
const response = (status: string, output: readonly unknown[]) => ({
  id: 'resp_1',
  object: 'response',
  created_at: 1_760_000_000,
  status,
  model: 'served',
  output,
  error: null,
  incomplete_details: null,
  parallel_tool_calls: true,
  tool_choice: 'auto',
  tools: [],
  usage: {
    input_tokens: 10,
    output_tokens: 5,
    total_tokens: 15,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens_details: { reasoning_tokens: 0 },
  },
})

/** @see https://docs.anthropic.com/en/api/messages */
const anthropic = (content: readonly unknown[], stop_reason: string | null) => ({
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  model: 'served',
  content,
  stop_reason,
  stop_sequence: null,
  usage: { input_tokens: 10, output_tokens: 5 },
})

/** @see https://ai.google.dev/api/generate-content#v1beta.GenerateContentResponse */
const google = (text: string) => ({
  candidates: [{ content: { role: 'model', parts: [{ text }] }, finishReason: 'STOP', index: 0 }],
  usageMetadata: { promptTokenCount: 10, candidatesTokenCount: 5, totalTokenCount: 15 },
  modelVersion: 'served',
  responseId: 'r1',
})

const wholes: Readonly<Record<Wire, (text: string) => Answer>> = {
  chat_completions: (text) => said(text),
  responses: (text) => ({ json: response('completed', [message(text)]) }),
  messages: (text) => ({ json: anthropic([{ type: 'text', text }], 'end_turn') }),
  generate_content: (text) => ({ json: google(text) }),
}

/** Events with a name each, as Responses and Messages have them. */
const named = (...payloads: readonly { readonly type: string }[]) =>
  payloads.map((payload) => `event: ${payload.type}\ndata: ${JSON.stringify(payload)}\n\n`).join('')

const events: Readonly<Record<Wire, (text: string) => string>> = {
  chat_completions: (text) => chunk(text) + ending,
  responses: (text) => {
    const item = { item_id: 'msg_1', output_index: 0, content_index: 0 }
    const steps = [
      { type: 'response.created', response: response('in_progress', []) },
      { type: 'response.output_item.added', output_index: 0, item: { ...message(text), status: 'in_progress', content: [] } },
      { type: 'response.content_part.added', ...item, part: { type: 'output_text', text: '', annotations: [] } },
      { type: 'response.output_text.delta', ...item, delta: text, logprobs: [] },
      { type: 'response.output_text.done', ...item, text, logprobs: [] },
      { type: 'response.content_part.done', ...item, part: { type: 'output_text', text, annotations: [] } },
      { type: 'response.output_item.done', output_index: 0, item: message(text) },
      { type: 'response.completed', response: response('completed', [message(text)]) },
    ]
    return named(...steps.map((step, sequence_number) => ({ ...step, sequence_number })))
  },
  messages: (text) =>
    named(
      { type: 'message_start', ...{ message: { ...anthropic([], null), usage: { input_tokens: 10, output_tokens: 1 } } } },
      { type: 'content_block_start', ...{ index: 0, content_block: { type: 'text', text: '' } } },
      { type: 'content_block_delta', ...{ index: 0, delta: { type: 'text_delta', text } } },
      { type: 'content_block_stop', ...{ index: 0 } },
      { type: 'message_delta', ...{ delta: { stop_reason: 'end_turn', stop_sequence: null }, usage: { output_tokens: 5 } } },
      { type: 'message_stop' },
    ),
  generate_content: (text) => sse(google(text)),
}
