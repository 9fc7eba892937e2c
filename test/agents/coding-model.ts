/** An upstream that plays a coding model in one wire's own form: it thinks, asks for a tool, reads its result, and tells it. */
import type { ProtocolId } from '../../src/protocol/protocol.ts'
import { isRecord } from '../../src/lib/json.ts'
import { sse, type Answer, type SeenRequest } from '../support/upstream.ts'

type Json = Readonly<Record<string, unknown>>

/** The call that the model asks for; a free-form tool is given a text, where the wire has such tools. */
export type AskedCall = { readonly name: string; readonly args: Json } | { readonly name: string; readonly text: string }

/** What has come back to the model. */
export type Seen = {
  /** The text of the tool's result, in the place where this wire has it. */
  readonly result: string
  /** The opaque token that the model gave with its thought, if the caller brought it back. */
  readonly token: string | undefined
}

/** How a wire says the two turns, and where it has what comes back. */
type Turns = {
  ask(call: AskedCall): string
  tell(text: string): string
  seen(json: Json): Seen | undefined
}

const CALL_ID = 'call_7f3a'
const THOUGHT = 'The file has it.'
const BEFORE = 'Looking.'
/** Base64, as every wire that signs thoughts demands of its tokens. */
export const TOKEN = Buffer.from('a token that only its issuer can read').toString('base64')

const list = (value: unknown): readonly Json[] => (Array.isArray(value) ? value.filter(isRecord) : [])
const text = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value))
const named = (...events: readonly ({ readonly type: string } & Json)[]): string =>
  events.map((event) => `event: ${event.type}\n${sse(event)}`).join('')

const chat: Turns = {
  ask: (call) => {
    const details = [{ type: 'reasoning.encrypted', data: TOKEN, format: 'played', index: 0 }]
    return chatEvents(
      [
        { role: 'assistant', content: '', reasoning_content: THOUGHT, reasoning_details: details },
        { content: BEFORE },
        ...chatCall(call).map((delta) => ({ tool_calls: [{ index: 0, ...delta }] })),
      ],
      'tool_calls',
    )
  },
  tell: (said) => chatEvents([{ role: 'assistant', content: '' }, ...halves(said).map((content) => ({ content }))], 'stop'),
  seen: (json) => {
    const messages = list(json['messages'])
    const result = messages.find((message) => message['role'] === 'tool' && message['tool_call_id'] === CALL_ID)
    const [details] = messages.flatMap((message) => list(message['reasoning_details']))
    return result && { result: text(result['content']), token: details?.['data'] as string | undefined }
  },
}

function chatCall(call: AskedCall): readonly Json[] {
  const { name } = call
  if ('text' in call) {
    const rest = halves(call.text).map((input) => ({ custom: { input } }))
    return [{ id: CALL_ID, type: 'custom', custom: { name, input: '' } }, ...rest]
  }
  const rest = halves(JSON.stringify(call.args)).map((part) => ({ function: { arguments: part } }))
  return [{ id: CALL_ID, type: 'function', function: { name, arguments: '' } }, ...rest]
}

function chatEvents(deltas: readonly Json[], finish: string): string {
  const head = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1_760_000_000, model: 'coder' }
  const chunks = deltas.map((delta) => ({ ...head, choices: [{ index: 0, delta, finish_reason: null }] }))
  const last = { ...head, choices: [{ index: 0, delta: {}, finish_reason: finish }] }
  const usage = { ...head, choices: [], usage: { prompt_tokens: 900, completion_tokens: 30, total_tokens: 930 } }
  return sse(...chunks, last, usage, '[DONE]')
}

const responses: Turns = {
  ask: (asked) => {
    const reasoning = { type: 'reasoning', id: 'rs_1', summary: [{ type: 'summary_text', text: THOUGHT }], encrypted_content: TOKEN }
    const { call, begun, pieces } = responsesCall(asked)
    const summary = { item_id: 'rs_1', output_index: 0, summary_index: 0 }
    return responseEvents(
      [reasoning, message(BEFORE), call],
      [
        { type: 'response.output_item.added', output_index: 0, item: { ...reasoning, summary: [], encrypted_content: '' } },
        { type: 'response.reasoning_summary_part.added', ...summary, part: { type: 'summary_text', text: '' } },
        { type: 'response.reasoning_summary_text.delta', ...summary, delta: THOUGHT },
        { type: 'response.reasoning_summary_text.done', ...summary, text: THOUGHT },
        { type: 'response.reasoning_summary_part.done', ...summary, part: { type: 'summary_text', text: THOUGHT } },
        { type: 'response.output_item.done', output_index: 0, item: reasoning },
        ...messageEvents(BEFORE, 1),
        { type: 'response.output_item.added', output_index: 2, item: begun },
        ...pieces.map((piece) => ({ ...piece, item_id: 'fc_1', output_index: 2 })),
        { type: 'response.output_item.done', output_index: 2, item: call },
      ],
    )
  },
  tell: (said) => responseEvents([message(said)], messageEvents(said, 0)),
  seen: (json) => {
    const input = list(json['input'])
    const result = input.find((item) => /^(function|custom_tool)_call_output$/.test(String(item['type'])) && item['call_id'] === CALL_ID)
    const reasoning = input.find((item) => item['type'] === 'reasoning')
    return result && { result: text(result['output']), token: reasoning?.['encrypted_content'] as string | undefined }
  },
}

function responsesCall(asked: AskedCall) {
  const head = { id: 'fc_1', call_id: CALL_ID, name: asked.name, status: 'in_progress' }
  if ('text' in asked) {
    const { text: input } = asked
    const begun = { ...head, type: 'custom_tool_call', input: '' }
    const deltas = halves(input).map((delta) => ({ type: 'response.custom_tool_call_input.delta', delta }))
    return {
      begun,
      call: { ...begun, input, status: 'completed' },
      pieces: [...deltas, { type: 'response.custom_tool_call_input.done', input }],
    }
  }
  const written = JSON.stringify(asked.args)
  const begun = { ...head, type: 'function_call', arguments: '' }
  const deltas = halves(written).map((delta) => ({ type: 'response.function_call_arguments.delta', delta }))
  const done = { type: 'response.function_call_arguments.done', arguments: written }
  return { begun, call: { ...begun, arguments: written, status: 'completed' }, pieces: [...deltas, done] }
}

function message(said: string, status = 'completed'): Json {
  const content = said === '' ? [] : [{ type: 'output_text', text: said, annotations: [] }]
  return { type: 'message', id: 'msg_1', role: 'assistant', status, content }
}

function messageEvents(said: string, output_index: number): readonly ({ readonly type: string } & Json)[] {
  const place = { item_id: 'msg_1', output_index, content_index: 0 }
  const part = { type: 'output_text', text: said, annotations: [] }
  return [
    { type: 'response.output_item.added', output_index, item: message('', 'in_progress') },
    { type: 'response.content_part.added', ...place, part: { ...part, text: '' } },
    ...halves(said).map((delta) => ({ type: 'response.output_text.delta', ...place, delta, logprobs: [] })),
    { type: 'response.output_text.done', ...place, text: said, logprobs: [] },
    { type: 'response.content_part.done', ...place, part },
    { type: 'response.output_item.done', output_index, item: message(said) },
  ]
}

function responseEvents(output: readonly Json[], events: readonly ({ readonly type: string } & Json)[]): string {
  const head = { id: 'resp_1', object: 'response', created_at: 1_760_000_000, model: 'coder', error: null, incomplete_details: null }
  const usage = {
    input_tokens: 900,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: 30,
    output_tokens_details: { reasoning_tokens: 5 },
    total_tokens: 930,
  }
  const all = [
    { type: 'response.created', response: { ...head, status: 'in_progress', output: [], usage: null } },
    ...events,
    { type: 'response.completed', response: { ...head, status: 'completed', output, usage } },
  ]
  return named(...all.map((event, sequence_number) => ({ ...event, sequence_number })))
}

const messages: Turns = {
  ask: (call) =>
    messageStream('tool_use', [
      [
        { type: 'thinking', thinking: '', signature: '' },
        { type: 'thinking_delta', thinking: THOUGHT },
        { type: 'signature_delta', signature: TOKEN },
      ],
      [
        { type: 'text', text: '' },
        { type: 'text_delta', text: BEFORE },
      ],
      [
        { type: 'tool_use', id: CALL_ID, name: call.name, input: {} },
        ...halves(JSON.stringify(argsOf(call))).map((partial_json) => ({ type: 'input_json_delta', partial_json })),
      ],
    ]),
  tell: (said) =>
    messageStream('end_turn', [[{ type: 'text', text: '' }, ...halves(said).map((part) => ({ type: 'text_delta', text: part }))]]),
  seen: (json) => {
    const blocks = list(json['messages']).flatMap((turn) => list(turn['content']))
    const result = blocks.find((block) => block['type'] === 'tool_result' && block['tool_use_id'] === CALL_ID)
    const thinking = blocks.find((block) => block['type'] === 'thinking')
    return result && { result: text(result['content']), token: thinking?.['signature'] as string | undefined }
  },
}

function messageStream(stop_reason: string, blocks: readonly (readonly [Json, ...Json[]])[]): string {
  const head = { id: 'msg_1', type: 'message', role: 'assistant', model: 'coder', content: [], stop_reason: null, stop_sequence: null }
  return named(
    { type: 'message_start', message: { ...head, usage: { input_tokens: 900, output_tokens: 1 } } },
    ...blocks.flatMap(([content_block, ...deltas], index) => [
      { type: 'content_block_start', index, content_block },
      ...deltas.map((delta) => ({ type: 'content_block_delta', index, delta })),
      { type: 'content_block_stop', index },
    ]),
    { type: 'message_delta', delta: { stop_reason, stop_sequence: null }, usage: { output_tokens: 30 } },
    { type: 'message_stop' },
  )
}

const generateContent: Turns = {
  ask: (call) =>
    googleChunks([
      { text: THOUGHT, thought: true },
      { text: BEFORE },
      { functionCall: { id: CALL_ID, name: call.name, args: argsOf(call) }, thoughtSignature: TOKEN },
    ]),
  tell: (said) => googleChunks(halves(said).map((part) => ({ text: part }))),
  seen: (json) => {
    const parts = list(json['contents']).flatMap((turn) => list(turn['parts']))
    const result = parts.find((part) => isRecord(part['functionResponse']))?.['functionResponse']
    const call = parts.find((part) => isRecord(part['functionCall']))
    return isRecord(result) ? { result: text(result['response']), token: call?.['thoughtSignature'] as string | undefined } : undefined
  },
}

function googleChunks(parts: readonly Json[]): string {
  const usageMetadata = { promptTokenCount: 900, candidatesTokenCount: 25, thoughtsTokenCount: 5, totalTokenCount: 930 }
  const chunks = parts.map((part, at) => ({
    candidates: [{ index: 0, content: { role: 'model', parts: [part] }, ...(at === parts.length - 1 ? { finishReason: 'STOP' } : {}) }],
    usageMetadata,
    modelVersion: 'coder',
    responseId: 'r1',
  }))
  return sse(...chunks)
}

/** Wires without free-form tools are offered a function that takes one text. */
function argsOf(call: AskedCall): Json {
  return 'text' in call ? { input: call.text } : call.args
}

function halves(whole: string): readonly string[] {
  const middle = Math.floor(whole.length / 2)
  return [whole.slice(0, middle), whole.slice(middle)]
}

const turnsOf: Readonly<Record<ProtocolId, Turns>> = { chat_completions: chat, responses, messages, generate_content: generateContent }

/**
 * Answers an agent's requests: the first that offers the tool gets the call, the one that brings the result gets an answer
 * that quotes it. What an agent asks beside its task gets a word.
 *
 * @param onSeen - Told what has come back.
 */
export function playCodingModel(wire: ProtocolId, call: AskedCall, onSeen: (seen: Seen) => void): (request: SeenRequest) => Answer {
  const turns = turnsOf[wire]
  return ({ json, body }) => {
    if (!isRecord(json)) return { status: 400, json: { error: { message: 'not JSON' } } }
    const seen = turns.seen(json)
    if (seen !== undefined) {
      onSeen(seen)
      return { stream: [turns.tell(`The file says: ${/amber-[0-9a-f]+/.exec(seen.result)?.[0] ?? 'nothing'}`)] }
    }
    return { stream: [body.includes(`"${call.name}"`) ? turns.ask(call) : turns.tell('Yes.')] }
  }
}
