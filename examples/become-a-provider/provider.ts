/** A provider in plain Node: Chat Completions with a key, honest counts, clear refusals. Its model only talks back. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'

const MODEL = 'tiny/parrot-1'
const CONTEXT = 8192
const MAX_OUTPUT = 256
const models = [
  {
    ...{ id: MODEL, name: 'Tiny: Parrot 1', created: 1_760_000_000, context_length: CONTEXT, max_output_length: MAX_OUTPUT },
    ...{ input_modalities: ['text'], output_modalities: ['text'], supported_features: [] },
    ...{ supported_sampling_parameters: ['max_tokens', 'stop'], pricing: { prompt: '0.0000001', completion: '0.0000002' } },
  },
]

/** Tokens are words here, and what counts them for the bill counts them for the limits too. */
const wordsOf = (line: string) => line.match(/\s*\S+/g) ?? []
const refuse = (status: number, message: string) => Object.assign(new Error(message), { status })

function answer(body: string, response: ServerResponse) {
  const chat = parse(body)
  const { model, messages, max_tokens: limit = MAX_OUTPUT, stop = [], stream, stream_options: options } = chat
  if (model !== MODEL) throw refuse(404, `there is no model ${JSON.stringify(model)}; there is ${MODEL}`)
  if (!Array.isArray(messages) || messages.length === 0) throw refuse(400, 'messages must be a list that is not empty')
  if (typeof limit !== 'number' || limit < 1) throw refuse(400, 'max_tokens must be a number above 0')
  const contents = messages.map(({ content }) => (typeof content === 'string' ? content : JSON.stringify(content)))
  const input = contents.flatMap(wordsOf).length
  if (input > CONTEXT) throw refuse(400, `the prompt has ${input} tokens; the maximum context length is ${CONTEXT}`)

  const reply = `You said: ${contents.at(-1)} That is all I can say, and I say it to everybody who asks me.`
  const ends = [stop].flat().flatMap((word) => (reply.includes(String(word)) ? [reply.indexOf(String(word))] : []))
  const all = wordsOf(reply.slice(0, Math.min(reply.length, ...ends)))
  const words = all.slice(0, Math.min(limit, MAX_OUTPUT))
  const finish_reason = words.length < all.length ? 'length' : 'stop'
  const usage = { prompt_tokens: input, completion_tokens: words.length, total_tokens: input + words.length }
  const head = { id: `chat-${Date.now()}`, created: Math.floor(Date.now() / 1000), model: MODEL }
  if (stream !== true) {
    const choices = [{ index: 0, message: { role: 'assistant', content: words.join('') }, finish_reason }]
    return send(response, 200, { ...head, object: 'chat.completion', choices, usage })
  }
  response.setHeader('content-type', 'text/event-stream')
  const event = (more: object) => response.write(`data: ${JSON.stringify({ ...head, object: 'chat.completion.chunk', ...more })}\n\n`)
  for (const content of words) event({ choices: [{ index: 0, delta: { role: 'assistant', content }, finish_reason: null }] })
  event({ choices: [{ index: 0, delta: {}, finish_reason }] })
  if (options?.include_usage === true) event({ choices: [], usage })
  response.end('data: [DONE]\n\n')
}

type Chat = Partial<Record<'model' | 'max_tokens' | 'stop' | 'stream', unknown>> & {
  messages?: { content?: unknown }[]
  stream_options?: { include_usage?: boolean }
}

function parse(body: string): Chat {
  try {
    return JSON.parse(body) as Chat
  } catch {
    throw refuse(400, 'the body is not JSON')
  }
}

function send(response: ServerResponse, status: number, body: object) {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

/** Starts it; port 0 takes a free one. */
export async function startProvider({ port = 4400, key = 'parrot' } = {}): Promise<{ url: string; close: () => void }> {
  const serve = async (request: IncomingMessage, response: ServerResponse) => {
    if (request.url === '/v1/models') return send(response, 200, { data: models })
    if (request.url !== '/v1/chat/completions') throw refuse(404, 'there is nothing here')
    if (request.headers.authorization !== `Bearer ${key}`)
      throw refuse(401, 'send authorization: Bearer <key>; this key is wrong or missing')
    answer(await text(request), response)
  }
  const server = createServer((request, response) => {
    serve(request, response).catch(({ status = 500, message }: { status?: number; message: string }) => {
      send(response, status, { error: { message, type: 'invalid_request_error', code: status } })
    })
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  const close = () => {
    server.closeAllConnections()
    server.close()
  }
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`, close }
}
