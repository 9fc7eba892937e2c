/** A ledger that cannot be written at one moment or another of a payment: nothing is signed without it, and afterwards the books equal the chain. */
import { rename } from 'node:fs/promises'
import Database from 'libsql'
import { expect, it, onTestFinished } from 'vitest'
import { systemClock, type Clock } from '../../src/lib/clock.ts'
import { startRelay } from '../gateway/relay.ts'
import { useDemoNetwork } from '../support/chain.ts'
import { ask, closedBooks, expectBalanced, openEngine, passTime, readBooks, writeWorld, type World } from '../support/engine.ts'
import { verifies } from '../support/verifies.ts'
import { startChild } from './children/start.ts'

const current = useDemoNetwork()
const prices = { prompt: '0.000001', completion: '0.000005' }

/** Once the ledger is broken nobody waits as long as a gateway would before it tries again. */
function hurriedClock(isBroken: () => boolean): Clock {
  return { ...systemClock, sleep: (ms, signal) => systemClock.sleep(isBroken() ? Math.min(ms, 5) : ms, signal) }
}

/** Makes the ledger unusable. @returns what mends it. */
type Break = (world: World) => Promise<() => Promise<void>>

const moments = [
  'before the call',
  'once the provider asks for money',
  'once it is paid',
  'once it is paid, and the answer is lost',
] as const
type Moment = (typeof moments)[number]

/** A lock is waited for at each write, which takes its time: it is there at the moments at which it comes to most. */
const breaks: readonly [how: string, reason: string, at: readonly Moment[], break_: Break][] = [
  [
    'is taken away',
    'was taken away or replaced',
    moments,
    async ({ ledgerPath }) => {
      await rename(ledgerPath, `${ledgerPath}.away`)
      return () => rename(`${ledgerPath}.away`, ledgerPath)
    },
  ],
  [
    'is locked',
    'locked by another process',
    ['before the call', 'once it is paid'],
    async ({ ledgerPath }) => {
      const other = new Database(ledgerPath)
      other.exec('BEGIN IMMEDIATE')
      return async () => {
        other.exec('ROLLBACK')
        other.close()
      }
    },
  ],
]

const cells = breaks.flatMap(([how, reason, at, break_]) => at.map((moment) => [how, moment, reason, break_] as const))

it.each(cells)('a ledger that %s %s stops nothing but new payments', async (_, moment, reason, break_) => {
  verifies('card.pay.once', 'card.pay.unknown_outcome')
  const seller = await current().startProvider({ id: 'first', prices, maxTimeoutSeconds: 60 })
  onTestFinished(() => seller.stop())
  let mend: (() => Promise<void>) | undefined
  const breakAt = async (now: Moment) => {
    if (now === moment) mend = await break_(world)
  }
  const relay = await startRelay(seller, {
    async instead(_request, paid) {
      if (paid === 0) await breakAt('once the provider asks for money')
      if (paid === 1) await breakAt('once it is paid')
      if (paid === 1) await breakAt('once it is paid, and the answer is lost')
      return undefined
    },
    tamper: (answer, _request, paid) => (paid === 1 && moment.endsWith('lost') ? { status: 403, json: {} } : answer),
  })
  const world = await writeWorld(current(), { sellers: [relay] })
  const engine = await openEngine(
    world,
    hurriedClock(() => mend !== undefined),
  )
  const url = await engine.serve()
  await breakAt('before the call')
  const reply = await ask(url)
  await mend?.()

  if (moment === 'once it is paid') expect([reply.error, reply.status]).toEqual([undefined, 200])
  else if (moment.endsWith('lost')) expect(reply.error).toMatchObject({ code: 'payment_outcome_unknown', money: 'unknown' })
  else {
    expect([reply.status, relay.credentials]).toEqual([503, []])
    expect(reply.error).toMatchObject({ code: 'store_unavailable', money: 'untouched', message: expect.stringContaining(reason) as string })
  }
  const isPaid = moment.startsWith('once it is paid')
  const books = await closedBooks(world)
  expect(books.rows.map(({ state }) => state)).toEqual(isPaid ? ['settled'] : moment === 'before the call' ? [] : ['released'])
  expectBalanced(books)
  expect((await ask(url)).status).toBe(200)
  await engine.close()
})

it('a disk that is full stops payments, and none is on chain that the books lack', async () => {
  verifies('card.pay.once', 'card.pay.unknown_outcome')
  const seller = await current().startProvider({ id: 'first', prices, maxTimeoutSeconds: 60 })
  onTestFinished(() => seller.stop())
  const world = await writeWorld(current(), { sellers: [seller] })
  await (await openEngine(world)).close()
  const child = startChild('crash.ts', { ...world, limits: 'ulimit -f 1200' }, '3')
  await child.said('ended store_unavailable', 6)
  child.process.kill('SIGKILL')
  await child.ended
  const before = await readBooks(world)
  expect(before.transfers.length).toBeGreaterThan(0)
  await passTime(current(), 90)
  const heir = await openEngine(world)
  const books = await closedBooks(world)
  await heir.close()
  expectBalanced(books)
})
