/** How answers are written as Messages streams: a grammar that clients rely on to the letter. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { foldParts } from '../../../../src/completion/fold.ts'
import type { CompletionPart } from '../../../../src/completion/part.ts'
import { RouteplaneError } from '../../../../src/errors.ts'
import { unwrapCarrier } from '../../../../src/protocol/carrier.ts'
import { decodeStream } from '../../../../src/protocol/messages/stream.ts'
import { encodeStream } from '../../../../src/protocol/messages/stream-encode.ts'
import { bytes, context, eventsOf, everything, finishPart, frame, startPart, usage, type Event } from './support.ts'
import { collectEvents, oneByOne } from '../../../support/parts.ts'

const write = async (...parts: readonly CompletionPart[]) => eventsOf(await collectEvents(encodeStream(oneByOne(parts), context)))
const writeAnswer = (...parts: readonly CompletionPart[]) => write(startPart, ...parts, finishPart())
const text = (block: number, ...texts: readonly string[]): readonly CompletionPart[] => [
  { type: 'text-start', block, candidate: 0 },
  ...texts.map((piece): CompletionPart => ({ type: 'text-delta', block, text: piece })),
  { type: 'text-end', block },
]
const tool = (block: number, id: string, ...texts: readonly string[]): readonly CompletionPart[] => [
  { type: 'tool-input-start', block, candidate: 0, id, name: 'f', freeform: false },
  ...texts.map((piece): CompletionPart => ({ type: 'tool-input-delta', block, text: piece })),
  { type: 'tool-input-end', block },
]

/** What SDKs demand of a stream. @returns what is wrong. */
function wrongIn(events: readonly Event[]): string | undefined {
  const [first] = events
  if (first?.['type'] !== 'message_start') return 'it does not begin with message_start'
  let index = 0
  let isOpen = false
  for (const [at, event] of events.entries()) {
    const isLast = at === events.length - 1
    switch (event['type']) {
      case 'message_start':
        if (at > 0) return 'message_start came twice'
        break
      case 'content_block_start':
        if (isOpen) return 'a block began within another'
        if (event['index'] !== index) return `block ${String(event['index'])} came where ${index} is due`
        isOpen = true
        break
      case 'content_block_delta':
        if (!isOpen || event['index'] !== index) return 'a delta came outside of its block'
        break
      case 'content_block_stop':
        if (!isOpen || event['index'] !== index++) return 'a block ended that was not open'
        isOpen = false
        break
      case 'message_delta':
        if (isOpen || events[at + 1]?.['type'] !== 'message_stop') return 'message_delta is out of place'
        break
      case 'message_stop':
        if (!isLast) return 'something came after message_stop'
        break
      case 'error':
        if (!isLast) return 'something came after the error'
        break
      default:
        return `an unknown event ${String(event['type'])}`
    }
    if (isLast && event['type'] !== 'message_stop' && event['type'] !== 'error') return 'it has no end'
  }
  return undefined
}

describe('an answer', () => {
  it('is framed from message_start to message_stop', async () => {
    const events = await writeAnswer(...text(0, 'hel', 'lo'))
    expect(events).toEqual([
      {
        type: 'message_start',
        message: {
          id: 'msg_chatcmpl-1',
          type: 'message',
          role: 'assistant',
          model: 'm',
          content: [],
          stop_reason: null,
          stop_sequence: null,
          usage: expect.objectContaining({ input_tokens: expect.any(Number), output_tokens: expect.any(Number) }),
        },
      },
      { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
      { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'hel' } },
      { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'lo' } },
      { type: 'content_block_stop', index: 0 },
      {
        type: 'message_delta',
        delta: { stop_reason: 'end_turn', stop_sequence: null },
        usage: expect.objectContaining({ input_tokens: 10, output_tokens: 3 }),
      },
      { type: 'message_stop' },
    ])
  })

  it('read from this wire and written to it again means the same', async () => {
    const once = await foldParts(decodeStream(bytes(frame(everything))))
    const again = await foldParts(
      decodeStream(bytes(...(await collectEvents(encodeStream(decodeStream(bytes(frame(everything))), context))))),
    )
    expect({ ...again, usage: { ...again.usage, raw: undefined } }).toEqual({ ...once, usage: { ...once.usage, raw: undefined } })
  })

  it('without content has no blocks', async () => {
    const events = await writeAnswer(...text(0))
    expect(events.map(({ type }) => type)).toEqual(['message_start', 'message_delta', 'message_stop'])
  })

  it('takes the cache out of the input, where this wire has it beside', async () => {
    const counted = { ...usage(100, 7), cacheReadTokens: 60, cacheWriteTokens: 15, cacheWrite1hTokens: 5, reasoningTokens: 4 }
    const finish: CompletionPart = { type: 'finish', finishes: [{ candidate: 0, reason: 'stop' }], usage: counted }
    const events = await write(startPart, ...text(0, 'x'), finish)
    expect(events.at(-2)?.['usage']).toMatchObject({
      input_tokens: 25,
      cache_read_input_tokens: 60,
      cache_creation_input_tokens: 15,
      cache_creation: { ephemeral_5m_input_tokens: 10, ephemeral_1h_input_tokens: 5 },
      output_tokens: 7,
      output_tokens_details: { thinking_tokens: 4 },
    })
  })

  it('whose upstream counts nothing has an estimate, because clients add the figures up', async () => {
    const finish: CompletionPart = { type: 'finish', finishes: [{ candidate: 0, reason: 'stop' }], usage: undefined }
    const events = await write(startPart, ...text(0, 'a'.repeat(400)), finish)
    expect(events.at(-2)?.['usage']).toMatchObject({ output_tokens: 100, input_tokens: expect.any(Number) })
  })

  it('of more than one candidate gives the first', async () => {
    const events = await writeAnswer(
      { type: 'text-start', block: 7, candidate: 1 },
      { type: 'text-delta', block: 7, text: 'no' },
      ...text(0, 'yes'),
      {
        type: 'text-end',
        block: 7,
      },
    )
    expect(JSON.stringify(events)).toContain('yes')
    expect(JSON.stringify(events)).not.toContain('"no"')
  })
})

describe('blocks', () => {
  it('that interleave are written one after another', async () => {
    const events = await writeAnswer(
      { type: 'tool-input-start', block: 0, candidate: 0, id: 'a', name: 'f', freeform: false },
      { type: 'tool-input-start', block: 1, candidate: 0, id: 'b', name: 'g', freeform: false },
      { type: 'tool-input-delta', block: 1, text: '{"x"' },
      { type: 'tool-input-delta', block: 0, text: '{}' },
      { type: 'tool-input-delta', block: 1, text: ':1}' },
      { type: 'tool-input-end', block: 0 },
      { type: 'tool-input-end', block: 1 },
    )
    expect(wrongIn(events)).toBeUndefined()
    const inputs = events
      .filter(({ type }) => type === 'content_block_delta')
      .map(({ index, delta }) => [index, (delta as Event)['partial_json']])
    expect(inputs).toEqual([
      [0, '{}'],
      [1, '{"x"'],
      [1, ':1}'],
    ])
  })

  it('of thought end with their signature, whole and last', async () => {
    const events = await writeAnswer(
      { type: 'reasoning-start', block: 0, candidate: 0, form: 'full' },
      { type: 'reasoning-delta', block: 0, text: 'hm' },
      { type: 'reasoning-end', block: 0, carriers: [{ wire: 'messages', kind: 'signature', value: 'SIG==' }] },
      ...text(1, 'x'),
    )
    expect(events.slice(1, 5)).toEqual([
      { type: 'content_block_start', index: 0, content_block: { type: 'thinking', thinking: '', signature: '' } },
      { type: 'content_block_delta', index: 0, delta: { type: 'thinking_delta', thinking: 'hm' } },
      { type: 'content_block_delta', index: 0, delta: { type: 'signature_delta', signature: 'SIG==' } },
      { type: 'content_block_stop', index: 0 },
    ])
  })

  it('of thought that nobody signed have a signature all the same', async () => {
    const events = await writeAnswer(
      { type: 'reasoning-start', block: 0, candidate: 0, form: 'full' },
      { type: 'reasoning-delta', block: 0, text: 'hm' },
      { type: 'reasoning-end', block: 0, carriers: [] },
    )
    expect(events[3]).toMatchObject({ delta: { type: 'signature_delta', signature: expect.stringMatching(/^rp1\../) } })
  })

  it("of another provider's sealed thought are redacted_thinking", async () => {
    const carrier = { wire: 'responses', provider: 'openai', kind: 'encrypted_content', value: 'gAAAA', itemId: 'rs_1' } as const
    const events = await writeAnswer(
      { type: 'reasoning-start', block: 0, candidate: 0, form: 'omitted' },
      { type: 'reasoning-end', block: 0, carriers: [carrier] },
    )
    const start = events[1]?.['content_block'] as Event
    expect(start['type']).toBe('redacted_thinking')
    expect(unwrapCarrier(String(start['data']))).toEqual(carrier)
    expect(wrongIn(events)).toBeUndefined()
  })

  it('follow a call with the signature that it came with', async () => {
    const carrier = { wire: 'generate_content', provider: 'google', kind: 'thought_signature', value: 'c2ln' } as const
    const events = await writeAnswer(
      { type: 'tool-input-start', block: 0, candidate: 0, id: 'call_1', name: 'f', freeform: false },
      { type: 'tool-input-end', block: 0, carriers: [carrier] },
    )
    expect(events.map(({ content_block }) => (content_block as Event | undefined)?.['type']).filter((type) => type !== undefined)).toEqual([
      'tool_use',
      'redacted_thinking',
    ])
  })

  it('of calls have ids that this wire takes', async () => {
    const events = await writeAnswer(...tool(0, 'call:with/odd characters', '{}'))
    expect(events[1]).toMatchObject({ content_block: { type: 'tool_use', id: expect.stringMatching(/^[A-Za-z0-9_-]+$/) } })
  })

  it('of calls that were cut short give their input as far as it came', async () => {
    const events = await write(startPart, ...tool(0, 'a', '{"path": "/tm'), finishPart('length'))
    expect(JSON.stringify(events)).toContain('{\\"path\\": \\"/tm')
    expect(events.at(-2)).toMatchObject({ delta: { stop_reason: 'max_tokens' } })
  })

  it('of free text are an object here', async () => {
    const events = await writeAnswer(
      { type: 'tool-input-start', block: 0, candidate: 0, id: 'a', name: 'patch', freeform: true },
      { type: 'tool-input-delta', block: 0, text: 'line "1"\n' },
      { type: 'tool-input-delta', block: 0, text: 'line 2' },
      { type: 'tool-input-end', block: 0 },
    )
    expect(events[2]).toMatchObject({ delta: { partial_json: '{"input":"line \\"1\\"\\nline 2"}' } })
  })

  it('list the pages that another wire cites, after the text', async () => {
    const cite = (url: string, title?: string): CompletionPart => ({
      type: 'extra',
      block: 9,
      candidate: 0,
      extra: { kind: 'citation', url, ...(title === undefined ? {} : { title }), raw: {} },
    })
    const events = await writeAnswer(
      ...text(0, 'x'),
      cite('https://a.test', 'A [1]'),
      cite('https://b.test'),
      cite('https://a.test', 'A [1]'),
    )
    expect(JSON.stringify(events)).toContain('Sources:\\n- [A  1 ](https://a.test)\\n- [https://b.test](https://b.test)')
    expect(wrongIn(events)).toBeUndefined()
  })

  it('say in words what this wire cannot carry', async () => {
    const events = await writeAnswer({
      type: 'extra',
      block: 0,
      candidate: 0,
      extra: { kind: 'image', mimeType: 'image/png', base64: 'AA==' },
    })
    expect(JSON.stringify(events)).toContain('image/png')
  })
})

describe('the end', () => {
  const ended = async (reason: CompletionPart & { type: 'finish' }) => (await write(startPart, ...text(0, 'x'), reason)).at(-2)?.['delta']
  const finish = (reason: string, more = {}) =>
    ({ type: 'finish', finishes: [{ candidate: 0, reason, ...more }], usage: undefined }) as CompletionPart & { type: 'finish' }

  it.each([
    ['stop', 'end_turn'],
    ['other', 'end_turn'],
    ['length', 'max_tokens'],
    ['context_window', 'model_context_window_exceeded'],
    ['tool_calls', 'tool_use'],
    ['content_filter', 'refusal'],
    ['refusal', 'refusal'],
    ['pause', 'pause_turn'],
  ])('for %s is %s', async (reason, word) => {
    expect(await ended(finish(reason))).toMatchObject({ stop_reason: word, stop_sequence: null })
  })

  it('names the sequence that stopped it', async () => {
    expect(await ended(finish('stop_sequence', { stopSequence: 'END' }))).toEqual({ stop_reason: 'stop_sequence', stop_sequence: 'END' })
  })

  it('of a refusal explains it', async () => {
    const events = await write(
      startPart,
      { type: 'refusal-delta', candidate: 0, text: 'I will ' },
      { type: 'refusal-delta', candidate: 0, text: 'not.' },
      finish('refusal'),
    )
    expect(events.at(-2)?.['delta']).toEqual({
      stop_reason: 'refusal',
      stop_sequence: null,
      stop_details: { type: 'refusal', category: null, explanation: 'I will not.' },
    })
  })

  it.each(['malformed_tool_call', 'error'])('for %s is an error event', async (reason) => {
    const events = await write(startPart, ...text(0, 'x'), finish(reason))
    expect(events.at(-1)).toMatchObject({ type: 'error', error: { type: 'api_error', message: expect.any(String) } })
  })

  it('by an error part is an error event, and nothing after it', async () => {
    const error = new RouteplaneError('upstream_rate_limited', 'too many')
    const events = await write(
      startPart,
      { type: 'text-start', block: 0, candidate: 0 },
      { type: 'text-delta', block: 0, text: 'x' },
      { type: 'error', error },
    )
    expect(wrongIn(events)).toBeUndefined()
    expect(events.at(-1)).toMatchObject({ type: 'error', error: { type: 'rate_limit_error', message: 'too many' }, request_id: 'req_1' })
  })

  it('that never comes is an error event', async () => {
    expect((await write(startPart, ...text(0, 'x'))).at(-1)).toMatchObject({
      type: 'error',
      error: { details: { error_code: 'stream_incomplete' } },
    })
  })

  it('by a source that throws is an error event', async () => {
    const broken = async function* (): AsyncGenerator<CompletionPart> {
      yield startPart
      throw new Error('secret text')
    }
    const events = eventsOf(await collectEvents(encodeStream(oneByOne(broken()), context)))
    expect(events.at(-1)).toMatchObject({ type: 'error', error: { type: 'api_error' } })
    expect(JSON.stringify(events)).not.toContain('secret text')
  })
})

describe('the grammar', () => {
  const kinds = ['text', 'reasoning', 'tool-input'] as const
  const answer = fc
    .array(
      fc.record({
        kind: fc.constantFrom(...kinds),
        texts: fc.array(fc.string(), { maxLength: 3 }),
        carried: fc.boolean(),
        at: fc.array(fc.nat(20), { minLength: 5, maxLength: 5 }),
      }),
      { maxLength: 5 },
    )
    .map((blocks) => {
      const timed = blocks.flatMap(({ kind, texts, carried, at }, block) => {
        const times = at.toSorted((a, b) => a - b)
        const carriers = carried ? [{ wire: 'generate_content' as const, kind: 'thought_signature' as const, value: 'eA==' }] : []
        const start = {
          type: `${kind}-start`,
          block,
          candidate: 0,
          form: 'full',
          id: `call_${block}`,
          name: 'f',
          freeform: block % 2 === 1,
        }
        const parts = [
          start,
          ...texts.map((piece) => ({ type: `${kind}-delta`, block, text: piece })),
          { type: `${kind}-end`, block, carriers },
        ]
        return parts.map((part, order) => ({ part: part as CompletionPart, time: times[Math.min(order, 4)] ?? 0, order }))
      })
      return timed.toSorted((a, b) => a.time - b.time).map(({ part }) => part)
    })

  it('is kept by every answer, however its blocks interleave, and nothing is lost', async () => {
    await fc.assert(
      fc.asyncProperty(answer, async (parts) => {
        const events = await writeAnswer(...parts)
        expect(wrongIn(events)).toBeUndefined()
        const said = parts.flatMap((part) => (part.type === 'text-delta' || part.type === 'reasoning-delta' ? [part.text] : [])).join('')
        const written = events.flatMap(({ delta }) => [(delta as Event | undefined)?.['text'], (delta as Event | undefined)?.['thinking']])
        expect([...written.filter((piece) => typeof piece === 'string').join('')].toSorted()).toEqual([...said].toSorted())
        expect(events.filter(({ content_block }) => (content_block as Event | undefined)?.['type'] === 'tool_use')).toHaveLength(
          parts.filter(({ type }) => type === 'tool-input-start').length,
        )
      }),
      { numRuns: 500 },
    )
  })

  it('is kept wherever an answer breaks off', async () => {
    await fc.assert(
      fc.asyncProperty(answer, fc.nat(20), async (parts, at) => {
        const events = await write(startPart, ...parts.slice(0, at))
        expect(events[0]?.['type']).toBe('message_start')
        expect(events.at(-1)?.['type']).toBe('error')
      }),
    )
  })
})
