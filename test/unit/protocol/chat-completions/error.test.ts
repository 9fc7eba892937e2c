/** Errors on this wire: OpenAI's shape for callers, fault and money kept; upstream words cleaned. */
import { describe, expect, it } from 'vitest'
import { RouteplaneError, errorTable, type ErrorCode } from '../../../../src/errors.ts'
import { chatCompletions } from '../../../../src/protocol/chat-completions/index.ts'

const { encodeError } = chatCompletions.caller
const { decodeError } = chatCompletions.upstream

describe('encodeError', () => {
  it.each(Object.keys(errorTable) as ErrorCode[])('writes %s in a shape SDKs read', (code) => {
    const { status, body, event } = encodeError(new RouteplaneError(code, 'it is so', { details: { path: 'a.b' } }), 'req_1')
    expect(status).toBe(errorTable[code].status)
    expect(body).toMatchObject({ error: { message: 'it is so', param: 'a.b', code, money: 'untouched', request_id: 'req_1' } })
    expect(event).toBe(`data: ${JSON.stringify(body)}\n\n`)
  })

  it('never invites a retry once money is on its way', () => {
    expect(encodeError(new RouteplaneError('upstream_timeout', 'late', { money: 'signed' }), 'r').status).toBe(424)
  })

  it('adds the hint to the message, and gives upstream codes that clients act on', () => {
    const error = new RouteplaneError('invalid_request', 'too long.', {
      hint: 'Shorten it.',
      details: { upstreamCode: 'context_length_exceeded' },
    })
    expect(encodeError(error, 'r').body).toMatchObject({
      error: { message: 'too long. Shorten it.', code: 'context_length_exceeded', param: null, hint: 'Shorten it.' },
    })
    const other = new RouteplaneError('upstream_error', 'x', { details: { upstreamCode: 'weird' } })
    expect(encodeError(other, 'r').body).toMatchObject({ error: { code: 'upstream_error' } })
  })
})

describe('decodeError', () => {
  it.each([
    [400, 'invalid_request'],
    [401, 'upstream_error'],
    [402, 'upstream_error'],
    [403, 'upstream_error'],
    [404, 'upstream_error'],
    [408, 'upstream_timeout'],
    [413, 'body_too_large'],
    [422, 'invalid_request'],
    [429, 'upstream_rate_limited'],
    [500, 'upstream_error'],
    [503, 'upstream_error'],
    [504, 'upstream_timeout'],
    [529, 'upstream_error'],
  ])('reads %i as %s', (status, code) => {
    const error = decodeError(status, '{"error":{"message":"so it is","type":"t","code":"c","param":"p"}}')
    expect(error).toMatchObject({ code, details: { status, upstreamCode: 'c', upstreamType: 't', path: 'p' } })
    expect(error.message).toContain('so it is')
  })

  it.each([
    '',
    'plain words',
    '{',
    '[]',
    'null',
    '{"detail":"x"}',
    '{"message":"x"}',
    '{"error":"x"}',
    '{"error":{"message":{"a":1}}}',
    '<html>',
  ])('reads the body %j', (body) => {
    expect(decodeError(500, body).code).toBe('upstream_error')
  })

  it.each(['[{"error":{"message":"no such luck"}}]', '{"success":false,"errors":[{"code":7000,"message":"no such luck"}]}'])(
    'finds the words in the list %s',
    (body) => {
      expect(decodeError(500, body).message).toContain('no such luck')
    },
  )

  it.each([
    '{"error":{"message":"Your input exceeds the context window","code":null}}',
    '{"error":{"message":"prompt is too long: 5 tokens > 4 maximum"}}',
    '{"error":{"message":"This model\'s maximum context length is 4 tokens","code":"context_length_exceeded"}}',
  ])('knows an overflowing context: %s', (body) => {
    expect(decodeError(400, body).details['upstreamCode']).toBe('context_length_exceeded')
  })

  it('shows no keys, no signatures, no control characters and not too much', () => {
    const text = `bad key sk-abcdef1234567890 at https://x.example/?key=abcdefghij \u001b[31m\r\nx: y ${'f'.repeat(64)} ${'long '.repeat(500)}`
    const { message } = decodeError(401, JSON.stringify({ error: { message: text } }))
    expect(message).not.toMatch(/sk-abcdef|key=abc|\p{Cc}|[\r\n]|f{64}/u)
    expect(message.length).toBeLessThan(400)
  })
})
