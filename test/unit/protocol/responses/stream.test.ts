/** Decoding of Responses streams: every fixture means what it says, however its bytes are cut. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { assertOrder } from '../../../../src/completion/order.ts'
import { responses } from '../../../../src/protocol/responses/index.ts'
import { cut, from, streamFixtures } from '../../../support/fixtures.ts'
import { summarise } from './summary.ts'
import { collectParts } from '../../../support/parts.ts'

const { decodeStream, createTap } = responses.upstream
const fixtures = streamFixtures('responses')

describe('decodeStream', () => {
  it.each(fixtures)('reads $name', async ({ bytes, expected }) => {
    const parts = await collectParts(assertOrder(decodeStream(from([bytes]))))
    expect(summarise(parts)).toEqual(expected)
  })

  it.each(fixtures)('reads $name byte by byte', async ({ bytes, expected }) => {
    const pieces = Array.from(bytes, (_, at) => bytes.subarray(at, at + 1))
    expect(summarise(await collectParts(decodeStream(from(pieces))))).toEqual(expected)
  })

  it('gives the same parts for every way of cutting', async () => {
    const whole = new Map(
      await Promise.all(fixtures.map(async ({ name, bytes }) => [name, await collectParts(decodeStream(from([bytes])))] as const)),
    )
    const sample = fc.constantFrom(...fixtures)
    await fc.assert(
      fc.asyncProperty(sample, fc.array(fc.nat({ max: 1_000_000 }), { maxLength: 6 }), async ({ name, bytes }, places) => {
        const pieces = cut(
          bytes,
          places.map((place) => place % (bytes.length + 1)),
        )
        const parts = await collectParts(decodeStream(from(pieces)))
        expect(JSON.stringify(parts)).toBe(JSON.stringify(whole.get(name)))
      }),
    )
  })

  it('never throws, whatever the bytes, and always ends', async () => {
    const line = fc.oneof(
      fc.string(),
      fc.jsonValue().map((value) => `data: ${JSON.stringify(value)}`),
      fc
        .record({
          type: fc.constantFrom(
            'response.created',
            'response.output_item.added',
            'response.output_item.done',
            'response.output_text.delta',
          ),
          output_index: fc.jsonValue(),
          item: fc.jsonValue(),
          delta: fc.jsonValue(),
          response: fc.jsonValue(),
        })
        .map((event) => `data: ${JSON.stringify(event)}`),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(line), async (lines) => {
        const parts = await collectParts(decodeStream(from([new TextEncoder().encode(lines.map((each) => `${each}\n\n`).join(''))])))
        expect(['finish', 'error']).toContain(parts.at(-1)?.type)
      }),
    )
  })

  it('ends with the error of a source that throws, and keeps what came before', async () => {
    const [text] = fixtures.filter(({ name }) => name === 'text')
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield text?.bytes.subarray(0, 900) ?? new Uint8Array()
      throw new Error('the socket is gone')
    }
    const parts = await collectParts(decodeStream(broken()))
    expect(parts[0]?.type).toBe('start')
    expect(parts.at(-1)).toMatchObject({ type: 'error', error: { code: 'internal' } })
  })
})

describe('createTap', () => {
  it.each(fixtures)('sees in $name what the decoder sees', async ({ name, bytes, expected }) => {
    const parts = await collectParts(decodeStream(from([bytes])))
    const last = parts.at(-1)
    for (const size of [1, 7, 300, 1_000_000]) {
      const tap = createTap()
      for (let at = 0; at < bytes.length; at += size) tap.push(bytes.subarray(at, at + size))
      const report = tap.end()
      const usage = parts.findLast((part) => part.type === 'usage')
      expect(report.usage).toEqual(usage?.type === 'usage' ? usage.usage : undefined)
      // That a call has no name is only found by who reads it all.
      if (expected.error !== undefined && name !== 'call-without-a-name') expect(report.error?.code).toBe(expected.error)
      if (last?.type === 'finish') expect(report.error).toBeUndefined()
    }
  })

  it('finds usage in a terminal event that is larger than any buffer of a tail', () => {
    const tap = createTap()
    const write = (event: unknown): boolean => tap.push(new TextEncoder().encode(`data: ${JSON.stringify(event)}\n\n`))
    expect(write({ type: 'response.created', response: { id: 'resp_1', model: 'north-2', status: 'in_progress', output: [] } })).toBe(false)
    for (let at = 0; at < 2_000; at++) write({ type: 'response.output_text.delta', output_index: 0, content_index: 0, delta: 'abcde' })
    const text = 'x'.repeat(400_000)
    const end = JSON.stringify({
      type: 'response.completed',
      response: { id: 'resp_1', status: 'completed', instructions: text, output: [], usage: { input_tokens: 3, output_tokens: 2_500 } },
    })
    const bytes = new TextEncoder().encode(`data: ${end}\n\n`)
    for (let at = 0; at < bytes.length; at += 1_400) tap.push(bytes.subarray(at, at + 1_400))
    tap.push(new TextEncoder().encode('data: [DONE]\n\n'))
    const report = tap.end()
    expect(report).toMatchObject({ usage: { inputTokens: 3, outputTokens: 2_500 }, model: 'north-2', finishReason: 'completed' })
    expect(report.error).toBeUndefined()
    expect(report.deliveredCharacters).toBeGreaterThan(0)
  })

  it.each([100, 1_400, 1_000_000])('counts text that came after a search, cut every %i bytes', (size) => {
    const message = { type: 'message', id: 'msg_1', role: 'assistant', content: [{ type: 'output_text', text: 'x'.repeat(40_000) }] }
    const events = [
      { type: 'response.created', response: { id: 'resp_1', status: 'in_progress', output: [] } },
      { type: 'response.output_item.added', output_index: 0, item: { type: 'web_search_call', id: 'ws_1', status: 'in_progress' } },
      ...Array.from({ length: 4_000 }, () => ({
        type: 'response.output_text.delta',
        output_index: 1,
        content_index: 0,
        delta: 'x'.repeat(10),
      })),
      { type: 'response.completed', response: { id: 'resp_1', status: 'completed', output: [message] } },
    ]
    const bytes = Buffer.from(events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join(''))
    const tap = createTap()
    for (let at = 0; at < bytes.length; at += size) tap.push(bytes.subarray(at, at + size))
    expect(tap.end().deliveredCharacters).toBe(40_000)
  })

  it('counts a stream that only began as incomplete, and an announcement as no content', () => {
    const tap = createTap()
    const [text] = fixtures.filter(({ name }) => name === 'text')
    const bytes = text?.bytes ?? new Uint8Array()
    const upTo = Buffer.from(bytes).indexOf('response.output_text.delta') - 10
    expect(tap.push(bytes.subarray(0, upTo))).toBe(false)
    expect(tap.end().error?.code).toBe('stream_incomplete')
  })
})
