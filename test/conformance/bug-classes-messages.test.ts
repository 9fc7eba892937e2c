/** Mistakes seen in other gateways that Messages could make; one block for each class. */
import { describe, expect, it } from 'vitest'
import { foldParts } from '../../src/completion/fold.ts'
import type { CompletionPart, SignatureCarrier } from '../../src/completion/part.ts'
import type { CompletionRequest, Content, Turn } from '../../src/completion/request.ts'
import { RouteplaneError } from '../../src/errors.ts'
import { decodeError as decodeChatError } from '../../src/protocol/chat-completions/error.ts'
import { encodeRequest } from '../../src/protocol/messages/request-encode.ts'
import { messages } from '../../src/protocol/messages/index.ts'
import {
  ask,
  block,
  bytes,
  context,
  eventsOf,
  finishPart,
  frame,
  messageDelta,
  messageStart,
  messageStop,
  neutral,
  startPart,
  textBlock,
  toolBlock,
  wireOf,
  type Event,
} from '../unit/protocol/messages/support.ts'
import { collectEvents, collectParts, oneByOne } from '../support/parts.ts'

const { decodeStream, decodeResult, decodeError } = messages.upstream
const read = (...events: readonly Event[]) => collectParts(decodeStream(bytes(frame(events))))
const write = async (...parts: readonly CompletionPart[]) =>
  eventsOf(await collectEvents(messages.caller.encodeStream(oneByOne(parts), context)))
const encode = (changes: Partial<CompletionRequest>, model = 'claude-sonnet-4-5') =>
  encodeRequest({ ...neutral, maxOutputTokens: 100, ...changes }, { model, stream: false })
type WireMessage = { readonly role: string; readonly content: readonly Event[] }
const messagesOf = (changes: Partial<CompletionRequest>) => encode(changes).body['messages'] as readonly WireMessage[]
const turn = (role: Turn['role'], ...parts: readonly Content[]): Turn => ({ role, parts })
const text = (said: string): Content => ({ type: 'text', text: said })
const callOf = (id: string): Content => ({ type: 'tool-call', id, name: 'f', arguments: { kind: 'json', text: '{}', value: {} } })
const resultOf = (callId: string): Content => ({ type: 'tool-result', callId, isError: false, content: [{ type: 'text', text: 'ok' }] })
const signed = (carrier: Partial<SignatureCarrier>): Content => ({
  type: 'reasoning',
  form: 'full',
  text: ['hm'],
  carriers: [{ wire: 'messages', kind: 'signature', value: 'S==', ...carrier }],
})

describe('class 4: input cut anywhere', () => {
  it('is put together as text and parsed once', async () => {
    const result = await foldParts(
      decodeStream(
        bytes(
          frame([
            messageStart,
            ...toolBlock(0, 't', 'f', '{"a":"\\', 'u00', 'e9\\ud83d', '\\ude00"}'),
            messageDelta('tool_use'),
            messageStop,
          ]),
        ),
      ),
    )
    expect(result.candidates[0]?.content).toMatchObject([{ arguments: { kind: 'json', value: { a: 'é😀' } } }])
  })
})

describe('class 5: tools without arguments', () => {
  it('a call without one delta has an empty object', async () => {
    expect(await read(messageStart, ...toolBlock(0, 't', 'f'), messageDelta('tool_use'), messageStop)).toContainEqual({
      type: 'tool-input-delta',
      block: 0,
      text: '{}',
    })
  })
})

describe('class 6: arguments that were cut short', () => {
  it('are never taken for a whole call', async () => {
    const events = (reason: string) => [messageStart, ...toolBlock(0, 't', 'f', '{"a'), messageDelta(reason), messageStop]
    expect((await read(...events('max_tokens'))).at(-1)).toMatchObject({ finishes: [{ reason: 'length' }] })
    expect((await read(...events('tool_use'))).at(-1)).toMatchObject({ finishes: [{ reason: 'malformed_tool_call' }] })
  })
})

describe('class 7: empty texts', () => {
  it('never reach the vendor', () => {
    const written = messagesOf({
      turns: [turn('user', text(''), text('x')), turn('assistant', text(''), callOf('1')), turn('tool', resultOf('1'))],
    })
    expect(JSON.stringify(written)).not.toContain('"text":""')
    expect(written.map(({ content }) => content.length)).toEqual([1, 1, 1])
  })

  it('in an answer without anything are no blocks', async () => {
    expect((await write(startPart, finishPart())).map(({ type }) => type)).toEqual(['message_start', 'message_delta', 'message_stop'])
  })
})

describe('class 8: results of tools', () => {
  it('follow their calls in one user message, first in it', () => {
    const turns = [
      turn('user', text('a')),
      turn('assistant', callOf('1'), callOf('2')),
      turn('tool', resultOf('1')),
      turn('user', text('b')),
      turn('tool', resultOf('2')),
    ]
    expect(messagesOf({ turns })[2]?.content.map(({ type }) => type)).toEqual(['tool_result', 'tool_result', 'text'])
  })
})

describe('class 9: signatures', () => {
  it('of another wire, or of nobody, never reach the vendor', () => {
    const foreign = signed({ wire: 'responses', kind: 'encrypted_content', value: 'gAAAAforeign' })
    const nobody: Content = { type: 'reasoning', form: 'full', text: ['hm'], carriers: [] }
    for (const thought of [foreign, nobody]) {
      const { body, losses } = encode({ turns: [turn('user', text('a')), turn('assistant', thought, text('x')), turn('user', text('b'))] })
      expect(JSON.stringify(body)).not.toMatch(/gAAAA|thinking|signature/)
      expect(losses.map(({ feature }) => feature)).toEqual(['reasoning.replay'])
    }
  })

  it('of the vendor come back as they were', () => {
    expect(
      messagesOf({ turns: [turn('user', text('a')), turn('assistant', signed({}), text('x')), turn('user', text('b'))] })[1]?.content[0],
    ).toEqual({
      type: 'thinking',
      thinking: 'hm',
      signature: 'S==',
    })
  })

  it('are written whole in one delta', async () => {
    const parts = await read(
      messageStart,
      ...block(
        0,
        { type: 'thinking', thinking: '' },
        { type: 'thinking_delta', thinking: 'hm' },
        { type: 'signature_delta', signature: 'long=='.repeat(500) },
      ),
      messageDelta('end_turn'),
      messageStop,
    )
    const deltas = (await write(...parts)).filter(({ delta }) => (delta as Event | undefined)?.['type'] === 'signature_delta')
    expect(deltas).toHaveLength(1)
  })
})

describe('class 10: thoughts bind what stands before them', () => {
  it('so that one that cannot be replayed takes the others with it', () => {
    const foreign = signed({ wire: 'generate_content', kind: 'thought_signature', value: 'x' })
    const { body } = encode({
      turns: [
        turn('user', text('a')),
        turn('assistant', signed({}), text('x')),
        turn('user', text('b')),
        turn('assistant', foreign, text('y')),
        turn('user', text('c')),
      ],
    })
    expect(JSON.stringify(body)).not.toContain('thinking')
  })
})

describe('class 16: the life of a stream', () => {
  it('is whole even when a source leaves out its beginning', async () => {
    const events = await write(
      { type: 'text-start', block: 0, candidate: 0 },
      { type: 'text-delta', block: 0, text: 'x' },
      { type: 'text-end', block: 0 },
      finishPart(),
    )
    expect(events.map(({ type }) => type)).toEqual([
      'message_start',
      'content_block_start',
      'content_block_delta',
      'content_block_stop',
      'message_delta',
      'message_stop',
    ])
  })
})

describe('class 18: the order of text and calls', () => {
  it('is kept', async () => {
    const parts = await read(
      messageStart,
      ...textBlock(0, 'a'),
      ...toolBlock(1, 't', 'f', '{}'),
      ...textBlock(2, 'b'),
      messageDelta('tool_use'),
      messageStop,
    )
    const starts = (await write(...parts)).flatMap(({ content_block }) =>
      content_block === undefined ? [] : [(content_block as Event)['type']],
    )
    expect(starts).toEqual(['text', 'tool_use', 'text'])
  })
})

describe('class 19: roles', () => {
  it('that nobody knows are refused, not taken for the user', () => {
    expect(() => messages.caller.read(wireOf({ ...ask, messages: [...ask.messages, { role: 'critic', content: 'x' }] }))).toThrow(
      'messages[1].role',
    )
  })
})

describe('class 20: images in results', () => {
  it('stay in them', () => {
    const image: Content = {
      type: 'tool-result',
      callId: '1',
      isError: false,
      content: [{ type: 'image', source: { kind: 'url', url: 'https://a.test/x.png' } }],
    }
    expect(
      messagesOf({ turns: [turn('user', text('a')), turn('assistant', callOf('1')), turn('tool', image)] })[2]?.content[0],
    ).toMatchObject({
      content: [{ type: 'image', source: { type: 'url' } }],
    })
  })
})

describe('class 22: ids of calls', () => {
  it('fit the wire, and stay those of their results', () => {
    const written = messagesOf({ turns: [turn('user', text('a')), turn('assistant', callOf('fn:1 ü')), turn('tool', resultOf('fn:1 ü'))] })
    const id = written[1]?.content[0]?.['id']
    expect(id).toMatch(/^[A-Za-z0-9_-]+$/)
    expect(written[2]?.content[0]?.['tool_use_id']).toBe(id)
  })
})

describe('class 24: cached tokens', () => {
  it('are counted once in both directions', () => {
    const raw = { input_tokens: 1, cache_read_input_tokens: 100, cache_creation_input_tokens: 10, output_tokens: 5 }
    const result = decodeResult({ id: 'msg_1', content: [], stop_reason: 'end_turn', model: 'm', usage: raw })
    expect(result.usage?.inputTokens).toBe(111)
    expect(messages.caller.encodeResult(result, context)).toMatchObject({ usage: raw })
  })
})

describe('class 26: [DONE]', () => {
  it('is never written, and does no harm', async () => {
    expect(JSON.stringify(await write(startPart, finishPart()))).not.toContain('[DONE]')
    const parts = await collectParts(decodeStream(bytes(`data: [DONE]\n\n${frame([messageStart, messageDelta('end_turn'), messageStop])}`)))
    expect(parts.at(-1)?.type).toBe('finish')
  })
})

describe('class 27: an end that nobody said', () => {
  it('is an error in both directions', async () => {
    expect((await read(messageStart, ...textBlock(0, 'x'))).at(-1)).toMatchObject({ type: 'error', error: { code: 'stream_incomplete' } })
    expect((await write(startPart)).at(-1)?.['type']).toBe('error')
  })
})

describe('class 28: success that is none', () => {
  it('is an error, whole and streamed', async () => {
    expect(() => decodeResult({ type: 'error', error: { type: 'overloaded_error', message: 'x' } })).toThrow(RouteplaneError)
    expect((await read(messageStart, messageDelta('error'), messageStop)).at(-1)?.type).toBe('error')
  })
})

describe('class 31: temperatures', () => {
  it('end at 1, and are left out where none is taken', () => {
    expect(encode({ sampling: { temperature: 2 } }).body['temperature']).toBe(1)
    expect(encode({ sampling: { temperature: 2 } }, 'claude-opus-5-5').body).not.toHaveProperty('temperature')
  })
})

describe('class 32: limits', () => {
  it('come from the record of the model, and leave room for thinking', () => {
    const { maxOutputTokens: _, ...open } = { ...neutral, maxOutputTokens: 1 }
    const { body } = encodeRequest(
      { ...open, reasoning: { budgetTokens: 60_000 } },
      { model: 'claude-sonnet-4-5', stream: false, maxOutputTokens: 64_000 },
    )
    expect(body).toMatchObject({ max_tokens: 64_000, thinking: { budget_tokens: 60_000 } })
  })
})

describe('class 33: stop sequences', () => {
  it('name the one that matched, in both directions', async () => {
    const ending = { type: 'message_delta', delta: { stop_reason: 'stop_sequence', stop_sequence: 'END' }, usage: { output_tokens: 1 } }
    const parts = await read(messageStart, ...textBlock(0, 'x'), ending, messageStop)
    expect((await write(...parts)).at(-2)).toMatchObject({ delta: { stop_reason: 'stop_sequence', stop_sequence: 'END' } })
  })
})

describe('classes 35 and 36: errors in a stream', () => {
  it('have the shape of this wire, and no key of the upstream', async () => {
    const error = decodeChatError(401, '{"error":{"message":"bad key sk-proj-abcdefghijklmnop"}}')
    const last = (await write(startPart, { type: 'error', error })).at(-1)
    expect(last).toMatchObject({ type: 'error', error: { type: 'api_error', message: expect.any(String) } })
    expect(JSON.stringify(last)).not.toContain('abcdefghijklmnop')
    expect(JSON.stringify(messages.caller.encodeError(decodeError(500, 'at https://x/?key=AIzaSySecretSecret'), 'r'))).not.toContain(
      'SecretSecret',
    )
  })
})

describe('class 37: cache marks', () => {
  it('are at most four, and never on a thought or an empty text', () => {
    const marked = (said: string): Content => ({ type: 'text', text: said, cache: {} })
    const written = messagesOf({
      turns: [
        turn('user', ...['a', 'b', '', 'c', 'd', 'e'].map(marked)),
        turn('assistant', signed({}), text('x')),
        turn('user', text('y')),
      ],
    })
    const places = written.flatMap(({ content }) => content).filter((each) => each['cache_control'] !== undefined)
    expect(places.map((each) => each['text'])).toEqual(['b', 'c', 'd', 'e'])
  })
})

describe('class 42: a message that starts twice', () => {
  it('is read once, and never written so', async () => {
    const parts = await read(messageStart, messageStart, ...textBlock(0, 'x'), messageDelta('end_turn'), messageStop, messageStart)
    expect(parts.filter(({ type }) => type === 'start')).toHaveLength(1)
    expect((await write(...parts)).filter(({ type }) => type === 'message_start')).toHaveLength(1)
  })
})
