/** Encoding answers: whole and streamed say the same, signatures find their slot, and no chunk is without parts. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { foldParts, unfoldResult } from '../../../../src/completion/fold.ts'
import type { CompletionPart, Extra, SignatureCarrier } from '../../../../src/completion/part.ts'
import type { Content, ToolArguments } from '../../../../src/completion/request.ts'
import type { CompletionResult } from '../../../../src/completion/result.ts'
import { RouteplaneError } from '../../../../src/errors.ts'
import { generateContent } from '../../../../src/protocol/generate-content/index.ts'
import type { EncodeContext } from '../../../../src/protocol/protocol.ts'
import { from } from '../../../support/fixtures.ts'
import { neutralResult } from './arbitraries.ts'
import { googleWire, hi } from './wire.ts'
import { collectEvents, oneByOne } from '../../../support/parts.ts'

const { decodeRequest, encodeResult, encodeStream } = generateContent.caller
const { decodeResult, decodeStream } = generateContent.upstream

const contextOf = (query: string): EncodeContext => ({
  requestId: 'req_1',
  model: 'maker/name',
  nowSeconds: 5,
  request: decodeRequest(googleWire(hi, 'm:streamGenerateContent', query)),
})
const events = contextOf('alt=sse')
const array = contextOf('')

const resultOf = (content: readonly Content[], more: Partial<CompletionResult> = {}, extras: readonly Extra[] = []): CompletionResult => ({
  id: 'r',
  model: 'm',
  candidates: [{ index: 0, content, extras, finish: { candidate: 0, reason: 'stop' } }],
  usage: undefined,
  ...more,
})
const streamOf = async (result: CompletionResult, context = events): Promise<string> =>
  (await collectEvents(encodeStream(oneByOne(unfoldResult(result)), context))).join('')
const bytesOf = (text: string): AsyncIterable<Uint8Array> => from([new TextEncoder().encode(text)])
const encoded = (result: CompletionResult) =>
  JSON.parse(JSON.stringify(encodeResult(result, events))) as {
    candidates: { content: { parts: object[] }; finishReason: string; groundingMetadata?: unknown }[]
    usageMetadata?: object
  }

/** What an answer says: adjacent texts are one in a stream, and the vendor's own usage object is not compared. */
function said({ candidates, usage, ...rest }: CompletionResult): unknown {
  const { raw: _raw, ...counts } = { ...usage }
  const texts = candidates.map(({ content, finish, index }) => {
    const merged: { type: string; text?: string; rest?: unknown }[] = []
    for (const part of content) {
      const last = merged.at(-1)
      const isPlain = part.type === 'text' && part.carriers === undefined
      if (isPlain && last?.type === 'text' && last.rest === undefined) last.text += part.text
      else if (isPlain) merged.push({ type: 'text', text: part.text })
      else merged.push({ type: part.type === 'text' ? 'signed' : part.type, rest: part })
    }
    return { index, finish, merged }
  })
  return { ...rest, usage: counts, texts }
}

describe('law', () => {
  it('a whole answer comes back as it was', () => {
    fc.assert(
      fc.property(neutralResult, (result) => {
        const again = decodeResult(JSON.parse(JSON.stringify(encodeResult(result, events))))
        const { raw: _raw, ...usage } = { ...again.usage }
        expect({ ...again, usage }).toEqual(result)
      }),
      { numRuns: 300 },
    )
  })

  it('a streamed answer says what the whole one says, as events and as an array', async () => {
    await fc.assert(
      fc.asyncProperty(neutralResult, async (result) => {
        const { createdSeconds: _, ...expected } = result
        const streamed = await foldParts(decodeStream(bytesOf(await streamOf(result))))
        expect(flatten(said(streamed))).toEqual(flatten(said(expected)))
        const listed = decodeResult(JSON.parse(await streamOf(result, array)))
        expect(flatten(said(listed))).toEqual(flatten(said(expected)))
      }),
      { numRuns: 200 },
    )
  })
})

/** In a stream a signature follows its text, so that a text and the signed one after it are one. */
function flatten(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (key, member: unknown) => {
      if (key !== 'merged' || !Array.isArray(member)) return member
      const whole: Record<string, unknown>[] = []
      for (const one of member as Record<string, unknown>[]) {
        const last = whole.at(-1)
        const rest = one['rest'] as { text?: string } | undefined
        if (one['type'] === 'signed' && last?.['type'] === 'text')
          whole.splice(-1, 1, { ...one, rest: { ...rest, text: `${String(last['text'])}${rest?.text}` } })
        else whole.push(one)
      }
      return whole
    }),
  )
}

describe('a stream', () => {
  it('has parts in every chunk, a finish reason in its last, and no closing word', async () => {
    const chunks = await collectEvents(encodeStream(oneByOne(unfoldResult(resultOf([{ type: 'text', text: 'hi' }]))), events))
    const parsed = chunks.map((chunk) => {
      expect(chunk).toMatch(/^data: \{.*\}\n\n$/)
      return JSON.parse(chunk.slice(6)) as { candidates: { content: { parts: unknown[] }; finishReason?: string }[] }
    })
    for (const { candidates } of parsed) expect(candidates[0]?.content.parts.length).toBeGreaterThan(0)
    expect(parsed.at(-1)?.candidates[0]).toEqual({ content: { parts: [{ text: '' }], role: 'model' }, finishReason: 'STOP', index: 0 })
    expect(chunks.join('')).not.toContain('[DONE]')
  })

  it.each([
    ['thrown', new RouteplaneError('upstream_timeout', 'too slow')],
    ['as a part', new RouteplaneError('upstream_error', 'the upstream answered 503')],
  ])('ends with an error chunk when one comes %s', async (how, error) => {
    async function* parts(): AsyncGenerator<CompletionPart> {
      yield { type: 'start', id: 'r', model: 'm' }
      yield { type: 'text-start', block: 0, candidate: 0 }
      yield { type: 'text-delta', block: 0, text: 'half' }
      if (how === 'thrown') throw error
      yield { type: 'error', error }
    }
    const text = (await collectEvents(encodeStream(oneByOne(parts()), events))).join('')
    expect(text.endsWith('\n\n')).toBe(true)
    const last = JSON.parse(text.trim().split('\n\n').at(-1)?.slice(6) ?? '') as { error: { code: unknown } }
    expect(typeof last.error.code).toBe('number')
    const listed = JSON.parse((await collectEvents(encodeStream(oneByOne(parts()), array))).join('')) as object[]
    expect(listed.at(-1)).toHaveProperty('error.code')
  })

  it('is an error when its parts end without a finish', async () => {
    const text = (await collectEvents(encodeStream(oneByOne([{ type: 'start', id: 'r', model: 'm' } as const]), events))).join('')
    expect(text).toContain('STREAM_INCOMPLETE')
    expect(JSON.parse((await collectEvents(encodeStream(oneByOne([]), array))).join(''))).toMatchObject([{ error: { status: 'INTERNAL' } }])
  })
})

describe('signatures', () => {
  const carrier: SignatureCarrier = { wire: 'messages', provider: 'acme', kind: 'signature', value: 'abc' }
  const thought: Content = { type: 'reasoning', form: 'full', text: ['hm'], carriers: [carrier] }
  const call: Content = { type: 'tool-call', id: '1', name: 'f', arguments: { kind: 'json', text: '{}', value: {} } }

  it('of others ride on the first call, in base64', () => {
    const parts = encoded(resultOf([thought, { type: 'text', text: 'a' }, call, { ...call, id: '2' } as Content])).candidates[0]?.content
      .parts
    expect(parts).toMatchObject([
      { text: 'hm', thought: true },
      { text: 'a' },
      { functionCall: { id: '1' }, thoughtSignature: expect.stringMatching(/^[A-Za-z0-9+/]+=*$/) },
      { functionCall: { id: '2' } },
    ])
    expect(parts?.[0]).not.toHaveProperty('thoughtSignature')
    expect(parts?.[3]).not.toHaveProperty('thoughtSignature')
  })

  it('ride on the last text when nothing is called, whole and streamed', async () => {
    const result = resultOf([thought, { type: 'text', text: 'a' }])
    const whole = encoded(result).candidates[0]?.content.parts
    expect(whole).toEqual([
      { text: 'hm', thought: true },
      { text: 'a', thoughtSignature: expect.any(String) },
    ])
    const last = (await streamOf(result)).trim().split('\n\n').at(-1) ?? ''
    expect(last).toContain('"thoughtSignature"')
    const replayed = decodeRequest(googleWire({ contents: [...hi.contents, { role: 'model', parts: whole }] })).turns[1]
    expect(replayed?.parts).toEqual([
      { type: 'reasoning', form: 'summary', text: ['hm'], carriers: [carrier] },
      { type: 'text', text: 'a' },
    ])
  })

  it('without any text still have a part to stand on', () => {
    const redacted: Content = { type: 'reasoning', form: 'omitted', text: [], carriers: [{ ...carrier, kind: 'redacted' }] }
    expect(encoded(resultOf([redacted])).candidates[0]?.content.parts).toEqual([{ text: '', thoughtSignature: expect.any(String) }])
  })
})

describe('what an answer holds', () => {
  it.each([
    [{ kind: 'invalid', text: '{"a' }, 'stop', 'MALFORMED_FUNCTION_CALL'],
    [{ kind: 'invalid', text: '{"a' }, 'length', 'MAX_TOKENS'],
    [{ kind: 'json', text: '[1]', value: [1] }, 'tool_calls', 'MALFORMED_FUNCTION_CALL'],
  ] as const)('a call with %j that ends by %s is %s', (given, reason, finishReason) => {
    const content: Content = { type: 'tool-call', id: '1', name: 'f', arguments: given as ToolArguments }
    const result = resultOf([content], { candidates: [{ index: 0, content: [content], extras: [], finish: { candidate: 0, reason } }] })
    expect(encoded(result).candidates[0]).toMatchObject({ finishReason, content: { parts: [{ text: '' }] } })
  })

  it.each([
    ['stop_sequence', 'STOP'],
    ['context_window', 'MAX_TOKENS'],
    ['content_filter', 'SAFETY'],
    ['refusal', 'SAFETY'],
    ['pause', 'STOP'],
    ['malformed_tool_call', 'MALFORMED_FUNCTION_CALL'],
    ['other', 'OTHER'],
  ] as const)('%s is said as %s', (reason, expected) => {
    const result = resultOf([], { candidates: [{ index: 0, content: [], extras: [], finish: { candidate: 0, reason } }] })
    expect(encoded(result).candidates[0]).toMatchObject({ finishReason: expected, content: { parts: [{ text: '' }], role: 'model' } })
  })

  it('an error as the reason is an error', () => {
    const result = resultOf([], { candidates: [{ index: 0, content: [], extras: [], finish: { candidate: 0, reason: 'error' } }] })
    expect(() => encodeResult(result, events)).toThrow(expect.objectContaining({ code: 'upstream_error' }))
  })

  it('citations stand at bytes, and come back at units of text', () => {
    const extra: Extra = { kind: 'citation', url: 'https://a.test', title: 'A', start: 2, end: 4, raw: undefined }
    const wire = encoded(
      resultOf([{ type: 'text', text: 'åä 🪨!' }], {}, [extra, { kind: 'citation', url: 'https://b.test', raw: undefined }]),
    )
    expect(wire.candidates[0]?.groundingMetadata).toEqual({
      groundingChunks: [{ web: { uri: 'https://a.test', title: 'A' } }, { web: { uri: 'https://b.test' } }],
      groundingSupports: [{ segment: { startIndex: 4, endIndex: 8, text: ' \ud83e' }, groundingChunkIndices: [0] }],
    })
    const whole = encoded(resultOf([{ type: 'text', text: 'åä 🪨!' }], {}, [{ ...extra, start: 3, end: 5 }]))
    expect(decodeResult(whole).candidates[0]?.extras).toMatchObject([{ url: 'https://a.test', title: 'A', start: 3, end: 5 }])
  })

  it('pictures, sounds, probabilities and parts of its own wire', () => {
    const token = { token: 'a', logprob: -0.5, bytes: null, top_logprobs: [{ token: 'b', logprob: -1, bytes: null }] }
    const extras: Extra[] = [
      { kind: 'image', mimeType: 'image/png', base64: 'AAAA' },
      { kind: 'audio', mimeType: 'audio/wav', base64: 'BBBB' },
      { kind: 'logprobs', raw: { content: [token], refusal: null } },
      { kind: 'foreign', wire: 'generate_content', raw: { executableCode: { code: '1' } } },
      { kind: 'foreign', wire: 'messages', raw: { type: 'server_tool_use' } },
    ]
    const wire = encoded(resultOf([], {}, extras))
    expect(wire.candidates[0]?.content.parts).toEqual([
      { inlineData: { mimeType: 'image/png', data: 'AAAA' } },
      { inlineData: { mimeType: 'audio/wav', data: 'BBBB' } },
      { executableCode: { code: '1' } },
    ])
    expect(decodeResult(wire).candidates[0]?.extras).toEqual(expect.arrayContaining([extras[0], extras[1], extras[2], extras[3]]))
  })

  it('counts thoughts beside the answer, and leaves out what nobody knows', () => {
    const usage = { inputTokens: 10, outputTokens: 30, reasoningTokens: 20, cacheReadTokens: 4, origin: 'provider' } as const
    expect(encoded(resultOf([], { usage })).usageMetadata).toEqual({
      promptTokenCount: 10,
      candidatesTokenCount: 10,
      thoughtsTokenCount: 20,
      cachedContentTokenCount: 4,
      totalTokenCount: 40,
    })
    expect(encoded(resultOf([], { usage: { inputTokens: 10, outputTokens: undefined, origin: 'provider' } })).usageMetadata).toEqual({
      promptTokenCount: 10,
    })
    expect(encoded(resultOf([])).usageMetadata).toBeUndefined()
  })
})

describe('decodeResult', () => {
  it.each([[{}], [[]], [{ candidates: [] }], [{ candidates: 'x' }], [null], ['text'], [{ promptFeedback: { safetyRatings: [] } }]])(
    '%j is no answer',
    (body) => {
      expect(() => decodeResult(body)).toThrow(expect.objectContaining({ code: 'upstream_error' }))
    },
  )

  it('reads an error in a 200 body, and a blocked prompt as filtered', () => {
    expect(() => decodeResult({ error: { code: 429, message: 'x' } })).toThrow(expect.objectContaining({ code: 'upstream_rate_limited' }))
    expect(decodeResult({ promptFeedback: { blockReason: 'SAFETY' } }).candidates).toEqual([
      { index: 0, content: [], extras: [], finish: { candidate: 0, reason: 'content_filter', raw: 'SAFETY' } },
    ])
  })

  it('keeps the parts of a whole answer apart', () => {
    const parts = [{ text: 'a' }, { text: 'b' }, { text: 'c', thought: true }, { text: 'd', thought: true }]
    expect(decodeResult({ candidates: [{ content: { parts }, finishReason: 'STOP' }] }).candidates[0]?.content).toHaveLength(4)
  })

  it.each([
    [{ promptTokenCount: 5, candidatesTokenCount: 7, thoughtsTokenCount: 3, totalTokenCount: 15 }, 5, 10],
    [{ promptTokenCount: 5, candidatesTokenCount: 7, thoughtsTokenCount: 3, totalTokenCount: 12 }, 5, 7],
    [{ promptTokenCount: 5, toolUsePromptTokenCount: 2, candidatesTokenCount: 7, totalTokenCount: 14 }, 7, 7],
    [{ promptTokenCount: '5', candidatesTokenCount: '7' }, 5, 7],
    [{ promptTokenCount: 5, totalTokenCount: 25 }, 5, 20],
    [{ promptTokenCount: 5 }, 5, undefined],
    [{ totalTokenCount: 5 }, undefined, undefined],
  ])('counts %j', (usageMetadata, input, output) => {
    const { usage } = decodeResult({ candidates: [{ finishReason: 'STOP' }], usageMetadata })
    expect([usage?.inputTokens, usage?.outputTokens]).toEqual([input, output])
  })
})
