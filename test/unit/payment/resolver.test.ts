/** Endings by evidence: once, until known, in the background, and for what dead processes left. */
import { afterEach, describe, expect, it } from 'vitest'
import type { AttemptRow } from '../../../src/ledger/entry.ts'
import { silentLog } from '../../../src/lib/log.ts'
import { createResolver, type Resolver } from '../../../src/payment/resolver.ts'
import { createMemoryChain, createVirtualClock, type MemoryChain, type VirtualClock } from '../../gateway/payment-chain.ts'
import { createMemoryLedger, NONCE, PAYEE, PAYER, rowOf, USDC, VALID_BEFORE, type MemoryLedger } from './fixture.ts'

type Scene = { readonly clock: VirtualClock; readonly chain: MemoryChain; readonly ledger: MemoryLedger; readonly resolver: Resolver }

const opened: Resolver[] = []
afterEach(async () => {
  await Promise.all(opened.splice(0).map((resolver) => resolver.close()))
})

/** A minute before the authorization of the rows dies. */
function start(...rows: readonly AttemptRow[]): Scene {
  const clock = createVirtualClock(Number(VALID_BEFORE - 60n) * 1_000)
  const chain = createMemoryChain(clock, 1_000_000n)
  const ledger = createMemoryLedger(rows)
  const resolver = createResolver({ ledger, chainOf: () => chain, clock, log: silentLog })
  opened.push(resolver)
  return { clock, chain, ledger, resolver }
}

function cash({ chain }: Scene): void {
  const signed = { network: chain.network, asset: USDC, from: PAYER, to: PAYEE, value: 1_000n, validAfterSeconds: 0n } as const
  chain.cash({ ...signed, validBeforeSeconds: VALID_BEFORE, nonce: NONCE, signature: '0x' })
}

/** Lets everything happen that needs no time, then time pass to the next who waits for it. */
async function pass({ clock }: Scene, steps: number): Promise<void> {
  for (let step = 0; step <= steps; step++) {
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
    if (step < steps) clock.step()
  }
}

const stateOf = ({ ledger }: Scene, id = 'pay_1') => ledger.rows.get(id)?.state

describe('settle', () => {
  it.each(['intent', 'unknown'] as const)('ends an attempt in %s by the transfer it finds', async (state) => {
    const scene = start(rowOf(state))
    cash(scene)
    expect(await scene.resolver.settle('pay_1', {})).toBe('settled')
    expect([stateOf(scene), scene.ledger.rows.get('pay_1')?.payment?.amountSettled]).toEqual(['settled', 1_000n])
  })

  it.each(['intent', 'unknown'] as const)('releases an attempt in %s that died unused', async (state) => {
    const scene = start(rowOf(state))
    scene.clock.advance(60_000)
    expect(await scene.resolver.settle('pay_1', {})).toBe('released')
    expect(stateOf(scene)).toBe('released')
  })

  it('proves nothing while the money can still move, or while the chain is silent', async () => {
    const scene = start(rowOf('unknown'))
    expect(await scene.resolver.settle('pay_1', {})).toBe('open')
    scene.chain.down = true
    scene.clock.advance(600_000)
    expect(await scene.resolver.settle('pay_1', {})).toBe('open')
    expect([stateOf(scene), scene.ledger.endings]).toEqual(['unknown', []])
  })

  it('leaves alone what has an end, and a hold that has signed nothing', async () => {
    const scene = start(rowOf('settled'), rowOf('released', { id: 'pay_2' }), rowOf('held', { id: 'pay_3' }))
    const told = await Promise.all(['pay_1', 'pay_2', 'pay_3', 'pay_4'].map((id) => scene.resolver.settle(id, {})))
    expect(told).toEqual(['settled', 'released', 'open', 'released'])
    expect(scene.ledger.endings).toEqual([])
  })

  it('looks as often as it was told, and then no more', async () => {
    const scene = start(rowOf('unknown'))
    const told = scene.resolver.settle('pay_1', { tries: 3 })
    await pass(scene, 2)
    expect(await told).toBe('open')
    expect(scene.clock.step()).toBe(false)
  })

  it('waits until it is known, or until the caller has gone', async () => {
    const scene = start(rowOf('unknown'), rowOf('unknown', { id: 'pay_2' }))
    const caller = new AbortController()
    const left = scene.resolver.settle('pay_2', { untilKnown: true, signal: caller.signal })
    await pass(scene, 1)
    caller.abort(new Error('gone'))
    expect(await left).toBe('open')
    const told = scene.resolver.settle('pay_1', { untilKnown: true })
    await pass(scene, 60)
    expect([await told, stateOf(scene)]).toEqual(['released', 'released'])
  })
})

describe('follow', () => {
  it('sees a payment that settles late', async () => {
    const scene = start(rowOf('unknown'))
    scene.resolver.follow('pay_1')
    scene.resolver.follow('pay_1')
    await pass(scene, 4)
    cash(scene)
    await pass(scene, 3)
    expect([stateOf(scene), scene.ledger.endings.length]).toEqual(['settled', 1])
  })

  it('goes on after the ledger has failed', async () => {
    const scene = start(rowOf('unknown'))
    cash(scene)
    scene.ledger.failures = 3
    scene.resolver.follow('pay_1')
    await pass(scene, 1)
    expect(stateOf(scene)).toBe('unknown')
    await pass(scene, 4)
    expect(stateOf(scene)).toBe('settled')
  })

  it('ends with the resolver, and what is open stays as it is', async () => {
    const scene = start(rowOf('unknown'))
    scene.resolver.follow('pay_1')
    await pass(scene, 2)
    await scene.resolver.close()
    expect([stateOf(scene), scene.clock.step()]).toEqual(['unknown', false])
    scene.resolver.follow('pay_1')
    expect(scene.clock.step()).toBe(false)
  })
})

describe('recover', () => {
  const dead = { owner: 'dead' }

  it('gives a mere hold back, ends what is known, and follows what is not', async () => {
    const spent = rowOf('intent', { id: 'pay_2', ...dead })
    const scene = start(rowOf('held', dead), spent, rowOf('intent', { id: 'pay_3', owner: 'alive' }))
    expect(await scene.resolver.recover()).toEqual({ found: 2, ended: 1, following: 1 })
    expect(['pay_1', 'pay_2', 'pay_3'].map((id) => stateOf(scene, id))).toEqual(['released', 'unknown', 'intent'])
    cash(scene)
    await pass(scene, 3)
    expect(stateOf(scene, 'pay_2')).toBe('settled')
  })

  it('takes nothing that another process was quicker to adopt', async () => {
    const scene = start(rowOf('held', dead))
    await scene.ledger.attempts.adopt('pay_1')
    expect(await scene.resolver.recover()).toEqual({ found: 0, ended: 0, following: 0 })
    expect(stateOf(scene)).toBe('held')
  })

  it.each(['held', 'intent', 'unknown'] as const)('keeps at an attempt in %s that it could not write at first', async (state) => {
    const scene = start(rowOf(state, dead), rowOf('held', { id: 'pay_2', ...dead }))
    if (state !== 'held') cash(scene)
    scene.ledger.failures = 1
    expect(await scene.resolver.recover()).toEqual({ found: 2, ended: 1, following: 1 })
    await pass(scene, 2)
    expect([stateOf(scene), stateOf(scene, 'pay_2')]).toEqual([state === 'held' ? 'released' : 'settled', 'released'])
  })
})

describe('giveBack', () => {
  it('releases a hold, at once or as soon as the ledger can be written', async () => {
    const scene = start(rowOf('held'), rowOf('intent', { id: 'pay_2' }))
    await scene.resolver.giveBack('pay_1', 'not asked to pay')
    expect(stateOf(scene)).toBe('released')
    scene.ledger.failures = 2
    await scene.resolver.giveBack('pay_2', 'the signature never left')
    expect(stateOf(scene, 'pay_2')).toBe('intent')
    await pass(scene, 3)
    expect(stateOf(scene, 'pay_2')).toBe('released')
  })
})

describe('sweep', () => {
  it('looks once at everything unknown, and counts what has an end now', async () => {
    const other = rowOf('unknown', { id: 'pay_2' })
    const scene = start(rowOf('unknown'), { ...other, payment: { ...other.payment, nonce: `0x${'11'.repeat(32)}` } as never })
    cash(scene)
    expect(await scene.resolver.sweep()).toBe(1)
    expect([stateOf(scene), stateOf(scene, 'pay_2')]).toEqual(['settled', 'unknown'])
  })
})
