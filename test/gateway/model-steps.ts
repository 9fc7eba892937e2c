/** How random histories are driven: turns of the loop without any time, and time that passes only when everybody waits for it. */
import fc from 'fast-check'
import { readPrivateKey, type WalletKey } from '../../src/wallet/key.ts'
import { createPlace, type LedgerPlace } from '../ledger/open.ts'
import { randomHex } from '../support/chain.ts'
import type { VirtualClock } from './payment-chain.ts'

/** A world with its own time, of which broken promises are found while they are broken. */
export type ModelWorld = { readonly clock: VirtualClock }

/** A world whose process may die. */
type MortalWorld<Process extends { end(): void }> = ModelWorld & { process: Process }

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

/** Lets a few turns of the loop go by, in which the ledger writes and promises settle, without any time passing. */
export async function settleDown(): Promise<void> {
  for (let turns = 0; turns < 16; turns++) await turn()
}

/** Runs to the end with time passing only when everybody waits for it; gives up on what waits for ever. */
export async function drive(world: ModelWorld, work: Promise<unknown>): Promise<void> {
  let done = false
  const ended = work.finally(() => {
    done = true
  })
  for (let steps = 0; steps < 400; steps++) {
    await settleDown()
    if (done) return void (await ended)
    if (!world.clock.step()) break
  }
  void ended.catch(() => {})
}

/** Ten minutes, and whatever was to be done in them. */
export async function passLongTime(world: ModelWorld): Promise<void> {
  world.clock.advance(600_000)
  for (let steps = 0; steps < 60; steps++) {
    await settleDown()
    if (!world.clock.step()) return
  }
}

/** Makes a step of a history, after which everything that must be true is looked at. */
export function stepOf<World extends ModelWorld>(inspect: (world: World) => Promise<void>) {
  return (name: string, run: (world: World) => Promise<void>): fc.AsyncCommand<object, World> => ({
    check: () => true,
    toString: () => name,
    async run(_, world) {
      await run(world)
      await settleDown()
      await inspect(world)
    },
  })
}

/** The process dies after so many turns of what it does; its successor heals what it finds. */
export async function dieDuring<Process extends { end(): void }, World extends MortalWorld<Process>>(
  world: World,
  work: Promise<void>,
  { turns, next }: { readonly turns: number; next(world: World): Promise<Process> },
): Promise<void> {
  void work.catch(() => {})
  for (let at = 0; at < turns; at++) await turn()
  world.process.end()
  await settleDown()
  world.process = await next(world)
}

type Histories<World extends object> = {
  readonly history: fc.Arbitrary<Iterable<fc.AsyncCommand<object, World>>>
  create(place: LedgerPlace, key: WalletKey): Promise<World>
  /** After the last step: brings everything to its end, and looks at all that must be true then. */
  end(world: World): Promise<void>
  readonly numRuns: number
}

/** Lives through histories, each in a world and on a ledger of its own. */
export async function assertHistories<World extends object>({ history, create, end, numRuns }: Histories<World>): Promise<void> {
  const key = await readPrivateKey(randomHex(32))
  const property = fc.asyncProperty(history, async (commands) => {
    await using place = createPlace()
    const world = await create(place, key)
    await fc.asyncModelRun(async () => ({ model: {}, real: world }), commands)
    await end(world)
  })
  await fc.assert(property, { numRuns })
}
