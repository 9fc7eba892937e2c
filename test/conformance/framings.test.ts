/** One answer in every framing that the grammar of events allows: decoders read the same, and taps count what decoders count. */
import { describe, expect, it } from 'vitest'
import { meterParts, tapStream } from '../../src/gateway/meter.ts'
import type { TapReport } from '../../src/protocol/protocol.ts'
import { protocols } from '../../src/protocol/index.ts'
import { collect, corpusFiles, cut, from, streamFixtures } from '../support/fixtures.ts'

const plain = (text: string): string => text.replace(/^\ufeff/, '').replaceAll(/\r\n|\r/g, '\n')

/** @see https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream */
const framings: Readonly<Record<string, (text: string) => string>> = {
  'CR LF': (text) => text.replaceAll('\n', '\r\n'),
  'lone CR': (text) => text.replaceAll('\n', '\r'),
  'a byte order mark': (text) => `\ufeff${text}`,
  'comments between events': (text) => text.replaceAll('\n\n', '\n\n: keep-alive\n\n'),
  'comments in events': (text) => text.replaceAll(/^data:/gm, ': note\ndata:'),
  'no space after the colon': (text) => text.replaceAll(/^(data|event): /gm, '$1:'),
  'ids and retry': (text) => text.replaceAll(/^data:/gm, 'id: 7\nretry: 10\ndata:'),
  'data over several lines': (text) => text.replaceAll(/^data: (\{.*\})$/gm, (line, json: string) => spread(json) ?? line),
  'more blank lines': (text) => text.replaceAll('\n\n', '\n\n\n\n'),
}

function spread(json: string): string | undefined {
  try {
    return JSON.stringify(JSON.parse(json), null, 1).replaceAll(/^/gm, 'data: ')
  } catch {
    return undefined
  }
}

const corpora = {
  chat_completions: 'openai-chat',
  responses: 'openai-responses',
  messages: 'anthropic-messages',
  generate_content: 'google-generatecontent',
}

/** Recordings that are whole streams, and the fixtures of answers that end well. */
function streamsOf(id: keyof typeof corpora): readonly (readonly [string, string])[] {
  const own = streamFixtures(id.replace('_', '-')).filter(({ expected }) => expected.error === undefined)
  const recorded = corpusFiles(corpora[id], 'stream').filter(({ text }) => /^(?:data|event):/.test(text))
  return [
    ...own.map(({ name, bytes }) => [name, plain(Buffer.from(bytes).toString())] as const),
    ...recorded.map(({ name, text }) => [name, plain(text)] as const),
  ]
}

type Seen = readonly unknown[]

/** What of {@link seen} is tokens. */
const COUNTS = 3

function seen({ usage, model = '', error }: TapReport): Seen {
  return [usage?.inputTokens, usage?.outputTokens, usage?.cacheReadTokens, model, error?.code]
}

describe.each(protocols.map((protocol) => [protocol.id, protocol] as const))('%s', (id, { upstream }) => {
  async function decoded(text: string): Promise<Seen> {
    const bytes = Buffer.from(text)
    const { parts, meter } = meterParts(upstream.decodeStream(from(cut(bytes, every(bytes.length, 11)))), 0)
    await collect(parts)
    return seen(meter.read())
  }

  async function tapped(text: string): Promise<Seen> {
    const bytes = Buffer.from(text)
    const { body, report } = tapStream(from(cut(bytes, every(bytes.length, 700))), upstream.createTap(), upstream.createUsageFilter())
    await collect(body).catch(() => {})
    return seen(report())
  }

  it.each(streamsOf(id))('%s', async (_name, text) => {
    const [expected, watched] = [await decoded(text), await tapped(text)]
    expect(watched.slice(0, COUNTS), 'the tap counts what the decoder counts').toEqual(expected.slice(0, COUNTS))
    for (const [framing, frame] of Object.entries(framings)) {
      expect(await decoded(frame(text)), `decoded with ${framing}`).toEqual(expected)
      expect(await tapped(frame(text)), `tapped with ${framing}`).toEqual(watched)
    }
  })
})

function every(length: number, size: number): readonly number[] {
  return Array.from({ length: Math.max(0, Math.ceil(length / size) - 1) }, (_, at) => (at + 1) * size)
}
