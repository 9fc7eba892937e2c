/** Google's own SDK, and a second opinion, read every stream and answer we write, through the HTTP surface. */
import { createGoogleGenerativeAI } from '@ai-sdk/google'
import { ApiError, FunctionCallingConfigMode, GoogleGenAI, type GenerateContentResponse } from '@google/genai'
import { generateText, streamText, stepCountIs, tool } from 'ai'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { foldAll, foldParts, unfoldResult } from '../../src/completion/fold.ts'
import type { CompletionPart } from '../../src/completion/part.ts'
import type { CompletionRequest } from '../../src/completion/request.ts'
import { RouteplaneError } from '../../src/errors.ts'
import type { Completion } from '../../src/gateway/call.ts'
import type { HttpServer } from '../../src/http/serve.ts'
import { generateContent } from '../../src/protocol/generate-content/index.ts'
import { completionOf, nativeJson, nativeStream, scripted, serve, TOKEN } from '../http/support.ts'
import { collect, from, streamFixtures } from '../support/fixtures.ts'
import { neutralResult } from '../unit/protocol/generate-content/arbitraries.ts'
import type { Summary } from '../unit/protocol/generate-content/summary.ts'
import { collectParts, oneByOne } from '../support/parts.ts'

const { decodeResult, decodeStream } = generateContent.upstream

let server: HttpServer
let client: GoogleGenAI
const answers: (Completion | RouteplaneError)[] = []
const asked: CompletionRequest[] = []

beforeAll(async () => {
  const complete = async (call: { decode(): CompletionRequest }): Promise<Completion> => {
    asked.push(call.decode())
    const next = answers.shift()
    if (next === undefined) throw new RouteplaneError('internal', 'nothing was scripted')
    if (next instanceof RouteplaneError) throw next
    return next
  }
  server = await serve(scripted(complete), { protocols: [generateContent], foldParts })
  client = new GoogleGenAI({ apiKey: TOKEN, httpOptions: { baseUrl: server.url } })
})

afterAll(() => server.close())

const translated = (parts: Iterable<CompletionPart>): Completion => completionOf({ lane: 'translate', parts: oneByOne(parts) })
const partsOf = (bytes: Uint8Array): Promise<CompletionPart[]> => collectParts(decodeStream(from([bytes])))
const ask = { model: 'maker/name:cost', contents: 'hi' }

const fixtures = streamFixtures('generate-content').map((fixture) => ({ ...fixture, expected: fixture.expected as unknown as Summary }))
const good = fixtures.filter(({ expected }) => expected.error === undefined)
const bad = fixtures.filter(({ expected }) => expected.error !== undefined)

/** What the first candidate said in all chunks together. */
function heard(chunks: readonly GenerateContentResponse[]): unknown {
  const parts = chunks.flatMap(({ candidates }) => candidates?.find(({ index }) => (index ?? 0) === 0)?.content?.parts ?? [])
  const calls = parts.flatMap(({ functionCall }) =>
    functionCall === undefined ? [] : [[functionCall.name, JSON.stringify(functionCall.args)]],
  )
  const said = (isThought: boolean) => parts.map(({ text, thought }) => ((thought ?? false) === isThought ? (text ?? '') : '')).join('')
  return { text: said(false), thought: said(true), calls }
}

function meant(expected: Summary): unknown {
  const text = expected.finish?.length === 2 ? expected.texts?.[0] : (expected.text ?? expected.texts?.join(''))
  return { text: text ?? '', thought: expected.thought ?? '', calls: (expected.calls ?? []).map(([, name, written]) => [name, written]) }
}

describe.each(good)('$name', ({ bytes, expected }) => {
  it('is read as a stream', async () => {
    answers.push(translated(await partsOf(bytes)))
    const chunks = await collect(await client.models.generateContentStream(ask))
    expect(heard(chunks)).toEqual(meant(expected))
    for (const { candidates } of chunks) expect(candidates?.[0]?.content?.parts?.length).toBeGreaterThan(0)
    const last = chunks.at(-1)
    expect(last?.candidates?.[0]?.finishReason).toBeDefined()
    if (expected.usage !== undefined)
      expect((last?.usageMetadata?.candidatesTokenCount ?? 0) + (last?.usageMetadata?.thoughtsTokenCount ?? 0)).toBe(
        expected.usage['outputTokens'],
      )
  })

  it('is read whole', async () => {
    answers.push(translated(await partsOf(bytes)))
    expect(heard([await client.models.generateContent(ask)])).toEqual(meant(expected))
  })

  it('stays in the history of a chat', async () => {
    if (expected.finish?.length === 2) return
    answers.push(translated(await partsOf(bytes)))
    const chat = client.chats.create({ model: ask.model })
    await collect(await chat.sendMessageStream({ message: 'hi' }))
    // The curated history loses every turn that has a chunk without parts; an answer without content is no turn.
    if (expected.text !== undefined || expected.calls !== undefined) expect(chat.getHistory(true).length).toBeGreaterThan(1)
  })

  it('comes back as the same parts', async () => {
    const parts = await partsOf(bytes)
    answers.push(translated(parts))
    const events = (await collect(await client.models.generateContentStream(ask))).map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`)
    const again = await partsOf(new TextEncoder().encode(events.join('')))
    const plain = (list: readonly CompletionPart[]) =>
      foldAll(list).candidates.map(({ content, finish }) => ({
        content: content.map((part) => ({ ...part, carriers: undefined })),
        reason: finish.reason,
      }))
    expect(plain(again)).toEqual(plain(parts))
  })
})

describe.each(bad)('$name', ({ bytes }) => {
  it('is an error for whoever iterates', async () => {
    answers.push(translated(await partsOf(bytes)))
    await expect(client.models.generateContentStream(ask).then(collect)).rejects.toBeInstanceOf(ApiError)
  })
})

describe('the SDK', () => {
  it('reads whatever an answer may hold', async () => {
    await fc.assert(
      fc.asyncProperty(neutralResult, async (result) => {
        answers.push(translated(unfoldResult(result)), translated(unfoldResult(result)))
        const whole = await client.models.generateContent(ask)
        const chunks = await collect(await client.models.generateContentStream(ask))
        expect(heard(chunks)).toEqual(heard([whole]))
        expect(whole.usageMetadata?.promptTokenCount).toBe(result.usage?.inputTokens)
        expect(whole.responseId).toBe(result.id)
      }),
      { numRuns: 40 },
    )
  })

  it('sends requests that say what was meant', async () => {
    answers.push(translated(await partsOf((good[0] as (typeof good)[0]).bytes)))
    await client.models.generateContent({
      model: '@fast/maker/name:latency',
      contents: [{ role: 'user', parts: [{ text: 'see' }, { inlineData: { mimeType: 'image/png', data: 'AAAA' } }] }],
      config: {
        systemInstruction: 'Be short.',
        temperature: 0.5,
        topK: 7,
        maxOutputTokens: 50,
        stopSequences: ['END'],
        candidateCount: 1,
        responseMimeType: 'application/json',
        responseJsonSchema: { type: 'object', properties: { a: { type: 'string' } } },
        thinkingConfig: { thinkingBudget: 128, includeThoughts: true },
        tools: [{ functionDeclarations: [{ name: 'f', parametersJsonSchema: { type: 'object', properties: {} } }] }],
        toolConfig: { functionCallingConfig: { mode: FunctionCallingConfigMode.ANY } },
      },
    })
    expect(asked.at(-1)).toMatchObject({
      model: '@fast/maker/name:latency',
      system: [{ text: 'Be short.' }],
      turns: [{ role: 'user', parts: [{ text: 'see' }, { type: 'image' }] }],
      sampling: { temperature: 0.5, topK: 7 },
      maxOutputTokens: 50,
      stop: ['END'],
      output: { kind: 'schema' },
      reasoning: { budgetTokens: 128, display: 'summarized' },
      toolChoice: { mode: 'required' },
      unknown: [],
    })
  })

  it('gets errors with their status, before and within a stream', async () => {
    answers.push(new RouteplaneError('upstream_rate_limited', 'slow down', { retryAfterMs: 2000 }))
    await expect(client.models.generateContent(ask)).rejects.toMatchObject({
      status: 429,
      message: expect.stringContaining('RESOURCE_EXHAUSTED'),
    })
    answers.push(new RouteplaneError('model_not_found', 'no such model'))
    await expect(client.models.generateContentStream(ask)).rejects.toMatchObject({ status: 404 })
    const stranger = new GoogleGenAI({ apiKey: 'wrong', httpOptions: { baseUrl: server.url } })
    await expect(stranger.models.generateContent(ask)).rejects.toMatchObject({
      status: 401,
      message: expect.stringContaining('UNAUTHENTICATED'),
    })
    await expect(client.models.generateContent({ model: 'm', contents: [] })).rejects.toThrow()
  })

  it('reads what is forwarded as it came', async () => {
    const { bytes } = fixtures.find(({ name }) => name === 'thoughts-then-text') as (typeof fixtures)[0]
    answers.push(
      nativeStream(from([bytes])),
      nativeJson({ candidates: [{ content: { parts: [{ text: 'whole' }], role: 'model' }, finishReason: 'STOP' }] }),
    )
    expect(heard(await collect(await client.models.generateContentStream(ask)))).toEqual({
      text: 'Both.',
      thought: 'Weigh both.',
      calls: [],
    })
    expect((await client.models.generateContent(ask)).text).toBe('whole')
  })

  it('goes round with a tool, its signature and its id', async () => {
    const call: CompletionPart[] = [
      { type: 'start', id: 'r', model: 'm' },
      { type: 'reasoning-start', block: 0, candidate: 0, form: 'full' },
      { type: 'reasoning-delta', block: 0, text: 'hm' },
      { type: 'reasoning-end', block: 0, carriers: [{ wire: 'messages', kind: 'signature', value: 'sealed' }] },
      { type: 'tool-input-start', block: 1, candidate: 0, id: 'toolu_1', name: 'now', freeform: false },
      { type: 'tool-input-delta', block: 1, text: '{"zone":"utc"}' },
      { type: 'tool-input-end', block: 1 },
      { type: 'finish', finishes: [{ candidate: 0, reason: 'tool_calls' }], usage: undefined },
    ]
    const chat = client.chats.create({ model: ask.model })
    answers.push(translated(call), translated(await partsOf((good[0] as (typeof good)[0]).bytes)))
    const first = await collect(await chat.sendMessageStream({ message: 'what time is it?' }))
    const made = first.flatMap(({ functionCalls }) => functionCalls ?? [])
    expect(made).toEqual([{ id: 'toolu_1', name: 'now', args: { zone: 'utc' } }])
    await collect(
      await chat.sendMessageStream({ message: { functionResponse: { id: 'toolu_1', name: 'now', response: { output: 'noon' } } } }),
    )
    const turns = asked.at(-1)?.turns ?? []
    const parts = turns.flatMap((turn) => turn.parts)
    expect(parts.find(({ type }) => type === 'reasoning')).toMatchObject({
      text: ['hm'],
      carriers: [{ wire: 'messages', value: 'sealed' }],
    })
    expect(parts.find(({ type }) => type === 'tool-call')).toMatchObject({ id: 'toolu_1', name: 'now' })
    expect(parts.find(({ type }) => type === 'tool-result')).toMatchObject({ callId: 'toolu_1', content: [{ text: 'noon' }] })
  })
})

describe('the AI SDK', () => {
  const model = () => createGoogleGenerativeAI({ baseURL: `${server.url}/v1beta`, apiKey: TOKEN })('maker/name')

  it.each(good.filter(({ expected }) => expected.text !== undefined && expected.finish?.join() === 'stop'))(
    'reads $name',
    async ({ bytes, expected }) => {
      answers.push(translated(await partsOf(bytes)), translated(await partsOf(bytes)))
      const whole = await generateText({ model: model(), prompt: 'hi', maxRetries: 0 })
      expect(whole.text).toBe(expected.text)
      const streamed = streamText({ model: model(), prompt: 'hi', maxRetries: 0 })
      expect(await streamed.text).toBe(expected.text)
      expect(await streamed.finishReason).toBe('stop')
      if (expected.usage !== undefined) expect((await streamed.usage).inputTokens).toBe(expected.usage['inputTokens'])
    },
  )

  it('calls a tool and answers with what it gave', async () => {
    const fixture = (name: string) => partsOf((fixtures.find((each) => each.name === name) as (typeof fixtures)[0]).bytes)
    answers.push(translated(await fixture('signed-call')), translated(await fixture('text')))
    const weather = tool({
      inputSchema: z.object({ place: z.string(), days: z.number() }),
      execute: async ({ place }) => `snow in ${place}`,
    })
    const { text, steps } = await generateText({
      model: model(),
      prompt: 'hi',
      tools: { weather },
      stopWhen: stepCountIs(3),
      maxRetries: 0,
    })
    expect(text).toBe('Moss grows on stone.')
    expect(steps).toHaveLength(2)
    expect(
      asked
        .at(-1)
        ?.turns.flatMap(({ parts }) => parts)
        .map(({ type }) => type),
    ).toEqual(expect.arrayContaining(['tool-call', 'tool-result']))
    expect(decodeResult({ candidates: [{ finishReason: 'STOP' }] }).candidates).toHaveLength(1)
  })
})
