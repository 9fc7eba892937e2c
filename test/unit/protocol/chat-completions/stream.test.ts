/** Decoding streams: every dialect gives what was meant, at every cut, in the promised order, and never a false success. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createOrderCheck } from '../../../../src/completion/order.ts'
import type { CompletionPart } from '../../../../src/completion/part.ts'
import { RouteplaneError } from '../../../../src/errors.ts'
import { decodeStream } from '../../../../src/protocol/chat-completions/stream.ts'
import { corpusFiles, cut, from, streamFixtures, summarise, withAnyIds } from '../../../support/fixtures.ts'
import { collectParts } from '../../../support/parts.ts'

const fixtures = streamFixtures('chat-completions')
const encode = (text: string): Uint8Array => new TextEncoder().encode(text)
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
    const step = Math.max(1, Math.floor(bytes.length / 400))
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
    const whole = await decode([bytes])
    const finish = whole.at(-1)
    for (let at = 0; at < bytes.length; at += 7) {
      const parts = await decode([bytes.subarray(0, at)])
      expectOrder(parts)
      const last = parts.at(-1)
      // A shorter stream may only succeed when all that is missing is usage or the closing word.
      if (last?.type === 'finish' && finish?.type === 'finish')
        expect(last.finishes.map(({ candidate }) => candidate)).toEqual(
          finish.finishes.slice(0, last.finishes.length).map(({ candidate }) => candidate),
        )
      else expect(last).toMatchObject({ type: 'error', error: { code: 'stream_incomplete' } })
    }
  })
})

describe('recordings', () => {
  it('are read without error, with text or calls and usage where there is any', async () => {
    for (const { name, text } of corpusFiles('openai-chat', 'stream')) {
      const stream = name.endsWith('.sse')
        ? text
        : text
            .trim()
            .split('\n')
            .map((line) => `data: ${line}\n\n`)
            .join('')
      const parts = await decode([encode(stream)])
      expectOrder(parts)
      const found = summarise(parts)
      expect(found.error, name).toBeUndefined()
      expect((found.text ?? '').length + (found.calls?.length ?? 0), name).toBeGreaterThan(0)
      if (stream.includes('"prompt_tokens"')) expect(found.usage?.['outputTokens'], name).toBeGreaterThan(0)
    }
  })
})

describe('decodeStream', () => {
  it('gives the same invented id for the same answer', async () => {
    const stream = encode(
      'data: {"id":"r1","choices":[{"index":0,"delta":{"tool_calls":[{"function":{"name":"now","arguments":"{}"}}]},"finish_reason":"tool_calls"}]}\n\n',
    )
    const [one, two] = [summarise(await decode([stream])), summarise(await decode([stream]))]
    expect(one.calls?.[0]?.[0]).toMatch(/^call_[0-9a-f]{24}$/)
    expect(one).toEqual(two)
  })

  it('takes arguments in 500 pieces', async () => {
    const text = JSON.stringify({ note: 'x'.repeat(488) })
    const pieces = [...text].map(
      (character) =>
        `data: ${JSON.stringify({ choices: [{ index: 0, delta: { tool_calls: [{ index: 0, function: { arguments: character } }] } }] })}\n\n`,
    )
    const head = 'data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c","function":{"name":"note"}}]}}]}\n\n'
    const parts = await decode([
      encode(`${head}${pieces.join('')}data: {"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}\n\n`),
    ])
    expect(summarise(parts).calls).toEqual([['c', 'note', text]])
  })

  it('refuses more candidates and calls than anybody asked for', async () => {
    const candidates = Array.from({ length: 200 }, (_, index) => `data: {"choices":[{"index":${index},"delta":{"content":"x"}}]}\n\n`).join(
      '',
    )
    expect(summarise(await decode([encode(candidates)]))).toEqual({ error: 'upstream_bad_stream' })
    const calls = Array.from(
      { length: 2000 },
      (_, index) =>
        `data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":${index},"id":"c${index}","function":{"name":"n"}}]}}]}\n\n`,
    ).join('')
    expect(summarise(await decode([encode(calls)]))).toEqual({ error: 'upstream_bad_stream' })
  })

  it('refuses an endless line', async () => {
    const line = encode('x'.repeat(1 << 20))
    expect(summarise(await decode(Array.from({ length: 20 }, () => line)))).toEqual({ error: 'upstream_bad_stream' })
  })

  it('ends with the error its source throws, unless the answer was finished', async () => {
    const source = async function* (text: string): AsyncGenerator<Uint8Array> {
      yield encode(text)
      throw new RouteplaneError('idle_timeout', 'silence')
    }
    const begun = 'data: {"choices":[{"index":0,"delta":{"content":"Mo"}}]}\n\n'
    const finished = `${begun}data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n`
    expect(summarise(await collectParts(decodeStream(source(begun))))).toEqual({ error: 'idle_timeout' })
    expect(summarise(await collectParts(decodeStream(source(finished))))).toEqual({ text: 'Mo', finish: ['stop'] })
  })

  it('does not show keys that an upstream puts into its error', async () => {
    const fixture = fixtures.find(({ name }) => name === 'error-chunk')
    const parts = await decode([fixture?.bytes ?? new Uint8Array()])
    const last = parts.at(-1)
    expect(last?.type === 'error' ? last.error.message : '').toContain('the well is dry')
    expect(JSON.stringify(last)).not.toContain('sk-abcdefgh12345678')
  })

  it('never throws, whatever the bytes', async () => {
    const scrap = fc.constantFrom(
      'data: ',
      '\n\n',
      '{"choices":[{"index":0,"delta":{',
      '"content":"x"',
      '}}]}',
      '"tool_calls":[{"index":0',
      '"finish_reason":"stop"',
      '[DONE]',
      'null',
      ',',
      '[',
      '{}',
      ':',
      'event: error\n',
    )
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(scrap, fc.string()), { maxLength: 30 }), async (scraps) => {
        expectOrder(await decode([encode(scraps.join(''))]))
      }),
      { numRuns: 300 },
    )
  })

  it('reads any delta a server may invent', async () => {
    const delta = fc.record(
      {
        content: fc.anything(),
        tool_calls: fc.anything(),
        reasoning_details: fc.anything(),
        audio: fc.anything(),
        annotations: fc.anything(),
        images: fc.anything(),
        refusal: fc.anything(),
      },
      { requiredKeys: [] },
    )
    const chunk = fc.record(
      {
        id: fc.anything(),
        choices: fc.array(
          fc.record({ index: fc.anything(), delta, finish_reason: fc.anything(), logprobs: fc.anything() }, { requiredKeys: [] }),
        ),
        usage: fc.anything(),
      },
      { requiredKeys: [] },
    )
    const asJson = chunk.map((value) => JSON.stringify(value, (_, one: unknown) => (typeof one === 'bigint' ? 0 : one)) ?? 'null')
    await fc.assert(
      fc.asyncProperty(fc.array(asJson, { maxLength: 6 }), async (chunks) => {
        expectOrder(await decode([encode(chunks.map((one) => `data: ${one}\n\n`).join(''))]))
      }),
      { numRuns: 300 },
    )
  })
})
