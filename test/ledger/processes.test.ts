/** Real processes on one ledger: caps hold between them, and what one of them leaves when it is killed is found. */
import { expect, it } from 'vitest'
import { systemClock } from '../../src/lib/clock.ts'
import { startChild } from './children.ts'
import { createPlace } from './open.ts'
import { holdOf, limitOf, released } from './sample.ts'
import { verifies } from '../support/verifies.ts'

it('grants exactly 500 of the 1,000 holds that four processes ask for at once', async () => {
  verifies('card.cap.rolling')
  await using place = createPlace()
  // Nobody has made the file yet: they also race for its tables.
  const children = ['a', 'b', 'c', 'd'].map((name) => startChild('hold.ts', [place.path, name, '250', '250', '500']))
  expect(await Promise.all(children.map((child) => child.ended()))).toEqual([0, 0, 0, 0])
  const said = children.flatMap(({ lines }) => lines)
  expect(said.filter((line) => line.startsWith('granted'))).toHaveLength(500)
  expect(said.filter((line) => line.startsWith('refused'))).toHaveLength(500)
  const ledger = await place.open()
  expect(await ledger.attempts.budgets([limitOf(500n)])).toEqual([{ limit: limitOf(500n), reserved: 500n, spent: 0n }])
  expect(await ledger.attempts.list({})).toHaveLength(500)
  expect(await ledger.verifyEvents()).toEqual({ ok: true })
})

it('lets four processes take turns when each hold is a transaction of its own', async () => {
  await using place = createPlace()
  const children = ['a', 'b', 'c', 'd'].map((name) => startChild('hold.ts', [place.path, name, '50', '1', '120']))
  expect(await Promise.all(children.map((child) => child.ended()))).toEqual([0, 0, 0, 0])
  expect(children.flatMap(({ lines }) => lines).filter((line) => line.startsWith('granted'))).toHaveLength(120)
  expect(await (await place.open()).verifyEvents()).toEqual({ ok: true })
})

it.each([1, 7, 64])('loses nothing it promised when it is killed between holds, %i at a time', async (together) => {
  await using place = createPlace()
  const child = startChild('hold.ts', [place.path, 'k', '1000000', String(together), '1000000000'])
  const target = String(together * 5).padStart(6, '0')
  await child.said((line) => line === `granted k-${target}`)
  child.process.kill('SIGKILL')
  expect(await child.ended()).toBeNull()
  const promised = child.lines.filter((line) => line.startsWith('granted')).map((line) => line.slice('granted '.length))
  expect(promised.length).toBeGreaterThan(together * 5)

  const ledger = await place.open()
  const kept = await ledger.attempts.list({})
  expect(kept.map(({ id }) => id)).toEqual(expect.arrayContaining(promised))
  const limit = limitOf(1_000_000_000n)
  expect(await ledger.attempts.budgets([limit])).toEqual([{ limit, reserved: BigInt(kept.length), spent: 0n }])
  expect(await ledger.verifyEvents()).toEqual({ ok: true })

  const orphans = await ledger.attempts.orphans(systemClock.now())
  expect(orphans).toHaveLength(kept.length)
  const outcomes = await Promise.all(
    orphans.map(async ({ id }) => {
      const isOurs = await ledger.attempts.adopt(id)
      if (isOurs) await ledger.attempts.end(id, released)
      return isOurs
    }),
  )
  expect(outcomes.every(Boolean)).toBe(true)
  expect(await ledger.attempts.budgets([limit])).toEqual([{ limit, reserved: 0n, spent: 0n }])
  expect(await ledger.attempts.orphans(systemClock.now())).toEqual([])
})

it('gives each orphan to exactly one of two heirs', async () => {
  await using place = createPlace()
  const dead = await place.open(1)
  const ids = Array.from({ length: 40 }, (_, at) => `a${at}`)
  await Promise.all(ids.map((id) => dead.attempts.hold(holdOf(id, 1n))))
  await dead.close()
  const heirs = [await place.open(2), await place.open(3, { owner: 'elsewhere:1:1' })] as const
  const taken = await Promise.all(heirs.map((heir) => Promise.all(ids.map((id) => heir.attempts.adopt(id)))))
  for (const at of ids.keys()) expect(Number(taken[0]?.[at]) + Number(taken[1]?.[at])).toBe(1)
})

it('takes an owner on another host for dead after half a minute of silence, and not before', async () => {
  await using place = createPlace()
  const clock = { ...systemClock, now: () => 1_000_000 }
  const other = await place.open(1, { owner: 'other-host:77:1', clock })
  await other.attempts.hold(holdOf('a', 1n))
  const ledger = await place.open(2, { clock })
  expect(await ledger.attempts.orphans(1_030_000)).toEqual([])
  expect(await ledger.attempts.orphans(1_030_001)).toHaveLength(1)
  expect(await ledger.attempts.adopt('a')).toBe(false)
})
