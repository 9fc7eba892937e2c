/** What is due for a sale, written loosely so that a first token need not wait for the disk. */
import { describe, expect, it } from 'vitest'
import type { SaleClaim } from '../../src/ledger/sale.ts'
import type { Atomic, Usd } from '../../src/money.ts'
import { createPlace } from './open.ts'

const claim: SaleClaim = {
  id: 'sale_1',
  key: 'x402 one',
  requestId: 'req_1',
  digest: 'd',
  model: 'm',
  priceUsd: 1n as Usd,
  credential: '{}',
  now: 1,
  protocol: 'x402-2',
  scheme: 'exact',
  network: 'eip155:84532',
  asset: '0xa',
  decimals: 6,
  payer: '0xb',
  payee: '0xc',
  amountOffered: 7n as Atomic,
  nonce: '0xd',
  validBeforeSeconds: 9n,
}

describe('what is due', () => {
  it('is seen by the next process, whatever happens to this one, and said again is the same', async () => {
    await using place = createPlace()
    const { sales } = await place.open(1)
    await sales.claim(claim)
    await sales.owe(claim.id, 7n as Atomic, 2, true)
    // The other one is not closed, as one that is killed is not.
    const next = await place.open(2)
    expect(await next.sales.uncollected(3)).toMatchObject([{ id: claim.id, state: 'due', amountDue: 7n }])
    await sales.owe(claim.id, 7n as Atomic, 4)
    expect(await next.sales.get(claim.id)).toMatchObject({ state: 'due', amountDue: 7n, updatedAt: 4 })
  })

  it('is all that a payer has signed before, in however he spells his name, until it is settled, void or expired', async () => {
    await using place = createPlace()
    const { sales } = await place.open(1)
    const claimed = async (name: string, other: Partial<SaleClaim> = {}) =>
      (await sales.claim({ ...claim, ...other, id: `sale_${name}`, key: name })).sale
    const ended = await claimed('a')
    const void_ = await claimed('b')
    await claimed('c', { payer: '0xB' })
    await claimed('d', { payer: '0xe' })
    await claimed('e', { asset: '0xf' })
    await claimed('f', { validBeforeSeconds: 2n })
    const mine = await claimed('g')
    await claimed('h')
    await sales.owe(ended.id, 7n as Atomic, 2)
    await sales.end(ended.id, { state: 'settled', amount: 7n as Atomic, amountUsd: 1n as Usd, now: 3 })
    await sales.end(void_.id, { state: 'void', reason: 'no', now: 3 })
    const before = async (now: number) => (await sales.openBefore(mine, mine.id, now)).map(({ id }) => id)
    expect([await before(3), await before(2_000), await before(9_000)]).toEqual([['sale_c', 'sale_f'], ['sale_c'], []])
    expect((await sales.openBefore(mine, undefined, 3)).map(({ id }) => id)).toEqual(['sale_c', 'sale_f', mine.id, 'sale_h'])
  })

  it('is not said of a sale that has ended', async () => {
    await using place = createPlace()
    const { sales } = await place.open(1)
    await sales.claim(claim)
    await sales.owe(claim.id, 7n as Atomic, 2, true)
    await sales.end(claim.id, { state: 'settled', amount: 7n as Atomic, amountUsd: 1n as Usd, now: 3 })
    await expect(sales.owe(claim.id, 7n as Atomic, 4)).rejects.toMatchObject({ code: 'internal' })
    expect(await sales.get(claim.id)).toMatchObject({ state: 'settled' })
  })
})
