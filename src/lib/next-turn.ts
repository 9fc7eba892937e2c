/** Waits until what has been handed to a connection in this turn is written: streams and clients take a few turns to it. */
export async function turnsToWrite(): Promise<void> {
  for (let turn = 0; turn < TURNS_TO_WRITE; turn++) await nextTurn()
}

const TURNS_TO_WRITE = 3

/** Waits until the event loop has dealt with what has come and written what is to go. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
