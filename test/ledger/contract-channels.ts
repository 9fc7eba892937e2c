/** The part of the ledger's contract that is about payment channels: leases, vouchers, charges and what comes back. */
import { expect, it } from 'vitest'
import type { ChannelTerms } from '../../src/ledger/channel.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'
import { code, standing } from './contract-attempts.ts'
import { atomic, holdOf, intentOf, limitOf, released, settledOf, unknown, usd } from './sample.ts'

const id = `0x${'c1'.repeat(32)}` as const

export const channelTerms: ChannelTerms = {
  ...{ id, network: 'eip155:84532', asset: '0xAsset', decimals: 6, payer: '0xPayer', payerAuthorizer: '0xVoucherKey' },
  ...{ receiver: '0xSeller', receiverAuthorizer: '0xClaimer', withdrawDelay: 900, salt: '0x01', provider: 'acme' },
  ...{ resource: 'https://acme.example/v1/chat/completions', wire: 'chat-completions', model: 'maker/model' },
}

/** A request's attempt that is held and may promise. */
const attempt = (ledger: Ledger, name: string) => ledger.attempts.hold(holdOf(name, 100n))

/** Puts money in by an attempt of its own, which counts against the budget. */
async function fill(ledger: Ledger, name: string, amount: bigint, by: string): Promise<void> {
  await ledger.attempts.hold(holdOf(name, amount, { budgets: [limitOf(1_000n)] }))
  await ledger.attempts.intend(name, intentOf(name, amount))
  await ledger.channels.promise(id, { attempt: by, amount: atomic(1n), deposit: name }, 2_000)
}

async function filled(ledger: Ledger, amount: bigint): Promise<void> {
  await attempt(ledger, 'first')
  await ledger.channels.open(channelTerms, 'first', 1_000)
  await fill(ledger, 'deposit', amount, 'first')
  await ledger.attempts.end('deposit', settledOf(amount))
  await ledger.channels.charge('first', atomic(1n), 3_000)
  await ledger.attempts.end('first', released)
}

async function promise(ledger: Ledger, name: string, amount: bigint) {
  await attempt(ledger, name)
  expect(await ledger.channels.lease(id, name, 4_000)).toBe(true)
  return ledger.channels.promise(id, { attempt: name, amount: atomic(amount) }, 4_000)
}

/** Promises, signs, and learns no more of it. */
async function lose(ledger: Ledger, name: string, amount: bigint) {
  const voucher = await promise(ledger, name, amount)
  await ledger.attempts.intend(name, intentOf(name, amount))
  await ledger.attempts.end(name, unknown)
  return voucher
}

export function channels(opened: () => Ledger, another: (startMs: number) => Promise<Ledger>): void {
  it('are made once, and held by one attempt at a time', async () => {
    await attempt(opened(), 'a')
    expect(await opened().channels.open(channelTerms, 'a', 1_000)).toBe(true)
    expect(await opened().channels.open(channelTerms, 'b', 1_000)).toBe(false)
    expect(await opened().channels.lease(id, 'b', 1_000)).toBe(false)
    await opened().attempts.end('a', released)
    await Promise.all(['b', 'c', 'd'].map((name) => attempt(opened(), name)))
    const taken = await Promise.all(['b', 'c', 'd'].map((name) => opened().channels.lease(id, name, 1_000)))
    expect(taken.filter(Boolean)).toHaveLength(1)
    expect(await opened().channels.get(id)).toMatchObject({ ...channelTerms, state: 'open', deposited: 0n, charged: 0n, signed: 0n })
    expect(await opened().channels.list({ payer: '0xPAYER' })).toHaveLength(1)
    expect(await opened().channels.list({ payer: '0xOther' })).toEqual([])
  })

  it('are given back by who holds them, and by nobody else', async () => {
    await Promise.all(['a', 'b'].map((name) => attempt(opened(), name)))
    await opened().channels.open(channelTerms, 'a', 1_000)
    await opened().channels.release(id, 'b')
    expect(await opened().channels.lease(id, 'b', 1_000)).toBe(false)
    await opened().channels.release(id, 'a')
    expect(await opened().channels.lease(id, 'b', 1_000)).toBe(true)
  })

  it('pass from a dead holder to the next, and never from a living one', async () => {
    await attempt(opened(), 'a')
    await opened().channels.open(channelTerms, 'a', 1_000)
    const heir = await another(2)
    await attempt(heir, 'b')
    expect(await heir.channels.lease(id, 'b', 1_000)).toBe(true)
    expect(await heir.channels.lease(id, 'c', 1_000)).toBe(false)
  })

  it('hold what was deposited by the evidence of the deposit alone', async () => {
    await attempt(opened(), 'a')
    await opened().channels.open(channelTerms, 'a', 1_000)
    await fill(opened(), 'deposit', 50n, 'a')
    expect(await opened().channels.get(id)).toMatchObject({ deposited: 0n, depositing: 50n, signed: 1n })
    await opened().attempts.end('deposit', settledOf(50n))
    expect(await opened().channels.get(id)).toMatchObject({ deposited: 50n, depositing: 0n })
    expect(await standing(opened())).toEqual([0n, 50n])
  })

  it.each([
    { took: 53n, arrived: 50n },
    { took: 3n, arrived: 0n },
  ])('hold more once a top-up has arrived, and nothing of one that took its fee alone ($took)', async ({ took, arrived }) => {
    await filled(opened(), 20n)
    await attempt(opened(), 'a')
    const more = { attempt: 'a', deposit: 'more', reaching: atomic(50n) }
    await opened().attempts.hold(holdOf('more', 53n, { budgets: [limitOf(1_000n)] }))
    await opened().attempts.intend('more', intentOf('more', 53n))
    await expect(opened().channels.fund(id, more)).rejects.toEqual(code('internal'))
    expect(await opened().channels.lease(id, 'a', 4_000)).toBe(true)
    await opened().channels.fund(id, more)
    expect(await opened().channels.get(id)).toMatchObject({ deposited: 20n, depositing: 50n })
    expect(await opened().channels.openDeposits(id)).toEqual(['more'])
    await opened().attempts.end('more', settledOf(took))
    expect(await opened().channels.get(id)).toMatchObject({ deposited: 20n + arrived, depositing: 0n })
  })

  it('promise no more than they hold, and only to whoever holds them', async () => {
    await attempt(opened(), 'a')
    await opened().channels.open(channelTerms, 'a', 1_000)
    await expect(opened().channels.promise(id, { attempt: 'a', amount: atomic(1n) }, 1_000)).rejects.toEqual(code('internal'))
    await fill(opened(), 'deposit', 50n, 'a')
    await opened().attempts.end('deposit', released)
    await expect(opened().channels.promise(id, { attempt: 'a', amount: atomic(1n) }, 1_000)).rejects.toEqual(code('internal'))
    await attempt(opened(), 'b')
    await expect(opened().channels.promise(id, { attempt: 'b', amount: atomic(1n) }, 1_000)).rejects.toEqual(code('internal'))
  })

  it('charge within the promise, once, and the next begins there', async () => {
    await filled(opened(), 50n)
    expect(await lose(opened(), 'b', 10n)).toMatchObject({ base: 1n, amount: 10n })
    await expect(opened().channels.charge('b', atomic(11n), 5_000)).rejects.toEqual(code('internal'))
    await opened().channels.charge('b', atomic(7n), 5_000)
    await opened().channels.charge('b', atomic(7n), 5_000)
    await expect(opened().channels.charge('b', atomic(8n), 5_000)).rejects.toEqual(code('internal'))
    expect(await opened().channels.get(id)).toMatchObject({ charged: 8n, signed: 11n })
    expect(await lose(opened(), 'c', 42n)).toMatchObject({ base: 8n })
    await opened().channels.charge('c', atomic(0n), 6_000)
    expect(await opened().channels.get(id)).toMatchObject({ charged: 8n, signed: 50n })
  })

  it('keep open what is not known, until another charge on the same base makes it void', async () => {
    await filled(opened(), 50n)
    await lose(opened(), 'lost', 10n)
    expect(await lose(opened(), 'next', 20n)).toMatchObject({ base: 1n })
    expect((await opened().channels.openVouchers(id)).map(({ attempt: name }) => name)).toEqual(['lost', 'next'])
    await opened().channels.charge('next', atomic(5n), 5_000)
    expect(await opened().channels.voucher('lost')).toMatchObject({ charged: 0n })
    expect(await opened().channels.openVouchers(id)).toEqual([])
    expect(await opened().channels.get(id)).toMatchObject({ charged: 6n, signed: 21n })
  })

  it('know no charge of a promise that was given up before it was signed', async () => {
    await filled(opened(), 50n)
    await promise(opened(), 'held', 10n)
    expect(await opened().channels.openVouchers(id)).toEqual([])
    await opened().attempts.end('held', released)
    await lose(opened(), 'signed', 10n)
    expect((await opened().channels.openVouchers(id)).map(({ attempt: name }) => name)).toEqual(['signed'])
  })

  it('give back to the budgets what came back, and no more than was put in', async () => {
    await filled(opened(), 50n)
    const usdOf = (amount: bigint) => usd(amount)
    await opened().channels.returned(id, atomic(20n), usdOf, 5_000)
    await opened().channels.returned(id, atomic(20n), usdOf, 5_000)
    expect(await standing(opened())).toEqual([0n, 30n])
    await expect(opened().channels.returned(id, atomic(19n), usdOf, 5_000)).rejects.toEqual(code('internal'))
    await expect(opened().channels.returned(id, atomic(51n), usdOf, 5_000)).rejects.toEqual(code('internal'))
    await opened().channels.returned(id, atomic(49n), usdOf, 5_000)
    expect(await standing(opened())).toEqual([0n, 1n])
    expect(await opened().channels.get(id)).toMatchObject({ deposited: 50n, returned: 49n, charged: 1n })
  })

  it('count once for a cap that is set later: what was put in less what came back, and no voucher of it', async () => {
    await filled(opened(), 50n)
    await promise(opened(), 'b', 10n)
    await opened().attempts.intend('b', intentOf('b', 10n, { proof: 'voucher' }))
    await opened().channels.charge('b', atomic(7n), 5_000)
    await opened().attempts.end('b', settledOf(7n))
    await opened().channels.returned(id, atomic(20n), usd, 5_000)
    const later = { ...limitOf(1_000n, 'all', 'set later'), since: 0 }
    const ofProvider = { ...later, scope: 'provider:acme' }
    const spent = async () => (await opened().attempts.budgets([later, ofProvider])).map((each) => each.spent)
    expect(await spent()).toEqual([30n, 30n])
    // The first hold under them writes them down.
    await opened().attempts.hold(holdOf('c', 1n, { budgets: [later, ofProvider] }))
    expect(await spent()).toEqual([30n, 30n])
    await opened().channels.returned(id, atomic(22n), usd, 6_000)
    expect(await spent()).toEqual([28n, 28n])
  })

  it('promise nothing once they are distrusted, and never open again', async () => {
    await filled(opened(), 50n)
    await opened().channels.mark(id, { state: 'distrusted', reason: 'charged too much' }, 5_000)
    await attempt(opened(), 'b')
    expect(await opened().channels.lease(id, 'b', 5_000)).toBe(false)
    await opened().channels.mark(id, { state: 'withdrawing', reason: 'asked', withdrawAt: 9_000 }, 5_000)
    await expect(opened().channels.mark(id, { state: 'open', reason: 'no' }, 5_000)).rejects.toEqual(code('internal'))
    expect(await opened().channels.get(id)).toMatchObject({ state: 'withdrawing', withdrawAt: 9_000 })
    await opened().channels.mark(id, { state: 'closed', reason: 'done' }, 6_000)
    expect(await opened().channels.get(id)).not.toHaveProperty('withdrawAt')
  })
}
