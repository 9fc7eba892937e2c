/** Health: what counts, how it fades, and when an endpoint is left alone. */
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RouteplaneError, type ErrorCode } from '../../../src/errors.ts'
import { createHealth, EJECT_AFTER } from '../../../src/selection/health.ts'
import { HALF_LIFE_MS } from '../../../src/selection/health-record.ts'
import { outcomeOfError, verdictOfError, verdictOfStatus, type Outcome, type Verdict } from '../../../src/selection/outcome.ts'
import { verifies } from '../../support/verifies.ts'

function setup() {
  const time = { now: 1_000_000 }
  const health = createHealth({ now: () => time.now })
  const record = (verdict: Verdict, more: Omit<Outcome, 'verdict'> = {}, times = 1) => {
    for (let each = 0; each < times; each++) health.record('e', { verdict, ...more })
  }
  return { time, health, record, cooldown: () => health.cooldown('e'), view: () => health.view('e') }
}

describe('what counts', () => {
  it.each([
    [200, false, 'success'],
    [302, false, 'against'],
    [400, false, 'neutral'],
    [401, false, 'against'],
    [402, false, 'neutral'],
    [402, true, 'against'],
    [403, false, 'apart'],
    [404, false, 'against'],
    [408, false, 'against'],
    [413, false, 'neutral'],
    [422, false, 'neutral'],
    [429, true, 'limited'],
    [500, false, 'against'],
    [529, false, 'against'],
  ] as const)('status %i (paid: %s) is %s', (status, wasPaid, verdict) => {
    expect(verdictOfStatus(status, wasPaid)).toBe(verdict)
  })

  it.each<[ErrorCode, number | undefined, Verdict]>([
    ['upstream_error', 503, 'against'],
    ['upstream_error', 400, 'neutral'],
    ['upstream_error', 403, 'apart'],
    ['upstream_error', 200, 'against'],
    ['upstream_error', undefined, 'against'],
    ['upstream_timeout', undefined, 'against'],
    ['upstream_unreachable', undefined, 'against'],
    ['stream_incomplete', undefined, 'against'],
    ['upstream_rate_limited', undefined, 'limited'],
    ['payee_mismatch', undefined, 'against'],
    ['payment_rejected', 402, 'against'],
    ['budget_exceeded', undefined, 'neutral'],
    ['insufficient_funds', undefined, 'neutral'],
    ['payment_outcome_unknown', undefined, 'neutral'],
    ['cancelled', undefined, 'neutral'],
    ['invalid_request', 400, 'neutral'],
    ['internal', undefined, 'neutral'],
  ])('%s with status %s is %s', (code, status, verdict) => {
    expect(verdictOfError(new RouteplaneError(code, 'x', status === undefined ? {} : { details: { status } }))).toBe(verdict)
  })

  it('carries Retry-After on', () => {
    expect(outcomeOfError(new RouteplaneError('upstream_rate_limited', 'x', { retryAfterMs: 7000 }))).toEqual({
      verdict: 'limited',
      retryAfterMs: 7000,
    })
  })

  it('makes the uptime of successes and failures alone', () => {
    verifies('register.uptime.formula', 'register.uptime.apart.403')
    const { record, view } = setup()
    record('success', {}, 3)
    record('against')
    record('neutral', {}, 9)
    record('limited', { retryAfterMs: 0 }, 2)
    record('apart', {}, 2)
    expect(view()).toMatchObject({ uptime: 0.75, countedRequests: 4, errorRate: 5 / 8 })
  })

  it('knows nothing before the first outcome', () => {
    expect(setup().view()).toEqual({ uptime: undefined, countedRequests: 0, ttftMs: undefined, throughput: undefined })
  })
})

describe('fading', () => {
  it('halves the weight of the past every five minutes', () => {
    const { time, record, view } = setup()
    record('against', {}, 8)
    time.now += HALF_LIFE_MS
    expect(view()).toMatchObject({ uptime: 0, countedRequests: 4 })
    record('success', {}, 4)
    expect(view()).toMatchObject({ uptime: 0.5, countedRequests: 8 })
  })

  it('forgets everything after an hour of silence', () => {
    const { time, record, view } = setup()
    record('success', { ttftMs: 10, outputTokens: 5, totalMs: 100 })
    time.now += 3_600_001
    expect(view()).toEqual({ uptime: undefined, countedRequests: 0, ttftMs: undefined, throughput: undefined })
  })

  it('does not grow when the clock is set back', () => {
    const { time, record, view } = setup()
    record('success')
    time.now -= HALF_LIFE_MS
    expect(view().countedRequests).toBe(1)
  })

  it('shows the median time to the first token, and tokens over the whole time', () => {
    const { record, view } = setup()
    for (const ttftMs of [100, 5000, 200, 300]) record('success', { ttftMs })
    record('success', { outputTokens: 100, totalMs: 1000 })
    record('success', { outputTokens: 500, totalMs: 2000 })
    record('success', { outputTokens: 5 })
    expect(view()).toMatchObject({ ttftMs: 200, throughput: 200 })
  })

  it('keeps an uptime between 0 and 1 whatever happens', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            wait: fc.nat({ max: 10 * HALF_LIFE_MS }),
            verdict: fc.constantFrom<Verdict>('success', 'against', 'neutral', 'apart', 'limited'),
          }),
        ),
        (events) => {
          const { time, record, view } = setup()
          for (const { wait, verdict } of events) {
            time.now += wait
            record(verdict)
            const { uptime, errorRate } = view()
            const shares = [uptime, errorRate].filter((share) => share !== undefined)
            expect(shares.filter((share) => !(share >= 0 && share <= 1))).toEqual([])
          }
        },
      ),
    )
  })
})

describe('leaving an endpoint alone', () => {
  it('begins after five failures in a row, and doubles', () => {
    const { time, record, cooldown, health } = setup()
    record('against', {}, EJECT_AFTER - 1)
    record('success')
    record('against', {}, EJECT_AFTER - 1)
    expect(cooldown()).toBeUndefined()
    record('against')
    expect(cooldown()).toEqual({ kind: 'ejected', untilMs: time.now + 30_000 })
    for (const seconds of [60, 120, 240, 480, 600, 600]) {
      time.now += 10 * 60_000
      expect(cooldown()).toBeUndefined()
      health.begin('e')
      record('against')
      expect(cooldown()).toEqual({ kind: 'ejected', untilMs: time.now + seconds * 1000 })
    }
  })

  it('lets one probe through at a time, and ends with its success', () => {
    const { time, record, cooldown, health } = setup()
    record('against', {}, EJECT_AFTER)
    time.now += 30_001
    expect(cooldown()).toBeUndefined()
    health.begin('e')
    expect(cooldown()?.kind).toBe('probing')
    record('success')
    expect(cooldown()).toBeUndefined()
    record('against', {}, EJECT_AFTER - 1)
    expect(cooldown()).toBeUndefined()
    record('against')
    expect(cooldown()).toEqual({ kind: 'ejected', untilMs: time.now + 30_000 })
  })

  it('tries again when a probe ended without a verdict or never came back', () => {
    const { time, record, cooldown, health } = setup()
    record('against', {}, EJECT_AFTER)
    time.now += 30_001
    health.begin('e')
    record('neutral')
    expect(cooldown()).toBeUndefined()
    health.begin('e')
    time.now += 5 * 60_000
    expect(cooldown()).toBeUndefined()
  })

  it('takes a 429 at its word, and a short while without one', () => {
    const { time, record, cooldown } = setup()
    record('limited', { retryAfterMs: 12_345 })
    expect(cooldown()).toEqual({ kind: 'limited', untilMs: time.now + 12_345 })
    time.now += 12_345
    expect(cooldown()).toBeUndefined()
    record('limited')
    expect(cooldown()).toEqual({ kind: 'limited', untilMs: time.now + 5_000 })
    record('limited', { retryAfterMs: Infinity })
    expect(cooldown()).toEqual({ kind: 'limited', untilMs: time.now + 5_000 })
  })

  it('does not eject for what is nobody’s fault', () => {
    const { record, cooldown } = setup()
    record('neutral', {}, 50)
    record('apart', {}, 50)
    expect(cooldown()).toBeUndefined()
  })
})

describe('what another process of the same ledger knows', () => {
  /** Hands over everything one has noted, as the store would. */
  function handOver(from: ReturnType<typeof setup>, to: ReturnType<typeof setup>, owner = 'other') {
    to.health.absorb(from.health.takeChanged().map((row) => ({ ...row, owner })))
  }

  it('is there after a restart, faded by the time between', () => {
    verifies('register.routing.monitor')
    const [before, after] = [setup(), setup()]
    before.record('success', { ttftMs: 120, outputTokens: 100, totalMs: 2_000 }, 30)
    before.record('against', {}, 2)
    handOver(before, after)
    // What is fresh is what this process has seen itself.
    expect(after.view()).toEqual({ ...before.view(), freshRequests: 0 })
    after.time.now += HALF_LIFE_MS
    expect(after.view().countedRequests).toBeCloseTo(16)
    expect(after.view().uptime).toBeCloseTo(30 / 32)
    after.time.now += 60 * 60_000
    expect(after.view().uptime).toBeUndefined()
  })

  it('adds to what this one knows, and counts once however often it is told', () => {
    const [one, two] = [setup(), setup()]
    one.record('success', {}, 10)
    two.record('against', {}, 10)
    const rows = one.health.takeChanged().map((row) => ({ ...row, owner: 'one' }))
    two.health.absorb(rows)
    two.health.absorb(rows)
    expect(two.view()).toMatchObject({ uptime: 0.5, countedRequests: 20 })
    expect(one.view()).toMatchObject({ uptime: 1, countedRequests: 10 })
    expect(one.health.takeChanged()).toEqual([])
  })

  it('ejects here what was ejected there, keeps its count of ejections, and ends with the newer success', () => {
    const [one, two] = [setup(), setup()]
    one.record('against', {}, EJECT_AFTER)
    handOver(one, two)
    expect(two.cooldown()).toEqual(one.cooldown())
    two.time.now += 30_001
    expect(two.cooldown()).toBeUndefined()
    two.health.begin('e')
    expect(two.cooldown()?.kind).toBe('probing')
    two.record('against')
    expect(two.cooldown()).toEqual({ kind: 'ejected', untilMs: two.time.now + 60_000 })
    one.time.now = two.time.now + 60_001
    handOver(two, one)
    one.health.begin('e')
    one.record('success')
    two.time.now = one.time.now
    handOver(one, two)
    expect(two.cooldown()).toBeUndefined()
  })

  it('keeps a limit until its end', () => {
    const [one, two] = [setup(), setup()]
    one.record('limited', { retryAfterMs: 9_000 })
    handOver(one, two)
    two.record('success')
    expect(two.cooldown()).toEqual({ kind: 'limited', untilMs: one.time.now + 9_000 })
  })

  it.each(['', '{', 'null', '[]', '{"at":1}', '{"at":-1}', '{"at":"1"}'])('is nothing when it reads %j', (state) => {
    const { health, view } = setup()
    health.absorb([{ endpoint: 'e', owner: 'other', at: 1, state }])
    expect(view().uptime).toBeUndefined()
  })

  it('law: any text is taken or left, and never a figure that is none', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), fc.nat({ max: 2_000_000 }), (state, at) => {
        const { health, view } = setup()
        health.absorb([{ endpoint: 'e', owner: 'other', at, state }])
        const { uptime, countedRequests } = view()
        expect(uptime === undefined || (uptime >= 0 && uptime <= 1)).toBe(true)
        expect(Number.isFinite(countedRequests)).toBe(true)
      }),
    )
  })
})
