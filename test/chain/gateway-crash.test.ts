/** Processes that are killed between signing and answering: whoever opens the ledger next makes it equal to the chain. */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { countedUsd } from '../../src/ledger/rules.ts'
import { addUsd, parseUsd } from '../../src/money.ts'
import { randomHex, useDemoNetwork } from '../support/chain.ts'
import { closedBooks, expectBalanced, openEngine, paidOf, passTime, readBooks, writeWorld } from '../support/engine.ts'
import { verifies } from '../support/verifies.ts'
import { startChild, type Child } from './children/start.ts'

const ROUNDS = 10
const CHILDREN = 2
const perDayUsd = '0.02'

const current = useDemoNetwork()

/** 0 to `below` − 1, from the operating system: each run kills at other moments. */
const anyOf = (below: number) => Number(BigInt(randomHex(4)) % BigInt(below))

/** Lets a few payments go by, and kills while at least one more is signed and perhaps sent, settled or answered. */
async function killAtSomeMoment(child: Child): Promise<void> {
  await child.said('ready')
  await child.said('signed', 1 + anyOf(6))
  await sleep(anyOf(60))
  child.process.kill('SIGKILL')
  await child.ended
}

it('after twenty kills the ledger equals the chain to the unit, nothing is open, and no cap was passed', async () => {
  verifies('card.pay.once', 'card.pay.unknown_outcome', 'card.cap.rolling')
  // A seller that takes a moment with everything, so that there is something to die in.
  const seller = await current().startProvider({
    id: 'steady',
    prices: { prompt: '0.000001', completion: '0.000005' },
    maxTimeoutSeconds: 60,
    latencyMs: 10,
    faults: { beforeSettle: () => sleep(anyOf(40)) },
  })
  const world = await writeWorld(current(), { sellers: [seller], perDayUsd })
  for (let round = 0; round < ROUNDS; round++) {
    await Promise.all(Array.from({ length: CHILDREN }, () => killAtSomeMoment(startChild('crash.ts', world))))
    const { rows } = await readBooks(world)
    expect(addUsd(...rows.map(countedUsd)) <= parseUsd(perDayUsd)).toBe(true)
  }
  const before = await readBooks(world)
  const dead = new Set(before.open.map(({ owner }) => owner))
  expect(before.rows.filter(({ payment }) => payment !== undefined).length).toBeGreaterThan(ROUNDS)

  await passTime(current(), 90)
  await openEngine(world)
  const books = await closedBooks(world)
  expectBalanced(books)
  expect(paidOf(books)).toBe(await current().chain.balanceOf(current().asset.address, seller.payTo))
  expect(addUsd(...books.rows.map(countedUsd)) <= parseUsd(perDayUsd)).toBe(true)
  const settled = books.rows.filter(({ state }) => state === 'settled')
  expect(new Set(settled.map(({ requestId }) => requestId)).size).toBe(settled.length)
  process.stdout.write(
    `kills ${ROUNDS * CHILDREN}: ${books.rows.length} attempts, ${settled.length} settled, ${before.open.length} open of ${dead.size} processes healed\n`,
  )
}, 120_000)
