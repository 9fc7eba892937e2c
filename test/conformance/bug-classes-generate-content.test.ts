/** Mistakes seen in other gateways on their way to and from Google's models; one block for each class. */
import { describe, expect, it } from 'vitest'
import { foldAll } from '../../src/completion/fold.ts'
import type { CompletionPart } from '../../src/completion/part.ts'
import type { CompletionRequest, Content, Turn } from '../../src/completion/request.ts'
import { generateContent } from '../../src/protocol/generate-content/index.ts'
import { from } from '../support/fixtures.ts'
import { googleWire, hi } from '../unit/protocol/generate-content/wire.ts'
import { collectEvents, collectParts, oneByOne } from '../support/parts.ts'

const { decodeRequest, encodeStream } = generateContent.caller
const { decodeStream, encodeRequest } = generateContent.upstream

const model = 'gemini-3-river'
const request: CompletionRequest = decodeRequest(googleWire(hi, `${model}:generateContent`))
const encode = (changes: Partial<CompletionRequest>) => encodeRequest({ ...request, ...changes }, { model, stream: false })
const written = (changes: Partial<CompletionRequest>): string => JSON.stringify(encode(changes).body)
const call: Content = { type: 'tool-call', id: 'toolu_01', name: 'f', arguments: { kind: 'json', text: '{}', value: {} } }
const calling: readonly Turn[] = [...request.turns, { role: 'assistant', parts: [call] }]
const stream = async (...chunks: object[]): Promise<CompletionPart[]> =>
  collectParts(decodeStream(from([new TextEncoder().encode(chunks.map((chunk) => `data: ${JSON.stringify(chunk)}\r\n\r\n`).join(''))])))

describe('class 5: a tool without arguments', () => {
  it('has no parameters going out, and an empty object coming back', async () => {
    const tools = [{ type: 'function', name: 'now', schema: { type: 'object', properties: {} } }] as const
    expect(encode({ tools }).body).toMatchObject({ tools: [{ functionDeclarations: [{ name: 'now' }] }] })
    expect(written({ tools })).not.toContain('parameters')
    const parts = await stream({ candidates: [{ content: { parts: [{ functionCall: { name: 'now' } }] }, finishReason: 'STOP' }] })
    expect(foldAll(parts).candidates[0]).toMatchObject({
      content: [{ name: 'now', arguments: { value: {} } }],
      finish: { reason: 'tool_calls' },
    })
  })
})

describe('class 9 and 12: signatures', () => {
  it('another provider\u2019s is never shown to Google, and a call without one is marked', () => {
    const thought: Content = {
      type: 'reasoning',
      form: 'full',
      text: ['hm'],
      carriers: [{ wire: 'messages', kind: 'signature', value: 'EqQBCkYIBRgC' }],
    }
    const text = written({ turns: [...request.turns, { role: 'assistant', parts: [thought, call] }] })
    expect(text).not.toContain('EqQBCkYIBRgC')
    expect(text).not.toContain('"hm"')
    expect(text).toContain('"thoughtSignature":"skip_thought_signature_validator"')
  })

  it('Google\u2019s own goes back on the very part it came on', async () => {
    const parts = await stream({
      candidates: [
        { content: { parts: [{ functionCall: { id: 'a', name: 'f', args: {} }, thoughtSignature: 'QUJDRA==' }] }, finishReason: 'STOP' },
      ],
    })
    const turns: Turn[] = [...request.turns, { role: 'assistant', parts: foldAll(parts).candidates[0]?.content ?? [] }]
    expect(encode({ turns }).body).toMatchObject({
      contents: [{}, { parts: [{ functionCall: { id: 'a' }, thoughtSignature: 'QUJDRA==' }] }],
    })
  })
})

describe('class 20: a picture in a tool result', () => {
  it('is seen by the model, and never as text', () => {
    const picture: Content = { type: 'image', source: { kind: 'inline', mimeType: 'image/png', base64: 'iVBORw0KGgo=' } }
    const result: Content = { type: 'tool-result', callId: 'toolu_01', isError: false, content: [{ type: 'text', text: 'shot' }, picture] }
    const { body } = encode({ turns: [...calling, { role: 'tool', parts: [result] }] })
    expect(body).toMatchObject({
      contents: [
        {},
        {},
        {
          parts: [
            {
              functionResponse: {
                name: 'f',
                id: 'toolu_01',
                response: { output: 'shot' },
                parts: [{ inlineData: { data: 'iVBORw0KGgo=' } }],
              },
            },
          ],
        },
      ],
    })
  })
})

describe('class 21: schemas as agents write them', () => {
  it('reach the model without a keyword that it would refuse', () => {
    const schema = {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      type: 'object',
      properties: {
        path: { type: 'string', pattern: '^/', maxLength: 400, default: '/' },
        limit: { type: ['integer', 'null'], exclusiveMinimum: 0 },
        mode: { const: 'fast' },
        any: { allOf: [{ type: 'object', properties: { a: { type: 'string' } } }] },
      },
      required: ['path'],
      additionalProperties: false,
    }
    const { body, losses } = encode({ tools: [{ type: 'function', name: 'Read', schema }] })
    const text = JSON.stringify(body)
    expect(text).toContain('parametersJsonSchema')
    expect(text).not.toContain('$schema')
    expect(losses.filter(({ action }) => action === 'refused')).toEqual([])
  })
})

describe('class 22: ids', () => {
  it.each(['toolu_01', 'call_'.padEnd(300, 'x'), 'functions.read:0', 'a b/c'])(
    '%s goes out and comes back on call and result alike',
    (id) => {
      const result: Content = { type: 'tool-result', callId: id, isError: false, content: [{ type: 'text', text: 'x' }] }
      const { body } = encode({
        turns: [...request.turns, { role: 'assistant', parts: [{ ...call, id } as Content] }, { role: 'tool', parts: [result] }],
      })
      const again = decodeRequest(googleWire(body)).turns.flatMap(({ parts }) => parts)
      expect(again.find(({ type }) => type === 'tool-call')).toMatchObject({ id })
      expect(again.find(({ type }) => type === 'tool-result')).toMatchObject({ callId: id })
    },
  )
})

describe('class 24: thoughts and cached tokens', () => {
  it('are within the totals, once', async () => {
    const usageMetadata = {
      promptTokenCount: 100,
      cachedContentTokenCount: 80,
      candidatesTokenCount: 5,
      thoughtsTokenCount: 40,
      totalTokenCount: 145,
    }
    const result = foldAll(await stream({ candidates: [{ content: { parts: [{ text: 'x' }] }, finishReason: 'STOP' }], usageMetadata }))
    expect(result.usage).toMatchObject({ inputTokens: 100, cacheReadTokens: 80, outputTokens: 45, reasoningTokens: 40 })
  })
})

describe('class 26 and 27: how a stream ends', () => {
  const context = { requestId: 'req_1', model: 'm', nowSeconds: 1, request: { ...request, stream: true } }

  it('without a closing word, which Google\u2019s SDK throws on', async () => {
    const parts = await stream({ candidates: [{ content: { parts: [{ text: 'x' }] }, finishReason: 'STOP' }] })
    expect((await collectEvents(encodeStream(oneByOne(parts), context))).join('')).not.toContain('DONE')
  })

  it('never with a success when the upstream has not finished', async () => {
    const parts = await stream({ candidates: [{ content: { parts: [{ text: 'x' }] } }] })
    expect(parts.at(-1)).toMatchObject({ type: 'error', error: { code: 'stream_incomplete' } })
    expect((await collectEvents(encodeStream(oneByOne(parts), context))).at(-1)).toContain('"error":{"code":502')
  })
})

describe('class 28 and 30: failures dressed as answers', () => {
  it('an error in a 200 stream is an error, a blocked prompt is filtered, a call that could not be read is malformed', async () => {
    expect((await stream({ error: { code: 500, message: 'x' } })).at(-1)).toMatchObject({ type: 'error' })
    expect((await stream({ promptFeedback: { blockReason: 'SAFETY' } })).at(-1)).toMatchObject({
      finishes: [{ reason: 'content_filter', raw: 'SAFETY' }],
    })
    expect((await stream({ candidates: [{ finishReason: 'UNEXPECTED_TOOL_CALL' }] })).at(-1)).toMatchObject({
      finishes: [{ reason: 'malformed_tool_call' }],
    })
    expect((await stream({ candidates: [{ finishReason: '' }] })).at(-1)).toMatchObject({ type: 'error' })
  })
})

describe('the command line client', () => {
  const ask = {
    contents: [
      { role: 'user', parts: [{ text: 'context' }, { text: 'list files' }] },
      {
        role: 'model',
        parts: [
          {
            functionCall: { id: 'list_directory_1795167897930_0', name: 'list_directory', args: { dir_path: '/a' } },
            thoughtSignature: 'c2lnbmF0dXJl',
          },
        ],
      },
      {
        role: 'user',
        parts: [{ functionResponse: { id: 'list_directory_1795167897930_0', name: 'list_directory', response: { output: 'a.txt' } } }],
      },
    ],
    systemInstruction: { role: 'user', parts: [{ text: 'You are an agent.' }] },
    tools: [
      {
        functionDeclarations: [
          {
            name: 'list_directory',
            description: 'Lists.',
            parametersJsonSchema: { type: 'object', properties: { dir_path: { type: 'string' } } },
          },
        ],
      },
    ],
    generationConfig: { temperature: 1, topP: 0.95, topK: 64, thinkingConfig: { includeThoughts: true, thinkingBudget: 8192 } },
  }

  it('is understood to the last field', () => {
    const decoded = decodeRequest(googleWire(ask, 'maker/name:streamGenerateContent', 'alt=sse'))
    expect(decoded).toMatchObject({
      stream: true,
      system: [{ text: 'You are an agent.' }],
      sampling: { topK: 64 },
      reasoning: { budgetTokens: 8192 },
      unknown: [],
    })
    expect(decoded.turns.map(({ role }) => role)).toEqual(['user', 'assistant', 'tool'])
  })
})
