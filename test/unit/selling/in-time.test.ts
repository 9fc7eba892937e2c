/** An answer that is paid by what it came to ends while that can still be collected. */
import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { systemClock } from '../../../src/lib/clock.ts'
import { endInTime } from '../../../src/selling/in-time.ts'
import type { Tender } from '../../../src/selling/till.ts'

const NEVER = 253_402_300_799n
const nowSeconds = BigInt(Math.floor(systemClock.now() / 1_000))

describe('an answer that is metered', () => {
  it.each([
    ['its payment expires', { payment: { validBeforeSeconds: nowSeconds + 10n } }],
    ['somebody else may have its channel', { payment: { validBeforeSeconds: NEVER }, heldSeconds: 10 }],
  ])('ends before %s', async (_what, tender) => {
    const own = new AbortController()
    endInTime(own, tender as Tender, { clock: systemClock })
    if (!own.signal.aborted) await once(own.signal, 'abort')
    expect(own.signal.reason).toMatchObject({ code: 'upstream_timeout' })
  })
})
