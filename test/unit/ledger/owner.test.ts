/** Who counts as gone. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatOwner, isDead, isRunning, parseOwner, SILENCE_MS } from '../../../src/ledger/owner.ts'

describe('the name of a process', () => {
  it('reads back, whatever the host is called', () => {
    const owners = fc.record({ host: fc.stringMatching(/^[^\n]+$/), pid: fc.nat(), startMs: fc.nat() })
    fc.assert(
      fc.property(owners, fc.nat(), (owner, opening) => {
        expect(parseOwner(formatOwner(owner))).toEqual(owner)
        expect(parseOwner(formatOwner({ ...owner, opening }))).toEqual({ ...owner, opening })
      }),
    )
  })
  it.each(['', 'a', 'a:1', 'a:b:1', ':1:2', 'a:1:', 'a:-1:2', 'a:1:2.', 'a:1:2.x'])('%j is not one', (text) => {
    expect(parseOwner(text)).toBeUndefined()
  })
})

describe('a process is dead', () => {
  const self = 'here:10:500'
  const judge = (owner: string, heartbeat: number | undefined, running = true) =>
    isDead(owner, heartbeat, { self, now: 100_000, isRunning: () => running })
  it.each([
    ['we ourselves, even in silence', self, undefined, true, false],
    ['who never signed on', 'there:1:1', undefined, true, true],
    ['who was silent just long enough to be late', 'there:1:1', 100_000 - SILENCE_MS, true, false],
    ['who was silent longer', 'there:1:1', 100_000 - SILENCE_MS - 1, true, true],
    ['a neighbour that runs', 'here:11:1', 100_000, true, false],
    ['a neighbour whose pid is gone, though it spoke just now', 'here:11:1', 100_000, false, true],
    ['who had our pid before us', 'here:10:499', 100_000, true, true],
    ['another opening of our own process', 'here:10:500.7', 100_000, true, false],
    ['another opening of our own process that has signed off', 'here:10:500.7', undefined, true, true],
    ['an opening of who had our pid before us', 'here:10:499.7', 100_000, true, true],
    ['the same pid on another host', 'there:10:499', 100_000, false, false],
    ['a name of another shape that speaks', 'worker', 100_000, false, false],
    ['a clock ahead of ours', 'there:1:1', 999_999, true, false],
  ])('or not: %s', (_, owner, heartbeat, running, dead) => {
    expect(judge(owner, heartbeat, running)).toBe(dead)
  })
  it('as the operating system knows: this one runs', () => {
    expect(isRunning(process.pid)).toBe(true)
    expect(isRunning(2 ** 30)).toBe(false)
  })
})
