/** OpenAI's own SDK reads every stream and answer we write: no stream of ours may hit a row where it throws. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import fc from 'fast-check'
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { foldAll, unfoldResult } from '../../src/completion/fold.ts'
import type { CompletionPart, PartStream } from '../../src/completion/part.ts'
import type { CompletionResult } from '../../src/completion/result.ts'
import { RouteplaneError } from '../../src/errors.ts'
import { chatCompletions } from '../../src/protocol/chat-completions/index.ts'
import { neutralResult } from '../support/arbitraries.ts'
import { collect, from, streamFixtures } from '../support/fixtures.ts'
import { wireOf } from '../support/wire.ts'
import { collectEvents, collectParts, oneByOne } from '../support/parts.ts'

const { decodeStream } = chatCompletions.upstream
const { encodeError, encodeResult, encodeStream } = chatCompletions.caller

type Served = { readonly parts: PartStream } | { readonly result: CompletionResult } | { readonly error: RouteplaneError }

let server: Server
let client: OpenAI
const waiting: Served[] = []

beforeAll(async () => {
  server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => void serve(Buffer.concat(chunks).toString()))
    const serve = async (body: string): Promise<void> => {
      const served = waiting.shift()
      const context = { requestId: 'req_1', model: 'm', nowSeconds: 5, request: chatCompletions.caller.decodeRequest(wireOf(body)) }
      if (served === undefined) response.destroy()
      else if ('parts' in served) {
        response.writeHead(200, { 'content-type': 'text/event-stream' })
        for await (const event of encodeStream(served.parts, context)) response.write(event)
        response.end()
      } else if ('result' in served) {
        response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(encodeResult(served.result, context)))
      } else {
        const { status, body: problem } = encodeError(served.error, 'req_1')
        response.writeHead(status, { 'content-type': 'application/json', 'x-should-retry': 'false' }).end(JSON.stringify(problem))
      }
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
  client = new OpenAI({ apiKey: 'test', baseURL: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`, maxRetries: 0 })
})

afterAll(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

const ask = { model: 'm', messages: [{ role: 'user' as const, content: 'hi' }] }
const askStream = { ...ask, stream: true as const, stream_options: { include_usage: true } }

/** Parts of every fixture that ends well, or in the named way. */
async function partsOf(bytes: Uint8Array): Promise<CompletionPart[]> {
  return collectParts(decodeStream(from([bytes])))
}

const good = streamFixtures('chat-completions').filter(
  ({ expected }) => expected.error === undefined && !expected.finish?.includes('malformed_tool_call'),
)
const bad = streamFixtures('chat-completions').filter(
  ({ expected }) => expected.error !== undefined || expected.finish?.includes('malformed_tool_call'),
)

function heard({ choices }: OpenAI.ChatCompletion): unknown {
  const message = choices[0]?.message
  const calls = message?.tool_calls ?? []
  return {
    text: message?.content ?? '',
    refusal: message?.refusal ?? '',
    calls: calls.map((call) => call.type === 'function' && [call.function.name, call.function.arguments]),
  }
}

describe.each(good)('$name', ({ bytes, expected }) => {
  it('is read by the stream helper', async () => {
    // The helper of this SDK line knows no free-form calls, whoever sends them.
    if (expected.calls?.some(([, name]) => name === 'patch')) return
    waiting.push({ parts: oneByOne(await partsOf(bytes)) })
    const final = await client.chat.completions.stream(askStream).finalChatCompletion()
    const { text = expected.texts?.[0] ?? '', refusal = '', calls = [], usage } = expected
    expect(heard(final)).toEqual({ text, refusal, calls: calls.map(([, name, written]) => [name, written]) })
    if (usage !== undefined)
      expect(final.usage).toMatchObject({ prompt_tokens: usage['inputTokens'], completion_tokens: usage['outputTokens'] })
  })

  it('is read chunk by chunk, and comes back as the same parts', async () => {
    const parts = await partsOf(bytes)
    waiting.push({ parts: oneByOne(parts) })
    const events: string[] = []
    for await (const chunk of await client.chat.completions.create(askStream)) events.push(`data: ${JSON.stringify(chunk)}\n\n`)
    const again = await partsOf(new TextEncoder().encode(events.join('')))
    const [one, two] = [foldAll(parts), foldAll(again)].map(({ candidates }) =>
      candidates.map(({ content, extras }) => ({ content, extras: extras.length })),
    )
    expect(two).toEqual(one)
  })
})

describe.each(bad)('$name', ({ bytes }) => {
  it('is an error for whoever iterates and for the helper', async () => {
    const parts = await partsOf(bytes)
    waiting.push({ parts: oneByOne(parts) }, { parts: oneByOne(parts) })
    await expect(collect(await client.chat.completions.create(askStream))).rejects.toBeInstanceOf(OpenAI.APIError)
    await expect(client.chat.completions.stream(askStream).finalChatCompletion()).rejects.toBeInstanceOf(OpenAI.OpenAIError)
  })
})

describe('encodeStream', () => {
  it('writes one whole event a string, usage only when asked for, and [DONE] last', async () => {
    const [fixture] = streamFixtures('chat-completions').filter(({ name }) => name === 'text')
    const parts = await partsOf(fixture?.bytes ?? new Uint8Array())
    const request = chatCompletions.caller.decodeRequest(wireOf({ ...ask, stream: true }))
    const events = await collectEvents(encodeStream(oneByOne(parts), { requestId: 'r', model: 'm', nowSeconds: 5, request }))
    for (const event of events) expect(event).toMatch(/^data: [^\n]+\n\n$/)
    expect(events.at(-1)).toBe('data: [DONE]\n\n')
    expect(events.join('')).not.toContain('"usage"')
    expect(events.map((event) => event.includes('"role":"assistant"')).indexOf(true)).toBe(0)
  })

  it('turns a source that throws, or that ends too soon, into an error event without [DONE]', async () => {
    const request = chatCompletions.caller.decodeRequest(wireOf({ ...ask, stream: true }))
    const context = { requestId: 'r', model: 'm', nowSeconds: 5, request }
    const throwing = async function* (): AsyncGenerator<CompletionPart> {
      yield { type: 'start', id: 'x', model: 'y' }
      throw new Error('secret detail')
    }
    const thrown = await collectEvents(encodeStream(oneByOne(throwing()), context))
    expect(thrown.join('')).toContain('"code":"internal"')
    expect(thrown.join('')).not.toMatch(/secret|DONE/)
    const short = await collectEvents(encodeStream(oneByOne([{ type: 'start' as const, id: 'x', model: 'y' }]), context))
    expect(short.join('')).toContain('"code":"stream_incomplete"')
  })

  it('writes random answers so that the helper accumulates them exactly', async () => {
    await fc.assert(
      fc.asyncProperty(neutralResult, async (result) => {
        const hasFreeform = result.candidates.some(({ content }) =>
          content.some((part) => part.type === 'tool-call' && part.arguments.kind === 'text'),
        )
        if (hasFreeform) return
        waiting.push({ parts: oneByOne(unfoldResult(result)) })
        const final = await client.chat.completions.stream({ ...askStream, n: result.candidates.length }).finalChatCompletion()
        for (const { index, content } of result.candidates) {
          const message = final.choices[index]?.message
          expect(message?.content ?? '').toBe(content.map((part) => (part.type === 'text' ? part.text : '')).join(''))
          const calls =
            message?.tool_calls?.map((call) => call.type === 'function' && [call.id, call.function.name, call.function.arguments]) ?? []
          expect(calls).toEqual(content.flatMap((part) => (part.type === 'tool-call' ? [[part.id, part.name, part.arguments.text]] : [])))
        }
        expect(final.usage?.completion_tokens).toBe(result.usage?.outputTokens)
      }),
      { numRuns: 60 },
    )
  })
})

describe('encodeResult and encodeError', () => {
  it('are read by the SDK', async () => {
    const result = foldAll(
      await partsOf(streamFixtures('chat-completions').find(({ name }) => name === 'tool-call')?.bytes ?? new Uint8Array()),
    )
    waiting.push({ result })
    const completion = await client.chat.completions.create(ask)
    expect(completion.choices[0]?.finish_reason).toBe('tool_calls')
    expect(completion.choices[0]?.message.tool_calls?.[0]).toMatchObject({ id: 'call_tide', type: 'function' })
    waiting.push({ error: new RouteplaneError('budget_exceeded', 'the day is spent', { details: { path: 'max_cost_usd' } }) })
    await expect(client.chat.completions.create(ask)).rejects.toMatchObject({
      status: 403,
      code: 'budget_exceeded',
      param: 'max_cost_usd',
      type: 'permission_denied',
    })
  })
})
