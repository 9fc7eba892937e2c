/** Processes that are killed between signing and answering: whoever opens the ledger next makes it equal to the chain. */
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { ChannelFaults } from '../../src/demo/channel-provider.ts'
import type { Faults } from '../../src/demo/paid-provider.ts'
import { allowReserve, startSessionProvider } from '../../src/demo/session-provider.ts'
import { startTempoNetwork, type TempoNetwork } from '../../src/demo/tempo-network.ts'
import type { ChannelRow } from '../../src/ledger/channel.ts'
import { countedUsd } from '../../src/ledger/rules.ts'
import { addUsd, formatUsd, parseUsd, scaleUsd, type Atomic, type Usd } from '../../src/money.ts'
import { randomHex, useDemoNetwork } from '../support/chain.ts'
import { channelPrices, chargedOf, useChannelMarket } from '../support/channel-market.ts'
import {
  closedBooks,
  expectBalanced,
  openEngine,
  paidOf,
  passTime,
  readBooks,
  writeWorld,
  type Books,
  type World,
} from '../support/engine.ts'
import { verifies } from '../support/verifies.ts'
import { startChild, type Child } from './children/start.ts'

/** `npm run soak` kills more often, in more processes. */
const ROUNDS = Number(process.env['ROUTEPLANE_CRASH_ROUNDS'] ?? 2)
/** Sessions at random moments take the time that only the soak has; `tempo-session.test.ts` kills one in the middle of its stream. */
const WITH_SESSIONS = process.env['ROUTEPLANE_CRASH_SESSIONS'] === 'true'
const CHILDREN = Number(process.env['ROUTEPLANE_CRASH_PROCESSES'] ?? 5)
/** Spent before the last kills, so that some find nothing left, and not long before, so that most find something to die in. */
const perDayUsd = formatUsd(scaleUsd(parseUsd('0.0015'), BigInt(Math.max(14, ROUNDS)), 1n, 'up'))

// A chain for each: either ends by letting its clock run ahead.
const current = useDemoNetwork()
const market = useChannelMarket()

/** 0 to `below` − 1, from the operating system: each run kills at other moments. */
const anyOf = (below: number) => Number(BigInt(randomHex(4)) % BigInt(below))

/** One answer in eight is lost after it was paid. */
function hangUpSometimes(faults: Pick<Faults, 'afterSettle'>): void {
  if (anyOf(8) === 0) faults.afterSettle = 'drop-connection'
  else delete faults.afterSettle
}

/** Lets a few payments go by, and kills while at least one more is signed and perhaps sent, settled or answered. */
async function killAtSomeMoment(child: Child): Promise<void> {
  await child.said('ready')
  // However slow the machine is: something has been signed, or a call has ended without, as where money or channels are all taken.
  await Promise.race([child.said('signed'), child.said('ended')])
  // A world whose money is all signed away, until its chain's clock has moved, signs no more.
  await Promise.race([child.said('signed', 1 + anyOf(6)), sleep(3_000)])
  await sleep(anyOf(60))
  child.process.kill('SIGKILL')
  await child.ended
}

/** What counts against the day: all that was signed, but for vouchers, whose money was counted when it was put in. */
const dayOf = ({ rows }: Books): Usd => addUsd(...rows.filter(({ payment }) => payment?.proof !== 'voucher').map(countedUsd))

/** @param how - What the children are told besides. */
async function killAgainAndAgain(world: World, capUsd = perDayUsd, how: readonly string[] = []): Promise<Books> {
  for (let round = 0; round < ROUNDS; round++) {
    await Promise.all(Array.from({ length: CHILDREN }, () => killAtSomeMoment(startChild('crash.ts', world, ...how))))
    const books = await readBooks(world)
    expect(dayOf(books) <= parseUsd(capUsd)).toBe(true)
    if (WITH_SESSIONS) tell(`round ${round + 1} of ${ROUNDS}`, books)
  }
  const books = await readBooks(world)
  expect(books.rows.filter(({ payment }) => payment !== undefined).length).toBeGreaterThan(ROUNDS)
  return books
}

/** Tempo makes a block each second, and an anvil none while nobody sends anything: to a seller that asks it then, every signature lives too long. */
function keepTime({ anvil }: Pick<TempoNetwork, 'anvil'>): void {
  const beat = setInterval(() => void anvil.rpc('evm_mine').catch(() => {}), 2_000)
  onTestFinished(() => clearInterval(beat))
}

function expectOnePaymentEach({ rows }: Books): void {
  const paid = rows.filter(({ state }) => state === 'settled')
  expect(new Set(paid.map(({ requestId, payment }) => `${requestId} ${payment?.proof}`)).size).toBe(paid.length)
}

/** The soak takes minutes: whoever waits sees that it moves, and, when it does not, at what. */
function tell(when: string, { rows, open }: Books): void {
  const counted = [...new Set(rows.map(({ state }) => state))].map(
    (state) => `${rows.filter((row) => row.state === state).length} ${state}`,
  )
  process.stdout.write(`${when}: ${counted.join(', ')}; ${open.length} open\n`)
}

function report(scheme: string, before: Books, after: Books): void {
  const [open, settled] = [before.open.length, after.rows.filter(({ state }) => state === 'settled').length]
  process.stdout.write(
    `${scheme}, kills ${ROUNDS * CHILDREN}: ${after.rows.length} attempts, ${settled} settled, ${open} open of ${new Set(before.open.map(({ owner }) => owner)).size} processes healed\n`,
  )
}

describe('after kills at any moment the ledger equals the chain to the unit, nothing is open, and no cap was passed', () => {
  it(
    'with a payment a call',
    async () => {
      verifies('card.pay.once', 'card.pay.unknown_outcome', 'card.cap.rolling')
      // A seller that takes a moment with everything, so that there is something to die in.
      const faults: Faults = {
        beforeSettle() {
          hangUpSometimes(faults)
          return sleep(anyOf(40))
        },
      }
      const prices = { prompt: '0.000001', completion: '0.000005' }
      const seller = await current().startProvider({ id: 'steady', prices, maxTimeoutSeconds: 60, latencyMs: 10, faults })
      const world = await writeWorld(current(), { sellers: [seller], perDayUsd })
      const before = await killAgainAndAgain(world)

      await passTime(current(), 90)
      await openEngine(world)
      const books = await closedBooks(world)
      expectBalanced(books)
      expectOnePaymentEach(books)
      expect(paidOf(books)).toBe(await current().chain.balanceOf(current().asset.address, seller.payTo))
      expect(dayOf(books) <= parseUsd(perDayUsd)).toBe(true)
      report('exact', before, books)
    },
    90_000 + ROUNDS * 20_000,
  )

  it(
    'with payment channels',
    async () => {
      verifies('card.pay.once', 'card.cap.rolling')
      const { network } = market()
      const faults: ChannelFaults = {
        beforeAnswer() {
          hangUpSometimes(faults)
          return sleep(anyOf(30))
        },
      }
      const seller = await market().startSeller({ prices: channelPrices, faults })
      const funds = 10_000_000n
      const world = await writeWorld(network, {
        sellers: [{ ...seller, schemes: ['batch-settlement'] }],
        perDayUsd,
        channels: '{ per_provider: 16 }',
      })
      const before = await killAgainAndAgain(world)

      await passTime(network, 90)
      const { routeplane } = await openEngine(world)
      // What a dead process's last call was charged is known to its seller, until somebody asks.
      for (const { id } of await routeplane.channels.list()) await routeplane.channels.close(id)
      const books = await closedBooks(world, 60)
      expectBalanced(books)
      expectOnePaymentEach(books)
      const vouchers = books.rows.filter(({ state, payment }) => state === 'settled' && payment?.proof === 'voucher')
      const charged = vouchers.reduce((sum, { payment }) => sum + (payment?.amountSettled ?? 0n), 0n)
      await seller.claims.settle()
      const { chain, asset } = network
      expect(await chain.balanceOf(asset.address, seller.payTo)).toBe(charged)
      expect(await chain.balanceOf(asset.address, world.payer)).toBe(funds - charged)
      report('batch-settlement', before, books)
    },
    90_000 + ROUNDS * 20_000,
  )

  const sessions = WITH_SESSIONS ? it : undefined
  sessions?.(
    'with sessions, in the middle of their streams',
    async () => {
      verifies('card.pay.once', 'card.cap.rolling')
      const tempo = await startTempoNetwork()
      onTestFinished(() => tempo.stop())
      keepTime(tempo)
      const seller = await startSessionProvider({
        id: 'session',
        network: tempo,
        prices: channelPrices,
        faults: { beforeToken: () => sleep(anyOf(30)) },
      })
      onTestFinished(() => seller.stop())
      const funds = 10_000_000n as Atomic
      // An opening costs its fee besides.
      const capUsd = '0.5'
      const world = await writeWorld(tempo, {
        sellers: [seller],
        perRequestUsd: '0.05',
        perDayUsd: capUsd,
        channels: '{ per_provider: 16 }',
        funds,
      })
      await allowReserve(tempo, world.payer)
      const leave = (await readBooks(world)).transfers.map(({ transaction }) => transaction)
      const funded = await tempo.chain.balanceOf(tempo.asset.address, world.payer)
      const before = await killAgainAndAgain(world, capUsd, ['3', 'stream'])

      const { routeplane } = await openEngine(world)
      const closeAll = async (channels: readonly ChannelRow[]) => {
        for (const { id } of channels) await routeplane.channels.close(id)
      }
      // Its seller's transactions live by the clock on the wall: those that it must close come before the chain's runs ahead.
      await closeAll((await routeplane.channels.list()).filter(({ deposited }) => deposited > 0n))
      await passTime(tempo, 90)
      await closeAll((await routeplane.channels.list()).filter(({ state }) => state !== 'closed'))
      const all = await closedBooks(world, 60)
      // What the payer's leave to the stand-in of the reserve cost was no payment.
      const books = { ...all, transfers: all.transfers.filter(({ transaction }) => !leave.includes(transaction)) }
      expectBalanced(books)
      expectOnePaymentEach(books)
      const channels = await routeplane.channels.list()
      const sum = (amounts: readonly (bigint | undefined)[]) => amounts.reduce<bigint>((total, amount) => total + (amount ?? 0n), 0n)
      const returned = sum(channels.map((channel) => channel.returned))
      expect(await tempo.chain.balanceOf(tempo.asset.address, world.payer)).toBe(funded - paidOf(books) + returned)
      expect(channels.map(({ state }) => state)).toEqual(channels.map(() => 'closed'))
      // A stream that broke off is counted in full: its seller could have taken that, and took no more.
      expect(channels.every(({ deposited, returned, charged }) => deposited - returned <= charged)).toBe(true)
      // What was counted while an opening was under way that never came was charged out of nothing.
      const filled = channels.filter(({ deposited }) => deposited > 0n)
      expect(sum(chargedOf(books))).toBe(sum(filled.map(({ charged }) => charged)))
      report('tempo/session', before, books)
    },
    90_000 + ROUNDS * 20_000,
  )
})
