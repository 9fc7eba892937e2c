/** The native lane: what is forwarded, what the tap sees, and the array made of events. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { generateContent } from '../../../../src/protocol/generate-content/index.ts'
import { encodeSignature } from '../../../../src/protocol/generate-content/signature.ts'
import { cut, streamFixtures } from '../../../support/fixtures.ts'
import type { Summary } from './summary.ts'
import { googleWire, hi } from './wire.ts'

const { createTap, createUsageFilter, forward } = generateContent.upstream
const target = { model: 'gemini-x', stream: false }
const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString()
const encode = (text: string): Uint8Array => new TextEncoder().encode(text)

describe('forward', () => {
  it('puts the endpoint\u2019s model into the path and leaves every other byte', () => {
    const body = '{ "contents" : [{"parts":[{"text":"h\\u0069"}]}],\n "shiny": 1.50, "safetySettings":[] }'
    const { path, body: sent, headers, hideUsageChunk } = forward(googleWire(body, 'maker/name:cost:generateContent'), target)
    expect(path).toBe('/models/gemini-x:generateContent')
    expect(textOf(sent)).toBe(body)
    expect(headers).toEqual({ 'content-type': 'application/json', accept: 'application/json' })
    expect(hideUsageChunk).toBe(false)
  })

  it('takes out our own fields and a model that contradicts the path, and never sends a key on', () => {
    const body = '{"model":"models/other","max_cost_usd":"1","models":["a/b"],"routeplane":{},"contents":[]}'
    const call = forward(googleWire(body, 'm:streamGenerateContent', 'key=AIzaSecret&alt=sse'), { ...target, stream: true })
    expect(textOf(call.body)).toBe('{"contents":[]}')
    expect(call.path).toBe('/models/gemini-x:streamGenerateContent?alt=sse')
    expect(JSON.stringify(call)).not.toContain('AIza')
  })

  it('asks for events also for a caller who wants an array', () => {
    expect(forward(googleWire(hi, 'm:streamGenerateContent'), { ...target, stream: true })).toMatchObject({
      path: '/models/gemini-x:streamGenerateContent?alt=sse',
      hideUsageChunk: true,
    })
  })

  describe('signatures', () => {
    const own = { wire: 'generate_content', provider: 'google', kind: 'thought_signature', value: 'c2ln+/bmF0dXJl' } as const
    const foreign = { wire: 'messages', kind: 'signature', value: 'x'.repeat(50) } as const
    const bodyWith = (signature: string | undefined, name = 'thoughtSignature') =>
      JSON.stringify({
        contents: [
          { role: 'model', parts: [{ functionCall: { name: 'f' }, [name]: signature }, { text: `"thoughtSignature":"${signature}" é🪨` }] },
        ],
      })
    const sent = (body: string): string => textOf(forward(googleWire(body), target).body)

    it.each(['thoughtSignature', 'thought_signature'])(
      'that are sealed are opened for Google (%s), and text that looks like one is left',
      (name) => {
        const sealed = encodeSignature([own]) as string
        const parsed = JSON.parse(sent(bodyWith(sealed, name))) as { contents: { parts: Record<string, unknown>[] }[] }
        expect(parsed.contents[0]?.parts[0]?.[name]).toBe(own.value)
        expect(parsed.contents[0]?.parts[1]?.['text']).toBe(`"thoughtSignature":"${sealed}" é🪨`)
      },
    )

    it('of others become the value that Google has for none', () => {
      expect(sent(bodyWith(encodeSignature([foreign])))).toContain('"thoughtSignature":"skip_thought_signature_validator"')
      expect(sent(bodyWith(encodeSignature([foreign, own])))).toContain(`"thoughtSignature":"${own.value}"`)
    })

    it('that only look sealed are Google\u2019s and stay', () => {
      const body = bodyWith('cnAxLw==')
      expect(sent(body)).toBe(body)
    })
  })
})

const fixtures = streamFixtures('generate-content').map((fixture) => ({ ...fixture, expected: fixture.expected as unknown as Summary }))

describe.each(fixtures)('the tap on $name', ({ bytes, expected }) => {
  it('knows usage, finish and failure, however the stream is cut', () => {
    const read = (chunks: readonly Uint8Array[]) => {
      const tap = createTap()
      let isContent = false
      for (const chunk of chunks) {
        const now = tap.push(chunk)
        expect(now || !isContent).toBe(true)
        isContent = now
      }
      return { ...tap.end(), isContent }
    }
    const whole = read([bytes])
    const isMalformed = expected.finish?.includes('malformed_tool_call') === true && expected.calls === undefined
    expect(whole.error?.code).toBe(expected.error ?? (isMalformed ? 'upstream_error' : undefined))
    if (expected.usage !== undefined) expect(whole.usage?.outputTokens).toBe(expected.usage['outputTokens'])
    if (expected.text !== undefined) {
      // An event is only one once its blank line has come.
      expect(whole.isContent).toBe(/\n\s*\n/.test(textOf(bytes)))
      expect(whole.deliveredCharacters).toBeGreaterThanOrEqual(expected.text.length)
    }
    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length), { maxLength: 20 }), (places) => {
        const { error, usage, finishReason, model } = read(cut(bytes, places))
        expect({ code: error?.code, usage, finishReason, model }).toEqual({
          code: whole.error?.code,
          usage: whole.usage,
          finishReason: whole.finishReason,
          model: whole.model,
        })
      }),
      { numRuns: 30 },
    )
  })
})

describe('the tap', () => {
  const event = (value: unknown, end = '\r\n\r\n'): string => `data: ${JSON.stringify(value)}${end}`
  const last = (data: string) => ({
    candidates: [{ content: { parts: [{ inlineData: { mimeType: 'image/png', data } }] }, finishReason: 'STOP' }],
    usageMetadata: { promptTokenCount: 1, candidatesTokenCount: 2 },
  })
  const middle = event({ candidates: [{ content: { parts: [{ text: 'x'.repeat(900) }] } }] })

  it.each(['\r\n\r\n', '\n\n'])('reads a last event that is longer than any tail (%j), whatever came before', (end) => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20_000 }), (size) => {
        const bytes = encode(middle.repeat(300) + event(last('A'.repeat(400_000)), end))
        const tap = createTap()
        for (let at = 0; at < bytes.length; at += size * 10) tap.push(bytes.subarray(at, at + size * 10))
        const report = tap.end()
        expect(report.error).toBeUndefined()
        expect(report.usage?.outputTokens).toBe(2)
      }),
      { numRuns: 15 },
    )
  })

  it('estimates what it has not read', () => {
    const bytes = encode(middle.repeat(1000) + event({ candidates: [{ finishReason: 'STOP' }] }))
    const tap = createTap()
    for (let at = 0; at < bytes.length; at += 5000) tap.push(bytes.subarray(at, at + 5000))
    const { deliveredCharacters } = tap.end()
    expect(deliveredCharacters).toBeGreaterThan(850_000)
    expect(deliveredCharacters).toBeLessThan(1_000_000)
  })

  it('says so when the stream stops before its finish', () => {
    const tap = createTap()
    tap.push(encode(middle.repeat(200)))
    expect(tap.end().error?.code).toBe('stream_incomplete')
  })
})

describe('the array made of events', () => {
  it('has every event once, whole, wherever the stream is cut', () => {
    const stream = ': ping\n\ndata: {"a":"é🪨"}\r\n\r\ndata: {"b":\ndata: 2}\n\ndata: [DONE]\n\n'
    const bytes = encode(stream)
    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length), { maxLength: 12 }), (places) => {
        const filter = createUsageFilter()
        const pieces = cut(bytes, places).map((chunk) => filter.push(chunk))
        expect(JSON.parse(textOf(Buffer.concat([...pieces, filter.end()])))).toEqual([{ a: 'é🪨' }, { b: 2 }])
      }),
    )
  })

  it('is empty for a stream without events', () => {
    expect(textOf(createUsageFilter().end())).toBe('[]')
  })
})
