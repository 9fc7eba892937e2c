/** Errors in both directions: Google's shape for callers, whose fault an upstream's answer is, and when to come again. */
import { describe, expect, it } from 'vitest'
import { RouteplaneError, type ErrorCode } from '../../../../src/errors.ts'
import { decodeError, decodeErrorObject, encodeError } from '../../../../src/protocol/generate-content/error.ts'

const detail = (type: string, members: object) => ({ '@type': `type.googleapis.com/google.rpc.${type}`, ...members })
const answer = (code: number, status: string, message: string, details: readonly object[] = []) =>
  JSON.stringify({ error: { code, message, status, details } })

describe('encodeError', () => {
  it.each([
    ['invalid_request', 400, 'INVALID_ARGUMENT'],
    ['bad_target', 400, 'INVALID_ARGUMENT'],
    ['unauthorized', 401, 'UNAUTHENTICATED'],
    ['budget_exceeded', 403, 'PERMISSION_DENIED'],
    ['model_not_found', 404, 'NOT_FOUND'],
    ['method_not_allowed', 405, 'UNIMPLEMENTED'],
    ['body_too_large', 413, 'INVALID_ARGUMENT'],
    ['no_eligible_endpoint', 422, 'FAILED_PRECONDITION'],
    ['payment_outcome_unknown', 424, 'FAILED_PRECONDITION'],
    ['upstream_rate_limited', 429, 'RESOURCE_EXHAUSTED'],
    ['cancelled', 499, 'CANCELLED'],
    ['internal', 500, 'INTERNAL'],
    ['upstream_error', 502, 'INTERNAL'],
    ['overloaded', 503, 'UNAVAILABLE'],
    ['upstream_timeout', 504, 'DEADLINE_EXCEEDED'],
  ] as const)('%s is %i %s', (code: ErrorCode, status, name) => {
    const encoded = encodeError(new RouteplaneError(code, 'no'), 'req_1')
    expect(encoded).toMatchObject({ status, body: { error: { code: status, status: name, message: 'no' } } })
    expect(JSON.parse(encoded.event.slice(6))).toEqual(encoded.body)
    expect(encoded.event.endsWith('\n\n')).toBe(true)
  })

  it('says its own code, where, and when to come again', () => {
    const error = new RouteplaneError('upstream_rate_limited', 'slow down', {
      details: { path: 'contents[0]' },
      retryAfterMs: 1500,
      hint: 'Wait.',
    })
    expect(encodeError(error, 'req_1').body).toMatchObject({
      error: {
        message: 'slow down. Wait.',
        details: [
          {
            '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
            reason: 'UPSTREAM_RATE_LIMITED',
            domain: 'routeplane',
            metadata: { money: 'untouched', requestId: 'req_1' },
          },
          { fieldViolations: [{ field: 'contents[0]' }] },
          { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '2s' },
        ],
      },
    })
  })

  it('is never retried by a status when money has moved', () => {
    expect(encodeError(new RouteplaneError('upstream_error', 'x', { money: 'signed' }), 'r').status).toBe(424)
  })

  it('says in Google\u2019s words that a conversation is too long', () => {
    const error = new RouteplaneError('invalid_request', 'prompt over limit', { details: { upstreamCode: 'context_length_exceeded' } })
    expect(encodeError(error, 'r').body).toMatchObject({
      error: { message: expect.stringContaining('input token count exceeds the maximum') },
    })
  })
})

describe('decodeError', () => {
  it.each([
    [400, answer(400, 'INVALID_ARGUMENT', 'bad field'), 'invalid_request'],
    [400, answer(400, 'INVALID_ARGUMENT', 'API key not valid', [detail('ErrorInfo', { reason: 'API_KEY_INVALID' })]), 'upstream_error'],
    [400, answer(400, 'FAILED_PRECONDITION', 'User location is not supported'), 'upstream_error'],
    [401, answer(401, 'UNAUTHENTICATED', 'who'), 'upstream_error'],
    [403, answer(403, 'PERMISSION_DENIED', 'no'), 'upstream_error'],
    [404, answer(404, 'NOT_FOUND', 'no model'), 'upstream_error'],
    [413, 'too large', 'body_too_large'],
    [429, answer(429, 'RESOURCE_EXHAUSTED', 'slow'), 'upstream_rate_limited'],
    [500, answer(500, 'INTERNAL', 'oops'), 'upstream_error'],
    [503, `[${answer(503, 'UNAVAILABLE', 'overloaded')}]`, 'upstream_error'],
    [504, answer(504, 'DEADLINE_EXCEEDED', 'slow'), 'upstream_timeout'],
    [502, '<html>', 'upstream_error'],
    [500, '', 'upstream_error'],
  ])('%i %s is %s', (status, body, code) => {
    expect(decodeError(status, body)).toMatchObject({ code, details: { status } })
  })

  it('reads when to come again, what was wrong and where', () => {
    const details = [detail('RetryInfo', { retryDelay: '34.4s' }), detail('BadRequest', { fieldViolations: [{ field: 'contents[0]' }] })]
    expect(decodeError(429, answer(429, 'RESOURCE_EXHAUSTED', 'quota', details))).toMatchObject({
      retryAfterMs: 34_400,
      details: { path: 'contents[0]', upstreamCode: 'RESOURCE_EXHAUSTED' },
    })
    expect(
      decodeError(400, answer(400, 'INVALID_ARGUMENT', 'The input token count (9) exceeds the maximum number of tokens allowed (8).')),
    ).toMatchObject({
      details: { upstreamCode: 'context_length_exceeded' },
    })
  })

  it('lets no key through in the upstream\u2019s words', () => {
    const { message } = decodeError(
      500,
      answer(500, 'INTERNAL', 'failed for https://x.test/?key=AIzaSecretKey\u0007\nline, key:AIzaSecretKey'),
    )
    expect(message).not.toContain('AIzaSecretKey')
    expect(message).not.toMatch(/[\u0000-\u001f]/)
  })

  it('finds a status in an error that came with a 200', () => {
    expect(decodeErrorObject({ code: 503, message: 'x' }).details).toMatchObject({ status: 503 })
    expect(decodeErrorObject({ status: 'RESOURCE_EXHAUSTED', message: 'x' }).code).toBe('upstream_rate_limited')
    expect(decodeErrorObject('plain text').code).toBe('upstream_error')
  })
})
