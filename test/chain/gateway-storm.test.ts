/** A thousand completions at once in four processes, against a cap that a fraction of them fills. */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { countedUsd } from '../../src/ledger/rules.ts'
import { addUsd, fromAtomic, parseUsd, type Atomic } from '../../src/money.ts'
import { useDemoNetwork } from '../support/chain.ts'
import { closedBooks, expectBalanced, openEngine, paidOf, passTime, readBooks, writeWorld, type World } from '../support/engine.ts'
import { verifies } from '../support/verifies.ts'
import type { Bought } from './children/buyer.ts'
import { startChild } from './children/start.ts'

const PROCESSES = 4
const EACH = 250
/** Room for some 150 holds: each reserves the most its answer can cost, more than twice what it then does. */
const perDayUsd = '0.045'

const current = useDemoNetwork()

/** Reads the books over and over: what is spent and reserved together may at no moment pass the cap. */
async function watchCap(world: World, until: AbortSignal): Promise<number> {
  let looks = 0
  for (; !until.aborted; looks++) {
    const { rows, transfers } = await readBooks(world)
    expect(addUsd(...rows.map(countedUsd)) <= parseUsd(perDayUsd)).toBe(true)
    const onChain = transfers.reduce((sum, { amount }) => sum + amount, 0n)
    expect(fromAtomic(onChain as Atomic, 6, 'up') <= parseUsd(perDayUsd)).toBe(true)
    await sleep(100)
  }
  return looks
}

it('spends no more than the cap at any moment, refuses the rest, and pays nobody twice', async () => {
  verifies('card.cap.rolling', 'card.cap.before_signing', 'card.cap.refusal', 'listing.edge.concurrent')
  const seller = await current().startProvider({
    id: 'busy',
    prices: { prompt: '0.000001', completion: '0.000005' },
    maxTimeoutSeconds: 60,
  })
  const world = await writeWorld(current(), { sellers: [seller], perDayUsd })
  const children = Array.from({ length: PROCESSES }, () => startChild('storm.ts', world, String(EACH)))
  await Promise.all(children.map((child) => child.said('ready')))
  const over = new AbortController()
  const watching = watchCap(world, over.signal)
  for (const child of children) child.process.stdin?.write('go\n')
  expect(await Promise.all(children.map(({ ended }) => ended))).toEqual(children.map(() => 0))
  over.abort()
  expect(await watching).toBeGreaterThan(0)

  const bought = children.flatMap(({ lines }) => lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as Bought))
  expect(bought.length).toBe(PROCESSES * EACH)
  const paid = bought.filter(({ money }) => money !== 'untouched')
  const refused = bought.filter(({ money }) => money === 'untouched')
  expect(new Set(refused.map(({ code }) => code))).toEqual(new Set(['budget_exceeded']))

  await passTime(current(), 90)
  await openEngine(world)
  const books = await closedBooks(world)
  expectBalanced(books)
  const settled = books.rows.filter(({ state }) => state === 'settled')
  expect(new Set(settled.map(({ requestId }) => requestId)).size).toBe(settled.length)
  // Whoever was told that money moved is in the books, and nobody else.
  expect(settled.map(({ requestId }) => requestId).toSorted()).toEqual(paid.map(({ requestId }) => requestId).toSorted())
  expect(settled.length).toBeGreaterThan(100)
  expect(fromAtomic(paidOf(books) as Atomic, 6, 'up') <= parseUsd(perDayUsd)).toBe(true)
  process.stdout.write(`storm: ${bought.length} asked, ${settled.length} paid, ${refused.length} refused\n`)
}, 120_000)
