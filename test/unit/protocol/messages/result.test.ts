/** Whole answers, figures and errors of Messages, in both directions. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { CompletionResult } from '../../../../src/completion/result.ts'
import type { Content } from '../../../../src/completion/request.ts'
import { amend, RouteplaneError } from '../../../../src/errors.ts'
import { decodeError as decodeChatError } from '../../../../src/protocol/chat-completions/error.ts'
import { decodeError, encodeError } from '../../../../src/protocol/messages/error.ts'
import { decodeResult, encodeResult } from '../../../../src/protocol/messages/result.ts'
import { decodeUsage, encodeUsage, joinUsage } from '../../../../src/protocol/messages/usage.ts'
import { messages } from '../../../../src/protocol/messages/index.ts'
import { ask, context, usage, wireOf } from './support.ts'

const answer = {
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  model: 'claude-x',
  content: [{ type: 'text', text: 'hi' }],
  stop_reason: 'end_turn',
  stop_sequence: null,
  usage: { input_tokens: 3, output_tokens: 2 },
}
const resultOf = (...content: readonly Content[]): CompletionResult => ({
  id: 'chatcmpl-1',
  model: 'm',
  candidates: [{ index: 0, content, extras: [], finish: { candidate: 0, reason: 'stop' } }],
  usage: usage(10, 3),
})

describe('a whole answer', () => {
  it('is read', () => {
    expect(decodeResult(answer)).toMatchObject({
      id: 'msg_1',
      model: 'claude-x',
      candidates: [{ content: [{ type: 'text', text: 'hi' }], finish: { reason: 'stop', raw: 'end_turn' } }],
      usage: { inputTokens: 3, outputTokens: 2 },
    })
  })

  it.each([
    ['nothing', undefined],
    ['another wire\u2019s answer', { choices: [] }],
    ['an error', { type: 'error', error: { type: 'overloaded_error', message: 'Busy' } }],
    ['an error as its reason', { ...answer, stop_reason: 'error' }],
  ])('that is %s is an error', (_name, body) => {
    expect(() => decodeResult(body)).toThrow(RouteplaneError)
  })

  it('is written with all that clients read', () => {
    expect(encodeResult(resultOf({ type: 'text', text: 'hi' }), context)).toEqual({
      id: 'msg_chatcmpl-1',
      type: 'message',
      role: 'assistant',
      model: 'm',
      content: [{ type: 'text', text: 'hi' }],
      stop_reason: 'end_turn',
      stop_sequence: null,
      usage: {
        input_tokens: 10,
        cache_creation_input_tokens: null,
        cache_read_input_tokens: null,
        cache_creation: null,
        output_tokens: 3,
        server_tool_use: null,
        service_tier: null,
      },
    })
  })

  it('takes every signature round a conversation and gives it back where it was', () => {
    const thought = { wire: 'responses', provider: 'openai', kind: 'encrypted_content', value: 'gAAA', itemId: 'rs_1' } as const
    const signature = { wire: 'generate_content', provider: 'google', kind: 'thought_signature', value: 'c2ln' } as const
    const input = { kind: 'json', text: '{"a":1}', value: { a: 1 } } as const
    const content: readonly Content[] = [
      { type: 'reasoning', form: 'full', text: ['hm'], carriers: [thought] },
      { type: 'reasoning', form: 'omitted', text: [], carriers: [thought] },
      { type: 'text', text: 'x', carriers: [signature] },
      { type: 'tool-call', id: 'call_1', name: 'f', arguments: input, carriers: [signature] },
      { type: 'tool-call', id: 'call_2', name: 'f', arguments: input },
    ]
    const written = encodeResult(resultOf(...content), context) as { content: readonly unknown[] }
    const results = ['call_1', 'call_2'].map((id) => ({ type: 'tool_result', tool_use_id: id, content: 'ok' }))
    const history = [...ask.messages, { role: 'assistant', content: written.content }, { role: 'user', content: results }]
    const { turns } = messages.caller.decodeRequest(wireOf({ ...ask, messages: history }))
    expect(turns[1]?.parts).toEqual(content)
  })

  it('that cannot be told from a failure is one', () => {
    const broken = {
      ...resultOf(),
      candidates: [{ index: 0, content: [], extras: [], finish: { candidate: 0, reason: 'error' as const } }],
    }
    expect(() => encodeResult(broken, context)).toThrow('error')
  })

  it('read and written again says the same', () => {
    const block = fc.oneof(
      fc.string({ minLength: 1 }).map((text) => ({ type: 'text', text })),
      fc.record({ type: fc.constant('thinking'), thinking: fc.string(), signature: fc.base64String({ minLength: 4 }) }),
      fc.record({
        type: fc.constant('tool_use'),
        id: fc.stringMatching(/^[a-z0-9_]{1,20}$/),
        name: fc.stringMatching(/^[a-z_]{1,10}$/),
        input: fc
          .dictionary(fc.string(), fc.jsonValue({ maxDepth: 2 }))
          .map((input) => JSON.parse(JSON.stringify(input)) as Record<string, unknown>),
      }),
    )
    fc.assert(
      fc.property(fc.array(block, { maxLength: 5 }), (content) => {
        const calls = content.some(({ type }) => type === 'tool_use')
        const body = { ...answer, content, stop_reason: calls ? 'tool_use' : 'end_turn' }
        expect(encodeResult(decodeResult(body), context)).toMatchObject({ content, stop_reason: body.stop_reason, id: 'msg_1' })
      }),
    )
  })
})

describe('figures', () => {
  it('have the cache within the input inside, and beside it here', () => {
    const raw = { input_tokens: 5, cache_read_input_tokens: 70, cache_creation_input_tokens: 25, output_tokens: 9 }
    expect(decodeUsage(raw)).toMatchObject({ inputTokens: 100, cacheReadTokens: 70, cacheWriteTokens: 25, outputTokens: 9 })
    expect(encodeUsage(decodeUsage(raw), { inputTokens: 0, outputTokens: 0 })).toMatchObject(raw)
  })

  it('of the cache are found by lifetime, too', () => {
    const creation = { ephemeral_5m_input_tokens: 2, ephemeral_1h_input_tokens: 3 }
    expect(decodeUsage({ input_tokens: 5, cache_creation: creation, output_tokens: 1 })).toMatchObject({
      inputTokens: 10,
      cacheWriteTokens: 5,
      cacheWrite1hTokens: 3,
    })
  })

  it('of all iterations are billed, the summary\u2019s too', () => {
    const iterations = [
      { type: 'compaction', input_tokens: 60_000, output_tokens: 500 },
      { type: 'message', input_tokens: 700, output_tokens: 900 },
    ]
    expect(decodeUsage({ input_tokens: 700, output_tokens: 900, iterations })).toMatchObject({ inputTokens: 60_700, outputTokens: 1400 })
  })

  it.each([undefined, null, {}, { input_tokens: -1 }, { input_tokens: 1.5, output_tokens: 'x' }, { output_tokens: 1e12 }])(
    'that are %o are unknown, not zero',
    (raw) => {
      expect(decodeUsage(raw)).toBeUndefined()
    },
  )

  it('of which one is unknown have one that is unknown', () => {
    expect(decodeUsage({ output_tokens: 5 })).toMatchObject({ inputTokens: undefined, outputTokens: 5 })
  })

  it('that come later win, but nothing does not undo something', () => {
    const start = { input_tokens: 10, cache_read_input_tokens: 5, output_tokens: 1 }
    expect(joinUsage(start, { output_tokens: 7 })).toEqual({ ...start, output_tokens: 7 })
    expect(joinUsage(start, { input_tokens: 0, cache_read_input_tokens: 0, output_tokens: 7 })).toEqual({ ...start, output_tokens: 7 })
    expect(joinUsage(start, { input_tokens: 90, output_tokens: 7, cache_read_input_tokens: null })).toEqual({
      ...start,
      input_tokens: 90,
      output_tokens: 7,
    })
    expect(joinUsage({ input_tokens: 0 }, { input_tokens: 4, output_tokens: 1 })).toEqual({ input_tokens: 4, output_tokens: 1 })
  })
})

describe('errors', () => {
  const written = (error: RouteplaneError) => encodeError(error, 'req_1')

  it.each([
    ['invalid_request', 400, 'invalid_request_error'],
    ['unauthorized', 401, 'authentication_error'],
    ['budget_exceeded', 403, 'permission_error'],
    ['model_not_found', 404, 'not_found_error'],
    ['method_not_allowed', 405, 'invalid_request_error'],
    ['body_too_large', 413, 'request_too_large'],
    ['unsupported_media_type', 415, 'invalid_request_error'],
    ['no_eligible_endpoint', 422, 'invalid_request_error'],
    ['payment_outcome_unknown', 424, 'api_error'],
    ['upstream_rate_limited', 429, 'rate_limit_error'],
    ['internal', 500, 'api_error'],
    ['upstream_error', 502, 'api_error'],
    ['overloaded', 529, 'overloaded_error'],
    ['upstream_timeout', 504, 'timeout_error'],
  ] as const)('of %s are %i %s', (code, status, type) => {
    expect(written(new RouteplaneError(code, 'text'))).toMatchObject({
      status,
      body: { type: 'error', error: { type, message: 'text', details: { error_code: code } }, request_id: 'req_1' },
    })
  })

  it('after a signature are never retried by an SDK', () => {
    const error = new RouteplaneError('upstream_error', 'x', { money: 'signed', details: { status: 529 } })
    expect(written(error)).toMatchObject({ status: 424, body: { error: { type: 'api_error', details: { money: 'signed' } } } })
  })

  it('of an upstream that is busy are told apart', () => {
    expect(written(decodeError(529, '{"error":{"type":"overloaded_error","message":"Overloaded"}}'))).toMatchObject({
      status: 529,
      body: { error: { type: 'overloaded_error' } },
    })
  })

  it.each([
    [
      '{"error":{"code":"context_length_exceeded","message":"This model\'s maximum context length is 128000 tokens. However, your messages resulted in 130512 tokens."}}',
    ],
    ['{"error":{"message":"The input token count (130,512) exceeds the maximum context window (128,000)."}}'],
    ['{"error":{"message":"prompt is too long: 130512 tokens > 128000 maximum"}}'],
  ])('of a prompt that is too long have the words that clients wait for', (body) => {
    expect(written(decodeChatError(400, body))).toMatchObject({
      status: 400,
      body: { error: { type: 'invalid_request_error', message: 'prompt is too long: 130512 tokens > 128000 maximum' } },
    })
  })

  it('of a prompt that is too long fall through to a model with more room', () => {
    expect(
      decodeError(400, '{"error":{"type":"invalid_request_error","message":"prompt is too long: 2 tokens > 1 maximum"}}').details,
    ).toMatchObject({
      class: 'context_overflow',
      upstreamCode: 'context_length_exceeded',
      status: 400,
    })
  })

  it('of the vendor go on word for word to who speaks its wire', () => {
    const text =
      '{"type":"error","error":{"type":"invalid_request_error","message":"messages.1.content.0: Invalid `signature` in `thinking` block"},"request_id":"req_v"}'
    const reply = (status: number) => ({ wire: 'messages', status, contentType: 'application/json', body: Buffer.from(text) })
    const error = (status: number) => amend(decodeError(status, text), { reply: reply(status) })
    expect(written(error(400))).toMatchObject({ status: 400, body: JSON.parse(text) as object })
    expect(JSON.stringify(written(error(401)).body)).not.toContain('req_v')
    expect(JSON.stringify(written(amend(error(400), { money: 'signed' })).body)).not.toContain('req_v')
  })

  it('never carry a key of the upstream', () => {
    const body = '{"error":{"message":"invalid key sk-ant-api03-abcdefghijkl"}}'
    expect(JSON.stringify(written(decodeError(401, body)))).not.toContain('abcdefghijkl')
  })

  it('of any text are errors of this wire', () => {
    fc.assert(
      fc.property(fc.integer({ min: 300, max: 599 }), fc.oneof(fc.string(), fc.json()), (status, body) => {
        expect(written(decodeError(status, body))).toMatchObject({ body: { type: 'error', error: { message: expect.any(String) } } })
      }),
    )
  })
})
