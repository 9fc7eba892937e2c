/** The part of the ledger's contract that is about debts and approvals. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { Ledger } from '../../src/ledger/ledger.ts'
import { code } from './contract-attempts.ts'
import { holdOf, usd } from './sample.ts'

const november = Date.UTC(2026, 10, 20)
const december = Date.UTC(2026, 11, 1)

async function owe(ledger: Ledger, id: string, amount: bigint, now: number, provider = 'acme'): Promise<void> {
  await ledger.attempts.hold(holdOf(id, amount, { mode: 'invoice', provider, now }))
  await ledger.attempts.end(id, { state: 'owed', amountUsd: usd(amount), now: now + 5_000 })
}

export function invoices(opened: () => Ledger, another: (startMs: number) => Promise<Ledger>): void {
  it('gather debts by provider and month in which the call was made, and count nothing else', async () => {
    await owe(opened(), 'a', 5n, november)
    await owe(opened(), 'b', 7n, december - 1)
    await owe(opened(), 'c', 11n, december)
    await owe(opened(), 'd', 13n, november, 'beta')
    await opened().attempts.hold(holdOf('open', 99n, { mode: 'invoice', now: november }))
    expect(await opened().invoices.list()).toEqual([
      { provider: 'acme', month: '2026-12', debts: 1, totalUsd: 11n },
      { provider: 'beta', month: '2026-11', debts: 1, totalUsd: 13n },
      { provider: 'acme', month: '2026-11', debts: 2, totalUsd: 12n },
    ])
    expect((await opened().invoices.debts({ provider: 'acme', month: '2026-11' })).map(({ id }) => id)).toEqual(['a', 'b'])
  })

  it('are closed once; what comes later goes to the next number, and a close survives', async () => {
    await owe(opened(), 'a', 5n, november)
    const first = { provider: 'acme', month: '2026-11', number: 1, debts: 1, totalUsd: 5n, closedAt: december }
    expect(await opened().invoices.close('acme', '2026-11', december)).toEqual(first)
    expect(await opened().invoices.close('acme', '2026-11', december + 1)).toEqual(first)
    expect(await opened().invoices.close('nobody', '2026-11', december)).toBeUndefined()
    await owe(opened(), 'late', 7n, december - 1)
    const heir = await another(2)
    expect(await heir.invoices.close('acme', '2026-11', december + 2)).toMatchObject({ number: 2, debts: 1, totalUsd: 7n })
    expect((await heir.invoices.list()).map(({ number }) => number)).toEqual([1, 2])
    expect((await heir.invoices.debts({ provider: 'acme', month: '2026-11', number: 1 })).map(({ id }) => id)).toEqual(['a'])
    expect(await heir.invoices.debts({ provider: 'acme', month: '2026-11' })).toEqual([])
    expect(await heir.verifyEvents()).toEqual({ ok: true })
    await expect(heir.invoices.close('acme', '2026-13', december)).rejects.toEqual(code('internal'))
  })

  it('have every debt in exactly one, at its very amount, whoever closes when', async () => {
    const history = fc.array(fc.record({ amount: fc.bigInt({ min: 0n, max: 10n ** 24n }), close: fc.boolean() }), {
      minLength: 1,
      maxLength: 12,
    })
    let made = 0
    await fc.assert(
      fc.asyncProperty(history, async (steps) => {
        const provider = `p${made++}`
        for (const [at, { amount, close }] of steps.entries()) {
          await owe(opened(), `${provider}-${at}`, amount, november + at, provider)
          if (close) await Promise.all([1, 2].map(() => opened().invoices.close(provider, '2026-11', december)))
        }
        const own = (await opened().invoices.list()).filter((invoice) => invoice.provider === provider)
        const debts = (await Promise.all(own.map((invoice) => opened().invoices.debts(invoice)))).flat()
        expect(debts.map(({ id }) => id).toSorted()).toEqual(steps.map((_, at) => `${provider}-${at}`).toSorted())
        const total = steps.reduce((sum, { amount }) => sum + amount, 0n)
        expect(own.reduce((sum, { totalUsd }) => sum + totalUsd, 0n)).toBe(total)
        expect(debts.reduce((sum, { owedUsd = usd(0n) }) => sum + owedUsd, 0n)).toBe(total)
      }),
      { numRuns: 20 },
    )
  })
}

export function approvals(opened: () => Ledger, another: (startMs: number) => Promise<Ledger>): void {
  let asked = 0
  const ask = (amount: bigint, changes: { readonly caller?: string; readonly model?: string; readonly now?: number } = {}) =>
    opened().approvals.ask({
      ...{
        id: `apr_${asked++}`,
        caller: 'local',
        model: 'maker/model',
        provider: 'acme',
        mode: 'x402',
        amountUsd: usd(amount),
        now: 1_000,
      },
      ...changes,
    })
  const idOf = (outcome: Awaited<ReturnType<typeof ask>>) => (outcome.outcome === 'allowed' ? '' : outcome.id)

  it('are asked once for one shape, and one yes lets one call through', async () => {
    const first = await ask(5n)
    expect(first.outcome).toBe('pending')
    expect(await ask(4n)).toEqual(first)
    expect(idOf(await ask(6n))).not.toBe(idOf(first))
    const heir = await another(2)
    expect(await heir.approvals.decide(idOf(first), 'allowed', 2_000)).toMatchObject({ state: 'allowed', amountUsd: 5n })
    expect((await ask(5n, { caller: 'key_a' })).outcome).toBe('pending')
    expect((await ask(5n, { model: 'other' })).outcome).toBe('pending')
    const all = await Promise.all([ask(5n), ask(5n), ask(5n)])
    expect(all.filter(({ outcome }) => outcome === 'allowed')).toEqual([{ outcome: 'allowed', approvedUsd: 5n }])
    await expect(heir.approvals.decide(idOf(first), 'allowed', 2_000)).rejects.toEqual(code('approval_not_found'))
  })

  it('that were denied stay denied until they expire, and an answer holds no longer than an hour', async () => {
    const id = idOf(await ask(5n))
    await opened().approvals.decide(id, 'denied', 2_000)
    expect(await ask(3n)).toEqual({ outcome: 'denied', id })
    await opened().approvals.decide(id, 'allowed', 3_000)
    expect((await ask(5n, { now: 3_000 + 3_600_000 })).outcome).toBe('pending')
    await expect(opened().approvals.decide(id, 'allowed', 3_000 + 3_600_000)).rejects.toEqual(code('approval_not_found'))
    await expect(opened().approvals.decide('nobody', 'denied', 1)).rejects.toEqual(code('approval_not_found'))
    expect((await opened().approvals.list(4_000)).map(({ state }) => state)).toEqual(['pending', 'allowed'])
    expect(await opened().approvals.list(3_000 + 9 * 86_400_000)).toEqual([])
  })
}
