/** The part of the ledger's contract that is about one attempt: holds, intents, endings and lists of them. */
import { beforeEach, expect, it } from 'vitest'
import type { Ledger } from '../../src/ledger/ledger.ts'
import { holdOf, intentOf, limitOf, released, settledOf, unknown, usd } from './sample.ts'

export const code = (of: string) => expect.objectContaining({ code: of })

export async function standing(ledger: Ledger, limit = limitOf(0n)): Promise<readonly [reserved: bigint, spent: bigint]> {
  const [found] = await ledger.attempts.budgets([limit])
  return [found?.reserved as bigint, found?.spent as bigint]
}

export async function paid(ledger: Ledger, id: string, amount: bigint): Promise<void> {
  await ledger.attempts.hold(holdOf(id, amount, { budgets: [limitOf(1_000n)] }))
  await ledger.attempts.intend(id, intentOf(id, amount))
}

export function holds(opened: () => Ledger): void {
  it('reserves the amount and keeps the row', async () => {
    expect(await opened().attempts.hold(holdOf('a', 5n, { budgets: [limitOf(10n)] }))).toEqual({ granted: true })
    expect(await standing(opened())).toEqual([5n, 0n])
    expect(await opened().attempts.get('a')).toMatchObject({ id: 'a', state: 'held', heldUsd: 5n, createdAt: 1_000, updatedAt: 1_000 })
    expect(await opened().attempts.get('a')).not.toHaveProperty('payment')
  })

  it('grants up to the cap itself and not one unit more', async () => {
    expect(await opened().attempts.hold(holdOf('a', 10n, { budgets: [limitOf(10n)] }))).toEqual({ granted: true })
    const outcome = await opened().attempts.hold(holdOf('b', 1n, { budgets: [limitOf(10n)] }))
    expect(outcome).toEqual({ granted: false, limit: limitOf(10n), available: 0n })
    expect(await opened().attempts.get('b')).toBeUndefined()
  })

  it('reserves in all budgets or in none, and names the tightest', async () => {
    const [wide, tight] = [limitOf(100n, 'all'), limitOf(3n, 'provider:acme')]
    const outcome = await opened().attempts.hold(holdOf('a', 5n, { budgets: [wide, tight, limitOf(4n, 'key:x')] }))
    expect(outcome).toEqual({ granted: false, limit: tight, available: 3n })
    expect(await opened().attempts.budgets([wide, tight])).toEqual([
      { limit: wide, reserved: 0n, spent: 0n },
      { limit: tight, reserved: 0n, spent: 0n },
    ])
  })

  it('counts under a cap that is set later what its scope has spent and reserved since the window began', async () => {
    const { attempts } = opened()
    const changes = { provider: 'acme', caller: 'key_a', preset: 'cheap' }
    await attempts.hold(holdOf('before', 90n, { ...changes, now: 999 }))
    await attempts.hold(holdOf('open', 5n, { ...changes, now: 1_000 }))
    await paid(opened(), 'paid', 7n)
    await attempts.end('paid', settledOf(3n))
    await attempts.hold(holdOf('other', 40n, { provider: 'beta', caller: 'key_b', now: 1_500 }))
    await attempts.end('other', released)
    const since = 1_000
    const limits = [limitOf(20n, 'provider:acme'), limitOf(20n, 'key:key_a'), limitOf(20n, 'preset:cheap'), limitOf(20n, 'all', 'day:1')]
    const withSince = limits.map((limit) => ({ ...limit, since }))
    const told = (await attempts.budgets(withSince)).map(({ reserved, spent }) => [reserved, spent])
    const own = [5n, 0n]
    expect(told).toEqual([[5n, 3n], own, own, [5n, 3n]])
    const outcome = await attempts.hold(holdOf('more', 13n, { ...changes, budgets: withSince }))
    expect(outcome).toEqual({ granted: false, limit: withSince[0], available: 12n })
    expect(await attempts.hold(holdOf('fits', 12n, { ...changes, budgets: withSince }))).toEqual({ granted: true })
    // What was counted when the cap began moves on with its attempts.
    await attempts.end('open', released)
    expect((await attempts.budgets(withSince)).map(({ reserved, spent }) => [reserved, spent])).toEqual([
      [12n, 3n],
      [12n, 0n],
      [12n, 0n],
      [12n, 3n],
    ])
    expect(await opened().verifyEvents()).toEqual({ ok: true })
  })

  it('reserves once where two limits name one budget, under the lower cap', async () => {
    const twice = [limitOf(100n), limitOf(7n)]
    expect(await opened().attempts.hold(holdOf('a', 5n, { budgets: twice }))).toEqual({ granted: true })
    expect(await standing(opened())).toEqual([5n, 0n])
    expect(await opened().attempts.hold(holdOf('b', 3n, { budgets: twice }))).toMatchObject({ granted: false, available: 2n })
    await opened().attempts.end('a', released)
    expect(await standing(opened())).toEqual([0n, 0n])
  })

  it('keeps scopes and windows apart whatever they are called', async () => {
    const limits = [limitOf(9n, 'a', 'b,c'), limitOf(9n, 'a,b', 'c'), limitOf(9n, '', 'abc')]
    for (const [at, limit] of limits.entries()) {
      expect(await opened().attempts.hold(holdOf(`h${at}`, BigInt(at + 1), { budgets: [limit] }))).toEqual({ granted: true })
    }
    expect((await opened().attempts.budgets(limits)).map(({ reserved }) => reserved)).toEqual([1n, 2n, 3n])
  })

  it('sums the attempts of one request: what is open, what was paid, nothing that was released', async () => {
    const own = { requestId: 'one', requestCap: usd(10n) }
    await opened().attempts.hold(holdOf('a', 8n, own))
    await opened().attempts.intend('a', intentOf('a', 8n))
    const refused = await opened().attempts.hold(holdOf('b', 3n, own))
    expect(refused).toEqual({ granted: false, limit: { scope: 'request', window: 'one', cap: 10n }, available: 2n })
    await opened().attempts.end('a', settledOf(6n))
    expect(await opened().attempts.hold(holdOf('c', 4n, own))).toEqual({ granted: true })
    await opened().attempts.end('c', released)
    expect(await opened().attempts.hold(holdOf('d', 4n, own))).toEqual({ granted: true })
    expect(await opened().attempts.hold(holdOf('e', 1n, own))).toMatchObject({ granted: false, available: 0n })
    expect(await opened().attempts.hold(holdOf('f', 10n, { ...own, requestId: 'two' }))).toEqual({ granted: true })
  })

  it('grants nothing new while a lowered cap stands below what is used, and takes nothing back', async () => {
    await opened().attempts.hold(holdOf('a', 8n, { budgets: [limitOf(10n)] }))
    expect(await opened().attempts.hold(holdOf('b', 1n, { budgets: [limitOf(5n)] }))).toMatchObject({ granted: false, available: 0n })
    expect(await standing(opened())).toEqual([8n, 0n])
    await opened().attempts.end('a', released)
    expect(await opened().attempts.hold(holdOf('c', 5n, { budgets: [limitOf(5n)] }))).toEqual({ granted: true })
  })

  it('carries amounts no 64-bit integer holds', async () => {
    const huge = 2n ** 200n + 1n
    await opened().attempts.hold(holdOf('a', huge, { requestCap: usd(huge), budgets: [limitOf(huge)] }))
    expect(await standing(opened())).toEqual([huge, 0n])
    expect(await opened().attempts.hold(holdOf('b', 1n, { budgets: [limitOf(huge)] }))).toMatchObject({ granted: false })
    expect((await opened().attempts.get('a'))?.heldUsd).toBe(huge)
  })

  it.each([
    ['a negative amount', holdOf('x', -1n)],
    ['a negative cap', holdOf('x', 1n, { budgets: [limitOf(-5n)] })],
    ['a time that is none', holdOf('x', 1n, { now: Number.NaN })],
    ['an id with a NUL', holdOf('x\0y', 1n)],
    ['a scope with half a character', holdOf('x', 1n, { budgets: [limitOf(5n, 'a\ud800')] })],
  ])('refuses %s and leaves nothing behind', async (_, bad) => {
    await expect(opened().attempts.hold(bad)).rejects.toEqual(code('internal'))
    expect(await opened().attempts.list({})).toEqual([])
    expect(await opened().verifyEvents()).toEqual({ ok: true })
  })

  it('refuses an id that exists, without reserving again', async () => {
    await opened().attempts.hold(holdOf('a', 5n, { budgets: [limitOf(100n)] }))
    await expect(opened().attempts.hold(holdOf('a', 5n, { budgets: [limitOf(100n)] }))).rejects.toEqual(code('internal'))
    expect(await standing(opened())).toEqual([5n, 0n])
  })

  it('judges a thousand at once one after the other', async () => {
    const outcomes = await Promise.all(
      Array.from({ length: 1_000 }, (_, at) => opened().attempts.hold(holdOf(`h${at}`, 2n, { budgets: [limitOf(1_000n)] }))),
    )
    expect(outcomes.filter(({ granted }) => granted)).toHaveLength(500)
    expect(await standing(opened())).toEqual([1_000n, 0n])
  })

  it('does not let one bad hold undo those beside it', async () => {
    const outcomes = await Promise.allSettled(
      ['a', 'b', 'a', 'c'].map((id) => opened().attempts.hold(holdOf(id, 1n, { budgets: [limitOf(10n)] }))),
    )
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled'])
    expect(await standing(opened())).toEqual([3n, 0n])
    expect(await opened().verifyEvents()).toEqual({ ok: true })
  })
}

export function intents(opened: () => Ledger): void {
  it('writes down what will be signed and shrinks the reservation to it', async () => {
    await opened().attempts.hold(holdOf('a', 9n, { budgets: [limitOf(10n)] }))
    await opened().attempts.intend('a', intentOf('a', 4n))
    expect(await standing(opened())).toEqual([4n, 0n])
    const { amount, amountUsd: _, now: __, ...rest } = intentOf('a', 4n)
    expect(await opened().attempts.get('a')).toEqual(
      expect.objectContaining({ state: 'intent', heldUsd: 4n, updatedAt: 2_000, payment: { ...rest, amountAuthorized: amount } }),
    )
  })

  it('signs no more than is held', async () => {
    await opened().attempts.hold(holdOf('a', 9n, { budgets: [limitOf(10n)] }))
    await expect(opened().attempts.intend('a', intentOf('a', 10n))).rejects.toEqual(code('internal'))
    expect(await opened().attempts.get('a')).toMatchObject({ state: 'held', heldUsd: 9n })
    expect(await standing(opened())).toEqual([9n, 0n])
  })

  it('knows one authorization once, however its hex is spelled', async () => {
    await paid(opened(), 'a', 1n)
    await opened().attempts.hold(holdOf('b', 1n))
    const nonce = intentOf('a', 1n).nonce
    const shouted = `0x${nonce.slice(2).toUpperCase()}` as const
    await expect(opened().attempts.intend('b', intentOf('b', 1n, { nonce: shouted, payer: '0xPAYER' }))).rejects.toEqual(code('internal'))
    expect(await opened().attempts.get('b')).toMatchObject({ state: 'held' })
    await opened().attempts.intend('b', intentOf('b', 1n, { nonce, payer: '0xOther' }))
  })

  it.each(['intent', 'unknown', 'settled', 'released'] as const)('is refused from %s', async (state) => {
    await paid(opened(), 'a', 5n)
    if (state === 'unknown') await opened().attempts.end('a', unknown)
    if (state === 'settled') await opened().attempts.end('a', settledOf(5n))
    if (state === 'released') await opened().attempts.end('a', released)
    await expect(opened().attempts.intend('a', intentOf('again', 1n))).rejects.toEqual(code('internal'))
    expect(await opened().attempts.get('a')).toMatchObject({ state })
  })

  it('is refused for an attempt nobody made', async () => {
    await expect(opened().attempts.intend('nobody', intentOf('nobody', 1n))).rejects.toEqual(code('internal'))
  })
}

export function endings(opened: () => Ledger): void {
  it('leaves a debt that counts as spent, without a signature, and can go nowhere else', async () => {
    const { attempts } = opened()
    await attempts.hold(holdOf('a', 9n, { mode: 'invoice', budgets: [limitOf(10n)] }))
    await attempts.end('a', { state: 'owed', amountUsd: usd(4n), reason: 'the bound', now: 3_000 })
    expect(await attempts.get('a')).toMatchObject({ state: 'owed', owedUsd: 4n, reason: 'the bound', mode: 'invoice' })
    expect(await standing(opened())).toEqual([0n, 4n])
    await attempts.end('a', { state: 'owed', amountUsd: usd(5n), now: 4_000 })
    expect(await standing(opened())).toEqual([0n, 4n])
    await expect(attempts.end('a', released)).rejects.toEqual(code('internal'))
    expect(await opened().verifyEvents()).toEqual({ ok: true })
  })

  it('is taken back when the chain takes its block back: spent becomes reserved again', async () => {
    const { attempts } = opened()
    await paid(opened(), 'a', 7n)
    await attempts.end('a', settledOf(7n, { transaction: '0xT', blockNumber: 5n, logIndex: 0 }))
    expect(await standing(opened())).toEqual([0n, 7n])
    await expect(attempts.end('a', unknown)).rejects.toEqual(code('internal'))
    await attempts.reopen('a', { reason: 'the chain took its block back', now: 4_000 })
    expect(await standing(opened())).toEqual([7n, 0n])
    expect((await attempts.get('a'))?.payment).not.toHaveProperty('transaction')
    await attempts.end('a', settledOf(7n, { transaction: '0xU', blockNumber: 6n, logIndex: 0, finality: 'final' }))
    expect(await standing(opened())).toEqual([0n, 7n])
    await expect(attempts.reopen('a', { reason: 'again', now: 5_000 })).rejects.toEqual(code('internal'))
    expect(await opened().verifyEvents()).toEqual({ ok: true })
  })

  it('keeps every amount to the unit, however large', async () => {
    const large = 2n ** 53n + 1n
    const { attempts } = opened()
    const limit = limitOf(large)
    await attempts.hold(holdOf('a', large, { budgets: [limit], requestCap: usd(large) }))
    await attempts.intend('a', intentOf('a', large))
    await attempts.end('a', settledOf(large, { transaction: '0xT', blockNumber: large, logIndex: 0 }))
    expect(await attempts.get('a')).toMatchObject({
      heldUsd: large,
      payment: { amountAuthorized: large, amountSettled: large, settledUsd: large, blockNumber: large },
    })
    expect((await attempts.budgets([limit]))[0]).toMatchObject({ reserved: 0n, spent: large })
  })

  it('settles at what was paid and gives back the rest', async () => {
    await paid(opened(), 'a', 8n)
    await opened().attempts.end('a', settledOf(5n, { transaction: '0xT', blockNumber: 7n, logIndex: 0 }))
    expect(await standing(opened())).toEqual([0n, 5n])
    const row = await opened().attempts.get('a')
    expect(row).toMatchObject({ state: 'settled', updatedAt: 3_000 })
    expect(row?.payment).toMatchObject({
      amountAuthorized: 8n,
      amountSettled: 5n,
      settledUsd: 5n,
      finality: 'confirmed',
      transaction: '0xT',
    })
    expect(row?.payment).toMatchObject({ blockNumber: 7n, logIndex: 0 })
  })

  it('keeps money reserved while the outcome is unknown', async () => {
    await paid(opened(), 'a', 8n)
    await opened().attempts.end('a', unknown)
    expect(await standing(opened())).toEqual([8n, 0n])
    expect(await opened().attempts.get('a')).toMatchObject({ state: 'unknown', reason: 'timeout' })
    await opened().attempts.end('a', { ...unknown, transaction: '0xLate' })
    await opened().attempts.end('a', { ...unknown, transaction: '0xOther' })
    expect((await opened().attempts.get('a'))?.payment?.transaction).toBe('0xLate')
  })

  it.each(['held', 'intent', 'unknown'] as const)('releases from %s and frees the reservation', async (state) => {
    await opened().attempts.hold(holdOf('a', 8n, { budgets: [limitOf(10n)] }))
    if (state !== 'held') await opened().attempts.intend('a', intentOf('a', 6n))
    if (state === 'unknown') await opened().attempts.end('a', unknown)
    await opened().attempts.end('a', released)
    await opened().attempts.end('a', released)
    expect(await standing(opened())).toEqual([0n, 0n])
    expect(await opened().attempts.get('a')).toMatchObject({ state: 'released', reason: 'not sent' })
  })

  it('takes nothing twice when an ending is repeated', async () => {
    await paid(opened(), 'a', 8n)
    await Promise.all([1, 2, 3].map(() => opened().attempts.end('a', settledOf(8n))))
    expect(await standing(opened())).toEqual([0n, 8n])
  })

  it('only ever raises finality, and adds what was missing', async () => {
    await paid(opened(), 'a', 8n)
    const payment = async () => (await opened().attempts.get('a'))?.payment
    await opened().attempts.end('a', settledOf(8n, { finality: 'pending' }))
    await opened().attempts.end('a', settledOf(8n, { finality: 'pending', transaction: '0xT' }))
    expect(await payment()).toMatchObject({ finality: 'pending', transaction: '0xT' })
    await opened().attempts.end('a', settledOf(8n, { finality: 'final', blockNumber: 9n, logIndex: 2 }))
    await opened().attempts.end('a', settledOf(8n, { finality: 'confirmed', transaction: '0xOther', blockNumber: 1n }))
    expect(await payment()).toMatchObject({ finality: 'final', transaction: '0xT', blockNumber: 9n, logIndex: 2 })
    expect(await standing(opened())).toEqual([0n, 8n])
  })

  it('replaces a transaction with a better one together with its place', async () => {
    await paid(opened(), 'a', 8n)
    await opened().attempts.end('a', settledOf(8n, { finality: 'pending', transaction: '0xT', blockNumber: 1n, logIndex: 4 }))
    await opened().attempts.end('a', settledOf(8n, { finality: 'confirmed', transaction: '0xU', blockNumber: 2n }))
    const payment = (await opened().attempts.get('a'))?.payment
    expect(payment).toMatchObject({ transaction: '0xU', blockNumber: 2n })
    expect(payment).not.toHaveProperty('logIndex')
  })

  it.each([
    ['more than was authorized', settledOf(9n)],
    ['more dollars than were held', settledOf(8n, { amountUsd: usd(9n) })],
    ['less than nothing', settledOf(-1n)],
  ])('refuses to settle %s', async (_, ending) => {
    await paid(opened(), 'a', 8n)
    await expect(opened().attempts.end('a', ending)).rejects.toEqual(code('internal'))
    expect(await opened().attempts.get('a')).toMatchObject({ state: 'intent' })
    expect(await standing(opened())).toEqual([8n, 0n])
  })

  it('refuses a second settlement at another amount', async () => {
    await paid(opened(), 'a', 8n)
    await opened().attempts.end('a', settledOf(8n))
    await expect(opened().attempts.end('a', settledOf(7n))).rejects.toEqual(code('internal'))
    expect(await standing(opened())).toEqual([0n, 8n])
  })

  it('goes nowhere else from where it ended', async () => {
    await paid(opened(), 'a', 8n)
    await paid(opened(), 'b', 8n)
    await opened().attempts.end('a', settledOf(8n))
    await opened().attempts.end('b', released)
    for (const [id, ending] of [
      ['a', released],
      ['a', unknown],
      ['b', unknown],
      ['b', settledOf(8n)],
    ] as const) {
      await expect(opened().attempts.end(id, ending)).rejects.toEqual(code('internal'))
    }
    expect(await standing(opened())).toEqual([0n, 8n])
  })

  it('neither settles nor doubts what was never signed', async () => {
    await opened().attempts.hold(holdOf('a', 8n))
    await expect(opened().attempts.end('a', settledOf(8n))).rejects.toEqual(code('internal'))
    await expect(opened().attempts.end('a', unknown)).rejects.toEqual(code('internal'))
    await expect(opened().attempts.end('nobody', released)).rejects.toEqual(code('internal'))
  })

  it('settles in the window that held, also when the day has changed', async () => {
    const [today, tomorrow] = [limitOf(10n, 'all', 'day:1'), limitOf(10n, 'all', 'day:2')]
    await opened().attempts.hold(holdOf('a', 8n, { budgets: [today] }))
    await opened().attempts.intend('a', intentOf('a', 8n))
    expect(await opened().attempts.hold(holdOf('b', 10n, { budgets: [tomorrow] }))).toEqual({ granted: true })
    await opened().attempts.end('a', settledOf(8n))
    expect([await standing(opened(), today), await standing(opened(), tomorrow)]).toEqual([
      [0n, 8n],
      [10n, 0n],
    ])
  })

  it('keeps a reason of any text, shortened', async () => {
    await opened().attempts.hold(holdOf('a', 8n))
    await opened().attempts.end('a', { ...released, reason: `\0\ud800${'x'.repeat(10_000)}` })
    const reason = (await opened().attempts.get('a'))?.reason
    expect(reason).toMatch(/^\uFFFD\uFFFDx+$/)
    expect(reason).toHaveLength(500)
    expect(await opened().verifyEvents()).toEqual({ ok: true })
  })
}

export function lists(opened: () => Ledger): void {
  beforeEach(async () => {
    for (const id of ['a1', 'a2', 'a3', 'a4']) await opened().attempts.hold(holdOf(id, 5n, { requestId: id < 'a3' ? 'one' : 'two' }))
    await opened().attempts.intend('a2', intentOf('a2', 5n))
    await opened().attempts.intend('a3', intentOf('a3', 5n))
    await opened().attempts.end('a3', settledOf(5n))
    await opened().attempts.end('a4', released)
  })
  it.each([
    [{}, ['a4', 'a3', 'a2', 'a1']],
    [{ limit: 2 }, ['a4', 'a3']],
    [{ limit: 0 }, []],
    [{ before: 'a3' }, ['a2', 'a1']],
    [{ before: 'a3', limit: 1 }, ['a2']],
    [{ states: ['held', 'intent'] }, ['a2', 'a1']],
    [{ states: [] }, []],
    [{ requestId: 'two' }, ['a4', 'a3']],
    [{ withIntent: true }, ['a3', 'a2']],
    [{ withIntent: true, requestId: 'one', states: ['intent'], before: 'zz', limit: 9 }, ['a2']],
  ] as const)('gives %j as %j', async (filter, ids) => {
    expect((await opened().attempts.list(filter)).map(({ id }) => id)).toEqual(ids)
  })

  it('refuses a limit that is no count', async () => {
    await expect(opened().attempts.list({ limit: -1 })).rejects.toEqual(code('internal'))
    await expect(opened().attempts.list({ limit: 1.5 })).rejects.toEqual(code('internal'))
  })
}
