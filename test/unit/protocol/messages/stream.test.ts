/** How Messages streams are read: every kind of block, every cut, every dialect, and every way to end. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { foldParts } from '../../../../src/completion/fold.ts'
import { assertOrder } from '../../../../src/completion/order.ts'
import type { CompletionPart } from '../../../../src/completion/part.ts'
import { RouteplaneError } from '../../../../src/errors.ts'
import { decodeResult } from '../../../../src/protocol/messages/result.ts'
import { decodeStream } from '../../../../src/protocol/messages/stream.ts'
import { block, bytes, everything, frame, messageDelta, messageStart, messageStop, textBlock, toolBlock, type Event } from './support.ts'
import { collectParts } from '../../../support/parts.ts'

const read = (text: string | Uint8Array, ...more: readonly Uint8Array[]) => collectParts(assertOrder(decodeStream(bytes(text, ...more))))
const readEvents = (...events: readonly Event[]) => read(frame(events))
const last = (parts: readonly CompletionPart[]) => parts.at(-1)
const codeOf = (parts: readonly CompletionPart[]) => {
  const part = last(parts)
  return part?.type === 'error' ? part.error.code : part?.type
}
const reasonOf = (parts: readonly CompletionPart[]) => {
  const part = last(parts)
  return part?.type === 'finish' ? part.finishes[0]?.reason : codeOf(parts)
}

describe('a whole stream', () => {
  it('gives thoughts, text, citations, foreign blocks, calls and inclusive usage', async () => {
    const result = await foldParts(decodeStream(bytes(frame(everything))))
    expect(result).toMatchObject({ id: 'msg_1', model: 'claude-x' })
    expect(result.candidates[0]?.content).toEqual([
      {
        type: 'reasoning',
        form: 'full',
        text: ['Let me sée 👀.'],
        carriers: [{ wire: 'messages', kind: 'signature', value: 'EqQB+sig/==' }],
      },
      { type: 'reasoning', form: 'omitted', text: [], carriers: [{ wire: 'messages', kind: 'redacted', value: 'opaque' }] },
      { type: 'text', text: 'Wörld 🌍' },
      {
        type: 'tool-call',
        id: 'toolu_1',
        name: 'add',
        arguments: { kind: 'json', text: '{"a": "\\u00e9", "b": 1}', value: { a: 'é', b: 1 } },
      },
      { type: 'tool-call', id: 'toolu_2', name: 'now', arguments: { kind: 'json', text: '{}', value: {} } },
    ])
    expect(result.candidates[0]?.extras).toMatchObject([
      { kind: 'citation', url: 'https://a.test/', title: 'A', raw: { encrypted_index: 'i' } },
      { kind: 'foreign', wire: 'messages', raw: { type: 'server_tool_use', input: { query: 'x' } } },
      { kind: 'foreign', wire: 'messages', raw: { type: 'web_search_tool_result' } },
    ])
    expect(result.candidates[0]?.finish).toEqual({ candidate: 0, reason: 'tool_calls', raw: 'tool_use' })
    expect(result.usage).toMatchObject({ inputTokens: 50, cacheReadTokens: 30, cacheWriteTokens: 8, outputTokens: 77 })
  })

  it('gives the same parts however its bytes are cut, also in the middle of a character', async () => {
    const whole = Buffer.from(frame(everything))
    const expected = await read(whole)
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(whole.length), { maxLength: 12 }), async (cuts) => {
        const at = [0, ...cuts.toSorted((a, b) => a - b), whole.length]
        const chunks = at.slice(1).map((end, index) => whole.subarray(at[index], end))
        expect(await collectParts(decodeStream(bytes(...chunks)))).toEqual(expected)
      }),
      { numRuns: 300 },
    )
  })

  it('gives the same parts byte for byte', async () => {
    const whole = Buffer.from(frame(everything))
    const single = [...whole].map((byte) => Uint8Array.of(byte))
    expect(await collectParts(decodeStream(bytes(...single)))).toEqual(await read(whole))
  })

  it.each([
    ['carriage returns', (text: string) => text.replaceAll('\n', '\r\n')],
    ['comments between events', (text: string) => text.replaceAll('\n\n', '\n\n: keep-alive\n\n')],
    ['no names of events', (text: string) => text.replaceAll(/^event: .*\n/gm, '')],
    ['no types in the data', (text: string) => text.replaceAll(/^data: \{"type":"[a-z_]+",?/gm, 'data: {')],
    ['a [DONE] that does not belong here', (text: string) => `${text}data: [DONE]\n\n`],
    ['no blank line at the end', (text: string) => text.slice(0, -1)],
    ['another message run into it', (text: string) => text + text],
    [
      'unknown events',
      (text: string) => text.replaceAll('event: ping\n', 'event: weather\n').replace('{"type":"ping"}', '{"type":"weather"}'),
    ],
  ])('is read alike with %s', async (_name, change) => {
    const text = frame(everything)
    expect(await read(change(text))).toEqual(await read(text))
  })

  it('is read like the whole answer that it streams', async () => {
    const plain = everything.filter(({ index }) => index !== 3 && index !== 4)
    const streamed = await foldParts(decodeStream(bytes(frame(plain))))
    const whole = decodeResult({
      id: 'msg_1',
      type: 'message',
      role: 'assistant',
      model: 'claude-x',
      content: [
        { type: 'thinking', thinking: 'Let me sée 👀.', signature: 'EqQB+sig/==' },
        { type: 'redacted_thinking', data: 'opaque' },
        {
          type: 'text',
          text: 'Wörld 🌍',
          citations: [{ type: 'web_search_result_location', url: 'https://a.test/', title: 'A', encrypted_index: 'i', cited_text: 'c' }],
        },
        { type: 'tool_use', id: 'toolu_1', name: 'add', input: { a: 'é', b: 1 } },
        { type: 'tool_use', id: 'toolu_2', name: 'now', input: {} },
      ],
      stop_reason: 'tool_use',
      usage: { input_tokens: 12, cache_read_input_tokens: 30, cache_creation_input_tokens: 8, output_tokens: 77 },
    })
    // A whole answer's input has been parsed already, so that its writing is ours.
    const rewritten = (result: typeof whole) => ({
      ...result,
      usage: { ...result.usage, raw: undefined },
      candidates: result.candidates.map((candidate) => ({
        ...candidate,
        content: candidate.content.map((part) =>
          part.type === 'tool-call' && part.arguments.kind === 'json'
            ? { ...part, arguments: { ...part.arguments, text: JSON.stringify(part.arguments.value) } }
            : part,
        ),
      })),
    })
    expect(rewritten(whole)).toEqual(rewritten(streamed))
  })
})

describe('blocks', () => {
  it('read a call whose input came whole with its start', async () => {
    const parts = await readEvents(
      messageStart,
      ...block(0, { type: 'tool_use', id: 't', name: 'f', input: { a: 1 } }),
      messageDelta('tool_use'),
      messageStop,
    )
    expect(parts).toContainEqual({ type: 'tool-input-delta', block: 0, text: '{"a":1}' })
  })

  it('take a signature that is said twice once', async () => {
    const signature = { type: 'signature_delta', signature: 'S' }
    const thought = block(
      0,
      { type: 'thinking', thinking: '', signature: '' },
      { type: 'thinking_delta', thinking: 'x' },
      signature,
      signature,
    )
    const parts = await readEvents(messageStart, ...thought, messageDelta('end_turn'), messageStop)
    expect(parts).toContainEqual({ type: 'reasoning-end', block: 0, carriers: [{ wire: 'messages', kind: 'signature', value: 'S' }] })
  })

  it('keep a thought whose words were left out', async () => {
    const thought = block(0, { type: 'thinking', thinking: '', signature: '' }, { type: 'signature_delta', signature: 'S' })
    const result = await foldParts(decodeStream(bytes(frame([messageStart, ...thought, messageDelta('end_turn'), messageStop]))))
    expect(result.candidates[0]?.content).toMatchObject([{ type: 'reasoning', text: [], carriers: [{ value: 'S' }] }])
  })

  it('begin with their first delta when a server leaves out their start', async () => {
    const parts = await readEvents(
      messageStart,
      { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'hi' } },
      messageDelta('end_turn'),
      messageStop,
    )
    expect(parts.map(({ type }) => type)).toEqual(['start', 'usage', 'text-start', 'text-delta', 'usage', 'text-end', 'finish'])
  })

  it('that carry compaction keep what was set in them', async () => {
    const compaction = block(
      0,
      { type: 'compaction', content: null },
      { type: 'compaction_delta', content: 'summary', encrypted_content: 'e' },
    )
    const parts = await readEvents(messageStart, ...compaction, ...textBlock(1, 'x'), messageDelta('end_turn'), messageStop)
    const raw = { type: 'compaction', content: 'summary', encrypted_content: 'e' }
    expect(parts).toContainEqual({ type: 'extra', block: 0, candidate: 0, extra: { kind: 'foreign', wire: 'messages', raw } })
  })

  it.each([
    ['a call without a name', { type: 'content_block_start', index: 0, content_block: { type: 'tool_use', id: 'x' } }],
    ['a number no answer has', { type: 'content_block_start', index: 1e9, content_block: { type: 'text', text: '' } }],
    ['input without a call', { type: 'content_block_delta', index: 0, delta: { type: 'input_json_delta', partial_json: '{' } }],
  ])('with %s end the answer', async (_name, event) => {
    expect(codeOf(await readEvents(messageStart, event, messageStop))).toBe('upstream_bad_stream')
  })
})

describe('the end', () => {
  it.each([
    ['end_turn', 'stop'],
    ['max_tokens', 'length'],
    ['stop_sequence', 'stop_sequence'],
    ['model_context_window_exceeded', 'context_window'],
    ['pause_turn', 'pause'],
    ['refusal', 'refusal'],
    ['compaction', 'pause'],
    ['tool_use', 'stop'],
    ['something_new', 'other'],
  ])('for %s is %s', async (raw, reason) => {
    expect(reasonOf(await readEvents(messageStart, ...textBlock(0, 'x'), messageDelta(raw), messageStop))).toBe(reason)
  })

  it('carries the stop sequence', async () => {
    const ending = { type: 'message_delta', delta: { stop_reason: 'stop_sequence', stop_sequence: 'END' }, usage: { output_tokens: 1 } }
    const parts = await readEvents(messageStart, ...textBlock(0, 'x'), ending, messageStop)
    expect(last(parts)).toMatchObject({ finishes: [{ reason: 'stop_sequence', stopSequence: 'END' }] })
  })

  it('gives the explanation of a refusal', async () => {
    const details = { type: 'refusal', category: 'cyber', explanation: 'No.' }
    const ending = {
      type: 'message_delta',
      delta: { stop_reason: 'refusal', stop_sequence: null, stop_details: details },
      usage: { output_tokens: 1 },
    }
    const parts = await readEvents(messageStart, ending, messageStop)
    expect(parts).toContainEqual({ type: 'refusal-delta', candidate: 0, text: 'No.' })
    expect(reasonOf(parts)).toBe('refusal')
  })

  it('of a call is told from its presence, whatever the server says', async () => {
    expect(reasonOf(await readEvents(messageStart, ...toolBlock(0, 't', 'f', '{}'), messageDelta('end_turn'), messageStop))).toBe(
      'tool_calls',
    )
  })

  it('of a call that does not parse is no success, unless it was cut short', async () => {
    const events = (reason: string) => [messageStart, ...toolBlock(0, 't', 'f', '{"a":'), messageDelta(reason), messageStop]
    expect(reasonOf(await readEvents(...events('tool_use')))).toBe('malformed_tool_call')
    expect(reasonOf(await readEvents(...events('max_tokens')))).toBe('length')
  })

  it.each([
    ['nothing at all', []],
    ['a start', [messageStart]],
    ['text', [messageStart, ...textBlock(0, 'x')]],
    ['a stop that never gave a reason', [messageStart, ...textBlock(0, 'x'), messageStop]],
  ])('after %s is an error, not a success', async (_name, events) => {
    expect(codeOf(await readEvents(...events))).toBe('stream_incomplete')
  })

  it('by the connection is enough once there is a reason', async () => {
    expect(reasonOf(await readEvents(messageStart, ...textBlock(0, 'x'), messageDelta('end_turn')))).toBe('stop')
  })

  it('with error as the reason is an error', async () => {
    expect(codeOf(await readEvents(messageStart, ...textBlock(0, 'x'), messageDelta('error'), messageStop))).toBe('upstream_error')
  })

  it.each([
    ['overloaded_error', 'upstream_error', 529],
    ['rate_limit_error', 'upstream_rate_limited', 429],
    ['invalid_request_error', 'invalid_request', 400],
    ['timeout_error', 'upstream_timeout', 504],
    ['never_heard_of', 'upstream_error', 500],
  ])('by an event of %s is %s', async (type, code, status) => {
    const parts = await readEvents(messageStart, { type: 'error', error: { type, message: 'Busy' } })
    expect(codeOf(parts)).toBe(code)
    expect(last(parts)).toMatchObject({ error: { details: { status, upstreamType: type } } })
  })

  it('by an error of another shape is still an error', async () => {
    for (const text of ['event: error\ndata: boom\n\n', 'data: {"error":{"message":"x"}}\n\n', 'event: error\ndata: {"message":"x"}\n\n']) {
      expect(codeOf(await read(frame([messageStart]) + text))).toBe('upstream_error')
    }
  })

  it('by an event that is no JSON is an error', async () => {
    expect(codeOf(await read(`${frame([messageStart])}data: {"type":\n\n`))).toBe('upstream_bad_stream')
  })

  it('by a source that throws is its error, unless the answer was finished', async () => {
    const broken = async function* (text: string) {
      yield Buffer.from(text)
      throw new RouteplaneError('idle_timeout', 'silence')
    }
    expect(codeOf(await collectParts(decodeStream(broken(frame([messageStart])))))).toBe('idle_timeout')
    expect(reasonOf(await collectParts(decodeStream(broken(frame([messageStart, messageDelta('end_turn')])))))).toBe('stop')
  })

  it('never comes twice, whatever events come in whatever order', async () => {
    const event = fc.oneof(
      fc.constantFrom<Event>(...everything, messageStart, messageStop, messageDelta('end_turn'), { type: 'error', error: {} }),
      fc.record({
        type: fc.constantFrom('content_block_start', 'content_block_delta', 'content_block_stop', 'message_delta'),
        index: fc.anything(),
        content_block: fc.anything(),
        delta: fc.anything(),
        usage: fc.anything(),
      }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(event, { maxLength: 12 }), async (events) => {
        const texts = events.map((each) => {
          try {
            return frame([JSON.parse(JSON.stringify(each)) as Event])
          } catch {
            return ''
          }
        })
        const parts = await read(texts.join(''))
        expect(parts.filter(({ type }) => type === 'finish' || type === 'error')).toHaveLength(1)
      }),
      { numRuns: 300 },
    )
  })
})
