/** What every engine of the ledger must do: run it against each with a function that opens one. */
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Ledger, TriedCall } from '../../src/ledger/ledger.ts'
import { MAX_KEPT_BYTES } from '../../src/ledger/ledger.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { channels } from './contract-channels.ts'
import { code, endings, holds, intents, lists, paid, standing } from './contract-attempts.ts'
import { approvals, invoices } from './contract-books.ts'
import { atomic, holdOf, requestOf, settledOf, usd } from './sample.ts'

export type ContractPlace = { open(startMs?: number): Promise<Ledger>; [Symbol.asyncDispose](): Promise<void> }

export function ledgerContract(engine: string, createPlace: () => ContractPlace): void {
  describe(`the ledger on ${engine}`, () => {
    let place: ContractPlace
    let ledger: Ledger
    beforeEach(async () => {
      place = createPlace()
      ledger = await place.open()
    })
    afterEach(() => place[Symbol.asyncDispose]())
    const opened = () => ledger
    const another = (startMs: number) => place.open(startMs)

    describe('holds', () => holds(opened))
    describe('intents', () => intents(opened))
    describe('endings', () => endings(opened))
    describe('lists', () => lists(opened))
    describe('orphans', () => orphans(opened, another))
    describe('untold attempts', () => untold(opened, another))
    describe('requests', () => requests(opened, another))
    describe('invoices', () => invoices(opened, another))
    describe('approvals', () => approvals(opened, another))
    describe('idempotency keys', () => idempotency(opened, another))
    describe('channels', () => channels(opened, another))
    describe('health', () => health(opened, another))
    describe('the whole', () => whole(opened, another))
  })
}

function orphans(opened: () => Ledger, another: (startMs: number) => Promise<Ledger>): void {
  const now = systemClock.now

  it('are not what a living process has open', async () => {
    await paid(opened(), 'a', 5n)
    expect(await opened().attempts.orphans(now())).toEqual([])
    expect(await opened().attempts.adopt('a')).toBe(false)
  })

  it('are what a predecessor with the same pid left open, oldest first, and go to one heir', async () => {
    await paid(opened(), 'a', 5n)
    await opened().attempts.hold(holdOf('b', 5n))
    await paid(opened(), 'c', 5n)
    await opened().attempts.end('c', settledOf(5n))
    const heir = await another(2)
    expect((await heir.attempts.orphans(now())).map(({ id }) => id)).toEqual(['a', 'b'])
    expect(await Promise.all([1, 2, 3].map(() => heir.attempts.adopt('a')))).toEqual([true, false, false])
    expect(await heir.attempts.adopt('c')).toBe(false)
    expect(await heir.attempts.adopt('nobody')).toBe(false)
    expect((await heir.attempts.orphans(now())).map(({ id }) => id)).toEqual(['b'])
    expect(await heir.verifyEvents()).toEqual({ ok: true })
  })

  it('are at once what a process left that has closed', async () => {
    await paid(opened(), 'a', 5n)
    await opened().close()
    const heir = await another(2)
    expect((await heir.attempts.orphans(now())).map(({ id }) => id)).toEqual(['a'])
  })
}

function untold(opened: () => Ledger, another: (startMs: number) => Promise<Ledger>): void {
  const call = { caller: 'local', fingerprint: 'words' }
  const idsIn = async (ledger: Ledger, asked: Partial<TriedCall> = {}) =>
    (await ledger.attempts.untold({ ...call, since: 1_000, ...asked }, systemClock.now())).map(({ id }) => id)

  it('are the attempts of a dead process for a call in the same words, whoever has healed them', async () => {
    await opened().attempts.hold(holdOf('a', 5n, call))
    await opened().attempts.hold(holdOf('b', 5n, { ...call, caller: 'another' }))
    await opened().attempts.hold(holdOf('c', 5n, { ...call, fingerprint: 'other words' }))
    await opened().attempts.hold(holdOf('d', 5n, { caller: 'local' }))
    expect(await idsIn(opened())).toEqual([])
    const heir = await another(2)
    expect(await idsIn(heir)).toEqual(['a'])
    expect([await heir.attempts.adopt('a'), await idsIn(heir)]).toEqual([true, ['a']])
    expect([await idsIn(heir, { since: 1_001 }), (await heir.attempts.get('a'))?.fingerprint]).toEqual([[], 'words'])
    expect(await heir.verifyEvents()).toEqual({ ok: true })
  })

  it('are none of a call whose end was recorded: its caller has been told', async () => {
    await opened().attempts.hold(holdOf('a', 5n, call))
    opened().requests.record(requestOf('req-a'))
    await opened().close()
    expect(await idsIn(await another(2))).toEqual([])
  })
}

function requests(opened: () => Ledger, another: (startMs: number) => Promise<Ledger>): void {
  it('are there once they are asked for', async () => {
    const row = requestOf('r1', {
      provider: 'acme',
      model: 'maker/m',
      mode: 'x402',
      errorCode: 'internal',
      costUsd: usd(10n ** 25n),
      ttftMs: 0.25,
    })
    opened().requests.record(row)
    expect(await opened().requests.get('r1')).toEqual(row)
    expect(await opened().requests.get('r2')).toBeUndefined()
  })

  it('keep unknown counts unknown', async () => {
    const usage = { inputTokens: undefined, outputTokens: 3, origin: 'provider', raw: { deep: [1, null, 'x'] } } as const
    opened().requests.record(requestOf('r1', { usage }))
    expect((await opened().requests.get('r1'))?.usage).toStrictEqual(usage)
    expect(await opened().requests.get('r1')).not.toHaveProperty('costUsd')
  })

  it('are listed newest first', async () => {
    for (const [id, startedAt] of [
      ['r1', 5],
      ['r2', 9],
      ['r3', 7],
    ] as const)
      opened().requests.record(requestOf(id, { startedAt }))
    expect((await opened().requests.list(2)).map(({ id }) => id)).toEqual(['r2', 'r3'])
  })

  it('survive a close', async () => {
    for (let at = 0; at < 200; at++) opened().requests.record(requestOf(`r${at}`))
    await opened().close()
    const later = await another(2)
    expect(await later.requests.list(1_000)).toHaveLength(200)
  })

  it('leave out what cannot be written, and nothing beside it', async () => {
    const cyclic: Record<string, unknown> = {}
    cyclic['self'] = cyclic
    opened().requests.record(requestOf('r1', { totalMs: Number.NaN }))
    opened().requests.record(requestOf('r2', { usage: { inputTokens: 1, outputTokens: 2, origin: 'estimated', raw: cyclic } }))
    opened().requests.record(requestOf('r3', { usage: { inputTokens: 1, outputTokens: 2, origin: 'provider', raw: 'x'.repeat(100_000) } }))
    opened().requests.record(requestOf('r4', { requestedModel: 'a\0b\udfff' }))
    expect((await opened().requests.list(9)).map(({ id }) => id)).toEqual(['r4', 'r3', 'r2'])
    expect((await opened().requests.get('r2'))?.usage).toStrictEqual({ inputTokens: 1, outputTokens: 2, origin: 'estimated' })
    expect((await opened().requests.get('r3'))?.usage).toStrictEqual({ inputTokens: 1, outputTokens: 2, origin: 'provider' })
    expect((await opened().requests.get('r4'))?.requestedModel).toBe('a\uFFFDb\uFFFD')
  })

  it('leave out the one of many that cannot be written', async () => {
    for (let at = 0; at < 40; at++) opened().requests.record(requestOf(`r${at}`, at === 21 ? { status: 0.5 } : {}))
    const kept = (await opened().requests.list(99)).map(({ id }) => id)
    expect(kept).toHaveLength(39)
    expect(kept).not.toContain('r21')
  })

  it('give back any texts and counts they were given', async () => {
    const text = fc.string({ unit: 'binary' }).map((own) => own.replaceAll('\0', ''))
    const count = fc.nat()
    const rows = fc.record({
      ...{ caller: text, protocol: text, requestedModel: text, status: count, attempts: count, startedAt: count },
      ...{ totalMs: fc.double({ noNaN: true, min: 0, max: 1e12 }), usage: fc.jsonValue({ maxDepth: 3 }) },
    })
    await fc.assert(
      fc.asyncProperty(rows, async ({ usage: raw, ...row }) => {
        const whole = { id: 'r', ...row, usage: { inputTokens: 1, outputTokens: undefined, origin: 'provider' as const, raw } }
        opened().requests.record(whole)
        // JSON has one zero.
        expect(await opened().requests.get('r')).toEqual(JSON.parse(JSON.stringify(whole)))
      }),
      { numRuns: 60 },
    )
  })
}

function idempotency(opened: () => Ledger, another: (startMs: number) => Promise<Ledger>): void {
  const day = 24 * 60 * 60 * 1_000
  const now = systemClock.now()
  const answer = { status: 200, headers: { 'content-type': 'application/json' }, body: new TextEncoder().encode('{"a":1}') }

  it('go to one request; the others wait, and get its answer', async () => {
    const claims = await Promise.all([1, 2, 3].map(() => opened().idempotency.claim('me', 'k', 'f', now)))
    expect(claims.map(({ kind }) => kind)).toEqual(['new', 'running', 'running'])
    await opened().idempotency.finish('me', 'k', answer)
    expect(await opened().idempotency.claim('me', 'k', 'f', now)).toEqual({ kind: 'kept', answer })
    await opened().idempotency.finish('me', 'k', { ...answer, status: 500 })
    await opened().idempotency.finish('me', 'k', undefined)
    expect(await opened().idempotency.claim('me', 'k', 'f', now)).toEqual({ kind: 'kept', answer })
  })

  it('belong to their caller and to one body', async () => {
    await opened().idempotency.claim('me', 'k', 'f', now)
    expect(await opened().idempotency.claim('me', 'k', 'g', now)).toEqual({ kind: 'conflict' })
    expect(await opened().idempotency.claim('you', 'k', 'g', now)).toEqual({ kind: 'new' })
    await opened().idempotency.finish('me', 'k', answer)
    expect(await opened().idempotency.claim('me', 'k', 'g', now)).toEqual({ kind: 'conflict' })
  })

  it('are given back by a failure that cost nothing', async () => {
    await opened().idempotency.claim('me', 'k', 'f', now)
    await opened().idempotency.finish('me', 'k', undefined)
    expect(await opened().idempotency.claim('me', 'k', 'g', now)).toEqual({ kind: 'new' })
  })

  it('are forgotten after a day', async () => {
    await opened().idempotency.claim('me', 'k', 'f', now)
    await opened().idempotency.finish('me', 'k', answer)
    expect(await opened().idempotency.claim('me', 'k', 'f', now + day - 1)).toMatchObject({ kind: 'kept' })
    expect(await opened().idempotency.claim('me', 'k', 'other', now + day)).toEqual({ kind: 'new' })
  })

  it('are taken over from a process that died, and only from one', async () => {
    await opened().idempotency.claim('me', 'k', 'f', now)
    const heir = await another(2)
    expect(await heir.idempotency.claim('me', 'k', 'g', now)).toEqual({ kind: 'conflict' })
    expect(await heir.idempotency.claim('me', 'k', 'f', now)).toEqual({ kind: 'new' })
    await opened().idempotency.finish('me', 'k', { ...answer, status: 500 })
    expect(await heir.idempotency.claim('me', 'k', 'f', now)).toEqual({ kind: 'running' })
    await heir.idempotency.finish('me', 'k', answer)
    expect(await opened().idempotency.claim('me', 'k', 'f', now)).toEqual({ kind: 'kept', answer })
  })

  it('keep answers up to a mebibyte, and stay claimed beyond', async () => {
    const body = new Uint8Array(MAX_KEPT_BYTES).fill(7)
    await opened().idempotency.claim('me', 'k', 'f', now)
    await expect(opened().idempotency.finish('me', 'k', { ...answer, body: new Uint8Array(MAX_KEPT_BYTES + 1) })).rejects.toEqual(
      code('internal'),
    )
    expect(await opened().idempotency.claim('me', 'k', 'f', now)).toEqual({ kind: 'running' })
    await opened().idempotency.finish('me', 'k', { status: 200, headers: {}, body })
    const kept = await opened().idempotency.claim('me', 'k', 'f', now)
    expect(kept.kind === 'kept' && Buffer.compare(kept.answer.body, body)).toBe(0)
  })

  it('keep an empty answer empty', async () => {
    await opened().idempotency.claim('me', 'k', 'f', now)
    await opened().idempotency.finish('me', 'k', { status: 204, headers: {}, body: new Uint8Array() })
    expect(await opened().idempotency.claim('me', 'k', 'f', now)).toEqual({
      kind: 'kept',
      answer: { status: 204, headers: {}, body: new Uint8Array() },
    })
  })
}

function health(opened: () => Ledger, another: (startMs: number) => Promise<Ledger>): void {
  const row = (endpoint: string, at: number, state = '{}') => ({ endpoint, at, state })

  it('is told to the others and not to oneself, and outlives its process', async () => {
    const other = await another(2)
    await opened().health.save([row('a:m', 1_000, 'one'), row('b:m', 2_000)], 2_000)
    await opened().health.save([row('a:m', 3_000, 'two')], 3_000)
    expect(await opened().health.others(0)).toEqual([])
    expect(await other.health.others(0)).toMatchObject([row('b:m', 2_000), row('a:m', 3_000, 'two')])
    expect(await other.health.others(2_000)).toMatchObject([row('a:m', 3_000, 'two')])
    await opened().close()
    expect(await (await another(3)).health.others(0)).toHaveLength(2)
  })

  it('is forgotten after an hour', async () => {
    const other = await another(2)
    await opened().health.save([row('a:m', 1_000)], 1_000)
    await other.health.save([row('b:m', 3_601_001)], 3_601_001)
    expect(await other.health.others(0)).toEqual([])
    expect(await opened().health.others(0)).toMatchObject([row('b:m', 3_601_001)])
  })
}

function whole(opened: () => Ledger, another: (startMs: number) => Promise<Ledger>): void {
  it('makes its salt once and keeps it', async () => {
    const salt = await opened().nonceSalt()
    expect(salt).toHaveLength(32)
    expect(await (await another(2)).nonceSalt()).toEqual(salt)
  })

  it('keeps everything over a close', async () => {
    await paid(opened(), 'a', 8n)
    await opened().attempts.end('a', settledOf(8n, { amount: atomic(8n), transaction: '0xT', blockNumber: 2n ** 70n, logIndex: 3 }))
    const before = await opened().attempts.get('a')
    await opened().close()
    const later = await another(2)
    expect(await later.attempts.get('a')).toStrictEqual(before)
    expect(await standing(later)).toEqual([0n, 8n])
    expect(await later.verifyEvents()).toEqual({ ok: true })
  })

  it('refuses all work once closed, and closes twice in peace', async () => {
    await opened().close()
    await opened().close()
    await expect(opened().attempts.hold(holdOf('a', 1n))).rejects.toEqual(code('store_unavailable'))
    await expect(opened().attempts.get('a')).rejects.toEqual(code('store_unavailable'))
    await expect(opened().idempotency.claim('me', 'k', 'f', 1)).rejects.toEqual(code('store_unavailable'))
    opened().requests.record(requestOf('r'))
  })

  it('ends what was begun before it closes', async () => {
    const holds = ['a', 'b', 'c'].map((id) => opened().attempts.hold(holdOf(id, 1n)))
    await opened().close()
    expect(await Promise.all(holds)).toEqual([{ granted: true }, { granted: true }, { granted: true }])
    expect(await (await another(2)).attempts.list({})).toHaveLength(3)
  })
}
