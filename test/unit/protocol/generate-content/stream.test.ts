/** Decoding streams: every dialect gives what was meant, at every cut, in the promised order, and never a false success. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createOrderCheck } from '../../../../src/completion/order.ts'
import type { CompletionPart } from '../../../../src/completion/part.ts'
import { RouteplaneError } from '../../../../src/errors.ts'
import { decodeStream } from '../../../../src/protocol/generate-content/stream.ts'
import { corpusFiles, cut, from, streamFixtures } from '../../../support/fixtures.ts'
import { summarise, withAnyIds, type Summary } from './summary.ts'
import { collectParts } from '../../../support/parts.ts'

const fixtures = streamFixtures('generate-content').map((fixture) => ({ ...fixture, expected: fixture.expected as unknown as Summary }))
const encode = (text: string): Uint8Array => new TextEncoder().encode(text)
const event = (value: unknown): string => `data: ${JSON.stringify(value)}\r\n\r\n`
const decode = (chunks: readonly Uint8Array[]): Promise<CompletionPart[]> => collectParts(decodeStream(from(chunks)))

function expectOrder(parts: readonly CompletionPart[]): void {
  const check = createOrderCheck()
  for (const part of parts) expect(check(part)).toBeUndefined()
  expect(['finish', 'error']).toContain(parts.at(-1)?.type)
}

describe.each(fixtures)('$name', ({ bytes, expected }) => {
  it('is read as it was meant, in order', async () => {
    const parts = await decode([bytes])
    expectOrder(parts)
    expect(withAnyIds(summarise(parts), expected)).toEqual(expected)
  })

  it('is read alike wherever it is cut', async () => {
    const whole = await decode([bytes])
    expect(await decode([...bytes].map((byte) => Uint8Array.of(byte)))).toEqual(whole)
    const step = Math.max(1, Math.floor(bytes.length / 300))
    for (let at = 0; at <= bytes.length; at += step) expect(await decode(cut(bytes, [at]))).toEqual(whole)
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(bytes.length), { maxLength: 30 }), async (places) => {
        expect(await decode(cut(bytes, places))).toEqual(whole)
      }),
      { numRuns: 20 },
    )
  })

  it('is never a success when it ends anywhere before its finish', async () => {
    if (expected.finish === undefined) return
    const finish = (await decode([bytes])).at(-1)
    for (let at = 0; at < bytes.length; at += 5) {
      const parts = await decode([bytes.subarray(0, at)])
      expectOrder(parts)
      const last = parts.at(-1)
      if (last?.type === 'finish' && finish?.type === 'finish') expect(last.finishes).toEqual(finish.finishes)
      else expect(last).toMatchObject({ type: 'error', error: { code: 'stream_incomplete' } })
    }
  })
})

/** Recordings come as arrays of chunks, as lines of chunks, or as lines of calls with their chunks. */
function recordedStreams(text: string): readonly (readonly unknown[])[] {
  if (text.trimStart().startsWith('[')) return [JSON.parse(text) as unknown[]]
  const lines = text
    .trim()
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>)
  if (lines[0] !== undefined && !('method' in lines[0])) return [lines]
  return lines.map(({ response }) => (Array.isArray(response) ? (response as unknown[]) : [response]))
}

describe('recordings', () => {
  it('are read without an exception, and never as an empty success', async () => {
    for (const { name, text } of corpusFiles('google-generatecontent', 'stream')) {
      for (const chunks of recordedStreams(text)) {
        const parts = await decode([encode(chunks.map(event).join(''))])
        expectOrder(parts)
        const found = summarise(parts)
        const text = JSON.stringify(chunks)
        if (!text.includes('"finishReason"')) continue
        expect(found.error, name).toBeUndefined()
        // Some recordings answer with nothing, and what is read of them is nothing too.
        expect((found.calls?.length ?? 0) > 0, name).toBe(text.includes('"functionCall":{"'))
        expect((found.text ?? found.texts?.join('') ?? found.thought ?? '') !== '', name).toBe(/"text":"[^"]/.test(text))
      }
    }
  })
})

describe('decodeStream', () => {
  const call = (part: unknown): Uint8Array =>
    encode(event({ responseId: 'r1', candidates: [{ content: { parts: [part] }, finishReason: 'STOP' }] }))

  it('gives the same invented id for the same answer, and another for another call', async () => {
    const [one, two] = [
      summarise(await decode([call({ functionCall: { name: 'now' } })])),
      summarise(await decode([call({ functionCall: { name: 'now' } })])),
    ]
    expect(one.calls?.[0]?.[0]).toMatch(/^call_[0-9a-f]{24}$/)
    expect(one).toEqual(two)
    const both = encode(
      event({
        responseId: 'r1',
        candidates: [{ content: { parts: [{ functionCall: { name: 'now' } }, { functionCall: { name: 'now' } }] }, finishReason: 'STOP' }],
      }),
    )
    const ids = summarise(await decode([both])).calls?.map(([id]) => id)
    expect(new Set(ids).size).toBe(2)
  })

  it.each([
    [{ name: 'now', args: 'not json' }, 'not json'],
    [{ name: 'now', args: [1, 2] }, '[1,2]'],
    [{ name: 'now', args: '[1]' }, '[1]'],
  ])('keeps arguments that are no object as they were written: %j', async (functionCall, written) => {
    const found = summarise(await decode([call({ functionCall })]))
    expect(found).toMatchObject({ calls: [[expect.any(String), 'now', written]], finish: ['malformed_tool_call'] })
  })

  it('reads arguments that are an object written as text', async () => {
    expect(summarise(await decode([call({ functionCall: { name: 'now', args: '{"a":1}' } })]))).toMatchObject({
      calls: [[expect.any(String), 'now', '{"a":1}']],
      finish: ['tool_calls'],
    })
  })

  it('refuses a call without a name, and more candidates and calls than anybody asked for', async () => {
    expect(summarise(await decode([call({ functionCall: { args: { a: 1 } } })]))).toEqual({ error: 'upstream_bad_stream' })
    const candidates = Array.from({ length: 200 }, (_, index) => ({ index, content: { parts: [{ text: 'x' }] } }))
    expect(summarise(await decode([encode(event({ candidates }))]))).toEqual({ error: 'upstream_bad_stream' })
    const parts = Array.from({ length: 2000 }, () => ({ functionCall: { name: 'n' } }))
    expect(summarise(await decode([encode(event({ candidates: [{ content: { parts } }] }))]))).toEqual({ error: 'upstream_bad_stream' })
  })

  it('refuses an event of twenty megabytes without keeping it', async () => {
    const line = encode(`data: ${'x'.repeat(1024 * 1024)}`)
    const found = summarise(await decode([line, ...Array.from({ length: 20 }, () => encode('x'.repeat(1024 * 1024)))]))
    expect(found).toEqual({ error: 'upstream_bad_stream' })
  })

  it('refuses JSON that is nested beyond reason', async () => {
    expect(summarise(await decode([encode(`data: ${'['.repeat(5000)}\n\n`)]))).toEqual({ error: 'upstream_bad_stream' })
  })

  it.each([
    ['a source that fails before the finish', '', { error: 'stream_incomplete' }],
    ['one that fails after it', 'STOP', { text: 'a', finish: ['stop'] }],
  ])('%s', async (_name, finishReason, expected) => {
    async function* source(): AsyncGenerator<Uint8Array> {
      yield encode(event({ candidates: [{ content: { parts: [{ text: 'a' }] }, finishReason }] }))
      throw new RouteplaneError('stream_incomplete', 'gone')
    }
    expect(summarise(await collectParts(decodeStream(source())))).toEqual(expected)
  })

  it('refuses argument paths that would make holes or reach for prototypes', async () => {
    for (const jsonPath of ['$.a[5]', '$[0]', '$.__proto__.x', 'a', '$', '$.a[99999]', '$.a.']) {
      const broken = [
        { functionCall: { name: 'n', willContinue: true } },
        { functionCall: { partialArgs: [{ jsonPath, stringValue: 'x' }] } },
      ].map((part) => event({ candidates: [{ content: { parts: [part] } }] }))
      const found = summarise(await decode([encode(broken.join('') + event({ candidates: [{ finishReason: 'STOP' }] }))]))
      expect(found.finish, jsonPath).toEqual(['malformed_tool_call'])
    }
    expect(({} as Record<string, unknown>)['x']).toBeUndefined()
  })
})
