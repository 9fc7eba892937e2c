/** How random histories are driven: turns of the loop without any time, and time that passes only when everybody waits for it. */
import type fc from 'fast-check'
import type { VirtualClock } from './payment-chain.ts'

/** A world with its own time, of which broken promises are found while they are broken. */
export type ModelWorld = { readonly clock: VirtualClock }

export const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

/** Lets a few turns of the loop go by, in which the ledger writes and promises settle, without any time passing. */
export async function settleDown(): Promise<void> {
  for (let turns = 0; turns < 16; turns++) await turn()
}

/** Runs to the end with time passing only when everybody waits for it; gives up on what waits for ever. */
export async function drive(world: ModelWorld, work: Promise<void>): Promise<void> {
  let done = false
  const ended = work.finally(() => {
    done = true
  })
  for (let steps = 0; steps < 400; steps++) {
    await settleDown()
    if (done) return ended
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
