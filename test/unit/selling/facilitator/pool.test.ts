/** Several facilitators: verifying moves nothing and may fall through, settling may not, and stays with whoever has verified. */
import type { PaymentPayload, PaymentRequirements } from '@x402/core/types'
import { describe, expect, it } from 'vitest'
import { silentLog } from '../../../../src/lib/log.ts'
import { createPool, type FacilitatorClient } from '../../../../src/selling/facilitator/pool.ts'

const payload = {} as PaymentPayload
const requirements = {} as PaymentRequirements

/** Facilitators by name that fail while they are named in `down`; what they were asked is written down. */
function open(...names: readonly string[]) {
  const asked: string[] = []
  const down = new Set<string>()
  let nowMs = 0
  const answer = async (name: string, what: string) => {
    asked.push(`${name} ${what}`)
    if (down.has(name)) throw new Error('no answer')
    return {} as never
  }
  const clientOf = (name: string): FacilitatorClient => ({
    verify: () => answer(name, 'verify'),
    settle: () => answer(name, 'settle'),
    getSupported: () => answer(name, 'supported'),
  })
  const pool = createPool(
    names.map((name) => ({ name, client: clientOf(name) })),
    { monotonic: () => nowMs },
    silentLog,
  )
  return { pool, asked, down, wait: (ms: number) => void (nowMs += ms) }
}

describe('a payment', () => {
  it('is settled by the facilitator that has verified it, though another is first again', async () => {
    const { pool, asked, down, wait } = open('one', 'two')
    down.add('one')
    await pool.verify(payload, requirements)
    down.clear()
    wait(60_000)
    await pool.settle(payload, requirements)
    expect(asked).toEqual(['one verify', 'two verify', 'two settle'])
  })

  it('whose settlement fails is taken to nobody else: it may have been sent', async () => {
    const { pool, asked, down } = open('one', 'two')
    await pool.verify(payload, requirements)
    down.add('one')
    await expect(pool.settle(payload, requirements)).rejects.toMatchObject({ code: 'facilitator_unavailable' })
    expect(asked).toEqual(['one verify', 'one settle'])
  })

  it('is verified by the next one while the first rests, and by nobody when nobody answers', async () => {
    const { pool, asked, down, wait } = open('one', 'two')
    down.add('one')
    await pool.verify(payload, requirements)
    await pool.verify(payload, requirements)
    wait(60_000)
    await pool.verify(payload, requirements)
    expect(asked).toEqual(['one verify', 'two verify', 'two verify', 'one verify', 'two verify'])
    down.add('two')
    await expect(pool.verify(payload, requirements)).rejects.toMatchObject({ code: 'facilitator_unavailable' })
  })
})
