/** Several handles on one file, their steps in every order a scheduler can think of: the cap holds in all of them. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { Ledger } from '../../src/ledger/ledger.ts'
import { createPlace } from './open.ts'
import { holdOf, intentOf, limitOf, released, settledOf } from './sample.ts'

const cap = limitOf(20n)
const plans = fc.array(
  fc.record({ amount: fc.integer({ min: 1, max: 9 }).map(BigInt), end: fc.constantFrom('settle', 'release', 'leave') }),
  {
    minLength: 3,
    maxLength: 10,
  },
)

it('never passes the cap, whoever comes first', async () => {
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), plans, async (scheduler, attempts) => {
      await using place = createPlace()
      const ledgers = [await place.open(1), await place.open(2)] as const
      let [open, paid] = [0n, 0n]
      const check = async () => {
        const [standing] = await ledgers[0].attempts.budgets([cap])
        expect((standing?.reserved as bigint) + (standing?.spent as bigint) <= cap.cap).toBe(true)
      }
      const live = async ({ amount, end }: { amount: bigint; end: string }, at: number) => {
        const { attempts: store } = ledgers[at % 2] as Ledger
        const step = <T>(run: () => Promise<T>) => scheduler.schedule(Promise.resolve()).then(run)
        const id = `a${at}`
        if (!(await step(() => store.hold(holdOf(id, amount, { budgets: [cap] })))).granted) return
        await step(() => store.intend(id, intentOf(id, amount)))
        await step(check)
        if (end === 'leave') open += amount
        if (end === 'settle') paid += amount
        if (end === 'settle') await step(() => store.end(id, settledOf(amount)))
        if (end === 'release') await step(() => store.end(id, released))
        await step(check)
      }
      const lives = Promise.all(attempts.map(live))
      await scheduler.waitFor(lives)
      const [standing] = await ledgers[1].attempts.budgets([cap])
      expect([standing?.reserved, standing?.spent]).toEqual([open, paid])
      expect(await ledgers[1].verifyEvents()).toEqual({ ok: true })
    }),
    { numRuns: 60 },
  )
})

it('settles and releases a thing once when both are tried at the same time', async () => {
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), async (scheduler) => {
      await using place = createPlace()
      const [one, other] = [await place.open(1), await place.open(2)] as const
      await one.attempts.hold(holdOf('a', 5n, { budgets: [cap] }))
      await one.attempts.intend('a', intentOf('a', 5n))
      const race = Promise.allSettled([
        scheduler.schedule(Promise.resolve()).then(() => one.attempts.end('a', settledOf(4n))),
        scheduler.schedule(Promise.resolve()).then(() => other.attempts.end('a', released)),
      ])
      const outcomes = await scheduler.waitFor(race)
      expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
      const [standing] = await one.attempts.budgets([cap])
      const isSettled = (await one.attempts.get('a'))?.state === 'settled'
      expect([standing?.reserved, standing?.spent]).toEqual([0n, isSettled ? 4n : 0n])
    }),
    { numRuns: 40 },
  )
})
