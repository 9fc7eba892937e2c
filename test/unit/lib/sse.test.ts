/** Server-sent events: any cut of the bytes gives the same events, comments stay visible, buffers are bounded. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createCommentScanner, createSseDecoder, decodeSse, encodeSseComment, encodeSseEvent, type SseItem } from '../../../src/lib/sse.ts'

const encode = (text: string): Uint8Array => new TextEncoder().encode(text)

function decodeAll(chunks: readonly Uint8Array[]): SseItem[] {
  const decoder = createSseDecoder()
  return [...chunks.flatMap((chunk) => decoder.push(chunk)), ...decoder.end()]
}

function cut(bytes: Uint8Array, at: readonly number[]): Uint8Array[] {
  const points = [0, ...[...at].sort((a, b) => a - b), bytes.length]
  return points.slice(1).map((to, index) => bytes.subarray(points[index], to))
}

const STREAM = 'data: grüße 👋\n\n: ping\n\nevent: error\nid: 7\ndata: a\ndata:b\n\nretry: 5\ndata\n\n'
const EVENTS: SseItem[] = [{ data: 'grüße 👋' }, { comment: 'ping' }, { event: 'error', data: 'a\nb', id: '7' }, { data: '' }]

describe('createSseDecoder', () => {
  it.each([
    ['LF', STREAM],
    ['CRLF', STREAM.replaceAll('\n', '\r\n')],
    ['a byte order mark', `\ufeff${STREAM}`],
  ])('gives the same events at every cut, with %s', (_, text) => {
    const bytes = encode(text)
    expect(decodeAll([...bytes].map((byte) => Uint8Array.of(byte)))).toEqual(EVENTS)
    for (let at = 0; at <= bytes.length; at++) expect(decodeAll(cut(bytes, [at]))).toEqual(EVENTS)
  })

  it('gives the same events at every cut, with lone CR', () => {
    const bytes = encode(STREAM.replaceAll('\n', '\r'))
    const plain = (items: SseItem[]): SseItem[] =>
      items.map((item) =>
        'data' in item ? { ...(item.event && { event: item.event }), data: item.data, ...(item.id && { id: item.id }) } : item,
      )
    for (let at = 0; at <= bytes.length; at++) expect(plain(decodeAll(cut(bytes, [at])))).toEqual(EVENTS)
  })

  it('gives the same events at any set of cuts', () => {
    const bytes = encode(STREAM.replaceAll('\n', '\r\n'))
    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length)), (at) => {
        expect(decodeAll(cut(bytes, at))).toEqual(EVENTS)
      }),
    )
  })

  it('marks a last event that nothing closed', () => {
    expect(decodeAll([encode('data: {"a":1}')])).toEqual([{ data: '{"a":1}', truncated: true }])
    expect(decodeAll([encode('data: {"a":1}\n')])).toEqual([{ data: '{"a":1}', truncated: true }])
    expect(decodeAll([encode('data: {"a":1}\n\n')])).toEqual([{ data: '{"a":1}' }])
  })

  it('refuses an event beyond its buffer, in one line or in many', () => {
    const decoder = createSseDecoder(1000)
    expect(() => {
      for (let at = 0; at < 20; at++) decoder.push(encode('x'.repeat(100)))
    }).toThrow(expect.objectContaining({ code: 'upstream_bad_stream' }))
    const lines = createSseDecoder(1000)
    expect(() => {
      for (let at = 0; at < 20; at++) lines.push(encode(`data: ${'x'.repeat(100)}\n`))
    }).toThrow(expect.objectContaining({ code: 'upstream_bad_stream' }))
  })

  it('takes any number of events within the buffer', () => {
    const decoder = createSseDecoder(1000)
    const one = encode(`data: ${'x'.repeat(100)}\n\n`)
    for (let at = 0; at < 1000; at++) expect(decoder.push(one)).toHaveLength(1)
  })

  it('survives control characters in fields', () => {
    expect(decodeAll([encode('event: a\0b\nid: c\0d\nretry: soon\ndata: ok\n\n')])).toEqual([{ event: 'a\0b', data: 'ok' }])
  })
})

describe('decodeSse', () => {
  it('yields events, then what the bytes throw', async () => {
    const seen: SseItem[] = []
    const source = async function* (): AsyncGenerator<Uint8Array> {
      yield encode('data: 1\n\ndata: 2')
      throw new Error('cut')
    }
    const run = async (): Promise<void> => {
      for await (const item of decodeSse(source())) seen.push(item)
    }
    await expect(run()).rejects.toThrow('cut')
    expect(seen).toEqual([{ data: '1' }])
  })
})

describe('encodeSseEvent', () => {
  it('reads back as it was written', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.option(fc.string({ minLength: 1 }), { nil: undefined }), (data, event) => {
        const [item] = decodeAll([encode(encodeSseEvent({ data, ...(event === undefined ? {} : { event }) }))])
        expect(item).toEqual({
          data: new TextDecoder('utf-8', { ignoreBOM: true }).decode(encode(data.replace(/\r\n|\r/g, '\n'))),
          ...(event === undefined ? {} : { event: event.replace(/[\r\n\0]/g, ' ') }),
        })
      }),
    )
  })

  it('writes comments as events of their own', () => {
    expect(decodeAll([encode(encodeSseComment('keep\nalive') + encodeSseEvent({ data: 'x' }))])).toEqual([
      { comment: 'keep alive' },
      { data: 'x' },
    ])
  })
})

describe('createCommentScanner', () => {
  it.each([
    [': ping\n\n', false],
    ['\r\n: ping\r\n\r\n:\n', false],
    ['\ufeff: ping\n', false],
    [': ping\n\nd', true],
    ['event: x\n', true],
    [': data: x', false],
    ['{', true],
  ])('%j', (text, expected) => {
    const whole = createCommentScanner()
    expect(whole.sawEvent(encode(text))).toBe(expected)
    const split = createCommentScanner()
    expect([...encode(text)].map((byte) => split.sawEvent(Uint8Array.of(byte))).at(-1)).toBe(expected)
  })
})
