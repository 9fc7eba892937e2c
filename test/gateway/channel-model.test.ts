/** Random histories of payment channels with lost answers, refusals, silence, claims, refunds and crashes: the promises about money hold after every step. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { ChannelRow } from '../../src/ledger/channel.ts'
import { countedUsd, openStates } from '../../src/ledger/rules.ts'
import { addUsd, fromAtomic, subtractUsd, ZERO_USD } from '../../src/money.ts'
import { everyLimitAt } from '../../src/payment/budget.ts'
import { planWithdrawal } from '../../src/payment/channel/withdraw.ts'
import { syncChannel } from '../../src/payment/channel/sync.ts'
import { verifies } from '../support/verifies.ts'
import {
  buyFrom,
  channelReplies,
  charges,
  claim,
  createChannelModel,
  DAY_CAP,
  refund,
  REQUEST_CAP,
  startLife,
  type ChannelModel,
  type Meeting,
} from './channel-world.ts'
import { assertHistories, dieDuring, drive, passLongTime, settleDown, stepOf } from './model-steps.ts'

const isVoucher = (row: { readonly payment?: { readonly proof?: string } | undefined }) => row.payment?.proof === 'voucher'

/** What must be true between any two steps. */
async function inspect({ process, chain, clock, broken, accounts }: ChannelModel): Promise<void> {
  expect(broken).toEqual([])
  const { attempts, channels } = process.ledger
  const rows = await attempts.list({})
  for (const requestId of new Set(rows.map((row) => row.requestId).filter((id) => !id.endsWith('-deposit')))) {
    expect(addUsd(...rows.filter((row) => row.requestId === requestId).map(countedUsd)) <= REQUEST_CAP).toBe(true)
  }
  const known = await channels.list({})
  // A deposit counts in full until it comes back, and of the day's money no more is out than it allows.
  const out = addUsd(...rows.filter((row) => !isVoucher(row)).map(countedUsd))
  const cameBack = addUsd(...known.map(({ returned }) => fromAtomic(returned, 6, 'down')))
  const [day] = await attempts.budgets(everyLimitAt({ perDay: DAY_CAP }, clock.now()))
  expect(addUsd(day?.reserved ?? ZERO_USD, day?.spent ?? ZERO_USD)).toBe(subtractUsd(out, cameBack))
  expect(subtractUsd(out, cameBack) <= DAY_CAP).toBe(true)
  for (const { nonce, amount } of chain.transfers) {
    const [row, ...others] = rows.filter(({ payment }) => payment?.nonce === nonce)
    expect([others, row?.payment?.amountAuthorized]).toEqual([[], amount])
    expect(['intent', 'unknown', 'settled']).toContain(row?.state)
  }
  for (const channel of known) {
    // What the seller could take never passes what we remember to have signed, nor that what it was given.
    expect((accounts.get(channel.id)?.signed ?? 0n) <= channel.signed).toBe(true)
    expect(channel.charged <= channel.signed).toBe(true)
  }
}

/** Does something with one channel after the other; those that are closed stay as they are. */
async function ofEach({ process }: ChannelModel, work: (channel: ChannelRow) => Promise<unknown>): Promise<void> {
  for (const channel of await process.ledger.channels.list({})) if (channel.state !== 'closed') await work(channel)
}

/** The seller settles honestly, everybody's time runs out, and the next process ends the rest. */
async function end(world: ChannelModel): Promise<void> {
  world.chain.down = false
  world.process.end()
  world.process = await startLife(world)
  await passLongTime(world)
  claim(world, true)
  refund(world)
  await drive(
    world,
    ofEach(world, (channel) => planWithdrawal(channel, { ...world.process, wallet: undefined })),
  )
  world.process.end()
  world.process = await startLife(world)
  await passLongTime(world)
  await inspect(world)
  const { attempts, channels, verifyEvents } = world.process.ledger
  const rows = await attempts.list({})
  expect(rows.filter(({ state }) => openStates.includes(state)).map(({ id, reason }) => `${id} ${reason}`)).toEqual([])
  const settled = rows.filter((row) => row.state === 'settled')
  const deposits = settled.filter((row) => !isVoucher(row)).map(({ payment }) => `${payment?.nonce} ${payment?.amountSettled}`)
  expect(deposits.toSorted()).toEqual(world.chain.transfers.map(({ nonce, amount }) => `${nonce} ${amount}`).toSorted())
  for (const channel of await channels.list({})) {
    const { filled = 0n, refunded = 0n, charged = 0n } = world.accounts.get(channel.id) ?? {}
    expect([channel.id, channel.deposited, channel.returned, channel.state]).toEqual([channel.id, filled, refunded, 'closed'])
    // Every unit that the seller took is a voucher's, and no voucher is counted for more.
    const own = settled.filter(({ payment }) => isVoucher({ payment }) && payment?.particulars?.['channel'] === channel.id)
    const counted = own.reduce((sum, { payment }) => sum + (payment?.amountSettled ?? 0n), 0n)
    expect([channel.id, counted, channel.charged]).toEqual([channel.id, charged, charged])
  }
  for (const { attemptId, money } of world.told) {
    const state = rows.find(({ id }) => id === attemptId)?.state
    if (money === 'untouched') expect([attemptId, state ?? 'released']).toEqual([attemptId, 'released'])
    if (money === 'settled') expect([attemptId, state]).toEqual([attemptId, 'settled'])
  }
  expect(await verifyEvents()).toEqual({ ok: true })
}

const step = stepOf(inspect)
const buy = (meetings: readonly Meeting[]) => step(`buy(${JSON.stringify(meetings)})`, (world) => drive(world, buyFrom(world, meetings)))

/** Two requests at once, which want channels of their own. */
const buyTogether = (one: readonly Meeting[], other: readonly Meeting[]) =>
  step(`buy together(${JSON.stringify([one, other])})`, (world) => drive(world, Promise.all([buyFrom(world, one), buyFrom(world, other)])))

/** The process dies after so many turns; its successor heals what it finds. */
const crash = (meetings: readonly Meeting[], turns: number) =>
  step(`crash(${JSON.stringify(meetings)}, ${turns})`, (world) => dieDuring(world, buyFrom(world, meetings), { turns, next: startLife }))

const claims = step('claim', async (world) => claim(world, true))

/** The seller closes its books on everybody; we find out when we look, as `reconcile` does. */
const refunds = step('refund', async (world) => {
  world.chain.down = false
  claim(world, true)
  refund(world)
  await drive(
    world,
    ofEach(world, (channel) => syncChannel(channel, world.process)),
  )
})

const pass = (seconds: number) =>
  step(`pass(${seconds})`, async (world) => {
    world.clock.advance(seconds * 1_000)
    await settleDown()
    await world.process.resolver.recover().catch(() => {})
    await world.process.resolver.sweep().catch(() => {})
  })

const node = (down: boolean) => step(`node ${down ? 'down' : 'up'}`, async ({ chain }) => void (chain.down = down))

const meetings: fc.Arbitrary<readonly Meeting[]> = fc.array(
  fc.record({
    fills: fc.oneof({ weight: 5, arbitrary: fc.constant(true) }, fc.boolean()),
    charge: fc.constantFrom(...charges),
    reply: fc.constantFrom(...channelReplies),
  }),
  { minLength: 1, maxLength: 4 },
)

const history = fc.commands(
  [
    meetings.map(buy),
    meetings.map(buy),
    fc.tuple(meetings, meetings).map(([one, other]) => buyTogether(one, other)),
    fc.tuple(meetings, fc.nat(60)).map(([own, turns]) => crash(own, turns)),
    fc.constant(claims),
    fc.constant(refunds),
    fc.integer({ min: 1, max: 120 }).map(pass),
    fc.boolean().map(node),
  ],
  { size: 'max', maxCommands: 20 },
)

it('keeps every promise about channels through any history', { timeout: 120_000 }, async () => {
  verifies('card.pay.once', 'card.cap.request', 'card.cap.rolling', 'card.pay.unknown_outcome')
  await assertHistories({ history, create: createChannelModel, end, numRuns: 12 })
})
