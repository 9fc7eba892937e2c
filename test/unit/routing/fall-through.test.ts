/** What follows a failure: the next way, the next endpoint, or the caller; and never a second payment by accident. */
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { errorTable, isCommitted, RouteplaneError, type ErrorCode, type MoneyState } from '../../../src/errors.ts'
import { fallThrough, type FallThrough } from '../../../src/routing/fall-through.ts'

const options = { onUnknown: 'fail', aborted: false } as const

function after(code: ErrorCode, details: Readonly<Record<string, unknown>> = {}, money: MoneyState = 'untouched'): FallThrough {
  return fallThrough(new RouteplaneError(code, 'x', { details, money }), options)
}

describe('fallThrough', () => {
  it.each<[number, FallThrough]>([
    [400, 'caller'],
    [401, 'next-mode'],
    [402, 'next-mode'],
    [403, 'next-mode'],
    [404, 'next-endpoint'],
    [408, 'next-endpoint'],
    [413, 'caller'],
    [422, 'caller'],
    [429, 'next-endpoint'],
    [500, 'next-endpoint'],
    [503, 'next-endpoint'],
    [529, 'next-endpoint'],
  ])('after status %i is %s', (status, verdict) => {
    expect(after('upstream_error', { status })).toBe(verdict)
  })

  it.each<[ErrorCode, Readonly<Record<string, unknown>>, FallThrough]>([
    ['upstream_unreachable', {}, 'next-endpoint'],
    ['upstream_timeout', {}, 'next-endpoint'],
    ['upstream_error', {}, 'next-endpoint'],
    ['upstream_bad_stream', {}, 'next-endpoint'],
    ['stream_incomplete', {}, 'next-endpoint'],
    ['idle_timeout', {}, 'next-endpoint'],
    ['upstream_rate_limited', { status: 429 }, 'next-endpoint'],
    ['invalid_request', { status: 400, upstreamCode: 'context_length_exceeded' }, 'next-endpoint'],
    ['body_too_large', { status: 413, upstreamCode: 'context_length_exceeded' }, 'next-endpoint'],
    ['invalid_request', { status: 400, upstreamCode: 'content_policy_violation' }, 'next-endpoint'],
    ['invalid_request', { status: 400, upstreamCode: 'invalid_value' }, 'caller'],
    ['invalid_request', {}, 'caller'],
    ['unsupported_parameter', {}, 'caller'],
    ['body_too_large', {}, 'caller'],
    ['nesting_too_deep', {}, 'caller'],
    ['budget_exceeded', {}, 'next-mode'],
    ['insufficient_funds', {}, 'next-mode'],
    ['payee_mismatch', {}, 'next-mode'],
    ['wallet_locked', {}, 'next-mode'],
    ['payment_rejected', { status: 402 }, 'next-mode'],
    ['store_unavailable', {}, 'caller'],
    ['internal', {}, 'caller'],
    ['cancelled', {}, 'caller'],
  ])('after %s with %o is %s', (code, details, verdict) => {
    expect(after(code, details)).toBe(verdict)
  })

  const anyError = fc.record({
    code: fc.constantFrom(...(Object.keys(errorTable) as ErrorCode[])),
    status: fc.constantFrom(undefined, 400, 401, 404, 429, 500),
    money: fc.constantFrom<MoneyState>('untouched', 'held', 'signed', 'settled', 'unknown'),
  })

  it('never goes on once money is committed, unless the caller agreed to pay twice', () => {
    fc.assert(
      fc.property(anyError, fc.constantFrom('wait' as const, 'fail' as const), ({ code, status, money }, onUnknown) => {
        fc.pre(isCommitted(money) && code !== 'cancelled')
        const error = new RouteplaneError(code, 'x', { money, ...(status === undefined ? {} : { details: { status } }) })
        expect(fallThrough(error, { onUnknown, aborted: false })).toBe('caller')
        expect(fallThrough(error, { onUnknown: 'allow_double', aborted: false })).toBe('next-endpoint')
      }),
    )
  })

  it('never goes on when the caller has left', () => {
    fc.assert(
      fc.property(anyError, ({ code, money }) => {
        expect(fallThrough(new RouteplaneError(code, 'x', { money }), { onUnknown: 'allow_double', aborted: true })).toBe('caller')
      }),
    )
  })
})
