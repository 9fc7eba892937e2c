/** Random histories of payments with lies, losses, crashes and a failing ledger: the promises about money hold after every step. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { everyLimitAt } from '../../src/payment/budget.ts'
import { recheckSettled } from '../../src/payment/recheck.ts'
import { countedUsd, openStates } from '../../src/ledger/rules.ts'
import { addUsd } from '../../src/money.ts'
import { verifies } from '../support/verifies.ts'
import { assertHistories, dieDuring, drive, passLongTime, settleDown, stepOf } from './model-steps.ts'
import {
  createPaymentWorld,
  DAY_CAP,
  firsts,
  purchase,
  replies,
  REQUEST_CAP,
  startProcess,
  type PaymentWorld,
  type Purchase,
  type Script,
} from './payment-world.ts'

/** What must be true between any two steps. */
async function inspect(world: PaymentWorld): Promise<void> {
  const { chain, process } = world
  expect(world.broken).toEqual([])
  const rows = await process.ledger.attempts.list({})
  for (const requestId of new Set(rows.map((row) => row.requestId))) {
    const own = rows.filter((row) => row.requestId === requestId)
    expect(addUsd(...own.map(countedUsd)) <= REQUEST_CAP).toBe(true)
  }
  const limits = everyLimitAt({ perDay: DAY_CAP, total: DAY_CAP }, world.clock.now())
  const [, total] = await process.ledger.attempts.budgets(limits)
  const counted = addUsd(...rows.map(countedUsd))
  expect(addUsd(total?.reserved ?? counted, total?.spent ?? counted)).toBe(counted)
  expect(counted <= DAY_CAP).toBe(true)
  for (const { nonce, amount } of chain.transfers) {
    const [row, ...others] = rows.filter(({ payment }) => payment?.nonce === nonce)
    const { amountAuthorized = 0n, particulars } = row?.payment ?? {}
    // Of two signatures under one nonce the chain takes either.
    expect([others, particulars === undefined ? amountAuthorized === amount : amountAuthorized >= amount]).toEqual([[], true])
    expect(['intent', 'unknown', 'settled']).toContain(row?.state)
  }
  for (const { payment } of rows.filter(({ state }) => state === 'settled')) expect(chain.isUsed(payment?.nonce ?? '')).toBe(true)
}

/** After all is over: what is followed has come to its end, the next process ends the rest; everything has an end, the books agree, and nobody was told anything else. */
async function close(world: PaymentWorld): Promise<void> {
  world.chain.down = false
  world.writesLeft = Infinity
  await world.process.resolver.recover()
  await passLongTime(world)
  const left = await world.process.ledger.attempts.list({ states: openStates })
  const forgotten = left.filter(({ id, state }) => state === 'unknown' || world.lifeOf.get(id) !== world.lives || !world.hanging.has(id))
  expect(forgotten.map(({ id, state }) => `${id} ${state}`)).toEqual([])
  world.process.end()
  world.process = await startProcess(world)
  await passLongTime(world)
  await inspect(world)
  const rows = await world.process.ledger.attempts.list({})
  expect(rows.filter(({ state }) => openStates.includes(state))).toEqual([])
  const settled = rows.filter(({ state }) => state === 'settled').map(({ payment }) => `${payment?.nonce} ${payment?.amountSettled}`)
  expect(settled.toSorted()).toEqual(world.chain.transfers.map(({ nonce, amount }) => `${nonce} ${amount}`).toSorted())
  for (const { attemptId, money } of world.told) {
    const row = rows.find(({ id }) => id === attemptId)
    if (money === 'untouched') expect([attemptId, row?.state ?? 'released']).toEqual([attemptId, 'released'])
    const isTakenBack = world.chain.takenBack.has(row?.payment?.nonce ?? '')
    if (money === 'settled' && !isTakenBack) expect([attemptId, row?.state]).toEqual([attemptId, 'settled'])
  }
  const attempts = new Set(world.signed.map(({ attemptId }) => attemptId))
  expect(new Set(world.signed.map(({ attemptId, nonce }) => `${attemptId} ${nonce}`)).size).toBe(attempts.size)
  expect(await world.process.ledger.verifyEvents()).toEqual({ ok: true })
}

const step = stepOf(inspect)

const buy = (order: Purchase) => step(`buy(${JSON.stringify(order)})`, (world) => drive(world, purchase(world, order)))

/** Two requests at once, whose steps interleave as they like. */
const buyTogether = (one: Purchase, other: Purchase) =>
  step(`buy together(${JSON.stringify([one, other])})`, (world) =>
    drive(world, Promise.all([purchase(world, one), purchase(world, other)])),
  )

/** The process dies after so many turns of the purchase; its successor heals what it finds. */
const crash = (order: Purchase, turns: number) =>
  step(`crash(${JSON.stringify(order)}, ${turns})`, (world) => dieDuring(world, purchase(world, order), { turns, next: startProcess }))

const cashLater = (pick: number) =>
  step(`cash later(${pick})`, async (world) => {
    const credential = world.credentials[pick % Math.max(1, world.credentials.length)]
    if (credential !== undefined) world.chain.cash(credential)
  })

const pass = (seconds: number) =>
  step(`pass(${seconds})`, async (world) => {
    world.clock.advance(seconds * 1_000)
    await settleDown()
    // The product does this every half minute, and when it fails once, the next time.
    await world.process.resolver.recover().catch(() => {})
    await world.process.resolver.sweep().catch(() => {})
    await recheckSettled(world.process.recheck).catch(() => {})
  })

/** The chain takes back what is not safe yet, which is seen once its blocks should be; whoever holds a signature may cash it again. */
const reorganise = step('reorganise', async (world) => {
  world.chain.down = false
  world.writesLeft = Infinity
  world.chain.reorganise()
  world.clock.advance(20_000)
  await recheckSettled(world.process.recheck)
})

const node = (down: boolean) => step(`node ${down ? 'down' : 'up'}`, async ({ chain }) => void (chain.down = down))
const disk = (writes: number) => step(`disk takes ${writes} more`, async (world) => void (world.writesLeft = writes))

const script: fc.Arbitrary<Script> = fc.record({
  first: fc.oneof({ weight: 6, arbitrary: fc.constant('challenge' as const) }, { weight: 4, arbitrary: fc.constantFrom(...firsts) }),
  paid: fc.array(fc.record({ cash: fc.boolean(), reply: fc.constantFrom(...replies) }), { minLength: 1, maxLength: 4 }),
})
const order: fc.Arbitrary<Purchase> = fc.record({
  scripts: fc.array(script, { minLength: 1, maxLength: 4 }),
  onUnknown: fc.constantFrom('wait', 'fail', 'allow_double'),
})

const history = fc.commands(
  [
    order.map(buy),
    order.map(buy),
    fc.tuple(order, order).map(([one, other]) => buyTogether(one, other)),
    fc.tuple(order, fc.nat(40)).map(([own, turns]) => crash(own, turns)),
    fc.nat(50).map(cashLater),
    fc.integer({ min: 1, max: 120 }).map(pass),
    fc.boolean().map(node),
    fc.constant(reorganise),
    fc.constantFrom(0, 1, 2, 3, 4, 5, 6, Infinity, Infinity, Infinity).map(disk),
  ],
  { size: 'max', maxCommands: 25 },
)

it('keeps every promise about money through any history', { timeout: 120_000 }, async () => {
  verifies('card.pay.once', 'card.cap.request', 'card.cap.rolling', 'card.cap.before_signing', 'card.pay.unknown_outcome')
  await assertHistories({ history, create: createPaymentWorld, end: close, numRuns: 60 })
})
