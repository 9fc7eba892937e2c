/** A provider that does everything the listing checklist asks, and each thing wrong when told to. */
import type { Answer, SeenRequest, Upstream } from './upstream.ts'
import { sse, startUpstream } from './upstream.ts'

export const KEY = 'listed-key'
export const MODEL = 'acme/one'
const CONTEXT = 4000

/** Each changes one thing; without any the provider is honest. */
export type Lies = {
  readonly servedModel?: string
  readonly usage?: 'none' | 'input' | 'output' | 'total' | 'cost'
  readonly ignores?: 'max_tokens' | 'stop' | 'tools' | 'json' | 'schema' | 'key' | 'context'
  readonly refuses?: 'temperature' | 'system' | 'image'
  readonly badRequest?: { readonly status: number; readonly body: string }
  readonly spoilsUnicode?: true
  readonly mixesAnswers?: true
  readonly noFinish?: true
  readonly stream?: 'json' | 'unfinished' | 'one-piece' | 'no-usage'
  readonly document?: 'dearer' | 'bad-row' | 'strange-field' | 'without-model' | 'broken'
  readonly breaksEvery?: number
  /** Requests a minute it really takes. */
  readonly limit?: { readonly count: number; readonly body: string }
}

type Chat = {
  readonly model?: string
  readonly messages?: readonly { readonly role: string; readonly content: unknown }[]
  readonly max_tokens?: unknown
  readonly stop?: readonly string[]
  readonly stream?: boolean
  readonly temperature?: number
  readonly tools?: readonly { readonly function: { readonly name: string } }[]
  readonly tool_choice?: string
  readonly response_format?: { readonly type: string }
}

export function manifest(url: string, more = ''): string {
  return `id: listed
name: Listed AI
endpoint: ${url}/v1
models_url: ${url}/v1/models
contact: ops@listed.dev
${more}models:
  - id: ${MODEL}
    pricing: { input_tokens: { no_cache: 1 }, output_tokens: { text: 2 } }
`
}

export async function startListedProvider(lies: Lies = {}): Promise<Upstream> {
  let answered = 0
  return startUpstream((request) => {
    if (request.path === '/v1/models') return documentAnswer(lies)
    answered++
    if (lies.breaksEvery !== undefined && answered % lies.breaksEvery === 0) return { status: 502, body: 'bad gateway' }
    if (lies.limit !== undefined && answered > lies.limit.count)
      return { status: 429, body: lies.limit.body, headers: { 'retry-after': '1' } }
    return chatAnswer(request, lies)
  })
}

function documentAnswer(lies: Lies): Answer {
  const row = {
    id: lies.document === 'without-model' ? 'acme/other' : MODEL,
    name: 'Acme: One',
    created: 1_760_000_000,
    input_modalities: ['text', 'image'],
    output_modalities: ['text'],
    context_length: CONTEXT,
    max_output_length: 1024,
    quantization: lies.document === 'strange-field' ? 'int3' : 'fp8',
    pricing: { prompt: lies.document === 'dearer' ? '0.000002' : '0.000001', completion: '0.000002', image: '0' },
    supported_sampling_parameters: ['temperature', 'top_p', 'stop', 'max_tokens', 'frequency_penalty', 'presence_penalty'],
    supported_features: ['tools', 'json_mode', 'structured_outputs'],
  }
  if (lies.document === 'broken') return { status: 503, body: 'later' }
  return { json: { data: [row, ...(lies.document === 'bad-row' ? [{ id: 'acme/free' }] : [])] } }
}

const refuse = (status: number, message: string): Answer => ({ status, json: { error: { message, type: 'invalid_request_error' } } })

function chatAnswer({ json, headers, body }: SeenRequest, lies: Lies): Answer {
  if (lies.ignores !== 'key' && headers.authorization !== `Bearer ${KEY}`) return refuse(401, 'the key is wrong')
  const chat = json as Chat | undefined
  const fault = faultOf(chat, lies)
  if (fault !== undefined)
    return lies.badRequest === undefined || fault.startsWith('too long')
      ? refuse(fault.startsWith('no model') ? 404 : 400, fault)
      : lies.badRequest
  if (chat === undefined) return refuse(400, 'not JSON')
  const content = answerOf(chat, lies)
  const call = typeof content === 'string' ? undefined : content
  const limit = typeof chat.max_tokens === 'number' && lies.ignores !== 'max_tokens' ? chat.max_tokens : 1000
  const words = typeof content === 'string' ? (content.match(/\s*\S+/g) ?? []) : []
  const kept = words.slice(0, limit)
  const finish = lies.noFinish === true ? null : call !== undefined ? 'tool_calls' : kept.length < words.length ? 'length' : 'stop'
  const usage = usageOf(Math.ceil(body.length / 4), Math.max(kept.length, 1), lies)
  const head = { id: 'chatcmpl-1', created: 1_760_000_000, model: lies.servedModel ?? chat.model }
  if (chat.stream === true && lies.stream !== 'json') return streamAnswer(head, kept, finish, usage, lies)
  const message =
    call === undefined ? { role: 'assistant', content: kept.join('') } : { role: 'assistant', content: null, tool_calls: [call] }
  return {
    json: {
      ...head,
      object: 'chat.completion',
      choices: [{ index: 0, message, finish_reason: finish }],
      ...(usage === undefined ? {} : { usage }),
    },
    headers: { 'x-ratelimit-remaining-requests': '59' },
  }
}

function faultOf(chat: Chat | undefined, lies: Lies): string | undefined {
  if (chat === undefined) return 'the body is not JSON'
  if (chat.model !== MODEL) return 'no model of that name'
  if (!Array.isArray(chat.messages)) return 'messages is missing'
  if (chat.max_tokens !== undefined && typeof chat.max_tokens !== 'number') return 'max_tokens must be a number'
  if (lies.refuses === 'temperature' && chat.temperature !== undefined && chat.temperature > 1) return 'temperature must be at most 1'
  if (lies.refuses === 'system' && chat.messages.some(({ role }) => role === 'system')) return 'no system messages here'
  if (lies.refuses === 'image' && JSON.stringify(chat.messages).includes('image_url')) return 'no images here'
  if (lies.ignores !== 'context' && promptOf(chat).split(' ').length > CONTEXT) return 'too long: the maximum context length is 4000 tokens'
  return undefined
}

function promptOf({ messages = [] }: Chat): string {
  const { content } = messages.findLast(({ role }) => role === 'user') ?? { content: '' }
  if (typeof content === 'string') return content
  return (content as { text?: string }[]).map(({ text = '' }) => text).join(' ')
}

function answerOf(chat: Chat, lies: Lies): unknown {
  const prompt = promptOf(chat)
  if (chat.tools !== undefined && chat.tool_choice === 'required' && lies.ignores !== 'tools')
    return { id: 'call_1', type: 'function', function: { name: chat.tools[0]?.function.name, arguments: '{"city":"Paris"}' } }
  if (chat.response_format?.type === 'json_object' && lies.ignores !== 'json') return '{"city": "Paris"}'
  if (chat.response_format?.type === 'json_schema' && lies.ignores !== 'schema') return '{"city": "Paris"}'
  const word = /nothing else: (\w+)$/.exec(prompt)?.[1]
  if (word !== undefined && lies.mixesAnswers === true) return 'coral'
  if (prompt.startsWith('Count from 1 to 9'))
    return chat.stop?.includes('4') === true && lies.ignores !== 'stop' ? '1 2 3' : '1 2 3 4 5 6 7 8 9'
  if (prompt.startsWith('Repeat exactly'))
    return lies.spoilsUnicode === true ? 'Z\u00c3\u00bcrich \ufffd' : prompt.slice(prompt.indexOf(':') + 2)
  if (prompt.startsWith('Write')) return 'The sea is wide and green and old and never still. '.repeat(5)
  return word ?? 'hello there friend'
}

function usageOf(input: number, output: number, { usage }: Lies): Record<string, number> | undefined {
  if (usage === 'none') return undefined
  const prompt_tokens = usage === 'input' ? 50_000 : input
  const completion_tokens = usage === 'output' ? 9_000 : output
  const total_tokens = prompt_tokens + completion_tokens + (usage === 'total' ? 7 : 0)
  return { prompt_tokens, completion_tokens, total_tokens, ...(usage === 'cost' ? { cost: 0.5 } : {}) }
}

function streamAnswer(head: object, words: readonly string[], finish: string | null, usage: unknown, { stream }: Lies): Answer {
  const chunk = (choices: unknown, more = {}) => ({ ...head, object: 'chat.completion.chunk', choices, ...more })
  const pieces = stream === 'one-piece' ? [words.join('')] : words
  const events = pieces.map((content) => chunk([{ index: 0, delta: { content }, finish_reason: null }]))
  if (stream === 'unfinished') return { stream: [sse(...events)] }
  const last = stream === 'one-piece' ? [] : [chunk([{ index: 0, delta: {}, finish_reason: finish }])]
  const end =
    stream === 'one-piece'
      ? [chunk([{ index: 0, delta: { content: '' }, finish_reason: finish }], { usage })]
      : stream === 'no-usage'
        ? []
        : [chunk([], { usage })]
  return { stream: [': keep-alive\n\n', sse(...events, ...last, ...end), 'data: [DONE]\n\n'] }
}
