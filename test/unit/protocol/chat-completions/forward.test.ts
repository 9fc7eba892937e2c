/** The native lane: bytes that go through, the event that must not, and what the tap sees of it all. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { chatCompletions } from '../../../../src/protocol/chat-completions/index.ts'
import type { ByteFilter, TapReport } from '../../../../src/protocol/protocol.ts'
import { cut, from, streamFixtures, summarise, withAnyIds } from '../../../support/fixtures.ts'
import { wireOf } from '../../../support/wire.ts'
import { collectParts } from '../../../support/parts.ts'

const { createTap, createUsageFilter, decodeStream, forward } = chatCompletions.upstream
const encode = (text: string): Uint8Array => new TextEncoder().encode(text)
const decode = (bytes: Uint8Array): string => new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
const target = { model: 'up/stream', stream: true }

describe('forward', () => {
  it('changes the model, takes our fields out and leaves every other byte', () => {
    const body =
      ' {"a" : 1.0e2, "model":"x/y:cost","models":["x"], "provider":{"only":["p"]},"routeplane":{},"preset":"p","max_cost_usd":"1", "z":"\\u00e9" }\n'
    const forwarded = forward(wireOf(body), target)
    expect(forwarded.path).toBe('/chat/completions')
    expect(decode(forwarded.body)).toBe(' {"a" : 1.0e2, "model":"up/stream","z":"\\u00e9" }\n')
    expect(forwarded.hideUsageChunk).toBe(false)
  })

  it('asks for usage in a stream and says whether it must be hidden', () => {
    const plain = forward(wireOf({ model: 'a', stream: true }), target)
    expect(JSON.parse(decode(plain.body))).toEqual({ model: 'up/stream', stream: true, stream_options: { include_usage: true } })
    expect(plain.hideUsageChunk).toBe(true)
    const refused = forward(
      wireOf({ model: 'a', stream: true, stream_options: { include_usage: false, include_obfuscation: false } }),
      target,
    )
    expect(JSON.parse(decode(refused.body))).toMatchObject({ stream_options: { include_usage: true, include_obfuscation: false } })
    expect(refused.hideUsageChunk).toBe(true)
    const asked = forward(wireOf({ model: 'a', stream: true, stream_options: { include_usage: true } }), target)
    expect(asked.hideUsageChunk).toBe(false)
    expect(forward(wireOf({ model: 'a' }), target).headers).toEqual({ 'content-type': 'application/json', accept: 'application/json' })
  })

  it('adds the model when only models was given', () => {
    expect(JSON.parse(decode(forward(wireOf({ models: ['a'], n: 1 }), target).body))).toEqual({ model: 'up/stream', n: 1 })
  })
})

function run(filter: ByteFilter, chunks: readonly Uint8Array[]): string {
  return decode(Buffer.concat([...chunks.map((chunk) => filter.push(chunk)), filter.end()]))
}

const usage = 'data: {"id":"x","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}\n\n'
const kept = [
  ': ping\n\n',
  'data: {"choices":[{"index":0,"delta":{"content":"\\"usage\\": yes"}}],"usage":null}\n\n',
  'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":1}}\n\n',
  'data: {"choices":[],"prompt_filter_results":[]}\n\n',
  'data: {"error":{"message":"usage"},"usage":{"a":1}}\n\n',
]

describe('createUsageFilter', () => {
  const stream = `${kept.join('')}${usage}data: [DONE]\n\n`
  const wanted = `${kept.join('')}data: [DONE]\n\n`

  it.each([
    ['LF', (text: string) => text],
    ['CRLF', (text: string) => text.replaceAll('\n', '\r\n')],
    ['CR', (text: string) => text.replaceAll('\n', '\r')],
  ])('removes that one event and no other byte, at every cut, with %s', (_, ends) => {
    const bytes = encode(ends(stream))
    for (let at = 0; at <= bytes.length; at++) expect(run(createUsageFilter(), cut(bytes, [at]))).toBe(ends(wanted))
    expect(
      run(
        createUsageFilter(),
        [...bytes].map((byte) => Uint8Array.of(byte)),
      ),
    ).toBe(ends(wanted))
  })

  it('passes every other fixture untouched and takes nothing but usage from the rest', async () => {
    for (const { name, bytes, expected } of streamFixtures('chat-completions')) {
      const filtered = encode(run(createUsageFilter(), cut(bytes, [Math.floor(bytes.length / 3), Math.floor(bytes.length / 2)])))
      const found = summarise(await collectParts(decodeStream(from([filtered]))))
      const { usage: _usage, ...rest } = expected
      const { usage: _found, ...others } = withAnyIds(found, expected)
      expect(others, name).toEqual(rest)
    }
  })

  it('gives whole events on at once', () => {
    const filter = createUsageFilter()
    const first = encode('data: {"choices":[{"delta":{"content":"x"}}]}\n\n')
    expect(filter.push(first)).toEqual(Buffer.from(first))
    expect(decode(filter.push(encode('data: {"cho')))).toBe('')
    expect(decode(filter.push(encode('ices":[1]}\n\ndata: [DO')))).toBe('data: {"choices":[1]}\n\n')
    expect(decode(filter.push(encode('NE]\n\n')))).toBe('data: [DONE]\n\n')
  })

  it('does not hold a huge event back, and still finds usage behind it', () => {
    const huge = `data: {"choices":[{"delta":{"content":"${'x'.repeat(300_000)}"}}]}\n\n`
    const bytes = encode(`${huge}${usage}data: [DONE]\n\n`)
    const end = encode(huge).length
    for (const places of [
      [100_000, 200_000],
      [200_000, end - 1],
      [200_000, end],
      [end - 2, end - 1],
      [250_000, end + 5],
    ]) {
      expect(run(createUsageFilter(), cut(bytes, places)) === `${huge}data: [DONE]\n\n`, places.join()).toBe(true)
    }
    const filter = createUsageFilter()
    expect(filter.push(encode(huge).subarray(0, 200_000)).length).toBe(200_000)
  })

  it('removes a last usage event that nothing closes', () => {
    expect(run(createUsageFilter(), [encode(`data: [DONE]\n\n${usage.trimEnd()}`)])).toBe('data: [DONE]\n\n')
  })

  it('loses no byte of anything else', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('\n', '\r', 'data: x', ':', '{"a":1}', '\n\n', '"usag')),
        fc.array(fc.nat(60)),
        (scraps, places) => {
          const bytes = encode(scraps.join(''))
          expect(
            run(
              createUsageFilter(),
              cut(
                bytes,
                places.filter((at) => at <= bytes.length),
              ),
            ),
          ).toBe(scraps.join(''))
        },
      ),
    )
  })
})

function tapped(chunks: readonly Uint8Array[]): { readonly report: TapReport; readonly firstContent: number } {
  const tap = createTap()
  const firstContent = chunks.findIndex((chunk) => tap.push(chunk))
  for (const chunk of firstContent === -1 ? [] : chunks.slice(firstContent + 1)) tap.push(chunk)
  return { report: tap.end(), firstContent }
}

describe('createTap', () => {
  it.each(streamFixtures('chat-completions'))('agrees with the decoder on $name', ({ bytes, expected }) => {
    for (const places of [
      [],
      [20],
      [Math.floor(bytes.length / 2)],
      Array.from({ length: 40 }, (_, at) => (at * bytes.length) / 40).map(Math.floor),
    ]) {
      const { report } = tapped(cut(bytes, places))
      // Calls are put together by the decoder only.
      if (expected.error === undefined) expect(report.error).toBeUndefined()
      else if (expected.error !== 'upstream_bad_stream') expect(report.error?.code).toBe(expected.error)
      if (expected.usage !== undefined) expect(report.usage).toMatchObject(expected.usage)
      const said = `${expected.text ?? ''}${(expected.texts ?? []).join('')}${expected.thought ?? ''}${expected.refusal ?? ''}`
      if (expected.calls === undefined && expected.error === undefined && !expected.details && !expected.thought)
        expect(report.deliveredCharacters).toBe(said.length)
    }
  })

  it.each([
    ['small events', 20, 20],
    ['last events longer than all that is read otherwise', 20, 20_000],
    ['long events', 9_000, 9_000],
  ])('knows how a long answer of %s ended', (_what, length, lastLength) => {
    const event = (members: object) => encode(`data: ${JSON.stringify(members)}\n\n`)
    const said = (characters: number, finish: string | null = null) =>
      event({ model: 'm', choices: [{ index: 0, delta: { content: 'x'.repeat(characters) }, finish_reason: finish }] })
    const usage = { prompt_tokens: 7, completion_tokens: 9, total_tokens: 16 }
    const body = Array.from({ length: Math.ceil(200_000 / (length + 100)) }, () => said(length))
    const end = [said(lastLength, 'length'), event({ choices: [], usage }), encode('data: [DONE]\n\n')]
    for (const chunks of [
      [...body, ...end],
      [Buffer.concat([...body, ...end])],
      cut(Buffer.concat([...body, ...end]), [100_000, 150_000]),
    ]) {
      const { report } = tapped(chunks)
      expect(report.error).toBeUndefined()
      expect(report.usage).toMatchObject({ inputTokens: 7, outputTokens: 9 })
      expect(report.finishReason).toBe('length')
    }
  })

  it('says when content has come, and not before', () => {
    const { firstContent } = tapped([
      encode(': ping\n\n'),
      encode('data: {"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"","tool_calls":[]}}]}\n\n'),
      encode('data: {"choices":[{"index":0,"delta":{"con'),
      encode('tent":"x"}}]}\n\n'),
      encode('data: [DONE]\n\n'),
    ])
    expect(firstContent).toBe(3)
  })

  it('tells an error before any content, so that another upstream may be tried', () => {
    const { report, firstContent } = tapped([encode('data: {"error":{"message":"overloaded","code":503}}\n\n')])
    expect(firstContent).toBe(-1)
    expect(report.error?.code).toBe('upstream_error')
    const finish = tapped([encode('data: {"choices":[{"index":0,"delta":{},"finish_reason":"error"}]}\n\n')])
    expect([finish.firstContent, finish.report.error?.code]).toEqual([-1, 'upstream_error'])
  })

  it('finds usage, finish and errors at the end of a long stream it did not keep', () => {
    const event = encode(`data: {"id":"x","model":"m-served","choices":[{"index":0,"delta":{"content":"${'y'.repeat(50)}"}}]}\n\n`)
    const many = Array.from({ length: 20_000 }, () => event)
    const end = encode(`data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n${usage}data: [DONE]\n\n`)
    const { report } = tapped([...many, end])
    expect(report).toMatchObject({ model: 'm-served', finishReason: 'stop', usage: { inputTokens: 1, outputTokens: 2 } })
    expect(report.error).toBeUndefined()
    expect(report.deliveredCharacters).toBeGreaterThan(0.9 * 20_000 * 50)
    expect(report.deliveredCharacters).toBeLessThan(1.1 * 20_000 * 50)
    expect(tapped([...many, encode('data: {"error":{"message":"gone"}}\n\n')]).report.error?.code).toBe('upstream_error')
    expect(tapped(many).report.error?.code).toBe('stream_incomplete')
  })

  it('takes one read larger than its memory', () => {
    const event = `data: {"choices":[{"index":0,"delta":{"content":"${'y'.repeat(500_000)}"}}]}\n\n`
    const { report } = tapped([
      encode('data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'),
      encode(event),
      encode(`${event}${usage}data: [DONE]\n\n`),
    ])
    expect(report.usage).toMatchObject({ inputTokens: 1 })
    expect(report.error).toBeUndefined()
  })
})
